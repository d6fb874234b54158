"""Of many answers one number: every measure, how it is computed, what it is called, and which way is better."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from elastic.evaluate.data import DESCRIBE

# A record of an answer, with the full cache's `bytes_peak`, `bytes_question` and `exact` on the same as `full_peak`,
# `full_question` and `full_exact`.
Answer = dict[str, Any]
Row = dict[str, Any]  # what the answers of a method at a budget come to: a line of the results
Number = float | None
HIGHER = "higher"


@dataclass(frozen=True)
class Measure:
    """A measure of many answers: the sum of `part` over the sum of `whole`, answers that have no part left out.

    One without a title stands in the files only, beside the one it is the numerator of.
    """

    part: Callable[[Answer], Number]
    whole: Callable[[Answer], Number] = lambda answer: 1.0
    is_log: bool = False  # the ratio is a mean logarithm
    title: str = ""
    short: str = ""  # the title where there is little room
    better: str = "lower"  # or HIGHER
    format: str = ".1%"  # of a number, as Python's format language has it
    unit: str = ""
    is_cost: bool = False  # memory or time, no quality


def _of(name: str) -> Callable[[Answer], Number]:
    return lambda answer: answer[name]


def _exact(title: str, short: str, wanted: Callable[[Answer], bool]) -> Measure:
    return Measure(lambda answer: answer["exact"] if wanted(answer) else None, title=title, short=short, better=HIGHER)


def _agreement(name: str, title: str, short: str) -> Measure:
    return Measure(_of(name), title=title, short=short, better=HIGHER)


def _share(part: str, whole: str, title: str, short: str) -> Measure:
    return Measure(_of(part), _of(whole), title=title, short=short, is_cost=True)


def _milliseconds(name: str, title: str, short: str) -> Measure:
    return Measure(_of(name), title=title, short=short, format=".1f", unit=" ms", is_cost=True)


def _is_full_right(answer: Answer) -> bool:
    return bool(answer["full_exact"])


# In the order in which a report shows them.
MEASURES: dict[str, Measure] = {
    "exact": _exact("Exact answers", "exact", lambda answer: True),
    "exact_short": _exact("Exact answers to short questions", "short", lambda answer: answer["skill"] != DESCRIBE),
    "exact_describe": _exact("Exact descriptions", "descriptions", lambda answer: answer["skill"] == DESCRIBE),
    "exact_of_full": _exact("Exact answers, of what the full cache has right", "of full's", _is_full_right),
    "value_right": _agreement("value_right", "Tokens of the value right", "tokens right"),
    "agreement": _agreement("agreement", "Agreement with the full cache", "agreement"),
    "agreement_before": _agreement("agreement_before", "Agreement before the first difference", "before"),
    "agreement_after": _agreement("agreement_after", "Agreement after the first difference", "after"),
    "rouge_l": Measure(
        _of("rouge_l"), title="ROUGE-L with the full cache's answer", short="ROUGE-L", better=HIGHER, format=".3f"
    ),
    "kl": Measure(_of("kl"), title="KL divergence from the full cache", short="KL", format=".3g", unit=" nats"),
    "perplexity": Measure(
        _of("loss"), _of("tokens"), True, "Perplexity of the reference answer", "perplexity", format=".4g"
    ),
    "repetition": Measure(_of("repetition"), title="Repetition in the answer", short="repetition"),
    "dropped": Measure(_of("dropped"), title="Tokens dropped in every layer and head", short="dropped"),
    "dropped_needed": Measure(
        _of("dropped_needed"),
        title="Tokens an answer is taken from, dropped in every layer and head",
        short="needed dropped",
    ),
    "share_peak": _share("bytes_peak", "full_peak", "Memory at the peak, share of full", "at the peak"),
    "share_prompt": _share("bytes_prompt", "bytes_full", "Memory after the prompt, share of full", "after prompt"),
    # Of methods that hold everything and read a part of it at each word; of others nothing.
    "share_read": Measure(
        lambda answer: answer.get("bytes_read"),
        _of("full_peak"),
        title="Memory that a word reads at most, share of full",
        short="read at a word",
        is_cost=True,
    ),
    # The two ways to save, whose product is the share of memory: fewer tokens, and fewer bytes for each.
    "slots": _share("slots", "prompt", "Slots after the prompt, share of its tokens", "slots"),
    "per_slot": Measure(
        lambda answer: answer["bytes_prompt"] / answer["slots"],
        lambda answer: answer["bytes_full"] / answer["prompt"],
        title="Bytes of a slot, share of full",
        short="per slot",
        is_cost=True,
    ),
    "ms_per_token": _milliseconds("ms_per_token", "Time per answer token", "ms/token"),
    "compress_ms": _milliseconds("compress_ms", "Time to compress the prompt, once", "ms once"),
    # What every method alike holds whole, words of a question that is read after compression, is no method's excess.
    "share_peak_apart": Measure(
        lambda answer: answer["bytes_peak"] - answer["bytes_question"],
        lambda answer: answer["full_peak"] - answer["full_question"],
    ),
    "bytes_prompt": Measure(_of("bytes_prompt")),
    "bytes_peak": Measure(_of("bytes_peak")),
}


def described() -> dict[str, dict[str, object]]:
    """What whoever draws results must know of each measure that has a title: plain values, ready for JSON."""
    about = ("title", "short", "better", "format", "unit", "is_cost")
    return {name: {of: getattr(each, of) for of in about} for name, each in MEASURES.items() if each.title}
