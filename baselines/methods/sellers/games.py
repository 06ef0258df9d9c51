"""N markets side by side with all providers' prices posted from outside."""

from __future__ import annotations

from typing import Any

import numpy as np

from aigc_market.competition import Competition
from aigc_market.envs.competition import CompetitionGame, Settings
from aigc_market.envs.market_process import MarketProcess


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
        settings = Settings.make(
            scenario=scenario,
            max_cycles=max_cycles,
            followers=followers or "best_response",
            continuous_actions=True,  # learners bring their own grid
            judged=False,
        )
        self._game = CompetitionGame(settings, scripted=True)
        self.num_envs, self.max_cycles, self.history = num_envs, max_cycles, settings.history
        self.moves = bool(settings.scenario.moves)
        self.over = False
        self.last_prices: np.ndarray | None = None
        self.oracle: Any = None
        self._process: Any = None  # a MarketProcess from the first reset on

    @property
    def market(self) -> Competition:
        """Of the games in force: a batch, or one market where it is the same in all."""
        return self._process.market if self._process else self._game.settings.market

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode in every game; None goes on with the stream of the last seed."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self._process = MarketProcess(self._game.settings, self._rng, None, (self.num_envs,))
        self._terms = self._game.terms(self._process.market, None)
        self._round, self.over, self.last_prices = 0, False, None
        nothing = self._game.before_first(self._terms, self.num_envs)
        self._rows = [self._row(nothing)] * self.history

    def step(self, prices: np.ndarray) -> np.ndarray:
        """Play a round at prices (N, M), which become single-precision numbers.

        Returns:
            Utilities (N, M).
        """
        game = self._game
        self.last_prices = np.asarray(prices, np.float32).astype(np.float64)
        posted = np.array(self.last_prices.T, order="C")
        choices = game.scripted(self._terms, posted, self._rng)
        self._settled = settled = game.settle(self._terms, posted, choices)
        self._round += 1
        self.over = self._round >= self.max_cycles
        if self.moves and not self.over:
            self._process.advance()
            self._terms = game.terms(self._process.market, self._terms)
        self._rows = [*self._rows[1:], self._row(settled)]
        return game.earned(settled).T.copy()

    def _row(self, settled: Any) -> np.ndarray:
        """(M, M + K, N) a round as each provider sees it."""
        return np.concatenate(self._game.leader_row(settled, None), axis=1, dtype=np.float32)

    def vmu_utility(self) -> np.ndarray:
        """(N, K) U_k of the last round."""
        return self._settled.vmu_utility().T

    def wished_utility(self) -> np.ndarray:
        """(N, K) the same, had all that was asked for been delivered: the VMUs' own choice."""
        return self._settled.wished_utility().T

    def rows(self, seat: int) -> np.ndarray:
        """(N, n, M + K) the last rounds as a provider sees them, oldest first."""
        return np.stack([row[seat].T for row in self._rows], axis=1)
