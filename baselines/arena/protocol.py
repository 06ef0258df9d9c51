"""What a method sees of a market and must answer, and how it is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

import aigc_market
from aigc_market import Market

if TYPE_CHECKING:
    from baselines.arena.task import Task


@dataclass(frozen=True)
class History:
    """What a provider has seen, batched over N episodes; never δ, α or β.

    Methods read the last round only and keep what they need of those before, so `prices` and
    `steps` may hold the whole episode or its last round. No round at all begins a new episode.
    """

    prices: np.ndarray
    """(N, t) posted prices, money per step."""
    steps: np.ndarray
    """(N, t, K) steps asked of this provider, 0 where the slot was empty. They were delivered too,
    unless they were more than R together: then each VMU got the same share of its own."""
    active: np.ndarray
    """(N, K) bool: who will answer the next price (everybody where nobody comes and goes)."""
    capacity: np.ndarray | None = None
    """(N,) R in the round to come; None where there is none."""
    rivals: np.ndarray | None = None
    """(N, t, M − 1) prices of the other providers, the next seat's first; None where there is one
    provider."""


@dataclass(frozen=True)
class PublicParameters:
    """What the leader knows of the market: the public parameters, as `aigc_market.Market`'s."""

    K: int = 2
    cost: float = 1.0
    max_price: float = 20.0
    min_steps: float = 0.0
    max_steps: float = 250.0

    def __post_init__(self) -> None:
        Market(self.K, self.cost, self.max_price, 1.0, self.min_steps, self.max_steps)

    def clip(self, price: np.ndarray) -> np.ndarray:
        """Prices held within [cost, max_price]."""
        return np.clip(price, self.cost, self.max_price)

    def demand(self, intercept: np.ndarray, slope: np.ndarray, price: np.ndarray) -> np.ndarray:
        """Steps that a follower buys if its demand is a line: intercept − slope·price, clipped.

        That is the leader's model of a follower, which is exact for a quadratic SSIM: the
        intercept is then −β/(2α) and the slope −1/(2αδ).
        """
        steps = np.asarray(intercept - slope * price)
        return np.clip(steps, self.min_steps, self.max_steps, out=steps)


class Method(Protocol):
    """A provider that plays N episodes at once."""

    def act(self, history: History) -> np.ndarray:
        """Prices (N,) in [cost, max_price] for the round to come; called once a round."""
        ...


Player = Callable[[int], Method]
"""A method to be played: called with the number of episodes, N."""


@runtime_checkable
class Insider(Method, Protocol):
    """A method that is shown the markets themselves, as no provider is: an oracle."""

    def enter(self, env: Any) -> None:
        """Called before the first round with the environment that is played."""
        ...


Report = Callable[[int, int, dict[str, float]], None]
"""Called with what is done, of how much in all, and what was measured, if anything was."""


def training_config(method: str, task: Task, seed: int, recipe: Any) -> dict[str, Any]:
    """What a policy's file says of how it was trained."""
    return {
        "method": method,
        "task": task.as_json(),
        "seed": seed,
        "recipe": dataclasses.asdict(recipe),
        "version": aigc_market.__version__,
    }


class Trainer(Protocol):
    """How a method is trained and kept."""

    def recipe(self, task: Task) -> Any:
        """The recipe in use: a frozen dataclass that is JSON by `dataclasses.asdict`."""
        ...

    def can_train(self, task: Task) -> str | None:
        """None if it can be trained for the task, else why not."""
        ...

    def train(
        self, task: Task, seed: int, out: Path, recipe: Any = None, report: Report = ...
    ) -> None:
        """Train, and keep the policy in one safetensors file, which appears whole or not at all.

        Its metadata `config` is JSON: `training_config`, with `rounds` and `seconds`; and
        `any_K` is true where it plays any number of VMUs, with a capacity and without.

        Args:
            task: what is trained on.
            seed: of every random choice.
            out: path of the file. A checkpoint beside it may hold what is not finished.
            recipe: in place of the one in use.
            report: told of the progress.
        """
        ...

    def load(self, path: Path) -> Player:
        """A policy kept by `train`: called with the number of episodes, it gives a method.

        Nothing in the file is executed.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is of another kind.
        """
        ...
