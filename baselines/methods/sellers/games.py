"""N markets side by side with all providers' prices posted from outside."""

from __future__ import annotations

from typing import Any

import numpy as np

from aigc_market.competition import Competition
from aigc_market.envs.competition.lanes import Lanes


class Games:
    """N games of a scenario with scripted VMUs, each round at given prices, in the market's units.

    Attributes:
        over: whether the round played last was the episode's last; `reset` begins the next.
        last_prices: (N, M) of the last round; None before the first.
        oracle: what scripted sellers know of the market in force: its `nash` and `cartel`. Solved
            when it is asked for, unless it was set.

    Args:
        scenario: its name.
        num_envs: N.
        max_cycles: rounds of an episode.
        followers: VMUs in place of the scenario's, a policy or its name.
    """

    def __init__(
        self, scenario: str, num_envs: int, max_cycles: int, followers: Any = None
    ) -> None:
        arguments = {
            "scenario": scenario,
            "max_cycles": max_cycles,
            "followers": followers or "best_response",
            "continuous_actions": True,  # learners bring their own grid
            "judged": False,
        }
        self._lanes = Lanes((num_envs,), arguments)
        settings = self._lanes.settings
        self.num_envs, self.max_cycles, self.history = num_envs, max_cycles, settings.history
        self.moves = bool(settings.scenario.moves)
        self.over = False
        self.last_prices: np.ndarray | None = None
        self.oracle: Any = None

    @property
    def market(self) -> Competition:
        """Of the games in force: a batch, or one market where it is the same in all."""
        return self._lanes.market

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode in every game; None goes on with the stream of the last seed."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self._lanes.begin(self._rng, None)
        self.over, self.last_prices = False, None

    def step(self, prices: np.ndarray) -> np.ndarray:
        """Play a round at prices (N, M), which become single-precision numbers.

        Returns:
            Utilities (N, M).
        """
        self.last_prices = np.asarray(prices, np.float32).astype(np.float64)
        self.over = self._lanes.round + 1 >= self.max_cycles
        return self._lanes.play(self.last_prices, last=self.over)

    def vmu_utility(self) -> np.ndarray:
        """(N, K) U_k of the last round."""
        return self._lanes.last.vmu_utility().T

    def wished_utility(self) -> np.ndarray:
        """(N, K) the same, had all that was asked for been delivered: the VMUs' own choice."""
        return self._lanes.last.wished_utility().T

    def rows(self, seat: int) -> np.ndarray:
        """(N, n, M + K) the last rounds as a provider sees them, oldest first."""
        rows = self._lanes.observation(seat)
        return rows.reshape(self.num_envs, self.history, -1)
