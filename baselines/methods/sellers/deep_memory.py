"""What sessions remember, and the numbers that they draw: of each session on its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

BLOCK = 64
"""Periods whose numbers are drawn at once."""


class Batch(NamedTuple):
    """Remembered periods of G sellers."""

    states: Tensor
    """(G, n, M) positions of the round before, a seller's own first; 0 where it has no memory."""
    positions: Tensor
    """(G, n, 1) of its price."""
    rewards: Tensor
    """(G, n, 1)"""
    after: Tensor
    """(G, n, M) what it saw next."""


class Memory(nn.Module):
    """The last periods of B sessions: positions of prices, and rewards.

    Args:
        size: periods that are remembered.
        sessions: B.
        M: sellers of a session.
        seats: those that learn; the G sellers are these of the first session, of the second, …
        blind: whether sellers see zeros.
    """

    positions: Tensor
    rewards: Tensor

    def __init__(self, size: int, sessions: int, M: int, seats: Sequence[int], blind: bool) -> None:
        super().__init__()
        self._size, self._blind = size, blind
        for name in ("positions", "rewards"):  # with one more: the round before the first
            self.register_buffer(name, torch.zeros(size + 1, sessions, M))
        self._session = torch.arange(sessions).repeat_interleave(len(seats))[:, None]
        of_seat = [[(seat + i) % M for i in range(M)] for seat in seats]
        self._order = torch.tensor(of_seat * sessions)

    def last(self, t: int) -> Tensor:
        """(B, M) positions of the period before t, in the order of seats; before the first, 0."""
        return self.positions[(t - 1) % (self._size + 1)]

    def keep(self, t: int, positions: Tensor, rewards: Tensor) -> None:
        """Remember a period: positions and rewards (B, M)."""
        at = t % (self._size + 1)
        self.positions[at], self.rewards[at] = positions, rewards

    def seen(self, periods: Tensor) -> Tensor:
        """(G, n, M) what sellers see in periods (G, n): those before, their own price first."""
        found = self._taken(periods - 1)
        return torch.zeros_like(found) if self._blind else found

    def batch(self, periods: Tensor) -> Batch:
        """Of periods (G, n)."""
        found = self._taken(periods)
        rewards = self.rewards[periods % (self._size + 1), self._session, self._order[:, :1]]
        after = torch.zeros_like(found) if self._blind else found
        return Batch(self.seen(periods), found[..., :1], rewards[..., None], after)

    def drawn(self, t: int, first: int, uniform: Tensor) -> Batch:
        """Periods from the first to t, those still known, by numbers in [0, 1) (G, n)."""
        count = min(t + 1 - first, self._size)
        back = (uniform * count).long().clamp(max=count - 1)
        return self.batch(t - back)

    def _taken(self, periods: Tensor) -> Tensor:
        at = (periods % (self._size + 1))[..., None]
        return self.positions[at, self._session[..., None], self._order[:, None]]


class Draws:
    """Random numbers by session and period, however many sessions stand side by side.

    They are those of a generator for each session and block of periods, so that nothing needs to
    be kept for a session that goes on after a kill.

    Args:
        seeds: of each session.
        count: sellers of a session that draw.
        normal, uniform: by name the shape of what a seller draws in a period.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        count: int,
        normal: Mapping[str, tuple[int, ...]],
        uniform: Mapping[str, tuple[int, ...]],
    ) -> None:
        self._seeds, self._count, self._normal, self._uniform = seeds, count, normal, uniform
        self._block = -1

    def at(self, t: int) -> dict[str, Tensor]:
        """(G, …) by name, of a period."""
        block, i = divmod(t, BLOCK)
        if block != self._block:
            self._drawn, self._block = self._draw(block), block
        return {name: value[i] for name, value in self._drawn.items()}

    def _draw(self, block: int) -> dict[str, Tensor]:
        rngs = [generator(seed, 1 + block) for seed in self._seeds]

        def beside(shape: tuple[int, ...], draw: str) -> Tensor:
            size = (BLOCK, self._count, *shape)
            drawn = [getattr(rng, draw)(size, np.float32) for rng in rngs]
            return torch.as_tensor(np.concatenate(drawn, axis=1))

        normal = {name: beside(shape, "standard_normal") for name, shape in self._normal.items()}
        return normal | {name: beside(shape, "random") for name, shape in self._uniform.items()}


def generator(seed: int, stream: int) -> np.random.Generator:
    """The numbers of a stream of a session; stream 0 is that of its networks."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, stream))))
