"""Talk as strangers type it: `python -m training.exchanges [--show 30] [--out file.json]`.

`exchanges.json` holds conversations by somebody who had not seen the grammar of the training data. An answer is
sensible when it says the facts that were asked for, in whatever words, or says honestly that it cannot. A conversation
is really held: what follows depends on what the model itself said before.
"""

import json
import random
import re
from pathlib import Path

from elastic.command_line import Options, not_empty, whole_number
from elastic.engine import State, compress, decode, extend, prefill
from elastic.files import out_file, write
from elastic.model import POCKET, Llava, load
from elastic.models.checkpoint import digest
from elastic.policies.full import Full
from scenes.scene import alike_scene, random_scene, render

LISTED = Path(__file__).parent / "exchanges.json"
LONGEST = 160  # tokens of an answer


def is_sensible(answer: str, expected: dict[str, list[str]]) -> bool:
    """Whether an answer matches all that must stand in it, and nothing that must not."""
    right = [bool(re.search(one, answer, re.IGNORECASE)) for one in expected.get("all", [])]
    wrong = [bool(re.search(one, answer, re.IGNORECASE)) for one in expected.get("none", [])]
    return bool(answer.strip()) and all(right) and not any(wrong)


def hold(llava: Llava, conversation: dict) -> list[tuple[str, str, bool]]:
    """A conversation: what was said, what the full cache answered, whether that is sensible."""
    scene = (alike_scene if conversation["alike"] else random_scene)(conversation["scene"])
    state: State | None = None
    held = []
    for turn in conversation["turns"]:
        if state is None:
            state = prefill(llava, llava.first_turn(render(scene)[0], turn["say"]))
        else:
            extend(state, llava.next_turn(turn["say"]))
        state = compress(state, Full())
        answer = llava.text([step.token for step in decode(state, LONGEST)])
        held.append((turn["say"], answer, is_sensible(answer, turn["expect"])))
    return held


def main() -> None:
    """Hold all conversations; print the share that is sensible, and some as they went."""
    parser = Options(__doc__)
    parser.add_argument("--model", type=not_empty, help="checkpoint; default: the embedded pocket-llava")
    parser.add_argument(
        "--show", type=whole_number(0), default=30, help="exchanges to print as they are, drawn at random"
    )
    parser.add_argument("--wrong", action="store_true", help="print all that were not sensible instead")
    parser.add_argument("--out", type=out_file, help="JSON file to write")
    args = parser.parse_args()
    llava = load(args.model, device="cpu")
    held = [hold(llava, conversation) for conversation in json.loads(LISTED.read_text(encoding="utf-8"))]
    turns = [turn for conversation in held for turn in conversation]
    wrong = [turn for turn in turns if not turn[2]]
    for say, answer, sensible in wrong if args.wrong else random.Random(0).sample(turns, min(args.show, len(turns))):
        print(f"| {'✓' if sensible else '✗'} | {say} | {answer} |")
    print(f"{len(turns) - len(wrong)} of {len(turns)} sensible ({1 - len(wrong) / len(turns):.1%})")
    if args.out:
        keys = ("said", "answer", "sensible")
        listed = [[dict(zip(keys, turn, strict=True)) for turn in conversation] for conversation in held]
        folder = Path(args.model or POCKET)
        settings = {"model": args.model or POCKET.name, "weights": digest(folder) if folder.is_dir() else None}
        found = {"settings": settings, "conversations": listed}
        write(args.out, json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
