"""PPO for both sides, by TorchRL's clipped loss."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from tensordict import TensorDict
from tensordict.nn import InteractionType, TensorDictModule
from torch import Tensor, nn
from torchrl.modules import IndependentNormal, ProbabilisticActor
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value.functional import generalized_advantage_estimate

from baselines.followers.learning_games import LearningGames

LAMBDA = 0.95
"""Of the generalised advantages of leaders whose discount is not 0."""
GREATEST_NORM = 0.5
"""To which gradients are clipped."""


class LeaderHead(nn.Module):
    """An actor-critic policy of Stable-Baselines3 as TorchRL takes an actor.

    Args:
        policy: its networks.
    """

    def __init__(self, policy: ActorCriticPolicy) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, features) to the mean and deviation of prices, (B, 1) each."""
        drawn: Any = self.policy.get_distribution(features).distribution
        return drawn.mean, drawn.stddev


class LeaderValue(nn.Module):
    """Its critic.

    Args:
        policy: its networks.
    """

    def __init__(self, policy: ActorCriticPolicy) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, features: Tensor) -> Tensor:
        """(B, features) to values (B, 1)."""
        return self.policy.predict_values(features)


class Clipped:
    """One side: it draws actions, and learns from what they earned.

    Args:
        head: what is seen to mean and deviation.
        critic: what is seen to a value.
        optimizer: of both.
        batch_size: of a minibatch; all at once where there are fewer.
    """

    def __init__(
        self,
        head: nn.Module,
        critic: nn.Module,
        optimizer: torch.optim.Optimizer,
        batch_size: int,
    ) -> None:
        of_head = TensorDictModule(head, ["seen"], ["loc", "scale"])
        self._actor = ProbabilisticActor(
            of_head,
            ["loc", "scale"],
            distribution_class=IndependentNormal,
            return_log_prob=True,
            default_interaction_type=InteractionType.RANDOM,
        )
        self._loss = ClipPPOLoss(
            self._actor,
            TensorDictModule(critic, ["seen"], ["state_value"]),
            entropy_bonus=False,
            critic_coeff=0.5,
            loss_critic_type="l2",
            functional=False,
            log_explained_variance=False,
        )
        self._critic, self._optimizer = critic, optimizer
        self._batch_size = batch_size
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]

    def act(self, seen: Tensor) -> TensorDict:
        """`seen`, with an `action` drawn and its `action_log_prob`."""
        drawn = self._actor(TensorDict({"seen": seen}, seen.shape[:-1]))
        return drawn.select("seen", "action", "action_log_prob")

    def values(self, seen: Tensor) -> Tensor:
        """What the critic makes of it, (…, 1)."""
        return self._critic(seen)

    def minibatches(self, data: TensorDict) -> int:
        """How many make a pass over the data."""
        return -(-len(data) // self._batch_size)

    def learn(self, data: TensorDict, advantage: Tensor, target: Tensor, steps: int) -> None:
        """Improve on actions by their advantages, and the critic towards its targets.

        Args:
            data: of `act`, the first axis of what is drawn into minibatches.
            advantage, target: as the actions.
            steps: minibatches.
        """
        spread = advantage.std(correction=0) + 1e-8
        data["advantage"] = (advantage - advantage.mean()) / spread
        data["value_target"] = target
        for part in islice(_minibatches(data, self._batch_size), steps):
            losses = self._loss(part)
            self._optimizer.zero_grad()
            (losses["loss_objective"] + losses["loss_critic"]).backward()
            nn.utils.clip_grad_norm_(self._parameters, GREATEST_NORM)
            self._optimizer.step()


def _minibatches(data: TensorDict, size: int) -> Iterator[TensorDict]:
    """Pass after pass, without end."""
    while True:
        if len(data) <= size:
            yield data
        else:
            yield from (data[places] for places in torch.randperm(len(data)).split(size))


class PPO:
    """Both sides by PPO: rounds are played, and then learned from.

    Args:
        games: of both.
        leader: its side.
        followers: theirs; None: they are rational.
        steps: rounds after which the leader learns; two or more, so that some of its prices are
            paid.
        gamma: the leader's discount; followers are myopic.
        epochs: passes of the leader over the rounds that it learns from.
        follower_updates: of them, while those rounds are played.
        follower_steps: minibatches in an update of followers; as many as make a pass, if fewer.
    """

    def __init__(
        self,
        games: LearningGames,
        leader: Clipped,
        followers: Clipped | None,
        steps: int,
        gamma: float,
        epochs: int,
        follower_updates: int,
        follower_steps: int,
    ) -> None:
        self.rounds = steps
        self._games, self._leader, self._followers = games, leader, followers
        self._gamma, self._epochs = gamma, epochs
        self._parts = [len(part) for part in np.array_split(range(steps), follower_updates)]
        self._follower_steps = follower_steps

    def iterate(self, leads: bool) -> None:
        """Play and learn: followers after each part of the rounds, and in the end, if it is to, the
        leader."""
        played = [round_ for count in self._parts for round_ in self._play(count)]
        if leads:
            prices, earned, over = zip(*played, strict=True)
            self._lead(torch.stack(prices), torch.stack(earned), torch.tensor(over))

    def _play(self, count: int) -> list[tuple[Any, Tensor, bool]]:
        """Play some rounds, from which followers learn.

        Returns:
            Of each the leader's side, what it earned, and whether an episode ended.
        """
        games, followers = self._games, self._followers
        played, purchases, surpluses = [], [], []
        with torch.no_grad():
            for _ in range(count):
                prices = self._leader.act(games.features)
                if followers is None:
                    bought = games.rational()
                else:
                    purchases.append(followers.act(games.seen))
                    bought = purchases[-1]["action"]
                round_ = games.play(games.post(prices["action"]), bought)
                surpluses.append(round_.followers)
                played.append((prices, round_.leader, round_.over))
        if followers is not None:
            answers: Any = torch.cat(purchases)
            surplus = torch.cat(surpluses)
            with torch.no_grad():
                values = followers.values(answers["seen"])
            steps = max(self._follower_steps, followers.minibatches(answers))
            followers.learn(answers, surplus - values, surplus, steps)
        return played

    def _lead(self, prices: Any, earned: Tensor, over: Tensor) -> None:
        """The leader learns. A price is paid in the next round; the last of an episode never is."""
        own = slice(self._games.trembling, None)
        prices, paid = prices[:, own], earned[1:, own]
        with torch.no_grad():
            values = self._leader.values(prices["seen"].flatten(0, 1)).view(*prices.shape, 1)
            ends = over[1:, None, None].expand_as(paid)
            advantage, target = generalized_advantage_estimate(
                self._gamma, LAMBDA, values[:-1], values[1:], paid, ends, ends, time_dim=0
            )
        kept = ~over[:-1]
        if kept.any():
            data = prices[:-1][kept].flatten(0, 1)
            advantage, target = (part[kept].flatten(0, 1) for part in (advantage, target))
            steps = self._epochs * self._leader.minibatches(data)
            self._leader.learn(data, advantage, target, steps)
