"""How markets move between rounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_market import _checks
from aigc_market._arrays import clip, convert, exp, namespace, redrawn
from aigc_market.distributions import Distribution
from aigc_market.ssim import SSIMModel

_MOST_DEVIATIONS = 4.0
"""Drifts are held within ± this many stationary standard deviations, so that δ has bounds."""
_MOST_DRIFT = 700.0
"""Of x; its exponential is a number."""
_NEVER = 2.0**24
"""Rounds; single precision counts no further."""


@dataclass
class State:
    """What moves may change: the markets in force in every lane of a batch (`lanes` may be ()).

    Moves put new arrays in place of these and never write into them: those of past rounds are
    still looked at. They are of NumPy, or tensors of a whole batch.
    """

    lanes: tuple[int, ...]
    """The batch axes."""
    satisfaction: Any
    """`(*lanes, K)` δ, before the factors of moves."""
    ssim: SSIMModel
    """The SSIM model; coefficients that are drawn are `(*lanes, 1)`."""
    capacity: Any
    """R, `(*lanes,)` where it is drawn."""
    law: Distribution | None
    """What δ is drawn from; None: it is fixed."""
    draw: Callable[[Any, Any], dict[str, Any]]
    """Of a generator and a mask of lanes: `satisfaction`, `ssim` and `capacity`, as far as they are
    drawn at a reset, with new draws in these lanes."""
    active: Any = None
    """`(*lanes, K)` bool; None: nobody comes or goes."""
    access_cost: Any = None
    """`(*lanes, M, K)` τ, where providers compete; None: there is one alone."""


class Move:
    """Changes markets between two rounds. Subclass it to make your own.

    Each episode plays a copy, which may keep what it likes in attributes. Random choices come from
    the generator given, which is for the moves of the episode alone: a `numpy.random.Generator`,
    or, for games on tensors, one that has its methods `random`, `uniform`, `standard_normal` and
    `standard_exponential`. There nothing may depend on a number's value but by arithmetic.
    """

    factor: Any = 1.0
    """What it multiplies δ by, `(*lanes, 1)` or a number: a new array after each change."""
    factor_bounds: tuple[float, float] = (1.0, 1.0)
    """What the factor never leaves: the bounds of observations depend on it."""
    sets_active: bool = False
    """Whether it sets `active`: VMUs come and go. Only where one provider is alone."""
    sets_access_cost: bool = False
    """Whether it sets `access_cost`. Only where providers compete."""
    most_access_cost: float = 0.0
    """What it adds to access costs at most: the bounds of observations depend on it."""
    places: Any = None
    """`(*lanes, K)` in [0, 1) where VMUs are on a ring road, for who draws them; None: nowhere."""

    def begin(self, state: State, rng: Any) -> None:
        """Prepare an episode, or change its first markets; nothing by default."""

    def advance(self, state: State, rng: Any) -> Any:
        """Change the markets for the next round.

        Returns:
            Which markets have changed, bool of shape `state.lanes`; None: maybe all.
        """
        raise NotImplementedError


@dataclass
class Drift(Move):
    """δ of all VMUs of a market drifts together: δ·eˣ, x ← persistence·x + step·z, from x = 0.

    z is standard normal. x is held within ±4 of its stationary standard deviations.

    Args:
        persistence: in [0, 1), the share of x that stays.
        step: > 0, the standard deviation of what comes to it; so small that 4 stationary standard
            deviations are 700 at most.
    """

    persistence: float = 0.98
    step: float = 0.1

    def __post_init__(self) -> None:
        _checks.number("persistence", self.persistence, at_least=0, below=1)
        stays = math.sqrt(1 - self.persistence**2)
        most = _MOST_DRIFT * stays / _MOST_DEVIATIONS
        _checks.number("step", self.step, above=0, at_most=most)
        self._most = _MOST_DEVIATIONS * self.step / stays
        self.factor_bounds = math.exp(-self._most), math.exp(self._most)

    def begin(self, state: State, rng: Any) -> None:
        """From x = 0."""
        self._x = 0.0 * state.satisfaction[..., :1]
        self.factor = 1.0

    def advance(self, state: State, rng: Any) -> None:
        """Every market changes."""
        x = self.persistence * self._x + self.step * rng.standard_normal(self._x.shape)
        self._x = clip(x, -self._most, self._most)
        self.factor = clip(exp(self._x), *self.factor_bounds)


@dataclass
class Shift(Move):
    """The whole market is drawn again: δ, α, β and R, as far as they are drawn at a reset.

    Args:
        probability: of a shift, in each round, in [0, 1].
    """

    probability: float = 0.03

    def __post_init__(self) -> None:
        _checks.number("probability", self.probability, at_least=0, at_most=1)

    def advance(self, state: State, rng: Any) -> Any:
        """Markets change where it happens."""
        changed = rng.random(state.lanes) < self.probability
        for name, value in state.draw(rng, changed).items():
            setattr(state, name, value)
        return changed


@dataclass
class Traffic(Move):
    """VMUs come and go: each of K slots is busy or free, and a free one buys nothing.

    A slot that is left stays free for a round at least, so that a change of its occupant shows. The
    δ of a newcomer is its own, drawn from the law of δ (as for a market of one VMU); a fixed δ
    stays with its slot.

    Args:
        busy: the share of slots that are busy at first.
        arrival: the probability that a free slot is taken, in each round.
        departure: the probability that a busy slot is left.
    """

    busy: float = 0.3
    arrival: float = 0.02
    departure: float = 0.05
    sets_active = True

    def __post_init__(self) -> None:
        for name in ("busy", "arrival", "departure"):
            _checks.number(name, getattr(self, name), at_least=0, at_most=1)

    def begin(self, state: State, rng: Any) -> None:
        """Fill a share of the slots."""
        shape = state.satisfaction.T.shape  # VMUs first, as the lanes are played
        self._active = rng.random(shape) < self.busy
        state.active = self._active.T
        # A wait with a constant chance of ending is geometric: drawn once, not asked every round.
        self._left = self._waits(self._active, self._active | True, rng, 0.0 * state.satisfaction.T)

    def advance(self, state: State, rng: Any) -> Any:
        """Markets change where somebody comes or goes."""
        self._left = self._left - 1
        due = self._left == 0
        self._active = self._active ^ due
        state.active = self._active.T
        if state.law is not None:
            law, comes = state.law, due & self._active
            state.satisfaction = redrawn(
                state.satisfaction.T, comes, lambda count, _: law.draw(rng, (count, 1))[:, 0]
            ).T
        self._left = self._waits(self._active, due, rng, self._left)
        return namespace(due).any(due, axis=0)

    def _waits(self, active: Any, where: Any, rng: Any, left: Any) -> Any:
        """Rounds until slots are left, or taken: those left before, drawn anew for some slots."""
        rates = _rate(self.arrival), _rate(self.departure)

        def draw(count: int, of: Callable[[Any], Any]) -> Any:
            rate = namespace(active).where(of(active), rates[1], rates[0])
            waits = rng.standard_exponential(count) / rate
            return clip(1.0 + namespace(waits).floor(waits), 1.0, _NEVER)

        return redrawn(left, where, draw)


@dataclass
class Road(Move):
    """Vehicles drive past M roadside units on a ring road of length 1: τ grows with the distance.

    Unit m stands at (m + ½)/M. A vehicle begins anywhere and drives on at a speed of its own, both
    drawn as an episode begins. Its τ is that of the market plus the rate times the distance.

    Args:
        rate: > 0, what a distance of 1 costs a request; the way round is ½ at most.
        slowest: > 0, the least share of the road that a vehicle drives in a round.
        fastest: ≥ slowest, the most.
    """

    rate: float = 300.0
    slowest: float = 0.01
    fastest: float = 0.03
    sets_access_cost = True

    def __post_init__(self) -> None:
        _checks.number("rate", self.rate, above=0)
        _checks.number("slowest", self.slowest, above=0)
        if _checks.number("fastest", self.fastest, above=0) < self.slowest:
            raise ValueError(
                f"fastest must be at least slowest = {self.slowest!r}, got {self.fastest!r}"
            )
        self.most_access_cost = 0.5 * self.rate

    def begin(self, state: State, rng: Any) -> None:
        """Put the vehicles on the road."""
        assert state.access_cost is not None  # settings refuse this move where one is alone
        *lanes, M, K = state.access_cost.shape
        shape = K, *lanes  # VMUs first, as the lanes are played
        xp = namespace(state.access_cost)
        self._first = xp.moveaxis(state.access_cost, (-2, -1), (0, 1))
        stand = ((np.arange(M) + 0.5) / M).reshape(M, *[1] * len(shape))
        self._stand = convert(stand, self._first)
        self._places = rng.random(shape)
        self._speed = rng.uniform(self.slowest, self.fastest, shape)
        self._arrive(state)

    def advance(self, state: State, rng: Any) -> None:
        """Every vehicle drives on."""
        self._places = (self._places + self._speed) % 1.0
        self._arrive(state)

    def _arrive(self, state: State) -> None:
        self.places = self._places.T
        xp = namespace(self._places)
        way = abs(self._places - self._stand)
        cost = self._first + self.rate * xp.minimum(way, 1.0 - way)
        state.access_cost = xp.moveaxis(cost, (0, 1), (-2, -1))


def _rate(probability: float) -> float:
    """Of the exponential waits whose whole parts are geometric, with this chance of ending."""
    return max(-math.log1p(-probability), 1e-300) if probability < 1 else math.inf
