"""The game of several providers: arguments, what is seen, a round, what is told, how it is judged.

A round is `rules.PairSettlement` on arrays and `scalar.PairTerms` on floats; what is seen, paid and
told of it is stated in `CompetitionGame` for arrays, and in `CompetitionEpisode` for floats.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from aigc_market import _checks, competition, followers, rules, scalar
from aigc_market._arrays import contiguous, convert, is_array, larger, namespace, to_numpy
from aigc_market.competition import Competition, rivals
from aigc_market.competition.metrics import SAME
from aigc_market.envs import settings
from aigc_market.envs.actions import LEVELS, ChoiceReader, NumberReader
from aigc_market.envs.episode import Episode
from aigc_market.envs.game import Game, Rivals, reciprocals
from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.oracle import Solved
from aigc_market.envs.settings import AGENTS
from aigc_market.envs.spaces import FLOAT32, Viewer
from aigc_market.rules import Answer, PairSettlement, PairTerms
from aigc_market.scenarios import COMPETITION_SCENARIOS, Scenario

if TYPE_CHECKING:
    from aigc_market.rendering import CompetitionRound

NASH_CARTEL = "nash_cartel"
"""Asks for the grid of `competition.price_grid`."""


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    """What an environment of several providers was made with."""

    market_class: ClassVar[type[Competition]] = Competition
    presets: ClassVar[Mapping[str, Scenario]] = COMPETITION_SCENARIOS

    price_grid: Any = None
    """Prices of the discrete game: None, "nash_cartel", (L,) or (M, L)."""

    def oracle_of(self, market: Competition) -> Oracle:
        """What is best in a market, or in a batch."""
        return Oracle(market)

    @property
    def capacity_bounds(self) -> tuple[float, float]:
        """As in the base; one provider alone need not be able to serve everyone."""
        return 0.0, super().capacity_bounds[1]

    def check_episode(self, market: Competition) -> None:
        """As in the base; and VMUs that are agents have a weight for the outside option, or none.

        Raises:
            ValueError: an option that would leave the spaces.
        """
        super().check_episode(market)
        had, has = self.market.outside is not None, market.outside is not None
        if self.followers in (None, AGENTS) and had != has:
            raise ValueError(
                f"reset option outside must be {'a number' if had else 'None'} where VMUs are "
                f"agents that have {'a' if had else 'no'} weight for it, got {market.outside!r}"
            )

    def _check(self) -> None:
        super()._check()
        if self.capacity is not None:
            raise ValueError(
                "capacity must be None, a number or M numbers where providers compete, "
                f"not a law, got {self.capacity!r}"
            )
        if self.masked:
            raise ValueError(
                "scenario must not let VMUs come and go where providers compete: "
                f"{self.scenario.name!r} has {list(self.scenario.moves)}"
            )
        if self.price_grid is not None:
            self._check_grid()

    def _check_grid(self) -> None:
        given, market = self.price_grid, self.market
        if isinstance(given, str):
            _checks.choice("price_grid", given, [NASH_CARTEL])
            if not self.continuous_actions and self.random:
                raise ValueError(
                    "price_grid must be prices where the market is drawn or moves "
                    f"(those of Nash and cartel are not known), got {given!r}"
                )
            return
        grid = _checks.numeric("price_grid", given, above=0)
        shapes = np.shape(grid)[:-1] in ((), (market.M,)) and np.ndim(grid) > 0 and np.size(grid)
        low, high = market.cost[:, None], market.max_price[:, None]
        if not shapes or np.any(grid < low) or np.any(grid > high):
            raise ValueError(
                f'price_grid must be None, "nash_cartel", or prices (L,) or (M, L) with M = '
                f"{market.M}, each within its provider's cost and max_price, got {given!r}"
            )

    @cached_property
    def grid(self) -> np.ndarray:
        """(M, L) prices of the discrete game.

        Raises:
            ValueError: the grid is that of Nash and cartel, and no Nash equilibrium was found.
        """
        market, given = self.market, self.price_grid
        if given is None:
            return np.linspace(market.cost, market.max_price, LEVELS, axis=-1)
        if isinstance(given, str):
            known = {"nash": self.oracle.nash, "cartel": self.oracle.cartel}
            grid = np.asarray(competition.price_grid(market, **known))
            if not np.isfinite(grid).all():
                raise ValueError(
                    f"price_grid must be prices where no Nash equilibrium is found, got {given!r}"
                )
            return grid
        grid = np.asarray(_checks.numeric("price_grid", given))
        return np.broadcast_to(grid, (market.M, grid.shape[-1]))


@dataclass(frozen=True)
class Point:
    """Prices of all providers and what they earn, (…, M) each; and all that was found."""

    price: np.ndarray
    utility: np.ndarray


class Benchmarks(NamedTuple):
    """What providers are measured by, (…, M) each; NaN where no Nash equilibrium was found."""

    nash_price: Any
    nash_utility: Any
    cartel_price: Any
    cartel_utility: Any

    @property
    def room(self) -> Any:
        """(…, M) u_cartel − u_Nash; NaN where a cartel pays the same."""
        room = self.cartel_utility - self.nash_utility
        return np.where(np.abs(room) <= SAME * np.abs(self.cartel_utility), np.nan, room)

    def profit_gain(self, utility: Any) -> Any:
        """Δ = (u − u_Nash)/(u_cartel − u_Nash), Calvano et al. (2020); NaN where there is none."""
        return (utility - self.nash_utility) / self.room


class Oracle:
    """The Nash equilibrium and the cartel of a market, each solved when it is first asked for.

    They are solved apart: a cartel takes some twenty times as long.
    """

    def __init__(
        self, market: Competition, nash: Solved | None = None, cartel: Solved | None = None
    ) -> None:
        self.market = market
        self._nash = Solved(_nash_point, market) if nash is None else nash
        self._cartel = Solved(_cartel_point, market) if cartel is None else cartel
        self._in_front: Any = None

    def followed_by(self, market: Competition, changed: Any) -> Oracle:
        """What stands in the next round, when these lanes have changed."""
        return Oracle(
            market,
            self._nash.followed_by(market, changed),
            self._cartel.followed_by(market, changed),
        )

    @cached_property
    def nash(self) -> competition.Nash:
        """Of `market`, with its certificate."""
        return competition.nash(self.market)

    @cached_property
    def cartel(self) -> competition.Cartel:
        """Of `market`, with all that it says of VMUs."""
        return competition.cartel(self.market)

    def in_front(self, like: Any) -> list[Any]:
        """The benchmarks and the room of providers, (M, N) or (M, 1), in the library of an array.

        They are found and laid out once.
        """
        if self._in_front is None:
            known = self.benchmarks
            front = [rules.to_front(value, 1) for value in (*known, known.room)]
            self._in_front = [convert(value, like) for value in front]
        return self._in_front

    @property
    def nash_price(self) -> np.ndarray:
        """(…, M); NaN where no Nash equilibrium was found."""
        return self._nash().price

    @property
    def cartel_price(self) -> np.ndarray:
        """(…, M)."""
        return self._cartel().price

    @property
    def utility(self) -> np.ndarray:
        """(…, M) U_Nash; NaN where no Nash equilibrium was found."""
        return self._nash().utility

    @cached_property
    def benchmarks(self) -> Benchmarks:
        """What there is to say of each provider."""
        nash, cartel = self._nash(), self._cartel()
        return Benchmarks(nash.price, nash.utility, cartel.price, cartel.utility)

    @cached_property
    def of_providers(self) -> list[tuple[dict[str, float], float]]:
        """What the infos of each provider of one market say, and the room that it has."""
        found = self.benchmarks
        each = zip(*(column.tolist() for column in found), strict=True)
        known = [dict(zip(found._fields, values, strict=True)) for values in each]
        return list(zip(known, found.room.tolist(), strict=True))


def _of_numpy(market: Competition) -> Competition:
    """The solvers are NumPy's."""
    return market.map(lambda _, value: to_numpy(value))


def _nash_point(market: Competition) -> Point:
    """Of one market or a batch; NaN where none was found."""
    nash = competition.nash(_of_numpy(market))
    found = np.asarray(nash.converged)[..., None]
    return Point(np.where(found, nash.prices, np.nan), np.where(found, nash.asp_utility, np.nan))


def _cartel_point(market: Competition) -> Point:
    """Of one market or a batch."""
    cartel = competition.cartel(_of_numpy(market))
    return Point(np.asarray(cartel.prices), np.asarray(cartel.asp_utility))


class Benchmarked:
    """A mixin of this game's environments."""

    @property
    def nash(self: Any) -> competition.Nash:
        """The providers' Nash equilibrium in `market`, with its certificate."""
        return self.oracle.nash

    @property
    def cartel(self: Any) -> competition.Cartel:
        """What the providers of `market` would do together."""
        return self.oracle.cartel


class CompetitionEpisode(Episode):
    """Rounds of M leaders and K followers on floats."""

    def _lay_out(self, market: Competition) -> scalar.PairTerms:
        return scalar.PairTerms(market, self._terms)

    def _take_up(self) -> None:
        super()._take_up()
        self._places = self._process.places

    def _scripted(self) -> tuple[list[float], list[float]]:
        """Shares and steps that scripted followers choose."""
        policy: Any = self._game.policy
        if policy is followers.rational_pairs:
            return self._terms.rational(self.prices)
        answer = followers.choices(policy, self.market, np.array(self.prices), self._rng)
        return answer.shares.ravel().tolist(), answer.steps.ravel().tolist()

    def _play(self, choices: list[tuple[list[float], list[float]]] | None) -> tuple[Any, ...]:
        terms, prices, M, K = self._terms, self.prices, self._game.M, self._game.K
        if choices is None:
            shares, steps = self._scripted()
        else:
            shares, steps = [0.0] * (M * K), [0.0] * (M * K)
            for k, (of_shares, of_steps) in enumerate(choices):
                shares[k::K], steps[k::K] = of_shares, of_steps
        demand, delivered, sold, utility = terms.settle(prices, shares, steps)
        if self._judged and self._known is None:
            self._known = self.oracle.of_providers
        self.rewards, self.infos = [], []
        for m in self._seats:
            earned = utility[m]
            info = {
                "round": self.round,
                "price": prices[m],
                "sold": sold[m],
                "demand": np.array(demand[m * K : m * K + K], FLOAT32),
                "utility": earned,
            }
            if self._known is not None:
                known, room = self._known[m]
                info |= known
                info["profit_gain"] = (earned - known["nash_utility"]) / room
            self.infos.append(info)
            self.rewards.append(earned * self._leader_scales[m])
        played = prices, utility, shares, demand, sold, delivered
        self._last = terms, self.oracle, self._places, *played
        if self._answered:
            self._follow(shares, steps, delivered)
        return shares, demand, delivered

    def _follow(self, shares: list[float], steps: list[float], delivered: list[float]) -> None:
        """What the round pays to followers, and tells them."""
        terms, prices, K = self._terms, self.prices, self._game.K
        paid = terms.vmu_utility(prices, shares, delivered)
        infos: list[dict[str, Any]] = [
            {
                "shares": np.array(shares[k::K], FLOAT32),
                "steps": np.array(delivered[k::K], FLOAT32),
                "utility": utility,
            }
            for k, utility in enumerate(paid)
        ]
        if self._judged:
            wished = paid
            if terms.capacity is not None:
                wished = terms.vmu_utility(prices, shares, steps)
            columns = zip(infos, terms.best_utility(prices), wished)  # noqa: B905 (faster)
            for info, most, own in columns:
                info["regret"] = most - own if most > own else 0.0
        self._add_followers(paid, infos)

    def _write_nothing(self) -> None:
        nothing = [0.0] * (self._game.M * self._game.K)
        self._state_rows = array("f")
        self._write(nothing, nothing, nothing)
        self._state_rows *= self._game.settings.history

    def _write(self, shares: list[float], demand: list[float], delivered: list[float]) -> None:
        """Write down the round for everyone who looks."""
        (_, unit), K = self._units, self._game.K
        if unit != 1.0:
            demand = [d * unit for d in demand]
            delivered = [s * unit for s in delivered]
        for m, row in zip(self._seats, self._rows):  # noqa: B905 (followers' are the last)
            row.extend(self._seen_by(m))
            row.fromlist(demand[m * K : m * K + K])
        if self._stated:
            pairs = array("f", shares + delivered)
            self._state_rows.extend(self._seen + pairs)
            if self._answered:
                self._rows[-1].extend(self._to_all + pairs)

    def record(self, rounds: int) -> CompetitionRound:
        """The last round played, of so many; before the first, the market that waits for it."""
        judged = self.oracle.benchmarks if self._judged else None
        if self._last is None:
            return record(rounds, self.market, judged, 0, None, self._places)
        terms, oracle, places, prices, utility, shares, demand, sold, delivered = self._last
        judged = oracle.benchmarks if self._judged else None
        paid = terms.vmu_utility(prices, shares, delivered)
        played = prices, np.array(utility), shares, demand, sold, paid
        return record(rounds, oracle.market, judged, self.round, played, places)


class CompetitionGame(Game):
    """M leaders and K followers."""

    name: ClassVar[str] = "competition_v0"
    settings_class: ClassVar[type[Any]] = Settings
    episode_class: ClassVar[type[Episode]] = CompetitionEpisode
    scripted_followers: ClassVar[Mapping[str, followers.FollowerPolicy]] = followers.SCRIPTED_PAIRS

    def __init__(self, settings: Settings, scripted: bool) -> None:
        super().__init__(settings, scripted)
        market, n, normalize = settings.market, settings.history, settings.normalize
        self.M = M = market.M
        K = self.K
        grids: Any = [None] * M if settings.continuous_actions else settings.grid
        self.prices = [
            NumberReader(f"asp_{m}", *settings.price_bounds, normalize, grid)
            for m, grid in enumerate(grids)
        ]
        outside, low, high = market.outside is not None, market.min_steps, market.max_steps
        continuous = settings.continuous_actions
        self.choices = ChoiceReader(M, outside, low, high, normalize, continuous)

        prices = settings.field("prices", M, 0.0, settings.price_bounds[1])
        steps = settings.field("steps", K, 0.0, high)
        shares = settings.field("shares", M, 0.0, 1.0)
        delta = settings.field("satisfaction", 1, *settings.seen_satisfaction_bounds)
        access = settings.field("access_cost", M, *settings.seen_access_cost_bounds)
        coefficients = settings.coefficients()
        capacity = []
        if settings.rationed:
            capacity = [settings.field("capacity", 1, *settings.capacity_bounds)]
        self.leader = Viewer(capacity, [prices, steps], n)
        self.leader_in_force = Viewer([*capacity, prices], [prices, steps], n)
        own_row = [prices, shares, steps._replace(width=M)]
        self.follower = Viewer([delta, *coefficients, access, prices], own_row, n)
        hidden = [delta._replace(width=K), *coefficients, access._replace(width=M * K)]
        hidden += [field._replace(width=M) for field in capacity]
        of_pairs = [field._replace(width=M * K) for field in (shares, steps)]
        self.state = Viewer([*hidden, prices], [prices, *of_pairs], n)

    def seats(self, seat: int, rivals: Any) -> ScriptedRivals:
        """Who is scripted where the leader at a seat is played.

        Raises:
            TypeError, ValueError: a seat that is none of M, or unknown rivals.
        """
        if _checks.integer("seat", seat, at_least=0) >= self.M:
            raise ValueError(f"seat must be one of M = {self.M} providers' from 0 on, got {seat!r}")
        return ScriptedRivals(seat, self.M, rivals)

    def own_first(self, prices: Any) -> Any:
        """(M, …) as each leader sees them, (M, M, …): its own, then those of the seats after it."""
        xp = namespace(prices)
        return xp.stack([xp.concat([prices[m:], prices[:m]]) for m in range(self.M)])

    # What stands in front of the rounds, and of the prices in force, batch axes first.

    def leader_front(self, market: Competition) -> list[Any]:
        """(…, M, 1) of each field: R, or the most that it can be where options took it away."""
        if not self.settings.rationed:
            return []
        if market.capacity is None:
            return [np.full((self.M, 1), self.settings.capacity_bounds[1])]
        return [market.capacity[..., None]]

    def follower_front(self, market: Competition) -> list[Any]:
        """(…, K, count) of each field."""
        law = self.settings.ssim
        drawn = [] if law is None else [v[..., None] for v in law.values_of(market.ssim[0])]
        access = namespace(market.access_cost).moveaxis(market.access_cost, -2, -1)
        return [market.satisfaction[..., None], *drawn, access]

    def state_front(self, market: Competition) -> list[Any]:
        """(…, count) of each field."""
        front = [part[..., 0] for part in self.follower_front(market)[:-1]]
        access = market.access_cost
        front.append(access.reshape(*access.shape[:-2], self.M * self.K))
        return front + [part[..., 0] for part in self.leader_front(market)]

    # A round on arrays: own axes first, games last.

    def terms(self, market: Competition, before: PairTerms | None) -> PairTerms:
        """Markets laid out for rounds."""
        return PairTerms(market, front=True, before=before)

    def before_first(self, terms: PairTerms, num_envs: int) -> PairSettlement:
        """Rounds at prices that are the costs, in which nothing is sold."""
        nothing = 0.0 * rules.per_game(terms.satisfaction + terms.access_cost, num_envs)
        return PairSettlement(terms, terms.cost + nothing[:, 0], nothing, nothing)

    def scripted(self, terms: PairTerms, prices: Any, rng: np.random.Generator) -> Answer:
        """What scripted followers choose, (M, K, N) each."""
        policy: Any = self.policy
        if policy is followers.rational_pairs:
            return rules.rational(terms, prices)
        batch = terms.market.batch_shape or np.shape(prices)[1:]
        given = np.moveaxis(prices, 0, -1) if batch else prices[:, 0]
        answer = followers.choices(policy, terms.market, given, rng)
        return Answer(*(rules.to_front(part, 2) for part in answer))

    def settle(self, terms: PairTerms, prices: Any, choices: Any) -> PairSettlement:
        """The round of these choices."""
        return PairSettlement(terms, prices, *choices)

    def meant(self, terms: PairTerms, actions: Any) -> tuple[Any, Any]:
        """What tensors of actions of the VMUs, (N, K, numbers), mean: as `scripted`."""
        numbers = contiguous(namespace(actions).moveaxis(actions.mT, 0, -1))
        return self.choices.meant(numbers, terms.min_steps, terms.max_steps)

    def prices_of(self, settled: PairSettlement) -> Any:
        """(M, N)."""
        return settled.prices

    def earned(self, settled: PairSettlement) -> Any:
        """(M, N) utilities of the leaders."""
        return settled.asp_utility

    def paid(self, settled: PairSettlement) -> Any:
        """(K, N) utilities of the followers."""
        return settled.vmu_utility()

    @staticmethod
    def follower_scales(market: Competition) -> Any:
        """(…, K) factors that make free best images of the best model worth 1 to each VMU."""
        both = market.min_steps, market.max_steps
        low, high = (b[..., None] if is_array(b) and b.ndim else b for b in both)
        most: Any = None
        for model in dict.fromkeys(market.ssim):
            free = rules.best_surplus(market.satisfaction, model, low, high)
            most = free if most is None else larger(most, free)
        return reciprocals(most)

    def leader_row(self, settled: PairSettlement, active: Any) -> list[Any]:
        """(M, count, N) of each field."""
        return [self.own_first(settled.prices), settled.demand]

    def follower_row(self, settled: PairSettlement) -> list[Any]:
        """(K, count, N) of each field."""
        xp, K = namespace(settled.prices), self.K
        prices = xp.broadcast_to(settled.prices[None], (K, *settled.prices.shape))
        pairs = (xp.moveaxis(part, 1, 0) for part in (settled.shares, settled.delivered))
        return [prices, *pairs]

    def state_row(self, settled: PairSettlement, active: Any) -> list[Any]:
        """(1, count, N) of each field."""
        pairs = (settled.shares, settled.delivered)
        flat = (part.reshape(1, self.M * self.K, *part.shape[2:]) for part in pairs)
        return [settled.prices[None], *flat]

    def leader_infos(self, number: Any, settled: PairSettlement, active: Any) -> dict[str, Any]:
        """(M, …, N) each."""
        return {
            "round": number,
            "price": settled.prices,
            "sold": settled.sold,
            "demand": settled.demand,
            "utility": settled.asp_utility,
        }

    def judgement(self, settled: PairSettlement, oracle: Oracle) -> dict[str, Any]:
        """What of the leaders' infos compares play with what is best, (M, N) each."""
        utility = settled.asp_utility
        *known, room = oracle.in_front(utility)
        judged = dict(zip(Benchmarks._fields, known, strict=True))
        return {**judged, "profit_gain": (utility - judged["nash_utility"]) / room}

    def follower_infos(self, settled: PairSettlement, active: Any) -> dict[str, Any]:
        """(K, …, N) each."""
        xp = namespace(settled.shares)
        infos = {
            "shares": xp.moveaxis(settled.shares, 1, 0),
            "steps": xp.moveaxis(settled.delivered, 1, 0),
            "utility": settled.vmu_utility(),
        }
        return {**infos, "regret": settled.regret()} if self.settings.judged else infos

    def record(
        self,
        rounds: int,
        number: int,
        settled: PairSettlement,
        oracle: Oracle,
        lane: int,
        places: Any,
    ) -> CompetitionRound:
        """The record of a round in one lane of a batch; number 0: of what waits for the first.

        `places` are (N, K) on the ring road, or None.
        """
        market = oracle.market.lanes(lane)
        judged = None
        if self.settings.judged:
            judged = Benchmarks(*(v[lane] if v.ndim == 2 else v for v in oracle.benchmarks))
        if places is not None:
            places = np.reshape(places, (-1, self.K))[lane]
        if number == 0:
            return record(rounds, market, judged, 0, None, places)
        played = (
            settled.prices[:, lane],
            settled.asp_utility[:, lane],
            settled.shares[..., lane],
            settled.demand[..., lane],
            settled.sold[:, lane],
            settled.vmu_utility()[:, lane],
        )
        return record(rounds, market, judged, number, played, places)


class ScriptedRivals(Rivals):
    """The providers beside the one at a seat: how they post their prices.

    Args:
        seat: the player's.
        providers: M.
        policies: see `competition.rivals`, one for all or one for each.
    """

    told = True

    def __init__(self, seat: int, providers: int, policies: Any) -> None:
        self._seat = seat
        self.others = [(seat + i) % providers for i in range(1, providers)]
        self._policies = rivals.resolve(policies, providers - 1)
        # Those who look at nothing but the market need not be asked while it stands.
        self._steady = all(policy in rivals.STEADY for policy in self._policies)
        self._market: Any = None

    def begin(
        self, process: MarketProcess, rng: np.random.Generator, batch: tuple[int, ...]
    ) -> None:
        """Choose the first prices of an episode.

        Raises:
            ValueError: a rival's price is bad, or there is no Nash equilibrium that it could post.
        """
        posted = self._choose(process, None, rng, batch)
        self._rng, self._batch, self._market, self.posted = rng, batch, process.market, posted
        self._listed: list[float] = posted.tolist()

    def post(self, process: MarketProcess, last_prices: Any) -> None:
        """Choose the prices of the next round, seeing those of the last, (…, M)."""
        if self._steady and process.market is self._market:
            return
        self.posted = self._choose(process, np.asarray(last_prices), self._rng, self._batch)
        self._market, self._listed = process.market, self.posted.tolist()

    def _choose(
        self,
        process: MarketProcess,
        last_prices: Any,
        rng: np.random.Generator,
        batch: tuple[int, ...],
    ) -> np.ndarray:
        """(M − 1, …) prices."""
        posted = np.empty((len(self.others), *batch))
        for number, (seat, policy) in enumerate(zip(self.others, self._policies, strict=True)):
            # A copy for each: what is handed out is its own.
            seen = None if last_prices is None else last_prices.copy(order="K")
            market, oracle = process.market, process.oracle
            posted[number] = rivals.price(policy, market, seat, seen, oracle, rng, batch)
        return posted

    def beside(self, price: Any) -> np.ndarray:
        """(M, N) the prices of all, given the player's."""
        prices = np.empty((len(self.others) + 1, *self._batch))
        prices[self._seat], prices[self.others] = price, self.posted
        return prices

    def beside_one(self, price: float) -> list[float]:
        """(M) the prices of all in one game."""
        in_order = [price, *self._listed]
        start = len(in_order) - self._seat
        return in_order[start:] + in_order[:start]


def record(
    rounds: int,
    market: Competition,
    judged: Benchmarks | None,
    number: int,
    played: tuple[Any, ...] | None,
    places: Any,
) -> CompetitionRound:
    """The record of a round, for `rendering` and `replay`.

    Args:
        rounds: of the episode.
        market: in which it was played.
        judged: what providers are measured by there, (M,) each; None: the oracle is not asked.
        number: of the round; 0: none has been played.
        played: prices (M,), utilities (M,), shares and q·S as asked for (M, K) or flat, steps
            delivered (M,), utilities of VMUs (K,); None: the market waits for prices.
        places: (K,) in [0, 1) on the ring road, or None.
    """
    M, K = market.M, market.K
    providers, pairs = np.zeros(M), np.zeros((M, K))
    nothing = market.cost, providers, pairs, pairs, providers, np.zeros(K)
    prices, utility, shares, demand, sold, vmu_utility = played or nothing
    found = judged is not None and np.all(np.isfinite(judged.nash_price))
    gain = mean_gain = None
    if judged is not None and found and number:
        means = Benchmarks(*(np.mean(value) for value in judged))
        gain = _some(judged.profit_gain(utility))
        mean_gain = _some([means.profit_gain(np.mean(utility))])[0]
    from aigc_market.rendering import (
        CompetitionRound,
    )  # for those alone who draw: it takes time to import

    return CompetitionRound(
        rounds=rounds,
        cost=_numbers(market.cost),
        max_price=_numbers(market.max_price),
        min_steps=float(market.min_steps),
        max_steps=float(market.max_steps),
        number=number,
        prices=_numbers(prices),
        nash_prices=_numbers(judged.nash_price) if judged and found else None,
        cartel_prices=_numbers(judged.cartel_price) if judged else None,
        utility=_numbers(utility),
        nash_utility=_numbers(judged.nash_utility) if judged and found else None,
        cartel_utility=_numbers(judged.cartel_utility) if judged else None,
        profit_gain=gain,
        mean_profit_gain=mean_gain,
        capacity=None if market.capacity is None else _numbers(market.capacity),
        shares=_numbers(np.reshape(shares, (M, K))),
        demand=_numbers(np.reshape(demand, (M, K))),
        sold=_numbers(sold),
        vmu_utility=_numbers(vmu_utility),
        access_cost=_numbers(market.access_cost),
        places=None if places is None else _numbers(places),
    )


def _numbers(values: Any) -> Any:
    return np.asarray(values, np.float64).tolist()


def _some(values: Any) -> list[float | None]:
    """The numbers, None in place of one that is none."""
    return [value if np.isfinite(value) else None for value in _numbers(values)]
