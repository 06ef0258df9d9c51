"""N markets of several providers side by side, with scripted VMUs: what Gymnasium's views play."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from aigc_market.competition import Competition, Settlement, followers
from aigc_market.competition.game import rational, settle_in
from aigc_market.competition.layouts import Columns, to_front
from aigc_market.envs.competition import records
from aigc_market.envs.competition.oracle import Oracle
from aigc_market.envs.competition.provider import ProvidersRow
from aigc_market.envs.competition.settings import AGENTS, Settings
from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.observation import History, Scales
from aigc_market.envs.rewards import leader_scales
from aigc_market.rendering import CompetitionRound


class Lanes:
    """N markets of M providers side by side; a round of all of them is played by arrays.

    What is given and answered is (N, M), as in the parameters of a market. Inside the axes that are
    summed over come first: (M, N), and (M, K, N) for pairs.

    Args:
        batch: (N,), or () for the one market of the single environment.
        arguments: keyword arguments of an environment, with scripted `followers`: the scenario's
            own where none are given.
        view: the environment's class.

    Raises:
        TypeError, ValueError: an unknown name or a bad value.
    """

    def __init__(
        self, batch: tuple[int, ...], arguments: dict[str, Any], view: type | None = None
    ) -> None:
        settings = Settings.make(_view=view, **arguments)
        if isinstance(given := arguments.get("followers"), str) and given == AGENTS:
            raise ValueError(
                f"followers must be scripted here, one of {list(followers.SCRIPTED)} or a "
                f"function, got {given!r}"
            )
        self._policy = settings.policy or followers.resolve(settings.scenario.vmus)
        self.settings = settings = dataclasses.replace(settings, followers=self._policy)
        self.num_envs = math.prod(batch)
        self.round = -1
        self._batch = batch
        self._scales = Scales(settings)
        self._row = row = ProvidersRow(settings.market.M, settings.market.K)
        rounds = settings.history, settings.max_cycles
        self._history = History(*rounds, row, (self.num_envs,))
        self._process: Any = None  # a MarketProcess from the first reset on
        self._played: Any = None  # the Settlement of the last round
        self._oracle: Any = None  # the Oracle of its market
        self._reward_scale: Any = None  # from the first reset on
        self._places: Any = None  # of its VMUs, where they are on a road

    @property
    def market(self) -> Competition:
        """Of the lanes in force."""
        return self._process.market if self._process else self.settings.market

    @property
    def oracle(self) -> Oracle:
        """Of `market`."""
        return self._process.oracle if self._process else self.settings.oracle

    @property
    def last(self) -> Settlement:
        """The last round, with axes (M, K, N); None before the first. Not to be written into."""
        return self._played

    def draw(self, rng: np.random.Generator, options: dict[str, Any] | None) -> MarketProcess:
        """The markets of an episode to begin with.

        Raises:
            TypeError, ValueError: an option with a bad value, or one that would leave the spaces.
        """
        return MarketProcess(self.settings, rng, options, self._batch)

    def begin(self, rng: np.random.Generator, options: dict[str, Any] | None) -> None:
        """Start an episode in every lane."""
        self.start(self.draw(rng, options), rng)

    def start(self, process: MarketProcess, rng: np.random.Generator) -> None:
        """Start an episode of these markets."""
        if self._reward_scale is None:
            self._reward_scale = leader_scales(self.settings)
        self._process, self._rng = process, rng
        self._layout: Any = None
        self._take_up()
        self.round = 0
        self._history.fill(self._layout.cost * self._scales.price)

    def _take_up(self) -> None:
        """Lay out the markets in force with the axes of providers and VMUs in front."""
        self._layout = Columns(self.market, front=True, before=self._layout)

    def play(self, prices: np.ndarray, last: bool) -> np.ndarray:
        """One round at these prices, and the move to the next market unless it is the last.

        Args:
            prices: (N, M), single-precision numbers within each provider's bounds.
            last: whether the round is the episode's last.

        Returns:
            The providers' rewards, (N, M), fresh memory.
        """
        posted = np.array(prices.T, np.float64, order="C")  # our own
        self._played = played = settle_in(self._layout, posted, *self._answers(posted))
        self._oracle, self._places = self._process.oracle, self._process.places
        self.round += 1
        rewards = played.asp_utility.T * self._reward_scale
        if not last and self.settings.scenario.moves:
            self._process.advance()
            self._take_up()
        self._record(played)
        return rewards

    def _answers(self, posted: np.ndarray) -> Any:
        """Shares and steps of the scripted VMUs, (M, K, N) each."""
        if self._policy is followers.best_response:
            return rational(self._layout, posted)
        prices = posted.T if self._batch else posted[:, 0]
        answers = followers.answers(self._policy, self.market, prices, self._rng)
        return (to_front(answer, 2) for answer in answers)

    def _record(self, played: Settlement) -> None:
        """Write the round into the history."""
        history, scales = self._history, self._scales
        sold = played.demand
        if played.layout.capacity is not None:
            sold = played.shares * played.delivered
        history.steps.reshape(sold.shape)[...] = sold if scales.steps == 1 else sold * scales.steps
        history.post(played.prices * scales.price)
        history.end(None, None, 0.0)

    def observation(self, seat: int) -> np.ndarray:
        """What the provider at a seat sees: the last n rounds of each lane, oldest first.

        Returns: (N, n·(M + K)), fresh memory.
        """
        rows = self._history.window().take(self._row.seen(seat), axis=1)
        return rows.reshape(-1, self.num_envs).T

    def infos(self, seat: int, judged: bool) -> dict[str, np.ndarray]:
        """Of the provider at a seat and the last round, (N, …) each, fresh memory.

        `judged`: with the judgement.
        """
        last = self.last
        infos = {
            "round": np.full(self.num_envs, self.round),
            "price": last.prices[seat].copy(),
            "sold": last.sold[seat].copy(),
            "demand": last.demand[seat].astype(np.float32).T,
            "utility": last.asp_utility[seat].copy(),
        }
        return infos | self.judgement(seat) if judged else infos

    def judgement(self, seat: int) -> dict[str, np.ndarray]:
        """What the provider at a seat is measured by in the last round, and its profit gain.

        Returns:
            `nash_price`, `nash_utility`, `cartel_price`, `cartel_utility` and `profit_gain`, (N,)
            each, fresh memory.
        """
        of_seat = self._oracle.benchmarks.map(lambda value: value[..., seat])
        judged = {name: self._each_lane(value) for name, value in vars(of_seat).items()}
        judged["profit_gain"] = of_seat.profit_gain(self.last.asp_utility[seat])
        return judged

    def _each_lane(self, value: Any) -> np.ndarray:
        """(N,) of what may be the same in all lanes, fresh memory."""
        return np.full(self.num_envs, value)

    def records(self, count: int, rounds: int) -> list[CompetitionRound]:
        """The last round of the first lanes, of so many; before the first, what waits for it."""
        begun = self.round > 0
        oracle = self._oracle if begun else self.oracle
        places = self._places if begun else self._process.places
        return [self._record_of(lane, rounds, oracle, places) for lane in range(count)]

    def _record_of(self, lane: int, rounds: int, oracle: Oracle, places: Any) -> CompetitionRound:
        market = oracle.market.lanes(lane)
        if places is not None:
            places = places.reshape(self.num_envs, market.K)[lane]
        utility = self.last.asp_utility[:, lane] if self.round else np.zeros(market.M)
        judged = None
        if self.settings.judged:
            judged = records.judge(oracle.benchmarks.map(_of_lane(lane)), utility)
        if self.round == 0:
            return records.opening(rounds, market, judged, places)
        last = self.last
        return records.record(
            rounds,
            records.Played(
                market,
                self.round,
                last.prices[:, lane],
                utility,
                judged,
                last.shares[..., lane],
                last.demand[..., lane],
                last.sold[:, lane],
                last.vmu_utility()[:, lane],
                places,
            ),
        )


def _of_lane(lane: int) -> Callable[[np.ndarray], np.ndarray]:
    """From (N, M), or (M,) where all lanes are the same, to (M,)."""
    return lambda value: value[lane] if value.ndim == 2 else value
