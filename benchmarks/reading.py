"""From which length reading a part pays: `python -m benchmarks.reading --out reading.json`.

A step of an answer looks at every key and value that is held; Quest and PQCache look into an index first, and then at
the slots that it names. Per length: the attention of a step, one query per layer and sequence, over all slots; the
same with Quest, which gathers its pages, and with PQCache, which gathers its tokens. Contenders alternate. Times are of
all layers of the shape: of pocket-llava all are there; of 7B some are timed and the time is scaled to 32. What is
gathered is what is read; bytes are those of its keys and values and of the part of the index that must be read, per
step. Keys and queries are random, which costs what real ones cost. Not timed: all else that a step does, and writing
the new token, which takes the same at any length. How long the index takes to be made stands beside it, of one layer.

The length from which a method pays is the shortest measured one at which it is faster than reading everything, at that
and all longer ones.

The page's own step gathers nothing: attention adds -inf to the logits of what is not read (`elastic.cache.indexed`). So
its answers are the methods', and it saves no time at any length, but takes the index's longer.
"""

import statistics
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from benchmarks.measure import Timing, alternate, now
from benchmarks.models import precision
from benchmarks.report import arguments, cell, machine, parser, row, table, write
from elastic.cache.attention import one_query_attention
from elastic.cache.key_codes import KeyCodes
from elastic.cache.page_bounds import PageBounds
from elastic.policies.index import CodeIndex, PageIndex
from elastic.policies.pqcache import PQCache
from elastic.policies.quest import Quest

FULL, QUEST, PQCACHE = "full", "quest", "pqcache"
LENGTHS, QUICK_LENGTHS = (320, 640, 1280, 2560, 5120, 10240, 20480), (320, 640)
KEEP = 0.2
STEPS = 8  # of a run, each with a query of its own
MEBI = 2**20


@dataclass(frozen=True)
class AttentionShape:
    """The attention of a language model, and how many of its layers are timed."""

    name: str
    layers: int
    heads: int
    dim: int
    timed: int


ATTENTIONS = (AttentionShape("pocket-llava", 6, 4, 64, 6), AttentionShape("7B", 32, 32, 128, 1))


@dataclass(frozen=True)
class ReadingRow:
    """A method at a length: the attention of a step in all layers, in seconds, and the bytes it reads for that."""

    shape: str
    tokens: int
    method: str
    keep: float
    median_s: float | None
    low_s: float | None
    high_s: float | None
    bytes_read: int
    index_s: float | None  # to make the index of a layer, once, after a prompt; None where there is none


@dataclass(frozen=True)
class HeldLayer:
    """Keys and values (1, H, S, D) of a layer, and both indices of the keys."""

    keys: Tensor
    values: Tensor
    pages: PageBounds
    codes: KeyCodes
    seconds: dict[str, float]  # by method, to make its index

    @classmethod
    def of(cls, shape: AttentionShape, tokens: int, keep: float, device: str) -> "HeldLayer":
        """Random ones, with the indices that the methods' own recipes ask for in a layer that reads a part.

        Raises:
            ValueError: if so many tokens need no index, or fill no whole pages.
        """
        size = 1, shape.heads, tokens, shape.dim
        keys, values = (torch.randn(size, device=device, dtype=precision(device)) for _ in range(2))
        pages, codes = (
            policy.recipe.reads.index(shape.layers - 1, shape.layers, tokens)
            for policy in (Quest(keep, whole_layers=0), PQCache(keep))
        )
        if not isinstance(pages, PageIndex) or not isinstance(codes, CodeIndex) or tokens % pages.page:
            raise ValueError(f"{tokens} tokens at keep {keep:g} need no index, or fill no pages: take 320 or 640.")
        began = now(device)
        bounds = PageBounds(pages, keys)
        between = now(device)
        coded = KeyCodes(codes, keys)
        return cls(keys, values, bounds, coded, {QUEST: between - began, PQCACHE: now(device) - between})

    def bytes_read(self, method: str) -> int:
        """What a step reads of it."""
        index, slots = {QUEST: self.pages, PQCACHE: self.codes}.get(method), self.keys.shape[2]
        slot = 2 * self.keys[:, :, 0].nbytes
        return slots * slot if index is None else index.count(slots) * slot + index.bytes_read(slots)


def read_all(layer: HeldLayer, query: Tensor) -> Tensor:
    """Attention over everything, (1, 1, H, D)."""
    return one_query_attention(query, layer.keys, layer.values, query.shape[3] ** -0.5)[0]


def read_pages(layer: HeldLayer, query: Tensor) -> Tensor:
    """Attention over the newest page and those with the largest bounds, gathered; slots fill whole pages."""
    index, slots, scaling = layer.pages, layer.keys.shape[2], query.shape[3] ** -0.5
    promise = index.promise(query, scaling, slots)
    best = promise.topk(index.pages_read(slots) - 1).indices
    chosen = torch.cat([best, torch.full_like(promise[:, :1], index.pages(slots) - 1, dtype=torch.long)], 1)
    return one_query_attention(query, *_gathered(layer, chosen, index.kind.page), scaling)[0]


def read_tokens(layer: HeldLayer, query: Tensor) -> Tensor:
    """Attention over sinks, the newest, and those that codes promise the most of, gathered."""
    index, slots, scaling = layer.codes, layer.keys.shape[2], query.shape[3] ** -0.5
    sinks, newest = index.kind.sinks, index.newest(slots)
    promise = index.promise(query, scaling, slots)
    best = sinks + promise.topk(index.count(slots) - sinks - newest).indices
    always = torch.arange(slots, device=query.device).expand(len(best), -1)
    chosen = torch.cat([always[:, :sinks], best, always[:, slots - newest :]], 1)
    return one_query_attention(query, *_gathered(layer, chosen, 1), scaling)[0]


def _gathered(layer: HeldLayer, chosen: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Keys and values (1, H, n, D) of the chosen blocks (H, blocks) of so many neighbouring slots."""
    heads, dim = layer.keys.shape[1], layer.keys.shape[3]
    at = chosen[..., None].expand(-1, -1, size * dim)
    keys, values = (
        held.view(heads, -1, size * dim).gather(1, at).view(1, heads, -1, dim) for held in (layer.keys, layer.values)
    )
    return keys, values


METHODS: dict[str, Callable[[HeldLayer, Tensor], Tensor]] = {
    FULL: read_all,
    QUEST: read_pages,
    PQCACHE: read_tokens,
}


@torch.inference_mode()
def answering(method: str, layers: Sequence[HeldLayer], queries: Tensor, device: str) -> Timing:
    """The mean step of some: each of the `queries` (steps, 1, H, 1, D) looks at every layer."""
    read = METHODS[method]
    began = now(device)
    for query in queries:
        for layer in layers:
            read(layer, query)
    return Timing((now(device) - began) / len(queries))


@torch.inference_mode()
def measured(shape: AttentionShape, tokens: int, keep: float, rounds: int, device: str) -> list[ReadingRow]:
    """A row for each method at a length, which must fill pages."""
    layers = [HeldLayer.of(shape, tokens, keep, device) for _ in range(shape.timed)]
    queries = torch.randn(STEPS, 1, shape.heads, 1, shape.dim, device=device, dtype=layers[0].keys.dtype)
    contenders = {method: partial(answering, method, layers, queries, device) for method in METHODS}
    rows = []
    for method, runs in alternate(contenders, rounds, device, f"{shape.name}, {tokens} tokens").items():
        found = row("", method, runs, shape.layers / shape.timed)
        made = [layer.seconds[method] for layer in layers if method in layer.seconds]
        rows.append(
            ReadingRow(
                shape=shape.name,
                tokens=tokens,
                method=method,
                keep=1.0 if method == FULL else keep,
                median_s=found.median_s,
                low_s=found.low_s,
                high_s=found.high_s,
                bytes_read=sum(layer.bytes_read(method) for layer in layers) * shape.layers // shape.timed,
                index_s=statistics.median(made) if made else None,
            )
        )
    return rows


def pays_from(rows: Sequence[ReadingRow], shape: str, method: str) -> int | None:
    """The shortest length measured from which on a method is faster than reading everything; None if it never is."""
    medians = {(one.tokens, one.method): one.median_s for one in rows if one.shape == shape}
    found = None
    for tokens in sorted({tokens for tokens, _ in medians}, reverse=True):
        own, full = medians.get((tokens, method)), medians.get((tokens, FULL))
        if own is None or full is None or own >= full:
            break
        found = tokens
    return found


def show(rows: Sequence[ReadingRow]) -> None:
    """The table, and from which length each method pays."""
    lines = []
    for one in rows:
        full = next(o for o in rows if (o.shape, o.tokens, o.method) == (one.shape, one.tokens, FULL))
        share = None if one.median_s is None or full.median_s is None else one.median_s / full.median_s
        quartiles = "-" if one.low_s is None else f"{cell(one.low_s, 1e3)}-{cell(one.high_s, 1e3)}"
        figures = [cell(one.median_s, 1e3), quartiles, cell(share), cell(one.bytes_read, 1 / MEBI)]
        figures += [cell(one.bytes_read / full.bytes_read, 100), cell(one.index_s, 1e3)]
        lines.append([f"{one.shape}, {one.tokens} tokens", one.method, *figures])
    table(["method", "ms/step", "quartiles", "x full", "MiB read", "% of full", "index ms"], lines)
    for shape in dict.fromkeys(one.shape for one in rows):
        longest = max(one.tokens for one in rows if one.shape == shape)
        for method in (QUEST, PQCACHE):
            found = pays_from(rows, shape, method)
            says = f"from {found} tokens on" if found else f"at no length up to {longest} tokens"
            print(f"{method} is faster than reading everything, shape of {shape}: {says}")


def _lengths(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ArgumentTypeError(f"{text[:40]!r} is not possible. Give whole numbers, such as 320,640.") from None


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print the table and write the JSON."""
    options = parser(__doc__)
    options.add_argument("--tokens", type=_lengths, help=f"lengths instead of {','.join(map(str, LENGTHS))}")
    options.add_argument("--keep", type=float, default=KEEP, help="share of the slots that is read (default: 0.2)")
    args = arguments(options, given)
    rows = []
    try:
        for shape in ATTENTIONS:
            for tokens in args.tokens or (QUICK_LENGTHS if args.quick else LENGTHS):
                rows += measured(shape, tokens, args.keep, args.rounds, args.device)
    except ValueError as error:
        options.error(str(error))
    show(rows)
    write(args.out, machine(args.device) | {"steps": STEPS}, rows)


if __name__ == "__main__":
    main()
