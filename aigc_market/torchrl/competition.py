"""N games of several providers on tensors."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from aigc_market._arrays import larger
from aigc_market.competition import followers
from aigc_market.competition.game import best_utility, rational, settle_in
from aigc_market.competition.layouts import Columns
from aigc_market.envs.competition import observation, rows
from aigc_market.envs.competition.actions import ChoiceReader
from aigc_market.envs.competition.oracle import Benchmarks, Oracle, gain
from aigc_market.envs.competition.provider import price_actions
from aigc_market.envs.rewards import vmu_scales
from aigc_market.envs.seats import FOLLOWER, LEADER
from aigc_market.torchrl.games import STATE, Games, Outcome, times


class CompetitionGames(Games):
    """M leaders, and K followers unless they are scripted, N times."""

    first_prices: ClassVar[str] = "prices"

    def _set_up(self) -> None:
        settings, n = self.settings, self.settings.history
        policy = settings.policy
        if policy not in (None, followers.best_response):
            raise ValueError(
                f'followers must be "agents" or "best_response" on tensors, '
                f"got {settings.followers!r}"
            )
        self.M, K = settings.market.M, settings.market.K
        self.answered = policy is None
        self.row, self.scales = rows.GameRow(self.M, K), observation.Scales(settings)
        spaces = observation.ObservationSpaces(settings)
        self.readers = [price_actions(settings, m) for m in range(self.M)]
        self._choices = ChoiceReader(settings)
        asp = spaces.parallel_asp if self.answered else spaces.asp
        self.observed = {LEADER: asp, STATE: spaces.state}
        self.acted = {LEADER: self.readers[0].space}
        self.index = {
            LEADER: rows.provider_index(self.row, n, self.answered),
            STATE: rows.state_index(self.row, n)[None],
        }
        self.private_index = {}
        if self.answered:
            self.observed[FOLLOWER], self.acted[FOLLOWER] = spaces.vmu, self._choices.space
            self.private_index[FOLLOWER] = private = observation.private_index(settings)
            width = private.shape[1]
            self.index[FOLLOWER] = rows.vmu_index(self.row, n, width)[:, width:]

    def _price_bounds(self) -> tuple[Any, Any]:
        return self.market.cost, self.market.max_price

    def _take_up(self) -> None:
        settings, market = self.settings, self.market
        self._layout = Columns(market, front=True)
        of_vmus = observation.private(settings, self.scales, market)
        self.hidden = observation.hidden(settings, of_vmus)
        if settings.scale_rewards:
            of_vmus = vmu_scales(market, market.ssim)
            self._reward_scales = {LEADER: self._leader_scales, FOLLOWER: of_vmus}
        if self._told and self._judged:
            # The solver assigns by index and counts its steps: it is NumPy's.
            known = Oracle(market.map(lambda _, value: _of_numpy(value))).benchmarks
            self._room = self._tensor(known.room)
            self._benchmarks = {
                name: self._of_each(self._tensor(value)) for name, value in vars(known).items()
            }

    def _settle(self, choices: torch.Tensor | None) -> Outcome:
        # With games last: along axes as short as M and K sums and broadcasts would be slow.
        layout, prices = self._layout, _games_last(self.prices)
        if choices is None:
            answer = rational(layout, prices)
        else:
            actions = _games_last(choices.mT)
            answer = self._choices.meant(actions, layout.min_steps, layout.max_steps)
        settled = settle_in(layout, prices, *answer)
        rewards = {LEADER: _games_first(settled.asp_utility)}
        if choices is not None:
            rewards[FOLLOWER] = _games_first(settled.vmu_utility())
        if self.settings.scale_rewards:
            rewards = {group: paid * self._reward_scales[group] for group, paid in rewards.items()}
        shares, steps = settled.shares, times(settled.delivered, self.scales.steps)
        parts = [_games_first(part).flatten(1) for part in (shares * steps, shares, steps)]
        return Outcome(rewards, torch.cat(parts, -1), settled)

    def _info_shapes(self) -> dict[str, dict[str, tuple[int, ...]]]:
        asp: dict[str, tuple[int, ...]] = dict.fromkeys(
            ("round", "price", "sold", "demand", "utility"), ()
        )
        asp["demand"] = (self.settings.market.K,)
        vmu: dict[str, tuple[int, ...]] = {"shares": (self.M,), "steps": (self.M,), "utility": ()}
        if self._judged:
            asp |= dict.fromkeys((*Benchmarks.__dataclass_fields__, "profit_gain"), ())
            vmu |= {"regret": ()}
        return {LEADER: asp, FOLLOWER: vmu} if self.answered else {LEADER: asp}

    def _infos(self, outcome: Outcome) -> dict[str, dict[str, torch.Tensor]]:
        settled = outcome.settled
        asp = {
            "round": self._round.expand(self.num_envs, self.M),
            "price": _games_first(settled.prices),
            "sold": _games_first(settled.sold),
            "demand": _games_first(settled.demand),
            "utility": _games_first(settled.asp_utility),
        }
        infos = {LEADER: asp}
        if self._judged:
            asp |= self._benchmarks
            asp["profit_gain"] = gain(asp["utility"], asp["nash_utility"], self._room)
        if self.answered:
            infos[FOLLOWER] = vmu = {
                "shares": _games_first(settled.shares.transpose(0, 1)),
                "steps": _games_first(settled.delivered.transpose(0, 1)),
                "utility": _games_first(settled.vmu_utility()),
            }
            if self._judged:
                best = best_utility(self._layout, settled.prices)
                regret = larger(best - settled.wished_utility(), 0.0)
                vmu["regret"] = _games_first(regret)
        return infos


def _games_last(value: torch.Tensor) -> torch.Tensor:
    """(N, …) as (…, N)."""
    return value.movedim(0, -1).contiguous()


def _games_first(value: torch.Tensor) -> torch.Tensor:
    """(…, N) as (N, …)."""
    return value.movedim(-1, 0).contiguous()


def _of_numpy(value: Any) -> Any:
    return value.detach().cpu().double().numpy() if torch.is_tensor(value) else value
