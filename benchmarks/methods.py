"""What every method costs beside the full cache: `python -m benchmarks.methods --out methods.json`.

pocket-llava, a real picture, one answer at a time. Per method: reading the prompt with the statistics it needs,
compressing, and a decode step with its rule (the mean over an answer that is fed, past every end token). Methods
alternate in every round. A method that cannot hold the share asked for holds the least it can.
"""

from collections.abc import Callable, Sequence
from functools import partial

from benchmarks.decode import PICTURE, POCKET
from benchmarks.measure import Timing, alternate, now
from benchmarks.report import TableRow, arguments, cell, machine, parser, ratio, row, spread, table, write
from elastic.engine import State, compress, decode, prefill
from elastic.model import Llava, Reading, load
from elastic.options import options_of
from elastic.picture import open_picture
from elastic.policies import POLICIES, Policy

QUESTION = "Describe the image in detail."
READING, COMPRESSING, STEP = "reading", "compressing", "step"


def policies(keep: float) -> dict[str, Policy]:
    """Every method by its name, at a share or at the nearest it can hold."""
    found = {}
    for name, kind in POLICIES.items():
        legal = options_of(kind)["keep"]
        found[name] = kind(keep=min(max(keep, legal.low), legal.high))
    return found


def reading(llava: Llava, prompt: Reading, policy: Policy) -> Timing:
    """Reading the prompt, with the picture already encoded."""
    return Timing(prefill(llava, prompt, policy.needs, record_attention=False).prefill_seconds)


def compressing(start: State, policy: Policy) -> Timing:
    """Making the smaller cache."""
    return Timing(compress(start, policy).compress_seconds)


def step(start: State, policy: Policy, answer: Sequence[int]) -> Timing:
    """A decode step, on average over an answer."""
    state = compress(start, policy, len(answer))
    device = start.llava.device.type
    began = now(device)
    for _ in decode(state, len(answer), forced=answer):
        pass
    return Timing((now(device) - began) / len(answer))


def measured(llava: Llava, chosen: dict[str, Policy], steps: int, rounds: int) -> list[TableRow]:
    """A row for each method in each of the three cases."""
    prompt = llava.encode_image(llava.first_turn(open_picture(PICTURE), QUESTION))
    start = prefill(
        llava, prompt, frozenset().union(*(policy.needs for policy in chosen.values())), record_attention=False
    )
    words = prompt.ids[0, -8:].tolist()
    answer = [words[number % len(words)] for number in range(steps)]
    cases: dict[str, Callable[[Policy], Timing]] = {
        READING: partial(reading, llava, prompt),
        COMPRESSING: partial(compressing, start),
        STEP: partial(step, start, answer=answer),
    }
    rows = []
    for case, run in cases.items():
        contenders = {name: partial(run, policy=policy) for name, policy in chosen.items()}
        for name, runs in alternate(contenders, rounds, llava.device.type, case).items():
            rows.append(row(case, name, runs))
    return rows


def show(rows: list[TableRow], chosen: dict[str, Policy]) -> None:
    """Per method its share, the times in milliseconds, and reading and step over the full cache's."""
    found = {(one.case, one.contender): one for one in rows}
    lines = []
    for name, policy in chosen.items():
        figures = [part for case in (READING, COMPRESSING, STEP) for part in spread(found[case, name], 1000)]
        over = [cell(ratio(rows, case, name, "full")) for case in (READING, STEP)]
        lines.append([f"{POCKET}, milliseconds", name, f"{policy.keep:g}", *figures, *over])
    times = [part for case in (READING, COMPRESSING, STEP) for part in (case, "quartiles")]
    table(["policy", "keep", *times, "reading / full", "step / full"], lines)


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print the table and write the JSON."""
    options = parser(__doc__)
    options.add_argument("--keep", type=float, default=0.2, help="share of the cache (default: 0.2)")
    args = arguments(options, given)
    chosen, about = policies(args.keep), machine(args.device)
    rows = measured(
        load(device=args.device, dtype=args.dtype), chosen, steps=24 if args.quick else 96, rounds=args.rounds
    )
    show(rows, chosen)
    write(args.out, about, rows)


if __name__ == "__main__":
    main()
