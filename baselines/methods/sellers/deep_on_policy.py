"""PPO of G sellers at once, each on the last rounds of its own session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.methods.sellers import deep_actors
from baselines.methods.sellers.deep_memory import Memory
from baselines.methods.sellers.deep_networks import Update, drawn
from baselines.methods.sellers.deep_recipe import DeepRecipe


class PPO(nn.Module):
    """Proximal policy optimization (Schulman et al. 2017), a whole rollout at a time.

    With average reward, advantages are of r − ρ + V(s′) − V(s) without a discount; ρ follows the
    mean reward at the pace of `average_step` a period.

    Arguments and attributes are those of `OffPolicy`.
    """

    rho: Tensor
    raw: Tensor

    def __init__(
        self, recipe: DeepRecipe, rngs: Sequence[np.random.Generator], count: int, M: int
    ) -> None:
        super().__init__()
        self._recipe, self.G = recipe, len(rngs) * count
        self.actor: Any = deep_actors.made(recipe, rngs, count, M)
        self.critics = drawn(rngs, count, [M, recipe.critic_width, recipe.critic_width, 1])
        self.register_buffer("rho", torch.zeros(self.G))
        self.register_buffer("raw", torch.zeros(self.G, recipe.n_steps, 1))
        actor, critics = self.actor.parameters(), self.critics.parameters()
        self.actor_update = Update([*actor], self.G, recipe.actor_rate, recipe.clip)
        self.critic_update = Update([*critics], self.G, recipe.critic_rate, recipe.clip)
        self.updates = [self.actor_update, self.critic_update]
        self.normal, self.uniform = {"act": (1, 1)}, {}
        self.warm_up, self.remembers = 0, recipe.n_steps

    @torch.no_grad()
    def act(self, states: Tensor, draws: dict[str, Tensor], t: int) -> Tensor:
        """Positions (G, 1, 1) to explore with in period t."""
        raw = self.actor.raw(states, draws["act"])
        self.raw[:, t % self._recipe.n_steps] = raw[:, 0]
        return raw.clamp(-1.0, 1.0)

    def learn(self, memory: Memory, t: int, draws: dict[str, Tensor]) -> None:
        """Take in period t, and learn where a rollout ends with it."""
        recipe, n = self._recipe, self._recipe.n_steps
        if (t + 1) % n:
            return
        batch = memory.batch(torch.arange(t + 1 - n, t + 1).expand(self.G, n))
        with torch.no_grad():
            values = self.critics(torch.cat([batch.states, batch.after[:, -1:]], dim=1))
            advantages = self.advantages(batch.rewards, values)
            targets = advantages + values[:, :-1]
            std, mean = torch.std_mean(advantages, dim=1, keepdim=True)
            advantages = (advantages - mean) / (std + 1e-8)
            before = self.actor.log_prob(batch.states, self.raw)
            if recipe.objective == "average":
                pace = 1.0 - (1.0 - recipe.average_step) ** n
                self.rho.lerp_(batch.rewards.mean(dim=(1, 2)), pace)
        for _ in range(recipe.n_epochs):
            ratio = (self.actor.log_prob(batch.states, self.raw) - before).exp()
            held = ratio.clamp(1.0 - recipe.clip_range, 1.0 + recipe.clip_range)
            gains = torch.minimum(ratio * advantages, held * advantages)
            self.actor_update.step(-gains.mean(dim=1).sum())
            errors = self.critics(batch.states) - targets
            self.critic_update.step(errors.square().mean(dim=1).sum())

    def advantages(self, rewards: Tensor, values: Tensor) -> Tensor:
        """Generalised advantages (Schulman et al. 2016), (G, n, 1).

        Args:
            rewards: (G, n, 1), of which ρ is taken where the objective is "average".
            values: (G, n + 1, 1).
        """
        average = self._recipe.objective == "average"
        gamma = 1.0 if average else self._recipe.gamma
        errors = rewards + gamma * values[:, 1:] - values[:, :-1]
        if average:
            errors = errors - self.rho[:, None, None]
        ahead = torch.arange(rewards.shape[1])
        ahead = ahead[None] - ahead[:, None]
        shares = (gamma * self._recipe.gae_lambda) ** ahead.clamp(min=0).float()
        return (shares * (ahead >= 0)) @ errors
