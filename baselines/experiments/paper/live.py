"""A leader on the live service: the VMUs' images are really repainted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import aigc_market
from baselines.arena.protocol import History, Method
from baselines.arena.rollout import PHYSICAL
from baselines.arena.task import Task


def play_live(
    method: Method,
    task: Task,
    rounds: int,
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
) -> list[dict[str, float]]:
    """Play a leader against VMUs that best respond to the table, and serve them live.

    Args:
        method: for one episode.
        task: with a live SSIM model; its scripted VMUs are not used.
        rounds: how many.
        seed: of the pictures and the noise.
        progress: called with the rounds done.

    Returns:
        A record for each round and VMU: `round`, `vmu`, `price`, `steps`, `ssim` measured, the
        `table`'s, and `luck`: the surplus that the difference is worth.
    """
    given = {**task.keywords(), **PHYSICAL, "max_cycles": rounds}
    given.pop("followers", None)
    env = aigc_market.env(**given)
    env.reset(seed=seed)
    K, R = env.market.K, env.market.capacity
    everybody, capacity = np.ones((1, K), bool), None if R is None else np.array([float(R)])
    history = History(np.empty((1, 0)), np.empty((1, 0, K)), everybody, capacity)
    records = []
    for t in range(rounds):
        price = method.act(history).astype(np.float32)
        env.step(price)
        asked = aigc_market.best_response(env.market, float(price[0]))
        for steps in asked:
            env.step(np.array([steps], np.float32))
        leader = env.infos["asp_0"]
        for vmu, agent in enumerate(env.possible_agents[1:]):
            info = env.infos[agent]
            table = float(env.market.ssim(info["steps"]))
            record = {"round": leader["round"], "vmu": vmu, "price": leader["price"]}
            record |= {"steps": info["steps"], "ssim": info["ssim"], "table": table}
            luck = float(env.market.satisfaction[vmu]) * (info["ssim"] - table)
            records.append({**record, "luck": luck})
        prices = np.array([[leader["price"]]])
        history = History(prices, asked[None, None], everybody, capacity)
        progress(t + 1)
    return records
