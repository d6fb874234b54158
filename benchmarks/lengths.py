"""What a prompt's length costs each method: `python -m benchmarks.lengths --model smollm2 --out lengths.json`.

Per length and method: reading the prompt with the statistics that the method needs, compressing, and a decode step with
its rule (the mean over an answer that is fed); the bytes of keys and values in use after the prompt and at the most,
and of the tensors that exist at the most. Methods alternate in every round. Peak memory is that of a process of its own
for each figure, above what it held with the model loaded: reading, compressing and answering together, activations
included; of a GPU it is the allocator's, while steps are taken.

Prompts are prose; of a model that sees pictures a picture stands before it, so that no prompt is shorter than that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from benchmarks.decode import PICTURE
from benchmarks.measure import Timing, alternate, now, peaks_in_children
from benchmarks.methods import policies
from benchmarks.models import wanted_dtype
from benchmarks.report import arguments, cell, machine, parser, row, table, write
from elastic.command_line import not_empty
from elastic.engine import State, compress, decode, prefill
from elastic.evaluate.prose import beginnings, prose
from elastic.model import POCKET, Reader, Reading, TextModel, load
from elastic.picture import open_picture
from elastic.policies import POLICIES, Policy

LENGTHS, QUICK_LENGTHS = (320, 512, 1024, 1536), (320,)
USUAL = ("full", "elastic", "elastic-plus", "snapkv", "h2o")
KEEP = 0.2
MEBI = 2**20


@dataclass(frozen=True)
class LengthRow:
    """A method at a length: seconds with their quartiles, and bytes; None where they were not measured."""

    tokens: int
    policy: str
    keep: float
    reading_s: tuple[float | None, ...]
    compress_s: tuple[float | None, ...]
    step_s: tuple[float | None, ...]
    bytes_prompt: int  # keys and values in use
    bytes_peak: int
    bytes_allocated: int  # of the tensors, at the most
    peak_extra_bytes: int | None  # of the process, or of a GPU's allocator while a step was taken


@cache
def _model(name: str | None, device: str) -> Reader:
    return load(name, device, dtype=wanted_dtype())


def prompt_of(reader: Reader, tokens: int) -> Reading:
    """A prompt of so many tokens.

    Raises:
        ValueError: if the model cannot read so many, or its picture has more.
    """
    if tokens > reader.room:
        raise ValueError(f"{reader.title} reads {reader.room} tokens at most: ask for fewer than {tokens}.")
    text = prose(beginnings(1)[0])[: 6 * tokens + 200]
    if isinstance(reader, TextModel):
        return Reading(reader.passage(text).ids[:, :tokens])
    whole = reader.first_turn(open_picture(PICTURE), text)
    if tokens < whole.ids.shape[1] - whole.asked:
        raise ValueError(f"A picture has more than {tokens} tokens for {reader.title}: ask for longer prompts.")
    return reader.encode_image(whole.split(tokens)[0])


def answer_of(prompt: Reading, steps: int) -> list[int]:
    """Tokens that an answer is fed from: words of the prompt's end, over and over."""
    words = prompt.ids[0, -8:].tolist()
    return [words[number % len(words)] for number in range(steps)]


def answering(start: State, policy: Policy, answer: Sequence[int]) -> tuple[Timing, list[int]]:
    """The mean step of an answer; and bytes in use after the prompt, in use at the most, allocated at the most."""
    state = compress(start, policy, len(answer))
    held, allocated = [sum(state.cache.bytes_held)], [state.cache.bytes_allocated]
    device = start.llava.device.type
    began = now(device)
    for step in decode(state, len(answer), forced=answer):
        held.append(sum(step.bytes_held))
        allocated.append(step.bytes_allocated)
    return Timing((now(device) - began) / len(answer)), [held[0], max(held), max(allocated)]


def prepared(name: str | None, tokens: int, policy: Policy, steps: int) -> Callable[[], object]:
    """Of a process of its own: the model loaded and used once, and what is to be measured."""
    reader = _model(name, "cpu")
    prompt = prompt_of(reader, tokens)

    def run() -> None:
        start = prefill(reader, prompt, policy.needs, record_attention=False)
        answering(start, policy, answer_of(prompt, steps))

    return run


def measured(
    name: str | None, device: str, lengths: Sequence[int], chosen: dict[str, Policy], steps: int, rounds: int
) -> list[LengthRow]:
    """A row for each method at each length, but for its peak memory."""
    reader, rows = _model(name, device), []
    for tokens in lengths:
        prompt = prompt_of(reader, tokens)
        needs = frozenset().union(*(policy.needs for policy in chosen.values()))
        start = prefill(reader, prompt, needs, record_attention=False)
        answer, held = answer_of(prompt, steps), {}

        def read(policy: Policy, prompt: Reading = prompt) -> Timing:
            return Timing(prefill(reader, prompt, policy.needs, record_attention=False).prefill_seconds)

        def shrink(policy: Policy, start: State = start) -> Timing:
            return Timing(compress(start, policy).compress_seconds)

        def step(policy: Policy, start: State = start, answer: list[int] = answer, held: dict = held) -> Timing:
            timing, held[policy] = answering(start, policy, answer)
            return timing

        times = [
            alternate(
                {label: partial(run, policy) for label, policy in chosen.items()}, rounds, device, f"T = {tokens}"
            )
            for run in (read, shrink, step)
        ]
        for label, policy in chosen.items():
            seconds = [_quartiles(of_case[label]) for of_case in times]
            extra = max((run.extra_bytes or 0 for run in times[2][label]), default=0) or None
            rows.append(LengthRow(tokens, label, policy.keep, *seconds, *held.get(policy, [0, 0, 0]), extra))
    return rows


def _quartiles(runs: Sequence[Timing]) -> tuple[float | None, ...]:
    found = row("", "", runs)
    return found.median_s, found.low_s, found.high_s


def with_peaks(name: str | None, rows: Sequence[LengthRow], chosen: dict[str, Policy], steps: int) -> list[LengthRow]:
    """The rows with the peak memory of a process of its own for each."""
    tasks = [(name, one.tokens, chosen[one.policy], steps) for one in rows]
    peaks = peaks_in_children(prepared, tasks)
    return [LengthRow(**vars(one) | {"peak_extra_bytes": peak}) for one, peak in zip(rows, peaks, strict=True)]


def show(rows: Sequence[LengthRow], title: str) -> None:
    """The table: per length and method times in milliseconds and memory in MiB, beside the full cache's."""
    lines = []
    for one in rows:
        full = next((other for other in rows if other.tokens == one.tokens and other.policy == "full"), None)
        share = one.bytes_peak / full.bytes_peak if full and full.bytes_peak else None
        times = [cell(seconds[0], 1000) for seconds in (one.reading_s, one.compress_s, one.step_s)]
        memory = [cell(count, 1 / MEBI) for count in (one.bytes_prompt, one.bytes_peak, one.bytes_allocated)]
        lines.append(
            [
                f"{title}, prompts of {one.tokens} tokens, milliseconds and MiB",
                *(one.policy, f"{one.keep:g}", *times, *memory, cell(share, 100)),
                cell(one.peak_extra_bytes, 1 / MEBI),
            ]
        )
    header = ["policy", "keep", "reading", "compress", "step", "after prompt", "at most", "allocated", "% of full"]
    table([*header, "peak"], lines)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print the table and write the JSON."""
    options = parser(__doc__)
    options.add_argument("--model", type=not_empty, help="checkpoint, or smollm2; default: the embedded pocket-llava")
    options.add_argument("--tokens", type=_numbers, help="lengths of prompts instead of 320,512,1024,1536")
    options.add_argument("--policies", nargs="+", choices=list(POLICIES), help=f"default: {' '.join(USUAL)}")
    options.add_argument("--keep", type=float, default=KEEP, help="share of the cache (default: 0.2)")
    options.add_argument("--no-peak", action="store_true", help="leave out the peak memory of processes")
    args = arguments(options, given)
    chosen = {name: policy for name, policy in policies(args.keep).items() if name in (args.policies or USUAL)}
    steps, about = 8 if args.quick else 32, machine(args.device)
    try:
        lengths = args.tokens or (QUICK_LENGTHS if args.quick else LENGTHS)
        rows = measured(args.model, args.device, lengths, chosen, steps, args.rounds)
    except ValueError as error:
        options.error(str(error))
    if args.device == "cpu" and not args.no_peak and not args.quick:
        rows = with_peaks(args.model, rows, chosen, steps)
    show(rows, args.model or POCKET.name)
    write(args.out, about | {"model": args.model or POCKET.name, "steps": steps}, rows)


if __name__ == "__main__":
    main()
