"""Numbers in documents that are no claims: those that nothing is kept of, and those that nobody measured."""

from benchmarks.claims.claim import Gap, NoMeasurement
from benchmarks.claims.documents import LESSON

README = "README.md"

# Each of these should become a claim, or go.
GAPS = (
    Gap(README, "torch's processor build (a tenth of the download)", "by hand; the sizes of the packages are not kept"),
    Gap(
        "CONTRIBUTING.md",
        "half an hour on two cores (more than the twenty minutes that it may take)",
        "timing of 2026-12-01, by hand",
    ),
    Gap("CONTRIBUTING.md", "which takes one to two seconds of a processor", "timing of 2026-11-29, by hand"),
    Gap(
        "elastic/fairness.py",
        "a quarter more memory is worth three or four, about what 500",
        "by hand, between the budgets of benchmarks/results/methods.json; nothing was measured there",
    ),
)

NO_MEASUREMENTS = (
    NoMeasurement(README, "answers the same question about the same picture twice", "what the page does"),
    NoMeasurement(README, "one of two frogs is counted", "what the picture shows"),
    NoMeasurement(README, "in 4 bits on a GPU", "a setting"),
    NoMeasurement(README, "Gemma 3, PaliGemma", "a name"),
    NoMeasurement(README, "emoji scenes only | 256 |", "a setting of the model"),
    NoMeasurement(README, "64 a tile, up to 17 tiles | 0.5, 1 GB |", "settings, and arithmetic: 2 bytes a number"),
    NoMeasurement(README, "a real LLaVA for laptops | 729 | 1.8 GB |", "a setting, and arithmetic"),
    NoMeasurement(README, "shrunk to one grid | up to 7,371 | 1.8 GB |", "arithmetic: 729 + 81 x 81 + 81 newlines"),
    NoMeasurement(README, "256 a tile, up to 13 tiles | 1.9 GB |", "settings, and arithmetic"),
    NoMeasurement(README, "one per 28 or 32 pixels squared | 4.4 GB |", "settings, and arithmetic"),
    NoMeasurement(README, "| 576 | 14 GB | Llama 2", "a setting, arithmetic, a licence"),
    NoMeasurement(README, "up to 2,928 | 15 GB |", "arithmetic: 576 + 48 x 48 + 48 newlines"),
    NoMeasurement(README, "at 16 bits a number", "a setting"),
    NoMeasurement(README, "a number of the full cache has 32 bits, with 16 KIVI's", "settings"),
    NoMeasurement(README, "they take twice that in memory", "arithmetic"),
    NoMeasurement(README, "(the question, 32 tokens at least)", "the rule of `elastic/cache/asking.py`"),
    NoMeasurement(README, "(200 or 503)", "codes of HTTP"),
    NoMeasurement(README, "half an hour after their tab has gone or four hours unused", "settings of `page/store.py`"),
    NoMeasurement(README, "caches for half an hour unused", "a setting of `page/store.py`"),
    NoMeasurement(README, "picture files for two hours", "a setting of `page/uploads.py`"),
    NoMeasurement(README, "a picture of up to 1 MB", "a setting of `assets/web/tab/main.js`"),
    NoMeasurement(README, "in eight steps and ten minutes", "how long the lesson is meant to take"),
    NoMeasurement(README, "-1 if it was dropped", "a value"),
    NoMeasurement(README, "Who holds over a quarter more than its share", "the rule of `elastic/fairness.py`"),
    NoMeasurement(README, "OFL 1.1", "a licence"),
    NoMeasurement(LESSON, "1–4 choose", "keys"),
    NoMeasurement(LESSON, "the brightest one percent", "a setting"),
    NoMeasurement(LESSON, "add up to 100 %", "arithmetic"),
    NoMeasurement(LESSON, "so nothing is computed twice", "how a cache works"),
    NoMeasurement(LESSON, "at 2 bytes a number", "arithmetic, see `viz/facts.py`"),
    NoMeasurement(LESSON, "makes a third list", "how attention works"),
    NoMeasurement(LESSON, "of layer 4", "which layer"),
    NoMeasurement(LESSON, "n layer 3,", "which layer"),
    NoMeasurement(LESSON, "in layers 1 to", "which layers"),
    NoMeasurement(LESSON, "layer 5", "which layer"),
    NoMeasurement(LESSON, "the method of step 5", "which step"),
    NoMeasurement(LESSON, "(step 8)", "which step"),
    NoMeasurement(LESSON, "Step 8 has", "which step"),
    NoMeasurement("assets/report/page.html", "95% intervals", "how certain an interval is"),
    NoMeasurement("elastic/evaluate/summary.py", "The middle 95 %", "how certain an interval is"),
    NoMeasurement("elastic/fairness.py", '"holds 24.8% at the peak, asked for 15%"', "an example"),
    NoMeasurement(
        "elastic/policies/knorm.py", "with one of six layers whole a third of the cache at 0.2", "arithmetic"
    ),
    NoMeasurement("elastic/policies/vlcache.py", "below 1 % of their row's strongest", "a parameter of the method"),
    NoMeasurement("page/comparing.py", "such as 20 %", "an example"),
    NoMeasurement("page/memory.py", "such as 2GB", "an example"),
    NoMeasurement("page/memory.py", "`2GB`, `500MB`", "examples"),
    NoMeasurement("viz/measures.py", "half a MiB rather than 512 KiB", "an example"),
    NoMeasurement("viz/measures.py", "5%, 12.5%", "examples"),
    NoMeasurement("viz/measures.py", '"keep 20%"', "an example"),
    NoMeasurement("viz/measures.py", '"20% of the cache"', "an example"),
    NoMeasurement("viz/quality.py", "95% intervals", "how certain an interval is"),
)
