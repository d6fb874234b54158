"""What watching a prompt costs: `python -m benchmarks.prefill --out prefill.json`.

A random language model (hidden 2048, 16 heads of 128, 2 layers, 8 on a GPU) reads prompts of 640 to 16k tokens in four
ways, which alternate: with statistics of every row of the attention; with statistics of the 64 rows after the image;
without any (the library's SDPA); and as other implementations get at the statistics, with eager attention and
`output_attentions`, summed over queries. The first and the last compute the same figures.

Memory is the peak of one prefill above what the process held before, less the keys and values, which all four keep:
activations and whatever a contender needs beside them. "over SDPA" in the table is the difference to plain SDPA, which
is what the statistics alone add to the peak. On the CPU each figure is the resident peak of a fresh process after a
short prompt that warms it up, good to about 10 MB; on a GPU it is the allocator's. A contender that would not fit into
free memory is skipped.

The share of attention, and so of its statistics, grows with T / hidden; at hidden 4096 everything else weighs more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from transformers import LlamaForCausalLM
from transformers.cache_utils import Cache, DynamicCache

from benchmarks.measure import Timing, alternate, free_bytes, peaks_in_children, timed
from benchmarks.models import SHAPES, Shape, precision, random_ids, text_model
from benchmarks.report import TableRow, arguments, cell, goal, machine, parser, ratio, row, spread, table, write
from elastic.cache import ElasticCache
from elastic.cache.hooks import read
from elastic.policies.full import Full
from elastic.statistics import Attention, Queries, Statistic

LENGTHS, QUICK_LENGTHS = (640, 1024, 2048, 4096, 8192, 16384), (640,)
GPU_LAYERS, QUICK_LAYERS = 8, 1
WARM_UP = 128  # tokens


@dataclass(frozen=True)
class PromptReader:
    """A way to read a prompt."""

    attention: str  # the library's name of it
    statistic: Statistic | None = None  # collected by our cache

    def prepare(self, model: LlamaForCausalLM) -> Cache:
        """Set the model up; the cache to read into. Not a part of what is timed."""
        model.set_attn_implementation(self.attention)
        if self.statistic is None:
            return DynamicCache(config=model.config)
        return ElasticCache(Full(), model, needs={self.statistic})

    @torch.inference_mode()
    def read(self, model: LlamaForCausalLM, ids: Tensor, cache: Cache) -> tuple[Tensor, Tensor | None]:
        """Logits (1, 1, V) of the last token, and statistics (L, T) where there are some."""
        eager = self.attention == "eager"
        if self.statistic is not None:
            forward = cache.enter(ids, is_prompt=True)
            logits = read(model, cache, forward, ids)
            cache.observe(forward)
            return logits[:, None], cache.tables.scores[self.statistic][:, 0, : ids.shape[1]]
        output = model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1, output_attentions=eager)
        if not eager:
            return output.logits, None
        return output.logits, torch.stack([weights[0].sum(1).float().mean(0) for weights in output.attentions])

    def run(self, model: LlamaForCausalLM, ids: Tensor) -> Timing:
        """One timed prefill."""
        cache = self.prepare(model)
        return timed(model.device.type, self.read, model, ids, cache)


EVERY, AFTER, PLAIN, EAGER = "statistics, every row", "statistics, rows after image", "SDPA", "eager, output_attentions"
READERS = {
    EVERY: PromptReader("sdpa", Attention()),
    AFTER: PromptReader("sdpa", Attention(rows=Queries.AFTER_IMAGE)),
    PLAIN: PromptReader("sdpa"),
    EAGER: PromptReader("eager"),
}


def eager_bytes(shape: Shape, tokens: int, element_bytes: int) -> int:
    """Roughly what eager attention needs: every layer's T x T weights, and four copies of one layer's in float32."""
    return shape.heads * tokens**2 * (shape.layers * element_bytes + 4 * 4)


def prepared(shape: Shape, name: str, tokens: int) -> Callable[[], object]:
    """A prefill on the CPU ready to start, everything that a first run loads and allocates being there."""
    model, reader = text_model(shape, "cpu"), READERS[name]
    reader.read(model, random_ids(shape, WARM_UP, 1, "cpu"), reader.prepare(model))
    ids, cache = random_ids(shape, tokens, 1, "cpu"), reader.prepare(model)
    return lambda: reader.read(model, ids, cache)


def time_all(shape: Shape, lengths: Sequence[int], rounds: int, device: str) -> dict[tuple[int, str], list[Timing]]:
    """Runs of every reader at every length; none where it would not have fitted."""
    model = text_model(shape, device)
    for reader in READERS.values():
        reader.run(model, random_ids(shape, WARM_UP, 1, device))
    runs = {}
    for tokens in lengths:
        ids = random_ids(shape, tokens, 1, device)
        contenders = {name: partial(reader.run, model, ids) for name, reader in READERS.items()}
        needed, free = eager_bytes(shape, tokens, precision(device).itemsize), free_bytes(device)
        if needed > free:
            print(f"T = {tokens}: {EAGER} is skipped: it needs about {needed / 1e9:.0f} GB, {free / 1e9:.0f} are free.")
            del contenders[EAGER]
        # On a CPU the short prompt above has warmed up what there is to warm up, and a long one takes minutes.
        found = alternate(contenders, rounds, device, f"T = {tokens}", warm_up=device == "cuda")
        runs |= {(tokens, name): found.get(name, []) for name in READERS}
    return runs


def measure(shape: Shape, lengths: Sequence[int], rounds: int, device: str) -> list[TableRow]:
    """All rows: every reader at every length."""
    runs = time_all(shape, lengths, rounds, device)
    ran = [key for key, some in runs.items() if some]
    if device == "cpu":
        peaks = dict(
            zip(ran, peaks_in_children(prepared, [(shape, name, tokens) for tokens, name in ran]), strict=True)
        )
    else:
        peaks = {key: min(run.extra_bytes for run in runs[key]) for key in ran}
    rows = []
    for (tokens, name), some in runs.items():
        peak = peaks.get((tokens, name))
        extra = None if peak is None else peak - shape.kv_bytes(tokens, precision(device).itemsize)
        rows.append(row(f"T = {tokens}", name, some, tokens=tokens, extra_bytes=extra))
    return rows


def over_sdpa(rows: Sequence[TableRow], one: TableRow) -> int | None:
    """By how much a contender's peak lies over that of plain SDPA."""
    plain = next(other.peak_extra_bytes for other in rows if (other.case, other.contender) == (one.case, PLAIN))
    return None if plain is None or one.peak_extra_bytes is None else one.peak_extra_bytes - plain


def show(rows: Sequence[TableRow], lengths: Sequence[int], device: str) -> None:
    """The table and the goals."""
    header = ["contender", "ms", "quartiles", "x SDPA", "tokens/s", "memory MB", "over SDPA MB"]
    lines = []
    for one in rows:
        memory = [cell(one.peak_extra_bytes, 1e-6), cell(over_sdpa(rows, one), 1e-6)]
        slower = cell(ratio(rows, one.case, one.contender, PLAIN))
        lines.append([one.case, one.contender, *spread(one, 1e3), slower, cell(one.tokens_per_s), *memory])
    table(header, lines)
    for tokens in lengths:
        slower = ratio(rows, f"T = {tokens}", EVERY, PLAIN)
        goal(f"every row over SDPA, time at T = {tokens}", slower, 1.25 if device == "cpu" else 1.1)
    peak = {(one.case, one.contender): one.peak_extra_bytes for one in rows}
    added = {(one.case, one.contender): over_sdpa(rows, one) for one in rows}
    at = "T = 4096"
    if peak.get((at, EAGER)) is not None:
        goal(f"every row over eager, memory added to SDPA's at {at}", added[at, EVERY] / added[at, EAGER], 0.05)
    known = [tokens for tokens in lengths if tokens >= 1024 and peak[f"T = {tokens}", EVERY] is not None]
    if len(known) > 1:
        short, long = known[0], known[-1]
        grown = peak[f"T = {long}", EVERY] / long / (peak[f"T = {short}", EVERY] / short)
        goal(f"every row, memory per token at T = {long} over that at T = {short}", grown, 1.1)


def main(given: Sequence[str] | None = None) -> None:
    """Print the table and write the JSON."""
    options = parser(__doc__)
    options.add_argument("--tokens", type=int, nargs="+", help="lengths of prompts instead of 640 to 16384")
    args = arguments(options, given)
    shape = SHAPES["mid-size"]
    if args.device == "cuda":
        shape = replace(shape, layers=GPU_LAYERS)
    elif args.quick:
        shape = replace(shape, layers=QUICK_LAYERS)
    lengths = args.tokens or (QUICK_LENGTHS if args.quick else LENGTHS)
    about = machine(args.device)
    rows = measure(shape, lengths, args.rounds, args.device)
    show(rows, lengths, args.device)
    write(args.out, about, rows)


if __name__ == "__main__":
    main()
