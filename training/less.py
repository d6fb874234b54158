"""Train the kernels of LESS for a model: `python -m training.less --out kernels.safetensors`.

Each layer by itself, the model as it is: queries and keys get features whose product stands for what was forgotten, so
that attention over the slots that are left and over those features gives what the full cache's gives (Dong et al.,
ICML 2024, arXiv 2402.09398). As there: the loss is the mean squared error behind the output projection, at positions
where something was forgotten; Adam, 1e-3, halved every so many epochs; some hidden numbers left out; of a tenth of the
sequences the best is kept. Departs from it: conversations about emoji scenes in place of C4; the cache is cut at the
end of a picture or a question, and what asks later is what counts; shares of the cache are `--keep` in turn; hidden
numbers are 64 where they are 512 for 7 billion parameters. Beside it stands what as many bytes of slots would give.
"""

import argparse
from dataclasses import dataclass, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from elastic.cache.kernels import NAMES, LayerKernels
from elastic.command_line import Options, not_empty, whole_number
from elastic.files import writable
from elastic.model import POCKET, PictureReader, load
from elastic.models.kernel_file import KERNEL_FILE, WEIGHTS, stored_weights
from elastic.policies.less import LESS
from training.forgotten import Forgetting, sequences

RATE = 1e-3
BATCH = 2
LEFT_OUT = 0.3  # of the hidden numbers
HELD_OUT = 0.1  # of the sequences
SMALL = 1e-4  # what the second half of a key's features begins with
LEAST = 1e-6


@dataclass(frozen=True, eq=False)
class Learning(LayerKernels):
    """Kernels of a layer that learn: some hidden numbers are left out."""

    left_out: float = 0.0

    def hidden(self, numbers: Tensor) -> Tensor:
        """As they are used later, but for those that are left out."""
        return F.dropout(super().hidden(numbers), self.left_out)


@dataclass(frozen=True)
class Fit:
    """How far from the full cache's output a layer is on sequences held out: mean squared errors."""

    sparse: float  # slots alone
    more: float  # slots alone, as many more as a memory takes
    before: float  # with kernels as they were drawn
    after: float  # as they were learnt


def fresh(heads: int, kv: int, dim: int, width: int, rank: int) -> dict[str, Tensor]:
    """Kernels of a layer as they are drawn."""
    drawn = {
        "query_in": torch.randn(heads, dim, width) * dim**-0.5,
        "query_out": torch.randn(heads, width, rank) * width**-0.5,
        "key_in": torch.randn(kv, dim, width) * dim**-0.5,
        "key_out": torch.randn(kv, width, rank) * width**-0.5,
        "key_scale": torch.ones(kv, rank),
        "key_mix": torch.randn(kv, rank, rank) * rank**-0.5,
        "key_second": torch.full((kv, rank), SMALL),
    }
    return {name: tensor.requires_grad_() for name, tensor in drawn.items()}


def attended(kernels: LayerKernels, one: Forgetting, project: nn.Module) -> Tensor:
    """What slots and memory together add to the hidden states, (N, d)."""
    phi = kernels.of_queries(one.query[None])[0]  # (H, N, R)
    psi = kernels.of_keys(one.key[None])[0]  # (K, T, R)
    grouped = phi.view(len(psi), -1, *phi.shape[1:])
    products = (grouped @ psi[:, None].mT) * one.dropped[:, None]  # (K, G, N, T)
    mass = products.sum(-1, keepdim=True).clamp(min=LEAST)
    remembered = (products @ one.value.float()[:, None] / mass).flatten(0, 1)
    share = (mass.log().flatten(0, 1)[..., 0] - one.lse).sigmoid()[..., None]
    joined = torch.lerp(one.output, remembered, share)
    found: Tensor = project(joined.transpose(0, 1).flatten(1).to(next(project.parameters()).dtype)).float()
    return found


def as_kept(tensors: dict[str, Tensor]) -> LayerKernels:
    """Kernels of half precision, as they are used."""
    return LayerKernels(**{name: tensor.float() for name, tensor in tensors.items()})


def errors(kernels: LayerKernels, held_out: list[Forgetting], project: nn.Module) -> float:
    """The mean squared error over all positions of some sequences."""
    with torch.no_grad():
        wrong = [(attended(kernels, one, project) - one.target).square().mean(1) for one in held_out]
    return float(torch.cat(wrong).mean())


def train_layer(
    layer: list[Forgetting], project: nn.Module, width: int, rank: int, epochs: int, halve: int
) -> tuple[dict[str, Tensor], Fit]:
    """The best kernels of a layer in half precision, as they are kept, and how well they do."""
    kv, _, dim = layer[0].key.shape
    count = max(1, round(HELD_OUT * len(layer)))
    learnt, held_out = layer[:-count], layer[-count:]
    drawn = fresh(len(layer[0].query), kv, dim, width, rank)
    optimizer = torch.optim.Adam(drawn.values(), RATE)
    kept = {name: tensor.detach().half() for name, tensor in drawn.items()}
    before = best = errors(as_kept(kept), held_out, project)
    learning = Learning(**drawn, left_out=LEFT_OUT)
    for epoch in range(epochs):
        for group in optimizer.param_groups:
            group["lr"] = RATE / 2 ** (epoch // halve)
        order = torch.randperm(len(learnt)).tolist()
        for first in range(0, len(order), BATCH):
            batch = [learnt[at] for at in order[first : first + BATCH]]
            loss = torch.stack([F.mse_loss(attended(learning, one, project), one.target) for one in batch]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        rounded = {name: tensor.detach().half() for name, tensor in drawn.items()}
        now = errors(as_kept(rounded), held_out, project)
        if now < best:
            best, kept = now, rounded
    target = torch.cat([one.target for one in held_out])
    output = [one.output.transpose(0, 1).flatten(1) for one in held_out]
    with torch.no_grad():
        sparse = F.mse_loss(project(torch.cat(output).to(next(project.parameters()).dtype)).float(), target)
    more = F.mse_loss(torch.cat([one.more for one in held_out]), target)
    return kept, Fit(float(sparse), float(more), before, best)


def train(llava: PictureReader, args: argparse.Namespace) -> tuple[dict[str, Tensor], list[Fit]]:
    """The kernels of all layers, each tensor (L, ...), and how well each layer does."""
    torch.manual_seed(args.seed)
    rank = LESS().memory
    some = torch.empty(0, llava.shape["head_dim"], dtype=llava.model.dtype)
    memory = 10**6 - LESS().recipe.forgotten.count(10**6, 10**7, some)
    by_layer: list[list[Forgetting]] = [[] for _ in range(llava.layers)]
    for number, found in enumerate(sequences(llava, args.sequences, args.keep, memory), start=1):
        for layer, one in zip(by_layer, found, strict=True):
            layer.append(one)
        if number % 50 == 0:
            print(f"{number} of {args.sequences} conversations read", flush=True)
    kernels, fits = [], []
    print(f"| layer | slots alone | {memory} slots more | memory, as drawn | memory, learnt | learnt | more |")
    for number, block in enumerate(llava.model.get_decoder().layers):
        project = block.self_attn.o_proj.requires_grad_(False)
        own, fit = train_layer(by_layer[number], project, args.width, rank, args.epochs, args.halve)
        by_layer[number] = []
        kernels.append(own)
        fits.append(fit)
        print(row(f"{number + 1}", fit), flush=True)
    return {name: torch.stack([own[name] for own in kernels]) for name in NAMES}, fits


def row(name: str, fit: Fit) -> str:
    """A line of the table: errors times 1000, and how much less than the slots' alone those with more are."""
    shown = [f"{1000 * getattr(fit, one.name):.3f}" for one in fields(fit)]
    gains = [f"{fit.after / fit.sparse - 1:+.0%}", f"{fit.more / fit.sparse - 1:+.0%}"]
    return f"| {name} | {' | '.join([*shown, *gains])} |"


def mean(fits: list[Fit]) -> Fit:
    """The mean over layers."""
    return Fit(*(sum(getattr(fit, one.name) for fit in fits) / len(fits) for one in fields(Fit)))


def shares(text: str) -> list[float]:
    """Shares of the cache from `0.1,0.2`.

    Raises:
        ValueError: if one is none.
    """
    found = [float(part) for part in text.split(",")]
    if not all(0 < share < 1 for share in found):
        raise ValueError(f"{text!r} are no shares between 0 and 1.")
    return found


def main() -> None:
    """Train, print the table and write the file."""
    parser = Options(__doc__)
    parser.add_argument("--model", type=not_empty, help="checkpoint, a folder; default: the embedded pocket-llava")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path, help=f"file to write; default: {KERNEL_FILE} in the checkpoint's folder")
    parser.add_argument("--sequences", type=whole_number(10), default=240, help="conversations to learn from")
    parser.add_argument("--keep", type=shares, default="0.1,0.2", help="shares of the cache, in turn")
    parser.add_argument("--width", type=whole_number(1), default=64, help="hidden numbers of each network")
    parser.add_argument("--epochs", type=whole_number(1), default=24)
    parser.add_argument("--halve", type=whole_number(1), default=6, help="epochs after which the rate is halved")
    parser.add_argument("--seed", type=whole_number(0), default=0)
    args = parser.parse_args()
    folder = Path(args.model or POCKET)
    out = writable(args.out or folder / KERNEL_FILE)
    llava = load(args.model, device=args.device)
    kernels, fits = train(llava, args)
    print(row("mean", mean(fits)))
    save_file({name: tensor.contiguous() for name, tensor in kernels.items()}, out, {WEIGHTS: stored_weights(folder)})
    print(f"{sum(tensor.numel() for tensor in kernels.values()):,} numbers in {out}")


if __name__ == "__main__":
    main()
