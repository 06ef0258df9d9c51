"""How the actions of VMUs are read where providers compete."""

from __future__ import annotations

from operator import le
from typing import Any

import numpy as np
from gymnasium.spaces import Box, MultiDiscrete
from pettingzoo.utils.env_logger import EnvLogger

from aigc_market._arrays import as_numpy, clip, namespace, total
from aigc_market.envs.actions import FLOAT32, FLOAT32_MAX, InvalidActionError, from_unit
from aigc_market.envs.competition.settings import WEIGHT_LEVELS, Settings


class ChoiceReader:
    """The VMUs' action space, and the shares and steps that an action means.

    An action is a weight for each provider, one for the outside option if there is one, and then
    the steps of a request for each provider. All are single-precision numbers.
    """

    def __init__(self, settings: Settings) -> None:
        market = settings.market
        self._M = M = market.M
        self._weights = M + (market.outside is not None)
        self._continuous = settings.continuous_actions
        self._normalize = settings.normalize and self._continuous
        low = np.repeat(np.array([0.0, market.min_steps], "f4"), [self._weights, M])
        high = np.repeat(np.array([1.0, market.max_steps], "f4"), [self._weights, M])
        self._low, self._high = low.tolist(), high.tolist()
        self._bounds = self._low, self._high
        if self._normalize:
            self._bounds = [-1.0] * len(low), [1.0] * len(low)
        self._least = float(np.ceil(market.min_steps))
        self.space = self.make_space()
        self._shape = self.space.shape
        self.limit(market.min_steps, market.max_steps)

    def make_space(self) -> Any:
        """A space of its own for a VMU: sampling is independent from VMU to VMU."""
        low, high = np.array(self._low, "f4"), np.array(self._high, "f4")
        if not self._continuous:
            steps = int(np.floor(self._high[-1])) - int(self._least) + 1
            return MultiDiscrete([WEIGHT_LEVELS] * self._weights + [steps] * self._M)
        if self._normalize:
            return Box(-1.0, 1.0, low.shape, np.float32)
        return Box(low, high, dtype=np.float32)

    def limit(self, min_steps: float, max_steps: float) -> None:
        """Hold steps within an episode's bounds."""
        self.min_steps, self.max_steps = (float(np.float32(b)) for b in (min_steps, max_steps))
        self._narrowed = self.min_steps > self._low[-1] or self.max_steps < self._high[-1]

    def read(self, action: Any) -> tuple[list[float], list[float]]:
        """The shares (M) and steps (M) that one action means.

        Finite values outside the space are clipped, with PettingZoo's warning.

        Raises:
            TypeError, ValueError: a wrong type or shape, NaN, infinity, or an unknown index.
        """
        if type(action) is np.ndarray and action.dtype is FLOAT32 and action.shape == self._shape:
            values = action.tolist()
        else:
            values = self._coerce(action)
        values = self._within(action, values) if self._continuous else self._on_grid(action, values)
        weights, steps = values[: self._weights], values[self._weights :]
        if self._narrowed:
            steps = [min(max(s, self.min_steps), self.max_steps) for s in steps]
        given = sum(weights)
        return [share_of(weight, given, self._weights) for weight in weights[: self._M]], steps

    def meant(self, actions: Any, low: Any, high: Any) -> tuple[Any, Any]:
        """The shares and steps that tensors of actions mean, as `read`, within an episode's bounds.

        Nothing is checked, for that would wait for the device: what is out of bounds is clipped.

        Args:
            actions: (weights and steps, K, …).
            low, high: of steps: numbers, or what broadcasts with (M, K, …).

        Returns:
            Two of (M, K, …).
        """
        weights, steps = actions[: self._weights], actions[self._weights :]
        if not self._continuous:
            weights, steps = weights / (WEIGHT_LEVELS - 1), self._least + steps
        elif self._normalize:
            weights = from_unit(clip(weights, -1.0, 1.0), 0.0, 1.0)
            steps = from_unit(clip(steps, -1.0, 1.0), self._low[-1], self._high[-1])
        else:
            weights = clip(weights, 0.0, 1.0)
        shares = share_of(weights[: self._M], total(weights, 0), self._weights)
        return shares, clip(steps, low, high)

    def _within(self, action: Any, values: list[float]) -> list[float]:
        """Weights and steps in physical units, within the space."""
        least, most = self._bounds
        if not (all(map(le, least, values)) and all(map(le, values, most))):  # NaN fails too
            values = self._clip(action, values)
        if not self._normalize:
            return values
        physical = from_unit(np.array(values), np.array(self._low), np.array(self._high))
        return physical.astype(np.float32).tolist()

    def _clip(self, action: Any, values: list[float]) -> list[float]:
        if not np.isfinite(values).all():
            raise InvalidActionError(f"{self._wanted}, got {action!r}")
        EnvLogger.warn_action_out_of_bound(action, self.space, "clipping to space")
        return list(map(min, map(max, values, self._bounds[0]), self._bounds[1]))

    def _on_grid(self, action: Any, index: list[float]) -> list[float]:
        levels = self.space.nvec.tolist()
        if not all(0 <= i < most for i, most in zip(index, levels, strict=True)):
            raise InvalidActionError(f"{self._wanted}, got {action!r}")
        weights = [i / (WEIGHT_LEVELS - 1) for i in index[: self._weights]]
        return weights + [self._least + i for i in index[self._weights :]]

    @property
    def width(self) -> int:
        """Numbers in an action."""
        return len(self._low)

    @property
    def _wanted(self) -> str:
        weights = f"{self._weights} weights and {self._M} numbers of steps"
        if self._continuous:
            return f"the action of a VMU must be {weights}, all finite"
        return f"the action of a VMU must be the indices of {weights} in {self.space}"

    def _coerce(self, action: Any) -> list[float]:
        array = as_numpy(action)
        if array.dtype.kind not in ("fiu" if self._continuous else "iu"):
            raise TypeError(f"{self._wanted}, got {action!r} of type {type(action).__name__}")
        if array.shape != self._shape:
            raise InvalidActionError(f"{self._wanted}, got {action!r} of shape {array.shape}")
        if not self._continuous:
            return array.tolist()
        within = np.clip(array, -FLOAT32_MAX, FLOAT32_MAX)  # what is finite stays so
        return np.where(np.isfinite(array), within, array).astype(np.float32).tolist()


def share_of(weight: Any, given: Any, count: int) -> Any:
    """The share that a weight has of all given, so many; an equal one where all are 0."""
    if isinstance(weight, float):
        return weight / given if given > 0 else 1.0 / count
    xp = namespace(weight)
    return xp.where(given > 0, weight / xp.where(given > 0, given, 1.0), 1.0 / count)
