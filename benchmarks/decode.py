"""How fast answers are written: `python -m benchmarks.decode --out decode.json`.

One token after the other, greedily and past every end token, after a prompt that is read and compressed before the
clock starts. Contenders, alternating: ours with the full cache; ours with Elastic Cache, which grows with the answer;
the same with a constant budget; `model.generate` with the library's dynamic cache; the same with its static cache
(which the library compiles by itself on a GPU). Elastic Cache goes by the paper's rule, without protecting the prompt's
words, so that the share kept is the share named. Times are per step, one token of every sequence; "1024 + 512" are the
tokens of the prompt and of the answer.

The limit is what memory alone would allow: bytes of weights and of keys and values read per step, averaged over the
answer, over the bandwidth of a copy made in the same run, which counts what it reads and writes. On a CPU the copy
touches as many bytes as a step does, for the weights of pocket-llava stay in the processor's cache. A copy also writes,
so reading alone can beat the limit.

Cases on the CPU: pocket-llava with a real picture, a mid-size random LLaVA, and 2,000 tokens at a constant budget, of
which the first and the last 200 are timed in turn. On a GPU: LLaVA-1.5-7B and 13B with random weights. `--cases` picks
those whose names contain one of some words. A contender that runs out of memory gets a row without times.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm
from transformers import StoppingCriteria, StoppingCriteriaList
from transformers.cache_utils import Cache, DynamicCache, StaticCache

from benchmarks.measure import Timing, alternate, copy_bandwidth, now
from benchmarks.models import SHAPES, llava_model, random_prompt, wanted_dtype
from benchmarks.report import TableRow, arguments, cell, goal, machine, parser, ratio, row, spread, table, write
from elastic.engine import State, prefill
from elastic.model import Llava, Reading, load
from elastic.policies import Policy
from elastic.policies.base import Growth
from elastic.policies.combine import Combine
from elastic.policies.elastic import Elastic
from elastic.policies.full import Full

PICTURE = Path(__file__).parent.parent / "assets" / "scenes" / "scene-2022.png"
POCKET = "pocket-llava"
FULL, ELASTIC, CONSTANT = "ours, full", "ours, elastic", "ours, elastic, constant"
DYNAMIC, STATIC = "generate, dynamic cache", "generate, static cache"
NEVER = 10**6  # an end token that no vocabulary has: generation goes on
EDGE = 200  # tokens at either end of a long answer


@dataclass(frozen=True)
class Case:
    """A model, a prompt and an answer."""

    model: str
    prompt: int  # tokens; pocket-llava has a prompt of its own
    steps: int
    batch: int = 1
    keep: float = 0.2

    @property
    def name(self) -> str:
        """As it is printed."""
        return f"{self.model}, batch {self.batch}, {self.prompt} + {self.steps}, keep {self.keep:g}"

    def policies(self) -> dict[str, Policy]:
        """Ours, by the names of the contenders."""
        elastic = Elastic(keep=self.keep, protect_text=False)
        constant = Combine(keep=self.keep, protect_text=False, growth=Growth.CONSTANT)
        return {FULL: Full(), ELASTIC: elastic, CONSTANT: constant}


CPU_CASES, QUICK_CASES = [Case(POCKET, 269, 256), Case("mid-size", 640, 64)], [Case(POCKET, 269, 64)]
LONG = Case(POCKET, 269, 2000)
GPU_CASES = [
    Case(model, prompt, steps, batch, keep)
    for model in ("7B", "13B")
    for prompt, steps, batches, keep in (
        (624, 256, (1, 8, 16, 48), 0.2),
        (1024, 512, (1, 8, 16, 48), 0.2),
        (2048, 256, (64,), 0.1),
        (131072, 256, (1,), 0.1),
    )
    for batch in batches
]


@dataclass(frozen=True)
class DecodedAnswer:
    """What a contender wrote, and the keys and values it read for it."""

    tokens: Tensor  # (B, steps + 1), the first of which the prompt alone gave
    read: float  # bytes per step, averaged over the answer


def open_model(name: str, device: str) -> Llava:
    """A model by the name a case has for it."""
    return load(device=device, dtype=wanted_dtype()) if name == POCKET else llava_model(SHAPES[name], name, device)


def prompt_for(llava: Llava, case: Case) -> Reading:
    """A real picture for pocket-llava, noise for random models."""
    if case.model == POCKET:
        return llava.first_turn(Image.open(PICTURE).convert("RGB"), "Describe the image in detail.")
    return random_prompt(llava, SHAPES[case.model], case.prompt, case.batch)


@torch.inference_mode()
def read_prompt(llava: Llava, prompt: Reading, policy: Policy, steps: int) -> State:
    """Read and compress in place, so that the full cache is gone when the answer begins."""
    state = prefill(llava, prompt, policy.needs, record_attention=False)
    state.cache.compress(policy, steps)
    return state


@torch.inference_mode()
def step(state: State, tokens: Tensor) -> Tensor:
    """The next tokens (B, 1) after `tokens` (B, 1), whatever they are."""
    forward = state.cache.enter(tokens)
    logits = state.llava.step(tokens, state.cache, forward)
    state.cache.observe(forward)
    state.cache.evict()
    return logits.argmax(-1, keepdim=True)


def held_bytes(state: State) -> int:
    """Bytes of keys and values that a step reads: all slots in use."""
    return sum(layer.used * layer.slot_bytes for layer in state.cache.layers)


def run_ours(llava: Llava, prompt: Reading, policy: Policy, steps: int) -> Timing:
    """An answer with our cache."""
    device = llava.device.type
    state = read_prompt(llava, prompt, policy, steps)
    held = held_bytes(state)
    began = now(device)
    tokens = [state.logits.argmax(-1, keepdim=True)]
    for _ in range(steps):
        tokens.append(step(state, tokens[-1]))
    seconds = now(device) - began
    # Caches grow evenly, if they do.
    return Timing(seconds, DecodedAnswer(torch.cat(tokens, 1), (held + held_bytes(state)) / 2))


class Clock(StoppingCriteria):
    """Never stops; notes when the prompt has been read and the first token chosen."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.began: float | None = None

    def __call__(self, input_ids: Tensor, scores: object, **kwargs: object) -> Tensor:
        if self.began is None:
            self.began = now(self.device)
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


def run_library(llava: Llava, prompt: Reading, is_static: bool, steps: int) -> Timing:
    """The same answer by the library, with its own attention."""
    llava.model.set_attn_implementation({"text_config": "sdpa"})
    config, length = llava.model.config.text_config, prompt.ids.shape[1] + steps
    cache: Cache = StaticCache(config, max_cache_len=length) if is_static else DynamicCache(config=config)
    clock = Clock(llava.device.type)
    output = llava.model.generate(
        input_ids=prompt.ids,
        **prompt.inputs,
        attention_mask=torch.ones_like(prompt.ids),
        past_key_values=cache,
        max_new_tokens=steps + 1,
        do_sample=False,
        eos_token_id=NEVER,
        pad_token_id=0,
        stopping_criteria=StoppingCriteriaList([clock]),
    )
    seconds = now(llava.device.type) - clock.began
    # A static cache is read to its end from the first step on.
    slots = length if is_static else length - steps / 2
    return Timing(
        seconds, DecodedAnswer(output[:, prompt.ids.shape[1] :], slots * token_bytes(llava) * len(prompt.ids))
    )


def token_bytes(llava: Llava) -> int:
    """Bytes of one token's keys and values, one sequence."""
    shape = llava.shape
    return 2 * shape["layers"] * shape["kv_heads"] * shape["head_dim"] * shape["element_bytes"]


def contenders(llava: Llava, prompt: Reading, case: Case) -> dict[str, Callable[[], Timing]]:
    """Everybody who writes the answer of a case, by name."""
    ours = {name: partial(run_ours, llava, prompt, policy, case.steps) for name, policy in case.policies().items()}
    library = {DYNAMIC: False, STATIC: True}
    return ours | {name: partial(run_library, llava, prompt, kind, case.steps) for name, kind in library.items()}


def measure(llava: Llava, prompt: Reading, case: Case, rounds: int, bandwidth: float) -> list[TableRow]:
    """The rows of a case, at a bandwidth in bytes per second."""
    rows = []
    for name, runs in alternate(contenders(llava, prompt, case), rounds, llava.device.type, case.name).items():
        limit = (llava.shape["weight_bytes"] + runs[0].output.read) / bandwidth if runs else None
        extra = runs[0].extra_bytes if runs else None
        rows.append(row(case.name, name, runs, 1 / case.steps, case.batch, extra, limit))
    return rows


def measure_long(llava: Llava, prompt: Reading, case: Case, rounds: int) -> list[TableRow]:
    """The first and the last steps of a long answer with a constant budget, in turn: two answers, one far ahead."""
    device, policy = llava.device.type, case.policies()[CONSTANT]
    names = f"tokens 1 to {EDGE}", f"tokens {case.steps - EDGE + 1} to {case.steps}"
    runs: dict[str, list[Timing]] = {name: [] for name in names}
    for _ in tqdm(range(rounds), desc=case.name, leave=False):
        states = [read_prompt(llava, prompt, policy, case.steps) for _ in names]
        tokens = [state.logits.argmax(-1, keepdim=True) for state in states]
        for _ in range(case.steps - EDGE):
            tokens[1] = step(states[1], tokens[1])
        for _ in range(EDGE):
            for side, name in enumerate(names):
                began = now(device)
                tokens[side] = step(states[side], tokens[side])
                runs[name].append(Timing(now(device) - began))
    return [row(f"{case.name}, constant", name, some, tokens=1) for name, some in runs.items()]


def show(rows: Sequence[TableRow], device: str) -> None:
    """The table and the goals."""
    lines = []
    for one in rows:
        limit = None if one.limit_fraction is None else one.limit_fraction * one.median_s
        figures = [cell(one.tokens_per_s), cell(ratio(rows, one.case, DYNAMIC, one.contender)), cell(limit, 1e3)]
        figures += [cell(one.limit_fraction, 100), cell(one.peak_extra_bytes, 1e-9)]
        lines.append([one.case, one.contender, *spread(one, 1e3), *figures])
    header = ["contender", "ms/step", "quartiles", "tokens/s", "x generate", "limit ms", "% of limit", "peak GB"]
    table(header, lines)
    for case in dict.fromkeys(one.case for one in rows):
        if case.startswith(POCKET) and device == "cpu":
            goal(
                f"ours, full, times faster than generate, {case}", ratio(rows, case, DYNAMIC, FULL), 1.3, at_least=True
            )
            goal(f"elastic over full, time, {case}", ratio(rows, case, ELASTIC, FULL), 1)
            edges = [one.contender for one in rows if one.case == case and one.contender.startswith("tokens")]
            goal(f"last over first tokens, time, {case}", ratio(rows, case, *edges[::-1]) if edges else None, 1.1)
        if device == "cuda" and case.startswith("7B, batch 16, 1024 + 512"):
            goal(f"elastic, times faster than full, {case}", ratio(rows, case, FULL, ELASTIC), 1.8, at_least=True)
        if device == "cuda" and (", batch 1," in case or ", batch 16," in case):
            for one in rows:
                if one.case == case and one.contender in (FULL, ELASTIC):
                    goal(f"{one.contender}, share of the memory limit, {case}", one.limit_fraction, 0.7, at_least=True)


def main(given: Sequence[str] | None = None) -> None:
    """Print the table and write the JSON."""
    options = parser(__doc__)
    options.add_argument("--cases", nargs="+", default=[""], help='words in the names of cases, such as "7B, batch 1,"')
    args = arguments(options, given)
    cases = GPU_CASES if args.device == "cuda" else QUICK_CASES if args.quick else CPU_CASES
    if args.device == "cuda" and args.quick:
        cases = GPU_CASES[:1]
    about = machine(args.device) | {"copy_bytes_per_s": {}}
    rows: list[TableRow] = []
    llava = None
    for case in [*cases, *([LONG] if args.device == "cpu" else [])]:
        if not any(word in case.name for word in args.cases):
            continue
        if llava is None or llava.name != case.model:
            llava = None  # gone before the next one comes
            llava = open_model(case.model, args.device)
        if args.device == "cuda":
            torch.compiler.reset()  # the library's compiled step holds on to the memory of the case before
        prompt = prompt_for(llava, case)
        if case is LONG:
            rows += measure_long(llava, prompt, case, 1 if args.quick else 3)
            continue
        touched = llava.shape["weight_bytes"] + int(token_bytes(llava) * case.batch * (case.prompt + case.steps / 2))
        about["copy_bytes_per_s"][case.name] = bandwidth = copy_bandwidth(args.device, touched)
        rows += measure(llava, prompt, case, args.rounds, bandwidth)
    show(rows, args.device)
    write(args.out, about, rows)


if __name__ == "__main__":
    main()
