"""Which patches must stay so that any question can be answered? Caches that were compressed before one was asked."""

import copy
from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from benchmarks.kept import lost
from benchmarks.printed.paper import GREEN, INK, RED, VEIL, Paper
from elastic.engine import State, compress, decode, extend, prefill
from elastic.model import Llava
from elastic.policies import POLICIES
from elastic.policies.base import PATCH
from scenes.questions import PLAIN_FORMS, SHORT_SKILLS, ask
from scenes.scene import Scene, random_scene, render

SEED, KEEP = "2057", 0.2
METHODS = ("full", "snapkv", "h2o", "kvzip")
SIDE, GAP, QUESTIONS = 460, 40, 6


def asked_of(scene: Scene) -> list[tuple[str, str]]:
    """Questions of different kinds, with their answers."""
    import random

    found = [ask(scene, skill, random.Random(SEED), PLAIN_FORMS) for skill in SHORT_SKILLS]
    return [(each.text, each.answer) for each in found][:QUESTIONS]


def answered(llava: Llava, context: State, picture: Image.Image, question: str) -> str:
    """What a copy of a compressed cache answers, which is asked a question only now."""
    state = replace(context, cache=copy.deepcopy(context.cache))
    extend(state, llava.halves(picture, question)[1])
    return llava.text([step.token for step in decode(state, 24)])


@torch.inference_mode()
def draw(llava: Llava) -> Image.Image:
    """A column for each method: what is left of the picture, and how it answers questions nobody had asked before."""
    scene = random_scene(SEED)
    picture, questions = render(scene)[0], asked_of(scene)
    chosen = [POLICIES[name](keep=KEEP) if name != "full" else POLICIES[name]() for name in METHODS]
    needs = frozenset().union(*(policy.needs for policy in chosen))
    start = prefill(llava, llava.halves(picture, questions[0][0])[0], needs, record_attention=False)
    paper = Paper(GAP + len(chosen) * (SIDE + GAP), 1230)
    title = f"Compressed to {KEEP:.0%} before any question was asked; then each is asked the same six"
    paper.text((GAP, 24), title, 34)
    for number, policy in enumerate(chosen):
        state, left = compress(start, policy), GAP + number * (SIDE + GAP)
        share, is_patch = lost(state), (state.cache.tables.kinds[0] == PATCH).numpy()
        view = state.views[0]
        paper.text((left, 92), policy.title, 30)
        paper.picture((left, 136), picture, SIDE, np.asarray(share[is_patch]).reshape(view.rows, view.columns))
        top = 136 + SIDE + 24
        for question, right in questions:
            answer = answered(llava, state, picture, question)
            top = paper.text((left, top), question, 21, INK, SIDE)
            is_right = answer == right
            told = answer if is_right else f"{answer}  (right: {right})"
            top = paper.text((left, top), told, 21, GREEN if is_right else RED, SIDE) + 10
    paper.text((GAP, paper.image.height - 46), VEIL, 22)
    return paper.image
