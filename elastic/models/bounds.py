"""Numbers in a checkpoint's settings that no model has: told before memory and time are spent on them.

A damaged or hostile file may ask for a billion layers or for a million tiles of one picture. The library makes what it
is asked for, and the program with the page in it would end for want of memory.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from elastic.models.checkpoint import WEIGHTS, Unfit

# The most that is believed of each setting; published models have a tenth of it or less.
MOST = {
    **dict.fromkeys(("num_hidden_layers", "num_layers", "n_layers", "depth"), 1_000),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 10_000),
    **dict.fromkeys(("image_size", "image_grid_pinpoints"), 8_192),  # pixels of a side
}
MOST_SIDE = 8_192  # pixels, of what a picture is made before it is cut
MOST_AREA = 8_192 * 8_192  # pixels, where a processor is told an area in place of sides
MOST_TILES = 256  # of one picture
SIDES = ("height", "width", "shortest_edge", "longest_edge", "max_height", "max_width")
BITS = 8  # of a file's byte: weights take one bit or more each
TAKE = "take {} from where the weights were published."


def check_settings(name: str, settings: Mapping[str, Any]) -> None:
    """See that no number of `config.json` is one that no model has.

    Raises:
        Unfit: if one is; one sentence that names it.
    """
    for key, value in _numbers(settings):
        if key in MOST and value > MOST[key]:
            raise Unfit(f"The config.json of {name!r} says {key} {_short(value)}: {TAKE.format('it')}")


def check_pictures(name: str, images: Any) -> None:
    """See that what an image processor makes of one picture is bounded.

    Raises:
        Unfit: if it enlarges pictures, or cuts them into tiles, without end; one sentence that names the setting.
    """
    wanted = TAKE.format("preprocessor_config.json and processor_config.json")
    is_area = hasattr(images, "merge_size")  # Qwen's say areas by the names of edges
    for setting in ("size", "crop_size", "pad_size", "max_image_size", "image_grid_pinpoints"):
        for key, value in _numbers({setting: _plain(getattr(images, setting, None))}):
            if is_area and key == "longest_edge":
                continue  # only what it enlarges to costs: what comes in is bounded
            if value > (MOST_AREA if is_area else MOST_SIDE):
                raise Unfit(
                    f"The processor of {name!r} makes pictures of {_short(value)} pixels ({setting}), more than any "
                    f"model reads: {wanted}"
                )
    if (tiles := _tiles(images)) > MOST_TILES:
        raise Unfit(f"The processor of {name!r} cuts a picture into {_short(tiles)} tiles: {wanted}")


def check_amount(name: str, skeleton: PreTrainedModel) -> None:
    """See that the files in a folder can hold as many weights as their settings say, before room is made for these.

    Raises:
        Unfit: if they cannot; one sentence.
    """
    files = [path for pattern in WEIGHTS for path in Path(name).glob(pattern)]
    if not files:
        return  # a name of the hub: how large its files are is known there
    held, wanted = sum(path.stat().st_size for path in files), sum(one.numel() for one in skeleton.parameters())
    if wanted > BITS * held:
        raise Unfit(
            f"By its config.json {name!r} has {wanted:,} weights, and its files of {held:,} bytes cannot hold as many: "
            "fetch both from where they were published."
        )


def _tiles(images: Any) -> int:
    """Into how many tiles a picture is cut at most, as far as settings say it in numbers."""
    tiles = int(max(getattr(images, "max_patches", None) or 0, getattr(images, "min_patches", None) or 0))
    whole, tile = (_longest(getattr(images, name, None)) for name in ("size", "max_image_size"))
    return max(tiles, (-(-whole // tile)) ** 2) if whole and tile else tiles


def _longest(size: Any) -> int:
    """The longest edge that a size names, 0 where it names none."""
    edge = plain.get("longest_edge") if isinstance(plain := _plain(size), Mapping) else None
    return edge if isinstance(edge, int) and edge > 0 else 0


def _plain(value: Any) -> Any:
    """Sizes as the mappings that files have."""
    return {key: getattr(value, key) for key in SIDES if hasattr(value, key)} if hasattr(value, "height") else value


def _numbers(value: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Every number in settings, by the nearest name above it."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _numbers(one, str(name))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _numbers(one, key)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield key, value


def _short(value: float) -> str:
    return f"{value:,}" if abs(value) < 10**18 else "beyond any number"
