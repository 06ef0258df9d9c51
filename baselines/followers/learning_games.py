"""The games in which leader and followers learn, thousands of rounds a second on tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from aigc_market import rules
from aigc_market.envs.game import reciprocals
from aigc_market.ssim import TabulatedSSIM
from aigc_market.ssim.model import LiveSSIM
from aigc_market.torchrl import MarketEnv
from baselines.arena.task import Task
from baselines.followers.follower_policy import sees, to_actions
from baselines.methods.sb3.features import Units


@dataclass(frozen=True)
class Round:
    """What came of a round: rewards of about 1, and whether the episode ended with it."""

    leader: Tensor
    """(N, 1) for the price in force, which was posted a round before."""
    followers: Tensor
    """(N, K, 1) surplus over what free images would be worth to VMUs on average: one unit for all,
    so that who shares a network tries hardest where most is to be had."""
    over: bool


class LearningGames:
    """N games on tensors: in most of them the leader posts prices, in the others they tremble.

    There prices are drawn uniformly, so that followers know what to do off the path too; some of
    them at the bounds, which have neighbours on one side alone.

    Args:
        task: what is played.
        lanes: N.
        history: rounds that the leader sees.
        tremble: share of the games in which prices are drawn.
        differentiable: whether rewards carry gradients to prices and purchases.
    """

    def __init__(
        self, task: Task, lanes: int, history: int, tremble: float, differentiable: bool = False
    ) -> None:
        given = {**task.keywords(), "normalize": True, "scale_rewards": False, "history": history}
        ssim: Any = task.settings().market.ssim
        if isinstance(ssim, LiveSSIM):  # its curve is all of it that counts here
            steps = np.arange(ssim.max_steps + 1)
            given["ssim"] = TabulatedSSIM(steps, ssim(steps))
        given |= {"vmu_reward": "surplus", "state": False, "differentiable": differentiable}
        self.env = MarketEnv(lanes, **given)
        self.settings = settings = self.env.settings
        self.units, self.K = Units.of(settings), settings.market.K
        self.trembling = round(tremble * lanes)
        """How many games, the first ones."""
        row, self._sees = self.units.row, sees(settings).shape[0]
        self._market: Any = None
        self._physical = np.ones(row.width, np.float32)
        self._physical[row.price] = settings.price_bounds[1]
        self._physical[row.steps] = settings.market.max_steps

    def begin(self, seed: int | None = None) -> None:
        """Begin an episode.

        Args:
            seed: of all that follows; None goes on with the stream of the last one.
        """
        if seed is not None:
            self.env.set_seed(seed)
        self._take(self.env.reset())

    def _take(self, told: Any) -> None:
        observed = told["asp", "observation"].detach()[:, 0].numpy()
        in_force = int(self.settings.rationed)  # where its price stands, behind R
        self.features = torch.from_numpy(np.delete(observed, in_force, axis=1))
        """(N, f + n·row) what the leader sees of R, if there is one, and of the past rounds."""
        self.seen = told["vmu", "observation"][..., : self._sees]
        """(N, K, n) what followers read; where prices carry gradients, so does this."""

    def post(self, prices: Tensor) -> Tensor:
        """Prices in [−1, 1], (N, 1): the leader's, or where they tremble, drawn ones."""
        drawn = (BEYOND * (torch.rand(self.trembling, 1) * 2.0 - 1.0)).clamp(-1.0, 1.0)
        return torch.cat([drawn, prices[self.trembling :]])

    def rational(self) -> Tensor:
        """(N, K, 1) purchases in [−1, 1] that are best at the prices in force."""
        market = self.env.market
        price = self.seen[..., -1] * self._physical[self.units.row.price]
        bounds = market.min_steps, market.max_steps
        steps = market.ssim.demand(price / market.satisfaction, *bounds)
        if market.active is not None:
            steps = rules.present(market.active, steps)
        return to_actions(market, steps)[..., None]

    def play(self, posted: Tensor, bought: Tensor) -> Round:
        """Settle the round in which this is bought, and begin the next one at what is posted.

        Args:
            posted: (N, 1) in [−1, 1].
            bought: (N, K, 1) in [−1, 1].
        """
        market = self.env.market
        if market is not self._market:
            bounds = market.min_steps, market.max_steps
            free = rules.best_surplus(market.satisfaction, market.ssim, *bounds)
            self._market, self._unit = market, reciprocals(free.mean())
        unit = self._unit  # of this round: the next episode's may be another
        actions = {"asp": {"action": posted[:, None]}, "vmu": {"action": bought}}
        told: Any = self.env.step(TensorDict(actions, self.env.batch_size)).get("next")
        over = bool(told["done"][0])
        if over:
            self.begin()
        else:
            self._take(told)
        leader = told["asp", "reward"][:, 0] * self.units.reward
        return Round(leader, told["vmu", "reward"] * unit, over)

    def detach(self) -> None:
        """Cut the way of gradients to earlier rounds."""
        self.env.detach()
        self.seen = self.seen.detach()


BEYOND = 1.1
"""How far out prices are drawn before they are held within [−1, 1]."""
