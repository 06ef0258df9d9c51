"""What the leader knows after each round: what it saw, and what the filter makes of it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from baselines.methods.filter.demand_filter import DemandFilter


class InformationState(NamedTuple):
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
    """(…, K, OWN) the filter's features of each VMU."""
    market: Tensor
    """(…, MARKET) the filter's features of the market."""
    best_logit: Tensor
    """(…) the price that is best in expectation, see `demand_filter.Summary`."""


class Tracker:
    """Keeps the information state of a batch of episodes.

    Args:
        active: (B, K) 1 for the VMUs that will answer the first price.
        price: what stands in place of the price before the first.
        demand_filter: the filter.
    """

    def __init__(self, active: Tensor, price: float, demand_filter: DemandFilter) -> None:
        self._filter = demand_filter
        self._filtered = demand_filter.begin(active)
        nothing, none = torch.zeros_like(active), active.new_zeros(len(active))
        facts = none + price, nothing, nothing, active, nothing, nothing, none
        self.state = InformationState(*facts, *demand_filter.summary(self._filtered, active))

    def observe(self, price: Tensor, steps: Tensor, active: Tensor) -> InformationState:
        """Take in a round.

        Args:
            price: (B,).
            steps: (B, K).
            active: (B, K) 1 for the VMUs that will answer the next price.
        """
        last, present = self.state, self.state.active
        self._filtered, _ = self._filter.observe(self._filtered, price, steps, present, active)
        self.state = InformationState(
            price,
            steps,
            present,
            active,
            (last.age + 1) * present,
            last.visit + 1 - present,
            last.round + 1,
            *self._filter.summary(self._filtered, active),
        )
        return self.state


def over_rounds(states: list[InformationState]) -> InformationState:
    """The states (B, …) of successive rounds as one, (B, T, …)."""
    return InformationState(*(torch.stack(parts, dim=1) for parts in zip(*states, strict=True)))
