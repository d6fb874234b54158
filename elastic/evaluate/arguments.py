"""Every method at every budget on the same work: `python -m elastic.evaluate --out results.json`.

The answers of the data are fed token by token to each cache, which evicts as it does when it writes; then each method
writes its own. Everything is compared with what the full cache does. `--out` gets the results as JSON; beside it lie
the same as CSV, a report as one HTML file, and every single answer (`.samples.jsonl`): a run that is stopped goes on
from there, and further methods, budgets or samples are added to those that are done. One run at a time has these
files, and a run of another model or other data needs others; a line that was damaged is named once, moved to
`.left-out.jsonl`, and what it said is computed again.

Data: `scenes`, where the project's checkout is, are emoji scenes that pocket-llava was not trained on. A file may be
MM-Vet's mm-vet.json, LLaVA-Description's detail_1k.json, or JSON lines with `image` and `text` as LLaVA-Bench has, with
--images. `--report-from results.json` computes nothing: it writes the report again from results that are there.
"""

import argparse
from pathlib import Path

from elastic.command_line import Options, whole_number

SCENES = "scenes"  # emoji scenes, which the project registers as data


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """What a command line asks for."""
    parser = Options(__doc__, "python -m elastic.evaluate")
    add = parser.add_argument
    add(
        "--policies",
        default="all",
        help="e.g. elastic,h2o or combine:score=window;merge=values, or @FILE with one a line; default: all",
    )
    add("--keep", default="1.0,0.5,0.2,0.1", help="shares of the cache that are kept, e.g. 1.0,0.5 (default)")
    add("--data", default=SCENES, help="a file, or data that are registered: `scenes` (default)")
    add("--images", type=Path, help="folder of the file's pictures; default: `images` beside it, else its own")
    add(
        "--limit",
        type=whole_number(0),
        help="short questions about scenes (default 100), beside --describe and --conversations; "
        "or records of a file (default all)",
    )
    add("--describe", type=whole_number(0), default=20, help="descriptions of scenes (default 20)")
    add(
        "--conversations",
        type=whole_number(0),
        default=10,
        help="conversations of three turns about scenes (default 10)",
    )
    add("--seed", type=whole_number(0), default=1, help="of the scenes (default 1)")
    add("--max-new-tokens", type=whole_number(1), default=160, help="an answer's at most (default 160)")
    add("--on-error", choices=("skip", "stop"), default="skip", help="what a sample that cannot be used does to a run")
    add("--out", type=Path, default=Path("results.json"), help="default: results.json")
    add("--report-from", type=Path, metavar="FILE", help="results (.json) to write the report of, and do nothing else")
    add("--fresh", action="store_true", help="begin anew instead of going on with what lies beside --out")
    add("--model", help="checkpoint, by hub name or folder; default: the embedded pocket-llava")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add("--four-bit", action="store_true", help="weights in 4 bits, on a GPU")
    add("--batch", type=whole_number(1), default=1, help="equally long prompts read together; times are divided by it")
    add(
        "--workers",
        type=whole_number(1),
        default=1,
        help="processes on this machine, one thread each (default: this one)",
    )
    add("--ray", nargs="?", const="", metavar="ADDRESS", help="compute on a Ray cluster (default: one is started here)")
    return parser.parse_args(argv)
