"""Teach the words of a question to look at what they ask about.

Finding a patch by a word is a circuit that answers alone do not bring about in hours: while attention is spread over
hundreds of patches, the right ones are too faint to be of use, and so nothing rewards attending to them. Two heads of
an early layer are told where the asked word's thing is, two of a late layer where the answer is; all others are free.
"""

import torch
from torch import Tensor

from training.data import Batch

LAYER = {1: "subject", 4: "answer"}
HEADS = 2  # of each of those layers


class Looking:
    """An observer of attention (see `elastic.attention`) that sums up how far it misses what it should look at."""

    def __init__(self, batch: Batch, image_id: int) -> None:
        self.batch, self.is_image = batch, batch.ids == image_id
        self.losses: list[Tensor] = []
        self.shares: dict[str, float] = {}

    def see(self, layer: int, query: Tensor, key: Tensor, scaling: float) -> None:
        """Add the loss of a layer: minus log of the attention that falls on the right patches."""
        stage = LAYER.get(layer)
        if stage is None:
            return
        token, wanted_at = self.batch.looks[stage]
        sample = torch.arange(len(token))[:, None]
        rows = query[:, :HEADS].transpose(1, 2)[sample, token.clamp(min=0)]  # (B, R, heads, D)
        logits = torch.einsum("brhd,bhtd->brht", rows, key[:, :HEADS]) * scaling
        seen = self.batch.visible[:, 0][sample, token.clamp(min=0)]
        log_attention = logits.masked_fill(~seen[:, :, None], -torch.inf).log_softmax(-1)
        # Every sample has the picture at the same place.
        places = torch.cat([log_attention[..., :1], log_attention[..., self.is_image[0]]], dim=-1)
        on_wanted = places.masked_fill(~wanted_at[:, :, None], -torch.inf).logsumexp(-1)
        wanted = on_wanted[(token >= 0) & wanted_at.any(-1)]
        self.losses.append(-wanted.mean())
        self.shares[stage] = wanted.detach().exp().mean().item()

    @property
    def loss(self) -> Tensor:
        """The mean over the layers that were seen."""
        return torch.stack(self.losses).mean()
