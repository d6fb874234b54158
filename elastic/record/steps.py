"""The steps of a run as a table."""

import csv
import io
import json
import math

import numpy as np

from elastic.record.trace import Run, Trace

COLUMNS = ["side", "policy", "keep", "step", "token", "piece", "logprob", "reference_logprob", "divergence", "seconds"]
COLUMNS += ["slots_mean", "bytes_held", "bytes_allocated", "limit_bytes", "evicted", "merged", "asked_after"]
COLUMNS += ["bytes_read"]


def steps_csv(run: Run) -> str:
    """One row per side and answer token, as comma-separated values with a header.

    Tokens are written as JSON texts, quotes included: blanks show, and no spreadsheet takes one for a formula.
    `evicted` lists layer:token pairs, layers from 1, tokens from 0 at the beginning of the conversation; `merged` lists
    what another slot took in, as layer:token>token of that slot. Where heads decide for themselves, each has its own.
    `asked_after` counts the question's tokens that were read when the cache was compressed already, 0 in most runs.
    `bytes_read` is less than `bytes_held` where a token reads a part of what is held.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    for letter, side in zip("ABCDEFGH", run.sides, strict=False):
        keep = side.options.get("keep", 1.0)
        for step in range(side.steps):
            evicted, merged = _given_up(side, step)
            numbers = [side.logprob[step], side.reference_logprob[step], side.divergence[step], side.seconds[step]]
            writer.writerow(
                [
                    letter,
                    no_formula(side.policy),
                    keep,
                    step + 1,
                    side.answer_ids[step],
                    json.dumps(side.answer_pieces[step]),
                ]
                + ["" if math.isnan(value) else f"{value:.6g}" for value in numbers]
                + [f"{side.slots[step].mean():.6g}", side.bytes_held[step].sum(), side.bytes_allocated[step]]
                + [side.limit_bytes[step + 1], " ".join(evicted), " ".join(merged), side.asked_after]
                + [side.bytes_read[step].sum()]
            )
    return table.getvalue()


def no_formula(value: object) -> object:
    """A value that no spreadsheet takes for a formula."""
    is_formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if is_formula else value


def _given_up(side: Trace, step: int) -> tuple[list[str], list[str]]:
    """What a step evicted, as layer:token, and what it merged, as layer:token>token; of all heads."""
    evicted, merged = [], []
    for layer, head in np.argwhere(side.dropped[step] >= 0):
        token, into = side.dropped[step, layer, head], side.joined[step, layer, head]
        if into < 0:
            evicted.append(f"{layer + 1}:{token}")
        else:
            merged.append(f"{layer + 1}:{token}>{into}")
    return evicted, merged
