"""What each choice of a merging policy buys and costs: `python -m benchmarks.ablation --out ablation.json`.

Questions about emoji scenes, by default from development seeds; `--held-out` takes the seeds of `training.evaluate`. A
prompt is read once; every variant compresses its own copy and is then given the answer token by token, evicting as it
does while writing. It has the answer *exactly* if each token is the likeliest after the ones before: what greedy
decoding would have written. The answer of a short question is the reference; of a description, what the full cache
writes. All variants hold the same bytes: the share `keep` of the tokens seen, in every layer.
"""

import json
import math
import random
import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context

import torch
from tqdm import tqdm

from elastic import __version__
from elastic.command_line import Options, whole_number
from elastic.engine import State, compress, decode, prefill
from elastic.files import one_sentence, out_file, write
from elastic.model import Llava, load
from elastic.policies import POLICIES, Policy
from elastic.policies.elastic import SCORES, Elastic
from elastic.policies.elastic_plus import ElasticPlus
from elastic.policies.full import Full
from scenes.questions import SHORT_SKILLS, ask
from scenes.scene import random_scene, render

METHODS: dict[str, Policy] = {
    "elastic, as in the paper": Elastic(protect_text=False),
    "elastic, text protected": Elastic(),
    "elastic, as released": POLICIES["elastic-released"](),
    "elastic-plus": ElasticPlus(),
    "eviction, same score": ElasticPlus(merge="none", decode_rule="oldest", evicted="dropped"),
}
# One field of elastic-plus changed at a time.
CHANGES: list[dict[str, object]] = [
    *({"score": score} for score in SCORES if score != "after image"),
    {"anchors": "cover"},
    {"anchors": "cover", "rounds": 0},
    {"protect_text": True},
    {"assign": "nearest position"},
    {"assign": "similar key"},
    {"assign": "similar key per head", "rounds": 0},
    *({"rounds": rounds} for rounds in (3, 8)),
    {"merge": "values only"},
    {"align": True},
    {"count_bias": False},
    {"decode_rule": "fixed point"},
    {"decode_rule": "oldest"},
    {"evicted": "dropped"},
    {"positions": "cache length"},
    {"positions": "re-rotated"},
]


@dataclass(frozen=True)
class Outcome:
    """One variant, one question."""

    variant: str
    keep: float
    skill: str
    question: str  # which one, so that variants can be compared question by question
    exact: bool
    right: int  # tokens of the answer that were the likeliest
    tokens: int
    loss: float  # sum of negative log-probabilities, natural logarithm
    peak_slots: float  # mean over layers, over the tokens then seen
    compress_ms: float
    step_ms: float
    prefill_ms: float


def variants() -> dict[str, Policy]:
    """Every policy to be compared, by what is special about it."""
    changed = {
        ", ".join(f"{name}: {value}" for name, value in change.items()): replace(ElasticPlus(), **change)
        for change in CHANGES
    }
    return METHODS | changed


@torch.inference_mode()
def give(state: State, answer: list[int]) -> tuple[int, float, float, list[float]]:
    """Feed an answer: tokens that were the likeliest, summed loss, the most slots per token seen, seconds per step."""
    right, loss, peak, seconds = 0, 0.0, 0.0, []
    for number, step in enumerate(decode(state, len(answer), forced=answer)):
        right += step.likeliest == answer[number]
        loss -= step.logprob
        peak = max(peak, sum(step.slots) / len(step.slots) / state.seen)
        seconds.append(step.seconds)
    return right, loss, peak, seconds


def run_scene(llava: Llava, name: str, keeps: Iterable[float], chosen: dict[str, Policy]) -> list[Outcome]:
    """All variants on all questions about one scene."""
    scene, rng, outcomes = random_scene(name), random.Random(f"ask {name}"), []
    picture = render(scene)[0]
    needs = frozenset().union(*(policy.needs for policy in chosen.values()))
    encoded = None
    for skill in (*SHORT_SKILLS, "describe"):
        question = ask(scene, skill, rng)
        prompt = llava.first_turn(picture, question.text)
        encoded = encoded or llava.encode_image(prompt).encoded
        start = prefill(llava, replace(prompt, encoded=encoded), needs, watch=False)
        if skill == "describe":
            answer = [step.token for step in decode(compress(start, Full()), 160)]
        else:
            text = llava.processor.tokenizer(" " + question.answer, add_special_tokens=False).input_ids
            answer = [*text, llava.processor.tokenizer.eos_token_id]
        sides = [("full", 1.0, Full())]
        sides += [(label, keep, replace(policy, keep=keep)) for label, policy in chosen.items() for keep in keeps]
        for label, keep, policy in sides:
            state = compress(start, policy, len(answer))
            right, loss, peak, seconds = give(state, answer)
            outcomes.append(
                Outcome(
                    variant=label,
                    keep=keep,
                    skill=skill,
                    question=f"{name} {skill}",
                    exact=right == len(answer),
                    right=right,
                    tokens=len(answer),
                    loss=loss,
                    peak_slots=peak,
                    compress_ms=1000 * state.compress_seconds,
                    step_ms=1000 * statistics.median(seconds),
                    prefill_ms=1000 * start.prefill_seconds,
                )
            )
    return outcomes


def perplexity(outcomes: list[Outcome]) -> float:
    """Of all tokens of all answers."""
    return math.exp(sum(o.loss for o in outcomes) / sum(o.tokens for o in outcomes))


def summary(outcomes: list[Outcome]) -> list[dict]:
    """One row per variant and keep; `of_full` are exact short answers over the full cache's, with a standard error."""
    grouped = defaultdict(list)
    for outcome in outcomes:
        grouped[outcome.variant, outcome.keep].append(outcome)
    full = {o.question: o.exact for o in grouped["full", 1.0] if o.skill != "describe"}
    rows = []
    for (variant, keep), of_variant in grouped.items():
        short = [o for o in of_variant if o.skill != "describe"]
        long = [o for o in of_variant if o.skill == "describe"]
        lost = [full[o.question] - o.exact for o in short]
        share = sum(full.values()) / len(full)
        rows.append(
            {
                "variant": variant,
                "keep": keep,
                "questions": len(short),
                "exact": sum(o.exact for o in short) / len(short),
                "of_full": 1 - sum(lost) / len(lost) / share,
                "of_full_error": statistics.pstdev(lost) / len(lost) ** 0.5 / share,
                "perplexity": perplexity(short),
                "descriptions_agree": sum(o.right for o in long) / sum(o.tokens for o in long),
                "descriptions_perplexity": perplexity(long),
                "peak_slots": max(o.peak_slots for o in of_variant),
                "compress_ms": statistics.median(o.compress_ms for o in of_variant),
                "compress_of_prefill": statistics.median(o.compress_ms / o.prefill_ms for o in of_variant),
                "step_ms": statistics.median(o.step_ms for o in of_variant),
            }
        )
    return rows


def table(rows: list[dict]) -> str:
    """Per variant: exact answers of the full cache's and agreement on descriptions, for each keep; milliseconds."""
    keeps = sorted({row["keep"] for row in rows if row["variant"] != "full"}, reverse=True)
    found = {(row["variant"], row["keep"]): row for row in rows}
    full = found["full", 1.0]
    lines = [
        f"full cache: {full['exact']:.1%} of {full['questions']} short answers exact, perplexity "
        f"{full['perplexity']:.3f}",
        f"{'exact answers, % of full (descriptions agree, %)':<52}"
        + "".join(f"{keep:>16g}" for keep in keeps)
        + "    ms",
    ]
    for variant in dict.fromkeys(row["variant"] for row in rows if row["variant"] != "full"):
        of_keep = [found[variant, keep] for keep in keeps]
        cells = (f"{row['of_full']:.1%} ({row['descriptions_agree']:.1%})" for row in of_keep)
        lines.append(f"{variant:<52}" + "".join(f"{cell:>16}" for cell in cells) + f"{of_keep[0]['compress_ms']:6.1f}")
    return "\n".join(lines)


_worker: dict[str, object] = {}


def _begin(model: str | None, keeps: list[float], chosen: dict[str, Policy]) -> None:
    torch.set_num_threads(1)
    _worker.update(llava=load(model, device="cpu"), keeps=keeps, chosen=chosen)


def _work(name: str) -> list[Outcome]:
    return run_scene(_worker["llava"], name, _worker["keeps"], _worker["chosen"])


def main() -> None:
    """Run, print the table and write the JSON."""
    parser = Options(__doc__)
    parser.add_argument(
        "--scenes", type=whole_number(1), default=40, help="each with ten short questions and a description"
    )
    parser.add_argument("--keep", default="0.5,0.2,0.1,0.05", help="shares of the tokens seen, comma-separated")
    parser.add_argument("--held-out", action="store_true", help="the scenes of `training.evaluate`, seed 1")
    parser.add_argument("--methods-only", action="store_true", help="no single changes of elastic-plus")
    parser.add_argument("--only", help="one variant, by its name in the table")
    parser.add_argument("--quick", action="store_true", help="one scene, two shares, methods only: under 40 seconds")
    parser.add_argument("--workers", type=whole_number(1), default=2, help="processes, one thread each")
    parser.add_argument("--model", help="checkpoint; default: the embedded pocket-llava")
    parser.add_argument("--out", type=out_file, help="JSON file to write")
    args = parser.parse_args()
    keeps = [0.2, 0.05] if args.quick else [float(keep) for keep in args.keep.split(",")]
    chosen = METHODS if args.methods_only or args.quick else variants()
    if args.only:
        chosen = {args.only: variants()[args.only]}
    seed = "evaluate 1" if args.held_out else "develop"
    names = [f"{seed} {number}" for number in range(1 if args.quick else args.scenes)]
    outcomes: list[Outcome] = []
    settings = {"elastic": __version__, "seed": seed, "keep": keeps, "model": args.model or "pocket-llava"}
    policies = {label: asdict(policy) for label, policy in chosen.items()}
    # A fresh interpreter for each worker: a forked torch may hang.
    with get_context("spawn").Pool(args.workers, _begin, (args.model, keeps, chosen)) as pool:
        for done, of_scene in enumerate(tqdm(pool.imap(_work, names), total=len(names), unit="scene"), start=1):
            outcomes += of_scene
            if args.out:  # after every scene: a run that is stopped leaves what it found
                found = {"settings": settings | {"scenes": done}, "policies": policies, "rows": summary(outcomes)}
                with one_sentence():
                    write(args.out, json.dumps(found, indent=1) + "\n")
    print(table(summary(outcomes)))


if __name__ == "__main__":
    main()
