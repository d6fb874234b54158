"""How well a checkpoint answers: `python -m training.evaluate --scenes 1000 --seed 1 --out results.json`.

Full cache, greedy. An answer is right when every token of it is. Greedy decoding writes exactly the reference answer if
and only if each of its tokens is the likeliest after the reference so far, so one pass over all questions of a scene,
hidden from one another, tells which are answered right. Only conversations in which an earlier answer goes wrong are
really decoded, because what follows depends on the model's own words.
"""

import argparse
import json
import random
from collections import defaultdict
from pathlib import Path

import torch

from elastic.engine import compress, decode, extend, prefill
from elastic.model import Llava, load
from elastic.policies.full import Full
from training.data import Packer, Sample, collate
from training.phrasings import HELD_OUT
from training.questions import SHORT_SKILLS, Question, ask, conversation
from training.scenes import Scene, random_scene, render
from training.train import answer_loss

LENGTH = 1600  # tokens: room for every question of a scene at once
TURNS = 4


def right_answers(llava: Llava, sample: Sample) -> list[bool]:
    """Per packed question, whether greedy decoding writes its answer."""
    batch = collate([sample])
    with torch.inference_mode():
        _, _, right = answer_loss(llava.model, batch)
    counted = batch.labels[0, 1:] >= 0
    return [right[0][(batch.turn[0, 1:] == n) & counted].all().item() for n in range(1, len(sample.skills) + 1)]


def third_turn(llava: Llava, packer: Packer, scene: Scene, questions: list[Question]) -> bool:
    """Whether the third answer of a conversation is right, the earlier ones being the model's own."""
    right = right_answers(llava, packer.pack(scene, questions, alone=False))
    if all(right[:2]):
        return right[2]
    state = prefill(llava, llava.first_turn(render(scene)[0], questions[0].text))
    for number, question in enumerate(questions[:3]):
        if number:
            extend(state, llava.next_turn(question.text))
        state = compress(state, Full())
        answer = llava.text([step.token for step in decode(state, 48)])
    return answer == questions[2].answer


def evaluate(llava: Llava, scenes: int, seed: int) -> dict:
    """Accuracy over that many scenes of a seed; the seed alone determines them."""
    packer = Packer(llava.processor, LENGTH)
    tally = defaultdict(list)
    for number in range(scenes):
        rng = random.Random(f"evaluate {seed} {number}")
        scene = random_scene(f"evaluate {seed} {number}")
        skills = [*SHORT_SKILLS, "describe"]
        questions = [ask(scene, skill, rng) for skill in skills]
        unseen = [ask(scene, skill, rng, HELD_OUT) for skill in SHORT_SKILLS]
        right = right_answers(llava, packer.pack(scene, questions + unseen, alone=True))
        assert len(right) == len(questions + unseen), "a scene's questions do not fit into one pack"
        for skill, question, exact in zip(skills, questions, right, strict=False):
            if question.skill == skill:  # a scene of twins has nothing to ask some skills about
                tally[skill].append(exact)
        tally["unseen"] += right[len(skills) :]
        tally["third"].append(third_turn(llava, packer, scene, conversation(scene, TURNS, rng)))
        if (number + 1) % 50 == 0:
            print(f"{number + 1} of {scenes} scenes", flush=True)
    mean = {key: sum(values) / len(values) for key, values in tally.items()}
    return {
        "short_exact": sum(mean[skill] for skill in SHORT_SKILLS) / len(SHORT_SKILLS),
        "skills": {skill: mean[skill] for skill in SHORT_SKILLS},
        "description_exact": mean["describe"],
        "unseen_phrasing": mean["unseen"],
        "third_turn": mean["third"],
        "scenes": scenes,
        "seed": seed,
    }


def table(results: dict) -> str:
    """The results as lines of text."""
    rows = [(f"  {skill}", share) for skill, share in results["skills"].items()]
    rows = [("short questions", results["short_exact"]), *rows]
    rows += [("descriptions", results["description_exact"]), ("held-out phrasings", results["unseen_phrasing"])]
    rows += [("third turn", results["third_turn"])]
    head = f"{results['scenes']} scenes, seed {results['seed']}, greedy, full cache"
    return "\n".join([head, *(f"{name:<20}{share:7.1%}" for name, share in rows)])


def main() -> None:
    """Evaluate a checkpoint, print the table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", help="checkpoint to evaluate; default: the embedded pocket-llava")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    args = parser.parse_args()
    results = evaluate(load(args.model, device="cpu"), args.scenes, args.seed)
    print(table(results))
    if args.out:
        args.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
