"""Keys in short codes, a product quantisation: PQCache's index (arXiv 2407.12820)."""

import torch
from torch import Tensor

from elastic.cache.clusters import centroids_of, nearest_to
from elastic.cache.key_index import KeyIndex, grouped, grown, highest
from elastic.policies.index import CodeIndex


class KeyCodes(KeyIndex):
    """Per head and part of the channels `centroids` (B, H, parts, 2^bits, D / parts), and `codes` (B, H, S, parts).

    Codes are the numbers of the nearest centroids, a byte each, of all keys but the first `sinks`. A query's products
    with the centroids, looked up by a key's codes and added up, are nearly its product with the key.

    Args:
        kind: sinks, bits and rounds, and the share of the slots that is read.
        keys: those (B, H, S, D) that are held.

    Raises:
        ValueError: if the channels of a head cannot be cut into parts.
    """

    names = ("centroids", "codes")

    def __init__(self, kind: CodeIndex, keys: Tensor) -> None:
        batch, heads, _, dim = keys.shape
        if dim % kind.parts:
            raise ValueError(f"{dim} channels cannot be cut into {kind.parts} equal parts: take another method.")
        self.kind, self.tokens = kind, 0  # sinks are none of them
        rest = keys[:, :, kind.sinks :]
        found = centroids_of(self._by_part(rest), 2**kind.bits, kind.rounds).to(keys.device, keys.dtype)
        self.centroids = found.view(batch, heads, kind.parts, 2**kind.bits, dim // kind.parts)
        self.codes = torch.zeros(batch, heads, 0, kind.parts, dtype=torch.uint8, device=keys.device)
        self.add(rest)

    def _by_part(self, keys: Tensor) -> Tensor:
        """Keys (B, H, n, D) as (B x H x parts, n, D / parts)."""
        batch, heads, count, dim = keys.shape
        cut = keys.view(batch, heads, count, self.kind.parts, dim // self.kind.parts)
        return cut.transpose(2, 3).reshape(-1, count, dim // self.kind.parts)

    def add(self, keys: Tensor) -> None:
        """Code keys (B, H, n, D) by the centroids as they are."""
        batch, heads, count, _ = keys.shape
        after = self.tokens + count
        self.reserve(after + self.kind.sinks)
        nearest = nearest_to(self._by_part(keys).float(), self.centroids.flatten(0, 2).float())
        coded = nearest.view(batch, heads, self.kind.parts, count).transpose(2, 3)
        self.codes[:, :, self.tokens : after] = coded.to(torch.uint8)
        self.tokens = after

    def reserve(self, slots: int) -> None:
        """Room for the codes of that many slots at least, sinks included."""
        self.codes = grown(self.codes, self.tokens, slots - self.kind.sinks)

    def count(self, slots: int) -> int:
        """How many slots are read: sinks, the newest, and others by their codes."""
        return min(slots, self.kind.count(slots))

    def newest(self, slots: int) -> int:
        """How many of them are the newest: half of those that are no sinks, or one more."""
        return -(-(self.count(slots) - self.kind.sinks) // 2)

    def reads(self, query: Tensor, scaling: float, slots: int) -> Tensor | None:
        """Sinks, the newest, and those whose codes promise the most; heads that share a key add up their softmaxes."""
        read, sinks, newest = self.count(slots), self.kind.sinks, self.newest(slots)
        if read == slots:
            return None
        chosen = highest(self.promise(query, scaling, slots), read - sinks - newest)
        always = chosen.new_ones(len(chosen), 1)
        return torch.cat([always.expand(-1, sinks), chosen, always.expand(-1, newest)], 1)

    def promise(self, query: Tensor, scaling: float, slots: int) -> Tensor:
        """What codes promise to the heads that share a key, (B x H, n), of all that are neither sinks nor newest."""
        parts = self.kind.parts
        centroids = self.centroids.flatten(0, 1).float()
        of_heads = grouped(query, len(centroids))
        by_part = of_heads.view(len(centroids), -1, parts, of_heads.shape[2] // parts)
        table = torch.einsum("rgpd,rpcd->rgpc", by_part, centroids)
        candidates = slots - self.kind.sinks - self.newest(slots)
        codes = self.codes[:, :, :candidates].flatten(0, 1).transpose(1, 2).long()
        logits = table.gather(3, codes[:, None].expand(-1, by_part.shape[1], -1, -1)).sum(2)
        return (logits * scaling).softmax(-1).sum(1)

    @property
    def nbytes(self) -> int:
        """Bytes of the centroids and of all codes in use."""
        return self.centroids.nbytes + self._bytes(self.tokens)

    def bytes_read(self, slots: int) -> int:
        """Bytes of the centroids, and of the codes of those that are neither sinks nor newest."""
        if self.count(slots) == slots:
            return 0
        return self.centroids.nbytes + self._bytes(slots - self.kind.sinks - self.newest(slots))

    def _bytes(self, codes: int) -> int:
        batch, heads, _, parts = self.codes.shape
        return batch * heads * codes * parts
