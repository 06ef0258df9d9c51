"""Markets side by side along one axis, a few at a time: how the solvers walk through a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from aigc_market import _checks
from aigc_market._arrays import is_array
from aigc_market.market import Competition
from aigc_market.rules import with_prices

TOGETHER = 2**12
"""How many VMUs of all markets are looked at together: as many as fill the caches."""


def of_numpy(name: str, value: Any) -> None:
    """Refuse tensors, which a solver would take the gradients from.

    Raises:
        TypeError: it is an array of another library.
    """
    if is_array(value) and not isinstance(value, np.ndarray):
        raise TypeError(
            f"{name} must be made of numbers or NumPy arrays where a market is solved, "
            f"got {value!r} of type {type(value).__name__}"
        )


def checked(
    market: Any, prices: Any, name: str = "prices", optional: bool = False
) -> tuple[Competition, np.ndarray]:
    """A market and prices (…, M) in it, with the market's leading axes.

    Where they are optional None stands for the costs.

    Raises:
        TypeError, ValueError: no `Competition`, prices that are not M numbers above zero, or
            tensors.
    """
    _checks.instance("market", market, Competition, "a Competition")
    of_numpy("market", market.cost)
    of_numpy(name, prices)
    try:
        return with_prices(market, market.cost if optional and prices is None else prices)
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("prices", name, 1)) from None


def in_parts(
    market: Competition,
    prices: np.ndarray,
    solve: Callable[[Competition, np.ndarray], tuple[np.ndarray, ...]],
    points: int = 1,
) -> list[np.ndarray]:
    """The answers of a solver that takes N markets at once, a few at a time to bound the memory.

    Args:
        market: one market or a batch.
        prices: (…, M) with its leading axes, as `checked` returns them.
        solve: of a market whose parameters have one leading axis (N, …), or none where all markets
            share them, and prices (N, M); it answers with arrays (N, …).
        points: how many prices of each market it has in its hands at a time.

    Returns:
        The answers, with the leading axes of the prices.
    """
    shape = prices.shape[:-1]

    def flat(name: str, value: Any) -> Any:
        own = 1 if name == "ssim" else len(market.axes(name))
        if np.ndim(value) <= own:
            return value
        tail = value.shape[value.ndim - own :]
        return np.broadcast_to(value, (*shape, *tail)).reshape(-1, *tail)

    flat_market, rows = market.map(flat), prices.reshape(-1, market.M)
    size = max(1, TOGETHER // (points * market.K))
    parts = [slice(first, first + size) for first in range(0, len(rows), size)]
    if len(parts) == 1:
        answers = solve(flat_market, rows)
    else:
        columns = zip(*(solve(flat_market.lanes(part), rows[part]) for part in parts), strict=True)
        answers = map(np.concatenate, columns)
    return [answer.reshape((*shape, *answer.shape[1:]))[()] for answer in answers]


def blocks(market: Competition) -> Iterator[Competition]:
    """The market with a few of its VMUs at a time, to bound the memory and stay in the caches."""
    size = TOGETHER // 2
    for first in range(0, market.K, size):
        part = slice(first, min(first + size, market.K))

        def pick(name: str, value: Any, part: slice = part) -> Any:
            own = name in ("satisfaction", "access_cost", "ssim")
            return value[..., part] if own and np.ndim(value) and value.shape[-1] > 1 else value

        yield market.map(pick).replace(K=part.stop - part.start)
