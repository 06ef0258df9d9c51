"""The game of contracts: arguments, what is seen, a round, what is told, how it is judged.

A round is `menus.MenuSettlement` on arrays and `scalar.MenuTerms` on floats; what is seen, paid and
told of it is stated in `MenuGame` for arrays, and in `MenuEpisode` for floats.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from aigc_market import _checks, followers, menus, rules, scalar
from aigc_market._arrays import convert, larger, namespace, to_numpy
from aigc_market.envs import settings
from aigc_market.envs.actions import LEVELS, ContractReader, NumbersReader
from aigc_market.envs.episode import Episode
from aigc_market.envs.game import Game, reciprocals
from aigc_market.envs.oracle import MarketOracle, Solved
from aigc_market.envs.spaces import Viewer
from aigc_market.market import Market
from aigc_market.menus import Menu, MenuSettlement, MenuTerms
from aigc_market.scenarios import MENU_SCENARIOS, Scenario

if TYPE_CHECKING:
    from aigc_market.rendering import MenuRound

_NO_ARGUMENTS = ("active", "capacity", "min_steps")
"""Parameters of a market that contracts know nothing of."""


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    """What an environment in which contracts are sold was made with."""

    market_class: ClassVar[type[Market]] = Market
    presets: ClassVar[Mapping[str, Scenario]] = MENU_SCENARIOS

    contracts: int = 3
    """L."""
    max_fee: float | None = None
    """F, or None: what the best contract is worth at most."""

    @classmethod
    def names(cls) -> list[str]:
        """Of the keyword arguments."""
        return [name for name in super().names() if name not in _NO_ARGUMENTS]

    @classmethod
    def _parameters(cls) -> list[str]:
        return [name for name in super()._parameters() if name not in _NO_ARGUMENTS]

    def oracle_of(self, market: Market) -> Oracle:
        """What is best in a market, or in a batch."""
        return Oracle(market, Solved(partial(menus.solve_menu, contracts=self.contracts), market))

    @cached_property
    def best_gain(self) -> float:
        """The most that SSIM may gain: at an end of what each coefficient is drawn from."""
        law, models = self.ssim, [self.market.ssim]
        if law is not None:
            last = getattr(law, law.last)
            corners = itertools.product(*law.coefficients.values())
            models = [law.model(*corner, last) for corner in corners]
        one, most = np.ones(1), self.market.max_steps
        return max(float(rules.best_surplus(one, model, 0.0, most)[0]) for model in models)

    @property
    def satisfaction_bounds(self) -> tuple[float, float]:
        """As in the base; of a fixed δ no more than the highest fee can take."""
        if self.satisfaction is not None:
            return super().satisfaction_bounds
        most = float(self.market.satisfaction.max())
        return 0.0, most if self.max_fee is None else max(most, self.max_fee / self._worth(1.0))

    @cached_property
    def fee_bound(self) -> float:
        """F."""
        if self.max_fee is not None:
            return float(self.max_fee)
        return self._worth(self.satisfaction_bounds[1])

    @property
    def rounding(self) -> float:
        """By how much a fee may be rounded: by so much of F where actions lie in [−1, 1]."""
        return 1e-7 * self.fee_bound

    def _worth(self, satisfaction: float) -> float:
        """What the best contract may come to be worth to a VMU that begins with this δ."""
        rises = math.prod(move.factor_bounds[1] for move in self.scenario.moves)
        return satisfaction * rises * self.best_gain

    def _check(self) -> None:
        if self.max_fee is not None:
            _checks.number("max_fee", self.max_fee, above=0)
        super()._check()
        _checks.integer("contracts", self.contracts, at_least=1)
        menus.check_market(self.market)
        if self.masked or any(move.sets_access_cost for move in self.scenario.moves):
            raise ValueError(
                "scenario must move nothing but satisfaction and ssim where contracts are sold: "
                f"{self.scenario.name!r} has {list(self.scenario.moves)}"
            )
        if not self.best_gain > 0:
            raise ValueError(
                "ssim must gain something between 0 and max_steps where contracts are sold, "
                f"got {self.market.ssim!r}"
            )
        most = float(self.market.satisfaction.max())  # of a law the most that it draws
        if self.seen_satisfaction_bounds[1] > 1e30:
            self._refuse_unbounded("where contracts are sold")
        if self.max_fee is not None:
            least = self._worth(most)
            if self.max_fee < least * (1 - 1e-9):
                raise ValueError(
                    f"max_fee must be at least {least:g}, what the best contract may be worth to a "
                    f"VMU, got {self.max_fee!r}"
                )


class Oracle(MarketOracle):
    """The best menu of a market, solved when it is first asked for."""

    @property
    def menu(self) -> Menu:
        """The best menu of `market`."""
        return self._solved()

    def in_front(self, like: Any) -> list[Any]:
        """What the best menu of each market earns."""
        return [self.utility]

    def best(self, lane: int = 0) -> tuple[Any, Any, float]:
        """Of one market, or of one lane of a batch: the best menu, who takes what, the utility."""
        found = self._solved()
        if found.menu.ndim == 2:
            return found.menu, found.taken, float(found.asp_utility)
        lane = lane if len(found.menu) > 1 else 0
        return found.menu[lane], found.taken[lane], float(found.asp_utility[lane])


class Contracted:
    """A mixin of this game's environments."""

    @property
    def best_menu(self: Any) -> Menu:
        """The best menu of `market`, solved when it is first asked for."""
        return self.oracle.menu


class MenuEpisode(Episode):
    """Rounds of one leader that offers contracts, and its followers, on floats."""

    def _lay_out(self, market: Market) -> scalar.MenuTerms:
        return scalar.MenuTerms(market, self._terms, self._game.settings.rounding)

    def post(self, prices: list[Any]) -> None:
        """The menu of the one leader for the round to come, S_1, T_1, S_2, …."""
        self.prices = prices
        units = self._units * self._game.contracts  # of S, of T
        columns = zip(prices[0], units)  # noqa: B905 (strict takes as long)
        self._show([number * unit for number, unit in columns])

    def _scripted(self, worths: list[list[float]]) -> tuple[list[int], list[int] | None]:
        """What scripted followers take, and what is rational, if that is known."""
        policy: Any = self._game.policy
        terms, menu = self._terms, self.prices[0]
        if policy is followers.rational_choice:
            rational = terms.rational(menu, worths)
            return rational, rational
        if type(policy) is followers.QuantalChoice:
            by_contract = np.array(worths).T
            return policy.among(by_contract, np.array(terms.most), self._rng).tolist(), None
        offers = np.reshape(menu, (-1, 2))
        return followers.contracts_taken(policy, self.market, offers, self._rng).tolist(), None

    def _play(self, choices: list[int] | None) -> tuple[Any, ...]:
        terms, menu = self._terms, self.prices[0]
        worths = terms.worths(menu)
        taken, rational = self._scripted(worths) if choices is None else (choices, None)
        steps, fees, utility = terms.settle(menu, taken)
        surplus = [of_vmu[number] for of_vmu, number in zip(worths, taken, strict=True)]
        info: dict[str, Any] = {
            "round": self.round,
            "menu": np.array(menu).reshape(-1, 2),
            "taken": np.array(taken),
            "utility": utility,
        }
        if self._judged:
            reached = utility
            if rational is None:
                rational = terms.rational(menu, worths)
                reached = terms.settle(menu, rational)[-1]
            best = self._known = self._known or self.oracle.best()[-1]
            info["equilibrium_utility"] = best
            info["regret"] = best - reached if best > reached else 0.0
        self.rewards, self.infos = [utility * self._leader_scales[0]], [info]
        self._last = self.oracle, menu, taken, surplus, utility
        if self._answered:
            columns = zip(steps, fees, surplus, rational or taken, strict=True)
            infos: list[dict[str, Any]] = [
                {"steps": s, "fee": fee, "surplus": u, "best_choice": best}
                for s, fee, u, best in columns
            ]
            if not self._judged:
                for of_vmu in infos:
                    del of_vmu["best_choice"]
            self._add_followers(surplus, infos)
        return taken, steps, fees

    def _write_nothing(self) -> None:
        self._state_rows = self._rows[0]  # it sees all there is of a round
        nothing = [0] * self._game.K
        self._write(nothing, nothing, nothing)

    def _write(self, taken: list[int], steps: Sequence[float], fees: Sequence[float]) -> None:
        """Write down the round for everyone who looks."""
        unit, row = self._game.taken_unit, self._rows[0]
        row.extend(self._seen)
        row.fromlist([number * unit for number in taken])
        if self._answered:
            of_steps, of_fees = self._units
            self._rows[-1].fromlist([s * of_steps for s in steps] + [fee * of_fees for fee in fees])

    def record(self, rounds: int) -> MenuRound:
        """The last round played, of so many; before the first, the market that waits for it."""
        game = self._game
        if self._last is None:
            return record(rounds, game, self.oracle, 0, 0)
        oracle, menu, taken, surplus, utility = self._last
        terms = self._lay_out(oracle.market)
        reached = terms.settle(menu, terms.rational(menu, terms.worths(menu)))[-1]
        return record(rounds, game, oracle, 0, self.round, (menu, taken, surplus, utility, reached))


class MenuGame(Game):
    """One leader that offers contracts, and K followers."""

    name: ClassVar[str] = "menus_v0"
    post: ClassVar[str] = "menu"
    settings_class: ClassVar[type[Any]] = Settings
    episode_class: ClassVar[type[Episode]] = MenuEpisode
    scripted_followers: ClassVar[Mapping[str, followers.FollowerPolicy]] = followers.SCRIPTED_MENUS
    M = 1

    def __init__(self, settings: Settings, scripted: bool) -> None:
        super().__init__(settings, scripted)
        L, K, n = settings.contracts, self.K, settings.history
        most, highest = settings.market.max_steps, settings.fee_bound
        self.contracts = L
        grids = None
        if not settings.continuous_actions:
            steps, fees = np.arange(np.floor(most) + 1), np.linspace(0.0, highest, LEVELS)
            grids = [grid.astype("f4").tolist() for grid in (steps, fees)] * L
        bounds = [0.0] * 2 * L, [most, highest] * L
        what = f"{2 * L} numbers, steps and fee of each of {L} contracts"
        self.prices = [NumbersReader("asp_0", what, *bounds, settings.normalize, grids)]
        self.choices = ContractReader(L)

        steps = settings.field("steps", 1, 0.0, most)
        fee = settings.field("fee", 1, 0.0, highest)
        taken = settings.field("taken", K, 0.0, L)
        delta = settings.field("satisfaction", 1, *settings.seen_satisfaction_bounds)
        coefficients = settings.coefficients()
        self.taken_unit = taken.scale
        menu = [
            field._replace(name=f"{field.name}_{number}")
            for number in range(1, L + 1)
            for field in (steps, fee)
        ]
        self.leader = Viewer([], [*menu, taken], n)
        self.leader_in_force = Viewer(menu, [*menu, taken], n)
        self.follower = Viewer([delta, *coefficients, *menu], [steps, fee], n)
        hidden = [delta._replace(width=K), *coefficients]
        self.state = Viewer([*hidden, *menu], [*menu, taken], n)

    def bounds(self, market: Market) -> list[tuple[Any, Any]]:
        """Of each number of a menu, (2L,), or (2L, N) of a batch."""
        zero = 0.0 * market.satisfaction[..., 0] + 0.0 * market.max_steps
        ends = zero + market.max_steps, zero + self.settings.fee_bound
        high = namespace(market.satisfaction).stack([*ends] * self.contracts)
        if not isinstance(high, np.ndarray) and high.ndim == 1:
            high = high[:, None]
        return [(0.0 * high, high)]

    def before_any(self, market: Market) -> list[list[float]]:
        """A menu of contracts of 0 steps for no fee."""
        return [[0.0] * 2 * self.contracts]

    def given(self, value: Any, market: Market) -> list[Any]:
        """The menu that the reset option `menu` has the leader post first, (L, 2)."""
        return [self._given(value, market, ((self.contracts, 2),)).ravel().tolist()]

    def given_in_lanes(self, value: Any, market: Market, like: Any) -> Any:
        """As `given`, of N games on tensors, (1, 2L, N); `like` (N,) is one of them."""
        own, xp = (self.contracts, 2), namespace(like)
        menu = convert(self._given(value, market.like(like), (own, (len(like), *own))), like)
        menu = xp.broadcast_to(menu, (len(like), *own))
        return xp.reshape(menu, (len(like), -1)).mT[None]

    def _given(self, value: Any, market: Market, shapes: Sequence[tuple[int, ...]]) -> Any:
        menu: Any = _checks.numeric("reset option menu", value, at_least=0)
        ((_, high),) = self.bounds(market)
        high, given = (np.asarray(to_numpy(value), np.float32) for value in (high, menu))
        high = np.moveaxis(high, 0, -1).reshape(*high.shape[1:], -1, 2)
        fits = tuple(np.shape(menu)) in shapes
        if not fits or not np.all(given <= high):
            raise ValueError(
                f"reset option menu must hold contracts (S, T) of shape {shapes[-1]}, steps of at "
                f"most {market.max_steps} and fees of at most {self.settings.fee_bound:g}, "
                f"got {value!r}"
            )
        return given if isinstance(menu, np.ndarray) else menu

    # What stands in front of the rounds, and of the menu in force, batch axes first.

    def follower_front(self, market: Market) -> list[Any]:
        """(…, K, count) of each field."""
        law = self.settings.ssim
        values = () if law is None else law.values_of(market.ssim)
        return [market.satisfaction[..., None], *(value[..., None] for value in values)]

    # A round on arrays: own axes first, games last.

    def terms(self, market: Market, before: MenuTerms | None) -> MenuTerms:
        """Markets laid out for rounds."""
        return MenuTerms(market, rounding=self.settings.rounding, before=before)

    def before_first(self, terms: MenuTerms, num_envs: int) -> MenuSettlement:
        """Rounds of empty contracts that nobody takes."""
        nothing = 0.0 * rules.per_game(terms.satisfaction, num_envs)
        xp = namespace(nothing)
        menu = xp.concat([nothing[:1]] * (2 * self.contracts))
        return MenuSettlement(terms, menu, xp.astype(nothing, xp.int64))

    def scripted(self, terms: MenuTerms, prices: Any, rng: np.random.Generator) -> Any:
        """What scripted followers take, (K, N); None: what is rational."""
        policy: Any = self.policy
        if policy is followers.rational_choice:
            return None
        if type(policy) is followers.QuantalChoice:
            return policy.among(terms.worths(prices[0]), terms.most, rng)
        menu = np.moveaxis(prices[0], 0, -1).reshape(-1, self.contracts, 2)
        return followers.contracts_taken(policy, terms.market, menu, rng).T

    def settle(self, terms: MenuTerms, prices: Any, choices: Any) -> MenuSettlement:
        """The round of what followers take."""
        return MenuSettlement(terms, prices[0], choices)

    def meant(self, terms: MenuTerms, actions: Any) -> Any:
        """What tensors of actions of the VMUs, indices (N, K), mean: as `scripted`."""
        return actions.mT

    def prices_of(self, settled: MenuSettlement) -> Any:
        """(1, 2L, N)."""
        return settled.menu[None]

    def paid(self, settled: MenuSettlement) -> Any:
        """(K, N) what followers are paid."""
        return settled.surplus()

    @staticmethod
    def follower_scales(market: Market) -> Any:
        """(…, K) factors that make free best images worth 1 to each VMU."""
        most = market.per_vmu(market.max_steps)
        return reciprocals(rules.best_surplus(market.satisfaction, market.ssim, 0.0, most))

    def leader_row(self, settled: MenuSettlement, active: Any) -> list[Any]:
        """(1, count, N) of each field."""
        return [*settled.menu[:, None, None], settled.taken[None]]

    def follower_row(self, settled: MenuSettlement) -> list[Any]:
        """(K, count, N) of each field."""
        return [settled.steps[:, None], settled.fees[:, None]]

    def leader_infos(self, number: Any, settled: MenuSettlement, active: Any) -> dict[str, Any]:
        """(1, …, N) each."""
        menu = settled.menu.reshape(1, self.contracts, 2, -1)
        infos = {"round": number, "menu": menu, "taken": settled.taken[None]}
        return {**infos, "utility": settled.asp_utility[None]}

    def judgement(self, settled: MenuSettlement, oracle: Oracle) -> dict[str, Any]:
        """What of the leader's infos compares play with what is best, (1, N) or a number each."""
        best = oracle.utility
        forgone = larger(best - settled.rational().asp_utility[None], 0.0)
        return {"equilibrium_utility": best, "regret": forgone}

    def follower_infos(self, settled: MenuSettlement, active: Any) -> dict[str, Any]:
        """(K, N) each."""
        infos = {"steps": settled.steps, "fee": settled.fees, "surplus": settled.surplus()}
        return {**infos, "best_choice": settled.best_choice()} if self.settings.judged else infos

    def record(
        self,
        rounds: int,
        number: int,
        settled: MenuSettlement,
        oracle: Oracle,
        lane: int,
        places: Any,
    ) -> MenuRound:
        """The record of a round in one lane of a batch; number 0: of what waits for the first."""
        if number == 0:
            return record(rounds, self, oracle, lane, 0)
        parts = settled.menu, settled.taken, settled.surplus()
        reached = settled.rational().asp_utility
        played = *(part[:, lane] for part in parts), settled.asp_utility[lane], reached[lane]
        return record(rounds, self, oracle, lane, number, played)


def record(
    rounds: int,
    game: MenuGame,
    oracle: Oracle,
    lane: int,
    number: int,
    played: tuple[Any, Any, Any, float, float] | None = None,
) -> MenuRound:
    """The record of a round, for `rendering` and `replay`.

    Args:
        rounds: of the episode.
        game: that was played.
        oracle: of the market in which it was played, or of a batch.
        lane: which of these.
        number: of the round; 0: none has been played.
        played: the menu (2L,), what each VMU took (K,) and gained (K,), the leader's utility, and
            what rational followers would have made of it; None: the market waits for a menu.
    """
    market, (best_menu, best_taken, most) = oracle.market.lanes(lane), oracle.best(lane)
    nothing = np.zeros(game.K)
    menu, taken, surplus, utility, reached = played or (
        np.zeros(2 * game.contracts),
        nothing.astype(int),
        nothing,
        0.0,
        most,
    )
    offers = np.reshape(menu, (-1, 2))
    top = rules.best_surplus(np.ones(1), market.ssim, 0.0, market.max_steps)[0]
    quality = market.ssim.gain(offers[:, 0]) / (top if top > 0 else 1.0)
    from aigc_market.rendering import MenuRound  # for those alone who draw: it takes time to import

    return MenuRound(
        rounds=rounds,
        cost=float(market.cost),
        max_fee=game.settings.fee_bound,
        max_steps=float(market.max_steps),
        number=number,
        steps=offers[:, 0].tolist(),
        fees=offers[:, 1].tolist(),
        best_steps=best_menu[:, 0].tolist(),
        best_fees=best_menu[:, 1].tolist(),
        taken=np.asarray(taken).tolist(),
        best_taken=best_taken.tolist(),
        satisfaction=market.satisfaction.tolist(),
        surplus=np.asarray(surplus, np.float64).tolist(),
        quality=quality.tolist(),
        utility=float(utility),
        equilibrium_utility=most,
        regret=max(most - float(reached), 0.0),
    )
