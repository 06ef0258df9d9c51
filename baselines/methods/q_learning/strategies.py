"""What fixed strategies do, and what a provider could gain against them: exactly.

A strategy names a price after every profile of the last round, so that play is deterministic: from
every profile one other follows. A provider that faces fixed strategies has a Markov decision
process with as many states as there are profiles, which policy iteration solves.

There are two tests of a strategy. A one-shot deviation is another price in one round, after which
all follow their strategies. A best reply may deviate for ever. No profitable one-shot deviation
after any profile is a perfect equilibrium, and then no best reply gains either; none on the path of
play is less than a Nash equilibrium, since strategies off the path may be bad and can be exploited.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from baselines.methods.q_learning.oligopoly import levels_of


@dataclass(frozen=True, eq=False)
class Strategies:
    """M providers that follow what they learned.

    Args:
        payoffs: (L^M, M) of the game of one round.
        prices: (L^M, M) number of each provider's price after each profile.
        discount: of the providers.
    """

    payoffs: np.ndarray
    prices: np.ndarray
    discount: float

    @cached_property
    def following(self) -> np.ndarray:
        """(L^M,) the profile that follows each."""
        return self.prices @ self._strides

    @cached_property
    def values(self) -> np.ndarray:
        """(L^M, M) discounted utility after each profile when all follow their strategies."""
        return _discounted(self.following, self.payoffs[self.following], self.discount)

    @cached_property
    def _strides(self) -> np.ndarray:
        """(M,) by how much a profile's number rises with one step of each price."""
        return levels_of(self.payoffs) ** np.arange(self.payoffs.shape[1])[::-1]

    def cycle(self, start: int) -> np.ndarray:
        """(L,) the profiles that are played over and over in the end, after `start`, in order."""
        seen: dict[int, int] = {}
        while start not in seen:
            seen[start] = len(seen)
            start = int(self.following[start])
        return np.array([profile for profile, when in seen.items() if when >= seen[start]])

    def path(self, start: np.ndarray, periods: int) -> np.ndarray:
        """(periods, …) the profiles that follow `start`, which is the first of them."""
        played = [start]
        while len(played) < periods:
            played.append(self.following[played[-1]])
        return np.stack(played)

    def alternatives(self, seat: int, after: np.ndarray | None = None) -> np.ndarray:
        """(…, L) the profiles that provider `seat` can bring about while the others follow theirs.

        Args:
            seat: of the provider.
            after: (…) profiles of the round before; all by default.
        """
        after = np.arange(len(self.prices)) if after is None else after
        stride = self._strides[seat]
        others = self.following[after] - stride * self.prices[after, seat].astype(np.int64)
        return others[..., None] + stride * np.arange(levels_of(self.payoffs))

    def returns(self, start: int, cycle: np.ndarray) -> float:
        """The period in which play that begins with `start` is in the cycle; NaN if it never is."""
        aims = set(cycle.tolist())
        for period in range(1, len(self.following) + 1):
            if start in aims:
                return float(period)
            start = int(self.following[start])
        return float("nan")

    def action_values(self, seat: int, after: np.ndarray | None = None) -> np.ndarray:
        """(…, L) discounted utility of each price in one round; then all follow their strategies.

        Args:
            seat: of the provider.
            after: (…) profiles of the round before; all by default.
        """
        profiles = self.alternatives(seat, after)
        return self.payoffs[profiles, seat] + self.discount * self.values[profiles, seat]

    def best_reply(self, seat: int) -> tuple[np.ndarray, np.ndarray]:
        """The best that provider `seat` can do against the others' strategies, for ever.

        Returns:
            (L^M,) its discounted utility after each profile; and Q*, (L^M, L), that of each price
            in one round, with the best reply from then on.
        """
        own, options = self.payoffs[:, seat], self.alternatives(seat)
        choice = self.prices[:, seat].astype(np.int64)
        slack = self.slack(seat)
        while True:  # policy iteration: values rise in every turn, and there are finitely many
            profiles = np.take_along_axis(options, choice[:, None], axis=1)[:, 0]
            values = _discounted(profiles, own[profiles], self.discount)
            action_values = own[options] + self.discount * values[options]
            better = action_values.max(axis=1) > values + slack
            if not better.any():
                return values, action_values
            choice = np.where(better, action_values.argmax(axis=1), choice)

    def slack(self, seat: int) -> float:
        """Differences of discounted utilities below this are rounding."""
        return 1e-10 * float(np.abs(self.payoffs[:, seat]).max()) / (1.0 - self.discount)


def _discounted(following: np.ndarray, rewards: np.ndarray, discount: float) -> np.ndarray:
    """Σ_t discount^t · reward on the path from each state: twice as many terms in every turn."""
    total = rewards.copy()
    while discount > np.finfo(np.float64).eps:
        total = total + discount * total[following]
        following = following[following]
        discount *= discount
    return total
