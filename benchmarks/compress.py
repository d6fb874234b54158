"""From scores to a compressed cache: `python -m benchmarks.compress --out compress.json`.

Keys, values and scores of random numbers in the shape of LLaVA-1.5-7B (32 heads of 128 per layer), 640 to 16k tokens,
keep 0.2. Contenders, alternating: our policies, by `ElasticCache.compress` (choice, merge, books, new storage with room
for an answer), and the same Elastic Cache by a Python loop over the thrown tokens of every layer, as the authors'
released code does it, on tensors alone. On a CPU two layers are timed and multiplied by 16; on a GPU there are all 32.

"of prefill" compares with reading the prompt: one real layer of the 7B with random weights, times 32. Whatever would
take more than half a minute per run is left out, as the shorter prompts tell.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor
from transformers import LlamaForCausalLM
from transformers.cache_utils import DynamicCache

from benchmarks.measure import Timing, alternate, timed
from benchmarks.models import SHAPES, Shape, hollow_model, random_ids, text_model
from benchmarks.report import TableRow, arguments, cell, goal, machine, parser, ratio, row, spread, table, write
from elastic.cache import ElasticCache
from elastic.options import options_of
from elastic.policies import POLICIES, Policy
from elastic.policies.full import Full
from elastic.statistics import Attention, Statistic

KEEP = 0.2
LENGTHS, QUICK_LENGTHS = (640, 1024, 1536, 2048, 4096, 8192, 16384), (1536,)
GOAL_LENGTH = 1536
TIMED_LAYERS = {"cpu": 2, "cuda": 32}
LONGEST = 30.0  # seconds of a run
LOOP, PREFILL = "Python loop", "prefill, 1 layer x {}"


def policy_named(name: str) -> Policy:
    """A policy at keep 0.2; by the paper's rule where protecting words is a choice, so that 0.2 is what is kept."""
    kind = POLICIES[name]
    has_choice = "protect_text" in options_of(kind)
    return kind(keep=KEEP, protect_text=False) if has_choice else kind(keep=KEEP)


def filled(model: LlamaForCausalLM, tokens: int, needs: frozenset[Statistic]) -> ElasticCache:
    """A cache as a prompt leaves it, of random numbers, with the statistics that policies go by."""
    cache = ElasticCache(Full(), model, needs)
    config, device = model.config, model.device
    forward = cache.enter(torch.zeros(1, tokens, dtype=torch.long, device=device), is_prompt=True)
    shape = 1, config.num_key_value_heads, tokens, config.head_dim
    for index in range(len(cache)):
        cache.update(*(torch.randn(shape, device=device, dtype=model.dtype) for _ in range(2)), index)
        for one, received in forward.observer.received.items():
            received[index] = torch.rand(1, shape[1] if one.per_head else 1, tokens, device=device)
        for of_layers in forward.observer.of_layer.values():
            of_layers[index] = torch.rand(1, device=device)
    cache.observe(forward)
    return cache


def loop(keys: Tensor, values: Tensor, score: Tensor, keep: float) -> tuple[Tensor, Tensor]:
    """One layer by the released code's way: keys, values (1, H, T, D), score (T,) -> (1, H, keep x T, D) each.

    The first and the last token stay as they are. Of the others those with the highest scores stay; every thrown one
    looks for the kept one nearest to it, one at a time, and is averaged into it. Here, unlike there, scores are ranked
    correctly, so that both sides compute the same.
    """
    last = len(score) - 1
    order = score[1:last].argsort(descending=True) + 1
    kept = order[: int(keep * len(score)) - 2].sort().values
    thrown = order[len(kept) :].sort().values
    joined = torch.stack([kept[(kept - token).abs().argmin()] for token in thrown])
    stay = torch.cat([kept.new_tensor([0]), kept, kept.new_tensor([last])])
    compressed = []
    for tensor in (keys, values):
        index = joined[:, None].expand(*tensor.shape[:2], -1, tensor.shape[3])
        compressed.append(tensor.scatter_reduce(2, index, tensor[:, :, thrown], "mean")[:, :, stay])
    return compressed[0], compressed[1]


def run_policy(full: ElasticCache, policy: Policy, device: str) -> Timing:
    """Compress a copy that shares keys and values with the full cache until then."""
    return timed(device, full.fork().compress, policy, 256)


def run_loop(full: ElasticCache, device: str) -> Timing:
    """The loop over all layers."""
    layers = [layer.stored() for layer in full.layers]
    scores = full.tables.scores[Attention()][:, 0].to(layers[0][0].device)
    return timed(device, lambda: [loop(*stored, score, KEEP) for stored, score in zip(layers, scores, strict=True)])


@torch.inference_mode()
def read(model: LlamaForCausalLM, ids: Tensor) -> Timing:
    """One prefill by the library."""
    cache = DynamicCache(config=model.config)
    return timed(model.device.type, lambda: model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1))


def time_prefills(shape: Shape, lengths: Sequence[int], rounds: int, device: str) -> dict[int, list[Timing]]:
    """Runs of a one-layer model at each length; none where one would be too long."""
    shape = replace(shape, layers=1, vocab=1024)
    model = text_model(shape, device)
    read(model, random_ids(shape, 128, 1, device))
    runs: dict[int, list[Timing]] = {}
    seconds_per_token = 0.0
    for tokens in lengths:
        runs[tokens] = []
        if tokens * seconds_per_token <= LONGEST:
            contender = {"prefill": partial(read, model, random_ids(shape, tokens, 1, device))}
            runs[tokens] = alternate(contender, rounds, device, f"T = {tokens}", device == "cuda")["prefill"]
            seconds_per_token = max((run.seconds for run in runs[tokens]), default=0) / tokens
    return runs


@torch.inference_mode()
def measure(
    shape: Shape, timed_layers: int, names: Sequence[str], lengths: Sequence[int], rounds: int, device: str
) -> list[TableRow]:
    """All rows: the policies of those names, the loop and the prefill, at every length."""
    prefills = time_prefills(shape, lengths, 3 if rounds > 3 else 1, device)
    model = hollow_model(shape, timed_layers, device)
    policies = {name: policy_named(name) for name in names}
    needs = frozenset({Attention()}).union(*(policy.needs for policy in policies.values()))
    rows = []
    pace = dict.fromkeys([*names, LOOP], 0.0)  # seconds per squared length, at the length before
    for tokens in lengths:
        case, scale = case_of(tokens, timed_layers, shape.layers), shape.layers / timed_layers
        full = filled(model, tokens, needs)
        contenders = {name: partial(run_policy, full, policy, device) for name, policy in policies.items()}
        contenders[LOOP] = partial(run_loop, full, device)
        short = {name: run for name, run in contenders.items() if pace[name] * tokens**2 <= LONGEST}
        for name in contenders.keys() - short.keys():
            print(f"{case}: {name} is skipped: a run would take more than {LONGEST:.0f} s.")
        runs = alternate(short, rounds, device, case)
        pace |= {name: max((run.seconds for run in some), default=LONGEST) / tokens**2 for name, some in runs.items()}
        rows += [row(case, name, runs.get(name, []), scale) for name in contenders]
        rows.append(row(case, PREFILL.format(shape.layers), prefills[tokens], shape.layers, tokens))
    return rows


def case_of(tokens: int, timed_layers: int, layers: int) -> str:
    """The name of a case, which says by what its times were multiplied."""
    return f"T = {tokens}" + (f", {timed_layers} layers x {layers / timed_layers:g}" if timed_layers < layers else "")


def show(rows: Sequence[TableRow], names: Sequence[str], at: str, device: str, layers: int) -> None:
    """The table and the goals; these are about the case `at`."""
    prefill = PREFILL.format(layers)
    lines = []
    for one in rows:
        faster, share = ratio(rows, one.case, LOOP, one.contender), ratio(rows, one.case, one.contender, prefill)
        figures = ["-", "-"] if one.contender == prefill else [cell(faster), cell(share, 100)]
        lines.append([one.case, one.contender, *spread(one, 1e3), *figures])
    table(["contender", "ms", "quartiles", "faster than loop", "% of prefill"], lines)
    for name in names:
        # The loop does what the paper does; what compares keys has another goal.
        if name == "elastic":
            times = ratio(rows, at, LOOP, name)
            goal(f"{name}, times faster than the loop, {at}", times, 100 if device == "cuda" else 20, True)
        for case in dict.fromkeys(one.case for one in rows):
            share = ratio(rows, case, name, prefill)
            goal(f"{name}, share of the prefill, {case}", share, 0.05 if name == "elastic-plus" else 0.02)


def main(given: Sequence[str] | None = None) -> None:
    """Print the table and write the JSON."""
    options = parser(__doc__)
    known = [name for name in POLICIES if name != "full"]
    options.add_argument("--tokens", type=int, nargs="+", help="lengths of prompts instead of 640 to 16384")
    options.add_argument("--policies", nargs="+", choices=known, help="our policies (default: elastic, elastic-plus)")
    args = arguments(options, given)
    names = args.policies or [name for name in ("elastic", "elastic-plus") if name in POLICIES]
    lengths = args.tokens or (QUICK_LENGTHS if args.quick else LENGTHS)
    shape, about = SHAPES["7B"], machine(args.device)
    timed_layers = min(TIMED_LAYERS[args.device], shape.layers)
    rows = measure(shape, timed_layers, names, lengths, args.rounds, args.device)
    show(rows, names, case_of(GOAL_LENGTH, timed_layers, shape.layers), args.device, shape.layers)
    write(args.out, about, rows)


if __name__ == "__main__":
    main()
