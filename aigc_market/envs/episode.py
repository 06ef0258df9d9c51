"""One episode of the multi-agent game, shared by the AEC and the parallel environment."""

from __future__ import annotations

from typing import Any

import numpy as np

from aigc_market import game, rendering
from aigc_market.envs import observation
from aigc_market.envs.settings import Settings
from aigc_market.equilibrium import Equilibrium
from aigc_market.market import Market


class Episode:
    """Rounds of one market: who paid what, what everybody saw.

    A turn must cost microseconds for two followers as for a thousand, so rounds are settled with
    the rules of `game` on Python floats: on a few numbers they are ten times as fast as on arrays.
    """

    def __init__(
        self,
        settings: Settings,
        market: Market,
        equilibrium: Equilibrium,
        rng: np.random.Generator,
    ) -> None:
        self.market = market
        self.equilibrium = equilibrium
        self.round = 0
        self.price = market.cost
        """The price in force; the cost before the first."""
        self._last: tuple[Any, ...] = ()
        self._scales = observation.Scales(settings)
        self._rescale = settings.normalize
        self._history = observation.History(settings.history, settings.max_cycles, (market.K + 1,))
        self._history.fill(market.cost * self._scales.price)
        self._history.row[0] = market.cost * self._scales.price
        self._seen_satisfaction = market.satisfaction * self._scales.satisfaction
        self._vmu_index = observation.vmu_index(market.K, settings.history)
        self._vmus = list(zip(market.satisfaction.tolist(), _models(market), strict=True))
        self._at_zero = [float(ssim(0.0)) for _, ssim in self._vmus]
        self._live = is_live(market)
        self._rng = rng  # of what is served live
        self._pays_utility = settings.vmu_reward == "utility"
        self._reward_scales = (
            _reward_scales(market, equilibrium) if settings.scale_rewards else None
        )
        self._equilibrium_price = float(equilibrium.price)
        self._equilibrium_utility = float(equilibrium.asp_utility)
        self._vmu_views: list[np.ndarray] | None = None

    def post(self, price: float) -> None:
        """The leader's price for the round to come."""
        self.price = price
        self._history.row[0] = price * self._scales.price
        self._vmu_views = None

    def settle(self, asked: list[float]) -> tuple[list[float], list[dict[str, Any]]]:
        """End the round in which the VMUs asked for these steps at the price in force.

        Returns:
            Rewards and infos, of the leader first and then of each VMU.
        """
        price, market = self.price, self.market
        low, high = market.min_steps, market.max_steps
        if self._live:  # a network call is made or not
            asked = np.rint(asked).tolist()
        delivered, utility = self._sell(asked)
        gains, served = self._serve(delivered)
        rational = np.array(
            [game.purchase(price, delta, ssim, low, high) for delta, ssim in self._vmus], np.float32
        ).tolist()
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
        if served:
            for info, result in zip(infos[1:], served, strict=True):
                info["image"] = result.image
        regret = self._equilibrium_utility - self._sell(rational)[1]
        self.round += 1
        history = self._history
        if self._rescale:
            history.row[1:] = [steps * self._scales.steps for steps in delivered]
        else:
            history.row[1:] = delivered
        history.advance()
        history.row[0] = price * self._scales.price
        self._vmu_views = None
        regret = max(regret, 0.0)
        self._last = (price, asked, delivered, utility, regret)
        infos[0] = {
            "round": self.round,
            "price": price,
            "demand": np.array(asked, np.float32),
            "utility": utility,
            "equilibrium_price": self._equilibrium_price,
            "equilibrium_utility": self._equilibrium_utility,
            "regret": regret,
        }
        return self._rewards(utility, surpluses, infos), infos

    @property
    def last(self) -> rendering.Round | None:
        """The last round played."""
        return rendering.Round(*self._last) if self._last else None

    def asp_observation(self) -> np.ndarray:
        """The last n rounds, oldest first, (n·(K + 1),); fresh memory."""
        return self._history.window().flatten()

    def vmu_observation(self, k: int) -> np.ndarray:
        """What VMU k sees: its δ, the price in force, and its last n rounds of (p, S_k).

        Returns: (2 + 2n,), memory that only this VMU is given.
        """
        if self._vmu_views is None:
            seen = self._history.take(self._vmu_index)
            seen[:, 0] = self._seen_satisfaction
            self._vmu_views = list(seen)
        return self._vmu_views[k]

    def state(self) -> np.ndarray:
        """Every VMU's δ, the price in force, and the history: the full state of the game.

        Returns: (K + 1 + n·(K + 1),), fresh memory.
        """
        history = self._history
        parts = [self._seen_satisfaction, history.row[:1], history.window().ravel()]
        return np.concatenate(parts, dtype=np.float32)

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
        """What each VMU's image has gained over none bought, and the images that are to be kept."""
        if not self._live:
            return [ssim.gain(s) for (_, ssim), s in zip(self._vmus, delivered, strict=True)], []
        ssim = self.market.ssim
        served = ssim.serve_round(delivered, self._rng)
        gains = [result.ssim - zero for result, zero in zip(served, self._at_zero, strict=True)]
        return gains, served if ssim.keep_images else []

    def _rewards(
        self, utility: float, surpluses: list[float], infos: list[dict[str, Any]]
    ) -> list[float]:
        if self._pays_utility:
            surpluses = [
                game.payoff(self.price, delta, info["ssim"], info["steps"])
                for (delta, _), info in zip(self._vmus, infos[1:], strict=True)
            ]
        rewards = [utility, *surpluses]
        if self._reward_scales is not None:
            rewards = [r * s for r, s in zip(rewards, self._reward_scales, strict=True)]
        return rewards


def is_live(market: Market) -> bool:
    """Whether the market's images are really made, so that steps are whole network calls."""
    return getattr(market.ssim, "live", False)


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
