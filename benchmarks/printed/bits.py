"""What fewer bits do to numbers: keys and values as they are, what groups along tokens or channels cost, and bytes."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.printed.paper import BLUE, FAINT, GREEN, INK, ORANGE, Paper
from elastic.cache.codes import decode, encode
from elastic.engine import compress, prefill
from elastic.model import Llava
from elastic.options import read_policy
from elastic.policies import POLICIES
from scenes.scene import random_scene, render

SEED, QUESTION, GROUP, SHOWN = "2057", "Where is the tractor?", 32, 128
HELD = ("full", "fp8", "kivi:bits=8", "kivi:bits=4", "kivi:bits=2")
WIDE, GAP = 900, 60


def error(numbers: Tensor, bits: int, along_tokens: bool) -> float:
    """The mean distance between numbers (H, S, D) and what their codes stand for, over the numbers' mean size."""
    whole = numbers[None, :, : numbers.shape[1] // GROUP * GROUP]
    codes = encode(whole, bits, GROUP, along_tokens)
    return float((decode(codes, bits, GROUP, along_tokens) - whole).abs().mean() / whole.abs().mean())


@torch.inference_mode()
def draw(llava: Llava) -> Image.Image:
    """Sizes of keys and values, one channel in steps, and the bytes that are held."""
    needs = POLICIES["kivi"]().needs
    start = prefill(llava, llava.first_turn(render(random_scene(SEED))[0], QUESTION), needs, False)
    layer = len(start.cache.layers) // 2
    keys, values = (one[0] for one in start.cache.layers[layer].stored())
    paper = Paper(2 * WIDE + 3 * GAP, 1330)
    paper.text((GAP, 24), f"Fewer bits: keys and values of {start.seen} tokens in layer {layer + 1}", 34)
    for number, (name, numbers) in enumerate({"Keys": keys, "Values": values}.items()):
        left = GAP + number * (WIDE + GAP)
        _sizes(paper, left, name, numbers[0, :SHOWN])
        _errors(paper, left, numbers, kivi_has="along tokens" if name == "Keys" else "along channels")
    _steps(paper, GAP, keys[0])
    _bytes(paper, 2 * GAP + WIDE, start)
    return paper.image


def _sizes(paper: Paper, left: int, name: str, numbers: Tensor) -> None:
    """How large the numbers (S, D) of a head are: a row per channel, a column per token."""
    size = numbers.abs().T.numpy()
    paper.text((left, 92), f"{name} of the first head: how large each number is", 26)
    high = 300 // len(size)
    paper.table((left, 134), np.minimum(1, size / np.quantile(size, 0.995)), (WIDE // size.shape[1], high), INK)
    paper.text((left, 134 + high * len(size) + 6), "across: tokens; down: channels", 20)


def _errors(paper: Paper, left: int, numbers: Tensor, kivi_has: str) -> None:
    """What grouping along tokens, or along channels, costs, and which of them KIVI has."""
    paper.text((left, 480), f"Rounded to 2 bits, {GROUP} numbers a group: how far off, of the mean size", 24)
    found = {"along tokens": error(numbers, 2, True), "along channels": error(numbers, 2, False)}
    for row, (words, share) in enumerate(found.items()):
        top, best = 522 + 50 * row, share == min(found.values())
        paper.text((left, top), f"{words} (KIVI)" if words == kivi_has else words, 22)
        end = paper.bar((left + 250, top), [(500 * share, GREEN if best else FAINT)], 30)
        paper.text((end + 12, top), f"{share:.0%}", 22)


def _steps(paper: Paper, left: int, keys: Tensor) -> None:
    """The channel of a head's keys (S, D) that varies most, in 4 and in 2 bits."""
    channel = int(keys[:SHOWN].std(0).argmax())
    whole = keys[:SHOWN, channel]
    paper.text((left, 660), f"One channel of the keys (number {channel + 1}), token by token", 26)
    low, high = float(whole.min()), float(whole.max())
    for row, bits in enumerate((4, 2)):
        top = 710 + 270 * row
        rounded = decode(encode(keys[None, None, :SHOWN], bits, GROUP, True), bits, GROUP, True)[0, 0, :, channel]

        def place(token: int, value: float, top: int = top) -> tuple[float, float]:
            return left + WIDE * token / SHOWN, top + 30 + 190 * (high - value) / (high - low)

        paper.text(
            (left, top), f"{bits} bits: {2**bits} steps between the least and the greatest of {GROUP} tokens", 22
        )
        for first in range(0, SHOWN + 1, GROUP):
            paper.line([(place(first, 0)[0], top + 30), (place(first, 0)[0], top + 224)], FAINT, 1)
        paper.line([place(at, value) for at, value in enumerate(whole.tolist())], FAINT, 4)
        stairs = [place(at + half, value) for at, value in enumerate(rounded.tolist()) for half in (0, 1)]
        paper.line(stairs, ORANGE, 3)


def _bytes(paper: Paper, left: int, start: object) -> None:
    """What each way to store all tokens holds, measured."""
    paper.text((left, 660), "Bytes that all tokens take, of the full cache in 32 bits", 26)
    whole = 0
    for row, text in enumerate(HELD):
        policy = read_policy(text if text == "full" else f"{text}{';' if ':' in text else ':'}keep=0.95")
        state = compress(start, policy)  # type: ignore[arg-type]
        held, kept = sum(state.cache.bytes_held), sum(state.cache.slots) / len(state.cache.slots)
        whole = whole or held
        top = 712 + 62 * row
        paper.text((left, top), f"{policy.title}{f' in {policy.bits} bits' if hasattr(policy, 'bits') else ''}", 22)
        end = paper.bar((left + 240, top), [(520 * held / whole, BLUE)], 34)
        paper.text((end + 12, top), f"{held / whole:.1%}" + ("" if kept == state.seen else " (not all tokens)"), 22)
    told = (
        "Zeros, steps and the newest tokens, which stay as they are, are counted. Of a model that computes in 16 bits "
        "the shares are larger: older tokens in 2 bits take 18.8% there, and 12.5% here."
    )
    paper.text((left, 712 + 62 * len(HELD) + 10), told, 22, INK, WIDE)
