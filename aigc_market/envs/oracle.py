"""What is best in a market, by which every view measures play."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import numpy as np

from aigc_market._arrays import is_tensor, larger, ndim
from aigc_market.equilibrium import Equilibrium, solve
from aigc_market.game import Settlement
from aigc_market.market import Market


class BaseOracle:
    """What is best in a market, solved when it is first asked for. A game says what that is.

    Of a batch only those lanes are solved that have changed since the last solution known.
    """

    def __init__(self, market: Any) -> None:
        self.market = market
        self._solution: Any = None
        self._before: Any = None  # an oracle of this class
        self._known: Any = None
        self._changed: Any = True

    @property
    def solution(self) -> Any:
        """A dataclass of numbers or arrays, one for each market."""
        if self._solution is None:
            self._look_back()
            self._solution = self._solve()
            self._known = None
        return self._solution

    def solve(self, market: Any) -> Any:
        """The solution of a market, or of a batch."""
        raise NotImplementedError

    def followed_by(self, market: Any, changed: Any) -> Self:
        """What stands in the next round, when these lanes have changed."""
        self._look_back()  # and forget what was before, or a whole episode would be kept
        after = type(self)(market)
        after._before, after._changed = self, changed
        return after

    def _look_back(self) -> None:
        """Find the last solution known, and which lanes have changed since."""
        before, self._before = self._before, None
        if before is None:
            return
        if before._solution is not None:
            self._known = before._solution
        else:
            self._known, self._changed = before._known, before._changed | self._changed

    def _solve(self) -> Any:
        known, where = self._known, self._changed
        # On a device one would wait to know which lanes: all are solved.
        if known is None or where is True or is_tensor(where) or np.all(where):
            return self.solve(self.market)
        if not np.any(where):
            return known
        return _merge(known, self.solve(self.market.lanes(where)), where)


class Oracle(BaseOracle):
    """What is best in a market, by which every view measures play."""

    def __init__(self, market: Market) -> None:
        super().__init__(market)
        self._plain: Any = None

    def solve(self, market: Market) -> Equilibrium:
        """The exact equilibrium."""
        return solve(market)

    @property
    def equilibrium(self) -> Equilibrium:
        """The exact equilibrium of `market`."""
        return self.solution

    @property
    def price(self) -> Any:
        """p* of each market; a float where there is one of NumPy."""
        return (self._plain or self._find())[0]

    @property
    def utility(self) -> Any:
        """U_p* of each market; a float where there is one of NumPy."""
        return (self._plain or self._find())[1]

    def _find(self) -> tuple[Any, Any]:
        # Kept by hand: compilers do not follow the lock of a cached property.
        best = self.equilibrium
        self._plain = _plain(best.price), _plain(best.asp_utility)
        return self._plain

    def regret(self, rational: Settlement) -> Any:
        """What a price costs the leader against rational followers; never negative.

        Args:
            rational: the round that they make of the price.
        """
        return larger(self.utility - rational.asp_utility, 0.0)


def _plain(value: Any) -> Any:
    return value if ndim(value) or is_tensor(value) else float(value)


def _merge(known: Any, found: Any, where: np.ndarray) -> Any:
    """What is known, with what was found in some lanes."""
    if dataclasses.is_dataclass(known):
        names = [field.name for field in dataclasses.fields(known)]
        return type(known)(  # pyright: ignore[reportCallIssue]
            **{n: _merge(getattr(known, n), getattr(found, n), where) for n in names}
        )
    if isinstance(known, tuple):
        return type(known)(*(_merge(a, b, where) for a, b in zip(known, found, strict=True)))
    merged = known.copy()
    merged[where] = found
    return merged
