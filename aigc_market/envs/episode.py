"""One episode of the multi-agent game, shared by the AEC and the parallel environment."""

from __future__ import annotations

from typing import Any

import numpy as np

from aigc_market import game
from aigc_market.envs import observation, records
from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.rewards import vmu_scales
from aigc_market.envs.settings import Settings
from aigc_market.equilibrium import Equilibrium
from aigc_market.layouts import Floats
from aigc_market.rendering import Round


class Episode:
    """Rounds of the market: who paid what, what everybody saw.

    A turn must cost microseconds for two followers as for a thousand, so rounds are settled on
    Python floats: on a few numbers they are ten times as fast as arrays.
    """

    def __init__(
        self,
        settings: Settings,
        process: MarketProcess,
        rng: np.random.Generator,
        leader_scales: Any,
    ) -> None:
        self._settings = settings
        self._process = process
        self._leader_scales = leader_scales
        self._scales = observation.Scales(settings)
        self._layout: Any = None  # a Floats
        self.market: Any = None
        """The market in force."""
        self._take_up()
        market = self.market
        self.round = 0
        self.price = market.cost
        """The price in force; the cost before the first."""
        self._last: tuple[Any, ...] = ()
        self._rescale = settings.normalize
        row = settings.kept_row
        self._history = observation.History(settings.history, settings.max_cycles, row)
        self._history.fill(market.cost * self._scales.price, market.active)
        index = observation.vmu_index(row, settings.history, self._private.shape[1])
        self._vmus = observation.Views(self._history, index, self._private)
        self._rng = rng  # of what is served live
        self._seen = row.seen
        self._pays_utility = settings.vmu_reward == "utility"

    def _take_up(self) -> None:
        """Lay out the market that the process has come to."""
        oracle = self._process.oracle
        market, before = oracle.market, self.market
        if market is before:
            return
        self._oracle, self.market = oracle, market
        self._layout = Floats(market, self._layout)
        if before is None or market.ssim is not before.ssim:
            self._at_zero = [float(ssim(0.0)) for ssim in self._layout.ssim]
        self._private = observation.private(self._settings, self._scales, market)
        self._hidden = observation.hidden(self._settings, self._scales, market, self._private)
        limit = observation.capacity(self._settings, market)
        self._capacity = None if limit is None else np.array([limit], np.float32)
        self._reward_scales = None
        if self._settings.scale_rewards:
            of_vmus = vmu_scales(market, [market.ssim])
            self._reward_scales = [self._leader_scales.item(), *of_vmus.tolist()]

    @property
    def equilibrium(self) -> Equilibrium:
        """The exact equilibrium of `market`."""
        return self._oracle.equilibrium

    def post(self, prices: list[float]) -> None:
        """The price of the one leader for the round to come."""
        self.price = price = prices[0]
        self._history.post(price * self._scales.price)
        self._vmus.forget()

    def settle(self, asked: list[float], last: bool) -> tuple[list[float], list[dict[str, Any]]]:
        """End the round in which the VMUs asked for these steps at the price in force.

        The market then moves on, unless the round was the last.

        Returns:
            Rewards and infos, of the leader first and then of each VMU.
        """
        layout, at_zero = self._layout, self._at_zero
        settled = game.settle_in(layout, self.price, asked)
        served: list[Any] = []
        if layout.whole_calls:
            served = self.market.ssim.serve_round(settled.delivered, self._rng)
            gains = [result.ssim - zero for result, zero in zip(served, at_zero, strict=True)]
        else:
            gains = layout.gain(settled.delivered)
        surpluses = settled.surplus(gains)
        rational = settled.rational()
        oracle = self._oracle
        regret = oracle.regret(rational)
        self.round += 1
        infos: list[dict[str, Any]] = [
            {
                "round": self.round,
                "price": self.price,
                "demand": np.array(settled.asked, np.float32),
                "utility": settled.asp_utility,
                "equilibrium_price": oracle.price,
                "equilibrium_utility": oracle.utility,
                "regret": regret,
            }
        ]
        infos += [
            {"steps": steps, "ssim": gain + zero, "surplus": surplus, "best_response": bought}
            for steps, gain, zero, surplus, bought in zip(
                settled.delivered, gains, at_zero, surpluses, rational.asked, strict=True
            )
        ]
        if served and self.market.ssim.keep_images:
            for info, result in zip(infos[1:], served, strict=True):
                info["image"] = result.image
        if self._pays_utility:
            surpluses = settled.utility([info["ssim"] for info in infos[1:]])
        rewards = [settled.asp_utility, *surpluses]
        if self._reward_scales is not None:
            rewards = [r * s for r, s in zip(rewards, self._reward_scales, strict=True)]
        self._last = settled, oracle, regret, served
        if not last:
            self._process.advance()
            self._take_up()
        self._record(settled)
        if layout.active is not None:
            infos[0]["active"] = self.market.active.copy()
            for info, active in zip(infos[1:], self._layout.active, strict=True):
                info["is_active"] = active
        return rewards, infos

    def _record(self, settled: game.Settlement) -> None:
        """Write down the round, with those who are there for the next one."""
        delivered, asked = settled.delivered, None
        if self._capacity is not None:
            asked = settled.asked
        if self._rescale:
            unit = self._scales.steps
            delivered = [steps * unit for steps in delivered]
            asked = None if asked is None else [steps * unit for steps in asked]
        price = self.price * self._scales.price
        if asked is None:
            self._history.end(delivered, self.market.active, price)
        else:
            self._history.end(asked, self.market.active, price, delivered)
        self._vmus.private = self._private
        self._vmus.forget()

    def record(self, rounds: int) -> Round:
        """The last round played, of so many; before the first, the market that waits for it."""
        if not self._last:
            best = self._oracle.price, self._oracle.utility
            return records.opening(rounds, self.market, best)
        settled, oracle, regret, served = self._last
        played = records.Played(
            oracle.market,
            self.round,
            settled.price,
            settled.asp_utility,
            (oracle.price, oracle.utility),
            regret,
            settled.asked,
            settled.delivered,
            served,
        )
        return records.record(rounds, played)

    def asp_observation(self, m: int = 0) -> np.ndarray:
        """What leader m sees, of whom there is one: the last n rounds, flat; fresh memory.

        R stands in front, where there is a capacity.
        """
        if self._capacity is None:
            return self._history.window().flatten()
        return np.concatenate([self._capacity, self._rounds()])

    def parallel_asp_observation(self, m: int = 0) -> np.ndarray:
        """The same with the price in force before the rounds; fresh memory."""
        if self._capacity is None:
            return np.append(self._history.price, self._history.window())
        return np.concatenate([self._capacity, self._history.price, self._rounds()])

    def vmu_observation(self, k: int) -> np.ndarray:
        """What VMU k sees: what it knows of itself, the price in force, its rounds of (p, S_k).

        Returns: (2 + 2n,) or more (see `observation.private`), fresh memory.
        """
        return self._vmus.of(k)

    def state(self) -> np.ndarray:
        """All parameters that are drawn, the price in force, the rounds: the state of the game.

        Returns: (K + 1 + n·(K + 1),) or more (see `observation.hidden`), fresh memory.
        """
        return np.concatenate([self._hidden, self._history.price, self._rounds()])

    def _rounds(self) -> np.ndarray:
        """The last n rounds as the leader sees them, flat."""
        return self._history.window()[:, : self._seen].ravel()
