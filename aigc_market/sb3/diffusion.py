"""A diffusion policy for Stable-Baselines3: an action is denoised in a few steps.

Usable outside this project, wherever actions are a Box:

    from stable_baselines3 import TD3
    from aigc_market.sb3 import DiffusionPolicy

    as_published = {"policy_delay": 1, "target_noise_clip": 0.0}
    model = TD3(DiffusionPolicy, env, policy_kwargs={"denoising_steps": 5}, **as_published)

The chain is the reverse process of Ho et al. (2020), conditioned on the observation and trained
through the critic, as in Du et al., "Enhancing Deep Reinforcement Learning" (arXiv 2308.05384,
program GDMOPT) and "Diffusion-based Reinforcement Learning for Edge-enabled AI-Generated Content
Services" (arXiv 2303.13052, program AGOD).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.common.preprocessing import get_action_dim
from stable_baselines3.common.torch_layers import create_mlp
from stable_baselines3.td3.policies import Actor, TD3Policy
from torch import Tensor, nn

from aigc_market import _checks


def betas(schedule: str, steps: int) -> Tensor:
    """Variances β_1 … β_T of the forward process, (T,), float32.

    Args:
        schedule: "vp", β_t = 1 − exp(−.1 / T − (10 − .1)(2t − 1) / (2 T²)), the variance-preserving
            process of Song et al. (2021) in T steps, as in Xiao, Kreis & Vahdat (2022); "linear",
            from 1e-4 to .02 (Ho et al. 2020); "cosine" (Nichol & Dhariwal 2021), at most .999.
        steps: T, of at least 1.

    Raises:
        TypeError, ValueError: another schedule, or no such number.
    """
    _checks.choice("schedule", schedule, ("vp", "linear", "cosine"))
    _checks.integer("denoising_steps", steps, at_least=1)
    t = np.arange(1, steps + 1)
    if schedule == "vp":
        variances = 1 - np.exp(-0.1 / steps - 0.5 * 9.9 * (2 * t - 1) / steps**2)
    elif schedule == "linear":
        variances = np.linspace(1e-4, 0.02, steps)
    else:
        signal = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2) ** 2
        variances = np.clip(1 - signal[1:] / signal[:-1], 0, 0.999)
    return torch.tensor(variances, dtype=torch.float32)


class DiffusionActor(Actor):
    """Denoises an action in T steps, conditioned on the observation's features.

    x_T is drawn from N(0, I). For t = T … 1 the network reads x_t, an embedding of t and the
    features, and predicts the noise in x_t, hence x_0; x_{t−1} is drawn from the posterior
    q(x_{t−1} | x_t, x_0) (Ho et al. 2020, equations 6 and 7), its mean at the last step. Noise
    comes from PyTorch's global generator, which SB3's `seed` seeds.

    Args:
        denoising_steps: T.
        schedule: see `betas`.
        time_embedding: numbers of the sinusoidal embedding of t, even, of at least 4.
        published: the program whose chain this is. "gdmopt": an MLP reads the features first, and
            x_0 is clipped to [−1, 1]. "agod": the features are read as they are, the network ends
            in tanh and x_0 is not clipped; its program takes a softmax over discrete actions then.
        arguments: those of SB3's `Actor`.

    Raises:
        TypeError, ValueError: arguments that make no such chain.
    """

    sinusoids: Tensor
    steps: Tensor

    def __init__(
        self,
        denoising_steps: int = 5,
        schedule: str = "vp",
        time_embedding: int = 16,
        published: str = "gdmopt",
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.chain = {
            "denoising_steps": denoising_steps,
            "schedule": schedule,
            "time_embedding": time_embedding,
            "published": _checks.choice("published", published, ("gdmopt", "agod")),
        }
        self._steps(betas(schedule, denoising_steps))
        self._network(_checks.integer("time_embedding", time_embedding, at_least=4))

    def _steps(self, variances: Tensor) -> None:
        # in float32 throughout, as the programs have it: 1 − .999 loses four digits there
        signal = torch.cumprod(1 - variances, 0)
        before = torch.cat([torch.ones(1), signal[:-1]])
        numbers = [
            torch.sqrt(1 / signal),  # of x_t in x_0
            torch.sqrt(1 / signal - 1),  # of the noise in x_0
            variances * torch.sqrt(before) / (1 - signal),  # of x_0 in the posterior's mean
            (1 - before) * torch.sqrt(1 - variances) / (1 - signal),  # of x_t in it
            torch.sqrt(variances * (1 - before) / (1 - signal)),  # its standard deviation
        ]
        self.register_buffer("steps", torch.stack(numbers, dim=1), persistent=False)

    def _network(self, width: int) -> None:
        if width % 2:
            raise ValueError(f"time_embedding must be even, got {width}")
        if not self.net_arch:
            raise ValueError(f"net_arch must name one layer at least, got {self.net_arch}")
        agod, act = self.chain["published"] == "agod", self.activation_fn
        actions = get_action_dim(self.action_space)
        hidden = self.net_arch[0]
        frequency = torch.exp(torch.arange(width // 2) * (-math.log(10_000) / (width // 2 - 1)))
        angle = torch.arange(len(self.steps))[:, None] * frequency
        self.register_buffer("sinusoids", torch.cat([angle.sin(), angle.cos()], 1), False)
        self.time_mlp = nn.Sequential(*create_mlp(width, width, [2 * width], act))
        self.state_mlp = nn.Sequential(
            *([] if agod else create_mlp(self.features_dim, hidden, [hidden], act))
        )
        read = actions + width + (self.features_dim if agod else hidden)
        self.mu = nn.Sequential(*create_mlp(read, actions, self.net_arch, act, squash_output=agod))

    def denoise(self, features: Tensor, noise: Tensor) -> Tensor:
        """The chain's x_0, (B, A), not clipped at its end.

        Args:
            features: (B, F).
            noise: (T, B, A), standard normal: x_T first, then that of each step but the last.

        Raises:
            ValueError: noise of another shape.
        """
        if noise.shape != self._shape(features):
            raise ValueError(
                f"noise must be of shape {self._shape(features)}, got {tuple(noise.shape)}"
            )
        times = self.time_mlp(self.sinusoids)
        state = self.state_mlp(features)
        x = noise[0]
        for t in reversed(range(len(self.steps))):
            output = self.mu(torch.cat([x, times[t].expand(len(x), -1), state], dim=1))
            x_in_start, noise_in_start, start_in_mean, x_in_mean, std = self.steps[t]
            start = x_in_start * x - noise_in_start * output
            if self.chain["published"] == "gdmopt":
                start = start.clamp(-1, 1)
            x = start_in_mean * start + x_in_mean * x
            if t:
                x = x + std * noise[-t]
        return x

    def forward(self, obs: Any, deterministic: bool = False) -> Tensor:
        """Actions in [−1, 1], (B, A): a sampled chain, or where deterministic one of zero noise."""
        features = self.extract_features(obs, self.features_extractor)
        draw = torch.zeros if deterministic else torch.randn
        noise = draw(self._shape(features), device=features.device)
        return self.denoise(features, noise).clamp(-1, 1)

    def _shape(self, features: Tensor) -> tuple[int, int, int]:
        return len(self.steps), len(features), get_action_dim(self.action_space)

    def _predict(self, observation: Any, deterministic: bool = False) -> Tensor:
        return self(observation, deterministic)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), **self.chain}


class LeastCritic(ContinuousCritic):
    """SB3's critics; the actor ascends the least of them, as published, where TD3 has the first."""

    def q1_forward(self, obs: Any, actions: Tensor) -> Tensor:
        """The least of the critics' values, (B, 1)."""
        with torch.no_grad():
            features = self.extract_features(obs, self.features_extractor)
        read = torch.cat([features, actions], dim=1)
        return torch.cat([net(read) for net in self.q_networks], 1).amin(1, keepdim=True)


class DiffusionPolicy(TD3Policy):
    """A policy for SB3's `TD3` and `DDPG` whose actor is a `DiffusionActor`.

    While it learns and explores it plays sampled chains, as published, so it needs no action
    noise. `predict(…, deterministic=True)` plays one chain of zero noise (x_T = 0, the posterior's
    means); the published programs have no such play, they sample there too.

    As GDMOPT trains it: `policy_delay=1`, `target_noise_clip=0` (neither delay nor smoothing), the
    actor through the least of two critics (so here), `n_steps=3`, `batch_size=512`, a learning rate
    of 1e-4 and `optimizer_kwargs={"weight_decay": 1e-4}`. Not offered: its perturbation of every
    tenth batch of actions (σ = .1; see TD3's `action_noise`), its critics' shared first layers, and
    AGOD's entropy, which is one of a softmax over discrete actions. SAC needs log π, which a chain
    does not have.

    Args:
        net_arch, activation_fn: of actor and critics, as SB3 has them; published: these.
        denoising_steps, schedule, time_embedding, published: see `DiffusionActor`.

    Other arguments are those of `TD3Policy`. Raises TypeError or ValueError, see `DiffusionActor`.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Box,
        lr_schedule: Any,
        net_arch: list[int] | dict[str, list[int]] | None = None,
        activation_fn: type[nn.Module] = nn.Mish,
        denoising_steps: int = 5,
        schedule: str = "vp",
        time_embedding: int = 16,
        published: str = "gdmopt",
        **arguments: Any,
    ) -> None:
        self.chain: dict[str, Any] = {
            "denoising_steps": denoising_steps,
            "schedule": schedule,
            "time_embedding": time_embedding,
            "published": published,
        }
        net_arch = [256, 256] if net_arch is None else net_arch
        super().__init__(
            observation_space, action_space, lr_schedule, net_arch, activation_fn, **arguments
        )

    def make_actor(self, features_extractor: Any = None) -> DiffusionActor:
        """A new actor (SB3 calls this for the actor and its target)."""
        arguments = self._update_features_extractor(self.actor_kwargs, features_extractor)
        return DiffusionActor(**self.chain, **arguments).to(self.device)

    def make_critic(self, features_extractor: Any = None) -> LeastCritic:
        """New critics (SB3 calls this for the critics and their target)."""
        arguments = self._update_features_extractor(self.critic_kwargs, features_extractor)
        return LeastCritic(**arguments).to(self.device)

    def _predict(self, observation: Any, deterministic: bool = False) -> Tensor:
        return self.actor(observation, deterministic)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), **self.chain}
