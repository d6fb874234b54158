"""What each method got most wrong, word by word and with the pictures: what a report shows beside its numbers."""

import base64
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from elastic.evaluate.data import Sample
from elastic.evaluate.lines import Record
from elastic.evaluate.methods import VariantKey, budget_of
from elastic.picture import small_jpeg

WORST = 5  # failures shown of a method at a budget
WORST_OF_METHOD = 15  # and of a method in all: each comes with its picture


def failures(answers: list[Record], samples: Iterable[Sample]) -> dict[str, list[Any]]:
    """The worst answers of each method and budget, beside the full cache's: `failures` and the `pictures` they name.

    First those the full cache has right and the method has not, then those whose text is least like the full cache's.
    """
    full = {(answer["sample"], answer["skill"]): answer for answer in answers if answer["policy"] == "full"}
    by_method: defaultdict[VariantKey, list[Record]] = defaultdict(list)
    for answer in answers:
        other = full.get((answer["sample"], answer["skill"]))
        if answer["policy"] != "full" and other is not None and answer["text"] != other["text"]:
            by_method[answer["policy"], budget_of(answer)].append(answer)
    budgets = Counter(policy for policy, _ in by_method)
    pictures = _Pictures(samples)
    found = []
    for (policy, _), wrong in by_method.items():
        wrong.sort(
            key=lambda a: (not full[a["sample"], a["skill"]]["exact"] or a["exact"] is not False, a["rouge_l"] or 0.0)
        )
        for answer in wrong[: min(WORST, max(1, WORST_OF_METHOD // budgets[policy]))]:
            other = full[answer["sample"], answer["skill"]]
            found.append(
                {
                    "policy": policy,
                    "keep": answer["keep"],
                    "budget": answer.get("budget"),
                    "sample": answer["sample"],
                    "skill": answer["skill"],
                    "question": other["question"],
                    "reference": other["reference"],
                    "full": other["text"],
                    "answer": answer["text"],
                    "rouge_l": answer["rouge_l"],
                    "agreement": answer["agreement"],
                    "picture": pictures.place(str(answer["sample"])),
                }
            )
    return {"failures": found, "pictures": pictures.made}


class _Pictures:
    """Pictures of samples as data URIs, each made and listed once; a text has none."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.samples = {sample.name: sample for sample in samples}
        self.made: list[str] = []
        self.places: dict[str, int | None] = {}

    def place(self, name: str) -> int | None:
        """Where a sample's picture is listed; None where the sample or its picture is no longer there."""
        if name not in self.places:
            self.places[name] = None
            with suppress(KeyError, ValueError):
                picture = self.samples[name].open()
                if not isinstance(picture, str):
                    uri = "data:image/jpeg;base64," + base64.b64encode(small_jpeg(picture)).decode()
                    self.places[name] = self._listed(uri)
        return self.places[name]

    def _listed(self, uri: str) -> int:
        """Of several samples about one picture it is the same."""
        if uri not in self.made:
            self.made.append(uri)
        return self.made.index(uri)
