"""How actions are read: physical units, [−1, 1], or an index into a grid."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from pettingzoo.utils.env_logger import EnvLogger

from aigc_market._arrays import as_numpy, clip, namespace, total

LEVELS = 96
"""Prices of the discrete games where no others are given, evenly from the cost to p_max."""
WEIGHT_LEVELS = 11
"""Weights of the discrete game of several providers: 0, .1 … 1."""

_FLOAT32 = np.dtype(np.float32)
_MOST = float(np.finfo(np.float32).max)


class InvalidActionError(ValueError, AssertionError):
    """An action that no clipping can mend; PettingZoo's wrappers raise AssertionError for these."""


class _Reader:
    """An action space, and the checks of actions that are not as it has them."""

    space: Any
    _continuous: bool
    """Whether actions are numbers, and not indices."""
    _shapes: tuple[tuple[int, ...], ...]
    """That an action may have."""

    @property
    def _wanted(self) -> str:
        """What an action must be."""
        raise NotImplementedError

    def _checked(self, action: Any, batch: tuple[int, ...] = ()) -> np.ndarray:
        """An action, or a batch, as an array: single-precision numbers, or indices of the space.

        Raises:
            TypeError, ValueError: a wrong type or shape, NaN, infinity, or an unknown index.
        """
        given, wanted, shapes = as_numpy(action), self._wanted, self._shapes
        if batch:
            wanted, shapes = f"actions must have shape {batch}, where {wanted}", (batch,)
        if given.dtype.kind not in ("fiu" if self._continuous else "iu"):
            raise TypeError(f"{wanted}, got {action!r} of type {type(action).__name__}")
        if given.shape not in shapes:
            raise InvalidActionError(f"{wanted}, got {action!r} of shape {given.shape}")
        if self._continuous:
            if not np.isfinite(given).all():
                raise InvalidActionError(f"{wanted}, got {action!r}")
            return np.clip(given, -_MOST, _MOST).astype(np.float32)  # what is finite stays so
        levels = self.space.n if isinstance(self.space, Discrete) else self.space.nvec
        if not np.all((given >= 0) & (given < levels)):
            raise InvalidActionError(f"{wanted}, got {action!r}")
        return given

    def _clipped(self, action: Any, batch: tuple[int, ...] = ()) -> np.ndarray:
        """Finite numbers outside the space, held within it, with PettingZoo's warning.

        Raises:
            ValueError: NaN or infinity.
        """
        numbers = self._checked(action, batch)
        EnvLogger.warn_action_out_of_bound(action, self.space, "clipping to space")
        return np.clip(numbers, self.space.low, self.space.high)


class NumberReader(_Reader):
    """The action space of a price or a purchase, and the number that an action means.

    Prices and purchases are single-precision numbers, as their Box says, in every view: so all
    views play exactly the same game.

    Args:
        name: whose action it is.
        low, high: bounds of the number.
        normalize: whether actions lie in [−1, 1].
        grid: what the indices of a discrete space mean; None: actions are continuous.
    """

    def __init__(
        self, name: str, low: float, high: float, normalize: bool, grid: np.ndarray | None
    ) -> None:
        self.name = name
        self._continuous, self._shapes = grid is None, ((), (1,))
        self._base = float(np.float32(low)), float(np.float32(high))
        self._normalize = normalize and grid is None
        self._bounds = (-1.0, 1.0) if self._normalize else self._base
        self.grid: list[float] | None = None if grid is None else grid.astype("f4").tolist()
        self.space = self.make_space()
        self.low: Any
        self.high: Any
        self.limit(low, high)

    def make_space(self) -> Any:
        """A space of its own for an agent: sampling is independent from agent to agent."""
        if self.grid is not None:
            return Discrete(len(self.grid))
        return Box(*self._bounds, (1,), np.float32)

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
        if self.grid is not None:
            value = self.grid[int(self._checked(action).item())]
        else:
            simple = type(action) is np.ndarray and action.dtype is _FLOAT32
            given = action if simple and action.shape == (1,) else self._checked(action)
            value = given.item()
            low, high = self._bounds
            if not low <= value <= high:  # nor is NaN
                value = self._clipped(action).item()
            if self._normalize:
                low, high = self._base
                value = low + 0.5 * (value + 1.0) * (high - low)
                value = array("f", (value,))[0]  # single precision
        return value if self.low <= value <= self.high else min(max(value, self.low), self.high)

    def read_batch(self, actions: Any, num_envs: int) -> np.ndarray:
        """The numbers that a batch of actions means, (num_envs,) float64; as `read`."""
        if self.grid is not None:
            values = np.asarray(self.grid)[self._checked(actions, (num_envs,))]
        else:
            low, high = self._bounds
            shape = (num_envs, 1)
            simple = type(actions) is np.ndarray and actions.dtype is _FLOAT32
            given = actions if simple and actions.shape == shape else self._checked(actions, shape)
            values = given[:, 0].astype(np.float64)
            if not (values.min() >= low and values.max() <= high):  # nor is NaN
                values = self._clipped(actions, shape)[:, 0].astype(np.float64)
            if self._normalize:
                values = from_unit(values, *self._base).astype(np.float32).astype(np.float64)
        return values if self._as_space else np.clip(values, self.low, self.high)

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

    def draw(self, rng: np.random.Generator) -> float:
        """One of the numbers that actions may mean, each as likely."""
        if self.grid is not None:
            return min(max(self.grid[rng.integers(len(self.grid))], self.low), self.high)
        return min(max(float(np.float32(rng.uniform(self.low, self.high))), self.low), self.high)

    @property
    def _wanted(self) -> str:
        if self.grid is not None:
            return f"the action of {self.name} must be a whole number from 0 to {self.space.n - 1}"
        low, high = self._bounds
        return f"the action of {self.name} must be one finite number in [{low:g}, {high:g}]"


class ChoiceReader(_Reader):
    """The action space of VMUs of several providers, and the shares and steps that an action means.

    An action is a weight for each provider, one for the outside option if there is one, and then
    the steps of a request for each provider. All are single-precision numbers.

    Args:
        providers: M.
        outside: whether there is an outside option.
        low, high: bounds of steps.
        normalize: whether actions lie in [−1, 1].
        continuous: whether they are no indices.
    """

    def __init__(
        self,
        providers: int,
        outside: bool,
        low: float,
        high: float,
        normalize: bool,
        continuous: bool,
    ) -> None:
        self._M = M = providers
        self._weights = M + outside
        self._continuous, self._normalize = continuous, normalize and continuous
        self._shape = (self._weights + M,)
        self._shapes = (self._shape,)
        self._low = np.repeat(np.array([0.0, low], "f4"), [self._weights, M]).tolist()
        self._high = np.repeat(np.array([1.0, high], "f4"), [self._weights, M]).tolist()
        self._bounds = self._low, self._high
        if self._normalize:
            self._bounds = [-1.0] * len(self._low), [1.0] * len(self._low)
        self._least = float(np.ceil(low))
        self.space = self.make_space()
        self.limit(low, high)

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
        if not self._continuous:
            index = self._checked(action).tolist()
            values = [i / (WEIGHT_LEVELS - 1) for i in index[: self._weights]]
            values += [self._least + i for i in index[self._weights :]]
        else:
            simple = type(action) is np.ndarray and action.dtype is _FLOAT32
            given = action if simple and action.shape == self._shape else self._checked(action)
            values = self._within(action, given.tolist())
        weights, steps = values[: self._weights], values[self._weights :]
        if self._narrowed:
            steps = [min(max(s, self.min_steps), self.max_steps) for s in steps]
        given = sum(weights)
        if given > 0:
            return [weight / given for weight in weights[: self._M]], steps
        return [1.0 / self._weights] * self._M, steps

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
        given, xp = total(weights, 0), namespace(weights)
        shares = weights[: self._M] / xp.where(given > 0, given, 1.0)
        return xp.where(given > 0, shares, 1.0 / self._weights), clip(steps, low, high)

    def _within(self, action: Any, values: list[float]) -> list[float]:
        """Weights and steps in physical units, within the space."""
        least, most = self._bounds
        for low, value, high in zip(least, values, most):  # noqa: B905 (strict takes as long)
            if not low <= value <= high:  # nor is NaN
                values = self._clipped(action).tolist()
                break
        if not self._normalize:
            return values
        columns = zip(values, self._low, self._high, strict=True)
        return array("f", [from_unit(*column) for column in columns]).tolist()

    @property
    def _wanted(self) -> str:
        weights = f"{self._weights} weights and {self._M} numbers of steps"
        if self._continuous:
            return f"the action of a VMU must be {weights}, all finite"
        return f"the action of a VMU must be the indices of {weights} in {self.space}"


def from_unit(value: Any, low: Any, high: Any) -> Any:
    """From [−1, 1] to [low, high]."""
    return low + 0.5 * (value + 1.0) * (high - low)
