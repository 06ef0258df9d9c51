"""What agents see: the history of rounds, and the spaces of observations."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from gymnasium.spaces import Box

from aigc_market import game
from aigc_market._arrays import beside, is_array, joined, namespace
from aigc_market.envs.rows import RoundRow, Row
from aigc_market.envs.settings import Settings
from aigc_market.envs.view_settings import ViewSettings
from aigc_market.market import Market

_MAX_CHUNK_BYTES = 2**24


class History:
    """Rounds as rows of single-precision numbers (Eq. 16), and one in play.

    Rows of one provider's game are those of `rows.RoundRow`.

    Rows are only ever appended, to a chunk of memory that is left behind when it is full, so that a
    window over the last rows is one piece.
    """

    def __init__(self, rounds: int, max_rows: int, where: Row, lanes: tuple[int, ...] = ()) -> None:
        shape = where.width, *lanes
        self._price, self._steps, self._active = where.price, where.steps, where.active
        self._delivered = where.delivered
        fitting = _MAX_CHUNK_BYTES // (4 * math.prod(shape))
        length = max(2 * rounds, min(rounds + max_rows, fitting)) + 1
        self._rows = np.zeros((length, *shape), "f4")
        self._rounds = rounds
        self._now = 0

    def end(self, steps: Any, active: Any, price: Any, delivered: Any = None) -> None:
        """End the round in play, and begin another with the price in force.

        Args:
            steps: (K, …) as the leader sees them; None: they are written already.
            active: (K, …) who will answer the next price, where VMUs come and go.
            price: in force as the next round begins.
            delivered: (K, …) steps, where rows end in them.
        """
        if steps is not None:
            self._rows[self._now, self._steps] = steps
        if active is not None:
            self._rows[self._now, self._active] = active
        if delivered is not None:
            self._rows[self._now, self._delivered] = delivered
        self._now += 1
        if self._now == len(self._rows):
            last, self._rows = self._rows[-self._rounds :], np.empty_like(self._rows)
            self._rows[: self._rounds] = last
            self._now = self._rounds
        self._rows[self._now, self._price] = price

    def fill(self, price: float | np.ndarray, active: Any = None) -> None:
        """Begin an episode: `rounds` rows in which the price was the cost and nothing was sold.

        Where VMUs come and go, all rows end in who is there to answer the first price.
        """
        self.post(price)
        for _ in range(self._rounds):
            self.end(0.0, active, price, 0.0)

    def post(self, price: Any) -> None:
        """Write the price of the round in play."""
        self._rows[self._now, self._price] = price

    @property
    def price(self) -> np.ndarray:
        """Of the round in play, (1, …): a view."""
        return self._rows[self._now, self._price, None]

    @property
    def steps(self) -> np.ndarray:
        """Of the round in play, (K, …): a view, to be written."""
        return self._rows[self._now, self._steps]

    def window(self) -> np.ndarray:
        """The last rounds, oldest first, (n, width, …): a view."""
        return self._rows[self._now - self._rounds : self._now]

    def take(self, index: np.ndarray) -> np.ndarray:
        """Numbers of the flattened window and the row in play; fresh memory."""
        return self._rows[self._now - self._rounds : self._now + 1].take(index)


class Views:
    """What the agents of a kind see of a history, made for all together, and handed out once each.

    Args:
        history: of the rounds.
        index: (agents, width) where the numbers stand that each sees, in the last rounds and the
            one in play.
        private: (agents, …) what stands in front instead, or None.
    """

    def __init__(self, history: History, index: np.ndarray, private: np.ndarray | None) -> None:
        self._history, self._index = history, index
        self.private = private
        self._width = 0 if private is None else private.shape[1]
        self._made: list[np.ndarray | None] | None = None

    def forget(self) -> None:
        """The history has changed."""
        self._made = None

    def of(self, number: int) -> np.ndarray:
        """What an agent sees, in memory of its own."""
        made = self._made
        if made is None:
            seen = self._history.take(self._index)
            if self.private is not None:
                seen[:, : self._width] = self.private
            made = self._made = list(seen)
        view, made[number] = made[number], None
        if view is None:
            view = self._history.take(self._index[number])
            if self.private is not None:
                view[: self._width] = self.private[number]
        return view


class Scales:
    """Factors from physical units to the units of observations."""

    def __init__(self, settings: ViewSettings) -> None:
        market, normalize = settings.market, settings.normalize
        self.price = 1.0 / settings.price_bounds[1] if normalize else 1.0
        self.steps = 1.0 / market.max_steps if normalize else 1.0
        self.satisfaction = 1.0 / settings.seen_satisfaction_bounds[1] if normalize else 1.0
        self.alpha = self.beta = 1.0
        if normalize and settings.ssim is not None:
            self.alpha = -1.0 / settings.ssim.alpha.high
            self.beta = 1.0 / settings.ssim.beta.high


def private(settings: Settings, scales: Scales, market: Market) -> Any:
    """What a VMU knows of itself beside its purchases, in the units of observations.

    Returns:
        (…, K, 1 … 4): its δ; α and β where they are drawn; whether it is there, where VMUs come and
        go (δ is 0 for one that is not).
    """
    columns = [market.satisfaction * scales.satisfaction]
    if settings.ssim is not None:
        columns += [market.ssim.alpha * scales.alpha, market.ssim.beta * scales.beta]
    if market.active is not None:
        columns[0] = game.present(market.active, columns[0])
        columns.append(market.active)
    return beside(columns)


def capacity(settings: Settings, market: Market) -> Any:
    """R as the leader sees it, in the units of observations; None where there is none.

    Where the options of a reset have taken it away it is the most that R can be.

    Returns:
        (…), or a float where it is one number for all markets.
    """
    if not settings.rationed:
        return None
    most = settings.capacity_bounds[1]
    limit = most if market.capacity is None else market.capacity
    return limit / most if settings.normalize else limit


def hidden(settings: Settings, scales: Scales, market: Market, of_vmus: Any) -> Any:
    """All that stands in a state beside prices and rounds, in the units of observations.

    Args:
        settings, scales, market: of the game.
        of_vmus: what is `private`.

    Returns:
        (…, H): every δ, then what there is of α, β, who is active (K), R. The leader sees of these
        who is active, in its rows, and R.
    """
    parts = [of_vmus[..., 0]]
    if settings.ssim is not None:
        parts.append(of_vmus[..., 0, 1:3])
    if market.active is not None:
        parts.append(of_vmus[..., -1])
    limit = capacity(settings, market)
    if limit is not None:
        limit = limit[..., None] if is_array(limit) else limit
        limit = 0.0 * of_vmus[..., :1, 0] + limit  # in the same library and place
        # R may differ from market to market where nothing else does.
        batch = tuple(limit.shape[:-1])
        parts = [namespace(p).broadcast_to(p, (*batch, p.shape[-1])) for p in parts] + [limit]
    return joined(parts)


def private_index(settings: Settings) -> np.ndarray:
    """Where in what is `hidden` that stands which is `private` to each VMU, (K, …)."""
    K = settings.market.K
    vmus = np.arange(K)[:, None]
    columns, after = [vmus], K
    if settings.ssim is not None:
        columns.append(np.full((K, 2), [K, K + 1]))
        after += 2
    if settings.masked:
        columns.append(after + vmus)
    return np.concatenate(columns, axis=-1)


def capacity_index(settings: Settings) -> np.ndarray:
    """Where R stands in what is `hidden`, (1, 1)."""
    before = settings.market.K * (2 if settings.masked else 1)
    return np.array([[before + (0 if settings.ssim is None else 2)]])


def coefficient_bounds(settings: ViewSettings, scales: Scales) -> list[tuple[float, float, int]]:
    """Of α and β where they are drawn, for `box`."""
    if settings.ssim is None:
        return []
    alpha, beta = settings.ssim.alpha, settings.ssim.beta
    low, high = sorted(-bound * scales.alpha for bound in (alpha.low, alpha.high))
    return [(low, high, 1), (beta.low * scales.beta, beta.high * scales.beta, 1)]


def box(*bounds: tuple[float, float, int]) -> Box:
    """A flat Box from (low, high, repeats) in order."""
    low, high = (
        np.concatenate([np.full(bound[2], bound[i], "f4") for bound in bounds]) for i in (0, 1)
    )
    return Box(low, high, dtype=np.float32)


class ObservationSpaces:
    """Flat boxes with finite bounds, that do not depend on any one VMU's δ."""

    def __init__(self, settings: Settings) -> None:
        scales, market, n, K = (
            Scales(settings),
            settings.market,
            settings.history,
            settings.market.K,
        )
        price = (0.0, market.max_price * scales.price, 1)
        steps = (0.0, market.max_steps * scales.steps, 1)
        low, high = (bound * scales.satisfaction for bound in settings.seen_satisfaction_bounds)
        present = [(0.0, 1.0, 1)] if settings.masked else []
        present_vmus = [(0.0, 1.0, K)] if settings.masked else []
        rounds = [price, (*steps[:2], K), *present_vmus] * n
        coefficients, capacity = coefficient_bounds(settings, scales), []
        if settings.rationed:
            least, most = settings.capacity_bounds
            unit = most if settings.normalize else 1.0
            capacity.append((least / unit, most / unit, 1))
        self.asp = box(*capacity, *rounds)
        self.parallel_asp = box(*capacity, price, *rounds)
        self.vmu = box((low, high, 1), *coefficients, *present, price, *([price, steps] * n))
        of_market = [(low, high, K), *coefficients, *present_vmus, *capacity]
        self.state = box(*of_market, price, *rounds)


def asp_index(row: RoundRow, n: int) -> np.ndarray:
    """Where, in the last n rounds and the price in force, the numbers stand that the leader sees.

    Returns: (1, 1 + n·seen): the price in force, then the rounds.
    """
    rounds = row.width * np.arange(n)[:, None] + np.arange(row.seen)
    return np.append(n * row.width + row.price, rounds)[None]


@lru_cache(maxsize=16)
def vmu_index(row: RoundRow, n: int, private: int) -> np.ndarray:
    """Where, in the last n rounds and the price in force, the numbers stand that each VMU sees.

    They are (K, private + 1 + 2n): places for what it knows of itself, the price in force, and its
    own rounds (p, S_k).
    """
    own = np.arange(row.width)[row.delivered]
    prices = row.width * np.arange(n) + row.price
    index = np.empty((row.K, private + 1 + 2 * n), np.intp)
    index[:, : private + 1] = n * row.width + row.price
    index[:, private + 1 :: 2] = prices
    index[:, private + 2 :: 2] = prices - row.price + own[:, None]
    return index
