"""Write a training checkpoint as the files that llava-hf checkpoints have: `python -m training.export`."""

import argparse
import json
from pathlib import Path

import torch
from transformers import LlavaForConditionalGeneration, LlavaProcessor, PreTrainedTokenizerFast

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


def main() -> None:
    """Read a run's checkpoint and export it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/pocket"))
    parser.add_argument("--stage", choices=("vision", "chat"), default="chat")
    parser.add_argument("--out", type=Path, default=POCKET)
    args = parser.parse_args()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(args.run / "tokenizer")
    model = build_model(tokenizer)
    state = torch.load(args.run / f"{args.stage}.pt", weights_only=True)
    model.load_state_dict(state["model"])
    export(model, build_processor(tokenizer), args.out)
    print(f"Exported step {state['step']} of stage {args.stage} to {args.out}")


if __name__ == "__main__":
    main()
