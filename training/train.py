"""Train pocket-llava from scratch: `python -m training.train --out runs/pocket`.

Two stages. *vision*: the tower and the projector learn, patch by patch, the words of what is shown. *chat*: everything
learns to answer. The learning rate stays at its peak and falls to zero over the last `--decay` steps, so a run can be
resumed with more steps (`--resume`) without having been planned; where only the time is known it falls by the clock
(`--minutes`). Sample i is the same in every run of the same seed.

A stage begins with the weights of the stage before, or with any checkpoint (`--init`), whatever words its tokenizer
holds: embeddings go by token. Several processes of one thread each (`--workers`) share every step: on two cores that
other work uses too, threads that wait for one another at every matrix take five times as long.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, distributed, multiprocessing
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import AutoTokenizer, LlavaForConditionalGeneration, LlavaProcessor, PreTrainedTokenizerFast

from elastic.command_line import Options, whole_number
from training.checkpoint import build_model, build_processor, build_tokenizer
from training.data import Batch, Packs, collate
from training.looking import AttentionLoss
from training.optimizer import build_optimizers
from training.patches import PatchWords, project
from training.schedule import schedule, time_left
from training.views import IGNORED, Pictures, Views, collate_views

PATCH_LOSS = 0.2  # weight of the patch words beside the answers in the chat stage
LOOK_LOSS = 0.2  # weight of looking at what is asked about


def answer_loss(
    model: torch.nn.Module, batch: Batch, attention_loss: AttentionLoss | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weighted cross-entropy of the answers; also projected patches (B, P, D) and the right tokens (B, T - 1)."""
    patches = project(model, batch.pixels)
    embeds = model.get_input_embeddings()(batch.ids)
    is_image = (batch.ids == model.config.image_token_id)[..., None].expand_as(embeds)
    embeds = embeds.masked_scatter(is_image, patches)
    hidden = model.model.language_model(
        inputs_embeds=embeds,
        attention_mask=batch.visible,
        position_ids=batch.positions,
        use_cache=False,
        **({"attention_loss": attention_loss} if attention_loss else {}),
    ).last_hidden_state
    target = batch.labels[:, 1:]
    answers = target != IGNORED
    logits = model.lm_head(hidden[:, :-1][answers])
    right = torch.zeros_like(answers)
    right[answers] = logits.detach().argmax(-1) == target[answers]
    weights = batch.weights[:, 1:][answers]
    losses = functional.cross_entropy(logits, target[answers], reduction="none")
    return (losses * weights).sum() / weights.sum(), patches, right


def exact_answers(batch: Batch, right: torch.Tensor, tally: dict[str, list[bool]]) -> None:
    """Add to the tally, per skill, whether each answer was right to its last token, as greedy decoding would need."""
    target, turn = batch.labels[:, 1:], batch.turn[:, 1:]
    for row, skills in enumerate(batch.skills):
        for number, skill in enumerate(skills, start=1):
            exact = right[row][(turn[row] == number) & (target[row] != IGNORED)].all().item()
            group = "question first" if batch.first[row] else skill
            tally[group if batch.alone[row] else "in a chat"].append(exact)


def save(path: Path, state: dict) -> None:
    """Write a checkpoint so that a killed run leaves the previous one whole."""
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = Options(__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/pocket"))
    parser.add_argument("--stage", choices=("vision", "chat"), required=True)
    parser.add_argument(
        "--steps", type=whole_number(1), required=True, help="length of this stage, counted from its beginning"
    )
    parser.add_argument(
        "--decay", type=whole_number(0), default=0, help="the last steps, over which the learning rate falls to 0"
    )
    parser.add_argument(
        "--minutes", type=float, help="end after that long at the latest, in the rhythm of --steps and --decay"
    )
    parser.add_argument("--batch", type=whole_number(1), default=4, help="pictures per step and process")
    parser.add_argument("--length", type=whole_number(1), default=640, help="tokens per packed sample")
    parser.add_argument("--chats", type=float, default=0.4, help="share of samples that are conversations")
    parser.add_argument("--plates", type=float, default=0.7, help="share of scenes with a number")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--vision-lr", type=float, default=0.3, help="factor for the tower in the chat stage")
    parser.add_argument("--seed", type=whole_number(0), default=0, help="another one learns from other samples")
    parser.add_argument(
        "--workers", type=whole_number(1), default=2, help="processes that share every step, one thread each"
    )
    parser.add_argument("--others", type=float, default=0.06, help="share of pictures that are no scenes")
    parser.add_argument("--styled", type=float, default=0.5, help="share of scenes drawn in another style")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint of this stage")
    parser.add_argument(
        "--init", type=Path, help="begin with the weights of an exported checkpoint or another run's .pt"
    )
    args = parser.parse_args()
    if args.init and args.resume:
        parser.error("--init begins a stage anew: it does not go with --resume")
    return args


@dataclass
class TrainingRun:
    """What a stage trains, where it stands, and what it has seen since the last line of its log."""

    model: torch.nn.Module
    processor: LlavaProcessor
    words: PatchWords
    parts: dict[torch.nn.Module, float]  # with a factor on the learning rate
    optimizers: list[torch.optim.Optimizer]
    start: int = 0  # steps done before
    seen: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    exact: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))

    def loss(self, pictures: tuple[Tensor, dict[str, Tensor]], batch: Batch | None) -> Tensor:
        """The loss of pictures alone, and of packed samples where the stage has them, noting what it consists of."""
        embedding = self.model.get_input_embeddings().weight
        loss, accuracy = self.words(project(self.model, pictures[0]), embedding, pictures[1])
        if batch is not None:
            attention_loss = AttentionLoss(batch, self.model.config.image_token_id)
            answers, patches, right = answer_loss(self.model, batch, attention_loss)
            patch_loss, accuracy = self.words(patches, embedding, batch.patches)
            loss = answers + PATCH_LOSS * (loss + patch_loss) + LOOK_LOSS * attention_loss.loss
            accuracy |= {"answers": answers.item()} | {
                f"look {key}": share for key, share in attention_loss.shares.items()
            }
            exact_answers(batch, right, self.exact)
        for key, value in (accuracy | {"loss": loss.item()}).items():
            self.seen[key].append(value)
        return loss

    def update(self, loss: Tensor) -> None:
        """One step of all optimizers, with the mean gradient of all processes."""
        loss.backward()
        parameters = [p for part in self.parts for p in part.parameters()]
        if distributed.is_initialized():
            together = torch.cat(
                [(p.grad if p.grad is not None else torch.zeros_like(p)).flatten() for p in parameters]
            )
            distributed.all_reduce(together)
            together /= distributed.get_world_size()
            for parameter, gradient in zip(parameters, together.split([p.numel() for p in parameters]), strict=True):
                parameter.grad = gradient.view_as(parameter)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()

    def report(self) -> dict[str, float]:
        """Means of what was seen, which is then forgotten."""
        line = {key: round(sum(values) / len(values), 4) for key, values in self.seen.items()}
        line |= {f"exact {key}": round(sum(values) / len(values), 3) for key, values in sorted(self.exact.items())}
        self.seen.clear()
        self.exact.clear()
        return line

    def state(self, step: int) -> dict:
        """Everything needed to go on from here."""
        optimizers = [optimizer.state_dict() for optimizer in self.optimizers]
        return {
            "step": step,
            "model": self.model.state_dict(),
            "words": self.words.state_dict(),
            "tokens": self.processor.tokenizer.convert_ids_to_tokens(range(len(self.processor.tokenizer))),
            "optimizers": optimizers,
        }


def begin_with(run: TrainingRun, weights: dict[str, Tensor], tokens: list[str]) -> None:
    """Take over weights whose tokenizer held `tokens`: embeddings go by token, those of new tokens stay as drawn."""
    own = run.model.state_dict()
    ids = {token: number for number, token in enumerate(tokens)}
    kept = [
        (new, ids[t])
        for new, t in enumerate(run.processor.tokenizer.convert_ids_to_tokens(range(len(run.processor.tokenizer))))
        if t in ids
    ]
    for name, value in weights.items():
        if "embed_tokens" in name or "lm_head" in name:
            new, old = map(list, zip(*kept, strict=True))
            own[name][new] = value[old].float()
        else:
            own[name] = value.float()
    run.model.load_state_dict(own)


def prepare(args: argparse.Namespace) -> TrainingRun:
    """Model and optimizers of a stage, with the weights it begins with."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(args.out / "tokenizer")
    model = build_model(tokenizer)
    model.set_attn_implementation({"text_config": "taught", "vision_config": "sdpa"})
    words = PatchWords(tokenizer, model.config.text_config.hidden_size)
    run = TrainingRun(model, build_processor(tokenizer), words, {}, [])
    state = None
    begin = args.out / f"{args.stage if args.resume else 'vision'}.pt"
    if args.init and args.init.is_dir():
        weights = LlavaForConditionalGeneration.from_pretrained(args.init, dtype=torch.float32).state_dict()
        old = AutoTokenizer.from_pretrained(args.init)
        begin_with(run, weights, old.convert_ids_to_tokens(range(len(old))))
    elif args.init or args.resume or args.stage == "chat":
        state = torch.load(args.init or begin, weights_only=True)
        begin_with(run, state["model"], state["tokens"])
        words.load_state_dict(state["words"])
    language, tower, projector = model.model.language_model, model.model.vision_tower, model.model.multi_modal_projector
    if args.stage == "vision":
        parts = {tower: 1.0, projector: 1.0, words: 1.0, language.embed_tokens: 1.0}
    else:
        parts = {language: 1.0, projector: args.vision_lr, words: args.vision_lr, tower: args.vision_lr}
    run.parts, run.optimizers = parts, build_optimizers(parts, args.lr)
    if args.resume:
        run.start = state["step"]
        for optimizer, saved in zip(run.optimizers, state["optimizers"], strict=True):
            peaks = [group["peak"] for group in optimizer.param_groups]
            optimizer.load_state_dict(saved)
            # The learning rate is this run's, not the one the checkpoint was written with.
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["peak"] = peak
    return run


def samples(
    args: argparse.Namespace, processor: LlavaProcessor, start: int, rank: int
) -> Iterator[tuple[tuple[Tensor, dict[str, Tensor]], Batch | None]]:
    """What a process of `args.workers` learns from, step by step from `start` on: pictures, and packed samples."""
    views = Views(processor, args.others, args.styled, args.plates)
    count = (args.steps - start) * args.batch
    # The processes and the stages draw from different samples: pictures alone from negative numbers on.
    first = 100_000_000 * args.seed + start * args.workers * args.batch + rank * count
    pictures = Pictures(views, first - 10_000_000 * (1 + (args.stage == "chat")), count)
    loaders = [DataLoader(pictures, args.batch, num_workers=1, prefetch_factor=4, collate_fn=collate_views)]
    if args.stage == "vision":
        yield from ((batch, None) for batch in loaders[0])
        return
    packs = Packs(processor, views, args.length, args.chats, first, count)
    loaders.append(DataLoader(packs, args.batch, num_workers=1, prefetch_factor=4, collate_fn=collate))
    yield from zip(*loaders, strict=True)


def train(rank: int, args: argparse.Namespace, meeting: str, began: float) -> None:
    """One process of a stage that began at a time; the first of them writes the log and the checkpoints."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    if args.workers > 1:
        distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=args.workers)
    run = prepare(args)
    with (args.out / f"{args.stage}.jsonl").open("a") as log:
        for step, (pictures, batch) in enumerate(samples(args, run.processor, run.start, rank), start=run.start):
            parent = multiprocessing.parent_process()
            if parent and not parent.is_alive():
                return  # a run that was killed must not go on, unseen, beside the next one
            left = time_left(began, args.minutes, args.decay / args.steps) if args.minutes else 1.0
            schedule(run.optimizers, step, args.steps, args.decay, left)
            run.update(run.loss(pictures, batch))
            if rank == 0 and (step + 1) % 25 == 0:
                rate = run.optimizers[0].param_groups[0]["lr"]
                line = {"step": step + 1, "seconds": round(time.time() - began), "lr": rate, **run.report()}
                print(json.dumps(line), file=log, flush=True)
            if rank == 0 and ((step + 1) % 50 == 0 or step + 1 == args.steps or left <= 0):
                save(args.out / f"{args.stage}.pt", run.state(step + 1))
            if left <= 0:
                return


def main() -> None:
    """Run one stage."""
    args, began = parse(), time.time()
    args.out.mkdir(parents=True, exist_ok=True)
    own = args.out / "tokenizer"
    if not own.exists():  # made once: a run keeps its words even if what they are made of changes
        given = args.init.parent / "tokenizer" if args.init else own
        if given.exists():
            shutil.copytree(given, own)
        else:
            build_tokenizer().save_pretrained(own)
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(train, (args, f"{folder}/meeting", began), nprocs=args.workers)


if __name__ == "__main__":
    main()
