"""Bayes filter of markets with a hidden capacity R, by particles.

Where the followers ask for more than R, each is delivered the same share of what it asked for, and
the total delivered is R, exactly. So the largest total of an episode is either R or just a total
of purchases; once it comes again, to the digit, it is R. Smaller totals were not rationed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from baselines.arena.protocol import PublicParameters
from baselines.methods.bayes.interface import Observation
from baselines.methods.bayes.law import MarketLaw, Quantiles
from baselines.methods.bayes.particles import (
    LOOKED_AT,
    ParticleFilter,
    ParticlesBelief,
    log_or_impossible,
    normalized,
    resample,
)
from baselines.methods.bayes.purchases import likelihood

_SAME = 1e-5
"""Relative difference of numbers that are the same: purchases come in single precision."""
_NODES = 12
"""How many ratios of asked to delivered are tried, besides those that meet a bound."""
_PRICES = 96
"""Prices tried for a particle's equilibrium."""
_TINY = np.float32(1e-37)
_LITTLE = np.float32(1e-6)
"""Steps: the least free demand, which is divided by."""


class RationedFilter(ParticleFilter):
    """The posterior of N lanes; everybody is always there. Arguments as for `ParticleFilter`.

    Given a particle, R is max(share·D, K·min_steps), where D is its demand at its equilibrium
    without a capacity.
    """

    def __init__(
        self, law: MarketLaw, public: PublicParameters, lanes: int, particles: int, seed: int
    ) -> None:
        if law.share is None:
            raise ValueError("law must have a share: a capacity that is drawn")
        self._share = _Share(law.share)
        self._least = public.K * public.min_steps
        self._free = np.empty((lanes, particles), "f4")
        self._most = np.zeros(lanes)  # the largest total so far
        self._known = np.zeros(lanes, bool)  # whether it is R
        self._open = np.zeros(lanes, bool)  # whether it may be: its round is not in the weights yet
        self._price, self._steps = np.zeros(lanes), np.zeros((lanes, public.K))  # of its round
        super().__init__(law, public, lanes, particles, seed)

    def begin(self) -> None:
        """Draw from the prior."""
        self._known[:] = self._open[:] = False
        super().begin()
        self._most[:] = 0.0

    def observe(
        self, lanes: np.ndarray, seen: Observation | None, active: np.ndarray
    ) -> ParticlesBelief:
        """Take in a round of some lanes (n,), or None before the first."""
        if seen is not None:
            self._take_in(lanes, seen)
            self._renew(lanes)
        log_weight, rationed = self._hypotheses(lanes)
        kept = resample(normalized(log_weight), LOOKED_AT, self._rng)
        return self._with_capacity(lanes, kept, np.take_along_axis(rationed, kept, axis=1))

    def _take_in(self, lanes: np.ndarray, seen: Observation) -> None:
        """Weigh the particles by the rounds of which it is settled whether they were rationed."""
        total = seen.steps.sum(axis=1)
        low, high = self._public.min_steps, self._public.max_steps
        # Purchases that are all at a bound are as they were asked for.
        free = np.all(_same(seen.steps, low) | _same(seen.steps, high), axis=1)
        known, most = self._known[lanes], self._most[lanes]
        at_least = ~known & ~free & (total <= self._least * (1 + _SAME))
        again = ~known & ~free & self._open[lanes] & _same(total, most)
        largest = ~known & ~at_least & ~again & (total > most)
        # A larger total settles that the largest one before was none of R.
        was_free = lanes[largest & self._open[lanes]]
        self._weigh(was_free, self._price[was_free], self._steps[was_free], self._log_likelihood)
        self._most[lanes[at_least]] = self._least
        self._known[lanes[at_least | again]] = True
        for found in (lanes[at_least], lanes[again]):
            self._log_weight[found] += self._log_law(found)
        before = lanes[again]  # the same total, and that was R too
        self._weigh(before, self._price[before], self._steps[before], self._log_rationed)
        put = lanes[largest]
        self._most[put], self._price[put] = total[largest], seen.price[largest]
        self._steps[put], self._open[put] = seen.steps[largest], ~free[largest]
        cut = at_least | again | (known & ~free & _same(total, most))
        plain = ~cut & (~largest | free)
        self._weigh(lanes[cut], seen.price[cut], seen.steps[cut], self._log_rationed)
        self._weigh(lanes[plain], seen.price[plain], seen.steps[plain], self._log_likelihood)
        self._open[lanes[cut]] = False

    def _hypotheses(self, lanes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log-weights (n, P) by all that is known, and the probability that R is the largest total.

        Nothing more is known where R is. Elsewhere R may lie above the largest total; or it is the
        largest total, where that is open.
        """
        log_weight = self._log_weight[lanes].copy()
        rationed = np.repeat(self._known[lanes][:, None], log_weight.shape[1], axis=1).astype("f4")
        hidden = ~self._known[lanes]
        of = lanes[hidden]
        below = self._share.below(self._most[of][:, None] / self._free[of])
        above = np.log(np.maximum(1 - below, _TINY))
        is_most = np.full(above.shape, -np.inf)
        still = self._open[of]
        rows = of[still]
        price, steps = self._price[rows], self._steps[rows]
        above[still] += self._log_likelihood(rows, price, steps)
        is_most[still] = self._log_rationed(rows, price, steps) + self._log_law(rows)
        both = np.logaddexp(above, is_most)
        log_weight[hidden] += both
        rationed[hidden] = np.exp(is_most - both)
        return log_weight, rationed

    def _with_capacity(
        self, lanes: np.ndarray, kept: np.ndarray, rationed: np.ndarray
    ) -> ParticlesBelief:
        """Particles (n, M) with a capacity drawn for each, given the chance that it is known."""
        belief = self._belief(lanes, kept)
        free = np.take_along_axis(self._free[lanes], kept, axis=1)
        most = self._most[lanes][:, None]
        below = self._share.below(most / free)
        above = free * self._share.at(below + (1 - below) * self._rng.random(below.shape))
        is_most = self._rng.random(below.shape) < rationed
        capacity = np.maximum(np.where(is_most, most, np.maximum(above, most)), self._least)
        return ParticlesBelief(belief.public, belief.intercept, belief.slope, capacity.astype("f4"))

    def _draw(self, lanes: np.ndarray) -> None:
        """Particles of the prior; where R is known, weighed by it."""
        super()._draw(lanes)
        known = lanes[self._known[lanes]]
        self._log_weight[known] += self._log_law(known)

    def _log_law(self, lanes: np.ndarray) -> np.ndarray:
        """(n, P) log-density of R at the largest total; where that is K·min_steps, its chance."""
        free, total = self._free[lanes], self._most[lanes][:, None]
        least = self._share.below(self._least / free)
        density = self._share.density(total / free) / free
        at_least = total <= self._least * (1 + _SAME)
        return np.log(np.maximum(np.where(at_least, least, density), _TINY))

    def _log_rationed(self, lanes: np.ndarray, price: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """(n, P) log-likelihood of deliveries (n, K) that a capacity R = Σ steps has cut.

        They asked for g·steps with some g ≥ 1, and those who were delivered nothing for nothing. A
        change of variables from what the M others asked and R to what they were delivered and g
        gives R·∫ gᴹ⁻¹ Π_k f(g·steps_k) dg; where g·steps_k is a bound, which has a probability, the
        integral over g leaves 1/steps_k of that.
        """
        low, high = self._public.min_steps, self._public.max_steps
        demand = self._demand(lanes, price)
        M = np.count_nonzero(steps, axis=1)
        most = high / steps.max(axis=1)  # of g
        width = np.log(np.maximum(most, 1.0)) / _NODES
        ratios = [(np.exp((i + 0.5) * width), lambda g: width * g**M) for i in range(_NODES)]
        for each in steps.T:
            apart = np.where(each > 0, each, np.inf)  # nothing is asked for at no ratio but itself
            for bound in (low, high):
                ratios.append((bound / apart, lambda g, apart=apart: g ** (M - 1) / apart))
        integral = np.zeros(demand.shape[:2])
        for ratio, weight in ratios:
            asked = ratio[:, None] * steps
            possible = (ratio >= 1) & (asked >= low * (1 - _SAME)).all(axis=1)
            possible &= (asked <= high * (1 + _SAME)).all(axis=1)
            if not possible.any():
                continue
            term = np.where(possible, weight(np.maximum(ratio, 1)), 0.0)[:, None]
            for k in range(self._public.K):
                term = term * likelihood(
                    asked[:, k].astype("f4"), demand[..., k], self._public, self._law.sigma
                )
            integral += term
        return log_or_impossible(integral * steps.sum(axis=1)[:, None])

    def _place(self, lanes: np.ndarray, scores: np.ndarray) -> None:
        """Put particles where their scores say."""
        super()._place(lanes, scores)
        best, free = np.full((2, *scores.shape[:2]), -1.0, "f4")
        for price in np.linspace(self._public.cost, self._public.max_price, _PRICES, dtype="f4"):
            demand = self._public.demand(
                self._intercept[lanes][..., None], self._slope[lanes], price
            ).sum(axis=2)
            earned = (price - np.float32(self._public.cost)) * demand
            better = earned > best
            free = np.where(better, demand, free)
            best = np.where(better, earned, best)
        self._free[lanes] = np.maximum(free, _LITTLE)


class _Share:
    """The law of the share of free demand, as a table."""

    def __init__(self, quantiles: Quantiles) -> None:
        self._chance = np.linspace(0, 1, 257)
        self._values = quantiles(self._chance)

    def at(self, chance: np.ndarray) -> np.ndarray:
        return np.interp(chance, self._chance, self._values)

    def below(self, value: np.ndarray) -> np.ndarray:
        return np.interp(value, self._values, self._chance)

    def density(self, value: np.ndarray) -> np.ndarray:
        width = np.diff(self._values)
        cell = np.clip(np.searchsorted(self._values, value) - 1, 0, len(width) - 1)
        inside = (value >= self._values[0]) & (value <= self._values[-1])
        return np.where(inside, np.diff(self._chance)[cell] / np.maximum(width[cell], 1e-12), 0.0)


def _same(one: np.ndarray, other: Any) -> np.ndarray:
    return np.abs(one - other) <= _SAME * np.abs(other)
