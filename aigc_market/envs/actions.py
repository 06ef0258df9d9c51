"""How actions are read: physical units, [−1, 1], or an index into a grid."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from pettingzoo.utils.env_logger import EnvLogger

from aigc_market._arrays import as_numpy, clip, contiguous, convert, holds, namespace, total

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
        self.axes = ()
        """Of what one action means: a number."""
        self._continuous, self._shapes = grid is None, ((), (1,))
        self._base = float(np.float32(low)), float(np.float32(high))
        self._normalize = normalize and grid is None
        self._bounds = (-1.0, 1.0) if self._normalize else self._base
        self.grid: list[float] | None = None if grid is None else grid.astype("f4").tolist()
        self._tensor: Any = None  # of the grid, once it is brought somewhere
        self._single = array("f", (0.0,))  # rounds what is put here; a new one takes longer
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
        least, most = self._base
        self._as_space = holds(self.low == least) and holds(self.high == most)

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
                self._single[0] = low + 0.5 * (value + 1.0) * (high - low)
                value = self._single[0]
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
        """The numbers that tensors of actions mean, within an episode's bounds.

        Nothing is checked, for that would wait for the device: what is out of bounds is clipped.

        Args:
            actions: (…), numbers or indices.
            low, high: numbers, or what broadcasts with (…).
        """
        if self._tensor is not None:
            return clip(self._tensor[actions], low, high)
        if self._normalize:
            actions = from_unit(clip(actions, -1.0, 1.0), *self._base)
        return clip(actions, low, high)

    def posts(self, actions: Any, low: Any, high: Any) -> Any:
        """The numbers (N,) that tensors of one agent's actions mean, (N, 1) or indices (N,)."""
        return self.meant(actions if self.grid else actions[..., 0], low, high)

    def bring(self, like: Any) -> None:
        """Lay out what tensors need where such a tensor lives."""
        self._tensor = None if self.grid is None else convert(np.array(self.grid), like)

    def at(self, share: Any, low: Any, high: Any) -> Any:
        """Numbers (N,) at these shares of the way from the least to the most, as `draw`."""
        if self._tensor is None:
            return clip(low + share * (high - low), low, high)  # a sum is rounded
        xp, count = namespace(share), len(self._tensor)
        index = xp.astype(share * count, xp.int64)
        return clip(self._tensor[clip(index, 0, count - 1)], low, high)

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


class NumbersReader(_Reader):
    """The action space of several numbers, and what an action means.

    All are single-precision numbers.

    Args:
        name: whose action it is.
        what: the numbers, in words.
        low, high: bounds of each, (n,).
        normalize: whether actions lie in [−1, 1].
        grids: what the indices of a discrete space mean, for each number; None: actions are
            continuous.
    """

    def __init__(
        self,
        name: str,
        what: str,
        low: Sequence[float],
        high: Sequence[float],
        normalize: bool,
        grids: Sequence[list[float]] | None,
    ) -> None:
        self.name, self._what, self._grids = name, what, grids
        self.axes = (len(low),)
        self._shapes = (self.axes,)
        self._continuous = grids is None
        self._normalize = normalize and self._continuous
        self._low, self._high = (np.array(bound, "f4").tolist() for bound in (low, high))
        self._bounds = self._low, self._high
        if self._normalize:
            self._bounds = [-1.0] * len(low), [1.0] * len(low)
        self._tensors: list[Any] = []  # of the grids, once they are brought somewhere
        self._ends: list[Any] = []  # of the space, likewise
        self.space = self.make_space()
        self.low: Any
        self.high: Any
        self.limit(low, high)

    def make_space(self) -> Any:
        """A space of its own for an agent: sampling is independent from agent to agent."""
        if self._grids is not None:
            return MultiDiscrete([len(values) for values in self._grids])
        if self._normalize:
            return Box(-1.0, 1.0, self.axes, np.float32)
        return Box(np.array(self._low, "f4"), np.array(self._high, "f4"), dtype=np.float32)

    def limit(self, low: Any, high: Any) -> None:
        """Hold what actions mean within an episode's bounds, (n,), or (n, N) for a batch."""
        self.low, self.high = (np.asarray(bound, "f4").astype("f8") for bound in (low, high))
        axes = (-1, *[1] * (self.low.ndim - 1))
        least, most = (np.reshape(bound, axes) for bound in self._bounds_in())
        self._narrowed = bool(np.any(self.low > least) or np.any(self.high < most))

    def _bounds_in(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the space, in physical units."""
        return np.array(self._low), np.array(self._high)

    def read(self, action: Any) -> Any:
        """The numbers (n) that one action means.

        Finite values outside the space are clipped, with PettingZoo's warning.

        Raises:
            TypeError, ValueError: a wrong type or shape, NaN, infinity, or an unknown index.
        """
        values = self._numbers(action)
        return np.clip(values, self.low, self.high).tolist() if self._narrowed else values

    def _numbers(self, action: Any) -> list[float]:
        """Within the space, whatever the episode's bounds."""
        if self._grids is not None:
            index = self._checked(action).tolist()
            return [grid[i] for grid, i in zip(self._grids, index, strict=True)]
        simple = type(action) is np.ndarray and action.dtype is _FLOAT32
        given = action if simple and action.shape == self.axes else self._checked(action)
        values: list[float] = given.tolist()
        least, most = self._bounds
        for low, value, high in zip(least, values, most):  # noqa: B905 (strict takes as long)
            if not low <= value <= high:  # nor is NaN
                values = self._clipped(action).tolist()
                break
        if not self._normalize:
            return values
        columns = zip(values, self._low, self._high, strict=True)
        return array("f", [from_unit(*column) for column in columns]).tolist()

    def read_batch(self, actions: Any, num_envs: int) -> np.ndarray:
        """The numbers that a batch of actions means, (n, num_envs) float64; as `read`."""
        shape = (num_envs, *self.axes)
        if self._grids is not None:
            index = self._checked(actions, shape).T
            values = np.stack([np.array(g)[i] for g, i in zip(self._grids, index, strict=True)])
        else:
            simple = type(actions) is np.ndarray and actions.dtype is _FLOAT32
            given = actions if simple and actions.shape == shape else self._checked(actions, shape)
            if not ((given >= self.space.low) & (given <= self.space.high)).all():  # nor is NaN
                given = self._clipped(actions, shape)
            values = given.T.astype(np.float64)
            if self._normalize:
                low, high = (bound[:, None] for bound in self._bounds_in())
                values = from_unit(values, low, high).astype(np.float32).astype(np.float64)
        if self._narrowed:
            low, high = (np.reshape(b, (len(b), -1)) for b in (self.low, self.high))
            values = np.clip(values, low, high)
        return values

    def posts(self, actions: Any, low: Any, high: Any) -> Any:
        """The numbers (n, N) that tensors of one agent's actions (N, n) mean, as `read`.

        Nothing is checked, for that would wait for the device: what is out of bounds is clipped.
        """
        if self._tensors:
            columns = zip(self._tensors, actions.mT, strict=True)
            actions = namespace(actions).stack([grid[index] for grid, index in columns])
            return clip(actions, low, high)
        actions = contiguous(actions.mT)
        if self._normalize:
            least, most = (bound[:, None] for bound in self._ends)
            actions = from_unit(clip(actions, -1.0, 1.0), least, most)
        return clip(actions, low, high)

    def bring(self, like: Any) -> None:
        """Lay out what tensors need where such a tensor lives."""
        self._tensors = [convert(np.array(grid), like) for grid in self._grids or ()]
        self._ends = [convert(bound, like) for bound in self._bounds_in()]

    def at(self, share: Any, low: Any, high: Any) -> Any:
        """Numbers (n, N) at shares (N, n) of the way from the least to the most, as `draw`."""
        if not self._tensors:
            return clip(low + share.mT * (high - low), low, high)
        columns = zip(self._tensors, share.mT, strict=True)
        xp = namespace(share)
        drawn = [
            grid[clip(xp.astype(part * len(grid), xp.int64), 0, len(grid) - 1)]
            for grid, part in columns
        ]
        return clip(xp.stack(drawn), low, high)

    def draw(self, rng: np.random.Generator) -> list[float]:
        """Numbers that actions may mean, each as likely."""
        if self._grids is not None:
            values = [grid[rng.integers(len(grid))] for grid in self._grids]
        else:
            values = rng.uniform(self.low, self.high).astype(np.float32)
        return np.clip(values, self.low, self.high).tolist()

    @property
    def _wanted(self) -> str:
        if self._continuous:
            return f"the action of {self.name} must be {self._what}, all finite"
        return f"the action of {self.name} must be the indices of {self._what} in {self.space}"


class ChoiceReader(NumbersReader):
    """The action space of VMUs of several providers, and the shares and steps that an action means.

    An action is a weight for each provider, one for the outside option if there is one, and then
    the steps of a request for each provider.

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
        self._weights = W = M + outside
        self._least = float(np.ceil(low))
        grids = None
        if not continuous:
            steps = np.arange(self._least, np.floor(np.float32(high)) + 1).tolist()
            grids = [[i / (WEIGHT_LEVELS - 1) for i in range(WEIGHT_LEVELS)]] * W + [steps] * M
        bounds = [0.0] * W + [low] * M, [1.0] * W + [high] * M
        what = f"{W} weights and {M} numbers of steps"
        super().__init__("a VMU", what, *bounds, normalize, grids)

    def limit(self, low: Any, high: Any) -> None:
        """Hold steps, the last of the numbers, within an episode's bounds."""
        self.low, self.high = (float(np.float32(np.ravel(bound)[-1])) for bound in (low, high))
        self._narrowed = self.low > self._low[-1] or self.high < self._high[-1]

    def read(self, action: Any) -> tuple[list[float], list[float]]:
        """The shares (M) and steps (M) that one action means, as the numbers of the base."""
        values = self._numbers(action)
        W, M = self._weights, self._M
        weights, steps = values[:W], values[W:]
        if self._narrowed:
            steps = [min(max(s, self.low), self.high) for s in steps]
        given = sum(weights)
        if given > 0:
            return [weight / given for weight in weights[:M]], steps
        return [1.0 / W] * M, steps

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


class ContractReader(NumberReader):
    """The action space of VMUs to whom contracts are offered: the number of one, or 0 for none.

    Args:
        contracts: L.
    """

    def __init__(self, contracts: int) -> None:
        super().__init__("a VMU", 0, contracts, False, np.arange(contracts + 1))

    def limit(self, low: Any, high: Any) -> None:
        """Nothing is held within the bounds of steps: whatever is offered may be taken."""

    def read(self, action: Any) -> int:
        """The contract that one action means.

        Raises:
            TypeError, ValueError: a wrong type or shape, or an unknown index.
        """
        return int(self._checked(action).item())


def from_unit(value: Any, low: Any, high: Any) -> Any:
    """From [−1, 1] to [low, high]."""
    return low + 0.5 * (value + 1.0) * (high - low)
