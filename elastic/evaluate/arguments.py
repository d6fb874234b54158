"""Every method at every budget on the same work: `python -m elastic.evaluate --out results.json`.

The answers of the data are fed token by token to each cache, which evicts as it does when it writes; then each method
writes its own. Everything is compared with what the full cache does. `--out` gets the results as JSON; beside it lie
the same as CSV, a report as one HTML file, and every single answer (`.samples.jsonl`): a run that is stopped goes on
from there, and further methods, budgets or samples are added to those that are done. One run at a time has these
files, and a run of another model or other data needs others; a line that was damaged is named once, moved to
`.left-out.jsonl`, and what it said is computed again.

What is evaluated, by --data, for models that see pictures and for those that read text alone:

  scenes    emoji scenes that pocket-llava was not trained on: short questions, descriptions, conversations.
  recall    numbers and names that stand once in what was read: in a text (four kinds, short and long questions), or on
            a plate in a scene. The answer is fed and its value judged, token by token; nothing is written. Results say
            what is right of all, and of what the full cache has right.
  passages  what follows a text of 768 tokens, or a picture and the request to describe it: KL and perplexity.
  a file    MM-Vet's mm-vet.json, LLaVA-Description's detail_1k.json, or JSON lines with `image` and `text` as
            LLaVA-Bench has, with --images.

When a cache is compressed, by --question: `known` is after the question was read, `unknown` before it. Then picture or
text is read and compressed, and each question about it is read into a copy of that one cache; in a conversation the
cache is compressed again after each answer, before the next question. Budgets are then of what is compressed: the words
of a question come on top, for every method alike.

`--report-from results.json` computes nothing: it writes the report again from results that are there.
"""

import argparse
from pathlib import Path

from elastic.command_line import AUTO, DTYPES, Options, not_empty, whole_number

SCENES = "scenes"  # emoji scenes, which the project registers as data
KEEPS = "1.0,0.5,0.2,0.1"
KNOWN, UNKNOWN = "known", "unknown"
PICTURE, QUESTION = "picture", "question"
FED, READ = "fed", "read"


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """What a command line asks for."""
    parser = Options(__doc__, "python -m elastic.evaluate")
    _methods(parser)
    _data(parser)
    _work(parser)
    return parser.parse_args(argv)


def _methods(parser: argparse.ArgumentParser) -> None:
    """Which methods, at which budgets, and what they know."""
    add = parser.add_argument
    add(
        "--policies",
        default="all",
        help="e.g. elastic,h2o or combine:score=window;merge=values, or @FILE with one a line; default: all",
    )
    add(
        "--keep",
        type=not_empty,
        help=f"shares of the cache that are kept; default: {KEEPS}, or none where --keep-tokens is given",
    )
    add(
        "--keep-tokens",
        type=not_empty,
        help="tokens that are held of a prompt instead of a share, e.g. 64,128,256: equal bytes whatever its length; "
        "what is held of the answer besides follows each method's own rule",
    )
    add(
        "--bits",
        type=not_empty,
        help="numbers of bits, e.g. 8,4,2: methods that have a bits setting are measured once more for each, "
        "at the same budget of bytes, with as many tokens as then fit",
    )
    add(
        "--question",
        choices=(KNOWN, UNKNOWN),
        default=KNOWN,
        help="whether the question was read when the cache is compressed (default: known)",
    )
    add(
        "--layout",
        choices=(PICTURE, QUESTION),
        default=PICTURE,
        help="what comes first, picture (or text) or question (default: picture)",
    )


def _data(parser: argparse.ArgumentParser) -> None:
    """What is asked."""
    add = parser.add_argument
    add(
        "--data",
        type=not_empty,
        default=SCENES,
        help="`scenes` (default), `recall`, `passages`, others that are registered, or a file",
    )
    add("--images", type=Path, help="folder of the file's pictures; default: `images` beside it, else its own")
    add(
        "--limit",
        type=whole_number(0),
        help="short questions about scenes (default 100), beside --describe and --conversations; questions of recall "
        "(default 120), passages (default 12), or records of a file (default all)",
    )
    add("--describe", type=whole_number(0), default=20, help="descriptions of scenes (default 20)")
    add(
        "--conversations",
        type=whole_number(0),
        help="conversations of three turns (default 10 about scenes; recall from texts has some if asked for)",
    )
    add(
        "--seed",
        type=whole_number(0),
        default=1,
        help="of registered data (default 1); even and odd ones differ in texts",
    )
    add("--tokens", type=whole_number(64), help="of a text (default: 600 of recall, 768 of passages)")
    add("--needles", type=whole_number(1), default=1, help="facts hidden in each text of recall (default 1)")
    add(
        "--lead",
        choices=(FED, READ),
        default=FED,
        help="what becomes of the words before a value in an answer of recall: fed like the rest, after compression "
        "(default), or read with the question, so that methods know them, too",
    )
    add("--follow", type=whole_number(1), default=64, help="tokens that follow a text of passages (default 64)")


def _work(parser: argparse.ArgumentParser) -> None:
    """How it is computed, and where results go."""
    add = parser.add_argument
    add("--max-new-tokens", type=whole_number(1), default=160, help="an answer's at most (default 160)")
    add("--on-error", choices=("skip", "stop"), default="skip", help="what a sample that cannot be used does to a run")
    add("--out", type=Path, default=Path("results.json"), help="default: results.json")
    add("--report-from", type=Path, metavar="FILE", help="results (.json) to write the report of, and do nothing else")
    add("--fresh", action="store_true", help="begin anew instead of going on with what lies beside --out")
    add(
        "--model",
        type=not_empty,
        help="checkpoint, by hub name or folder, or smollm2; default: the embedded pocket-llava",
    )
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add(
        "--dtype",
        choices=DTYPES,
        default=AUTO,
        help="of the weights; default: auto, which is float32 on a CPU unless they are stored in bfloat16 and it "
        "computes that, or do not fit",
    )
    add("--four-bit", action="store_true", help="weights in 4 bits, on a GPU")
    add("--batch", type=whole_number(1), default=1, help="equally long prompts read together; times are divided by it")
    add(
        "--workers",
        type=whole_number(1),
        default=1,
        help="processes on this machine, one thread each (default: this one)",
    )
    add("--ray", nargs="?", const="", metavar="ADDRESS", help="compute on a Ray cluster (default: one is started here)")
