"""Policies of G sellers at once, from what each sees (G, n, M) to positions (G, n, 1)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from aigc_market.sb3.diffusion import betas, reverse_steps
from baselines.methods.sellers.deep_networks import Networks, drawn
from baselines.methods.sellers.deep_recipe import DeepRecipe

LAST = 0.1
"""Bound of an actor's last weights, as in the published program."""


class Actor(nn.Module):
    """Positions of prices in [−1, 1].

    Args:
        networks: of G sellers.
        numbers: standard normal numbers that a position takes, k.
    """

    def __init__(self, networks: Networks, numbers: int = 1) -> None:
        super().__init__()
        self.networks, self.numbers = networks, numbers

    def forward(self, states: Tensor, noise: Tensor | None = None) -> Tensor:
        """(G, n, 1) of states (G, n, M), with noise (G, n, k) or, where there is none, greedily."""
        raise NotImplementedError


class SquashedGaussian(Actor):
    """SAC's: tanh of a normal number whose mean and deviation depend on the state."""

    def forward(self, states: Tensor, noise: Tensor | None = None) -> Tensor:
        """Greedily, tanh of the mean."""
        if noise is None:
            return self.networks(states)[..., :1].tanh()
        return self.with_log_prob(states, noise)[0]

    def with_log_prob(self, states: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Positions and the logarithms of their densities, each (G, n, 1)."""
        mean, log_std = self.networks(states).split(1, dim=-1)
        log_std = log_std.clamp(-20.0, 2.0)
        raw = mean + log_std.exp() * noise
        of_normal = -0.5 * noise.square() - log_std - 0.5 * math.log(2.0 * math.pi)
        of_tanh = 2.0 * (math.log(2.0) - raw - softplus(-2.0 * raw))
        return raw.tanh(), of_normal - of_tanh


class Deterministic(Actor):
    """TD3's: tanh of the network, and noise about it."""

    def __init__(self, networks: Networks, noise: float) -> None:
        super().__init__(networks)
        self._noise = noise

    def forward(self, states: Tensor, noise: Tensor | None = None) -> Tensor:
        """Clipped where noise is added."""
        positions = self.networks(states).tanh()
        return positions if noise is None else (positions + self._noise * noise).clamp(-1.0, 1.0)


class Gaussian(Actor):
    """PPO's: a clipped normal number, whose deviation is the same in all states."""

    def __init__(self, networks: Networks, log_std: float) -> None:
        super().__init__(networks)
        self.log_std = nn.Parameter(torch.full((len(networks.weights[0]), 1, 1), log_std))

    def forward(self, states: Tensor, noise: Tensor | None = None) -> Tensor:
        """Clipped to [−1, 1]."""
        return self.raw(states, noise).clamp(-1.0, 1.0)

    def raw(self, states: Tensor, noise: Tensor | None) -> Tensor:
        """As `forward`, not clipped."""
        mean = self.networks(states)
        return mean if noise is None else mean + self.log_std.exp() * noise

    def log_prob(self, states: Tensor, raw: Tensor) -> Tensor:
        """Of the density of positions before they are clipped, (G, n, 1)."""
        distance = (raw - self.networks(states)) / self.log_std.exp()
        return -0.5 * distance.square() - self.log_std - 0.5 * math.log(2.0 * math.pi)


class Chain(Actor):
    """A diffusion policy: a position is denoised in T steps.

    The reverse process of Ho et al. (2020) with the variance-preserving schedule and x_0 clipped to
    [−1, 1], as `aigc_market.sb3.DiffusionActor`. Its network reads x_t, the state and t as one of T
    units, which is what any embedding of T times comes to in the first layer. Noise (G, n, T) is
    x_T first, then that of the steps T … 2; greedily all of it is 0.
    """

    steps: Tensor

    def __init__(self, networks: Networks, numbers: int) -> None:
        super().__init__(networks, numbers)
        steps = reverse_steps(betas("vp", numbers))
        self.register_buffer("steps", steps, persistent=False)

    def forward(self, states: Tensor, noise: Tensor | None = None) -> Tensor:
        """Clipped to [−1, 1]."""
        rows = states.shape[:2]
        x = states.new_zeros(*rows, 1) if noise is None else noise[..., :1]
        times = torch.eye(self.numbers)
        for t in reversed(range(self.numbers)):
            read = torch.cat([x, states, times[t].expand(*rows, -1)], dim=-1)
            x_in_start, noise_in_start, start_in_mean, x_in_mean, std = self.steps[t]
            start = (x_in_start * x - noise_in_start * self.networks(read)).clamp(-1.0, 1.0)
            x = start_in_mean * start + x_in_mean * x
            if t and noise is not None:
                at = self.numbers - t
                x = x + std * noise[..., at : at + 1]
        return x.clamp(-1.0, 1.0)


def made(recipe: DeepRecipe, rngs: Sequence[np.random.Generator], count: int, M: int) -> Actor:
    """New actors of the sellers of sessions.

    Args:
        recipe: hyperparameters.
        rngs: of each session.
        count: sellers that learn in a session.
        M: prices that a seller sees.
    """
    hidden = [recipe.actor_width] * 2

    def networks(read: int, given: int) -> Networks:
        return drawn(rngs, count, [read, *hidden, given], LAST)

    if recipe.learner == "sac":
        return SquashedGaussian(networks(M, 2))
    if recipe.learner == "td3":
        return Deterministic(networks(M, 1), recipe.noise)
    if recipe.learner == "ppo":
        return Gaussian(networks(M, 1), recipe.log_std_init)
    T = recipe.denoising_steps
    return Chain(networks(1 + M + T, 1), T)
