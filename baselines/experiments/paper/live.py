"""A trained leader on the live service: the VMUs' images are really repainted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from stable_baselines3 import PPO

import aigc_market
from baselines.methods.sb3.training import for_learners

LIVE_COLUMNS = ("method", "seed", "round", "vmu", "price", "steps", "ssim", "table", "luck")
"""Columns of `live.csv`: SSIM as measured and as the table has it, and what the difference is worth
to the VMU."""


def play_live(
    model: PPO,
    arguments: dict[str, Any],
    rounds: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> list[dict[str, float]]:
    """Play the leader against VMUs that best respond to the table, and serve them live.

    Args:
        model: plays without exploring.
        arguments: of the environment, with a live SSIM model.
        rounds: how many.
        seed: of the pictures and the noise.
        progress: called with the rounds done.

    Returns:
        A record for each round and VMU: `round`, `vmu`, `price`, `steps`, `ssim` measured, the
        `table`'s, and `luck`: the surplus that the difference is worth.
    """
    env = aigc_market.env(**for_learners({**arguments, "max_cycles": rounds}))
    env.reset(seed=seed)
    low, high = env.market.min_steps, env.market.max_steps
    records = []
    for agent in env.agent_iter():
        observation, _, _, over, _ = env.last()
        assert observation is not None
        if over:
            env.step(None)
        elif agent == "asp_0":
            env.step(model.predict(observation, deterministic=True)[0])
        else:
            vmu = env.possible_agents.index(agent) - 1
            price = float(observation[1]) * env.settings.market.max_price
            steps = aigc_market.best_response(env.market, price)[vmu]
            unit = 2 * (steps - low) / (high - low) - 1
            env.step(np.array([unit], np.float32))
            if vmu == env.market.K - 1:
                records += _records(env)
                if progress:
                    progress(env.infos["asp_0"]["round"])
    return records


def _records(env: aigc_market.raw_env) -> list[dict[str, float]]:
    leader = env.infos["asp_0"]
    records = []
    for vmu, agent in enumerate(env.possible_agents[1:]):
        info = env.infos[agent]
        table = float(env.market.ssim(info["steps"]))
        luck = float(env.market.satisfaction[vmu]) * (info["ssim"] - table)
        records.append(
            {
                "round": leader["round"],
                "vmu": vmu,
                "price": leader["price"],
                "steps": info["steps"],
                "ssim": info["ssim"],
                "table": table,
                "luck": luck,
            }
        )
    return records
