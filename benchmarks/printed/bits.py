"""What fewer bits do to numbers: keys and values as they are, what groups along tokens or channels cost, and bytes."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.printed.sheet import BLUE, FAINT, GREEN, INK, ORANGE, Sheet
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
    sheet = Sheet(2 * WIDE + 3 * GAP, 1330)
    sheet.text((GAP, 24), f"Fewer bits: keys and values of {start.seen} tokens in layer {layer + 1}", 34)
    for number, (name, numbers) in enumerate({"Keys": keys, "Values": values}.items()):
        left = GAP + number * (WIDE + GAP)
        _sizes(sheet, left, name, numbers[0, :SHOWN])
        _errors(sheet, left, numbers)
    _steps(sheet, GAP, keys[0])
    _bytes(sheet, 2 * GAP + WIDE, start)
    return sheet.image


def _sizes(sheet: Sheet, left: int, name: str, numbers: Tensor) -> None:
    """How large the numbers (S, D) of a head are: a row per channel, a column per token."""
    size = numbers.abs().T.numpy()
    sheet.text((left, 92), f"{name} of the first head: how large each number is", 26)
    high = 300 // len(size)
    sheet.table((left, 134), np.minimum(1, size / np.quantile(size, 0.995)), (WIDE // size.shape[1], high), INK)
    sheet.text((left, 134 + high * len(size) + 6), "across: tokens; down: channels", 20)


def _errors(sheet: Sheet, left: int, numbers: Tensor) -> None:
    """What grouping along tokens, or along channels, costs."""
    sheet.text((left, 480), f"Rounded to 2 bits, {GROUP} numbers a group: how far off, of the mean size", 24)
    found = {"along tokens": error(numbers, 2, True), "along channels": error(numbers, 2, False)}
    for row, (words, share) in enumerate(found.items()):
        top, best = 522 + 50 * row, share == min(found.values())
        sheet.text((left, top), words, 22)
        end = sheet.bar((left + 190, top), [(500 * share, GREEN if best else FAINT)], 30)
        sheet.text((end + 12, top), f"{share:.0%}", 22)


def _steps(sheet: Sheet, left: int, keys: Tensor) -> None:
    """The channel of a head's keys (S, D) that varies most, in 4 and in 2 bits."""
    channel = int(keys[:SHOWN].std(0).argmax())
    whole = keys[:SHOWN, channel]
    sheet.text((left, 660), f"One channel of the keys (number {channel + 1}), token by token", 26)
    low, high = float(whole.min()), float(whole.max())
    for row, bits in enumerate((4, 2)):
        top = 710 + 270 * row
        rounded = decode(encode(keys[None, None, :SHOWN], bits, GROUP, True), bits, GROUP, True)[0, 0, :, channel]

        def place(token: int, value: float, top: int = top) -> tuple[float, float]:
            return left + WIDE * token / SHOWN, top + 30 + 190 * (high - value) / (high - low)

        sheet.text(
            (left, top), f"{bits} bits: {2**bits} steps between the least and the greatest of {GROUP} tokens", 22
        )
        for first in range(0, SHOWN + 1, GROUP):
            sheet.line([(place(first, 0)[0], top + 30), (place(first, 0)[0], top + 224)], FAINT, 1)
        sheet.line([place(at, value) for at, value in enumerate(whole.tolist())], FAINT, 4)
        stairs = [place(at + half, value) for at, value in enumerate(rounded.tolist()) for half in (0, 1)]
        sheet.line(stairs, ORANGE, 3)


def _bytes(sheet: Sheet, left: int, start: object) -> None:
    """What each way to store all tokens holds, measured."""
    sheet.text((left, 660), "Bytes that all tokens take, of the full cache in 32 bits", 26)
    whole = 0
    for row, text in enumerate(HELD):
        policy = read_policy(text if text == "full" else f"{text}{';' if ':' in text else ':'}keep=0.95")
        state = compress(start, policy)  # type: ignore[arg-type]
        held, kept = sum(state.cache.bytes_held), sum(state.cache.slots) / len(state.cache.slots)
        whole = whole or held
        top = 712 + 62 * row
        sheet.text((left, top), f"{policy.title}{f' in {policy.bits} bits' if hasattr(policy, 'bits') else ''}", 22)
        end = sheet.bar((left + 240, top), [(520 * held / whole, BLUE)], 34)
        sheet.text((end + 12, top), f"{held / whole:.1%}" + ("" if kept == state.seen else " (not all tokens)"), 22)
    told = (
        "Zeros, steps and the newest tokens, which stay as they are, are counted. Of a model that computes in 16 bits "
        "the shares are larger: older tokens in 2 bits take 18.8 % there, and 12.5 % here."
    )
    sheet.text((left, 712 + 62 * len(HELD) + 10), told, 22, INK, WIDE)
