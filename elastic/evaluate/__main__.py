"""The program `python -m elastic.evaluate`: what is asked for (`arguments`), found before, computed and written."""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm
from transformers import AutoTokenizer

from elastic.command_line import plain
from elastic.evaluate.advice import advice, protocol, table
from elastic.evaluate.aggregates import described
from elastic.evaluate.arguments import KEEPS, KNOWN, QUESTION, arguments
from elastic.evaluate.data import Sample
from elastic.evaluate.failures import failures
from elastic.evaluate.lines import Record
from elastic.evaluate.methods import (
    FULL,
    Variant,
    adapted_to_text,
    budget_of,
    in_bits,
    keeps,
    methods,
    token_budgets,
    variants,
    without_picture,
)
from elastic.evaluate.output import files_of, results_in, write_again, write_all
from elastic.evaluate.records import ELSE, Records, changed
from elastic.evaluate.run import Chunk, chunks
from elastic.evaluate.selection import check_protocol, identity, is_registered, reads_text, samples_of
from elastic.evaluate.summary import Draws, rows
from elastic.evaluate.workers import ModelSource, Results, in_pool, in_process
from elastic.files import claimed, writable
from elastic.model import POCKET


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Run what a command line asks for; returns the results, which are also written.

    Raises:
        ValueError: if something asked for does not exist or is out of its range, a file cannot be written or is in use,
            or work cannot go on; one sentence.
    """
    chosen, left_out = _variants(args)
    _check_paths(args)
    check_protocol(args)
    with claimed(args.out):
        samples, problems = samples_of(args)
        _report(problems, args.on_error)
        if not samples:
            raise ValueError(
                "There is no sample to evaluate: raise --limit, --describe or --conversations, or mend the file."
            )
        adapted = adapted_to_text(chosen) if reads_text(args.model) else {}
        for what, sentences in {"Left out": left_out, "Adapted": adapted}.items():
            for name, why in sentences.items():
                print(f"{what}: {name}: {why}")
        records = _records(args, samples)
        _compute(args, samples, chosen, records)
        known = {"left_out": left_out, "adapted": adapted, "skipped": problems}
        return _conclude(args, samples, chosen, records, known)


def _variants(args: argparse.Namespace) -> tuple[tuple[Variant, ...], dict[str, str]]:
    """Every method at every budget, and why some were left out."""
    shares = keeps(args.keep or KEEPS) if args.keep or not args.keep_tokens else []
    tokens = token_budgets(args.keep_tokens) if args.keep_tokens else []
    chosen = methods(args.policies)
    found, left_out = variants(in_bits(chosen, args.bits) if args.bits else chosen, shares, tokens)
    return without_picture(found, left_out) if reads_text(args.model) else (found, left_out)


def _records(args: argparse.Namespace, samples: list[Sample]) -> Records:
    """What was found before, of the same run; lines that are not are told of, and kept in a file of their own.

    Raises:
        ValueError: if what lies there is of another run, or of none: nothing takes its place.
    """
    *made, answers, left_out = files_of(args.out)
    records = Records(answers, identity(args), args.fresh)
    there = [path for path in made if path.exists()]
    if there and not records.found and not args.fresh:
        raise ValueError(f"{there[0]} is there already, but {answers.name}, with the answers it is of, is not: {ELSE}")
    _check_same(records, samples)
    for problem in records.problems:
        print(problem, f"What it said is kept in {left_out.name}.")
    records.set_aside(left_out)
    return records


def _check_same(records: Records, samples: list[Sample]) -> None:
    """See that what was found before is about the same questions, answers and pictures.

    Raises:
        ValueError: if it is not.
    """
    asked = {(sample.name, turn.skill): (sample, turn) for sample in samples for turn in sample.turns}
    for line in records.answers():
        if line["policy"] != FULL.label or (line["sample"], line["skill"]) not in asked:
            continue
        sample, turn = asked[line["sample"], line["skill"]]
        before, now = (line["question"], line["reference"]), (turn.question, turn.answer)
        if before != now:
            was, is_now = next(both for both in zip(before, now, strict=True) if both[0] != both[1])
            raise ValueError(
                f"{records.path} is about other questions or answers: of {sample.name!r} it was {was!r}, and now it is "
                f"{is_now!r}. What scenes hold and how it is asked for has changed since: {ELSE}"
            )
        if line.get("picture") and line["picture"] != sample.digest:
            raise ValueError(f"{records.path} is about other pictures: that of {sample.name!r} has changed: {ELSE}")


def _check_paths(args: argparse.Namespace) -> None:
    """Before any work: every file can be written, and none of them is what the work is done on."""
    if args.out.suffix != ".json":
        raise ValueError(
            f"--out {args.out} must end in .json: a table (.csv), a report (.html) and the answers are put beside it."
        )
    for path in files_of(args.out):
        writable(path)
        if not is_registered(args.data) and path.exists() and Path(args.data).exists() and path.samefile(args.data):
            raise ValueError(f"{path} is the data itself and would be overwritten: give another --out.")
        if path.exists() and not path.is_file():
            raise ValueError(f"{path} is no file that results could be kept in: give another --out.")


def _compute(args: argparse.Namespace, samples: list[Sample], chosen: tuple[Variant, ...], records: Records) -> None:
    """Find what has not been found before."""
    model = ModelSource(args.model, args.device, args.four_bit, args.dtype)
    lengths = _lengths(model, samples) if args.batch > 1 and not reads_text(args.model) else {}
    plan = Chunk(
        most_tokens=args.max_new_tokens,
        is_known=args.question == KNOWN,
        is_question_first=args.layout == QUESTION,
    )
    todo = chunks(samples, chosen, records.done(), lengths, args.batch, plan)
    before = len(_of_run(records.answers(), samples, chosen))
    if before:
        print(f"Going on: {before} answers are in {records.path}")
    total = sum(chunk.answers for chunk in todo)
    with tqdm(total=total, unit="answer", smoothing=0.05) as bar, closing(_computed(args, model, todo)) as results:
        for chunk, lines in results:
            records.append(lines)
            bar.update(chunk.answers)
            if args.on_error == "stop":
                _report(_sentences(line for line in lines if "error" in line), "stop")


def _conclude(
    args: argparse.Namespace,
    samples: list[Sample],
    chosen: tuple[Variant, ...],
    records: Records,
    known: dict[str, Any],
) -> dict[str, Any]:
    """Write what all answers come to, and say what to make of it."""
    answers = _of_run(records.answers(), samples, chosen)
    errors = _sentences(_of_run(records.errors(), samples, chosen))
    draws = Draws(answers)
    settings = _settings(args, chosen, records, len(samples)) | known | {"errors": errors}
    results: dict[str, Any] = {"settings": settings, "measures": described(), "rows": rows(draws)} | failures(
        answers, samples
    )
    before = results_in(args.out)
    written, why_no_report = write_all(args.out, results)
    for path in written:
        print(f"Written: {path}")
    if why_no_report:
        print(f"No report as HTML: {why_no_report}")
    if before and not changed(before["settings"], records.settings) and _is_missed(before, results):
        kept = f"are kept in {records.path.name}: ask for the same again to have it back."
        gone = "were overwritten, too, as --fresh asks for."
        print(
            f"Replaced: a table of {before['settings']['samples']} samples and {len(before['rows'])} rows. Its answers "
            f"{gone if args.fresh else kept}"
        )
    _report([*known["skipped"], *errors], "skip")
    said = [protocol(settings), table(results["rows"]), "", *advice(draws, results["rows"])]
    print("\n".join(["", *said]))
    return results


def _is_missed(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether a table had a row, or samples, that the one in its place has not."""
    rows, kept = ({(row["policy"], budget_of(row)) for row in results["rows"]} for results in (before, now))
    return bool(rows - kept) or before["settings"]["samples"] > now["settings"]["samples"]


def _computed(args: argparse.Namespace, model: ModelSource, todo: list[Chunk]) -> Results:
    if args.ray is not None:
        from elastic.evaluate.ray_cluster import on_ray

        return on_ray(model, todo, args.ray or None)
    return in_pool(model, todo, args.workers) if args.workers > 1 else in_process(model, todo)


def _report(problems: list[str], on_error: str) -> None:
    for problem in map(plain, problems):
        if on_error == "stop":
            raise ValueError(f"{problem} Mend it, or leave such samples out with --on-error skip.")
        print(f"Skipped: {problem}")


def _sentences(errors: Iterable[Record]) -> list[str]:
    """One per sample and reason, however many methods it met."""
    met: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for line in errors:
        met[line["sample"], line["error"]].append(f"{line['policy']} at {budget_of(line):g}")
    return [
        f"{sample} ({', '.join(names) if len(names) < 4 else f'{len(names)} methods and budgets'}): {reason}"
        for (sample, reason), names in met.items()
    ]


def _settings(args: argparse.Namespace, chosen: tuple[Variant, ...], records: Records, samples: int) -> dict[str, Any]:
    """What a reader of the results must know."""
    names = dict.fromkeys(name for of in records.about for name in of)
    about = {name: ", ".join(dict.fromkeys(of[name] for of in records.about if name in of)) for name in names}
    where = {"ray": args.ray is not None, "workers": args.workers, "python": sys.version.split()[0]}
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    policies = list(dict.fromkeys(variant.label for variant in chosen))
    return records.settings | about | where | {"date": date, "samples": samples, "policies": policies}


def _of_run(lines: list[Record], samples: list[Sample], chosen: tuple[Variant, ...]) -> list[Record]:
    """Those of the samples and methods asked for: a file may hold more, from before."""
    names, keys = {sample.name for sample in samples}, {variant.key for variant in chosen}
    return [line for line in lines if line["sample"] in names and (line["policy"], budget_of(line)) in keys]


def _lengths(model: ModelSource, samples: list[Sample]) -> dict[str, int]:
    """How many tokens each sample's first question has: equally many, equally long prompts."""
    name = model.name or POCKET
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"The tokenizer of {str(name)!r} cannot be read ({reason}): give a checkpoint.") from error
    return {sample.name: len(tokenizer(sample.turns[0].question).input_ids) for sample in samples}


def main() -> None:
    """Run, print the table and what to make of it, and write the files; or write the report of an earlier run."""
    args = arguments()
    try:
        if args.report_from:
            print(f"Written: {write_again(args.report_from)}")
        else:
            run(args)
    except ValueError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("Stopped. What was finished is kept: run the same command again to go on.")


if __name__ == "__main__":
    main()
