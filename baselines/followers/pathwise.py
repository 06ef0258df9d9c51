"""Both sides by the gradient of what they earn, through the market."""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor
from torch.optim import Optimizer

from baselines.followers.follower_policy import FollowerNetwork
from baselines.followers.games import LearningGames


class Pathwise:
    """Followers climb their own surplus; the leader its utility, through the followers' answer.

    Each gradient reaches the weights of its own side alone. What is out of bounds is clipped, so
    that nothing is earned by going farther: there the squared distance from the bounds is a cost.

    Args:
        games: differentiable.
        leader: the policy whose mean is the price; its optimizer is the leader's.
        followers: their mean is what they buy.
        optimizer: theirs.
        follower_updates: rounds in which followers learn alone, before one in which both do.
    """

    def __init__(
        self,
        games: LearningGames,
        leader: ActorCriticPolicy,
        followers: FollowerNetwork,
        optimizer: Optimizer,
        follower_updates: int,
    ) -> None:
        self.rounds = follower_updates + 1
        self._games, self._leader, self._followers = games, leader, followers
        self._optimizers = leader.optimizer, optimizer
        self._of_leader = list(leader.parameters())
        self._of_followers = list(followers.mean.parameters())
        N, K = games.env.num_envs, games.K
        self._turns = (torch.arange(N)[:, None] % K == torch.arange(K))[..., None]

    def iterate(self, leads: bool) -> None:
        """Play and learn: followers in each round, and the leader, if it is to, in the last."""
        games = self._games
        for _ in range(self.rounds - 2):
            self._play(self._unlearned())
        mean = self._mean() if leads else self._unlearned()
        lost = self._play(mean)
        # What this price moves is the next round's; a last price is never paid.
        self._play(self._unlearned(), None if lost or not leads else mean)
        games.detach()

    @torch.no_grad()
    def _unlearned(self) -> Tensor:
        return self._mean()

    def _mean(self) -> Tensor:
        drawn: Any = self._leader.get_distribution(self._games.features).distribution
        return drawn.mean

    def _play(self, price: Tensor, in_force: Tensor | None = None) -> bool:
        """Play a round, from which followers learn; and the leader whose price was in force.

        Args:
            price: means of the prices to be posted.
            in_force: means of those in force, where the leader is to learn.

        Returns:
            Whether the episode ended.
        """
        games = self._games
        answer = self._followers.mean(games.seen)
        # Where the leader learns its gradient goes through the answer; else nothing passes here
        # from the next round to the followers' weights.
        bought = answer if in_force is not None else answer.detach().requires_grad_()
        round_ = games.play(games.post(price), bought)
        own = (round_.followers - _distance(bought)).mean()
        slope = torch.autograd.grad(own, bought, retain_graph=True)[0]
        if games.env.market.capacity is not None:
            # What one buys is then taken from the others, which is not its own loss.
            slope = self._own_slope(round_, bought)
        if in_force is not None:
            played = slice(games.trembling, None)
            earned = (round_.leader - _distance(in_force))[played].mean()
            _climb(self._optimizers[0], self._of_leader, earned, retain_graph=True)
        _climb(self._optimizers[1], self._of_followers, answer, grad_outputs=slope)
        return round_.over

    def _own_slope(self, round_: Any, bought: Tensor) -> Tensor:
        """By its own purchases alone, of one VMU in each game by turns."""
        mine = torch.where(self._turns, round_.followers - _distance(bought), 0.0).mean()
        return torch.autograd.grad(mine, bought, retain_graph=True)[0] * self._turns


def _distance(action: Tensor) -> Tensor:
    """Squared, from the bounds [−1, 1]."""
    return (action - action.clamp(-1.0, 1.0)) ** 2


def _climb(optimizer: Optimizer, parameters: list[Any], value: Tensor, **given: Any) -> None:
    """A step of the optimizer up a gradient, which reaches these parameters alone."""
    slopes = torch.autograd.grad(value, parameters, allow_unused=True, **given)
    for parameter, slope in zip(parameters, slopes, strict=True):
        parameter.grad = None if slope is None else -slope
    optimizer.step()
