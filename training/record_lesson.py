"""Record the run that the lesson is told with: `python -m training.record_lesson`.

One question about one picture, answered by the full cache and by seven others at the same budget: scenes are drawn, one
after the other, until a real run shows all the lesson says. With other weights another scene is found.
"""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np

from elastic.command_line import Options
from elastic.files import one_sentence, out_folder, write
from elastic.model import Llava, load
from elastic.policies import Policy
from elastic.policies.base import Merged
from elastic.policies.combine import Combine
from elastic.policies.elastic import Elastic
from elastic.policies.elastic_plus import ElasticPlus
from elastic.policies.full import Full
from elastic.policies.h2o import H2O
from elastic.policies.streaming import Streaming
from elastic.record.archive import save_run
from elastic.record.trace import Run, Trace
from elastic.session import Comparison, run
from page.links import link_of
from scenes.questions import PLAIN_FORMS, Question, ask
from scenes.scene import OBJECTS, Scene, patch_things, random_scene, render

FOLDER = Path(__file__).parent.parent / "assets" / "lessons"
KEEP = 0.5
TRIES = 6000
FIRST = 900_000  # a seed that neither training nor the evaluation draws
LONGEST = 96  # answer tokens
NAMED = 4, 7  # tokens of the answer, from 0, in which the texts have things named: "I can see a pig and an owl."
EMPTY = 4  # the layer whose brightest patch shows nothing

SIDES: dict[str, tuple[str, Policy]] = {  # name in the lesson's texts -> title on the page, policy
    "full": ("Full cache", Full()),
    "merged": ("Elastic Cache", Elastic(keep=KEEP)),
    "dropped": ("Same anchors, rest dropped", Combine(keep=KEEP, merge=Merged.NOTHING)),
    "h2o": ("H2O", H2O(keep=KEEP)),
    "streaming": ("StreamingLLM", Streaming(keep=KEEP)),
    "unprotected": ("Elastic Cache, published rule", Elastic(keep=KEEP, protect_text=False)),
    "unbiased": (
        "Elastic Cache, without the causal bias",
        Combine(keep=KEEP, protect_text=False, score="visible frequency"),
    ),
    "plus": ("Elastic Cache plus", ElasticPlus(keep=KEEP)),
}
RIGHT = {"full", "merged", "dropped", "h2o", "unbiased", "plus"}  # streaming may be either
WRONG = {"unprotected"}


def brightest(run: Run) -> np.ndarray:
    """Per layer the patch that received most attention, (L,)."""
    full = run.sides[0]
    return full.score[:, full.patches].argmax(1)


def fits_the_texts(run: Run, question: Question, scene: Scene) -> bool:
    """Whether the full cache's run is one that the texts are true of.

    It lists two things, at the tokens of the answer that the texts quote, and looks at each as it names it; in layer 4
    the brightest patch shows nothing, in others a thing.
    """
    full, shown = run.sides[0], patch_things(render(scene)[1])
    names = [thing.name for thing in question.about]
    written = [full.answer_pieces[at].strip() for at in NAMED] if full.steps > NAMED[1] else []
    if full.answer != question.answer or len({*names}) != 2 or written != names:
        return False
    bright = shown[brightest(run)] > 0
    things = [scene.things.index(thing) + 1 for thing in question.about]
    return [looked_most_at(full, at, shown) for at in NAMED] == things and not bright[EMPTY - 1] and bright.any()


def looked_most_at(full: Trace, token: int, shown: np.ndarray) -> int | None:
    """The thing that got most attention as an answer token was chosen, mean of layers, if the brightest patch agrees.

    `shown` is the number of the thing per patch, 0 for none, which counts as a thing here.
    """
    looked = full.looked[token].astype(np.float32).mean(0)[full.patches]
    most = int(np.bincount(shown, looked).argmax())
    return most if shown[looked.argmax()] == most else None


def teaches(run: Run, question: Question, scene: Scene) -> bool:
    """Merging and dropping keep what is asked for; without protection the question is lost, and another thing named."""
    sides = dict(zip(SIDES, run.sides, strict=True))
    right = {name for name, side in sides.items() if side.answer == question.answer}
    wrong = "".join(sides["unprotected"].answer_pieces[NAMED[1] - 1 : NAMED[1] + 1]).split()
    others = {*OBJECTS} - {thing.name for thing in question.about}
    names_another = len(wrong) == 2 and wrong[0] in ("a", "an") and wrong[1] in others
    return right >= RIGHT and not right & WRONG and names_another and fits_the_texts(run, question, scene)


def find(llava: Llava) -> Run:
    """The first run that teaches.

    Raises:
        ValueError: if none of TRIES scenes does.
    """
    policies = [policy for _, policy in SIDES.values()]
    for number in range(TRIES):
        scene, rng = random_scene(FIRST + number), random.Random(f"lesson {KEEP} {number}")
        if scene.plate or len(scene.things) < 3:
            continue
        question, picture = ask(scene, "list_category", rng, PLAIN_FORMS), render(scene)[0]
        if not fits_the_texts(run(Comparison(llava, picture, policies[:1]), question.text, LONGEST), question, scene):
            continue
        recorded = run(Comparison(llava, picture, policies), question.text, LONGEST)
        print(f"scene {FIRST + number}: {question.text}")
        print(*(f"  {name}: {side.answer}" for name, side in zip(SIDES, recorded.sides, strict=True)), sep="\n")
        if teaches(recorded, question, scene):
            link = link_of(f"scene-{FIRST + number}", question.text, policies[:2])
            return replace(recorded, titles=[title for title, _ in SIDES.values()], link=link)
    raise ValueError(f"None of {TRIES} questions teaches all of the lesson with these weights.")


def main() -> None:
    """Record it, with the names of its sides beside it."""
    parser = Options(__doc__)
    parser.add_argument("--out", type=out_folder, default=str(FOLDER), help="folder to write to")
    args = parser.parse_args()
    recorded = find(load(device="cpu"))
    with one_sentence():
        save_run(recorded, args.out / "run.zip")
        write(args.out / "run.json", json.dumps({"sides": list(SIDES)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
