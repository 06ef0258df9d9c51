"""The markets of an episode: drawn at its start, moved between its rounds."""

from __future__ import annotations

import copy
import dataclasses
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from aigc_market import _checks
from aigc_market._arrays import as_numpy, broadcast, is_array, namespace, ndim
from aigc_market.moves import State


class MarketProcess:
    """The market in force, round by round, of one game or of a batch of lanes side by side.

    Args:
        settings: what the environment was made with.
        rng: where the first market is drawn from: a `numpy.random.Generator`; and, only where the
            scenario moves, the seed of a generator for the moves, so that they disturb nobody's
            draws nor are disturbed. Or what draws tensors, moves included: markets are then
            tensors, which nothing is asked of that one would have to wait for between rounds.
        options: of `reset`; parameters of the market for this episode. Moves go on from them: a
            `satisfaction` is where a drift begins, and is lost to a VMU that leaves or where the
            market is drawn again; all others hold to the end.
        lanes: batch axes, () for one game.
        other_options: names that the caller reads itself.

    Raises:
        TypeError, ValueError: an option with a bad value, or one that would leave the spaces.
    """

    def __init__(
        self,
        settings: Any,
        rng: Any,
        options: dict[str, Any] | None = None,
        lanes: tuple[int, ...] = (),
        other_options: tuple[str, ...] = (),
    ) -> None:
        given = {}
        options = {} if options is None else options
        for name, value in _checks.instance("options", options, Mapping, "a dict").items():
            if name in settings.options:
                given[name] = value
            elif name not in other_options:
                warnings.warn(
                    f"reset option {name!r} is unknown and ignored; "
                    f"allowed: {', '.join((*settings.options, *other_options))}",
                    stacklevel=_levels_out(),  # whoever calls `reset`
                )
        self._settings, self._lanes = settings, lanes
        self._draws_capacity = settings.capacity is not None and "capacity" not in given
        self._base = self._draw_first(rng, given)
        fixed = self._base is settings.market
        self._now: Any = settings.oracle if fixed else settings.oracle_of(self._base)
        self._moves = tuple(copy.copy(move) for move in settings.scenario.moves)
        if self._moves:
            self._begin_moves(rng)

    @property
    def market(self) -> Any:
        """The market in force: `(*lanes, K)` δ and so on; never written into."""
        return self._now.market

    @property
    def oracle(self) -> Any:
        """What is best in the market in force; it stays so when the process advances."""
        return self._now

    @property
    def places(self) -> Any:
        """`(*lanes, K)` in [0, 1) where VMUs are on a ring road, for who draws them, or None."""
        return next((move.places for move in self._moves if move.places is not None), None)

    def advance(self) -> None:
        """Move to the market of the next round."""
        if not self._moves:
            return
        changed: Any = False
        for move in self._moves:
            lanes = move.advance(self._state, self._rng)
            changed = changed | (True if lanes is None else lanes)
        self._now = self._now.followed_by(self._moved(), changed)

    def _draw_first(self, rng: Any, given: dict[str, Any]) -> Any:
        """The market to begin with, checked: what is given, and drawn what is not."""
        settings = self._settings
        parameters = {**settings.draw(rng, self._lanes, without=given), **given}
        first = settings.market
        if any(_ndim(v) > self._own_axes(name) for name, v in parameters.items()):
            first = first.for_batch()
        if not parameters and not self._draws_capacity:
            return self._in_library(first, rng)
        if not given:  # what laws draw is known to be good
            if "ssim" in parameters:
                drawn = parameters["ssim"]
                parameters["ssim"] = first.map_models(lambda _: drawn)
            return self._with_capacity(self._in_library(first.replace(**parameters), rng), rng)
        market = self._in_library(dataclasses.replace(first, **parameters), rng)
        if market.batch_shape not in ((), self._lanes):
            raise ValueError(
                f"reset options must have batch axes {self._lanes} or none, "
                f"got {market.batch_shape}"
            )
        settings.check_episode(market)
        return self._with_capacity(market, rng)

    def _in_library(self, market: Any, rng: Any) -> Any:
        return market if isinstance(rng, np.random.Generator) else market.like(rng.random(()))

    def _with_capacity(self, market: Any, rng: Any) -> Any:
        law = self._settings.capacity
        if law is None or not self._draws_capacity:
            return market
        if self._lanes:
            market = market.for_batch()
        return market.replace(capacity=law.draw(rng, market, self._lanes))

    def _begin_moves(self, rng: Any) -> None:
        of_numpy = isinstance(rng, np.random.Generator)
        self._rng = np.random.default_rng(rng.integers(2**63)) if of_numpy else rng
        if self._lanes:
            self._base = self._base.for_batch()
        first, lanes = self._base, self._lanes
        cost: Any = None
        if "access_cost" in first.MOVED:
            shape = (*lanes, *first.axes("access_cost"))
            cost = namespace(first.access_cost).broadcast_to(first.access_cost, shape)
        self._state = State(
            lanes=lanes,
            # VMUs first in memory, as the lanes are played.
            satisfaction=broadcast(first.satisfaction, (*lanes, first.K)),
            law=self._settings.satisfaction,
            draw=self._draw_again,
            ssim=first.models[0],
            capacity=first.capacity,
            access_cost=cost,
        )
        for move in self._moves:
            move.begin(self._state, self._rng)
        self._now = self._settings.oracle_of(self._moved())

    def _draw_again(self, rng: Any, changed: Any) -> dict[str, Any]:
        """δ, SSIM model and R, as far as they are drawn, with new draws in these lanes."""
        settings, state, base = self._settings, self._state, self._base
        where: Any = None  # on a device one would wait to know which lanes: all are drawn
        count = self._lanes
        if isinstance(rng, np.random.Generator):
            where = np.flatnonzero(changed)
            count = (len(where),)
            if not len(where):
                return {}
        drawn = settings.draw(rng, count)
        if settings.capacity is not None and self._draws_capacity:
            if where is not None and self._lanes:
                base = base.lanes(where)
            market = base.replace(**drawn)
            drawn["capacity"] = settings.capacity.draw(rng, market, count)

        def put(old: Any, new: Any) -> Any:
            if ndim(new) == 0:  # the same in all lanes
                return old
            if where is None:
                mask = changed[(..., *[None] * (new.ndim - changed.ndim))]
                return namespace(new).where(mask, new, old)
            if not self._lanes:
                return new[0]
            copy = old.copy(order="K")
            copy[where] = new
            return copy

        if "ssim" in drawn:
            new = iter(drawn["ssim"].parameters)
            drawn["ssim"] = state.ssim.map(lambda old: put(old, next(new)))
        return {
            name: value if name == "ssim" else put(getattr(state, name), value)
            for name, value in drawn.items()
        }

    def _moved(self) -> Any:
        """The market that the moves have made."""
        state, settings = self._state, self._settings
        satisfaction = state.satisfaction
        for move in self._moves:
            if ndim(move.factor) or move.factor != 1:
                satisfaction = satisfaction * move.factor
        if isinstance(satisfaction, np.ndarray):
            settings.check_moved(satisfaction, state)
        moved = {name: getattr(state, name) for name in self._base.MOVED}
        if state.ssim is not self._base.models[0]:
            moved["ssim"] = self._base.map_models(lambda _: state.ssim)
        return self._base.replace(satisfaction=satisfaction, **moved)

    def _own_axes(self, name: str) -> int:
        return 1 if name == "ssim" else len(self._settings.market.axes(name))


def _ndim(value: Any) -> int:
    """How many axes an option has that is a number, a sequence or an array."""
    return value.ndim if is_array(value) else as_numpy(value).ndim


def _levels_out() -> int:
    """How many calls lie between the caller of this function and code outside the package."""
    # Whoever plays games on tensors calls them through TorchRL.
    package, levels = (__name__.partition(".")[0] + ".", "torchrl.", "tensordict."), 1
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(package):
        frame, levels = frame.f_back, levels + 1
    return levels
