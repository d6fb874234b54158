"""Small traces made by hand and messages made of them, for the tests of what draws them. No model, no torch."""

from dataclasses import replace

import numpy as np
from PIL import Image

from elastic.picture import small_jpegs
from elastic.record.messages import of_run
from elastic.record.part_read import PartRead
from elastic.record.places import ViewFrame
from elastic.record.trace import Run, Trace

WORDS = ("The", " picture", " shows", " a", " dog", " and", " a", " red", " ball")


PIECES = {(True, True): "<image>", (False, True): "\n", (False, False): "<tile>"}


def nearest_anchor(anchors: np.ndarray) -> np.ndarray:
    """Every token's nearest anchor, ties to the left: (T,) bool -> (T,)."""
    where = np.flatnonzero(anchors)
    return where[np.abs(np.arange(len(anchors))[:, None] - where).argmin(1)]


def made_up_attention(rng: np.random.Generator, owner: np.ndarray, dropped: np.ndarray) -> np.ndarray:
    """What each step looked at: random weights on the tokens that hold a slot in any head, (N, L, T + N) float16."""
    (layers, heads, tokens), steps = owner.shape, len(dropped)
    looked = np.zeros((steps, layers, tokens + steps), np.float16)
    holds = np.concatenate([owner == np.arange(tokens), np.zeros((layers, heads, steps), bool)], 2)
    for step in range(steps):
        weights = rng.exponential(size=(layers, tokens + steps)) ** 2 * holds.any(1)
        looked[step] = weights / weights.sum(1, keepdims=True)
        holds[..., tokens + step] = True
        for layer, head in np.argwhere(dropped[step] >= 0):
            holds[layer, head, dropped[step, layer, head]] = False
    return looked


def made_up_merges(rng: np.random.Generator, owner: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """What is given up while answering, (N, L, H), and what takes it in: mostly another slot, at times none."""
    layers, heads, tokens = owner.shape
    dropped, joined = np.full((2, steps, layers, heads), -1)
    for layer, head in np.ndindex(layers, heads):
        held = list(np.flatnonzero(owner[layer, head] == np.arange(tokens))[2:])
        for step in range(steps):
            held.append(tokens + step)
            if step % 5:
                # Of few slots, so that one that took in another goes itself.
                gone, into = rng.choice(sorted({*held[:4], *held[-3:]}), 2, replace=False)
                held.remove(gone)
                dropped[step, layer, head], joined[step, layer, head] = gone, into if step % 4 else -1
    return dropped, joined


def places_of(views: list[ViewFrame]) -> np.ndarray:
    """What stands between 4 and 6 words: the cells of views, (T, 4); where there are several, with markers.

    Before every tile stand two tokens that say which it is, and behind every row of a view of other sides one.
    """
    places = np.full((4, 4), -1)
    for number, view in enumerate(views):
        row, column = np.divmod(np.arange(view.rows * view.columns), view.columns)
        cells = np.stack([np.full_like(row, view.picture), np.full_like(row, number), row, column], 1)
        if len(views) > 1:
            places = np.concatenate([places, [[view.picture, number, -1, -1]] * 2])
        if view.rows != view.columns:
            ends = [[view.picture, number, at, -1] for at in range(view.rows)]
            cells = np.insert(cells, np.arange(1, view.rows + 1) * view.columns, ends, 0)
        places = np.concatenate([places, cells])
    return np.concatenate([places, np.full((6, 4), -1)]).astype(np.int32)


def make(
    seed: int,
    grid: int = 4,
    layers: int = 3,
    heads: int = 1,
    policy: str = "elastic",
    words: tuple[str, ...] = WORDS,
    views: list[ViewFrame] | None = None,
) -> Trace:
    """4 words, grid x grid patches, 6 words; `full` keeps all, `elastic` and `elastic-plus` merge, others drop.

    While answering, `elastic-plus` merges further, the others evict.
    """
    rng = np.random.default_rng(seed)
    views = views or [ViewFrame(grid, grid)]
    place, steps = places_of(views), len(words)
    tokens = len(place)
    everyone = np.arange(tokens)
    owner = np.tile(everyone, (layers, heads, 1))
    dropped, joined = np.full((2, steps, layers, heads), -1)
    merges = policy.startswith("elastic")
    if policy != "full":
        for layer in range(layers):
            for head in range(heads):
                keeps = rng.random(tokens) < 0.4
                keeps[:2] = keeps[-1] = True
                keeps[tokens - 4] = not merges
                owner[layer, head] = nearest_anchor(keeps) if merges else np.where(keeps, everyone, -1)
                gone = rng.permutation(np.flatnonzero(keeps)[2:])[: steps // 3]
                dropped[2 : 2 + 2 * len(gone) : 2, layer, head] = gone
        dropped[-1, 0] = tokens + 1  # a token of the answer itself
    if policy == "elastic-plus":
        dropped, joined = made_up_merges(rng, owner, steps)
    kept = np.stack([[(head == everyone).sum() for head in layer] for layer in owner]).max(1)
    slots = kept[None] + np.arange(1, steps + 1)[:, None] - (dropped >= 0).any(2).cumsum(0)
    text = ["<s>", "USER", ":", " "], ["\n", "What", " is", " this", "?", " ASSISTANT:"]
    score = rng.exponential(size=(layers, tokens)).astype(np.float32)
    score[0, 4] = 40  # a sink
    return Trace(
        model="by hand",
        policy=policy,
        options={"keep": 1.0 if policy == "full" else 0.4},
        unseen="",
        question="What is this?",
        answer="".join(words).strip(),
        finish="limit",
        pieces=[*text[0], *[PIECES[column >= 0, row >= 0] for row, column in place[4:-6, 2:]], *text[1]],
        answer_pieces=list(words),
        views=views,
        prefill_seconds=0.5,
        compress_seconds=0.02,
        place=place,
        is_prompt=np.ones(tokens, bool),
        owner=owner.astype(np.int32),
        score=score,
        prompt_slots=kept.astype(np.float32),
        prompt_bytes=kept.astype(np.int64) * 2048,
        answer_ids=np.arange(steps, dtype=np.int32),
        logprob=np.full(steps, -0.5, np.float32),
        seconds=np.full(steps, 0.03, np.float32),
        slots=slots.astype(np.float32),
        bytes_held=slots.astype(np.int64) * 2048,
        bytes_allocated=np.full(steps, (tokens + 64) * layers * 2048, np.int64),
        dropped=dropped.astype(np.int32),
        joined=joined.astype(np.int32),
        limit_bytes=((1.0 if policy == "full" else 0.4) * (tokens + np.arange(steps + 1)) * layers * 2048).astype(
            np.int64
        ),
        sparsity=rng.random(layers).astype(np.float32),
        channels=np.ones((layers, 2, 8), bool),
        looked=made_up_attention(rng, owner, dropped),
        reference_logprob=np.where(np.arange(steps) < 5, -0.6, np.nan).astype(np.float32),
        divergence=np.where(np.arange(steps) < 5, 0.02 * np.arange(steps), np.nan).astype(np.float32),
    )


def cut(trace: Trace, steps: int) -> Trace:
    """The trace as it was after that many answer tokens."""
    names = ("answer_ids", "logprob", "seconds", "slots", "bytes_held", "bytes_allocated", "dropped")
    names += ("joined", "reference_logprob", "divergence")
    pieces = trace.answer_pieces[:steps]
    return replace(
        trace,
        answer="".join(pieces).strip(),
        finish="running" if steps < trace.steps else trace.finish,
        answer_pieces=pieces,
        limit_bytes=trace.limit_bytes[: steps + 1],
        forgotten=None if trace.forgotten is None else trace.forgotten[:steps],
        looked=trace.looked[:steps, :, : len(trace.pieces) + steps],
        part_read=trace.part_read and first_read(trace.part_read, steps, len(trace.pieces)),
        **{name: getattr(trace, name)[:steps] for name in names},
    )


def first_read(part: PartRead, steps: int, tokens: int) -> PartRead:
    """What was read in the first steps."""
    return PartRead(part.read_slots[:steps], part.read_bytes[:steps], part.read_tokens[:steps, :, : tokens + steps])


def reads_part(side: Trace, seed: int) -> Trace:
    """The trace as that of a method which holds an index, too, and reads blocks of four tokens, in two heads of them.

    The first word read everything; the others the newest block and two of the others in each head.
    """
    rng = np.random.default_rng(seed)
    steps, layers, tokens = side.steps, side.layers, len(side.pieces)
    read = np.zeros((steps, layers, tokens + steps), np.uint8)
    read[0, :, :tokens] = 255
    for step, layer, head in np.ndindex(steps, layers, 2):
        seen = tokens + step
        older = seen // 4 - 1
        chosen = [seen // 4 if seen % 4 else older, *rng.permutation(older)[:2]]
        blocks = {token for block in chosen for token in range(4 * block, min(seen, 4 * block + 4))}
        if step:
            read[step, layer, sorted(blocks)] += 127 + head  # of both heads 255
    slots = np.full((steps, layers), 12, np.float32)
    held = side.bytes_held + 512
    return replace(
        side,
        policy="quest",
        options={"keep": 0.4},
        unseen="Nothing & <b>never</b> gone",
        bytes_held=held,
        limit_bytes=(0.4 * side.limit_bytes).astype(np.int64),
        prompt_bytes=side.prompt_bytes + 512,
        part_read=PartRead(slots, slots.astype(np.int64) * 2048 + 512, read),
    )


FULL, ELASTIC = make(1, policy="full"), make(2)
HEADS = make(3, policy="h2o", heads=2, words=("The", " picture", " shows", " a", " cat", ".", "</s>"))
# What it drops goes into a memory, which gets a share of each word's attention but of the first one's.
REMEMBERS = replace(
    HEADS,
    policy="less",
    forgotten=(np.random.default_rng(9).random((7, 3, 2)) * np.arange(7)[:, None, None] / 8).astype(np.float16),
)
PLUS = make(6, policy="elastic-plus", heads=2)
LONG = make(7, policy="elastic-plus", heads=2, words=tuple(f" w{number}" for number in range(80)))
LARGE = make(5, grid=24, layers=2)
# Drops channels of keys and no token; what it is said not to show has signs that markup would take.
THIN = replace(
    FULL,
    policy="think",
    options={"keep": 0.7},
    unseen="Keys & <b>channels</b>",
    channels=np.random.default_rng(8).random(FULL.channels.shape) < 0.6,
)
READING = reads_part(FULL, 11)
PAIR = (FULL, ELASTIC)
# A picture in two by two tiles of 3 x 3, then the whole of it; and one in a grid of 3 x 5 behind its whole.
TILES = [ViewFrame(3, 3, (c / 2, r / 2, (c + 1) / 2, (r + 1) / 2)) for r in (0, 1) for c in (0, 1)] + [ViewFrame(3, 3)]
GRID = [ViewFrame(2, 2, picture=1), ViewFrame(3, 5, (0.0, 0.0, 1.0, 1.01), 1)]
TILED = make(9, policy="full", views=TILES + GRID), make(10, views=TILES + GRID)
NASTY = (
    "<script>window.hurt=1</script> <img src=x onerror=window.hurt=1> \"a\" 'b' ${window.hurt=1} {{x}} \u202eabc שלום"
)
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (224, 224, 3), np.uint8))


SHAPE = {"layers": 6, "heads": 4, "kv_heads": 4, "head_dim": 64, "element_bytes": 4, "weight_bytes": 20_000_000}


def run_of(name, sides, titles=None, history=None, link=None):
    """A run of those sides."""
    titles = titles or [f"{side.policy.capitalize()} cache" for side in sides]
    history = history or [[] for _ in sides]
    pictures = small_jpegs([np.asarray(PICTURE)] * len(sides[0].views))
    return Run(name, list(sides), pictures, titles, history, SHAPE, {"device": "CPU"}, link or {})


def whole(sides, name="run", status="", **more):
    """One message that says all."""
    return of_run(run_of(name, sides, **more), 0, 0, status=status, done=True)


def steps_of(name, sides, *counts):
    """Messages of a run at those numbers of answer tokens, then the last."""
    seen = 0
    for seq, count in enumerate(counts):
        yield of_run(run_of(name, [cut(side, count) for side in sides]), seq, seen, status=f"at {count}")
        seen = count
    yield of_run(run_of(name, sides), len(counts), 0, status="finished", done=True)


MESSAGES = {
    "pair": [whole(PAIR, titles=["Full cache", "Elastic Cache"])],
    "large": [whole((make(4, grid=24, layers=2, policy="full"), LARGE))],
    "heads": [whole((FULL, HEADS))],
    "plus": [whole((FULL, PLUS), titles=["Full cache", "Elastic Cache plus"], link={"example": "x"})],
    "two": [whole((ELASTIC, PLUS))],
    "tiled": [whole(TILED)],
    "thin": [whole((FULL, THIN), titles=["Full cache", "ThinK"])],
    "reading": [whole((FULL, READING), name="reading", titles=["Full cache", "Quest"])],
    "young": list(steps_of("growing", (FULL, LONG), 0, 3, 40, 70))[:2],
    "grown": list(steps_of("growing", (FULL, LONG), 0, 3, 40, 70))[2:4],
    "nasty": [
        whole(
            [
                replace(
                    side, answer=NASTY, question=NASTY, pieces=[*side.pieces[:-1], NASTY], answer_pieces=[NASTY] * 9
                )
                for side in PAIR
            ],
            titles=[NASTY, NASTY],
            history=[[(NASTY, NASTY)]] * 2,
            status=NASTY,
        )
    ],
    "differ": [whole([replace(FULL, answer="a c d b and a ball"), replace(ELASTIC, answer="a b c d and one ball")])],
    "stream": list(steps_of("stream", PAIR, 0, 3, 6)),
    "gap": [message for i, message in enumerate(steps_of("gap", PAIR, 0, 3, 6)) if i != 1],
    "again": [*steps_of("again", PAIR, 0, 3, 6), *steps_of("again", PAIR, 0, 3, 6)][:-1],
    "late": list(steps_of("late", PAIR, 0, 3, 6))[2:],
    "half": list(steps_of("half", PAIR, 0, 6, 8))[:2],
    "rest": list(steps_of("half", PAIR, 0, 6, 8))[2:3],
    "empty": [None],
}
