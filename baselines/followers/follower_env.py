"""The game as one of its followers plays it, as a Gymnasium vector environment."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from aigc_market import followers as scripted
from aigc_market import rules
from aigc_market.envs.stackelberg import Stackelberg
from aigc_market.market import Market
from baselines.arena.protocol import History, Player
from baselines.arena.rollout import PHYSICAL, history_of
from baselines.arena.task import Task
from baselines.followers.follower_policy import observe, sees, to_steps


class FollowerEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """N games side by side, in each of which one VMU is played.

    Prices are posted by any leader, who has seen what was bought in the last round, which on
    tensors (`aigc_market.torchrl`) it has not; and the other VMUs may be any scripted followers. So
    best responders are trained in the very game whose players they are to beat. A row's reward is
    its VMU's surplus over what free images would be worth to it, as `scale_rewards` has it in the
    environments. Autoreset is `SAME_STEP`; infos are empty.

    Attributes:
        price: (N,) posted.
        usual: (N, K) steps that VMUs, played or not, would buy at it as the others do.
        settled: the last round.

    Args:
        task: what is played.
        leader: posts the prices.
        others: buys for the VMUs that are not played.
        played: (N,) which VMU of each game is played.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(
        self,
        task: Task,
        leader: Player,
        others: scripted.FollowerPolicy,
        played: np.ndarray,
    ) -> None:
        given = {**PHYSICAL, "history": 1, "followers": self._buy, "judged": False}
        self.games = task.environment(len(played), **given)
        settings = self.games.settings
        self._leader, self._others = leader(len(played)), others
        space: Any = self.games.single_action_space
        self._bounds = space.low, space.high
        self.num_envs = len(played)
        self.mine = np.arange(self.num_envs), played
        """Where in (N, K) the VMUs stand that are played."""
        self.single_observation_space = sees(settings)
        self.single_action_space = Box(-1.0, 1.0, (1,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin all games; the first prices are posted.

        Args:
            seed: of the markets and the others' draws; None goes on with the streams of the last
                seed.
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
            actions: (N, 1) in [−1, 1], from the fewest steps for sale to the most.
        """
        market = self.games.market
        asked = self.usual.copy()
        asked[self.mine] = to_steps(market, actions[:, 0])
        asked = asked.astype(np.float32).astype(np.float64)  # as the games take them
        self.settled = rules.settle(market, self.price, asked)
        seen, _, _, truncated, _ = self.games.step(self.price[:, None].astype(np.float32))
        rewards = self.settled.surplus() * Stackelberg.follower_scales(market)
        # No price follows the last round's, so what was seen in it stands.
        ended = {"final_obs": self._seen_in(market), "final_info": {}} if truncated.any() else {}
        self._post(history_of(self.games, seen, begins=bool(truncated.all())))
        mine = rewards[self.mine].astype(np.float32)
        return self._seen_in(self.games.market), mine, np.zeros_like(truncated), truncated, ended

    def _buy(self, market: Market, price: Any, rng: np.random.Generator) -> np.ndarray:
        return self.settled.asked

    def _post(self, history: History) -> None:
        # Prices are single-precision numbers within the action space.
        price = np.clip(np.asarray(self._leader.act(history), np.float32), *self._bounds)
        self.price = price.astype(np.float64)
        self.usual = scripted.purchases(self._others, self.games.market, self.price, self.np_random)

    def _seen_in(self, market: Market) -> np.ndarray:
        return observe(self.games.settings, market, self.price)[self.mine]
