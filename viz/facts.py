"""The numbers and words that the lesson's texts quote, taken from a recorded run and from results: none is typed in."""

import numpy as np

from elastic.record.trace import Run, Trace

# LLaVA-1.5-7B in half precision, for arithmetic: layers, numbers per key of all heads, bytes of a number, patches.
LLAVA_LAYERS, LLAVA_WIDTH, LLAVA_BYTES, LLAVA_PATCHES = 32, 4096, 2, 576
UNITS = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10), ("B", 1))


def facts(run: Run, names: list[str], results: list[dict], recall: dict) -> dict[str, str]:
    """Everything a text may quote as `{name}`; `full.answer` is a side's own, `layer3.sink` a layer's.

    `results` are rows of `python -m elastic.evaluate`, quoted as `average.NAME`; `recall` is all that it wrote with
    `--data recall`, quoted as `recall.NAME`. Either may be empty: then nothing of it can be quoted.

    Raises:
        ValueError: if a policy is there at several budgets, or twice at the one at which recall is quoted; if that was
            measured without the full cache.
    """
    sides = dict(zip(names, run.sides, strict=True))
    full = run.sides[0]
    found = _prompt(run, full) | _arithmetic()
    for name, side in sides.items():
        found |= {f"{name}.{key}": value for key, value in _side(side, full).items()}
    for number in range(full.layers):
        found |= {f"layer{number + 1}.{key}": value for key, value in _layer(full, number).items()}
    found |= {f"average.{name}": percent(value) for name, value in averages(results).items()}
    margins = [high - low for low, high in (row["exact_short_ci"] for row in results)]
    found["average.margin"] = f"{max(margins, default=0) / 2 * 100:.0f}"
    found["average.questions"] = str(min((row["n"] for row in results), default=0))
    return found | {f"recall.{name}": value for name, value in (_recall(recall) if recall else {}).items()}


def averages(results: list[dict]) -> dict[str, float]:
    """Share of short questions answered exactly, per name of `AVERAGED`.

    Raises:
        ValueError: if a policy is there at several budgets.
    """
    exact = {row["policy"]: row["exact_short"] for row in results}
    if len(exact) < len(results):
        raise ValueError("The results hold a method at several budgets; the lesson quotes one.")
    return {name: exact[policy] for name, policy in AVERAGED.items() if policy in exact}


AVERAGED = {  # name in texts -> policy as the evaluation writes it
    "full": "full",
    "merged": "elastic",
    "dropped": "elastic:merge=none",
    "unprotected": "elastic:protect_text=false",
    "unbiased": "elastic:protect_text=false;score=visible frequency",
    "plus": "elastic-plus",
    "h2o": "h2o",
    "streaming": "streaming",
}

RECALL_KEEP = 0.2  # the budget at which recall is quoted
RECALLED = {  # name in texts -> policy as the evaluation writes it
    "plus": "elastic-plus",
    "first": "combine:score=after image;assign=similar key per head;rounds=1;count_bias=true;decoding=most alike;"
    "evicted=merged;protect_text=false",
    "snapkv": "snapkv",
    "pyramidkv": "pyramidkv",
    "h2o": "h2o",
    "streaming": "streaming",
    "elastic": "elastic",
}


def _recall(measured: dict) -> dict[str, str]:
    """What is recalled of what the full cache recalls: the share per name of `RECALLED`, of how many, how sure."""
    rows = [row for row in measured["rows"] if row["keep"] == RECALL_KEEP]
    at = {row["policy"]: row for row in rows}
    if len(at) < len(rows):
        raise ValueError(f"The results of recall hold a method twice at keep {RECALL_KEEP}; the lesson quotes one.")
    quoted = {name: at[policy] for name, policy in RECALLED.items() if policy in at}
    full = next((row for row in measured["rows"] if row["policy"] == "full"), None)
    if full is None:
        raise ValueError("The results of recall are without the full cache, which their shares are of: measure it too.")
    margins = [high - low for low, high in (row["exact_of_full_ci"] for row in quoted.values())]
    return {name: percent(row["exact_of_full"]) for name, row in quoted.items()} | {
        "asked": str(round(full["exact"] * full["n"])),
        "tokens": str(measured["settings"]["tokens"]),
        "kept": percent(RECALL_KEEP),
        "margin": f"{max(margins, default=0) / 2 * 100:.0f}",
    }


def _prompt(run: Run, full: Trace) -> dict[str, str]:
    tokens, patches = len(full.pieces), len(full.patches)
    first, last = int(full.patches[0]), int(full.patches[-1])
    return {
        "question": full.question,
        "model": full.model,
        "tokens": str(tokens),
        "patches": str(patches),
        "rows": str(full.views[0].rows),
        "columns": str(full.views[0].columns),
        "before": str(first),
        "after": str(tokens - last - 1),
        "words": str(tokens - patches),
        "share": percent(patches / tokens),
        "layers": str(full.layers),
        "width": str(run.shape["kv_heads"] * run.shape["head_dim"]),
        "number_bytes": str(run.shape["element_bytes"]),
        "list": size(run.shape["kv_heads"] * run.shape["head_dim"] * run.shape["element_bytes"]),
        "per_token": size(full.prompt_bytes.sum() / tokens),
        "reread": size(full.total_bytes[:-1].sum()),
    }


def _side(side: Trace, full: Trace) -> dict[str, str]:
    last = int(side.patches[-1])
    own = side.owner == np.arange(side.owner.shape[2])
    lost = (~own[..., last + 1 :]).sum(2).ravel()
    given = np.flatnonzero((side.dropped >= 0).any((1, 2)))
    found = {
        "answer": side.answer,
        "steps": str(side.steps),
        "memory": size(side.total_bytes[0]),
        "end": size(side.total_bytes[-1]),
        "saved": percent(1 - side.total_bytes[-1] / full.total_bytes[-1]),
        "slots": span(side.prompt_slots),
        "slots_end": span(side.slots[-1]),
        "anchors": span(own[..., side.patches].sum(2).ravel()),
        "joined": span((~own[..., side.patches]).sum(2).ravel()),
        "lost": span(lost),
        "kept": percent(side.options.get("keep", 1.0)),
    }
    found |= {f"token{number}": piece.strip() for number, piece in enumerate(side.answer_pieces, start=1)}
    if len(given):
        found["place"] = span(np.array([_place(side, own, layer, given[0]) for layer in range(side.layers)]))
        found |= {"first": str(given[0] + 1), "first_word": side.answer_pieces[given[0]].strip()}
    return found


def _place(side: Trace, own: np.ndarray, layer: int, step: int) -> int:
    """Which of the patches that hold a slot in a layer, counted from 1, is given up after a step."""
    patches = side.patches[own[layer, 0, side.patches]]
    return int((patches <= side.dropped[step, layer, 0]).sum())


def _layer(full: Trace, number: int) -> dict[str, str]:
    score = full.score[number]
    patch = int(score[full.patches].argmax())
    row, column = full.place[full.patches[patch], 2:]
    return {
        "row": str(row + 1),
        "column": str(column + 1),
        "sink": full.pieces[0],
        "sink_share": percent(score[0] / np.nansum(score)),
    }


def _arithmetic() -> dict[str, str]:
    token = 2 * LLAVA_LAYERS * LLAVA_WIDTH * LLAVA_BYTES
    return {
        "llava.token": f"{short(token / 2**20)} MiB",
        "llava.patches": str(LLAVA_PATCHES),
        "llava.picture": f"{short(token * LLAVA_PATCHES / 2**20)} MiB",
    }


def size(count: float) -> str:
    """Bytes as the view writes them: `3.15 MiB`."""
    name, unit = next(((name, unit) for name, unit in UNITS if count >= unit / 4), UNITS[-1])
    return f"{short(count / unit)} {name}"


def short(value: float) -> str:
    """About three digits."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}".removesuffix(".00").removesuffix(".0")


def percent(share: float) -> str:
    """`49 %`."""
    return f"{share * 100:.0f} %"


def span(values: np.ndarray) -> str:
    """`121`, or `7 to 8` where layers differ; a mean of heads may be no whole number."""
    low, high = (f"{value:.6g}" for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def smaller_slots(side: Trace, shape: dict[str, int]) -> str:
    """What makes slots take fewer bytes than a key and a value have; empty where nothing does."""
    if not side.channels.all():
        return "keys with fewer channels"
    whole = 2 * shape["kv_heads"] * shape["head_dim"] * shape["element_bytes"]
    return "numbers in fewer bits" if side.prompt_bytes.sum() < 0.99 * whole * side.prompt_slots.sum() else ""
