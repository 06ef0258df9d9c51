"""How far from the equilibrium a learner ended: the last line of every example here.

`line` takes two plain functions: the leader's price, and the steps that VMU k buys at a price.
`played` gets both from a policy by letting it play.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import aigc_market

PRICES = np.arange(2.0, 13.0)
"""Where followers are measured: from nearly free to dear. Above 15 no step is worth its price in
the default market, and near it a gap in shares of next to nothing would say little."""

ROUNDS = 6
"""Rounds played before a policy is measured: more than it remembers."""

START = time.perf_counter()
"""When this module was imported, which is before the libraries are: seconds include their start."""

SHORT = "--short" in sys.argv
"""Whether to train only long enough to see that everything runs."""


def learning_rates(leader: float, followers: float) -> tuple[float, float]:
    """Two time scales, or the same two exchanged where that is asked for (`--leader-first`).

    A leader that learns first meets followers who buy much at any price, and goes to p_max; there
    followers only ever see p_max, and learn nothing of the prices that would bring it back.
    """
    return (followers, leader) if "--leader-first" in sys.argv else (leader, followers)


def line(
    price: Callable[[], float],
    steps: Callable[[int, float], float] | None,
    **arguments: Any,
) -> str:
    """The last line of an example.

    Args:
        price: the price that the leader settled on.
        steps: what VMU k buys at a price, (k, price) → steps; None where the VMUs are scripted.
        **arguments: of the market, as for the environments.
    """
    market = aigc_market.Market(**arguments)
    posted = price()
    answers = aigc_market.best_response(market, posted)
    share = 1.0 - float(aigc_market.regret(market, posted, answers).leader_relative)
    gap = "–" if steps is None else f"{follower_gap(market, steps):.2%}"
    seconds = time.perf_counter() - START
    return f"leader's share {share:.4f}, followers' gap {gap}, {seconds:.0f} s"


def follower_gap(market: aigc_market.Market, steps: Callable[[int, float], float]) -> float:
    """Mean over prices and VMUs of (best surplus − learned surplus) / best surplus."""
    gaps = []
    for price in PRICES:
        bought = np.array([steps(k, price) for k in range(market.K)])
        bought = np.clip(bought, market.min_steps, market.max_steps)
        lost = aigc_market.regret(market, price, bought).followers
        best = aigc_market.best_response(market, price)
        surplus = aigc_market.game.vmu_surplus(price, market.satisfaction, market.ssim, best)
        gaps.append(lost / surplus)
    return float(np.mean(gaps))


def played(
    env: Any, act: Callable[[str, np.ndarray], Any]
) -> tuple[Callable[[], float], Callable[[int, float], float]]:
    """The two functions of `line`, of a policy (agent, observation) → action without noise.

    `env` is an AEC or a parallel environment, made as for training. Prices and purchases are those
    of the last of a few rounds: by then all that an agent remembers is play of this policy.
    """

    def price() -> float:
        return _last_round(env, act)["asp_0"]["price"]

    def steps(k: int, price: float) -> float:
        posted = price_action(env, price)

        def answer(agent: str, seen: np.ndarray) -> Any:
            return posted if agent == "asp_0" else act(agent, seen)

        return _last_round(env, answer)[f"vmu_{k}"]["steps"]

    return price, steps


def price_action(env: Any, price: float) -> Any:
    """The leader's action that means a price, in the units of `env`."""
    space, market = env.action_space("asp_0"), env.unwrapped.market
    part = (price - market.cost) / (market.max_price - market.cost)
    if hasattr(space, "n"):
        return round(float(part) * (space.n - 1))
    return np.asarray(space.low + part * (space.high - space.low), np.float32)


def _last_round(env: Any, act: Callable[[str, np.ndarray], Any]) -> dict[str, dict[str, Any]]:
    """Infos of the last of a few rounds."""
    if hasattr(env, "agent_iter"):
        env.reset(seed=0)
        for agent in env.agent_iter(ROUNDS * len(env.possible_agents)):
            env.step(act(agent, env.observe(agent)))
        return env.infos
    seen, infos = env.reset(seed=0)
    for _ in range(ROUNDS + 1):  # a price posted now is answered in the next step
        seen, *_, infos = env.step({agent: act(agent, seen[agent]) for agent in env.agents})
    return infos
