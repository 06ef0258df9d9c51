"""What the leader knows after each round: what it saw, and what the filter makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from baselines.methods.filter.demand_filter import DemandFilter


class InformationState(NamedTuple):
    """All that the leader knows after a round; leading axes (B,) or (B, T)."""

    price: Tensor
    """(…) of the round."""
    steps: Tensor
    """(…, K) asked for in it."""
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
    capacity: Tensor
    """(…) steps that can be run in the round to come; infinite where there is no limit."""
    own: Tensor
    """(…, K, OWN) the filter's features of each VMU; (…, K, 0) without a filter."""
    market: Tensor
    """(…, MARKET) the filter's features of the market; (…, 0) without a filter."""
    best_logit: Tensor
    """(…) the price that is best in expectation, see `demand_filter.Summary`; the middle of the
    prices, 0, without a filter."""

    def map(self, function: Callable[[Tensor], Tensor]) -> InformationState:
        """The same with a function applied to each tensor."""
        return InformationState(*(function(part) for part in self))


class Tracker:
    """Keeps the information state of a batch of episodes.

    Args:
        active: (B, K) 1 for the VMUs that will answer the first price.
        price: what stands in place of the price before the first.
        demand_filter: the filter; None: raw rounds are all that is known.
        capacity: (B,) steps that can be run in the first round; None: there is no limit.
    """

    def __init__(
        self,
        active: Tensor,
        price: float,
        demand_filter: DemandFilter | None = None,
        capacity: Tensor | None = None,
    ) -> None:
        self._filter = demand_filter
        self._filtered = None if demand_filter is None else demand_filter.begin(active)
        nothing, none = torch.zeros_like(active), active.new_zeros(len(active))
        facts = none + price, nothing, nothing, active, nothing, nothing, none
        self.state = InformationState(*facts, *self._coming(active, capacity))

    def observe(
        self, price: Tensor, steps: Tensor, active: Tensor, capacity: Tensor | None = None
    ) -> InformationState:
        """Take in a round.

        Args:
            price: (B,).
            steps: (B, K) asked for.
            active: (B, K) 1 for the VMUs that will answer the next price.
            capacity: (B,) steps that can be run in the round to come; None: there is no limit.
        """
        last, present = self.state, self.state.active
        if self._filter is not None and self._filtered is not None:
            self._filtered, _ = self._filter.observe(self._filtered, price, steps, present, active)
        self.state = InformationState(
            price,
            steps,
            present,
            active,
            (last.age + 1) * present,
            last.visit + 1 - present,
            last.round + 1,
            *self._coming(active, capacity),
        )
        return self.state

    def _coming(
        self, active: Tensor, capacity: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What is known of the round to come: the last four fields of an information state."""
        limit = active.new_full((len(active),), torch.inf) if capacity is None else capacity
        if self._filter is None or self._filtered is None:
            nothing = active.new_zeros(*active.shape, 0)
            return limit, nothing, nothing[:, 0], torch.zeros_like(limit)
        own, market, best_logit = self._filter.summary(self._filtered, active, capacity)
        return limit, own, market, best_logit


def over_rounds(states: list[InformationState]) -> InformationState:
    """The states (B, …) of successive rounds as one, (B, T, …)."""
    return InformationState(*(torch.stack(parts, dim=1) for parts in zip(*states, strict=True)))
