"""How both sides improve: by PPO from rewards, or by the gradient through the market."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn
from torch.optim import Optimizer
from torchrl.objectives.value.functional import generalized_advantage_estimate

from baselines.followers.games import LearningGames
from baselines.followers.policy import FollowerNetwork
from baselines.methods.sb3.recipes import PpoRecipe

DRAWS = 8
"""Purchases that a follower compares at one price."""
PART, STEPS = 5, 5
"""Followers learn once for so many rounds of the leader's or fewer, in so many steps."""
CLIP, LAMBDA, GREATEST_NORM = 0.2, 0.95, 0.5
"""PPO's bounds of the ratio and of gradients, and λ of leaders whose discount is not 0."""
LIMIT = 1.0 - 1e-6
"""Of actions by a gradient: within the bounds [−1, 1], whose rounding would stop it."""


@dataclass
class Sides:
    """A leader and followers, and the games in which they learn.

    Args:
        games: of both.
        leader: of Stable-Baselines3, with its optimizer.
        followers: theirs; None: they are rational.
        optimizer: the followers'.
        explore: prices drawn in each game at which followers learn, beside the one in force.
        recipe: of the leader.
    """

    games: LearningGames
    leader: ActorCriticPolicy
    followers: FollowerNetwork | None
    optimizer: Optimizer
    explore: int
    recipe: PpoRecipe


class PPO(Sides):
    """Both sides by PPO's clipped ratios, from what was earned alone.

    The leader learns from the rounds that it played. A follower tries some purchases at each price,
    of which it can say what they would be worth, and each is compared with the mean of them: it
    needs no critic, whose errors are far greater than what a few steps too many cost. In the games
    it buys the mean, so that the leader learns its answer and not its noise. The leader's `n_steps`
    are two rounds or more, so that some of its prices are paid; followers are myopic.
    """

    @property
    def rounds(self) -> int:
        """Played in an iteration."""
        return self.recipe.n_steps

    def iterate(self, leads: bool, deviation: float) -> None:
        """Play, and learn: followers now and then, the leader in the end."""
        games, answer, played = self.games, self.followers, []
        parts = np.array_split(range(self.rounds), -(-self.rounds // PART))
        learns = {part[-1] for part in parts}
        for t in range(self.rounds):
            if t in learns and answer is not None:
                self._follow(answer, deviation)
            with torch.no_grad():
                seen = games.observed
                prices, _, log_probs = self.leader(seen)
                bought = games.rational(games.price) if answer is None else answer(games.seen)
                earned, over = games.play(prices, bought)
            played.append((seen, prices, log_probs, earned, torch.tensor(over)))
        if leads:
            columns = [torch.stack(column) for column in zip(*played, strict=True)]
            self._lead(*columns)

    def _follow(self, network: FollowerNetwork, deviation: float) -> None:
        games = self.games
        prices = games.prices(self.explore)
        with torch.no_grad():
            seen = games.seen_at(prices)
            tried = network.tried(seen, deviation)
            bought = tried.sample((DRAWS,))
            before = tried.log_prob(bought)
            surplus = games.surplus(prices, bought)
            advantage = _standardized(surplus - surplus.mean(dim=0))
        for _ in range(STEPS):
            ratio = network.tried(seen, deviation).log_prob(bought) - before
            _descend(self.optimizer, _clipped(ratio, advantage))

    def _lead(
        self, seen: Tensor, prices: Tensor, before: Tensor, earned: Tensor, over: Tensor
    ) -> None:
        """Learn from T rounds of N games. A price is paid in the next round; the last of an
        episode never is."""
        policy, recipe = self.leader, self.recipe
        paid, ends = earned[1:, :, None], over[1:, None, None].expand(-1, earned.shape[1], 1)
        with torch.no_grad():
            values = policy.predict_values(seen.flatten(0, 1)).view(*seen.shape[:2], 1)
            advantage, target = generalized_advantage_estimate(
                recipe.gamma, LAMBDA, values[:-1], values[1:], paid, ends, ends, time_dim=0
            )
        kept = ~over[:-1]
        if not kept.any():
            return
        advantage, target = (part[kept].flatten() for part in (advantage, target))
        seen, prices, before = (part[:-1][kept].flatten(0, 1) for part in (seen, prices, before))
        advantage = _standardized(advantage)
        for _ in range(recipe.n_epochs):
            for part in torch.randperm(len(seen)).split(recipe.batch_size):
                values, log_probs, _ = policy.evaluate_actions(seen[part], prices[part])
                of_critic = (values[:, 0] - target[part]).square().mean()
                loss = _clipped(log_probs - before[part], advantage[part]) + 0.5 * of_critic
                _descend(policy.optimizer, loss)


def _standardized(advantage: Tensor) -> Tensor:
    return (advantage - advantage.mean()) / (advantage.std(correction=0) + 1e-8)


def _clipped(log_ratio: Tensor, advantage: Tensor) -> Tensor:
    """PPO's loss (Schulman et al. 2017, Eq. 7)."""
    ratio = log_ratio.exp()
    held = ratio.clamp(1.0 - CLIP, 1.0 + CLIP)
    return -torch.minimum(ratio * advantage, held * advantage).mean()


def _descend(optimizer: Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    nn.utils.clip_grad_norm_(parameters, GREATEST_NORM)
    optimizer.step()


class Pathwise(Sides):
    """Both sides by the gradient of what they earn, through the rules of the market.

    Followers climb their own surplus, each by its own purchases; the leader its utility, through
    the followers' answer. Each gradient reaches the weights of its own side alone. The leader's
    mean is the price.
    """

    rounds = 2

    def iterate(self, leads: bool, deviation: float) -> None:
        """Play two rounds, and learn: followers in both, and the leader in between."""
        posted = self._mean()
        over = self._play(posted)
        # What a price moves is the next round's; the last of an episode is never paid.
        if leads and not over:
            self._lead(posted)
        self._play(self._mean())

    def _mean(self) -> Tensor:
        drawn: Any = self.leader.get_distribution(self.games.observed).distribution
        return drawn.mean

    def _answer(self, prices: Tensor) -> Tensor:
        """What is bought, which does not move with the price where it is held at a bound."""
        if self.followers is None:
            return self.games.rational(prices)
        return self.followers(self.games.seen_at(prices)).clamp(-1.0, 1.0)

    def _play(self, posted: Tensor) -> bool:
        """Play a round, from which followers learn; whether the episode ended with it."""
        games = self.games
        if self.followers is not None:
            prices = games.prices(self.explore)
            bought = _Held.apply(self.followers(games.seen_at(prices)))
            # Where capacity is shared, what one buys is taken from the others, which is no loss of
            # its own: so in the k-th copy VMU k alone moves.
            one_each = torch.eye(games.K, dtype=torch.bool)[:, None, None]
            alone = torch.where(one_each, bought, bought.detach())
            surplus = games.surplus(prices, alone).diagonal(dim1=0, dim2=-1)
            _climb(self.optimizer, self.followers, surplus.mean())
        with torch.no_grad():
            _, over = games.play(posted.detach(), self._answer(games.price))
        return over

    def _lead(self, posted: Tensor) -> None:
        prices = _Held.apply(posted[:, 0])
        utility = self.games.settle(prices, self._answer(prices)).asp_utility
        _climb(self.leader.optimizer, self.leader, utility.mean())


class _Held(torch.autograd.Function):
    """A side's own actions, held at their bounds, from which its gradient may move them back."""

    @staticmethod
    def forward(ctx: Any, action: Tensor) -> Tensor:
        ctx.save_for_backward(action)
        return action.clamp(-LIMIT, LIMIT)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (action,), (gradient,) = ctx.saved_tensors, gradients
        outwards = ((action > LIMIT) & (gradient < 0)) | ((action < -LIMIT) & (gradient > 0))
        return gradient.masked_fill(outwards, 0.0)


def _climb(optimizer: Optimizer, network: nn.Module, value: Tensor) -> None:
    optimizer.zero_grad()
    (-value).backward(inputs=list(network.parameters()))
    optimizer.step()
