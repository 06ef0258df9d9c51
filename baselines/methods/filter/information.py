"""What the leader knows before each price: what it saw, and what the filter makes of it."""

from __future__ import annotations

from typing import NamedTuple

from aigc_market._arrays import namespace
from baselines.methods.filter.arrays import Array, detached
from baselines.methods.filter.demand_filter import MARKET, OWN, DemandFilter

OWN_INPUTS, MARKET_INPUTS = 4 + OWN, 5 + MARKET
"""Numbers that the network sees of each VMU and of the market, the filter's own last."""


class Information(NamedTuple):
    """What is known before a price, in units of about 1; leading axes (…) are episodes."""

    own: Array
    """(…, K, OWN_INPUTS) of each VMU: what it bought, whether it was there and will be, how long,
    and the filter's features."""
    market: Array
    """(…, MARKET_INPUTS) of the market: the last price, how many will answer, of what all could ask
    for the share that can be run, mean purchase, share of slots taken, and the filter's features.
    """
    active: Array
    """(…, K) 1 for the VMUs that will answer."""
    best_logit: Array
    """(…) the price that is best in expectation, see `demand_filter.Summary`."""
    round: Array
    """(…) rounds played."""

    def flat(self) -> Array:
        """All in one row, (…, K·(OWN_INPUTS + 1) + MARKET_INPUTS + 2)."""
        own = self.own.reshape(*self.market.shape[:-1], -1)
        facts = own, self.market, self.active, self.best_logit[..., None], self.round[..., None]
        return namespace(own).concat(facts, axis=-1)

    @classmethod
    def of_flat(cls, row: Array) -> Information:
        """What `flat` gave."""
        K = (row.shape[-1] - MARKET_INPUTS - 2) // (OWN_INPUTS + 1)
        end = K * OWN_INPUTS
        own = row[..., :end].reshape(*row.shape[:-1], K, OWN_INPUTS)
        market, active = row[..., end : end + MARKET_INPUTS], row[..., end + MARKET_INPUTS : -2]
        return cls(own, market, active, row[..., -2], row[..., -1])


class Tracker:
    """Keeps what is known in B episodes; arrays are of the filter's library and precision.

    Args:
        demand_filter: the filter.
        active: (B, K) 1 for the VMUs that will answer the first price.
        capacity: (B,) steps that can be run in the first round; None: there is no limit.
    """

    def __init__(
        self, demand_filter: DemandFilter, active: Array, capacity: Array | None = None
    ) -> None:
        self._filter, self._xp = demand_filter, namespace(active)
        public, (B, K) = demand_filter.public, active.shape
        self.price_unit = public.max_price / 2
        """Money per step that counts as 1."""
        self.steps_unit = public.max_steps / 2.5
        """Steps that count as 1."""
        # Gradients want whole batches. NumPy takes 128 VMUs at a time, whose tables fit the cache.
        size = B if hasattr(active, "requires_grad") else max(1, 128 // K)
        self._parts = [slice(i, i + size) for i in range(0, B, size)]
        self._states = [demand_filter.begin(active[part]) for part in self._parts]
        nothing = self._xp.zeros_like(active)
        self._age, self._active, self._round = nothing, active, nothing[:, 0]
        price = nothing[:, 0] + public.cost  # stands in place of the price before the first
        self.known = self._information(price, nothing, nothing, active, capacity)

    def observe(
        self, price: Array, steps: Array, active: Array, capacity: Array | None = None
    ) -> None:
        """Take in a round: `known` is then what is known now.

        Args:
            price: (B,).
            steps: (B, K) asked for.
            active: (B, K) 1 for the VMUs that will answer the next price.
            capacity: (B,) steps that can be run in the round to come; None: there is no limit.
        """
        present = self._active
        seen = price, steps, present, active
        for i, (part, state) in enumerate(zip(self._parts, self._states, strict=True)):
            self._states[i], _ = self._filter.observe(state, *(fact[part] for fact in seen))
        self._age, self._active = (self._age + 1) * present, active
        self._round = self._round + 1
        self.known = self._information(price, steps, present, active, capacity)

    def _information(
        self, price: Array, steps: Array, present: Array, active: Array, capacity: Array | None
    ) -> Information:
        xp = self._xp
        summaries = [
            self._filter.summary(state, active[part], None if capacity is None else capacity[part])
            for part, state in zip(self._parts, self._states, strict=True)
        ]
        own, market, best_logit = (xp.concat(parts) for parts in zip(*summaries, strict=True))
        steps = steps / self.steps_unit
        count = active.sum(-1).clip(1)
        room = xp.ones_like(count)
        if capacity is not None:
            room = (capacity / (self._filter.public.max_steps * count)).clip(None, 1)
        of_each = xp.stack([steps, present, active, xp.log1p(self._age) / 3], axis=-1)
        of_all = [
            price / self.price_unit,
            xp.log1p(count.clip(None, 8.0)),  # larger markets are nothing new
            room,
            steps.mean(-1),
            present.mean(-1),
        ]
        own = xp.concat([of_each, own], axis=-1)
        market = xp.concat([xp.stack(of_all, axis=-1), market], axis=-1)
        # Gradients reach past rounds by the best price alone: through the rest they are wild.
        return Information(detached(own), detached(market), active, best_logit, self._round)
