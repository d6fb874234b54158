"""Write a training checkpoint as the files that llava-hf checkpoints have: `python -m training.export`.

`--resumable FOLDER` writes what training can go on from instead, at half the size: `python -m training.train --stage
chat --init FOLDER/chat.pt`.
"""

import json
import shutil
from pathlib import Path

import torch
from transformers import LlavaForConditionalGeneration, LlavaProcessor, PreTrainedTokenizerFast

from elastic.command_line import Options
from elastic.files import whole
from training.checkpoint import build_model, build_processor

POCKET = Path(__file__).parent.parent / "assets" / "models" / "pocket-llava"


def export(model: LlavaForConditionalGeneration, processor: LlavaProcessor, folder: Path) -> None:
    """Save weights in half precision, configuration, tokenizer, processor and chat template."""
    model.half().save_pretrained(folder)
    processor.save_pretrained(folder)
    # The hub's checkpoint keeps these two beside the newer, combined files; older readers look for them.
    processor.image_processor.save_pretrained(folder)
    tokens = processor.tokenizer.special_tokens_map | {"image_token": processor.image_token}
    plain = {name: token for name, token in tokens.items() if isinstance(token, str)}
    (folder / "special_tokens_map.json").write_text(json.dumps(plain, indent=2) + "\n")


def keep_resumable(run: Path, stage: str, folder: Path) -> None:
    """Weights in half precision, their tokens and the tokenizer: all that another run needs to begin with."""
    state = torch.load(run / f"{stage}.pt", weights_only=True)
    kept = {key: state[key] for key in ("step", "words", "tokens")}
    kept["model"] = {name: value.half() for name, value in state["model"].items() if name != "lm_head.weight"}
    folder.mkdir(parents=True, exist_ok=True)
    with whole(folder / f"{stage}.pt") as file:
        torch.save(kept, file)
    shutil.copytree(run / "tokenizer", folder / "tokenizer", dirs_exist_ok=True)
    print(f"Kept step {kept['step']} of stage {stage} in {folder}")


def main() -> None:
    """Read a run's checkpoint and export it."""
    parser = Options(__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/pocket"))
    parser.add_argument("--stage", choices=("vision", "chat"), default="chat")
    parser.add_argument("--out", type=Path, default=POCKET)
    parser.add_argument("--resumable", type=Path, help="folder for half-precision weights, without optimizer state")
    args = parser.parse_args()
    if args.resumable:
        keep_resumable(args.run, args.stage, args.resumable)
        return
    tokenizer = PreTrainedTokenizerFast.from_pretrained(args.run / "tokenizer")
    model = build_model(tokenizer)
    state = torch.load(args.run / f"{args.stage}.pt", weights_only=True)
    model.load_state_dict(state["model"])
    export(model, build_processor(tokenizer), args.out)
    print(f"Exported step {state['step']} of stage {args.stage} to {args.out}")


if __name__ == "__main__":
    main()
