"""Does every number that README, lesson and docstrings quote follow from the data? `python -m benchmarks.claims`.

Computes each of them anew from the results that are committed, and compares it with the sentence that quotes it, digit
by digit; and compares model and protocol with what the results say of themselves. Looks for numbers that no claim
stands for, too: a new number needs data, or a word on what else it is. Ends with 1 and a sentence for each fault.
The sentences are listed in `benchmarks/claims/quoted.py`, all other numbers in `benchmarks/claims/others.py`.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.claims.check import Findings, beginning, check
from benchmarks.claims.documents import documents
from benchmarks.claims.others import GAPS, NO_MEASUREMENTS
from benchmarks.claims.quoted import CLAIMS
from elastic.command_line import Options
from elastic.files import one_sentence, out_file, write

ROOT = Path(__file__).resolve().parents[2]


def show(found: Findings) -> None:
    """Print a line for each number below its sentence, then what cannot be computed again, then the faults."""
    for one in found.checked:
        print(f"{one.claim.file}: {beginning(one.claim)}")
        print(f"  {one.claim.data}: {', '.join(one.protocol)}")
        for number in one.numbers:
            holds = "holds" if number.quoted == number.recomputed else "FAILS"
            print(f"    {number.name:<12} quoted {number.quoted or '-':<14} data {number.recomputed:<14} {holds}")
    print("\nA question mark: the data do not say so themselves; it is taken on trust.")
    if GAPS:
        print(f"\nNOT RECOMPUTABLE: {len(GAPS)} numbers that nothing is kept of")
        for gap in GAPS:
            print(f"  {gap.file}: {gap.says!r}: {gap.reason}")
    count = sum(len(one.numbers) for one in found.checked)
    print(f"\n{count} numbers in {len(found.checked)} sentences; faults: {len(found.faults)}")
    for fault in found.faults:
        print(f"  {fault}")


def as_json(found: Findings) -> dict[str, Any]:
    """All of it, for `--out`."""
    claims = [
        {
            "file": one.claim.file,
            "sentence": one.claim.says,
            "data": one.claim.data,
            "model": one.claim.model,
            "protocol": dict(one.claim.protocol),
            "numbers": [asdict(number) for number in one.numbers],
            "holds": not one.faults,
        }
        for one in found.checked
    ]
    return {"claims": claims, "gaps": [asdict(gap) for gap in GAPS], "faults": found.faults}


def main(given: Sequence[str] | None = None) -> int:
    """Check, print and write; 1 if something does not hold."""
    options = Options(__doc__, prog="python -m benchmarks.claims")
    options.add_argument("--out", type=out_file, help="JSON file to write")
    args = options.parse_args(given)
    with one_sentence():
        found = check(ROOT, documents(ROOT), CLAIMS, (*GAPS, *NO_MEASUREMENTS))
    show(found)
    if args.out is not None:
        with one_sentence():
            write(args.out, json.dumps(as_json(found), indent=2, ensure_ascii=False) + "\n")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
