"""Where tokens stand for RoPE, in models whose tokens have three positions: time, row and column (Qwen2-VL's M-RoPE).

A picture's tokens stand in rows and columns, and what follows it behind its longer side: from there on a token's
position is its number and an `offset`, which belongs to the conversation and so to its cache. The library keeps it on
the model, where it is that of whoever asked last.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from elastic.policies.base import Policy, Positions
from elastic.statistics.rope import Rope


def axes_of(text: Any) -> int:
    """How many positions a token has, 1 or 3, by the RoPE of a text decoder; settings may leave its sections out."""
    return 3 if hasattr(text.rotary_emb, "mrope_section") else 1


def steady_until(text: Any) -> int | None:
    """Tokens up to which the RoPE of a text decoder keeps its frequencies, where it would change them for more."""
    is_moving = getattr(text.rotary_emb, "rope_type", "default") == "dynamic"
    return int(text.config.max_position_embeddings) if is_moving else None


def check_steady(until: int | None, tokens: int) -> None:
    """See that so many tokens do not change the frequencies of a model's RoPE.

    The library keeps changed ones on the model, where the keys of other conversations, and these, were turned by the
    ones before.

    Raises:
        ValueError: if they do.
    """
    if until is not None and tokens > until:
        raise ValueError(
            f"This model's positions are those of {until} tokens, and this would be token {tokens}: for more, its RoPE "
            "turns all keys otherwise, those of every conversation on it, so ask something shorter."
        )


def check_axes(policy: Policy, axes: int) -> None:
    """See that a policy moves no key of a model with three positions for every token.

    Raises:
        ValueError: if it does.
    """
    if axes > 1 and (policy.align or policy.positions != Positions.TRUE):
        raise ValueError(
            f"{policy.title} gives tokens other positions, and a key of this model, which has three (time, row, "
            "column), cannot be turned: take a method with true positions and without alignment."
        )


def behind(positions: Tensor) -> int:
    """Where the token behind others stands, given their positions (..., B, n).

    Raises:
        ValueError: if that differs between sequences.
    """
    last = positions.movedim(-2, 0).flatten(1).amax(1)
    if (last != last[0]).any():
        raise ValueError(
            "The pictures of these prompts have other shapes, so that what follows them stands at other positions: "
            "read them one at a time."
        )
    return int(last[0]) + 1


def of_pictures(
    model: PreTrainedModel, ids: Tensor, first: int, given: Mapping[str, Any], follows_patch: bool = False
) -> Tensor | None:
    """The positions (3, B, n) of tokens (B, n) with a picture among them, of a call of the library's; None without one.

    They are those `given` with the call or, where it leaves them to the model, what the model makes of the tokens
    alone, counted on from `first`. A piece of a prompt that `follows_patch` may begin within a picture.

    Raises:
        ValueError: if a picture's rows and columns are not given, or positions do not begin at `first`.
    """
    config: Any = model.config
    kinds = torch.zeros_like(ids)  # as the library numbers them: 1 for a picture's tokens, 2 for a film's
    for kind, name in ((1, "image_token_id"), (2, "video_token_id")):
        kinds[ids == getattr(config, name, -1)] = kind
    if not kinds.any():
        return None
    positions: Tensor | None = given.get("position_ids")
    is_within = follows_patch and bool((kinds[:, 0] == 1).all())
    if positions is None or positions.ndim != 3 or positions.shape[0] not in (3, 4):
        if is_within:
            raise ValueError(
                "A piece begins within a picture, so its rows and columns are not known: pass position_ids."
            )
        grids = {name: given.get(name) for name in ("image_grid_thw", "video_grid_thw")}
        if all(grid is None for grid in grids.values()):
            raise ValueError("There are image tokens, and image_grid_thw, their rows and columns, is missing: pass it.")
        inner: Any = model.model
        positions = inner.get_rope_index(ids, mm_token_type_ids=kinds, **grids)[0] + first
    positions = positions[-3:]
    if not is_within and (positions[..., 0] != first).any():
        raise ValueError(
            f"The next token of this conversation stands at position {first}, and positions that come begin elsewhere: "
            "pass the whole text so far, or begin with reset() of the cache."
        )
    return positions


def axis_of_channels(text: Any) -> Tensor | None:
    """Which of its three positions each pair of channels of a token is turned by, (D / 2,); None where it has one."""
    if axes_of(text) == 1:
        return None
    frequency = text.rotary_emb.inv_freq
    # One step along an axis turns only the channels that belong to it.
    steps = torch.eye(3, dtype=torch.long, device=frequency.device)[:, None]
    sin: Tensor = text.rotary_emb(frequency, steps)[1]
    return sin[0, :, : len(frequency)].abs().argmax(0)


def rope_of(positions: Tensor, frequency: Tensor, axis: Tensor | None, left: Tensor) -> Rope:
    """How tokens at positions (1, n), or (3, B, n) with an `axis` for each pair of channels, are turned.

    Of all tokens so far those are `left` (T,) that were not erased; the others ask nothing.
    """
    new = positions.shape[-1]
    of_channels = positions[..., None]
    if axis is not None:
        of_channels = positions.expand(3, *positions.shape[-2:]).movedim(0, -1)[..., axis.to(positions.device)]
    angles = of_channels * frequency.float().to(positions.device)
    return Rope(angles[:, left[-new:].to(positions.device)], frequency, int(left[:-new].sum()), behind(positions))
