"""Where the numbers of a round stand in the history of a game with several providers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from aigc_market.envs.competition.provider import ProvidersRow


class GameRow(ProvidersRow):
    """A row is what providers see, then provider by provider shares and steps of each VMU."""

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return self.M * (1 + 3 * self.K)

    def answer(self, k: int) -> np.ndarray:
        """Where the shares of VMU k stand, then its steps for a request, (2M,)."""
        shares = self.M * (1 + self.K) + k + self.K * np.arange(self.M)
        return np.concatenate([shares, shares + self.M * self.K])


@lru_cache(maxsize=16)
def provider_index(row: GameRow, n: int, in_force: bool) -> np.ndarray:
    """Where in the last n rounds, and one in play, that stands which each provider sees, (M, …).

    In front stand the prices in force, its own first, where it sees these.
    """
    rows = row.width * np.arange(n)[:, None]
    views = []
    for m in range(row.M):
        seen = row.seen(m)
        past = (rows + seen).ravel()
        views.append(np.append(n * row.width + seen[: row.M], past) if in_force else past)
    return np.array(views)


@lru_cache(maxsize=16)
def vmu_index(row: GameRow, n: int, private: int) -> np.ndarray:
    """The same for each VMU, (K, …).

    They are places for what it knows of itself, the prices in force, and its own rounds (prices,
    shares, steps).
    """
    prices = np.arange(row.M)
    rows = row.width * np.arange(n)[:, None]
    views = []
    for k in range(row.K):
        past = (rows + np.append(prices, row.answer(k))).ravel()
        views.append(np.concatenate([np.zeros(private, int), n * row.width + prices, past]))
    return np.array(views)


@lru_cache(maxsize=16)
def state_index(row: GameRow, n: int) -> np.ndarray:
    """The same for the state: the prices in force, and the rounds (prices, shares, steps)."""
    all_of_it = np.arange(row.width)
    seen = np.append(all_of_it[: row.M], all_of_it[row.M * (1 + row.K) :])
    past = (row.width * np.arange(n)[:, None] + seen).ravel()
    return np.append(n * row.width + np.arange(row.M), past)
