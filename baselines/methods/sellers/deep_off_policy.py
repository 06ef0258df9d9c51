"""SAC, TD3 and diffusion_td3 of G sellers at once, with discounted or with average reward.

Average reward (differential returns): with ρ the estimate of the average reward and Q′ the target
critics' value, Q(s, a) learns r − ρ + Q′(s′, a′) − Q′(0, 0) − α·log π(a′ | s′), and ρ moves by a
small step towards the mean of r − α·log π + Q′(s′, a′) − Q′(s, a) over the batch, as in Frick
(arXiv 2604.15825), whose SAC it is; TD3 and diffusion_td3 have it without the entropy. With a
discount, Q learns r + γ·(Q′(s′, a′) − α·log π(a′ | s′)).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.methods.sellers import deep_actors
from baselines.methods.sellers.deep_memory import Batch, Memory
from baselines.methods.sellers.deep_networks import Networks, Update, drawn, follow
from baselines.methods.sellers.deep_recipe import DeepRecipe

FIRST_VALUE = 2.0
"""The critics' last bias at the start, as in the published program."""
SMOOTHING, SMOOTHING_BOUND, DELAY = 0.2, 0.5, 2
"""TD3's, as Fujimoto, van Hoof & Meger (2018) have them."""


class OffPolicy(nn.Module):
    """What learns from remembered periods through two critics.

    Args:
        recipe: hyperparameters.
        rngs: of each session.
        count: sellers that learn in a session; G of all sessions together.
        M: prices that a seller sees.
    """

    rho: Tensor

    def __init__(
        self, recipe: DeepRecipe, rngs: Sequence[np.random.Generator], count: int, M: int
    ) -> None:
        super().__init__()
        self._recipe, self.G = recipe, len(rngs) * count
        self.actor: Any = deep_actors.made(recipe, rngs, count, M)
        sizes = [M + 1, recipe.critic_width, recipe.critic_width, 1]
        pair = [drawn(rngs, count, sizes, bias=FIRST_VALUE) for _ in range(2)]
        parts = [[*networks.weights, *networks.biases] for networks in pair]
        both = [torch.cat([a.detach(), b.detach()]) for a, b in zip(*parts, strict=True)]
        self.critics = Networks(both[:3], both[3:])
        self.target_critics = copy.deepcopy(self.critics).requires_grad_(False)
        self.register_buffer("rho", torch.zeros(self.G))
        actor, critics = self.actor.parameters(), self.critics.parameters()
        self.actor_update = Update([*actor], self.G, recipe.actor_rate, recipe.clip)
        self.critic_update = Update([*critics], self.G, recipe.critic_rate, recipe.clip)
        self.updates = [self.actor_update, self.critic_update]
        n, k = recipe.batch_size, self.actor.numbers
        self.normal = {"act": (1, k), "next": (n, k), "own": (n, k)}
        """By name the shape of the normal numbers that a seller draws in a period."""
        self.uniform = {"periods": (n,)}
        """As `normal`, of numbers in [0, 1)."""
        self.warm_up, self.remembers = recipe.warm_up, min(recipe.buffer_size, recipe.periods)
        """Periods before it plays, and periods that it learns from."""

    @torch.no_grad()
    def act(self, states: Tensor, draws: dict[str, Tensor], t: int) -> Tensor:
        """Positions (G, 1, 1) to explore with in period t."""
        return self.actor(states, draws["act"])

    def learn(self, memory: Memory, t: int, draws: dict[str, Tensor]) -> None:
        """Take in period t: where it is time, a step on a batch of remembered periods."""
        recipe = self._recipe
        first = 0 if recipe.remember_warm_up else recipe.warm_up
        known = t + 1 - first
        if t < recipe.warm_up or known < recipe.batch_size or t % recipe.update_every:
            return
        batch = memory.drawn(t, first, draws["periods"])
        self.step(batch, draws, t // recipe.update_every)

    def step(self, batch: Batch, draws: dict[str, Tensor], update: int) -> None:
        """Take a step on a batch.

        Args:
            batch: remembered periods.
            draws: numbers of this period.
            update: its number; some of them are skipped by delayed actors.
        """
        recipe = self._recipe
        target, change = self.targets(batch, draws["next"])
        errors = self.values(self.critics, batch.states, batch.positions) - target
        self.critic_update.step(errors.square().mean(dim=2).sum())
        bonus = self.improve(batch, draws["own"], update)
        follow(self.target_critics, self.critics, recipe.tau)
        if recipe.objective == "average":
            seen = (batch.rewards + bonus + change).mean(dim=(1, 2))
            self.rho.lerp_(seen, recipe.average_step)

    @torch.no_grad()
    def targets(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """What the critics learn, and Q′(s′, a′) − Q′(s, a), each (G, n, 1)."""
        next_positions, bonus = self.following(batch.after, noise)
        after = torch.cat([batch.after, next_positions], dim=-1)
        before = torch.cat([batch.states, batch.positions], dim=-1)
        zero = torch.zeros_like(after[:, :1])
        following, now, baseline = self.target_values(after, before, zero)
        if self._recipe.objective == "average":
            target = batch.rewards - self.rho[:, None, None] + following - baseline + bonus
        else:
            target = batch.rewards + self._recipe.gamma * (following + bonus)
        return target, following - now

    def values(self, critics: Networks, states: Tensor, positions: Tensor) -> Tensor:
        """(2, G, n, 1) of two critics."""
        read = torch.cat([states, positions], dim=-1)
        return critics(read.repeat(2, 1, 1)).view(2, *positions.shape)

    def value(self, both: Tensor) -> Tensor:
        """(G, n, 1) of two critics' (2, G, n, 1)."""
        return both.mean(dim=0) if self._recipe.critic_value == "mean" else both.amin(dim=0)

    def target_values(self, *read: Tensor) -> list[Tensor]:
        """Q′ of states beside positions (G, n, M + 1), of each part (G, n, 1)."""
        rows = torch.cat(read, dim=1)
        both = self.target_critics(rows.repeat(2, 1, 1)).view(2, self.G, -1, 1)
        return list(self.value(both).split([part.shape[1] for part in read], dim=1))

    def following(self, states: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Positions (G, n, 1) that would follow, and −α·log π of them."""
        raise NotImplementedError

    def improve(self, batch: Batch, noise: Tensor, update: int) -> Tensor:
        """Take a step of the actor; −α·log π of its own positions, to be broadcast."""
        raise NotImplementedError


class SAC(OffPolicy):
    """Soft actor-critic (Haarnoja et al. 2018), its temperature learned, of each seller its own."""

    def __init__(self, recipe: DeepRecipe, *given: Any) -> None:
        super().__init__(recipe, *given)
        self.log_alpha = nn.Parameter(torch.zeros(self.G))
        self.alpha_update = Update([self.log_alpha], self.G, recipe.temperature_rate)
        self.updates.append(self.alpha_update)

    def following(self, states: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """As in the base."""
        positions, log_prob = self.actor.with_log_prob(states, noise)
        return positions, -self._alpha() * log_prob

    def improve(self, batch: Batch, noise: Tensor, update: int) -> Tensor:
        """Ascend the critics' value and the entropy; then move the temperature."""
        positions, log_prob = self.actor.with_log_prob(batch.states, noise)
        value = self.value(self.values(self.critics, batch.states, positions))
        losses = self._alpha() * log_prob - value
        self.actor_update.step(losses.mean(dim=1).sum())
        log_prob = log_prob.detach()
        surplus = log_prob.mean(dim=(1, 2)) + self._recipe.target_entropy
        self.alpha_update.step(-(self.log_alpha * surplus).sum())
        return -self._alpha() * log_prob

    def _alpha(self) -> Tensor:
        return self.log_alpha.detach().exp()[:, None, None]


class TD3(OffPolicy):
    """TD3 (Fujimoto, van Hoof & Meger 2018): smoothed targets, a delayed actor."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.target_actor: Any = copy.deepcopy(self.actor).requires_grad_(False)

    def following(self, states: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """As in the base; there is no entropy."""
        smoothing = (SMOOTHING * noise).clamp(-SMOOTHING_BOUND, SMOOTHING_BOUND)
        positions = self.target_actor(states) + smoothing
        return positions.clamp(-1.0, 1.0), noise.new_zeros(())

    def improve(self, batch: Batch, noise: Tensor, update: int) -> Tensor:
        """Ascend the first critic's value, every other time."""
        if update % DELAY == 0:
            value = self.values(self.critics, batch.states, self.actor(batch.states))[0]
            self.actor_update.step(-value.mean(dim=1).sum())
            follow(self.target_actor, self.actor, self._recipe.tau)
        return noise.new_zeros(())


class DiffusionTD3(TD3):
    """A diffusion policy through the least of two critics, as GDMOPT trains it.

    Neither smoothed nor delayed; it explores by its chain's own noise. (The source's entropy is one
    of discrete actions.)
    """

    def following(self, states: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """As in the base; chains are drawn."""
        return self.target_actor(states, noise), noise.new_zeros(())

    def improve(self, batch: Batch, noise: Tensor, update: int) -> Tensor:
        """Ascend the least of the critics' values."""
        both = self.values(self.critics, batch.states, self.actor(batch.states, noise))
        self.actor_update.step(-both.amin(dim=0).mean(dim=1).sum())
        follow(self.target_actor, self.actor, self._recipe.tau)
        return noise.new_zeros(())
