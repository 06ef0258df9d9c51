"""A diffusion policy for Stable-Baselines3: an action is denoised in a few steps.

After Du et al., arXiv 2308.05384 (program HongyangDu/GDMOPT) and 2303.13052 (Lizonghang/AGOD).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
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


def reverse_steps(variances: Tensor) -> Tensor:
    """Coefficients of each step of the reverse process (Ho et al. 2020, equations 6 and 7), (T, 5).

    Of x_t and of the noise in x_0, of x_0 and of x_t in the posterior's mean, and its standard
    deviation, from the variances (T,).
    """
    # in float32 throughout, as the programs have it: 1 − .999 loses four digits there
    signal = torch.cumprod(1 - variances, 0)
    before = torch.cat([torch.ones(1), signal[:-1]])
    columns = [
        torch.sqrt(1 / signal),
        torch.sqrt(1 / signal - 1),
        variances * torch.sqrt(before) / (1 - signal),
        (1 - before) * torch.sqrt(1 - variances) / (1 - signal),
        torch.sqrt(variances * (1 - before) / (1 - signal)),
    ]
    return torch.stack(columns, dim=1)


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
        self.clips, self.actions = published == "gdmopt", get_action_dim(self.action_space)
        variances = betas(schedule, denoising_steps)
        self.register_buffer("steps", reverse_steps(variances), persistent=False)
        self._make_network(_checks.integer("time_embedding", time_embedding, at_least=4))

    def _make_network(self, width: int) -> None:
        half = width // 2
        if width % 2:
            raise ValueError(f"time_embedding must be even, got {width}")
        if not self.net_arch:
            raise ValueError(f"net_arch must name one layer at least, got {self.net_arch}")
        frequency = torch.exp(torch.arange(half) * (-math.log(10_000) / (half - 1)))
        angle = torch.arange(len(self.steps))[:, None] * frequency
        self.register_buffer("sinusoids", torch.cat([angle.sin(), angle.cos()], 1), False)
        hidden, act = self.net_arch[0], self.activation_fn
        self.time_mlp = nn.Sequential(*create_mlp(width, width, [2 * width], act))
        before = create_mlp(self.features_dim, hidden, [hidden], act) if self.clips else []
        self.state_mlp = nn.Sequential(*before)
        read = self.actions + width + (hidden if self.clips else self.features_dim)
        self.mu = nn.Sequential(*create_mlp(read, self.actions, self.net_arch, act, not self.clips))

    def denoise(self, features: Tensor, noise: Tensor) -> Tensor:
        """The chain's x_0, (B, A), not clipped at its end.

        Args:
            features: (B, F).
            noise: (T, B, A), standard normal: x_T first, then that of each step but the last.

        Raises:
            ValueError: noise of another shape.
        """
        shape = (len(self.steps), len(features), self.actions)
        if noise.shape != shape:
            raise ValueError(f"noise must be of shape {shape}, got {tuple(noise.shape)}")
        x, state, times = noise[0], self.state_mlp(features), self.time_mlp(self.sinusoids)
        for t in reversed(range(len(self.steps))):
            output = self.mu(torch.cat([x, times[t].expand(len(x), -1), state], dim=1))
            x_in_start, noise_in_start, start_in_mean, x_in_mean, std = self.steps[t]
            start = x_in_start * x - noise_in_start * output
            start = start.clamp(-1, 1) if self.clips else start
            x = start_in_mean * start + x_in_mean * x
            x = x + std * noise[-t] if t else x
        return x

    def forward(self, obs: Any, deterministic: bool = False) -> Tensor:
        """Actions in [−1, 1], (B, A): a sampled chain, or where deterministic one of zero noise."""
        features = self.extract_features(obs, self.features_extractor)
        draw = torch.zeros if deterministic else torch.randn
        noise = draw(len(self.steps), len(features), self.actions, device=features.device)
        return self.denoise(features, noise).clamp(-1, 1)

    def _predict(self, observation: Any, deterministic: bool = False) -> Tensor:
        return self(observation, deterministic)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), **self.chain}


class LeastCritic(ContinuousCritic):
    """SB3's critics, of which TD3's actor ascends the least instead of the first."""

    def q1_forward(self, obs: Any, actions: Tensor) -> Tensor:
        """The least of the critics' values, (B, 1)."""
        with torch.no_grad():
            features = self.extract_features(obs, self.features_extractor)
        read = torch.cat([features, actions], dim=1)
        return torch.cat([net(read) for net in self.q_networks], 1).amin(1, keepdim=True)


class DiffusionPolicy(TD3Policy):
    """A policy for SB3's `TD3` and `DDPG` whose actor is a `DiffusionActor`.

    While it learns and explores it plays sampled chains, as published, and needs no action noise.
    `predict(…, deterministic=True)` plays one chain of zero noise (x_T = 0, then the posterior's
    means); the published programs sample there too. As published, the actor ascends the least of
    the critics, where TD3 has the first.

    For the rest of GDMOPT's training: `policy_delay=1`, `target_noise_clip=0.0` (neither delay nor
    smoothing), `n_steps=3`, `batch_size=512`, `learning_rate=1e-4`, `optimizer_kwargs` of a
    `weight_decay` of 1e-4. Not offered: its noise (σ = .1) on every tenth batch of actions, its
    critics' shared first layers, and AGOD's entropy, which is one of a softmax over discrete
    actions. SAC needs log π, which a chain does not have.

    Args:
        of_sb3, arguments: those of `TD3Policy`. Two layers of 256 and Mish where not given, as
            published, for actor and critics.
        denoising_steps, schedule, time_embedding, published: see `DiffusionActor`, which raises.
    """

    def __init__(
        self,
        *of_sb3: Any,
        denoising_steps: int = 5,
        schedule: str = "vp",
        time_embedding: int = 16,
        published: str = "gdmopt",
        **arguments: Any,
    ) -> None:
        self.chain = {
            "denoising_steps": denoising_steps,
            "schedule": schedule,
            "time_embedding": time_embedding,
            "published": published,
        }
        defaults = {"net_arch": [256, 256], "activation_fn": nn.Mish}
        super().__init__(*of_sb3, **(defaults | arguments))

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
