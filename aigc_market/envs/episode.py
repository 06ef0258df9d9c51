"""One episode of the multi-agent game, shared by the AEC and the parallel environment."""

from __future__ import annotations

from typing import Any

import numpy as np

from aigc_market import game
from aigc_market.envs import observation, records
from aigc_market.envs.course import Course
from aigc_market.envs.settings import Settings
from aigc_market.equilibrium import Equilibrium
from aigc_market.market import Market
from aigc_market.rendering import Round
from aigc_market.ssim import LiveSSIM


class Episode:
    """Rounds of the market: who paid what, what everybody saw.

    A turn must cost microseconds for two followers as for a thousand, so rounds are settled with
    the rules of `game` on Python floats: on a few numbers they are ten times as fast as on arrays.
    """

    def __init__(
        self,
        settings: Settings,
        course: Course,
        rng: np.random.Generator,
    ) -> None:
        self._settings = settings
        self._course = course
        self._scales = observation.Scales(settings)
        self.market: Any = None
        """The market in force."""
        self._take_up()
        market = self.market
        self.round = 0
        self.price = market.cost
        """The price in force; the cost before the first."""
        self._last: tuple[Any, ...] = ()
        self._rescale = settings.normalize
        width = observation.row_width(settings)
        self._history = observation.History(settings.history, settings.max_cycles, (width,))
        self._history.fill(market.cost * self._scales.price, market.active)
        self._history.row[0] = market.cost * self._scales.price
        self._vmu_index = observation.vmu_index(
            market.K, settings.history, width, self._private.shape[1]
        )
        self._live = is_live(market)
        self._rng = rng  # of what is served live
        self._pays_utility = settings.vmu_reward == "utility"
        self._vmu_views: list[np.ndarray] | None = None

    def _take_up(self) -> None:
        """Lay out the market that the course has come to."""
        market, before = self._course.market, self.market
        if market is before:
            return
        self.market, self.equilibrium = market, self._course.equilibrium
        same_models = before is not None and market.ssim is before.ssim
        models = [ssim for _, ssim in self._vmus] if same_models else _models(market)
        self._vmus = list(zip(market.satisfaction.tolist(), models, strict=True))
        if not same_models:
            self._at_zero = [float(ssim(0.0)) for ssim in models]
        self._active = None if market.active is None else market.active.tolist()
        self._private = observation.private(self._settings, self._scales, market)
        self._hidden = observation.hidden(self._settings, self._scales, market)
        self._reward_scales = (
            _reward_scales(market, self.equilibrium) if self._settings.scale_rewards else None
        )
        self._equilibrium_price = float(self.equilibrium.price)
        self._equilibrium_utility = float(self.equilibrium.asp_utility)

    def post(self, price: float) -> None:
        """The leader's price for the round to come."""
        self.price = price
        self._history.row[0] = price * self._scales.price
        self._vmu_views = None

    def settle(self, asked: list[float], last: bool) -> tuple[list[float], list[dict[str, Any]]]:
        """End the round in which the VMUs asked for these steps at the price in force.

        The market then moves on, unless the round was the last.

        Returns:
            Rewards and infos, of the leader first and then of each VMU.
        """
        price, market = self.price, self.market
        low, high = market.min_steps, market.max_steps
        if self._live:  # a network call is made or not
            asked = np.rint(asked).tolist()
        if self._active is not None:
            asked = _of_active(asked, self._active)
        delivered, utility = self._sell(asked)
        gains, served = self._serve(delivered)
        rational = np.array(
            [game.purchase(price, delta, ssim, low, high) for delta, ssim in self._vmus], np.float32
        ).tolist()
        if self._active is not None:
            rational = _of_active(rational, self._active)
        infos, surpluses = [{}], []
        for (delta, _), at_zero, gain, steps, best in zip(
            self._vmus, self._at_zero, gains, delivered, rational, strict=True
        ):
            surplus = game.payoff(price, delta, gain, steps)
            surpluses.append(surplus)
            infos.append(
                {
                    "steps": steps,
                    "ssim": gain + at_zero,
                    "surplus": surplus,
                    "best_response": best,
                }
            )
        if served and market.ssim.keep_images:
            for info, result in zip(infos[1:], served, strict=True):
                info["image"] = result.image
        regret = max(self._equilibrium_utility - self._sell(rational)[1], 0.0)
        self.round += 1
        best = self._equilibrium_price, self._equilibrium_utility
        self._last = (market, self.round, price, best, utility, regret, asked, delivered)
        self._served = served
        infos[0] = {
            "round": self.round,
            "price": price,
            "demand": np.array(asked, np.float32),
            "utility": utility,
            "equilibrium_price": self._equilibrium_price,
            "equilibrium_utility": self._equilibrium_utility,
            "regret": regret,
        }
        rewards = self._rewards(utility, surpluses, infos)
        if not last:
            self._course.advance()
            self._take_up()
        self._record(delivered)
        if self._active is not None:
            infos[0]["active"] = self.market.active.copy()
            for info, active in zip(infos[1:], self._active, strict=True):
                info["is_active"] = active
        return rewards, infos

    def _record(self, delivered: list[float]) -> None:
        """Write down the round, with those who are there for the next one."""
        history, width = self._history, len(delivered) + 1
        row = history.row
        if self._rescale:
            delivered = [steps * self._scales.steps for steps in delivered]
        row[1:width] = delivered
        if self._active is not None:
            row[width:] = self._active
        history.advance()
        history.row[0] = self.price * self._scales.price
        self._vmu_views = None

    def record(self, rounds: int) -> Round:
        """The last round played, of so many; before the first, the market that waits for it."""
        if not self._last:
            best = self._equilibrium_price, self._equilibrium_utility
            return records.opening(rounds, self.market, best)
        return records.played(rounds, *self._last, served=self._served)

    def asp_observation(self) -> np.ndarray:
        """The last n rounds, oldest first, flat; fresh memory."""
        return self._history.window().flatten()

    def parallel_asp_observation(self) -> np.ndarray:
        """The price in force, then the last n rounds; fresh memory."""
        return np.append(self._history.row[:1], self._history.window())

    def vmu_observation(self, k: int) -> np.ndarray:
        """What VMU k sees: what it knows of itself, the price in force, its rounds of (p, S_k).

        Returns: (2 + 2n,) or more (see `observation.private`), memory that only this VMU is given.
        """
        if self._vmu_views is None:
            seen = self._history.take(self._vmu_index)
            seen[:, : self._private.shape[1]] = self._private
            self._vmu_views = list(seen)
        return self._vmu_views[k]

    def state(self) -> np.ndarray:
        """All that is hidden, the price in force, and the history: the full state of the game.

        Returns: (K + 1 + n·(K + 1),) or more (see `observation.hidden`), fresh memory.
        """
        history = self._history
        return np.concatenate([self._hidden, history.row[:1], history.window().ravel()])

    def _sell(self, asked: list[float]) -> tuple[list[float], float]:
        """Steps delivered to each VMU, and the leader's utility."""
        sold = sum(asked)
        if self.market.capacity is not None:
            share = game.fill_rate(sold, self.market.capacity)
            asked, sold = [steps * share for steps in asked], sold * share
            if self._live:
                asked = game.whole_calls(np.array(asked)).tolist()
                sold = sum(asked)
        return asked, game.asp_utility(self.price, self.market.cost, sold)

    def _serve(self, delivered: list[float]) -> tuple[list[float], list[Any]]:
        """What each VMU's image has gained over none bought, and what was served live."""
        if not self._live:
            return [ssim.gain(s) for (_, ssim), s in zip(self._vmus, delivered, strict=True)], []
        ssim = self.market.ssim
        served = ssim.serve_round(delivered, self._rng)
        gains = [result.ssim - zero for result, zero in zip(served, self._at_zero, strict=True)]
        return gains, served

    def _rewards(
        self, utility: float, surpluses: list[float], infos: list[dict[str, Any]]
    ) -> list[float]:
        if self._pays_utility:
            surpluses = [
                game.payoff(self.price, delta, info["ssim"], info["steps"])
                for (delta, _), info in zip(self._vmus, infos[1:], strict=True)
            ]
        if self._active is not None:
            surpluses = _of_active(surpluses, self._active)
        rewards = [utility, *surpluses]
        if self._reward_scales is not None:
            rewards = [r * s for r, s in zip(rewards, self._reward_scales, strict=True)]
        return rewards


def is_live(market: Market) -> bool:
    """Whether the market's images are really made, so that steps are whole network calls."""
    return isinstance(market.ssim, LiveSSIM)


def _of_active(values: list[float], active: list[bool]) -> list[float]:
    """The numbers of the VMUs that are there, and 0 for the others."""
    return [value if there else 0.0 for value, there in zip(values, active, strict=True)]


def _models(market: Market) -> list[Any]:
    """The SSIM model of each VMU on its own."""
    if not any(np.ndim(value) for value in market.ssim.parameters):
        return [market.ssim] * market.K

    def of_vmu(k: int) -> Any:
        return lambda value: float(np.broadcast_to(value, (market.K,))[k])

    return [market.ssim.map(of_vmu(k)) for k in range(market.K)]


def _reward_scales(market: Market, equilibrium: Equilibrium) -> list[float]:
    """Factors that make equilibrium play worth 1 to the leader, free best images 1 to each VMU."""
    return reciprocals(
        np.append(
            equilibrium.asp_utility,
            game.best_surplus(market.satisfaction, market.ssim, market.min_steps, market.max_steps),
        )
    ).tolist()


def reciprocals(amounts: np.ndarray) -> np.ndarray:
    """1 / amount; 1 where there is nothing to gain, so that no reward is divided by zero."""
    return 1.0 / np.where(amounts > 0, amounts, 1.0)
