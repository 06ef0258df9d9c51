"""The best that the leader can do in a market: what every view measures it by."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

import numpy as np

from aigc_market._arrays import larger
from aigc_market.equilibrium import Binding, Equilibrium, solve
from aigc_market.game import Settlement
from aigc_market.market import Market


class Oracle:
    """A market's best price and what it earns, solved when they are first asked for.

    Of a batch only those lanes are solved that have changed since the last equilibrium known.
    """

    def __init__(self, market: Market, equilibrium: Equilibrium | None = None) -> None:
        self.market = market
        self._equilibrium = equilibrium
        self._before: Oracle | None = None
        self._known: Equilibrium | None = None
        self._changed: Any = True

    @property
    def equilibrium(self) -> Equilibrium:
        """The exact equilibrium of `market`."""
        if self._equilibrium is None:
            self._look_back()
            self._equilibrium = self._solve()
            self._known = None
        return self._equilibrium

    @cached_property
    def price(self) -> Any:
        """p* of each market; a float where there is one."""
        return _plain(self.equilibrium.price)

    @cached_property
    def utility(self) -> Any:
        """U_p* of each market; a float where there is one."""
        return _plain(self.equilibrium.asp_utility)

    def regret(self, rational: Settlement) -> Any:
        """What a price costs the leader against rational followers; never negative.

        Args:
            rational: the round that they make of the price.
        """
        return larger(self.utility - rational.asp_utility, 0.0)

    def followed_by(self, market: Market, changed: Any) -> Oracle:
        """What stands in the next round, when these lanes have changed."""
        self._look_back()  # and forget what was before, or a whole episode would be kept
        after = Oracle(market)
        after._before, after._changed = self, changed
        return after

    def _look_back(self) -> None:
        """Find the last equilibrium known, and which lanes have changed since."""
        before, self._before = self._before, None
        if before is None:
            return
        if before._equilibrium is not None:
            self._known = before._equilibrium
        else:
            self._known, self._changed = before._known, before._changed | self._changed

    def _solve(self) -> Equilibrium:
        known, where = self._known, self._changed
        if known is None or np.all(where):
            return solve(self.market)
        if not np.any(where):
            return known
        found = solve(self.market.lanes(where))
        merged = {
            field.name: _merge(getattr(known, field.name), getattr(found, field.name), where)
            for field in dataclasses.fields(Equilibrium)
        }
        return Equilibrium(**merged)


def _plain(value: Any) -> Any:
    return value if np.ndim(value) else float(value)


def _merge(known: Any, found: Any, where: np.ndarray) -> Any:
    if isinstance(known, Binding):
        return Binding(*(_merge(a, b, where) for a, b in zip(known, found, strict=True)))
    merged = known.copy()
    merged[where] = found
    return merged
