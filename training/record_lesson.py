"""Record the run that the lesson is told with: `python -m training.record_lesson`.

One question about one picture, answered by the full cache and by seven others at the same budget: scenes are drawn, one
after the other, until a real run shows all the lesson says. With other weights another scene is found.
"""

import json
import random
from dataclasses import replace
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
from elastic.policies.streaming import Streaming
from elastic.session import Comparison, run
from elastic.trace import Run
from page.links import link_of
from scenes.questions import Question, ask
from scenes.scene import Scene, patch_things, random_scene, render

FOLDER = Path(__file__).parent.parent / "assets" / "lessons"
KEEP = 0.5
TRIES = 600
FIRST = 900_000  # a seed that neither training nor the evaluation draws
LONGEST = 96  # answer tokens
SKILLS = ("list_category", "count_category", "count_object", "where")

SIDES: dict[str, tuple[str, Policy]] = {  # name in the lesson's texts -> title on the page, policy
    "full": ("Full cache", Full()),
    "merged": ("Elastic Cache", Elastic(keep=KEEP)),
    "dropped": ("Same anchors, rest dropped", Elastic(keep=KEEP, merge="none")),
    "h2o": ("H2O", H2O(keep=KEEP)),
    "streaming": ("StreamingLLM", Streaming(keep=KEEP)),
    "unprotected": ("Elastic Cache, published rule", Elastic(keep=KEEP, protect_text=False)),
    "unbiased": (
        "Elastic Cache, without the causal bias",
        Elastic(keep=KEEP, protect_text=False, score="visible frequency"),
    ),
    "plus": ("Elastic Cache plus", ElasticPlus(keep=KEEP)),
}
RIGHT = {"full", "merged", "unbiased", "plus"}
WRONG = {"dropped", "unprotected"}  # the others may be either


def brightest(run: Run) -> np.ndarray:
    """Per layer the patch that received most attention, (L,)."""
    full = run.sides[0]
    return full.score[:, full.patches].argmax(1)


def teaches(run: Run, question: Question, scene: Scene) -> bool:
    """Merging keeps what dropping loses; without protection the question is lost; layers differ in what is brightest.

    In some layers the brightest patch shows a thing, in others nothing at all.
    """
    right = {name for name, side in zip(SIDES, run.sides, strict=True) if side.answer == question.answer}
    shows_a_thing = patch_things(render(scene)[1])[brightest(run)] > 0
    return right >= RIGHT and not right & WRONG and len(set(shows_a_thing)) == 2


def find(llava: Llava) -> Run:
    """The first run that teaches.

    Raises:
        ValueError: if none of TRIES scenes does.
    """
    policies = [policy for _, policy in SIDES.values()]
    for number in range(TRIES):
        scene, rng = random_scene(FIRST + number), random.Random(f"lesson {KEEP} {number}")
        if len(scene.things) < 3:
            continue
        question = ask(scene, rng.choice(SKILLS), rng)
        recorded = run(Comparison(llava, render(scene)[0], policies), question.text, LONGEST)
        if teaches(recorded, question, scene):
            print(f"scene {FIRST + number}: {question.text}")
            print(*(f"  {name}: {side.answer}" for name, side in zip(SIDES, recorded.sides, strict=True)), sep="\n")
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
