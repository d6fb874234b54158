"""Record the runs that teach, for the page without a model: `python -m training.record_traces [--only NAME]`.

For each lesson scenes are drawn, one after the other, until a real run shows it; the run is saved as it happened. With
other weights other scenes are found. They are scenes that neither training nor the evaluation draws.
"""

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from elastic.archive import save_run
from elastic.command_line import Options
from elastic.files import one_sentence, out_folder, write
from elastic.model import Llava, load
from elastic.policies import Policy
from elastic.policies.elastic import Elastic
from elastic.policies.elastic_plus import ElasticPlus
from elastic.policies.full import Full
from elastic.policies.h2o import H2O
from elastic.policies.vlcache import VLCache
from elastic.session import Comparison, run
from elastic.trace import Run, Trace
from page.links import link_of
from scenes.questions import PLAIN_FORMS, Question, ask
from scenes.scene import Scene, Thing, patch_things, random_scene, render
from scenes.talk import conversation
from scenes.words import NUMBERS
from training.looking import HEADS

TRACES = Path(__file__).parent.parent / "assets" / "traces"
LONGEST = 96  # answer tokens
TRIES = 400  # questions per lesson
SEEDS = range(900_000, 900_000 + TRIES)

COUNTING = max(HEADS)  # the layer, from 0, whose heads look at what is counted

Asks = Callable[[Scene, random.Random], list[Question]]
Shows = Callable[[list[Question], list[Run]], bool]


@dataclass(frozen=True)
class Lesson:
    """What a recorded run shows: how to ask, with which policy beside the full cache, and when it is shown."""

    name: str
    title: str
    about: str
    policy: Policy
    asks: Asks
    shows: Shows
    mode: str  # what the pictures show first
    layer: Callable[[Trace], int] | None = None  # the layer, from 0, that they show of a side; None for their mean
    head: int = 0  # from 1; 0 for all


def one(*skills: str) -> Asks:
    """A single question of one of the skills."""
    return lambda scene, rng: [ask(scene, rng.choice(skills), rng, PLAIN_FORMS)]


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
    """Both sides read the same number of four digits or more."""
    return both_right(questions, runs) and bool(re.search(r"\d{4}", answers(runs[-1])[1]))


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


def narrowest(trace: Trace) -> int:
    """The layer that holds the fewest slots after compressing."""
    return int(np.argmin(trace.prompt_slots))


def room_where_needed(questions: list[Question], runs: list[Run]) -> bool:
    """Right about several things, which some head holds even in the layer with least room, a third of the largest's."""
    side, about = runs[-1].sides[1], questions[-1].about
    if not both_right(questions, runs) or len(about) < 2 or side.prompt_slots.max() < 3 * side.prompt_slots.min():
        return False
    return all(heads_that_hold(side, narrowest(side), thing) for thing in about)


LESSONS = (
    Lesson(
        "lost-small-object",
        "A small object gets lost",
        "Its few patches were averaged into their neighbours: where the full cache looks, side B finds nothing.",
        Elastic(keep=0.3),
        one("what_at", "is_there", "where"),
        about_a_small_thing,
        "looked",
    ),
    Lesson(
        "faithful-merge",
        "A faithful merge",
        "Half the cache, the same answer. Look at Groups: whole areas of background share one slot.",
        Elastic(keep=0.5),
        one("list_category"),
        long_and_right,
        "groups",
    ),
    Lesson(
        "lost-question",
        "The lost question",
        "Summed attention favours early tokens, so without text protection the question itself is merged away. "
        "Look at the strip of side B.",
        Elastic(keep=0.3, protect_text=False),
        one("count_object", "where", "what_at"),
        only_full_is_right,
        "groups",
    ),
    Lesson(
        "wrong-count",
        "A count goes wrong",
        "Merged patches stay visible, but not one by one. Compare where both sides look as they write the number.",
        Elastic(keep=0.3),
        one("count_object", "count_category"),
        miscounted,
        "looked",
    ),
    Lesson(
        "conversation",
        "A conversation",
        "The third question of a talk: what was merged before is merged again, weighted by what each slot stands for.",
        Elastic(keep=0.6),
        lambda scene, rng: conversation(scene, 3, rng),
        both_right,
        "kept",
    ),
    Lesson(
        "extreme-budget",
        "A tenth of the cache still works",
        "The words are kept and few slots are left for the picture, yet this answer needs no more than they hold.",
        Elastic(keep=0.1),
        one("background", "is_there", "count_all", "size"),
        both_right,
        "kept",
    ),
    Lesson(
        "heavy-hitters",
        "Heavy hitters, head by head",
        "Every head keeps what it looked at most itself: choose one after the other. In this layer one of the "
        "things is left to a single head, and it is not counted.",
        H2O(keep=0.2),
        one("count_object"),
        left_to_one_head,
        "kept",
        layer=lambda trace: COUNTING,
        head=1,
    ),
    Lesson(
        "room-where-needed",
        "Room where it is needed",
        "A tenth of the cache, and right: layers that look everywhere get several times the room of the one shown, "
        "which looks at little else than what is asked for.",
        VLCache(keep=0.1),
        one("where", "list_category", "count_object"),
        room_where_needed,
        "kept",
        layer=narrowest,
    ),
    Lesson(
        "misread-number",
        "A number is misread",
        "A dog half averaged away is still a dog; a digit is right or wrong. Look at Groups where the number stands.",
        Elastic(keep=0.3),
        one("number"),
        misread,
        "groups",
    ),
    Lesson(
        "number-survives",
        "A number survives",
        "As little memory as where one was misread, but slots go to what the question looks at: digits keep theirs.",
        ElasticPlus(keep=0.3),
        one("number"),
        read_from_little,
        "kept",
    ),
)


def record(llava: Llava, lesson: Lesson) -> tuple[Run, Question]:
    """The last run of the first conversation that shows a lesson, and its question.

    Raises:
        ValueError: if none of TRIES scenes does.
    """
    for number in range(TRIES):
        rng = random.Random(f"record {lesson.name} {number}")
        seed = SEEDS[number]
        scene, policies = random_scene(seed), [Full(), lesson.policy]
        questions = lesson.asks(scene, rng)
        comparison = Comparison(llava, render(scene)[0], policies)
        runs = [run(comparison, question.text, LONGEST) for question in questions]
        if lesson.shows(questions, runs):
            print(f"{lesson.name}: scene {seed}, {questions[-1].text!r} -> {answers(runs[-1])}", flush=True)
            return replace(runs[-1], link=link_of(f"scene-{seed}", questions[-1].text, policies)), questions[-1]
    raise ValueError(f"None of {TRIES} questions shows {lesson.name!r} with these weights.")


def telling_step(run: Run, question: Question) -> int:
    """After how many tokens the full side has written the word that the question is about: a thing or a number."""
    telling = {thing.name for thing in question.about} if len(question.about) == 1 else set(NUMBERS)
    pieces = [piece.strip() for piece in run.sides[0].answer_pieces]
    return next((number for number, piece in enumerate(pieces, start=1) if piece in telling), len(pieces))


def shown_first(lesson: Lesson, run: Run, question: Question) -> dict[str, str | int]:
    """What the view opens a lesson with, as `viz.view.message` has it."""
    show: dict[str, str | int] = {"mode": lesson.mode}
    if lesson.layer is not None:
        show["layer"] = lesson.layer(run.sides[1]) + 1
    if lesson.head:
        show["head"] = lesson.head
    if lesson.mode == "looked":
        show["t"] = telling_step(run, question)
    return show


def main() -> None:
    """Record every lesson, or a single one."""
    parser = Options(__doc__)
    parser.add_argument("--model", help="checkpoint; default: the embedded pocket-llava")
    parser.add_argument("--out", type=out_folder, default=str(TRACES), help="folder to write to")
    parser.add_argument("--only", choices=[lesson.name for lesson in LESSONS], help="record this one, keep the others")
    args = parser.parse_args()
    llava = load(args.model, device="cpu")
    index = args.out / "traces.json"
    known = {entry["name"]: entry for entry in json.loads(index.read_text(encoding="utf-8"))} if args.only else {}
    for lesson in LESSONS:
        if args.only not in (None, lesson.name):
            continue
        recorded, question = record(llava, lesson)
        with one_sentence():
            save_run(recorded, args.out / f"{lesson.name}.zip")
        show = shown_first(lesson, recorded, question)
        known[lesson.name] = {"name": lesson.name, "title": lesson.title, "about": lesson.about, "show": show}
    listed = [known[lesson.name] for lesson in LESSONS if lesson.name in known]
    with one_sentence():
        write(index, json.dumps(listed, indent=2) + "\n")


if __name__ == "__main__":
    main()
