"""Attention with a learned bias for each lag, a step at a time or over whole episodes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention.

    Args:
        width: of tokens.
        heads: they divide the width.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def keys(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of tokens (…, width): (…, heads, width / heads) each."""
        key, value = self.key_value(x).chunk(2, dim=-1)
        return self._split(key), self._split(value)

    def forward(self, x: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        """Queries (…, Q, width) on keys (…, L, heads, size); bias (…, heads or 1, Q, L)."""
        query = self._split(self.query(x))
        query, key, value = (part.transpose(-2, -3) for part in (query, key, value))
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]) + bias
        mixed = scores.softmax(dim=-1) @ value
        return self.out(mixed.transpose(-2, -3).flatten(-2))

    def one(self, x: Tensor, key: Tensor, value: Tensor, bias: Tensor, axis: int) -> Tensor:
        """One query (…, width) on keys that stand along an axis of (…, heads, size).

        The bias is of shape (…, heads or 1), that axis included.
        """
        query = self._split(self.query(x)).unsqueeze(axis)
        scores = (query * key).sum(-1) / math.sqrt(query.shape[-1]) + bias
        mixed = (scores.softmax(dim=axis if axis >= 0 else axis + 1)[..., None] * value).sum(axis)
        return self.out(mixed.flatten(-2))

    def _split(self, x: Tensor) -> Tensor:
        """(…, width) to (…, heads, width / heads)."""
        return x.unflatten(-1, (self.heads, -1))


class BandedAttention(Attention):
    """Attention to the last rounds, with a learned bias for each head and lag.

    Args:
        width: of tokens.
        heads: they divide the width.
        band: rounds that it reaches back over.
    """

    def __init__(self, width: int, heads: int, band: int) -> None:
        super().__init__(width, heads)
        self.band = band
        self.lag = nn.Parameter(torch.zeros(heads, band))

    def lags(self, rounds: int) -> Tensor:
        """Bias (L, heads) of the last round's query on the keys of so many rounds, oldest first."""
        return self.lag[:, :rounds].T.flip(0)

    def causal(self, rounds: int) -> Tensor:
        """Bias (heads, T, T) of queries (rows) on keys up to `band` − 1 rounds back."""
        steps = torch.arange(rounds, device=self.lag.device)
        back = steps[:, None] - steps
        allowed = (back >= 0) & (back < self.band)
        return torch.where(allowed, self.lag[:, back.clamp(0, self.band - 1)], -1e9)


class LastRounds:
    """Tensors of the last rounds: stacked anew each round, so that gradients flow."""

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self._kept: list[tuple[Tensor, ...]] = []

    def add(self, *now: Tensor) -> tuple[Tensor, ...]:
        """Take in a round; returns each tensor's last rounds, oldest first, (L, …)."""
        self._kept = [*self._kept[1 - self._rounds :], now] if self._rounds > 1 else [now]
        return tuple(torch.stack(part) for part in zip(*self._kept, strict=True))


def masked(allowed: Tensor) -> Tensor:
    """0 where attention may look, −1e9 where not."""
    return torch.where(allowed, 0.0, -1e9)
