"""The claims: each sentence that quotes a measured number, and what it follows from.

After a measurement: write the new numbers into the sentence where it stands; here only where the sentence, the file
or the protocol is another one.
"""

from typing import Any

from benchmarks.claims.claim import TODAY, Claim
from benchmarks.claims.documents import AVERAGES, LESSON, RECALL
from benchmarks.claims.lookup import FRACTIONS, all_alike, in_words, percent, row, short_questions

Values = dict[str, float | str | bool]
POCKET = "pocket-llava"
METHODS = "benchmarks/results/methods.json"
FAMILIES = "benchmarks/results/pocket-families.json"
SMOLLM2 = "smollm2"
FIRST_EDITION = (  # of elastic-plus
    "combine:score=after image;assign=similar key per head;rounds=1;count_bias=true;decoding=most alike"
    ";evicted=merged;protect_text=false"
)
ANSWERS, EXCHANGES = "training/results.json", "training/exchanges-results.json"
# Compressed once the question is read, the picture before it.
AFTER_QUESTION = {"question": "known", "layout": "picture"}


def answers(data: dict[str, Any]) -> Values:
    """How well pocket-llava answers with its full cache."""
    turns = [data[name] for name in ("third_turn", "after_description", "eighth_turn")]
    alike = [percent(data, name) for name in ("description_exact", "number_exact")]
    return {
        "short": percent(data, "short_exact"),
        "others": all_alike(alike, lambda value: f"{value:.0f}"),
        "turns": all_alike(turns, lambda share: in_words(share, 10)),
    }


def sensible(data: dict[str, Any]) -> Values:
    """How many of the answers to strangers are sensible."""
    turns = [turn["sensible"] for conversation in data["conversations"] for turn in conversation]
    return {"sensible": in_words(sum(turns) / len(turns), 3)}


def at_a_tenth(data: dict[str, Any]) -> Values:
    """Short questions answered exactly by some methods at a tenth of the cache."""
    keep = 0.1
    names = {"plus": "elastic-plus", "first": FIRST_EDITION, "h2o": "h2o", "elastic": "elastic", "corm": "corm"}
    names["pyramid"] = "pyramidkv"
    rows = {name: row(data, policy=policy, keep=keep) for name, policy in names.items()}
    asked = {short_questions(one) for one in rows.values()}
    return {
        **{name: percent(one, "exact_short") for name, one in rows.items()},
        "full": percent(row(data, policy="full", keep=1.0), "exact_short"),
        "keep": FRACTIONS[keep],
        "asked": min(asked),
        "all are asked the same": len(asked) == 1,
        "PyramidKV is marked": bool(rows["pyramid"]["beyond_share"]),
        "the others are not": not any(one["beyond_share"] for name, one in rows.items() if name != "pyramid"),
    }


def families(data: dict[str, Any]) -> Values:
    """Short questions answered exactly at a fifth of the cache, by one method of each family that came later."""
    keep = 0.2
    names = {"kivi": "kivi:bits=4"} | {name: name for name in ("quest", "less", "kvzip", "divprune", "visionzip")}
    rows = {name: row(data, policy=policy, keep=keep) for name, policy in names.items()}
    full = row(data, policy="full", keep=1.0)
    return {
        **{name: percent(one, "exact_short") for name, one in rows.items()},
        "full": percent(full, "exact_short"),
        "keep": FRACTIONS[keep],
        "bits": 4,  # as the name of its row says
        "asked": min(short_questions(one) for one in rows.values()),
        "all are asked the same": {short_questions(one) for one in rows.values()} == {short_questions(full)},
        "none is marked": not any(one["beyond_share"] for one in rows.values()),
    }


def recalled(data: dict[str, Any]) -> Values:
    """Of the facts that the full cache recalls, what others recall at half, a fifth and a tenth of it."""
    names = {"first": FIRST_EDITION, "second": "elastic-plus", "snapkv": "snapkv"}
    keeps = {"half": 0.5, "fifth": 0.2, "tenth": 0.1}
    shares = {
        f"{name}_{at}": percent(row(data, policy=policy, keep=keep), "exact_of_full")
        for name, policy in names.items()
        for at, keep in keeps.items()
    }
    return shares | {at: FRACTIONS[keep] for at, keep in keeps.items()}


def recalled_of(data: dict[str, Any]) -> Values:
    """Of the facts that the full cache recalls, what those of the lesson recall at a fifth of it."""
    keep = 0.2
    names = {"plus": "elastic-plus", "first": FIRST_EDITION}
    names |= {name: name for name in ("snapkv", "streaming", "elastic")}
    rows = {name: row(data, policy=policy, keep=keep) for name, policy in names.items()}
    shares = {name: percent(one, "exact_of_full") for name, one in rows.items()}
    full = row(data, policy="full", keep=1.0)
    margins = [(one["exact_of_full_ci"][1] - one["exact_of_full_ci"][0]) / 2 for one in rows.values()]
    return {
        **shares,
        "asked": round(full["exact"] * full["n"]),
        "tokens": data["settings"]["tokens"],
        "kept": round(100 * keep),
        "margin": 100 * max(margins),
        "all are asked the same": {one["n"] for one in rows.values()} == {full["n"]},
        "the first edition recalls almost nothing": shares["first"] < 15,
        "the exact core keeps them": shares["plus"] > 75,
    }


def averages(data: dict[str, Any]) -> Values:
    """Short questions answered exactly at half of the cache, by the sides of the lesson."""
    keep = 0.5
    policies = {
        "merged": "elastic",
        "dropped": "elastic:merge=none",
        "published": "elastic:protect_text=false",
        "unbiased": "elastic:protect_text=false;score=visible frequency",
        "plus": "elastic-plus",
        "h2o": "h2o",
        "streaming": "streaming",
    }
    rows = {name: row(data, policy=policy, keep=keep) for name, policy in policies.items()}
    rows["full"] = row(data, policy="full", keep=1.0)
    margins = [(one["exact_short_ci"][1] - one["exact_short_ci"][0]) / 2 for one in rows.values()]
    return {
        **{name: percent(one, "exact_short") for name, one in rows.items()},
        "kept": round(100 * keep),
        "asked": min(one["n"] for one in rows.values()),
        "margin": 100 * max(margins),
        "all are asked the same": len({one["n"] for one in rows.values()}) == 1,
    }


def lost_by_half(data: dict[str, Any]) -> Values:
    """Points of exact answers that methods lose from a fifth of the cache to a tenth, of those that half answer."""
    fifth = {one["policy"]: percent(one, "exact_short") for one in data["rows"] if one["keep"] == 0.2}
    tenth = {one["policy"]: percent(one, "exact_short") for one in data["rows"] if one["keep"] == 0.1}
    lost = sorted(share - tenth[name] for name, share in fifth.items() if share >= 50 and name in tenth)
    low, high = 6, 17
    most = [points for points in lost if low <= round(points) <= high]
    return {"low": low, "high": high, "most lose as much": len(most) > len(lost) / 2}


# How the files of results were measured, and of what.
OF_ANSWERS = (ANSWERS, answers, POCKET, {"weights": TODAY, "seed": 1, "scenes": 1000, "cache": "full"})
OF_EXCHANGES = (EXCHANGES, sensible, POCKET, {"weights": TODAY, "cache": "full"})
ON_SCENES = {"data": "scenes", "seed": 1, **AFTER_QUESTION}
OF_LESSON = (AVERAGES, averages, POCKET, {"weights": TODAY, **ON_SCENES})
OF_METHODS = (METHODS, at_a_tenth, POCKET, {"weights": TODAY, **ON_SCENES})
OF_FAMILIES = (FAMILIES, families, POCKET, {"weights": TODAY, **ON_SCENES})
OF_RECALL = (RECALL, recalled, SMOLLM2, {"data": "recall", "seed": 1, "lead": "fed", **AFTER_QUESTION})
OF_FIFTH = (RECALL, recalled_of, SMOLLM2, {**OF_RECALL[3], "needles": 1})
OF_LOSS = (METHODS, lost_by_half, POCKET, {"weights": TODAY, **ON_SCENES})

IN_README = (
    (
        "it answers {short:.0f} % of short questions right, {others} % of descriptions and of numbers, {turns} turns "
        "of a conversation",
        OF_ANSWERS,
    ),
    ("and {sensible} of what strangers type (", OF_EXCHANGES),
    (
        "At {keep} of the cache, compressed after the question, `elastic-plus` answers {plus:.0f} % of {asked:d} short "
        "questions to pocket-llava exactly (full cache {full:.0f}), its first edition {first:.0f}, CORM {corm:.0f}, "
        "H2O {h2o:.0f}, Elastic Cache {elastic:.0f}: `benchmarks/RESULTS.md`",
        OF_METHODS,
    ),
    (
        "Of the families that came later, on {asked:d} others at {keep}: KIVI in {bits:d} bits {kivi:.0f} %, Quest "
        "{quest:.0f}, LESS {less:.0f}, KVzip {kvzip:.0f}, DivPrune {divprune:.0f}, VisionZip {visionzip:.0f} (full "
        "cache {full:.0f}).",
        OF_FAMILIES,
    ),
    (
        "that edition recalled {first_half:.0f}, {first_fifth:.0f} and {first_tenth:.0f} % of the numbers and names "
        "that the full cache recalls, at {half}, {fifth} and {tenth} of it, compressed after the question. The second "
        "edition, which `elastic-plus` is now, recalls {second_half:.0f}, {second_fifth:.0f} and {second_tenth:.0f} %, "
        "SnapKV {snapkv_half:.0f}, {snapkv_fifth:.0f} and {snapkv_tenth:.0f} %.",
        OF_RECALL,
    ),
    (
        "Who holds over a quarter more than its share, as PyramidKV does on pocket-llava ({pyramid:.0f} % right), is "
        "marked",
        OF_METHODS,
    ),
)

IN_LESSON = (
    "Percentages of right answers are of {asked:d} other questions.",
    "Right answers: {merged:.0f} %; dropped instead: {dropped:.0f} %.",
    "Over {asked:d} questions, dropping the same patches is right in {dropped:.0f} %, H2O in {h2o:.0f} %, StreamingLLM "
    "in {streaming:.0f} %, this merging in {merged:.0f} %, the full cache in {full:.0f} %.",
    "By plain sums the question is merged away (dotted): {published:.0f} % right. Text protected: {merged:.0f} %; the "
    "rest dropped: {dropped:.0f} %; Elastic Cache plus: {plus:.0f} %; full cache: {full:.0f} %.",
    "Share of {asked:d} other questions about such pictures that pocket-llava answers exactly right (± {margin:.0f} "
    "points). All but the full cache may keep {kept:d} %.",
    "Full cache: {full:.0f} % · Published rule: {published:.0f} % · Text protected: {merged:.0f} % · Causal bias "
    "removed: {unbiased:.0f} % · Elastic Cache plus: {plus:.0f} % · Text protected, rest dropped: {dropped:.0f} % · "
    "H2O: {h2o:.0f} % · StreamingLLM: {streaming:.0f} %",
)

IN_LESSON_OF_SMOLLM2 = (
    "Share of {asked:d} numbers and names that SmolLM2-135M-Instruct still recalls with {kept:d} % of its cache, "
    "compressed after the question (± {margin:.0f} points). Each stands once in {tokens:d} tokens of prose",
    "Of numbers and names in prose that its full cache recalls, SmolLM2-135M-Instruct still recalls {plus:.0f} % with "
    "{kept:d} % of it and an exact core, {first:.0f} % where all is averaged (± {margin:.0f} points).",
    "Elastic Cache plus: {plus:.0f} % · Its first edition: {first:.0f} % · SnapKV: {snapkv:.0f} % · StreamingLLM: "
    "{streaming:.0f} % · Elastic Cache: {elastic:.0f} %",
)

IN_FAIRNESS = "from a fifth of the cache to a tenth most methods lose {low:d} to {high:d} points of exact answers"

CLAIMS = (
    *(Claim("README.md", says, *measured) for says, measured in IN_README),
    *(Claim(LESSON, says, *OF_LESSON) for says in IN_LESSON),
    *(Claim(LESSON, says, *OF_FIFTH) for says in IN_LESSON_OF_SMOLLM2),
    Claim("elastic/fairness.py", IN_FAIRNESS, *OF_LOSS),
)
