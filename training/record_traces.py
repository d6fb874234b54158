"""Record the runs that teach, for the page without a model: `python -m training.record_traces [--only NAME]`.

For each demonstration scenes are drawn, one after the other, until a real run shows it; the run is saved as it
happened. With other weights other scenes are found. They are scenes that neither training nor the evaluation draws.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from elastic.command_line import Options, not_empty
from elastic.files import one_sentence, out_folder, write
from elastic.model import Llava, load
from elastic.policies import Policy
from elastic.policies.elastic import Elastic
from elastic.policies.elastic_plus import ElasticPlus
from elastic.policies.full import Full
from elastic.policies.h2o import H2O
from elastic.policies.vlcache import VLCache
from elastic.record.archive import save_run
from elastic.record.trace import Run, Trace
from elastic.session import Comparison, run
from page.links import link_of
from scenes.questions import PLAIN_FORMS, Question, ask
from scenes.scene import Scene, random_scene, render
from scenes.talk import conversation
from scenes.words import NUMBERS
from training.teaching import (
    COUNTING,
    about_a_small_thing,
    answers,
    both_right,
    goes_on,
    left_to_one_head,
    long_and_right,
    miscounted,
    misread,
    most_forgetful,
    narrowest,
    only_full_is_right,
    read_from_little,
    room_where_needed,
)

TRACES = Path(__file__).parent.parent / "assets" / "traces"
LONGEST = 96  # answer tokens
TRIES = 400  # questions per demonstration
SEEDS = range(900_000, 900_000 + TRIES)


Asks = Callable[[Scene, random.Random], list[Question]]
Shows = Callable[[list[Question], list[Run]], bool]


@dataclass(frozen=True)
class Demonstration:
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
    fails: Policy | None = None  # a policy that has to be wrong about the same


def one(*skills: str) -> Asks:
    """A single question of one of the skills."""
    return lambda scene, rng: [ask(scene, rng.choice(skills), rng, PLAIN_FORMS)]


DEMONSTRATIONS = (
    Demonstration(
        "lost-small-object",
        "A small object gets lost",
        "Its few patches share their slots with neighbours: where the full cache looks, side B finds nothing.",
        Elastic(keep=0.3),
        one("what_at", "is_there", "where"),
        about_a_small_thing,
        "looked",
    ),
    Demonstration(
        "faithful-merge",
        "A faithful merge",
        "Half the cache, the same answer. Look at Groups: whole areas of background share one slot.",
        Elastic(keep=0.5),
        one("list_category"),
        long_and_right,
        "groups",
    ),
    Demonstration(
        "lost-question",
        "The lost question",
        "Summed attention favours early tokens, so without text protection the question itself is merged away. "
        "Look at the strip of side B.",
        Elastic(keep=0.3, protect_text=False),
        one("count_object", "where", "what_at"),
        only_full_is_right,
        "groups",
        layer=most_forgetful,
    ),
    Demonstration(
        "wrong-count",
        "A count goes wrong",
        "Merged patches stay visible, but not one by one. Compare where both sides look as they write the number.",
        Elastic(keep=0.3),
        one("count_object", "count_category"),
        miscounted,
        "looked",
    ),
    Demonstration(
        "conversation",
        "A conversation",
        "The third question of a talk: what was merged before is merged again, weighted by what each slot stands for.",
        Elastic(keep=0.6),
        lambda scene, rng: conversation(scene, 3, rng),
        lambda questions, runs: both_right(questions, runs) and goes_on(questions),
        "kept",
    ),
    Demonstration(
        "extreme-budget",
        "A tenth of the cache still works",
        "The words are kept and few slots are left for the picture, yet this answer needs no more than they hold.",
        Elastic(keep=0.1),
        one("background", "is_there", "count_all", "size"),
        both_right,
        "kept",
    ),
    Demonstration(
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
    Demonstration(
        "room-where-needed",
        "Room where it is needed",
        "A tenth of the cache, and right: layers that look everywhere get several times the room of the one shown, "
        "which looks at few places only.",
        VLCache(keep=0.1),
        one("where", "list_category", "count_object"),
        room_where_needed,
        "kept",
        layer=narrowest,
    ),
    Demonstration(
        "misread-number",
        "A number is misread",
        "A dog half averaged away is still a dog; a digit is right or wrong. Look at Groups where the number stands.",
        Elastic(keep=0.3),
        one("number"),
        misread,
        most_forgetful,
        "groups",
    ),
    Demonstration(
        "number-survives",
        "A number survives",
        "A number that Elastic Cache misreads at this budget is read: the question looks at its digits, so nearly all "
        "their patches stay exact.",
        ElasticPlus(keep=0.3),
        one("number"),
        read_from_little,
        "kept",
        fails=Elastic(keep=0.3),
    ),
)


def record(llava: Llava, demonstration: Demonstration) -> tuple[Run, Question]:
    """The last run of the first conversation that shows a demonstration, and its question.

    Raises:
        ValueError: if none of TRIES scenes does.
    """
    for number in range(TRIES):
        rng = random.Random(f"record {demonstration.name} {number}")
        seed = SEEDS[number]
        scene, policies = random_scene(seed), [Full(), demonstration.policy]
        questions = demonstration.asks(scene, rng)
        comparison = Comparison(llava, render(scene)[0], policies)
        runs = [run(comparison, question.text, LONGEST) for question in questions]
        if demonstration.shows(questions, runs) and is_wrong(llava, demonstration.fails, scene, questions[0]):
            print(f"{demonstration.name}: scene {seed}, {questions[-1].text!r} -> {answers(runs[-1])}", flush=True)
            # A later turn cannot be asked by an address: what it leads to is the first one.
            return replace(runs[-1], link=link_of(f"scene-{seed}", questions[0].text, policies)), questions[-1]
    raise ValueError(f"None of {TRIES} questions shows {demonstration.name!r} with these weights.")


def is_wrong(llava: Llava, policy: Policy | None, scene: Scene, question: Question) -> bool:
    """Whether a policy answers a question wrongly; none does."""
    if policy is None:
        return True
    return answers(run(Comparison(llava, render(scene)[0], [policy]), question.text, LONGEST)) != [question.answer]


def telling_step(run: Run, question: Question) -> int:
    """After how many tokens the full side has written the word that the question is about: a thing or a number."""
    telling = {thing.name for thing in question.about} if len(question.about) == 1 else set(NUMBERS)
    pieces = [piece.strip() for piece in run.sides[0].answer_pieces]
    return next((number for number, piece in enumerate(pieces, start=1) if piece in telling), len(pieces))


def shown_first(demonstration: Demonstration, run: Run, question: Question) -> dict[str, str | int]:
    """What the view opens a demonstration with, as `elastic.record.messages.Show` has it."""
    show: dict[str, str | int] = {"mode": demonstration.mode}
    if demonstration.layer is not None:
        show["layer"] = demonstration.layer(run.sides[1]) + 1
    if demonstration.head:
        show["head"] = demonstration.head
    if demonstration.mode == "looked":
        show["t"] = telling_step(run, question)
    return show


def main() -> None:
    """Record every demonstration, or a single one."""
    parser = Options(__doc__)
    parser.add_argument("--model", type=not_empty, help="checkpoint; default: the embedded pocket-llava")
    parser.add_argument("--out", type=out_folder, default=str(TRACES), help="folder to write to")
    parser.add_argument(
        "--only", choices=[each.name for each in DEMONSTRATIONS], help="record this one, keep the others"
    )
    args = parser.parse_args()
    llava = load(args.model, device="cpu")
    index = args.out / "traces.json"
    known = {entry["name"]: entry for entry in json.loads(index.read_text(encoding="utf-8"))} if args.only else {}
    for demonstration in DEMONSTRATIONS:
        if args.only not in (None, demonstration.name):
            continue
        recorded, question = record(llava, demonstration)
        with one_sentence():
            save_run(recorded, args.out / f"{demonstration.name}.zip")
        show = shown_first(demonstration, recorded, question)
        known[demonstration.name] = {
            "name": demonstration.name,
            "title": demonstration.title,
            "about": demonstration.about,
            "show": show,
        }
    listed = [known[demonstration.name] for demonstration in DEMONSTRATIONS if demonstration.name in known]
    with one_sentence():
        write(index, json.dumps(listed, indent=2) + "\n")


if __name__ == "__main__":
    main()
