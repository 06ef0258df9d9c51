"""Both sides by the gradient of what they earn, through the market."""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor
from torch.optim import Optimizer

from baselines.followers.follower_policy import FollowerNetwork
from baselines.followers.learning_games import LearningGames


class Pathwise:
    """Followers climb their own surplus; the leader its utility, through the followers' answer.

    Each gradient reaches the weights of its own side alone. What is out of bounds is held at them,
    and moves only if it is better to come back.

    Args:
        games: differentiable.
        leader: the policy whose mean is the price; its optimizer is the leader's.
        followers: their mean is what they buy; None: they are rational.
        optimizer: theirs.
        follower_updates: rounds in which followers learn alone, before one in which both do.
    """

    def __init__(
        self,
        games: LearningGames,
        leader: ActorCriticPolicy,
        followers: FollowerNetwork | None,
        optimizer: Optimizer,
        follower_updates: int,
    ) -> None:
        self.rounds = follower_updates + 1
        self._games, self._leader, self._followers = games, leader, followers
        self._optimizers = leader.optimizer, optimizer
        self._of_leader = list(leader.parameters())
        self._of_followers = [] if followers is None else list(followers.mean.parameters())
        N, K = games.env.num_envs, games.K
        self._turns = (torch.arange(N)[:, None] % K == torch.arange(K))[..., None]

    def iterate(self, leads: bool) -> None:
        """Play and learn: followers in each round, and the leader, if it is to, in the last."""
        for _ in range(self.rounds - 2):
            self._play(self._mean().detach())
        mean = self._mean()
        posted, over = self._play(mean.detach())
        # What a price moves is the next round's; the last of an episode is never paid.
        self._play(self._mean().detach(), (mean, posted) if leads and not over else None)
        self._games.detach()

    def _mean(self) -> Tensor:
        drawn: Any = self._leader.get_distribution(self._games.features).distribution
        return drawn.mean

    def _play(
        self, mean: Tensor, in_force: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, bool]:
        """Play a round, from which followers learn; and the leader whose price was in force.

        Args:
            mean: of the prices to be posted.
            in_force: of the prices in force the mean, and what was posted, if the leader learns.

        Returns:
            What was posted, and whether the episode ended.
        """
        games = self._games
        followers = self._followers
        answer = games.rational() if followers is None else followers.mean(games.seen)
        # Where the leader learns its gradient goes through the answer; else nothing passes here
        # from the next round to the followers' weights.
        bought = _held(answer) if in_force is not None else _leaf(answer)
        posted = _leaf(mean)
        round_ = games.play(games.post(posted), bought)
        slope = None if followers is None else self._slope_of_own(round_.followers, bought)
        if in_force is not None:
            earned = round_.leader[games.trembling :].mean()
            _climb(self._optimizers[0], self._of_leader, in_force[0], _slope(earned, in_force[1]))
        if slope is not None:
            _climb(self._optimizers[1], self._of_followers, answer, slope)
        return posted, round_.over

    def _slope_of_own(self, surplus: Tensor, bought: Tensor) -> Tensor:
        """(N, K, 1) of each follower's surplus by what it buys itself."""
        if self._games.env.market.capacity is None:
            return _slope(surplus.mean(), bought)
        # What one buys is then taken from the others, which is not its own loss: one VMU of
        # each game learns, by turns.
        own = torch.where(self._turns, surplus, 0.0).mean()
        return _slope(own, bought) * self._turns


LIMIT = 1.0 - 1e-6
"""Within the bounds [−1, 1], whose rounding would stop gradients."""


def _held(action: Tensor) -> Tensor:
    return action.clamp(-LIMIT, LIMIT)


def _leaf(action: Tensor) -> Tensor:
    """The action as an end of gradients."""
    return _held(action.detach()).requires_grad_()


def _slope(value: Tensor, action: Tensor) -> Tensor:
    return torch.autograd.grad(value, action, retain_graph=True)[0]


def _climb(optimizer: Optimizer, parameters: list[Any], action: Tensor, slope: Tensor) -> None:
    """A step of the optimizer up a slope of actions, which reaches these parameters alone."""
    outwards = ((action > LIMIT) & (slope > 0)) | ((action < -LIMIT) & (slope < 0))
    slopes = torch.autograd.grad(
        action, parameters, torch.where(outwards, 0.0, slope), allow_unused=True
    )
    for parameter, own in zip(parameters, slopes, strict=True):
        parameter.grad = None if own is None else -own
    optimizer.step()
