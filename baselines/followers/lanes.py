"""The followers' side of the game, as lanes for Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices

from aigc_market import game, vmus
from aigc_market.envs.actions import asp_actions
from aigc_market.market import Market
from baselines.followers.policy import ACTIONS, observe, sees, to_steps
from baselines.methods.sb3.training import for_learners, make_lanes

Leader = Callable[[np.ndarray], np.ndarray]
"""From observations of the vector environment, (N, …), to its actions in [−1, 1], (N, 1)."""


class FollowerLanes(VecEnv):
    """N games side by side: a leader posts prices, and some VMUs of each game are played.

    One row is one VMU in one game: M in each, N·M in all. The others, if any, buy as `others` do.
    A row's reward is its surplus over what free images would be worth to it, as `scale_rewards`
    has it in the environments.

    Args:
        arguments: of the environment.
        leader: posts the prices.
        others: buys for the VMUs that are not played.
        played: (N, M) which VMUs of each game are played.
        tremble: chance that a price is drawn uniformly instead of posted by the leader, so that
            followers know what to do off the path too.
        seed: of every random choice.
    """

    render_mode = None

    def __init__(
        self,
        arguments: dict[str, Any],
        leader: Leader,
        others: vmus.FollowerPolicy,
        played: np.ndarray,
        tremble: float,
        seed: int,
    ) -> None:
        arguments = {**for_learners(arguments), "vmus": self._buy, "normalize": True}
        self.games = make_lanes(len(played), **arguments)
        settings = self.games.settings
        self._reader = asp_actions(settings)
        self._leader, self._others, self._tremble = leader, others, tremble
        self._rows, self._played = np.arange(len(played))[:, None], played
        self._rng, self._seed = np.random.default_rng((seed, 1)), seed
        super().__init__(played.size, sees(settings), ACTIONS)

    def reset(self) -> np.ndarray:
        """Begin all games; the first prices are posted."""
        seen, _ = self.games.reset(seed=self._seed)
        self._post(seen)
        return self._seen_in(self.games.market)

    def step_async(self, actions: np.ndarray) -> None:
        """Buy: (N·M, 1) actions, by games and then by VMUs."""
        self._steps = self.usual()
        mine = to_steps(self.games.settings.market, actions.reshape(self._played.shape))
        self._steps[self._rows, self._played] = mine

    def usual(self) -> np.ndarray:
        """What all VMUs, played or not, would buy as the others do: (N, K) steps."""
        return np.array(self._others(self.games.market, self.price, self._rng), np.float64)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Settle the round, and post the next prices."""
        market = self.games.market
        seen, _, _, truncated, infos = self.games.step(self._action)
        demand = infos.get("final_info", infos)["demand"]
        self.surplus, free = surpluses(market, self.price, np.asarray(demand, np.float64))
        rewards = np.divide(self.surplus, free, out=np.zeros(free.shape), where=free > 0)
        rows: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        dones = np.repeat(truncated, self._played.shape[1])
        if dones.any():  # no price follows the last round's, so what was seen in it stands
            for row, last in zip(rows, self._seen_in(market), strict=True):
                row.update({"TimeLimit.truncated": True, "terminal_observation": last})
        self._post(seen)
        mine = rewards[self._rows, self._played].ravel().astype(np.float32)
        return self._seen_in(self.games.market), mine, dones, rows

    def _buy(self, market: Market, price: Any, rng: np.random.Generator) -> np.ndarray:
        return self._steps

    def _post(self, seen: np.ndarray) -> None:
        action = np.clip(self._leader(seen), -1.0, 1.0)
        trembles = self._rng.random(len(action)) < self._tremble
        action[trembles] = self._rng.uniform(-1.0, 1.0, (int(trembles.sum()), 1))
        self._action = action.astype(np.float32)
        self.price = self._reader.read_batch(self._action, len(action))

    def _seen_in(self, market: Market) -> np.ndarray:
        everybody = observe(self.games.settings, market, self.price)
        return everybody[self._rows, self._played].reshape(self.num_envs, -1)

    def close(self) -> None:
        """Close the games."""
        self.games.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of these lanes, once for each row asked for."""
        return [getattr(self, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute, which all rows share."""
        setattr(self, attr_name, value)

    def env_method(
        self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """Call a method, which all rows share."""
        return [getattr(self, method_name)(*args, **kwargs)] * self.num_envs

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:
        """No row has wrappers of its own."""
        return [False] * len(list(self._get_indices(indices)))

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed the next reset."""
        self._seed = self._seed if seed is None else seed
        return [seed] * self.num_envs


def surpluses(
    market: Market, price: np.ndarray, asked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What VMUs gain by what is delivered of (…, K) steps asked, and would gain if it were free."""
    surplus = game.settle(market, price, asked).surplus()
    low, high = market.per_vmu(market.min_steps), market.per_vmu(market.max_steps)
    free = game.best_surplus(market.satisfaction, market.ssim, low, high)
    if market.active is not None:
        free = game.present(market.active, free)
    return surplus, np.broadcast_to(free, surplus.shape)
