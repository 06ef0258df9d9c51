"""TPPO's policy: an encoder–decoder transformer for any Stable-Baselines3 actor-critic.

Usable outside this project, wherever an observation is a flat history of equal rows:

    from stable_baselines3 import PPO
    from aigc_market.sb3 import TransformerPolicy

    model = PPO(TransformerPolicy, env, policy_kwargs={"history": 5})

`env` may be `aigc_market/Pricing-v0`, whose observation is the last n rounds, or one of Gymnasium's
own behind `FlattenObservation(FrameStackObservation(env, n))`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn


class EncoderDecoder(nn.Module):
    """The encoded history feeds the critic; a decoder queries it with the last action.

    The layout of the paper's TPPO, after the Multi-Agent Transformer (Wen et al. 2022).

    Args:
        num_features: length of the flat observation, history · width.
        history: n, rows of the observation, oldest first; one token each.
        query_size: how many leading numbers of the last row are the past action. 0: the decoder
            queries with a learnt vector instead.
        width: size of a token inside.
        heads: attention heads; a divisor of `width`.
        layers: layers of the encoder and of the decoder.
        feedforward: hidden size of each layer's MLP.
    """

    def __init__(
        self,
        num_features: int,
        history: int,
        query_size: int,
        width: int,
        heads: int,
        layers: int,
        feedforward: int,
    ) -> None:
        super().__init__()
        self.history, self.query_size = history, query_size
        self.latent_dim_pi = self.latent_dim_vf = width
        self.embed_round = nn.Linear(num_features // history, width)
        if query_size:
            self.embed_action = nn.Linear(query_size, width)
        else:
            self.query = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.register_buffer("positions", sinusoids(history, width), persistent=False)
        shape: dict[str, Any] = {
            "d_model": width,
            "nhead": heads,
            "dim_feedforward": feedforward,
            "dropout": 0.0,
            "activation": "gelu",
            "batch_first": True,
            "norm_first": True,
        }
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(**shape), layers, nn.LayerNorm(width), False
        )
        self.decoder = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(**shape), layers, nn.LayerNorm(width)
        )

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Flat histories (B, n·w) to what the actor and the critic read, (B, width) each."""
        encoded = self._encode(features)
        return self._decode(features, encoded), encoded.mean(dim=1)

    def forward_actor(self, features: Tensor) -> Tensor:
        """What the actor reads, (B, width)."""
        return self._decode(features, self._encode(features))

    def forward_critic(self, features: Tensor) -> Tensor:
        """What the critic reads, (B, width)."""
        return self._encode(features).mean(dim=1)

    def _rounds(self, features: Tensor) -> Tensor:
        return features.unflatten(1, (self.history, -1))

    def _encode(self, features: Tensor) -> Tensor:
        return self.encoder(self.embed_round(self._rounds(features)) + self.positions)

    def _decode(self, features: Tensor, encoded: Tensor) -> Tensor:
        if self.query_size:
            query = self.embed_action(self._rounds(features)[:, -1:, : self.query_size])
        else:
            query = self.query.expand(len(features), -1, -1)
        return self.decoder(query, encoded)[:, 0]


def sinusoids(length: int, width: int) -> Tensor:
    """Sinusoidal positional encoding (Vaswani et al. 2017), (length, width)."""
    frequency = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angle = torch.arange(length)[:, None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]


class TransformerPolicy(ActorCriticPolicy):
    """An SB3 actor-critic policy on an encoder–decoder transformer.

    Args:
        history: n, rows of the flat observation, oldest first. Its length must be a multiple.
        query_size: how many leading numbers of the last row are the past action, with which the
            decoder queries the history (1: the price comes first in a round; 0: it queries with a
            learnt vector).
        width, heads, layers, feedforward: see `EncoderDecoder`.

    Other arguments are those of `ActorCriticPolicy`. Raises ValueError where the observation does
    not fit them.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Any,
        history: int = 5,
        query_size: int = 1,
        width: int = 32,
        heads: int = 2,
        layers: int = 1,
        feedforward: int = 64,
        **arguments: Any,
    ) -> None:
        size = spaces.flatdim(observation_space)
        if history < 1 or size % history:
            raise ValueError(
                f"history must divide the length of the flat observation, {size}, got {history}"
            )
        if not 0 <= query_size <= size // history:
            raise ValueError(
                f"query_size must be from 0 to the {size // history} numbers of a row, "
                f"got {query_size}"
            )
        if width % heads:
            raise ValueError(f"heads must divide width = {width}, got {heads}")
        self.transformer = {
            "history": history,
            "query_size": query_size,
            "width": width,
            "heads": heads,
            "layers": layers,
            "feedforward": feedforward,
        }
        super().__init__(observation_space, action_space, lr_schedule, **arguments)

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = EncoderDecoder(self.features_dim, **self.transformer)  # type: ignore[assignment] (SB3 asks only for this interface)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), **self.transformer}
