"""Teach the words of a question to look at what they ask about.

Finding a patch by a word is a circuit that answers alone do not bring about in hours: while attention is spread over
hundreds of patches, the right ones are too faint to be of use, and so nothing rewards attending to them. Two heads of
an early layer are told where the asked word's thing is, two of a late layer where the answer is, and two there to
spread over what a number counts; all others are free.
"""

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from training.data import Batch

HEADS = {  # per layer, which heads are taught which look
    1: {"subject": slice(0, 2)},
    4: {"answer": slice(0, 2), "count": slice(2, 4)},
}


class AttentionLoss:
    """Sums up how far attention misses what it should look at; travels along as `model(..., attention_loss=...)`."""

    def __init__(self, batch: Batch, image_id: int) -> None:
        self.batch = batch
        self.image = (batch.ids == image_id).nonzero()[:, 1].view(len(batch.ids), -1)  # (B, P) places of the patches
        self.losses: list[Tensor] = []
        self.shares: dict[str, float] = {}

    def see(self, layer: int, query: Tensor, key: Tensor, scaling: float) -> None:
        """Add the losses of a layer."""
        for stage, heads in HEADS.get(layer, {}).items():
            token, wanted = self.batch.targets[stage]
            real = token >= 0
            if not real.any():
                continue
            # Padding stands in for the last patch, which sees all others: a row of -inf would make gradients NaN.
            token = token.where(real, self.image[:, -1:])
            log_attention = self._log_attention(query[:, heads], key[:, heads], token, scaling)
            unwanted = (wanted == 0) & real[..., None]
            on_wanted = log_attention.masked_fill(unwanted[:, :, None], -torch.inf).logsumexp(-1)[real]
            loss = -on_wanted.mean()
            if stage == "count":
                # Attention in equal parts, so that the share of each tells the number of all.
                share = wanted / wanted.sum(-1, keepdim=True).clamp(min=1)
                loss = -(share[:, :, None] * log_attention).sum(-1)[real].mean()
            self.losses.append(loss)
            self.shares[stage] = on_wanted.detach().exp().mean().item()

    def _log_attention(self, query: Tensor, key: Tensor, token: Tensor, scaling: float) -> Tensor:
        """Log of the attention that tokens (B, R) give to the first token and the patches, (B, R, heads, 1 + P)."""
        sample = torch.arange(len(token))[:, None]
        rows = query.transpose(1, 2)[sample, token]  # (B, R, heads, D)
        logits = torch.einsum("brhd,bhtd->brht", rows, key) * scaling
        seen = self.batch.visible[:, 0][sample, token]
        log_attention = logits.masked_fill(~seen[:, :, None], -torch.inf).log_softmax(-1)
        patches = self.image[:, None, None].expand(*log_attention.shape[:3], -1)
        return torch.cat([log_attention[..., :1], log_attention.gather(-1, patches)], dim=-1)

    @property
    def loss(self) -> Tensor:
        """The mean over what was looked for."""
        return torch.stack(self.losses).mean() if self.losses else torch.zeros(())


def taught_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: object
) -> tuple[Tensor, None]:
    """SDPA, with an `AttentionLoss` that sees queries and keys where one travels along."""
    attention_loss: AttentionLoss | None = kwargs.pop("attention_loss", None)
    if attention_loss is not None:
        attention_loss.see(module.layer_idx, query, key, kwargs["scaling"])
    return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)


AttentionInterface.register("taught", taught_attention)
AttentionMaskInterface.register("taught", sdpa_mask)
