"""N games of one provider on tensors."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from aigc_market import game
from aigc_market._arrays import clip, larger
from aigc_market.envs import observation
from aigc_market.envs.actions import asp_actions, vmu_actions
from aigc_market.envs.rewards import reciprocals, vmu_scales
from aigc_market.envs.seats import FOLLOWER, LEADER
from aigc_market.layouts import Columns
from aigc_market.torchrl.games import STATE, Games, Outcome, times


class StackelbergGames(Games):
    """One leader and K followers, N times."""

    first_prices: ClassVar[str] = "price"

    def _set_up(self) -> None:
        settings, n = self.settings, self.settings.history
        self.M, self.row, self.scales = 1, settings.kept_row, observation.Scales(settings)
        spaces = observation.ObservationSpaces(settings)
        self.readers, self._purchases = [asp_actions(settings)], vmu_actions(settings)
        grid = self._purchases.grid
        self._steps = None if grid is None else self._tensor(grid)
        self.observed = {LEADER: spaces.parallel_asp, FOLLOWER: spaces.vmu, STATE: spaces.state}
        self.acted = {LEADER: self.readers[0].space, FOLLOWER: self._purchases.space}
        private = observation.private_index(settings)
        width = private.shape[1]
        vmus = observation.vmu_index(self.row, n, width)[:, width:]
        of_asp = observation.asp_index(self.row, n)
        self.index = {LEADER: of_asp, FOLLOWER: vmus}
        self.private_index = {FOLLOWER: private}
        if settings.rationed:
            self.index[STATE] = of_asp
            self.private_index[LEADER] = observation.capacity_index(settings)

    def _price_bounds(self) -> tuple[Any, Any]:
        market = self.market
        return market.per_vmu(market.cost), market.per_vmu(market.max_price)

    def _take_up(self) -> None:
        settings, market = self.settings, self.market
        self._layout, self._oracle = Columns(market), self._process.oracle
        of_vmus = observation.private(settings, self.scales, market)
        self.hidden = observation.hidden(settings, self.scales, market, of_vmus)
        if self._told and self._judged:
            _ = self._oracle.solution  # in a reset already where the market stands still
        if settings.scale_rewards:
            self._reward_scales = self._leader_scales, vmu_scales(market, [market.ssim])

    def _settle(self, choices: torch.Tensor | None) -> Outcome:
        assert choices is not None  # followers are agents
        layout = self._layout
        if self._steps is None:
            asked = self._purchases.meant(choices[..., 0], layout.min_steps, layout.max_steps)
        else:
            asked = clip(self._steps[choices], layout.min_steps, layout.max_steps)
        settled = game.settle_in(layout, self.prices[:, 0], asked)
        paid = settled.surplus() if self.settings.vmu_reward == "surplus" else settled.utility()
        earned = settled.asp_utility
        if self.settings.scale_rewards:
            of_asp, of_vmus = self._reward_scales
            earned, paid = earned * of_asp, paid * of_vmus
        rewards = {LEADER: earned[:, None], FOLLOWER: paid}
        delivered = times(settled.delivered, self.scales.steps)
        if not self.settings.rationed:
            return Outcome(rewards, delivered, settled)
        return Outcome(rewards, times(settled.asked, self.scales.steps), settled, delivered)

    def _info_shapes(self) -> dict[str, dict[str, tuple[int, ...]]]:
        asp: dict[str, tuple[int, ...]] = dict.fromkeys(("round", "price", "demand", "utility"), ())
        asp["demand"] = (self.settings.market.K,)
        vmu: dict[str, tuple[int, ...]] = dict.fromkeys(("steps", "ssim", "surplus"), ())
        if self._judged:
            judged = "equilibrium_price", "equilibrium_utility", "regret", "share"
            asp |= dict.fromkeys(judged, ())
            vmu |= dict.fromkeys(("best_response", "regret"), ())
        return {LEADER: asp, FOLLOWER: vmu}

    def _infos(self, outcome: Outcome) -> dict[str, dict[str, torch.Tensor]]:
        settled, layout = outcome.settled, self._layout
        asp = {
            "round": self._round.expand(self.num_envs),
            "price": settled.price,
            "demand": settled.asked,
            "utility": settled.asp_utility,
        }
        vmu = {
            "steps": settled.delivered,
            "ssim": layout.quality(settled.delivered),
            "surplus": settled.surplus(),
        }
        if self._judged:
            rational = settled.rational()
            best_price, best = (
                self._tensor(value).expand(self.num_envs)
                for value in (self._oracle.price, self._oracle.utility)
            )
            asp |= {
                "equilibrium_price": best_price,
                "equilibrium_utility": best,
                "regret": self._oracle.regret(rational).expand(self.num_envs),
                "share": torch.where(best > 0, rational.asp_utility * reciprocals(best), 1.0),
            }
            column = layout.spread(settled.price)
            own, most = (
                game.vmu_surplus(column, layout.satisfaction, layout.ssim, steps)
                for steps in (settled.asked, rational.asked)
            )
            vmu |= {"best_response": rational.asked, "regret": larger(most - own, 0.0)}
        return {LEADER: {name: value[:, None] for name, value in asp.items()}, FOLLOWER: vmu}
