"""TPPO's policy: an encoder–decoder transformer for any Stable-Baselines3 actor-critic.

Usable outside this project, wherever an observation is a flat history of equal rows:

    from stable_baselines3 import PPO
    from aigc_market.sb3 import TransformerPolicy

    model = PPO(TransformerPolicy, env, policy_kwargs={"history": 5})

`env` may be `aigc_market/Pricing-v0`, whose observation is the last n rounds, or one of Gymnasium's
own behind `FlattenObservation(FrameStackObservation(env, n))`. Where there is a capacity, it stands
in front of the rounds: `{"history": 5, "in_front": 1}`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from aigc_market import _checks


class EncoderDecoder(nn.Module):
    """The encoded history feeds the critic; a decoder queries it with the last action.

    The layout of the paper's TPPO, after the Multi-Agent Transformer (Wen et al. 2022).

    Args:
        num_features: length of the flat observation, in_front + history · width of a row.
        history: n, rows of the observation, oldest first; one token each.
        query_size: how many leading numbers of the last row are the past action. 0: the decoder
            queries with a learnt vector instead.
        width: size of a token inside.
        heads: attention heads; a divisor of `width`.
        layers: layers of the encoder and of the decoder.
        feedforward: hidden size of each layer's MLP.
        in_front: how many numbers stand in front of the rows; each token is told them too.

    Raises:
        TypeError, ValueError: numbers that are no such rows.
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
        in_front: int = 0,
    ) -> None:
        super().__init__()
        _checks.integer("in_front", in_front, at_least=0)
        of_rows = num_features - in_front
        if history < 1 or of_rows < 1 or of_rows % history:
            behind = f" behind the in_front = {in_front} numbers in front" if in_front else ""
            raise ValueError(
                f"history must divide the length of the flat observation{behind}, {of_rows}, "
                f"got {history}"
            )
        row = of_rows // history
        if not 0 <= query_size <= row:
            raise ValueError(
                f"query_size must be from 0 to the {row} numbers of a row, got {query_size}"
            )
        if width % heads:
            raise ValueError(f"heads must divide width = {width}, got {heads}")
        self.history, self.query_size, self.in_front = history, query_size, in_front
        self.latent_dim_pi = self.latent_dim_vf = width
        self.embed_round = nn.Linear(row + in_front, width)
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
        """Flat histories (B, f + n·w) to what the actor and the critic read, (B, width) each."""
        encoded = self._encode(features)
        return self._decode(features, encoded), encoded.mean(dim=1)

    def forward_actor(self, features: Tensor) -> Tensor:
        """What the actor reads, (B, width)."""
        return self._decode(features, self._encode(features))

    def forward_critic(self, features: Tensor) -> Tensor:
        """What the critic reads, (B, width)."""
        return self._encode(features).mean(dim=1)

    def _rounds(self, features: Tensor) -> Tensor:
        rows = features[:, self.in_front :].unflatten(1, (self.history, -1))
        if not self.in_front:
            return rows
        front = features[:, None, : self.in_front].expand(-1, self.history, -1)
        return torch.cat([rows, front], dim=-1)

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
        history: n, rows of the flat observation, oldest first.
        query_size: how many leading numbers of the last row are the past action, with which the
            decoder queries the history (1: the price comes first in a round; 0: it queries with a
            learnt vector).
        width, heads, layers, feedforward: see `EncoderDecoder`.
        in_front: how many numbers stand in front of the rows, such as a market's capacity: 1. Each
            token is told them too. None: none do; where `history` is 1 it must be said, since any
            observation is one row then.

    Other arguments are those of `ActorCriticPolicy`. Raises ValueError where the observation does
    not fit them, in length or in that its rows have other bounds.
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
        in_front: int | None = None,
        **arguments: Any,
    ) -> None:
        if in_front is None and history == 1:
            raise ValueError(
                "in_front must be given where history is 1, since any observation is one row then: "
                "how many numbers stand in front of it (0, or 1 where the market has a capacity), "
                "got None"
            )
        self.transformer = {
            "history": history,
            "query_size": query_size,
            "width": width,
            "heads": heads,
            "layers": layers,
            "feedforward": feedforward,
            "in_front": in_front or 0,
        }
        super().__init__(observation_space, action_space, lr_schedule, **arguments)

    def _build_mlp_extractor(self) -> None:
        network = EncoderDecoder(self.features_dim, **self.transformer)
        flat: Any = spaces.flatten_space(self.observation_space)
        bounds = np.stack([flat.low, flat.high])[:, network.in_front :]
        rows = bounds.reshape(2, network.history, -1)
        if (rows != rows[:, :1]).any():  # something else stands among them
            raise ValueError(
                f"in_front must be what stands in front of history = {network.history} rows of the "
                f"same bounds, and those of the {rows.shape[-1]} numbers of each row differ, "
                f"got {network.in_front}"
            )
        self.mlp_extractor = network  # type: ignore[assignment] (SB3 asks only for this interface)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), **self.transformer}
