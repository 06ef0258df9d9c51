"""The games in which leader and followers learn, thousands of rounds a second on tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from aigc_market import rules
from aigc_market.envs.actions import from_unit
from aigc_market.envs.game import reciprocals
from aigc_market.rules import Settlement
from aigc_market.ssim import TabulatedSSIM
from aigc_market.ssim.model import LiveSSIM
from aigc_market.torchrl import MarketEnv
from baselines.arena.task import Task
from baselines.followers.policy import sees, to_actions
from baselines.methods.sb3.players import units

BEYOND = 1.1
"""How far out prices are drawn before they are held within [−1, 1]: the bounds, which have
neighbours on one side alone, are drawn themselves now and then."""


class LearningGames:
    """N games in which a leader posts prices that are paid one round later.

    Prices and purchases are actions in [−1, 1]. Whatever a VMU could have bought in the round at
    hand, at whatever price, can be valued without buying it.

    Args:
        task: what is played.
        num_envs: N.
        history: rounds that the leader sees.
    """

    def __init__(self, task: Task, num_envs: int, history: int) -> None:
        given = {**task.keywords(), **units(), "history": history}
        ssim: Any = task.settings().market.ssim
        if isinstance(ssim, LiveSSIM):  # its curve is all of it that counts here
            steps = np.arange(ssim.max_steps + 1)
            given["ssim"] = TabulatedSSIM(steps, ssim(steps))
        self.env = MarketEnv(num_envs, state=False, **given)
        settings = self.env.settings
        self.K = settings.market.K
        self._bounds = settings.market.cost, settings.market.max_price
        self._sees, self._front = sees(settings).shape[0], int(settings.rationed)

    def begin(self, seed: int | None = None) -> None:
        """Begin an episode.

        Args:
            seed: of all that follows; None goes on with the stream of the last one.
        """
        if seed is not None:
            self.env.set_seed(seed)
        self._observe(self.env.reset())

    def _observe(self, data: Any) -> None:
        observed, front = data["asp", "observation"][:, 0], self._front
        self.observed = torch.cat([observed[:, :front], observed[:, front + 1 :]], dim=1)
        """(N, …) what the leader sees where it plays: all but the price in force, which it posted
        without knowing what was bought in the round before."""
        self.seen = data["vmu", "observation"][..., : self._sees]
        """(N, K, n) what followers see, the price in force last."""

    @property
    def price(self) -> Tensor:
        """(N,) in force, in [−1, 1]."""
        low, high = self._bounds
        return 2.0 * (self.seen[:, 0, -1] * high - low) / (high - low) - 1.0

    def prices(self, drawn: int) -> Tensor:
        """(1 + drawn, N): the prices in force, and others drawn uniformly."""
        shape = drawn, self.env.num_envs
        others = (BEYOND * (2.0 * torch.rand(shape) - 1.0)).clamp(-1.0, 1.0)
        return torch.cat([self.price[None], others])

    def seen_at(self, prices: Tensor) -> Tensor:
        """(…, N, K, n) what followers would see at prices (…, N)."""
        shown = (self._money(prices) / self._bounds[1])[..., None, None]
        known = self.seen[..., :-1]
        known = known.expand(*prices.shape[:-1], *known.shape)
        return torch.cat([known, shown.expand(*known.shape[:-1], 1)], dim=-1)

    def rational(self, prices: Tensor) -> Tensor:
        """(…, N, K) purchases that are best at prices (…, N)."""
        market = self.env.market
        return to_actions(market, rules.best_response(market, self._money(prices)))

    def settle(self, prices: Tensor, bought: Tensor) -> Settlement:
        """What would come of prices (…, N) and purchases (…, N, K) in the round at hand."""
        market = self.env.market
        steps = from_unit(bought.clamp(-1.0, 1.0), market.min_steps, market.max_steps)
        return rules.settle(market, self._money(prices), steps)

    def surplus(self, prices: Tensor, bought: Tensor) -> Tensor:
        """(…, N, K) surplus of the same, over what free images would be worth on average.

        One unit for all VMUs: who shares a network tries hardest where most is to be had.
        """
        market = self.env.market
        bounds = market.min_steps, market.max_steps
        free = rules.best_surplus(market.satisfaction, market.ssim, *bounds)
        return self.settle(prices, bought).surplus() * reciprocals(free.mean())

    def play(self, posted: Tensor, bought: Tensor) -> tuple[Tensor, bool]:
        """Settle the round in which this is bought, and begin the next one at what is posted.

        Args:
            posted: (N, 1) prices, held within their bounds.
            bought: (N, K) purchases at the prices in force, likewise.

        Returns:
            The leader's rewards (N,) for the prices in force, and whether the episode is over.
        """
        posted = posted.clamp(-1.0, 1.0)[:, None]
        actions = {"asp": {"action": posted}, "vmu": {"action": self._actions(bought)}}
        data: Any = self.env.step(TensorDict(actions, self.env.batch_size)).get("next")
        over = bool(data["done"][0])
        if over:
            self.begin()
        else:
            self._observe(data)
        return data["asp", "reward"][:, 0, 0], over

    def _actions(self, bought: Tensor) -> Tensor:
        """Actions of the environment's VMUs."""
        return bought.clamp(-1.0, 1.0)[..., None]

    def _money(self, prices: Tensor) -> Tensor:
        return from_unit(prices.clamp(-1.0, 1.0), *self._bounds)
