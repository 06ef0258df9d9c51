"""One episode of the game of several providers, shared by the AEC and the parallel environment."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from aigc_market.competition import followers
from aigc_market.competition.game import Settlement, best_utility, rational, settle_in
from aigc_market.competition.layouts import Columns, Floats
from aigc_market.envs.competition import observation, records, rows
from aigc_market.envs.competition.oracle import gain
from aigc_market.envs.competition.settings import Settings
from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.observation import History, Views
from aigc_market.envs.rewards import vmu_scales
from aigc_market.rendering import CompetitionRound

FEW_PAIRS = 24
"""Up to so many providers times VMUs a round is settled on floats, above on arrays."""


class Episode:
    """Rounds of the market: who paid what, what everybody saw."""

    def __init__(
        self,
        settings: Settings,
        process: MarketProcess,
        rng: np.random.Generator,
        leader_scales: Any,
    ) -> None:
        self._settings, self._process = settings, process
        self._leader_scales = leader_scales
        self._rng = rng  # of scripted VMUs
        market = settings.market
        self._M, self._K = M, K = market.M, market.K
        self._few = M * K <= FEW_PAIRS
        self._judged, self._rescales = settings.judged, settings.normalize
        self._scales = scales = observation.Scales(settings)
        self._layout: Any = None  # Floats or Columns
        self.market: Any = None
        """The market in force."""
        self._take_up()
        self.round = 0
        self.prices: list[float] = self.market.cost.tolist()
        """In force; the costs before the first."""
        self._last: tuple[Any, ...] = ()
        row, n = rows.GameRow(M, K), settings.history
        self._history = history = History(n, settings.max_cycles, row)
        history.fill(self.market.cost * scales.price)
        self._asps = Views(history, rows.provider_index(row, n, False), None)
        self._parallel_asps = Views(history, rows.provider_index(row, n, True), None)
        private = self._private.shape[1]
        self._vmus = Views(history, rows.vmu_index(row, n, private), self._private)
        self._state = rows.state_index(row, n)

    def _take_up(self) -> None:
        """Lay out the market that the process has come to."""
        oracle = self._process.oracle
        market, settings = oracle.market, self._settings
        if market is self.market:
            return
        self._oracle, self.market = oracle, market
        self._places = self._process.places
        self._layout = (Floats if self._few else Columns)(market, before=self._layout)
        self._private = observation.private(settings, self._scales, market)
        self._hidden = observation.hidden(settings, self._private)
        self._benchmarks: list[tuple[dict[str, float], float]] = []  # asked for at a round's end
        self._reward_scales = None
        if settings.scale_rewards:
            of_vmus = vmu_scales(market, market.ssim)
            self._reward_scales = [*self._leader_scales.tolist(), *of_vmus.tolist()]

    @property
    def oracle(self) -> Any:
        """The `Oracle` of `market`."""
        return self._oracle

    def post(self, prices: list[float]) -> None:
        """The providers' prices for the round to come."""
        self.prices = prices
        unit = self._scales.price
        self._history.post(prices if unit == 1 else [price * unit for price in prices])
        self._vmus.forget()
        self._parallel_asps.forget()

    def settle(
        self, choices: list[tuple[list[float], list[float]]], last: bool
    ) -> tuple[list[float], list[dict[str, Any]]]:
        """End the round in which the VMUs chose these shares and steps at the prices in force.

        The market then moves on, unless the round was the last.

        Args:
            choices: of each VMU (M) shares and (M) steps; none where VMUs are scripted.
            last: whether no round follows.

        Returns:
            Rewards and infos, of the providers first and then of the VMUs that are agents.
        """
        prices = self.prices if self._few else np.array(self.prices)
        shares, steps = self._together(choices) if choices else self._scripted(prices)
        settled = settle_in(self._layout, prices, shares, steps)
        self.round += 1
        self._last = settled, self._oracle, self._places
        told = self._write(settled)
        utilities, infos = self._of_providers(settled, told[0])
        if choices:
            of_vmus, infos_of_vmus = self._of_vmus(settled, told[1], told[2])
            utilities = utilities + of_vmus
            infos += infos_of_vmus
        if self._reward_scales is not None:
            utilities = list(map(operator.mul, utilities, self._reward_scales))
        if not last and self._settings.scenario.moves:
            self._process.advance()
            self._take_up()
            self._vmus.private = self._private
        return utilities, infos

    def _together(self, choices: list[tuple[list[float], list[float]]]) -> tuple[Any, Any]:
        """Shares and steps as the layout has them."""
        if not self._few:
            both = np.array(choices).transpose(1, 2, 0)
            return both[0], both[1]
        K = self._K
        shares, steps = [0.0] * (self._M * K), [0.0] * (self._M * K)
        for k, (of_shares, of_steps) in enumerate(choices):
            shares[k::K] = of_shares
            steps[k::K] = of_steps
        return shares, steps

    def _scripted(self, prices: Any) -> tuple[Any, Any]:
        """What scripted VMUs answer, as the layout has it."""
        policy: Any = self._settings.policy
        if policy is followers.best_response:
            return rational(self._layout, prices)
        answer = followers.answers(policy, self.market, np.array(prices), self._rng)
        if not self._few:
            return answer
        return answer.shares.ravel().tolist(), answer.steps.ravel().tolist()

    def _write(self, settled: Settlement) -> np.ndarray:
        """Write the round into the history.

        Returns: (3, M, K) demand, shares and steps delivered, float32, fresh memory.
        """
        parts = settled.demand, settled.shares, settled.delivered
        flat = np.array([*parts[0], *parts[1], *parts[2]] if self._few else parts, "f4")
        told = flat.reshape(3, self._M, self._K)
        row = flat
        if self._rescales or settled.layout.capacity is not None:
            delivered = told.copy()
            np.multiply(told[1], told[2], out=delivered[0])
            delivered[::2] *= np.float32(self._scales.steps)
            row = delivered
        unit = self._scales.price
        prices = self.prices if unit == 1 else [price * unit for price in self.prices]
        self._history.end(row.ravel(), None, prices)
        self._asps.forget()
        self._parallel_asps.forget()
        self._vmus.forget()
        return told

    def _of_providers(
        self, settled: Settlement, demand: np.ndarray
    ) -> tuple[list[float], list[dict[str, Any]]]:
        """Utilities and infos of the providers."""
        utilities = _plain(settled.asp_utility)
        columns = self.prices, _plain(settled.sold), demand, utilities
        infos: list[dict[str, Any]] = [
            {"round": self.round, "price": price, "sold": sold, "demand": asked, "utility": earned}
            for price, sold, asked, earned in zip(*columns, strict=True)
        ]
        if self._judged:
            benchmarks = self._benchmarks or self._judge()
            for info, (known, room) in zip(infos, benchmarks, strict=True):
                info.update(known)
                info["profit_gain"] = gain(info["utility"], known["nash_utility"], room)
        return utilities, infos

    def _judge(self) -> list[tuple[dict[str, float], float]]:
        """What each provider is measured by, for its infos, and the room that it has."""
        found = self._oracle.benchmarks
        names, columns = zip(*vars(found).items(), strict=True)
        each = zip(*(column.tolist() for column in columns), strict=True)
        known = [dict(zip(names, values, strict=True)) for values in each]
        self._benchmarks = list(zip(known, found.room.tolist(), strict=True))
        return self._benchmarks

    def _of_vmus(
        self, settled: Settlement, shares: np.ndarray, steps: np.ndarray
    ) -> tuple[list[float], list[dict[str, Any]]]:
        """Utilities and infos of the VMUs."""
        utilities = _plain(settled.vmu_utility())
        infos: list[dict[str, Any]] = [
            {"shares": spread, "steps": bought, "utility": utility}
            for spread, bought, utility in zip(shares.T, steps.T, utilities, strict=True)
        ]
        if self._judged:
            layout, wished = settled.layout, utilities
            if layout.capacity is not None:
                wished = _plain(settled.wished_utility())
            best = _plain(best_utility(layout, settled.prices))
            for info, most, own in zip(infos, best, wished, strict=True):
                info["regret"] = max(most - own, 0.0)
        return utilities, infos

    def record(self, rounds: int) -> CompetitionRound:
        """The last round played, of so many; before the first, the market that waits for it."""
        judged = self._settings.judged
        if not self._last:
            of_nothing = np.zeros(self._M)
            before = records.judge(self._oracle.benchmarks, of_nothing) if judged else None
            return records.opening(rounds, self.market, before, self._places)
        settled, oracle, places = self._last
        utility = np.array(settled.asp_utility)
        played = records.Played(
            oracle.market,
            self.round,
            settled.prices,
            utility,
            records.judge(oracle.benchmarks, utility) if judged else None,
            settled.shares,
            settled.demand,
            settled.sold,
            settled.vmu_utility(),
            places,
        )
        return records.record(rounds, played)

    def asp_observation(self, m: int) -> np.ndarray:
        """What provider m sees: the last n rounds, itself first; fresh memory."""
        return self._asps.of(m)

    def parallel_asp_observation(self, m: int) -> np.ndarray:
        """The same behind the prices in force; fresh memory."""
        return self._parallel_asps.of(m)

    def vmu_observation(self, k: int) -> np.ndarray:
        """What VMU k sees: what it knows of itself, the prices in force, its rounds; fresh memory.

        See `observation.private` for the first.
        """
        return self._vmus.of(k)

    def state(self) -> np.ndarray:
        """All that is hidden, the prices in force, and the history; fresh memory."""
        return np.concatenate([self._hidden, self._history.take(self._state)])


def _plain(values: Any) -> list[float]:
    """A list of floats."""
    return values if isinstance(values, list) else values.tolist()
