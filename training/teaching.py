"""When a run teaches what it is recorded for: conditions on questions and their runs, for `training.record_traces`."""

import re

import numpy as np

from elastic.record.trace import Run, Trace
from scenes.questions import Question
from scenes.scene import Scene, Thing, patch_things, render
from training.looking import HEADS

COUNTING = max(HEADS)  # the layer, from 0, whose heads look at what is counted


def answers(run: Run) -> list[str]:
    """The answer of each side."""
    return [side.answer for side in run.sides]


def both_right(questions: list[Question], runs: list[Run]) -> bool:
    """Every answer of every side is the right one."""
    return all(answers(run) == [question.answer] * 2 for question, run in zip(questions, runs, strict=True))


def only_full_is_right(questions: list[Question], runs: list[Run]) -> bool:
    """The last question is answered by the full cache alone."""
    full, other = answers(runs[-1])
    return full == questions[-1].answer != other


def about_a_small_thing(questions: list[Question], runs: list[Run]) -> bool:
    """Only the full cache finds a small thing that is asked for; the other says there is none."""
    small = [thing.size == "small" for thing in questions[-1].about]
    denies = {"no", "nothing"} & set(answers(runs[-1])[1].lower().replace(",", "").split())
    return small == [True] and only_full_is_right(questions, runs) and bool(denies)


def miscounted(questions: list[Question], runs: list[Run]) -> bool:
    """The full cache counts right; the other begins with the same words and then names another number."""
    words = [text.split() for text in answers(runs[-1])]
    return only_full_is_right(questions, runs) and len(questions[-1].about) >= 2 and words[1][:1] == ["There"]


def misread(questions: list[Question], runs: list[Run]) -> bool:
    """The full cache reads a number right; the other reads another one of as many digits."""
    digits = [[len(number) for number in re.findall(r"\d+", text)] for text in answers(runs[-1])]
    return only_full_is_right(questions, runs) and len(digits[0]) == 1 and digits[0] == digits[1]


def read_from_little(questions: list[Question], runs: list[Run]) -> bool:
    """Both sides read the number, digit by digit."""
    return both_right(questions, runs) and bool(re.search(r"\d{3}", answers(runs[-1])[1]))


def goes_on(questions: list[Question]) -> bool:
    """Whether the last question is a whole one that only what was said before makes clear."""
    return all(q.text.endswith("?") for q in questions) and bool(re.search(r"\bit\b", questions[-1].text))


def long_and_right(questions: list[Question], runs: list[Run]) -> bool:
    """A list of several things, the same and right on both sides."""
    return both_right(questions, runs) and len(questions[0].about) >= 3


def heads_that_hold(trace: Trace, layer: int, thing: Thing) -> int:
    """How many heads of a layer keep patches of a thing after compressing."""
    covered = patch_things(render(Scene("", (255, 255, 255), (thing,)))[1]) > 0
    return int((trace.owner[layer][:, trace.patches] == trace.patches)[:, covered].any(1).sum())


def left_to_one_head(questions: list[Question], runs: list[Run]) -> bool:
    """One of the things is not counted: of those heads that look at what is counted, a single one still holds it."""
    if not miscounted(questions, runs):
        return False
    held = [heads_that_hold(runs[-1].sides[1], COUNTING, thing) for thing in questions[-1].about]
    return min(held) == 1 and max(held) == runs[-1].sides[1].owner.shape[1]


def most_forgetful(trace: Trace) -> int:
    """The layer in which the fewest words of the question own a slot after compressing."""
    question = np.arange(trace.patches[-1] + 1, trace.owner.shape[2])
    return int((trace.owner[:, :, question] == question).sum((1, 2)).argmin())


def narrowest(trace: Trace) -> int:
    """The layer that holds the fewest slots after compressing."""
    return int(np.argmin(trace.prompt_slots))


def room_where_needed(questions: list[Question], runs: list[Run]) -> bool:
    """Right about several things, which some head holds even in the layer with least room, a third of the largest's."""
    side, about = runs[-1].sides[1], questions[-1].about
    if not both_right(questions, runs) or len(about) < 2 or side.prompt_slots.max() < 3 * side.prompt_slots.min():
        return False
    return all(heads_that_hold(side, narrowest(side), thing) for thing in about)
