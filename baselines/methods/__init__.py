"""Pricing methods on one interface, each playing many episodes at once.

`make(name, scenario, public, num_envs, seed)` gives those that nobody has to train, tuned as
`python -m baselines.experiments.leaderboard.tune` found them; `learned` has those that are trained.
"""

from __future__ import annotations

import json
from functools import cache, partial
from pathlib import Path
from typing import Any

from aigc_market import _checks
from aigc_market.scenarios import Scenario
from baselines.arena.protocol import History, Method, PublicParameters
from baselines.methods.bayes.leader import bayes
from baselines.methods.fixed import Constant, Random
from baselines.methods.greedy import EpsilonGreedy, Greedy
from baselines.methods.kalman import KalmanSlots, KalmanTotal
from baselines.methods.least_squares import Cils, ControlledVariance

__all__ = ["METHODS", "TUNED", "History", "Method", "PublicParameters", "make"]

TUNED = Path(__file__).parent / "tuned.json"
"""Parameters by scenario and method, written by `baselines.experiments.leaderboard.tune`."""

_BAYES = {"bayes": "greedy", "bayes_thompson": "thompson", "bayes_information": "information"}
"""Rules by which Bayes methods price."""

METHODS: dict[str, Any] = {
    "constant": Constant,
    "random": Random,
    "greedy": Greedy,
    "epsilon_greedy": EpsilonGreedy,
    "cils": Cils,
    "cils_discounted": Cils,
    "controlled_variance": ControlledVariance,
    "thompson": KalmanTotal,
    "kalman_total": KalmanTotal,
    "kalman": KalmanSlots,
    **{name: partial(bayes, rule=rule) for name, rule in _BAYES.items()},
}
"""Factories by name; those of Bayes methods take the scenario first, as they know its law."""


def make(
    name: str,
    scenario: str | Scenario,
    public: PublicParameters,
    num_envs: int,
    seed: int,
    **parameters: Any,
) -> Method:
    """A method for `num_envs` episodes side by side.

    Args:
        name: one of `METHODS`.
        scenario: a preset's name or your own; the one whose tuned parameters are taken.
        public: what is known of the markets.
        num_envs: N.
        seed: of the method's random choices.
        parameters: of the method, in place of the tuned ones.

    Raises:
        TypeError, ValueError: an unknown name, a bad parameter, or one that is missing because the
            scenario has not been tuned for.
    """
    _checks.choice("name", name, METHODS)
    tuned = _tuned().get(scenario.name if isinstance(scenario, Scenario) else scenario, {})
    market = (scenario, public) if name in _BAYES else (public,)
    return METHODS[name](*market, num_envs, seed, **{**tuned.get(name, {}), **parameters})


@cache
def _tuned() -> dict[str, dict[str, dict[str, Any]]]:
    return json.loads(TUNED.read_text())
