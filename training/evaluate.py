"""How well a checkpoint answers: `python -m training.evaluate --scenes 1000 --seed 1 --out results.json`.

Full cache, greedy. An answer is right when every token of it is. Greedy decoding writes exactly the reference answer if
and only if each of its tokens is the likeliest after the reference so far, so one pass over all questions of a scene,
hidden from one another, tells which are answered right. Only conversations in which an earlier answer goes wrong are
really decoded, because what follows depends on the model's own words.
"""

import json
import random
from collections import defaultdict

import numpy as np
import torch
from PIL import Image

from elastic import __version__
from elastic.command_line import Options, not_empty, whole_number
from elastic.engine import compress, decode, extend, prefill
from elastic.files import out_file, write
from elastic.model import Llava, load
from elastic.policies.full import Full
from scenes.asides import GOODBYE, GREETING, NO_COLOR, NO_SCENE, OUT_OF_SCOPE, THANKS, UNKNOWN_WORD
from scenes.forms import HELD_OUT
from scenes.questions import NUMBER_SKILLS, SHORT_SKILLS, Question, ask
from scenes.scene import GRID, Scene, alike_scene, random_scene, render
from scenes.talk import conversation
from scenes.typing import messy
from training.data import PackedSample, Packer, collate
from training.held_out import ASIDES_HELD_OUT, other_pictures_held_out
from training.other_pictures import KINDS
from training.train import answer_loss
from training.views import SceneView, Views

LENGTH = 2400  # tokens: room for every question of a scene at once
LONGEST = 140  # tokens of an answer, in conversations that are decoded
GOALS = {  # per key of the results, which share is to be reached
    **{"short_exact": 0.98, "description_exact": 0.92, "unseen_phrasing": 0.95, "third_turn": 0.96},
    **{"after_description": 0.96, "eighth_turn": 0.96, "number_exact": 0.97, "question_first": 0.95},
    **{"out_of_scope": 0.95, "not_a_scene": 0.95},
}


def right_answers(llava: Llava, sample: PackedSample) -> list[bool]:
    """Per packed question, whether greedy decoding writes its answer."""
    batch = collate([sample])
    with torch.inference_mode():
        _, _, right = answer_loss(llava.model, batch)
    counted = batch.labels[0, 1:] >= 0
    return [right[0][(batch.turn[0, 1:] == n) & counted].all().item() for n in range(1, len(sample.skills) + 1)]


def right_turns(llava: Llava, packer: Packer, view: SceneView, questions: list[Question]) -> list[bool]:
    """Per turn of a conversation whether its answer is right, the earlier ones being the model's own."""
    right = right_answers(llava, packer.pack(view, questions, alone=False))
    if all(right[:-1]):
        return right
    state = prefill(llava, llava.first_turn(render(view.scene)[0], questions[0].text))
    right = []
    for number, question in enumerate(questions):
        if number:
            extend(state, llava.next_turn(question.text))
        state = compress(state, Full())
        answer = llava.text([step.token for step in decode(state, LONGEST)])
        right.append(answer == question.answer)
    return right


class Tally:
    """Rights and wrongs per key."""

    def __init__(self, llava: Llava) -> None:
        self.llava, self.packer, self.views = llava, Packer(llava.processor, LENGTH), Views(llava.processor)
        self.right: dict[str, list[bool]] = defaultdict(list)

    def alone(self, view: SceneView, questions: dict[str, list[Question]]) -> None:
        """Questions under their keys, each asked alone."""
        asked = [(key, question) for key, listed in questions.items() for question in listed]
        right = right_answers(self.llava, self.packer.pack(view, [question for _, question in asked], alone=True))
        assert len(right) == len(asked), "a scene's questions do not fit into one pack"
        for (key, _), exact in zip(asked, right, strict=True):
            self.right[key].append(exact)

    def first(self, view: SceneView, question: Question) -> None:
        """A question before its picture."""
        sample = self.packer.pack(view, [question], alone=False, question_first=True)
        self.right["question_first"] += right_answers(self.llava, sample)

    def turns(self, view: SceneView, key: str, questions: list[Question], counted: slice) -> None:
        """Some turns of a conversation."""
        self.right[key] += right_turns(self.llava, self.packer, view, questions)[counted]

    def scene(self, scene: Scene, number: int, rng: random.Random) -> None:
        """Everything that is asked about one scene."""
        view = self.views.of(scene)
        # A scene of twins has nothing to ask some skills about: what is asked instead counts for nothing.
        neat = [q for skill in SHORT_SKILLS if (q := ask(scene, skill, rng)).skill == skill]
        unseen = [ask(scene, skill, rng, HELD_OUT, messy) for skill in (*SHORT_SKILLS, *NUMBER_SKILLS)]
        questions = {f"skill {q.skill}": [q] for q in neat} | {
            "unseen": unseen,
            "describe": [ask(scene, "describe", rng)],
        }
        if scene.plate:
            questions["number"] = [ask(scene, skill, rng, typed=messy) for skill in NUMBER_SKILLS]
        self.alone(view, questions)
        self.first(view, ask(scene, rng.choice(SHORT_SKILLS), rng, typed=messy))
        self.turns(view, "third turn", conversation(scene, 3, rng, typed=messy, asides=0.2), slice(2, 3))
        if number % 2:
            self.turns(view, "eighth turn", conversation(scene, 8, rng, typed=messy, asides=0.2), slice(7, 8))
        else:
            begun = [ask(scene, "describe", rng, typed=messy)]
            later = conversation(scene, 4, rng, typed=messy, begun=begun)
            self.turns(view, "after description", later, slice(1, 4))

    def beside(self, seed: int, count: int) -> None:
        """What is said beside the scene, and pictures that are none, `count` of each at most."""
        rng = random.Random(f"beside {seed}")
        for number, (kind, text) in enumerate(asides_held_out(rng)[:count]):
            view = self.views.of(random_scene(f"beside {seed} {number}"))
            self.right["out of scope"].append(self.sentence(view, text) in ASIDES[kind])
        for picture, kind in other_pictures_held_out(count, seed):
            view = SceneView(None, self.views.pixels(picture), {}, np.zeros(GRID**2, np.int64))
            text = ask(random_scene(f"other {rng.random()}"), rng.choice(SHORT_SKILLS), rng, typed=messy).text
            right = self.sentence(view, text, picture) == NO_SCENE
            self.right["not a scene"].append(right)
            self.right[f"kind {kind}"].append(right)

    def sentence(self, view: SceneView, text: str, picture: Image.Image | None = None) -> str:
        """What the model writes."""
        prompt = self.llava.first_turn(picture or render(view.scene)[0], text)
        state = compress(prefill(self.llava, prompt), Full())
        return self.llava.text([step.token for step in decode(state, LONGEST)])

    def share(self, key: str) -> float:
        """The share that was right; 0 where nothing was asked."""
        return sum(self.right[key]) / max(1, len(self.right[key]))


# A text of a kind may be answered by any of these: what cannot be answered is refused in one way or the other.
ASIDES = {
    "greeting": (GREETING,),
    "thanks": (THANKS, GOODBYE),
    "goodbye": (GOODBYE, THANKS),
    "refused": (OUT_OF_SCOPE, UNKNOWN_WORD, NO_COLOR),
}


def asides_held_out(rng: random.Random) -> list[tuple[str, str]]:
    """Kind and text of everything that is held out, in a random order."""
    listed = [(kind, text) for kind, texts in ASIDES_HELD_OUT.items() for text in texts]
    rng.shuffle(listed)
    return listed


def evaluate(llava: Llava, scenes: int, seed: int) -> dict:
    """Shares of right answers over that many scenes of a seed; the seed alone determines them."""
    tally = Tally(llava)
    for number in range(scenes):
        name = f"evaluate {seed} {number}"
        # In most scenes nothing is the odd one out; in every eighth something may be.
        tally.scene((alike_scene if number % 8 == 7 else random_scene)(name), number, random.Random(name))
        if (number + 1) % 50 == 0:
            print(f"{number + 1} of {scenes} scenes", flush=True)
    tally.beside(seed, min(scenes, 240))
    skills = {skill: tally.share(f"skill {skill}") for skill in SHORT_SKILLS}
    return {
        "short_exact": sum(skills.values()) / len(skills),
        "skills": skills,
        "description_exact": tally.share("describe"),
        "unseen_phrasing": tally.share("unseen"),
        "third_turn": tally.share("third turn"),
        "after_description": tally.share("after description"),
        "eighth_turn": tally.share("eighth turn"),
        "number_exact": tally.share("number"),
        "question_first": tally.share("question_first"),
        "out_of_scope": tally.share("out of scope"),
        "not_a_scene": tally.share("not a scene"),
        "kinds": {kind: tally.share(f"kind {kind}") for kind in KINDS},
        "asked": {key: len(listed) for key, listed in tally.right.items() if not key.startswith(("skill", "kind"))},
        "scenes": scenes,
        "seed": seed,
    }


def table(results: dict) -> str:
    """The results as lines of text, goals beside them."""
    rows = [f"{key:<20}{results[key]:7.1%}   goal {goal:4.0%}" for key, goal in GOALS.items()]
    skills = sorted(results["skills"].items(), key=lambda row: row[1])
    rows += [f"  {skill:<18}{share:7.1%}" for skill, share in skills]
    rows += [f"  {kind:<18}{share:7.1%}" for kind, share in results["kinds"].items()]
    return "\n".join([f"{results['scenes']} scenes, seed {results['seed']}, greedy, full cache", *rows])


def main() -> None:
    """Evaluate a checkpoint, print the table and write the JSON."""
    parser = Options(__doc__)
    parser.add_argument("--scenes", type=whole_number(1), default=1000)
    parser.add_argument("--seed", type=whole_number(0), default=1)
    parser.add_argument("--model", type=not_empty, help="checkpoint to evaluate; default: the embedded pocket-llava")
    parser.add_argument("--out", type=out_file, help="JSON file to write")
    args = parser.parse_args()
    results = evaluate(load(args.model, device="cpu"), args.scenes, args.seed)
    print(table(results))
    if args.out:
        write(args.out, json.dumps({"elastic": __version__} | results, indent=2) + "\n")


if __name__ == "__main__":
    main()
