"""Runs of any size, made of random numbers: for timing the view where no model of that size is at hand."""

from dataclasses import replace

import numpy as np
from PIL import Image

from elastic.picture import small_jpeg
from elastic.record.places import ViewFrame, placed
from elastic.record.trace import Run, Trace

BYTES_PER_SLOT = 2048
WORDS = 12  # before and after the picture each


def made_up_run(rows: int, columns: int, layers: int, steps: int, name: str = "made-up") -> Run:
    """A run with rows x columns patches, `layers` layers and `steps` answer tokens on both sides."""
    sides = [_side(rows, columns, layers, steps, merged) for merged in (False, True)]
    shape = {"layers": layers, "heads": 32, "kv_heads": 32, "head_dim": 128, "element_bytes": 2}
    titles, history = ["Full cache", "Elastic Cache"], [[], []]
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)).resize((336, 336))
    return Run(
        name, sides, [small_jpeg(noise)], titles, history, shape | {"weight_bytes": 13_000_000_000}, {"device": "none"}
    )


def up_to(run: Run, steps: int) -> Run:
    """The run as it was after that many answer tokens."""
    per_step = ["answer_ids", "logprob", "seconds", "slots", "bytes_held", "bytes_allocated", "dropped", "joined"]
    per_step += ["reference_logprob", "divergence"]
    sides = [
        replace(
            side,
            answer="".join(side.answer_pieces[:steps]),
            finish="running" if steps < side.steps else side.finish,
            answer_pieces=side.answer_pieces[:steps],
            limit_bytes=side.limit_bytes[: steps + 1],
            looked=side.looked[:steps, :, : len(side.pieces) + steps],
            **{field: getattr(side, field)[:steps] for field in per_step},
        )
        for side in run.sides
    ]
    return replace(run, sides=sides)


def _side(rows: int, columns: int, layers: int, steps: int, merged: bool) -> Trace:
    rng = np.random.default_rng(0)
    tokens = rows * columns + 2 * WORDS
    everyone = np.arange(tokens)
    is_image = (everyone >= WORDS) & (everyone < tokens - WORDS)
    owner = np.tile(everyone, (layers, 1, 1))
    dropped = np.full((steps, layers, 1), -1)
    for layer in range(layers if merged else 0):
        anchors = np.flatnonzero(~is_image | (rng.random(tokens) < 0.2))
        owner[layer, 0] = anchors[np.searchsorted((anchors[1:] + anchors[:-1]) / 2, everyone)]
        evicted = rng.permutation(anchors[is_image[anchors]])[: steps // 2]
        dropped[1 : 1 + 2 * len(evicted) : 2, layer, 0] = evicted
    kept = (owner == everyone).sum(2).max(1)
    slots = kept + np.arange(1, steps + 1)[:, None] - (dropped >= 0).any(2).cumsum(0)
    looked = rng.exponential(size=(steps, layers, tokens + steps)).astype(np.float32) ** 4
    pieces, views = [f" word{number % 90}" for number in range(steps)], [ViewFrame(rows, columns)]
    return Trace(
        model="made up",
        policy="elastic" if merged else "full",
        options={"keep": 0.2 if merged else 1.0},
        unseen="",
        question="What is this?",
        answer="".join(pieces),
        finish="limit",
        pieces=["<image>" if image else f" w{number}" for number, image in enumerate(is_image)],
        answer_pieces=pieces,
        views=views,
        prefill_seconds=0.1,
        compress_seconds=0.01,
        place=placed(is_image, views),
        is_prompt=np.ones(tokens, bool),
        owner=owner.astype(np.int32),
        score=rng.exponential(size=(layers, tokens)).astype(np.float32),
        prompt_slots=kept.astype(np.float32),
        prompt_bytes=kept.astype(np.int64) * BYTES_PER_SLOT,
        # The sides part after half of the answer.
        answer_ids=np.where(np.arange(steps) < steps // 2, 1, 2 + merged).astype(np.int32),
        logprob=-rng.random(steps).astype(np.float32),
        seconds=np.full(steps, 1 / 30, np.float32),
        slots=slots.astype(np.float32),
        bytes_held=slots.astype(np.int64) * BYTES_PER_SLOT,
        bytes_allocated=np.full(steps, (tokens + steps) * layers * BYTES_PER_SLOT, np.int64),
        dropped=dropped.astype(np.int32),
        joined=np.full_like(dropped, -1, dtype=np.int32),
        limit_bytes=(tokens + np.arange(steps + 1)) * layers * BYTES_PER_SLOT,
        sparsity=rng.random(layers).astype(np.float32),
        channels=np.ones((layers, 1, 1), bool),
        looked=(looked / looked.sum(2, keepdims=True)).astype(np.float16),
        reference_logprob=-rng.random(steps).astype(np.float32),
        divergence=rng.random(steps).astype(np.float32),
    )
