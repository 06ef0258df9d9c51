"""How actions are read: physical units, [−1, 1], or an index into a grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from pettingzoo.utils.env_logger import EnvLogger

from aigc_market._arrays import as_numpy, clip
from aigc_market.envs.settings import Settings
from aigc_market.envs.view_settings import ViewSettings

PRICE_LEVELS = 96
"""Prices of the discrete game, evenly spaced from the cost to p_max: .2 apart in the paper's."""

FLOAT32 = np.dtype(np.float32)
FLOAT32_MAX = float(np.finfo(np.float32).max)


class InvalidActionError(ValueError, AssertionError):
    """An action that no clipping can mend; PettingZoo's wrappers raise AssertionError for these."""


class ActionReader:
    """One agent's action space, and the number that an action means.

    Prices and purchases are single-precision numbers, as their Box says, in every view: so all
    views play exactly the same game.
    """

    def __init__(
        self, name: str, low: float, high: float, settings: ViewSettings, grid: np.ndarray
    ) -> None:
        self.name = name
        self._base = float(np.float32(low)), float(np.float32(high))
        self._grid: list[float] | None = None
        self.low: Any
        self.high: Any
        self._normalize = settings.normalize and settings.continuous_actions
        if not settings.continuous_actions:
            self._grid = grid.astype(np.float32).tolist()
            self.space: Any = Discrete(len(grid))
        elif self._normalize:
            self.space = Box(-1.0, 1.0, (1,), np.float32)
        else:
            self.space = Box(np.float32(low), np.float32(high), (1,), np.float32)
        self.limit(low, high)

    def limit(self, low: float | np.ndarray, high: float | np.ndarray) -> None:
        """Hold what actions mean within an episode's bounds, (N,) for a batch."""
        self.low, self.high = (np.asarray(bound, "f4").astype("f8") for bound in (low, high))
        if self.low.ndim == self.high.ndim == 0:
            self.low, self.high = self.low.item(), self.high.item()
        self._as_space = bool(
            np.all(self.low == self._base[0]) & np.all(self.high == self._base[1])
        )

    def read(self, action: Any) -> float:
        """The number that one action means.

        Finite values outside the space are clipped, with PettingZoo's warning.

        Raises:
            TypeError, ValueError: a wrong type or shape, NaN, infinity, or an unknown index.
        """
        if self._grid is not None:
            return min(max(self._grid[int(self._coerce(action))], self.low), self.high)
        if type(action) is np.ndarray and action.dtype is FLOAT32 and action.shape == (1,):
            value = action.item()
        else:
            value = self._coerce(action)
        if not self._normalize:
            if self.low <= value <= self.high:
                return value
            return self._clip(action, value, *self._base)
        if not -1.0 <= value <= 1.0:
            value = self._clip(action, value, -1.0, 1.0)
        value = float(np.float32(from_unit(value, *self._base)))
        return min(max(value, self.low), self.high)

    def read_batch(self, actions: Any, num_envs: int) -> np.ndarray:
        """The numbers that a batch of actions means, (num_envs,) float64; as `read`."""
        if self._grid is not None:
            index = as_numpy(actions)
            if index.dtype.kind not in "iu" or index.shape != (num_envs,):
                raise InvalidActionError(
                    f"actions must be whole numbers of shape ({num_envs},), "
                    f"got {index.dtype} of shape {index.shape}"
                )
            if index.min() < 0 or index.max() >= len(self._grid):
                raise InvalidActionError(f"actions must lie in {self.space}, got {actions!r}")
            values = np.asarray(self._grid)[index]
        else:
            low, high = (-1.0, 1.0) if self._normalize else self._base
            given = as_numpy(actions)
            if given.dtype.kind not in "fiu" or given.shape != (num_envs, 1):
                raise InvalidActionError(
                    f"actions must be numbers of shape ({num_envs}, 1), "
                    f"got {given.dtype} of shape {given.shape}"
                )
            numbers = given[:, 0]
            given = numbers if numbers.dtype is FLOAT32 else _single(numbers)
            values = np.minimum(np.maximum(given, np.float32(low)), np.float32(high))
            if not (values == given).all():
                if not np.isfinite(numbers).all():
                    raise InvalidActionError(f"actions must be finite numbers, got {actions!r}")
                EnvLogger.warn_action_out_of_bound(actions, self.space, "clipping to space")
            values = values.astype(np.float64)
            if self._normalize:
                values = from_unit(values, *self._base).astype(np.float32).astype(np.float64)
        return values if self._as_space else np.minimum(np.maximum(values, self.low), self.high)

    def meant(self, actions: Any, low: Any, high: Any) -> Any:
        """The numbers that tensors of continuous actions mean, within an episode's bounds.

        Nothing is checked, for that would wait for the device: what is out of bounds is clipped.

        Args:
            actions: (…).
            low, high: numbers, or what broadcasts with (…).
        """
        if self._normalize:
            actions = from_unit(clip(actions, -1.0, 1.0), *self._base)
        return clip(actions, low, high)

    @property
    def grid(self) -> list[float] | None:
        """What the indices of a discrete space mean; None where actions are continuous."""
        return self._grid

    def draw(self, rng: np.random.Generator) -> float:
        """One of the numbers that actions may mean, each as likely."""
        if self._grid is not None:
            return min(max(self._grid[rng.integers(len(self._grid))], self.low), self.high)
        return min(max(float(np.float32(rng.uniform(self.low, self.high))), self.low), self.high)

    def _coerce(self, action: Any) -> float:
        wanted = (
            f"the action of {self.name} must be one finite number"
            if self._grid is None
            else f"the action of {self.name} must be a whole number from 0 to {len(self._grid) - 1}"
        )
        array = as_numpy(action)
        if array.dtype.kind not in ("fiu" if self._grid is None else "iu"):
            raise TypeError(f"{wanted}, got {action!r} of type {type(action).__name__}")
        if array.shape not in ((), (1,)):
            raise InvalidActionError(f"{wanted}, got {action!r} of shape {array.shape}")
        value = array.item()
        if self._grid is not None and not 0 <= value < len(self._grid):
            raise InvalidActionError(f"{wanted}, got {action!r}")
        if abs(value) <= FLOAT32_MAX:
            return float(np.float32(value))
        return float(value)

    def _clip(self, action: Any, value: float, low: float, high: float) -> float:
        if not np.isfinite(value):
            raise InvalidActionError(
                f"the action of {self.name} must be one finite number in [{low:g}, {high:g}], "
                f"got {action!r}"
            )
        if not low <= value <= high:
            EnvLogger.warn_action_out_of_bound(action, self.space, "clipping to space")
        if self._normalize:
            low, high = -1.0, 1.0
        else:
            low, high = self.low, self.high
        return min(max(value, low), high)


def _single(numbers: np.ndarray) -> np.ndarray:
    """In single precision, where what is too large for it is infinite."""
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32)


def from_unit(value: Any, low: Any, high: Any) -> Any:
    """From [−1, 1] to [low, high]."""
    return low + 0.5 * (value + 1.0) * (high - low)


def asp_actions(settings: Settings) -> ActionReader:
    """Reader of the leader's prices."""
    low, high = settings.market.cost, settings.market.max_price
    return ActionReader("asp_0", low, high, settings, np.linspace(low, high, PRICE_LEVELS))


def vmu_actions(settings: Settings) -> ActionReader:
    """Reader of a follower's purchases; one space for all of them."""
    low, high = settings.market.min_steps, settings.market.max_steps
    grid = np.arange(np.ceil(low), np.floor(high) + 1)
    return ActionReader("a VMU", low, high, settings, grid)
