"""What is best in a market, by which every view measures play: solved when it is asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from aigc_market._arrays import is_tensor


class Solved:
    """The solution of a market in play, found when it is first asked for.

    Of a batch only those lanes are solved that have changed since the last solution known.

    Args:
        solve: what solves a market or a batch: a dataclass of numbers or arrays.
        market: the one in play.
    """

    def __init__(self, solve: Callable[[Any], Any], market: Any) -> None:
        self._solve, self.market = solve, market
        self._solution: Any = None
        self._before: Any = None  # a Solved
        self._known: Any = None
        self._changed: Any = True

    def __call__(self) -> Any:
        """The solution."""
        if self._solution is None:
            self._look_back()
            self._solution, self._known = self._find(), None
        return self._solution

    def followed_by(self, market: Any, changed: Any) -> Solved:
        """What stands in the next round, when these lanes have changed."""
        # On a device one would wait to know which lanes: all are solved.
        if changed is True or is_tensor(changed):
            return Solved(self._solve, market)
        self._look_back()  # and forget what was before, or a whole episode would be kept
        after = Solved(self._solve, market)
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

    def _find(self) -> Any:
        known, where = self._known, self._changed
        if known is None or np.all(where):
            return self._solve(self.market)
        if not np.any(where):
            return known
        return _merge(known, self._solve(self.market.lanes(where)), where)


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


class MarketOracle:
    """What is best in a market, of what a solver says, asked for when that is first needed.

    Args:
        market: one market or a batch.
        solved: its solution, which has an `asp_utility`.
    """

    def __init__(self, market: Any, solved: Solved) -> None:
        self.market, self._solved = market, solved

    def followed_by(self, market: Any, changed: Any) -> Any:
        """What stands in the next round, when these lanes have changed."""
        return type(self)(market, self._solved.followed_by(market, changed))

    @property
    def utility(self) -> Any:
        """(…) the most that the leader can earn."""
        return self._solved().asp_utility
