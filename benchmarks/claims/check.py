"""Whether the claims hold: each number as it is quoted beside what the data give, and every fault as a sentence."""

import fnmatch
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.claims.claim import Claim, Gap, NoMeasurement, in_one_line, protocol, settings
from benchmarks.claims.documents import Document, within
from elastic.models.checkpoint import digest

AROUND = 40  # characters shown around a number that nobody claims
WHERE = "benchmarks/claims/quoted.py"


@dataclass(frozen=True)
class QuotedNumber:
    """A number of a claim: as its sentence quotes it, and as the data have it; either is empty where there is none."""

    name: str
    quoted: str
    recomputed: str


@dataclass
class Checked:
    """What became of a claim: its numbers, what it says of model and protocol, where they stand, and what is wrong."""

    claim: Claim
    numbers: list[QuotedNumber] = field(default_factory=list)
    protocol: list[str] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Findings:
    """All of it: `faults` is empty where every number of every document is accounted for."""

    checked: list[Checked]
    faults: list[str]


def check(
    root: Path, found: Sequence[Document], claims: Sequence[Claim], others: Sequence[Gap | NoMeasurement]
) -> Findings:
    """Compute every claim anew from the data of a checkout, and look for numbers of its documents that nobody claims.

    Raises:
        ValueError: if data or the model cannot be read; one sentence.
    """
    by_file = {one.file: one for one in found}
    read, weights = cache(lambda file: _data(root / file)), digest(root / "assets" / "models" / "pocket-llava")
    checked = [_checked(claim, by_file, read, weights) for claim in claims]
    faults = [fault for one in checked for fault in one.faults]
    known: dict[str, list[tuple[int, int]]] = {one.file: [] for one in found}
    for one in checked:
        known.setdefault(one.claim.file, []).extend(one.spans)
    for other in others:
        at = {file: _places(other.says, by_file[file].text) for file in fnmatch.filter(by_file, other.file)}
        for file, spans in at.items():
            known[file] += spans
        if not any(at.values()):
            faults.append(f"{other.file} does not say {other.says!r}: take it out of benchmarks/claims/others.py.")
    faults += [fault for one in found for fault in _unclaimed(one, known[one.file])]
    return Findings(checked, faults)


def _data(path: Path) -> Any:
    """The content of a file of results; None where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as JSON ({error}). Measure it again, or restore it.") from error


def _checked(claim: Claim, by_file: dict[str, Document], read: Any, weights: str) -> Checked:
    found, start = Checked(claim), beginning(claim)
    if claim.file not in by_file:
        found.faults.append(f"{claim.file} is none of the documents that are read: see benchmarks/claims/documents.py.")
        return found
    matches = list(claim.pattern().finditer(by_file[claim.file].text))
    if not matches:
        found.faults.append(
            f"{claim.file} no longer says {start!r}. Correct the sentence there, or its claim in {WHERE}."
        )
    for match in matches:
        found.spans += [match.span(group) for group in range(1, 1 + len(match.groups()))]
    data = read(claim.data)
    if data is None:
        found.faults.append(f"{claim.file} quotes {claim.data} in {start!r}, and that file is not there.")
        return found
    found.protocol, others = protocol(claim, settings(data), weights)
    found.faults += [f"{claim.file}, {start!r}: {other}. Correct sentence and claim." for other in others]
    try:
        numbers, unmet = list(claim.recomputed(data)), claim.unmet(data)
    except (LookupError, TypeError) as error:
        reason = str(error).strip("'\"")
        found.faults.append(f"{claim.data} does not hold what {claim.file} quotes in {start!r}: {reason}.")
        return found
    found.faults += [f"{claim.data} does not bear out {start!r} in {claim.file}: {name}?" for name in unmet]
    for quoted in dict.fromkeys(match.groups() for match in matches) or [("",) * len(numbers)]:
        found.numbers += [QuotedNumber(name, said, now) for said, (name, now) in zip(quoted, numbers, strict=True)]
    found.faults += [
        f"{claim.file} says {one.quoted} in {start!r}, and {claim.data} gives {one.recomputed} ({one.name})."
        for one in found.numbers
        if one.quoted not in ("", one.recomputed)
    ]
    return found


def beginning(claim: Claim) -> str:
    """The first words of a claim's sentence, for people."""
    says = re.sub(r"\{(\w+)[^}]*\}", r"{\1}", in_one_line(claim.says))
    return says if len(says) <= 70 else says[:70].rpartition(" ")[0] + " …"


def _places(says: str, text: str) -> Iterable[tuple[int, int]]:
    return [match.span() for match in re.finditer(re.escape(in_one_line(says)), text)]


def _unclaimed(document: Document, known: list[tuple[int, int]]) -> Iterator[str]:
    """A sentence for each number of a document that is at none of the known places."""
    for start, end in document.numbers:
        if not any(within((start, end), other) for other in known):
            around = document.text[max(0, start - AROUND) : end + AROUND]
            yield (
                f"{document.file}: nothing says where {document.text[start:end]!r} comes from in {around!r}. Add a "
                f"claim to {WHERE}, or say in benchmarks/claims/others.py what else it is."
            )
