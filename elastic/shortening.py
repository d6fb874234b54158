"""Prompts of which a front lets fewer picture tokens in: what `prefill` then reads is shorter, and so is all behind."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from elastic.fronts import Front
from elastic.fronts.base import FewerCells
from elastic.model import Reader, Reading
from elastic.policies import Policy
from elastic.policies.ranges import share_of
from elastic.record.shortened import Shortened
from elastic.state import State


@torch.inference_mode()
def shorten(llava: Reader, prompt: Reading, front: Front) -> Reading:
    """A prompt (B, W) with the tokens that a front leaves of its pictures, (B, T), gone through the vision tower.

    T is the share `front.keep` of W, as a policy's slots are: words all stay, pictures share what is left in
    proportion, and each has one token at least, even where that is more. In the language model tokens stand one behind
    the other, as if the others had never been.

    Raises:
        ValueError: if it has no picture, tokens were erased of it, or the model's vision tower is not one that can be
            looked into.
    """
    if not prompt.has_pictures:
        raise ValueError(f"{front.title} leaves tokens of a picture out, and this prompt has none: give one with it.")
    if prompt.erased:
        raise ValueError("Tokens were erased of a prompt that is to be shortened: erase of one that is read whole.")
    rows, every = prompt.ids.shape
    cells = llava.picture_cells(prompt)
    of_each = [len(one.looked) for one in cells[: len(cells) // rows]]  # alike in all sequences
    sizes = _sizes(of_each, share_of(front.keep, every) - (every - sum(of_each)))
    chosen = [front.choose(one, size) for one, size in zip(cells, sizes * rows, strict=True)]
    image_id, pictures = int(llava.model.config.image_token_id), len(of_each)
    picks = [
        _numbers(prompt.ids[row], image_id, of_each, chosen[row * pictures : (row + 1) * pictures])
        for row in range(rows)
    ]
    # Where a cell's token stands is for the record: to the model they are all the same token.
    numbers = torch.stack([number for number, _ in picks]).to(prompt.ids.device)
    inputs = {n: v.gather(1, numbers) if v.shape == prompt.ids.shape else v for n, v in prompt.inputs.items()}
    first, owner = (one.cpu().numpy() for one in picks[0])
    return replace(
        prompt,
        ids=prompt.ids.gather(1, numbers),
        inputs=inputs,
        encoded={"image": BaseModelOutputWithPooling(pooler_output=[one.features for one in chosen])},  # type: ignore[arg-type]  # as the library itself has it
        place=prompt.place[first],
        shortened=Shortened(front.title, front.keep, prompt.place, first, owner),
    )


def _sizes(of_each: Sequence[int], tokens: int) -> list[int]:
    """How many tokens pictures of so many cells get of those that there are: in proportion, 1 at least."""
    bounds = [tokens * cells // sum(of_each) for cells in accumulate(of_each, initial=0)]
    return [min(cells, max(1, end - begin)) for cells, begin, end in zip(of_each, bounds, bounds[1:], strict=False)]


def _numbers(
    ids: torch.Tensor, image_id: int, of_each: Sequence[int], chosen: Sequence[FewerCells]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Of one sequence's tokens (W,) those that are read, in their order, (T,); and the owner of each (W,)."""
    ids = ids.cpu()
    owner, number = torch.arange(len(ids)), torch.arange(len(ids))
    is_read = torch.ones(len(ids), dtype=torch.bool)
    for cells, left in zip((ids == image_id).nonzero()[:, 0].split(list(of_each)), chosen, strict=True):
        holder = left.owner.cpu()
        owner[cells] = torch.where(holder < 0, -1, cells[holder.clamp(min=0)])
        is_read[cells[len(left.kept) :]] = False
        number[cells[: len(left.kept)]] = cells[left.kept.cpu()]
    return number[is_read], owner


def of_what_is_read(policy: Policy, state: State) -> Policy:
    """A policy with its share taken of all that was said, where a front had a part of it left out.

    So that a side with a front, and another without, hold the same after the prompt. A method whose budget grows with
    all tokens takes the larger share of new ones, too: after n more it may hold n x keep x (W / T - 1) slots beyond
    one without a front, W being all tokens of the prompt and T those that were read.
    """
    if state.shortened is None or policy.keep == 1:
        return policy
    return replace(policy, keep=min(1.0, policy.keep * state.shortened.among_all(state.seen) / state.seen))
