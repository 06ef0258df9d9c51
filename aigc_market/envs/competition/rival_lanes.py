"""One provider's seat among scripted rivals, in every lane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aigc_market import _checks
from aigc_market.competition import Competition, Settlement, rivals
from aigc_market.competition.rivals import RivalPolicy
from aigc_market.envs.competition.lanes import Lanes
from aigc_market.envs.competition.oracle import Oracle
from aigc_market.envs.competition.provider import price_actions, provider_bounds
from aigc_market.envs.observation import box
from aigc_market.rendering import CompetitionRound

Rivals = str | RivalPolicy | Sequence[str | RivalPolicy]


class RivalLanes:
    """`Lanes` as one provider plays them: the prices of the others are scripted.

    Args:
        batch: (N,), or () for the one market of the single environment.
        seat: the provider's.
        policies: of the rivals, in the order of their seats after the provider's own.
        arguments, view: as for `Lanes`.

    Raises:
        TypeError, ValueError: a seat that is none of M, an unknown rival, or bad arguments.
    """

    def __init__(
        self,
        batch: tuple[int, ...],
        seat: int,
        policies: Rivals,
        arguments: dict[str, Any],
        view: type,
    ) -> None:
        self._lanes = lanes = Lanes(batch, arguments, view)
        self.settings = settings = lanes.settings
        self.num_envs = lanes.num_envs
        M = settings.market.M
        self._seat = _checks.integer("seat", seat, at_least=0)
        if seat >= M:
            raise ValueError(f"seat must be one of M = {M} providers' from 0 on, got {seat!r}")
        self._rivals = [(seat + number) % M for number in range(1, M)]
        self._policies = rivals.resolve(policies, M - 1)
        self._batch = batch
        self._posted: Any = None  # the rivals' prices for the next round, (M − 1, N)
        self.actions = price_actions(settings, seat)
        self.space = box(*provider_bounds(settings))

    @property
    def market(self) -> Competition:
        """Of the lanes in force."""
        return self._lanes.market

    @property
    def oracle(self) -> Oracle:
        """Of `market`."""
        return self._lanes.oracle

    @property
    def round(self) -> int:
        """Rounds played in the episode; −1 before the first reset."""
        return self._lanes.round

    @property
    def last(self) -> Settlement:
        """The last round, with axes (M, K, N); None before the first. Not to be written into."""
        return self._lanes.last

    def begin(self, rng: np.random.Generator, options: dict[str, Any] | None) -> None:
        """Start an episode in every lane; the rivals choose their first prices.

        Raises:
            ValueError: a rival's price is bad, or there is no Nash equilibrium that it could post.
        """
        process = self._lanes.draw(rng, options)
        posted = self._choose(process.market, process.oracle, None, rng)
        self._lanes.start(process, rng)
        self._rng, self._posted = rng, posted
        market = self.market
        self.actions.limit(market.cost[..., self._seat], market.max_price[..., self._seat])

    def _choose(
        self, market: Competition, oracle: Oracle, last_prices: Any, rng: np.random.Generator
    ) -> np.ndarray:
        """The rivals' prices for the next round, (M − 1, N), seeing those of the last, (N, M)."""
        posted = np.empty((len(self._rivals), self.num_envs))
        for number, (seat, policy) in enumerate(zip(self._rivals, self._policies, strict=True)):
            seen = last_prices
            if seen is not None:  # a copy for each: what is handed out is its own
                seen = (seen if self._batch else seen[0]).copy(order="K")
            posted[number] = rivals.price(policy, market, seat, seen, oracle, rng, self._batch)
        return posted

    def play(self, price: np.ndarray, last: bool) -> np.ndarray:
        """One round at these prices of the provider, (N,): its rewards, (N,), fresh memory."""
        prices = np.empty((len(self._rivals) + 1, self.num_envs))
        prices[self._seat] = price
        prices[self._rivals] = self._posted
        rewards = self._lanes.play(prices.T, last)[:, self._seat].copy()
        if not last:
            self._posted = self._choose(self.market, self.oracle, prices.T, self._rng)
        return rewards

    def observation(self) -> np.ndarray:
        """What the provider sees, (N, n·(M + K)), fresh memory."""
        return self._lanes.observation(self._seat)

    def infos(self, judged: bool) -> dict[str, np.ndarray]:
        """Of the provider and the last round, (N, …) each, fresh memory."""
        infos = self._lanes.infos(self._seat, judged)
        infos["rival_prices"] = self.last.prices[self._rivals].T
        return infos

    def judgement(self) -> dict[str, np.ndarray]:
        """What the provider's last round is measured by, (N,) each, fresh memory."""
        return self._lanes.judgement(self._seat)

    def records(self, count: int, rounds: int) -> list[CompetitionRound]:
        """The last round of the first lanes, of so many; before the first, what waits for it."""
        return self._lanes.records(count, rounds)
