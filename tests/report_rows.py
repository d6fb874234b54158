"""A made-up evaluation: All methods at 6 budgets, shaped like a real one; its numbers mean nothing."""

import base64
import io
import math
import random

from PIL import Image

from elastic.evaluate.aggregates import described
from viz.measures import read_measures

MEASURES = read_measures(described())
QUALITY = [name for name, measure in MEASURES.items() if not measure.is_cost]
LABELS = (
    *("full", "elastic", "elastic-plus", "elastic-released", "h2o", "streaming", "vlcache", "snapkv", "pyramidkv"),
    *("lookm", "prefixkv", "tgvkv", "corm", "think", "cascading", "knorm"),
    *("tova", "keydiff", "subgen", "expected-attention", "cam", "mergingpress", "mixkv", "kvzip", "adakv"),
    *("sparsemm", "kivi", "fp8", "quest", "pqcache", "random"),
)
KEEPS = (1.0, 0.5, 0.3, 0.2, 0.1, 0.05)
SKILLS = ("colour", "count", "describe", "left of", "position", "shape", "size", "what is there", "yes or no")
FULL_BYTES = 1_843_200


def row(label, keep, skill=0.5, noise=None):
    """A row as the evaluation writes it: worse with less memory, the less `skill` the sooner."""
    noise = noise or random.Random(f"{label} {keep}")
    loss = 0.0 if keep == 1 else (1 - keep) ** 2 * (1.1 - skill) + noise.uniform(0, 0.02)
    share = 1.0 if keep == 1 else keep * (1.7 if label == "corm" else 1) + noise.uniform(0, 0.01)
    found = {"exact": 0.94 * (1 - loss), "exact_short": 0.95 * (1 - loss), "exact_describe": 0.7 * (1 - loss) ** 2}
    found |= {"agreement": 1 - loss, "agreement_before": 1 - 0.8 * loss, "agreement_after": 0.6 * (1 - loss)}
    found |= {"rouge_l": 1 - 0.7 * loss, "kl": 4 * loss**3, "perplexity": 1.2 * math.exp(5 * loss)}
    found |= {"repetition": 0.01 + 0.3 * loss**2, "exact_of_full": 1 - loss, "value_right": 1 - 0.9 * loss}
    found |= {"dropped": 0.5 * loss, "dropped_needed": 0.2 * loss}
    made = {"policy": label, "keep": keep, "n": 600, **found}
    for name, value in found.items():
        half = 0.0 if name in ("agreement", "kl") and keep == 1 else 0.03 * value + 0.004
        made[f"{name}_ci"] = [max(value - half, 0.0), value + half]
    made["exact_by_skill"] = {name: min(1.0, max(0.0, 0.95 - loss * noise.uniform(0.6, 1.4))) for name in SKILLS}
    made |= {"share_prompt": share, "share_peak": share, "bytes_peak": int(FULL_BYTES * share)}
    made |= {"bytes_prompt": int(FULL_BYTES * share * 0.9)}
    made |= {"ms_per_token": noise.uniform(5, 6), "ms_per_token_ci": [4.9, 6.1], "compress_ms": noise.uniform(1, 30)}
    made["beyond_share"] = (
        f"holds {share:.1%} at the peak, asked for {keep:.0%}" if label == "corm" and keep < 1 else ""
    )
    made["vs_full"] = {"exact": {"difference": -0.94 * loss, "ci": [-0.94 * loss - 0.004, -0.94 * loss + 0.004]}}
    made["vs_elastic"] = {"exact": {"difference": 0.0, "ci": [-0.01, 0.01]}}
    return made


def rows():
    """All methods at all budgets; the full cache once."""
    skills = {label: 0.45 + 0.5 * place / len(LABELS) for place, label in enumerate(LABELS[::-1])}
    skills |= {"elastic-plus": 1.05, "random": 0.1}
    return [row("full", 1.0)] + [row(label, keep, skills[label]) for label in LABELS[1:] for keep in KEEPS]


def picture(colour="orange"):
    """A small JPEG as the evaluation puts it in."""
    stream = io.BytesIO()
    Image.new("RGB", (96, 96), colour).save(stream, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


FULL_ANSWER = "There are two red apples left of a small blue car."
ANSWER = "There are three red apples and a big blue car."


def failure(label="h2o", keep=0.2, **more):
    """One answer that went wrong."""
    made = {"policy": label, "keep": keep, "sample": 12, "skill": "describe", "question": "What is in the picture?"}
    made |= {"reference": "Two red apples are left of a small blue car.", "full": FULL_ANSWER, "answer": ANSWER}
    return made | {"rouge_l": 0.61, "agreement": 0.25, "picture": picture()} | more


def settings():
    """What the evaluation says of itself."""
    made = {"model": "pocket-llava", "device": "cpu", "dtype": "float32", "date": "2026-11-21", "seed": 0}
    made |= {"versions": {"torch": "2.13.0", "transformers": "5.23.0"}, "data": "held-out emoji scenes", "limit": 600}
    made["left_out"] = ["think at keep 0.05: fewer channels than the method can hold."]
    return made | {"errors": ["Sample 17: the picture could not be read."]}


def results():
    """The whole evaluation, but for what failed worst."""
    return {"settings": settings(), "measures": described(), "rows": rows()}


def listed(failed):
    """What failed worst as results hold it: the pictures in a list of their own, each once."""
    pictures = list(dict.fromkeys(one["picture"] for one in failed if one["picture"]))
    places = {picture: place for place, picture in enumerate(pictures)}
    return {"failures": [one | {"picture": places.get(one["picture"])} for one in failed], "pictures": pictures}


def failures():
    """Some for every method, as the evaluation hands them over."""
    return [
        failure(label, keep, sample=sample, picture=picture("orange" if sample % 2 else "teal"))
        for label in LABELS[1:]
        for keep in (0.2, 0.05)
        for sample in (1, 2, 3)
    ]
