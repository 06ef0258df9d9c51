"""Followers that learn: what they see, how they buy, how they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from gymnasium.spaces import Box
from stable_baselines3.common.policies import ActorCriticPolicy

from aigc_market import game
from aigc_market.envs.settings import Settings
from aigc_market.market import Market
from baselines.runs.policy_files import read, write

FollowerKind = Literal["shared-ppo", "independent-ppo"]

ACTIONS = Box(-1.0, 1.0, (1,), np.float32)
"""A purchase, from the fewest steps for sale to the most."""


@dataclass(frozen=True)
class Followers:
    """K VMUs that buy as PPO policies tell; a follower policy of the single-agent views.

    A VMU sees its own δ (0 where it is not there), its α and β where a scenario draws them, and the
    posted price, all in [0, 1]: what it takes to best respond, and nothing of the past.
    """

    policies: list[ActorCriticPolicy]
    """One for all VMUs, or one each."""
    settings: Settings
    """Of the market that they buy in."""

    def __call__(self, market: Market, price: Any, rng: np.random.Generator) -> np.ndarray:
        """Steps (…, K) at prices (…), without exploring."""
        seen = observe(self.settings, market, price)
        if len(self.policies) == 1:
            actions = _act(self.policies[0], seen)
        else:
            one_by_one = [_act(policy, seen[..., k, :]) for k, policy in enumerate(self.policies)]
            actions = np.stack(one_by_one, axis=-1)
        steps = to_steps(self.settings.market, actions)
        return steps if market.active is None else game.present(market.active, steps)

    def save(self, path: Path) -> None:
        """Keep the weights in one safetensors file, which appears whole or not at all."""
        weights = {
            f"{k}.{name}": value
            for k, policy in enumerate(self.policies)
            for name, value in policy.state_dict().items()
        }
        write(path, weights, {"policies": len(self.policies)})

    @classmethod
    def load(cls, path: Path, settings: Settings) -> Followers:
        """Followers kept by `save`, for a market of as many VMUs. Nothing in the file is executed.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is of another kind, or the market is of another shape.
        """
        config, weights = read(path)
        if "policies" not in config:
            raise ValueError(f"path must be a file of followers, got {str(path)!r}")
        count = config["policies"]
        if count not in (1, settings.market.K):
            raise ValueError(
                f"K must be {count}: each VMU of {path} has a policy of its own, "
                f"got {settings.market.K}"
            )
        policies = []
        for k in range(count):
            policy = ActorCriticPolicy(sees(settings), ACTIONS, lambda _: 0.0)
            start = f"{k}."
            own = {n.removeprefix(start): v for n, v in weights.items() if n.startswith(start)}
            try:
                policy.load_state_dict(own)
            except RuntimeError as error:
                raise ValueError(
                    f"the market must be one like that of {path} (whether α and β are drawn): the "
                    f"policy kept there has inputs of another shape ({error})"
                ) from error
            policies.append(policy)
        return cls(policies, settings)


def _act(policy: ActorCriticPolicy, seen: np.ndarray) -> np.ndarray:
    """Actions (…) where (…, n) is seen."""
    flat, _ = policy.predict(seen.reshape(-1, seen.shape[-1]), deterministic=True)
    return flat.reshape(seen.shape[:-1])


def sees(settings: Settings) -> Box:
    """The space of what a follower sees."""
    return Box(0.0, 1.0, (2 if settings.ssim is None else 4,), np.float32)


def observe(settings: Settings, market: Market, price: Any) -> np.ndarray:
    """What each VMU sees at prices (…): (…, K, 2 or 4)."""
    price = np.asarray(price, np.float64)
    columns = [_fraction(market.satisfaction, *settings.seen_satisfaction_bounds)]
    if market.active is not None:
        columns[0] = game.present(market.active, columns[0])
    if settings.ssim is not None:
        ssim: Any = market.ssim  # a quadratic, since it is drawn
        columns.append(_fraction(ssim.alpha, settings.ssim.alpha.low, settings.ssim.alpha.high))
        columns.append(_fraction(ssim.beta, settings.ssim.beta.low, settings.ssim.beta.high))
    columns.append(_fraction(price, market.cost, market.max_price)[..., None])
    shape = (*price.shape, market.K)
    return np.stack([np.broadcast_to(column, shape) for column in columns], -1, dtype=np.float32)


def _fraction(value: Any, low: float, high: float) -> np.ndarray:
    return (np.asarray(value) - low) / (high - low) if high > low else np.zeros_like(value)


def to_steps(market: Market, actions: np.ndarray) -> np.ndarray:
    """Steps meant by actions in [−1, 1]."""
    share = (np.clip(actions, -1.0, 1.0).astype(np.float64) + 1.0) / 2.0
    return market.min_steps + share * (market.max_steps - market.min_steps)


def to_actions(market: Market, steps: np.ndarray) -> np.ndarray:
    """Actions in [−1, 1] that mean steps; the reverse of `to_steps`."""
    return 2.0 * (steps - market.min_steps) / (market.max_steps - market.min_steps) - 1.0
