"""What the leader knows after each round: facts, and what the filter of demand makes of them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from baselines.methods.filter.demand_filter import MARKET, OWN, DemandBelief, Reading, State

_UNSEEN = -0.05
"""Logarithm of what p_max earns against the middle price, as it is taken without a filter."""


class Seen(NamedTuple):
    """All that the leader knows after a round; leading axes (B,) or (B, T)."""

    price: Tensor
    """(…) of the round."""
    steps: Tensor
    """(…, K) bought in it."""
    present: Tensor
    """(…, K) 1 for the VMUs that took part in it."""
    active: Tensor
    """(…, K) 1 for the VMUs that will answer the next price."""
    age: Tensor
    """(…, K) rounds since the VMU came."""
    visit: Tensor
    """(…, K) rounds that the slot has stood empty: the same for all rounds of one VMU's stay."""
    round: Tensor
    """(…) rounds played."""
    own: Tensor
    """(…, K, OWN) what is read of each VMU; nothing without a filter."""
    market: Tensor
    """(…, MARKET) what is read of the market; nothing without a filter."""
    logit: Tensor
    """(…) the guess, see `Reading`; the middle without a filter."""
    ratio: Tensor
    """(…) the guess, see `Reading`."""


class Memory:
    """A batch of episodes as far as they are known.

    Args:
        active: (B, K) 1 for the VMUs that will answer the first price.
        price: what stands in place of the price before the first.
        belief: the filter, or none: then nothing but attention remembers.
    """

    seen: Seen

    def __init__(self, active: Tensor, price: float, belief: DemandBelief | None) -> None:
        self._belief = belief
        self._state = belief.begin(active) if belief else None
        nothing, none = torch.zeros_like(active), active.new_zeros(len(active))
        facts = none + price, nothing, nothing, active, nothing, nothing, none
        self.seen = Seen(*facts, *self._read(active))

    def observe(self, price: Tensor, steps: Tensor, active: Tensor) -> Seen:
        """Take in a round.

        Args:
            price: (B,).
            steps: (B, K).
            active: (B, K) 1 for the VMUs that will answer the next price.
        """
        last, present = self.seen, self.seen.active
        if self._belief and self._state:
            self._state, _ = self._belief.observe(self._state, price, steps, present, active)
        self.seen = Seen(
            price,
            steps,
            present,
            active,
            (last.age + 1) * present,
            last.visit + 1 - present,
            last.round + 1,
            *self._read(active),
        )
        return self.seen

    def put(self, lanes: Tensor, other: Memory) -> None:
        """Take over another memory in the lanes (B,) where that is true."""
        self.seen = Seen(*_choose(lanes, other.seen, self.seen))
        if self._state and other._state:
            parts = _choose(lanes, other._state[1:], self._state[1:])
            self._state = State(self._state.law, *parts)

    def _read(self, active: Tensor) -> Reading:
        if self._belief and self._state:
            return self._belief.read(self._state, active)
        none = active.new_zeros(len(active))
        return Reading(
            active.new_zeros(*active.shape, 0), none[:, None][:, :0], none, none + _UNSEEN
        )


def width(belief: bool) -> tuple[int, int]:
    """Numbers read of each VMU and of the market."""
    return (OWN, MARKET) if belief else (0, 0)


def _choose(lanes: Tensor, yes: tuple[Tensor, ...], no: tuple[Tensor, ...]) -> list[Tensor]:
    return [
        torch.where(lanes.reshape(-1, *[1] * (b.ndim - 1)), a, b)
        for a, b in zip(yes, no, strict=True)
    ]
