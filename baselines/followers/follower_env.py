"""The followers' side of the game, as a Gymnasium vector environment."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from aigc_market import game, vmus
from aigc_market.envs.rewards import reciprocals
from aigc_market.market import Market
from baselines.arena.protocol import History, Player
from baselines.arena.rollout import PHYSICAL, history_of
from baselines.arena.task import Task
from baselines.followers.follower_policy import ACTIONS, observe, sees, to_steps


class FollowerEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """N games side by side: a leader posts prices, and some VMUs of each game are played.

    One row is one VMU in one game: M in each, N·M in all. The others, if any, buy as `others` do.
    A row's reward is its surplus over what free images would be worth to it, as `scale_rewards`
    has it in the environments. Autoreset is `SAME_STEP`; infos are empty.

    Attributes:
        price: (N,) posted.
        usual: (N, K) steps that VMUs, played or not, would buy at it as the others do.
        settled: the last round.

    Args:
        task: what is played.
        leader: posts the prices.
        others: buys for the VMUs that are not played.
        played: (N, M) which VMUs of each game are played.
        tremble: chance that a price is drawn uniformly instead of posted by the leader, so that
            followers know what to do off the path too.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(
        self,
        task: Task,
        leader: Player,
        others: vmus.FollowerPolicy,
        played: np.ndarray,
        tremble: float = 0.0,
    ) -> None:
        given = {**PHYSICAL, "history": 1, "vmus": self._buy, "judged": False}
        self.games = task.environment(len(played), **given)
        settings = self.games.settings
        self._leader, self._others, self._tremble = leader(len(played)), others, tremble
        space: Any = self.games.single_action_space
        self._bounds = space.low, space.high
        self._rows, self._played = np.arange(len(played))[:, None], played
        self.num_envs = played.size
        self.single_observation_space, self.single_action_space = sees(settings), ACTIONS
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin all games; the first prices are posted.

        Args:
            seed: of the markets, the trembles and the others' draws; None goes on with the streams
                of the last seed.
            options: of the games' reset.
        """
        super().reset(seed=seed)
        of_games = None if seed is None else int(self.np_random.integers(2**31))
        seen, _ = self.games.reset(seed=of_games, options=options)
        self._post(history_of(self.games, seen, begins=True))
        return self._seen_in(self.games.market), {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Buy, settle the round, and post the next prices.

        Args:
            actions: (N·M, 1) in [−1, 1], by games and then by VMUs.
        """
        market = self.games.market
        asked = self.usual.copy()
        mine = to_steps(market, actions.reshape(self._played.shape))
        asked[self._rows, self._played] = mine
        asked = asked.astype(np.float32).astype(np.float64)  # as the games take them
        self.settled = game.settle(market, self.price, asked)
        seen, _, _, truncated, _ = self.games.step(self.price[:, None].astype(np.float32))
        low, high = market.per_vmu(market.min_steps), market.per_vmu(market.max_steps)
        free = game.best_surplus(market.satisfaction, market.ssim, low, high)
        rewards = self.settled.surplus() * reciprocals(free)
        over = np.repeat(truncated, self._played.shape[1])
        # No price follows the last round's, so what was seen in it stands.
        ended = {"final_obs": self._seen_in(market), "final_info": {}} if over.any() else {}
        self._post(history_of(self.games, seen, begins=bool(truncated.all())))
        mine = rewards[self._rows, self._played].ravel().astype(np.float32)
        return self._seen_in(self.games.market), mine, np.zeros_like(over), over, ended

    def _buy(self, market: Market, price: Any, rng: np.random.Generator) -> np.ndarray:
        return self.settled.asked

    def _post(self, history: History) -> None:
        price = np.array(self._leader.act(history), np.float64)
        trembles = self.np_random.random(len(price)) < self._tremble
        market, count = self.games.market, int(trembles.sum())
        price[trembles] = self.np_random.uniform(market.cost, market.max_price, count)
        # Prices are single-precision numbers within the action space.
        price = np.clip(price.astype(np.float32), *self._bounds)
        self.price = price.astype(np.float64)
        self.usual = vmus.purchases(self._others, market, self.price, self.np_random)

    def _seen_in(self, market: Market) -> np.ndarray:
        everybody = observe(self.games.settings, market, self.price)
        return everybody[self._rows, self._played].reshape(self.num_envs, -1)
