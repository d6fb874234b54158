"""Train pocket-llava from scratch: `python -m training.train --out runs/pocket`.

Two stages. *vision*: the tower and the projector learn, patch by patch, the words of what is shown. *chat*: everything
learns to answer. The learning rate stays at its peak and falls to zero over the last `--decay` steps, so a run can be
resumed with more steps (`--resume`) without having been planned. Sample i is the same in every run of the same seed.
"""

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import torch
from torch.nn import functional
from torch.utils.data import DataLoader

import elastic.attention  # noqa: F401  registers the attention function that lets `Looking` see queries and keys
from training.checkpoint import build_model, build_processor, build_tokenizer
from training.data import IGNORED, Batch, Packs, collate
from training.looking import Looking
from training.optimizer import build_optimizers
from training.patches import PatchWords, project

PATCH_LOSS = 0.2  # weight of the patch words beside the answers in the chat stage
LOOK_LOSS = 0.2  # weight of looking at what is asked about


def answer_loss(
    model: torch.nn.Module, batch: Batch, looking: Looking | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cross-entropy of the answer tokens; also projected patches (B, P, D) and which tokens were right (B, T - 1)."""
    patches = project(model, batch.pixels)
    embeds = model.get_input_embeddings()(batch.ids)
    is_image = (batch.ids == model.config.image_token_id)[..., None].expand_as(embeds)
    embeds = embeds.masked_scatter(is_image, patches)
    hidden = model.model.language_model(
        inputs_embeds=embeds,
        attention_mask=batch.visible,
        position_ids=batch.positions,
        use_cache=False,
        **({"observer": looking} if looking else {}),
    ).last_hidden_state
    target = batch.labels[:, 1:]
    answers = target != IGNORED
    logits = model.lm_head(hidden[:, :-1][answers])
    right = torch.zeros_like(answers)
    right[answers] = logits.detach().argmax(-1) == target[answers]
    return functional.cross_entropy(logits, target[answers]), patches, right


def exact_answers(batch: Batch, right: torch.Tensor, tally: dict[str, list[bool]]) -> None:
    """Add to the tally, per skill, whether each answer was right to its last token, as greedy decoding would need."""
    target, turn = batch.labels[:, 1:], batch.turn[:, 1:]
    for row, skills in enumerate(batch.skills):
        for number, skill in enumerate(skills, start=1):
            exact = right[row][(turn[row] == number) & (target[row] != IGNORED)].all().item()
            tally[skill if batch.alone[row] else "in a chat"].append(exact)


def schedule(optimizers: list[torch.optim.Optimizer], step: int, steps: int, decay: int, warmup: int = 50) -> float:
    """Set the learning rates of a step: up over `warmup`, level, down to zero over the last `decay`."""
    factor = min(1.0, (step + 1) / warmup, (steps - step) / max(1, decay))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor
    return factor


def save(path: Path, state: dict) -> None:
    """Write a checkpoint so that a killed run leaves the previous one whole."""
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/pocket"))
    parser.add_argument("--stage", choices=("vision", "chat"), required=True)
    parser.add_argument("--steps", type=int, required=True, help="length of this stage, counted from its beginning")
    parser.add_argument("--decay", type=int, default=0, help="the last steps, over which the learning rate falls to 0")
    parser.add_argument("--batch", type=int, default=8, help="pictures per step")
    parser.add_argument("--length", type=int, default=640, help="tokens per packed sample")
    parser.add_argument("--chats", type=float, default=0.2, help="share of samples that are conversations")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--vision-lr", type=float, default=0.3, help="factor for the tower in the chat stage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint of this stage")
    return parser.parse_args()


def main() -> None:
    """Run one stage."""
    args = parse()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer()
    processor, model = build_processor(tokenizer), build_model(tokenizer)
    model.set_attn_implementation({"text_config": "elastic", "vision_config": "sdpa"})
    words = PatchWords(tokenizer, model.config.text_config.hidden_size)
    checkpoint = args.out / f"{args.stage}.pt"
    start, state = 0, None
    if args.resume or args.stage == "chat":
        state = torch.load(checkpoint if args.resume else args.out / "vision.pt", weights_only=True)
        model.load_state_dict(state["model"])
        words.load_state_dict(state["words"])
    language = model.model.language_model
    if args.stage == "vision":
        parts = {model.model.vision_tower: 1.0, model.model.multi_modal_projector: 1.0, words: 1.0}
        parts[language.embed_tokens] = 1.0
    else:
        parts = {language: 1.0, model.model.multi_modal_projector: args.vision_lr, words: args.vision_lr}
        parts[model.model.vision_tower] = args.vision_lr
    optimizers = build_optimizers(parts, args.lr)
    if args.resume:
        start = state["step"]
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            peaks = [group["peak"] for group in optimizer.param_groups]
            optimizer.load_state_dict(saved)
            # The learning rate is this run's, not the one the checkpoint was written with.
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["peak"] = peak

    # The stages draw from different samples: the vision stage from negative numbers on, the chat stage from 0.
    first = start * args.batch - (10_000_000 if args.stage == "vision" else 0)
    packs = Packs(processor, args.length, args.chats, first, (args.steps - start) * args.batch)
    loader = DataLoader(packs, args.batch, num_workers=1, prefetch_factor=4, collate_fn=collate)
    log = (args.out / f"{args.stage}.jsonl").open("a")
    tally, seen, began = defaultdict(list), defaultdict(list), time.time()
    for step, batch in enumerate(loader, start=start):
        schedule(optimizers, step, args.steps, args.decay)
        if args.stage == "vision":
            loss, accuracy = words(project(model, batch.pixels), language.embed_tokens.weight, batch.patches)
        else:
            looking = Looking(batch, model.config.image_token_id)
            answers, patches, right = answer_loss(model, batch, looking)
            patch_loss, accuracy = words(patches, language.embed_tokens.weight, batch.patches)
            loss = answers + PATCH_LOSS * patch_loss + LOOK_LOSS * looking.loss
            seen["answers"].append(answers.item())
            for stage, share in looking.shares.items():
                seen[f"look {stage}"].append(share)
            exact_answers(batch, right, tally)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for part in parts for p in part.parameters()], 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        for key, value in accuracy.items():
            seen[key].append(value)
        seen["loss"].append(loss.item())
        if (step + 1) % 25 == 0:
            line = {"step": step + 1, "seconds": round(time.time() - began), "lr": optimizers[0].param_groups[0]["lr"]}
            line |= {key: round(sum(values) / len(values), 4) for key, values in seen.items()}
            line |= {f"exact {key}": round(sum(values) / len(values), 3) for key, values in sorted(tally.items())}
            print(json.dumps(line), file=log, flush=True)
            tally.clear()
            seen.clear()
        if (step + 1) % 100 == 0 or step + 1 == args.steps:
            optimizer_states = [optimizer.state_dict() for optimizer in optimizers]
            state = {"model": model.state_dict(), "words": words.state_dict(), "optimizers": optimizer_states}
            save(checkpoint, state | {"step": step + 1})


if __name__ == "__main__":
    main()
