"""Bayes methods: a filter that knows the scenario's law, and a rule that prices by its beliefs."""

from __future__ import annotations

from typing import Any

import numpy as np

from aigc_market import solve
from aigc_market.envs.settings import Settings
from aigc_market.scenarios import Scenario
from baselines.arena.protocol import History, Method, PublicParameters
from baselines.methods.bayes import rules
from baselines.methods.bayes.interface import Filter, Round
from baselines.methods.bayes.law import Law, known, law
from baselines.methods.bayes.lines import LineFilter, LineGrid
from baselines.methods.bayes.particles import ParticleFilter
from baselines.methods.bayes.rationing import RationedFilter
from baselines.methods.bayes.regimes import RegimeFilter
from baselines.methods.fixed import Constant

PRICES = 96
"""Prices to choose from, evenly spaced."""
INTERCEPTS, SLOPES = 32, 48
"""Size of the grid of lines; twice as many earn no more."""
HYPOTHESES = 8
PARTICLES = 2048


def bayes(
    scenario: str | Scenario,
    public: PublicParameters,
    num_envs: int,
    seed: int,
    rule: str,
    **parameters: Any,
) -> Method:
    """A Bayes method.

    Args:
        scenario: its law is known, and its parameters where they are not drawn.
        public: what is known of the markets.
        num_envs: N.
        seed: of every random choice.
        rule: "greedy", "thompson" or "information".
        parameters: of the rule.

    Raises:
        TypeError, ValueError: a bad parameter, or a scenario with a law that is not known here.
    """
    if known(scenario):
        market = Settings.make(scenario, **vars(public)).market
        return Constant(public, num_envs, seed, solve(market).price)
    laws = law(scenario)
    chosen: Any
    if rule == "information":
        chosen = rules.Information(laws.sigma, **parameters)
    else:
        chosen = {"greedy": rules.greedy, "thompson": rules.thompson}[rule]
    return Bayes(make_filter(laws, public, num_envs, seed), public, num_envs, seed, chosen)


def make_filter(
    law: Law,
    public: PublicParameters,
    lanes: int,
    seed: int,
    intercepts: int = INTERCEPTS,
    slopes: int = SLOPES,
    hypotheses: int = HYPOTHESES,
    particles: int = PARTICLES,
) -> Filter:
    """The filter that a law calls for, of N lanes."""
    if law.share is not None:
        return RationedFilter(law, public, lanes, particles, seed)
    if law.drift is not None:
        return ParticleFilter(law, public, lanes, particles, seed)
    grid = LineGrid.of(law, intercepts, slopes)
    if law.hazard:
        return RegimeFilter(grid, public, lanes, law.hazard, hypotheses)
    return LineFilter(grid, public, lanes)


class Bayes:
    """A leader that prices by the posterior.

    Args:
        belief: the filter.
        public: what is known of the markets.
        num_envs: N.
        seed: of every random choice.
        rule: one of `rules`.
    """

    def __init__(
        self, belief: Filter, public: PublicParameters, num_envs: int, seed: int, rule: Any
    ) -> None:
        self._filter, self._rule = belief, rule
        self._lanes = np.arange(num_envs)
        self._rng = np.random.default_rng(seed)
        self._prices = np.linspace(public.cost, public.max_price, PRICES).astype("f4")
        self._gain = self._prices - np.float32(public.cost)

    def act(self, history: History) -> np.ndarray:
        """Prices (N,)."""
        seen = None
        if history.prices.shape[1] == 0:
            self._filter.begin()
        else:
            seen = Round(history.prices[:, -1], history.steps[:, -1], self._answering)
        self._answering = history.active.copy()
        chosen = np.empty(len(self._lanes), int)
        size = self._filter.together
        for start in range(0, len(self._lanes), size):
            part = self._lanes[start : start + size]
            of_part = None if seen is None else Round(*(value[part] for value in seen))
            active = history.active[part]
            belief = self._filter.observe(part, of_part, active)
            chosen[part] = self._rule(belief, self._prices, self._gain, active, self._rng)
        return self._prices[chosen].astype(float)
