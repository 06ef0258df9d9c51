"""The best that a seller can do, for ever, against a rival that follows a fixed strategy.

A strategy names a price after the prices of the last round. So the rival's price q of this round
stands before the seller chooses its own, p, and all that comes later depends on the two: the
seller's Markov decision process over the last two prices is one over q alone,

    W(q) = max_p u(p, q) + γ·W(π(p, q)),

with u what the seller earns in a round, and π the rival's strategy. Policy iteration solves it on a
grid of own prices and of q; between points of q it is interpolated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aigc_market import competition
from aigc_market.competition import Competition

Strategy = Callable[[np.ndarray], np.ndarray]
"""Of a seller in B sessions: from the last prices (B, n, 2), in the order of seats, to (B, n)."""


@dataclass(frozen=True, eq=False)
class Replies:
    """Best replies of a seller in B sessions.

    Args:
        grid: (n,) even prices, of both sellers.
        worth: (B, n) the seller's discounted utility when the rival's price of this round is that
            of the grid.
        discount: γ.
    """

    grid: np.ndarray
    worth: np.ndarray
    discount: float

    def at(self, rival: np.ndarray) -> np.ndarray:
        """(B, …) the worth at the rival's prices (B, …), which are held within the grid."""
        below, share = _place(rival, self.grid)
        return _between(self.worth, below, share)

    def prices(
        self, market: Competition, seat: int, strategy: Strategy, rival: np.ndarray
    ) -> np.ndarray:
        """(B,) the best own prices of the grid when the rival's of this round are (B,)."""
        options = paired(seat, self.grid, rival[:, None])
        after = self.at(strategy(options))
        values = earned(market, options)[..., seat] + self.discount * after
        return self.grid[values.argmax(axis=1)]


def best_replies(
    market: Competition,
    seat: int,
    strategy: Strategy,
    prices: tuple[float, float],
    points: int,
    discount: float,
    sessions: int = 1,
) -> Replies:
    """Best replies of the seller at a seat, of two, to strategies of the other in B sessions.

    Args:
        market: one market that stands still.
        seat: 0 or 1.
        strategy: the other's.
        prices: the lowest and the highest that both may post.
        points: n, of the grid.
        discount: γ, below 1.
        sessions: B.
    """
    grid = np.linspace(*prices, points)
    reward = earned(market, paired(seat, grid[:, None], grid))[..., seat]
    # One own price after the other: all at once would not fit the caches of networks.
    rows = (np.broadcast_to(paired(seat, own, grid), (sessions, points, 2)) for own in grid)
    following = np.stack([strategy(row) for row in rows], axis=1)
    return Replies(grid, policy_iteration(reward, following, grid, discount), discount)


def policy_iteration(
    reward: np.ndarray, following: np.ndarray, grid: np.ndarray, discount: float
) -> np.ndarray:
    """Solve W(q) = max_p u(p, q) + γ·W(π(p, q)) in B sessions at the same time.

    Args:
        reward: (n, n) u by own price and the rival's.
        following: (B, n, n) π, the rival's next price; W is linear between points of the grid.
        grid: (n,) even prices.
        discount: γ, below 1.

    Returns:
        (B, n) W.
    """
    B, n = len(following), len(grid)
    below, share = _place(following, grid)
    slack = 1e-10 * np.abs(reward).max() / (1.0 - discount)
    choice = np.broadcast_to(reward.argmax(axis=0), (B, n))
    session, rival = np.ogrid[:B, :n]
    while True:  # values rise in every turn, and policies are finitely many
        taken = session, choice, rival
        system = np.broadcast_to(np.eye(n), (B, n, n)).copy()
        system[session, rival, below[taken]] -= discount * (1.0 - share[taken])
        system[session, rival, below[taken] + 1] -= discount * share[taken]
        worth = np.linalg.solve(system, reward[choice, rival][..., None])[..., 0]
        later = _between(worth, below.reshape(B, -1), share.reshape(B, -1)).reshape(B, n, n)
        values = reward + discount * later
        better = values.max(axis=1) > worth + slack
        if not better.any():
            return worth
        choice = np.where(better, values.argmax(axis=1), choice)


def paired(seat: int, own: np.ndarray, rival: np.ndarray) -> np.ndarray:
    """(…, 2) prices in the order of seats, of own prices and the rival's of shapes that broadcast.

    Args:
        seat: the own one.
    """
    return np.stack(np.broadcast_arrays(own, rival)[:: 1 - 2 * seat], axis=-1)


def earned(market: Competition, prices: np.ndarray) -> np.ndarray:
    """(…, M) what sellers earn in a round at prices (…, M), when VMUs are rational."""
    answer = competition.respond(market, prices)
    return competition.settle(market, prices, answer.shares, answer.steps).asp_utility


def _place(prices: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of the point of the grid below each price, and how far it is to the next one."""
    at = (prices - grid[0]) / (grid[1] - grid[0])
    at = np.clip(at, 0.0, len(grid) - 1.0)
    below = np.minimum(at.astype(np.int32), len(grid) - 2)
    return below, at - below


def _between(values: np.ndarray, below: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(B, …) interpolated from values (B, n) of the grid."""
    flat = below.reshape(len(values), -1)
    low, high = (np.take_along_axis(values, flat + i, axis=1) for i in (0, 1))
    low, high = low.reshape(below.shape), high.reshape(below.shape)
    return low + share * (high - low)
