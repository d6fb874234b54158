"""What each method keeps of a picture and a question: `python -m benchmarks.kept --out kept.png`.

One real run per method. A patch or word fades by the share of layers and heads in which it was dropped, and half as far
where it was merged into another. Below: the words of the prompt, and what the method then answers.
"""

import textwrap
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from benchmarks.methods import policies
from elastic.command_line import Options
from elastic.engine import State, compress, decode, prefill
from elastic.files import one_sentence, out_file, whole
from elastic.model import Llava, load
from elastic.picture import open_picture
from elastic.policies import Policy
from elastic.policies.base import PATCH
from scenes.scene import random_scene, render

SIDE, GAP, TEXT, COLUMNS = 288, 24, 84, 6
SMALL, LARGE = ImageFont.load_default(13), ImageFont.load_default(16)
PAGE, INK, FAINT = (255, 255, 255), np.array([39, 39, 42]), np.array([225, 225, 230])


def lost(state: State) -> np.ndarray:
    """The share of layers and heads in which each token was dropped, merged ones counting half, (T,)."""
    owner = state.cache.tables.owners()
    is_merged = (owner >= 0) & (owner != torch.arange(owner.shape[2]))
    return ((owner < 0) + 0.5 * is_merged).mean((0, 1)).numpy()


def cell(llava: Llava, picture: Image.Image, state: State, title: str) -> Image.Image:
    """One method: title, picture, the prompt's words, and its answer."""
    share, is_patch = lost(state), (state.cache.tables.kinds[0] == PATCH).numpy()
    page = Image.new("RGB", (SIDE, LARGE.size + 8 + SIDE + TEXT), PAGE)
    draw = ImageDraw.Draw(page)
    draw.text((0, 0), title, fill=tuple(INK), font=LARGE)
    rows, columns = state.views[0].rows, state.views[0].columns
    faded = share[is_patch].reshape(rows, columns).repeat(SIDE // rows, 0).repeat(SIDE // columns, 1)
    pixels = np.asarray(picture.convert("RGB").resize(faded.shape[::-1]), np.float32)
    pixels += (255 - pixels) * 0.92 * faded[..., None]
    page.paste(Image.fromarray(pixels.astype(np.uint8)), (0, LARGE.size + 8))
    pieces = [
        piece.strip("\n")
        for piece, patch in zip(llava.pieces(state.ids[0].tolist()), is_patch, strict=True)
        if not patch
    ]
    bottom = words(draw, pieces, share[~is_patch], LARGE.size + SIDE + 14)
    answer = llava.text([step.token for step in decode(state, 24)])
    for line in textwrap.wrap(f"Answer: {answer}", 42)[:3]:
        draw.text((0, bottom), line, fill=tuple(INK), font=SMALL)
        bottom += SMALL.size + 4
    return page


def words(draw: ImageDraw.ImageDraw, pieces: list[str], faded: np.ndarray, top: int) -> int:
    """Write the pieces of a prompt, faded as far as they were dropped; returns where the next line begins."""
    left = 0.0
    for piece, share in zip(pieces, faded, strict=True):
        wide = draw.textlength(piece, font=SMALL)
        if left + wide > SIDE:
            left, top = 0.0, top + SMALL.size + 4
        colour = tuple((INK + (FAINT - INK) * share).astype(int).tolist())
        draw.text((left, top), piece, fill=colour, font=SMALL)
        left += wide
    return top + SMALL.size + 8


def montage(llava: Llava, picture: Image.Image, question: str, chosen: dict[str, Policy]) -> Image.Image:
    """All methods on one picture and question."""
    needs = frozenset().union(*(policy.needs for policy in chosen.values()))
    start = prefill(llava, llava.first_turn(picture, question), needs, record_attention=False)
    cells = [
        cell(llava, picture, compress(start, policy), f"{policy.title}, {policy.keep:g}") for policy in chosen.values()
    ]
    wide, high = cells[0].width + GAP, cells[0].height + GAP
    page = Image.new("RGB", (COLUMNS * wide + GAP, -(-len(cells) // COLUMNS) * high + GAP), PAGE)
    for number, one in enumerate(cells):
        page.paste(one, (GAP + number % COLUMNS * wide, GAP + number // COLUMNS * high))
    return page


def main() -> None:
    """Run all methods and write the picture."""
    parser = Options(__doc__)
    parser.add_argument("--keep", type=float, default=0.2, help="share of the cache (default: 0.2)")
    parser.add_argument("--scene", default="2057", help="seed of a scene, or a picture file (default: 2057)")
    parser.add_argument("--question", default="Where is the tractor?")
    parser.add_argument("--out", type=out_file, default="kept.png", help="PNG file to write")
    args = parser.parse_args()
    is_file = Path(args.scene).is_file()
    picture = open_picture(args.scene) if is_file else render(random_scene(_seed(args.scene)))[0]
    kept = montage(load(device="cpu"), picture, args.question, policies(args.keep)).quantize(200)
    with one_sentence(), whole(args.out) as file:
        kept.save(file, "PNG", optimize=True)


def _seed(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


if __name__ == "__main__":
    main()
