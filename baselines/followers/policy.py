"""Followers that learn: what they see, how they buy, how they are kept."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor, nn
from torch.distributions import Normal
from torchrl.modules import MLP, MultiAgentMLP

from aigc_market import rules
from aigc_market.envs import menus
from aigc_market.envs.actions import from_unit
from aigc_market.envs.menus import MenuGame
from aigc_market.envs.stackelberg import Settings, Stackelberg
from aigc_market.market import Market
from baselines.runs.policy_files import read, write

FollowerKind = Literal["shared-ppo", "independent-ppo"]
WIDTH = 64
"""Of both hidden layers."""
USUAL = 0.05
"""Share of the upper bound from which on a number is expected, if its lower bound is below it."""
LEAST = 1e-4
"""Numbers in [0, 1] below this look as if they were this."""


class FollowerNetwork(nn.Module):
    """What K VMUs see, (…, K, n), to their purchases in [−1, 1], (…, K).

    It reads the logarithms of what is seen, 0 in the middle of what is expected, and one unit for
    all: VMUs, and prices, differ by factors. Between the bounds of a δ that drifts lie three orders
    of magnitude, and next to all that is drawn is in the lowest hundredth.

    Args:
        K: how many VMUs.
        space: of what each of them sees.
        shared: whether they share one network; else each has its own.
    """

    middle: Tensor

    def __init__(self, K: int, space: Box, shared: bool) -> None:
        super().__init__()
        self.K, self.shared = K, shared
        self.register_buffer("middle", middle_of(space), persistent=False)
        layers: dict[str, Any] = {"depth": 2, "num_cells": WIDTH, "activation_class": nn.Tanh}
        if not shared:
            layers |= {"centralized": False, "share_params": False, "use_td_params": False}
        (count,) = space.shape
        self.mean = MLP(count, 1, **layers) if shared else MultiAgentMLP(count, 1, K, **layers)

    def forward(self, seen: Tensor) -> Tensor:
        """What is seen to purchases, not yet held within the bounds."""
        return self.mean(seen.clamp(min=LEAST).log() - self.middle)[..., 0]

    def tried(self, seen: Tensor, deviation: float) -> Normal:
        """What is bought in order to learn."""
        return Normal(self(seen), deviation)


def middle_of(space: Box) -> Tensor:
    """Logarithms of what is in the middle of what is expected to be seen."""
    low, high = torch.from_numpy(space.low), torch.from_numpy(space.high)
    return (torch.maximum(low, USUAL * high) * high).sqrt().log()


@dataclass(frozen=True)
class Followers:
    """K VMUs that buy as a network says; a follower policy of the single-agent views.

    A VMU sees its own δ (0 where it is not there), its α and β where a scenario draws them, whether
    it is there where VMUs come and go, and the posted price, in [0, 1]: what it takes to best
    respond, and nothing of the past.
    """

    network: FollowerNetwork
    settings: Settings
    """Of the market that they buy in."""

    def __call__(self, market: Market, price: Any, rng: np.random.Generator) -> np.ndarray:
        """Steps (…, K) at prices (…), without exploring."""
        seen = observe(self.settings, market, price)
        with torch.no_grad():
            actions = self.network(torch.from_numpy(seen)[None].flatten(0, -3))
        steps = to_steps(self.settings.market, actions.numpy().reshape(seen.shape[:-1]))
        return steps if market.active is None else rules.present(market.active, steps)

    def save(self, path: Path, **more: Any) -> None:
        """Keep the weights in one safetensors file, which appears whole or not at all.

        Args:
            path: of the file.
            more: how they were trained, as JSON takes it.
        """
        config = {"followers": self.network.K, "shared": self.network.shared, **more}
        write(path, self.network.state_dict(), config)

    @classmethod
    def load(cls, path: Path, settings: Settings) -> Followers:
        """Followers kept by `save`, for a market of as many VMUs. Nothing in the file is executed.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is of another kind, or the market is of another shape.
        """
        config, weights = read(path)
        if not {"followers", "shared"} <= set(config):
            raise ValueError(f"path must be a file of followers, got {str(path)!r}")
        K, shared = settings.market.K, config["shared"]
        if not shared and config["followers"] != K:
            raise ValueError(
                f"K must be {config['followers']}: each VMU of {path} has a network of its own, "
                f"got {K}"
            )
        network = FollowerNetwork(K, sees(settings), shared)
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(
                f"the market must be one like that of {path} (whether α and β are drawn, and "
                f"whether VMUs come and go): the network kept there has inputs of another shape "
                f"({error})"
            ) from error
        return cls(network, settings)


def sees(settings: Any) -> Box:
    """The space of what a follower sees: it stands first in what environments show a VMU."""
    viewer = _normalized(settings).follower
    count = sum(field.width for field in viewer.front)
    return Box(viewer.space.low[:count], viewer.space.high[:count], dtype=np.float32)


def observe(settings: Any, market: Market, *posted: Any) -> np.ndarray:
    """What each VMU sees at prices (…): (…, K, n), in the units of `normalize=True`.

    Of contracts, `posted` are the 2L numbers of menus, (…) each.
    """
    numbers, game = np.stack([np.asarray(of, np.float64) for of in posted]), _normalized(settings)
    values = [*game.follower_front(market), *numbers[..., None, None]]
    columns = [
        np.broadcast_to(value * field.scale, (*numbers.shape[1:], market.K, 1))
        for field, value in zip(game.follower.front, values, strict=True)
    ]
    return np.concatenate(columns, axis=-1, dtype=np.float32)


def _normalized(settings: Any) -> Stackelberg | MenuGame:
    game: Any = MenuGame if isinstance(settings, menus.Settings) else Stackelberg
    return game(dataclasses.replace(settings, normalize=True, followers=None), False)


def to_steps(market: Market, actions: np.ndarray) -> np.ndarray:
    """Steps meant by actions in [−1, 1]."""
    actions = np.clip(actions, -1.0, 1.0).astype(np.float64)
    return from_unit(actions, market.min_steps, market.max_steps)


def to_actions(market: Market, steps: Any) -> Any:
    """Actions in [−1, 1] that mean steps, arrays or tensors; the reverse of `to_steps`."""
    return 2.0 * (steps - market.min_steps) / (market.max_steps - market.min_steps) - 1.0
