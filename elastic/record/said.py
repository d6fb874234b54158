"""Conversations in words: what was asked and answered in each turn, for who reads it. Part of `messages`."""

from dataclasses import dataclass, field, replace

from elastic.record.trace import Run, Trace


@dataclass(frozen=True)
class SaidSide:
    """What a side answered in a turn, and what its cache held then."""

    answer: str
    finish: str = ""
    title: str = ""  # empty where only words are known
    keep: float = 1.0
    is_compressed: bool = False
    bytes_held: int | None = None  # of all layers
    reads_part: bool = False  # whether `keep` is the share of it that a token reads


@dataclass(frozen=True)
class SaidTurn:
    """A turn of a conversation, for who reads it."""

    run: str  # the name of its run; empty where none was ever held
    question: str
    sides: list[SaidSide]
    changes: list[str] = field(default_factory=list)  # what was otherwise from here on, a sentence each
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Coming:
    """A question that nothing was answered to yet: where it comes in the conversation, and how it goes with it."""

    question: str
    after: str  # the run of the turn that it comes behind; empty where it begins a conversation
    sides: list[SaidSide]  # who is to answer
    line: str = ""  # what goes on
    time: str = ""  # how long that takes, where it is known


def turns_of(run: Run) -> list[SaidTurn]:
    """All that a run knows of its conversation: words, and nothing that could be had by a name."""
    earlier = [
        SaidTurn("", sides[0][0], [SaidSide(answer) for _, answer in sides]) for sides in zip(*run.history, strict=True)
    ]
    return [*earlier, replace(turn_of(run), run="")]


def turn_of(run: Run, changes: list[str] | None = None, temperature: float = 0.0, seed: int = 0) -> SaidTurn:
    """A run as the turn of a conversation."""
    sides = [
        SaidSide(
            side.answer,
            side.finish,
            title,
            share_of(side),
            share_of(side) < 1,
            int(side.total_bytes[-1]),
            side.part_read is not None,
        )
        for side, title in zip(run.sides, run.titles, strict=True)
    ]
    return SaidTurn(run.name, run.sides[0].question, sides, changes or [], temperature, seed)


def share_of(side: Trace) -> float:
    """Share of the cache that a side's policy is to keep, together with a front where there is one."""
    return float(side.options.get("keep", 1.0)) if side.fewer is None else side.fewer.keep
