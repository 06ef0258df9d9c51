"""The game of one provider: arguments, what is seen, a round, what is told, how it is judged.

A round is `rules.Settlement` on arrays and `scalar.Terms` on floats; what is seen, paid and told of
it is stated in `Stackelberg` for arrays, and in `StackelbergEpisode` for floats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from aigc_market import _checks, followers, rules, scalar, scenarios
from aigc_market._arrays import clip, is_array, namespace
from aigc_market.envs import settings
from aigc_market.envs.actions import LEVELS, NumberReader
from aigc_market.envs.episode import Episode
from aigc_market.envs.game import Game, reciprocals
from aigc_market.envs.oracle import MarketOracle, Solved
from aigc_market.envs.spaces import FLOAT32, Viewer
from aigc_market.equilibrium import Equilibrium, solve
from aigc_market.market import Market
from aigc_market.rules import Settlement
from aigc_market.ssim import LiveSSIM

if TYPE_CHECKING:
    from aigc_market.rendering import Round

VMU_REWARDS = ("surplus", "utility")


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    """What an environment of one provider was made with."""

    market_class: ClassVar[type[Market]] = Market
    presets: ClassVar[Mapping[str, scenarios.Scenario]] = scenarios.SCENARIOS

    vmu_reward: str = "surplus"

    def oracle_of(self, market: Market) -> Oracle:
        """What is best in a market, or in a batch."""
        return Oracle(market, Solved(solve, market))

    def _check(self) -> None:
        super()._check()
        _checks.choice("vmu_reward", self.vmu_reward, VMU_REWARDS)
        if any(move.sets_access_cost for move in self.scenario.moves):
            raise ValueError(
                "scenario must not move access costs where one provider is alone: "
                f"{self.scenario.name!r} has {list(self.scenario.moves)}"
            )
        if self.masked and isinstance(self.market.ssim, LiveSSIM):
            raise ValueError(
                "ssim must not be live where VMUs come and go: "
                f"scenario {self.scenario.name!r} has {list(self.scenario.moves)}"
            )


class Oracle(MarketOracle):
    """The equilibrium of a market, solved when it is first asked for."""

    @property
    def equilibrium(self) -> Equilibrium:
        """The exact equilibrium of `market`."""
        return self._solved()

    def in_front(self, like: Any) -> list[Any]:
        """p* and U_p* of each market."""
        found = self._solved()
        return [found.price, found.asp_utility]

    def best(self, lane: int = 0) -> tuple[float, float]:
        """p* and U_p* of one market, or of one lane of a batch."""
        found = self._solved()
        price, utility = np.ravel(found.price), np.ravel(found.asp_utility)
        lane = lane if len(price) > 1 else 0
        return float(price[lane]), float(utility[lane])


class Equilibrated:
    """A mixin of this game's environments."""

    @property
    def equilibrium(self: Any) -> Equilibrium:
        """The exact equilibrium of `market`, solved when it is first asked for."""
        return self.oracle.equilibrium


class StackelbergEpisode(Episode):
    """Rounds of one leader and its followers on floats."""

    def _lay_out(self, market: Market) -> scalar.Terms:
        return scalar.Terms(market, self._terms)

    def _take_up(self) -> None:
        super()._take_up()
        active = self._terms.active
        self._active: list[bool] = [] if active is None else active

    def post(self, prices: list[float]) -> None:
        """The price of the one leader for the round to come."""
        self.prices = prices
        if self._stated:
            self._show([prices[0] * self._units[0]])

    def _scripted(self) -> tuple[list[float], list[float] | None]:
        """What scripted followers ask for, and what is rational, if that is known."""
        policy: Any = self._game.policy
        terms, price = self._terms, self.prices[0]
        if policy is followers.best_response:
            rational = scalar.in_single(terms.demand(price))
            return rational, rational
        if type(policy) is followers.Noisy:
            wanted, low, high = terms.demand(price), terms.min_steps, terms.max_steps
            asked = policy.around_floats(wanted, low, high, terms.active, self._rng)
            return scalar.in_single(asked), scalar.in_single(wanted)
        asked = followers.purchases(policy, self.market, price, self._rng)
        return scalar.in_single(asked.tolist()), None

    def _play(self, choices: list[float] | None) -> tuple[list[float], list[float]]:
        terms, price = self._terms, self.prices[0]
        chosen, rational = self._scripted() if choices is None else (choices, None)
        asked, delivered, _, utility = terms.settle(price, chosen)
        info: dict[str, Any] = {
            "round": self.round,
            "price": price,
            "demand": np.array(asked, FLOAT32),
            "utility": utility,
        }
        if self._judged:
            reached = utility
            if chosen is rational:
                rational = asked
            else:
                if rational is None:
                    rational = scalar.in_single(terms.demand(price))
                rational, _, _, reached = terms.settle(price, rational)
            best_price, best_utility = self._known = self._known or self.oracle.best()
            info["equilibrium_price"] = best_price
            info["equilibrium_utility"] = best_utility
            info["regret"] = best_utility - reached if best_utility > reached else 0.0
        self.rewards, self.infos = [utility * self._leader_scales[0]], [info]
        self._last = self.oracle, price, asked, delivered, utility, ()
        if self._answered:
            self._follow(delivered, rational)
        return asked, delivered

    def _write_nothing(self) -> None:
        self._state_rows = self._rows[0]  # it sees all there is of a round
        nothing = [0.0] * self._game.K
        self._write(nothing, nothing)

    def _write(self, asked: list[float], delivered: list[float]) -> None:
        """Write down the round for everyone who looks."""
        if self._active and self.infos:  # of who will answer the next price
            self.infos[0]["active"] = self.market.active.copy()
            for info, active in zip(self.infos[1:], self._active, strict=False):
                info["is_active"] = active
        (of_price, unit), same = self._units, delivered is asked
        if unit != 1.0:
            asked = [s * unit for s in asked]
        self._rows[0].fromlist([self.prices[0] * of_price, *asked, *self._active])
        if self._answered:
            row = self._rows[-1]
            row.extend(self._to_all)
            row.fromlist(asked if same else [s * unit for s in delivered])

    def _follow(self, delivered: list[float], rational: list[float] | None) -> None:
        """What the round pays to followers, and tells them."""
        terms, price, at_zero = self._terms, self.prices[0], self._terms.at_zero
        served = self._serve(delivered) if terms.live else ()
        if served:
            gains = [result.ssim - zero for result, zero in zip(served, at_zero, strict=True)]
        else:
            gains = terms.gains(delivered)
        paid = surpluses = terms.surpluses(price, delivered, gains)
        columns = zip(delivered, gains, at_zero, surpluses, rational or delivered, strict=True)
        infos: list[dict[str, Any]] = [
            {"steps": steps, "ssim": gain + zero, "surplus": surplus, "best_response": best}
            for steps, gain, zero, surplus, best in columns
        ]
        if not self._judged:
            for info in infos:
                del info["best_response"]
        if served and self.market.ssim.keep_images:
            for info, result in zip(infos, served, strict=True):
                info["image"] = result.image
        if self._game.utility_paid:
            paid = terms.utilities(price, delivered, [info["ssim"] for info in infos])
        self._add_followers(paid, infos)

    def _serve(self, delivered: list[float]) -> Any:
        """The images of the round, really made."""
        served = self.market.ssim.serve_round(delivered, self._rng)
        self._last = *self._last[:-1], served
        return served

    def record(self, rounds: int) -> Round:
        """The last round played, of so many; before the first, the market that waits for it."""
        if self._last is None:
            return record(rounds, self.market, self.oracle.best(), 0)
        oracle, price, asked, delivered, utility, served = self._last
        terms = scalar.Terms(oracle.market)
        reached = terms.settle(price, scalar.in_single(terms.demand(price)))[-1]
        played = price, utility, reached, asked, delivered
        return record(rounds, oracle.market, oracle.best(), self.round, played, served)


class Stackelberg(Game):
    """One leader and K followers."""

    name: ClassVar[str] = "stackelberg_v0"
    settings_class: ClassVar[type[Any]] = Settings
    episode_class: ClassVar[type[Episode]] = StackelbergEpisode
    scripted_followers: ClassVar[Mapping[str, followers.FollowerPolicy]] = followers.SCRIPTED
    M = 1

    def __init__(self, settings: Settings, scripted: bool) -> None:
        super().__init__(settings, scripted)
        market, K, n = settings.market, self.K, settings.history
        low, high, normalize = market.min_steps, market.max_steps, settings.normalize
        prices = purchases = None
        if not settings.continuous_actions:
            prices = np.linspace(market.cost, market.max_price, LEVELS)
            purchases = np.arange(np.ceil(low), np.floor(high) + 1)
        self.utility_paid = settings.vmu_reward == "utility"
        bounds = market.cost, market.max_price
        self.prices = [NumberReader("asp_0", *bounds, normalize, prices)]
        self.choices = NumberReader("a VMU", low, high, normalize, purchases)

        price = settings.field("price", 1, 0.0, market.max_price)
        steps = settings.field("steps", 1, 0.0, high)
        delta = settings.field("satisfaction", 1, *settings.seen_satisfaction_bounds)
        active = [settings.field("active", 1, 0.0, 1.0)] if settings.masked else []
        capacity = []
        if settings.rationed:
            capacity = [settings.field("capacity", 1, *settings.capacity_bounds)]
        coefficients = settings.coefficients()
        of_all = [field._replace(width=K) for field in (steps, *active)]
        self.leader = Viewer(capacity, [price, *of_all], n)
        self.leader_in_force = Viewer([*capacity, price], [price, *of_all], n)
        self.follower = Viewer([delta, *coefficients, *active, price], [price, steps], n)
        hidden = [delta._replace(width=K), *coefficients, *of_all[1:], *capacity]
        self.state = Viewer([*hidden, price], [price, *of_all], n)

    # What stands in front of the rounds, and of the price in force, batch axes first.

    def leader_front(self, market: Market) -> list[Any]:
        """(…, M, 1) of each field: R, or the most that it can be where options took it away."""
        if not self.settings.rationed:
            return []
        capacity = market.capacity
        if capacity is None:
            capacity = self.settings.capacity_bounds[1]
        return [capacity[..., None, None] if is_array(capacity) else np.array([[capacity]])]

    def follower_front(self, market: Market) -> list[Any]:
        """(…, K, count) of each field: δ is 0 for a VMU that is not there."""
        law, delta, active = self.settings.ssim, market.satisfaction, market.active
        values = () if law is None else law.values_of(market.ssim)
        drawn = [v[..., None] if is_array(v) else np.array([[v]]) for v in values]
        if active is None:
            return [delta[..., None], *drawn]
        return [rules.present(active, delta)[..., None], *drawn, active[..., None]]

    # A round on arrays: VMUs first, games last.

    def terms(self, market: Market, before: rules.Terms | None) -> rules.Terms:
        """Markets laid out for rounds."""
        single = isinstance(market.satisfaction, np.ndarray)
        return rules.Terms(market, front=True, single=single, before=before)

    def before_first(self, terms: rules.Terms, num_envs: int) -> Settlement:
        """Rounds at a price that is the cost, in which nothing is sold."""
        nothing = 0.0 * rules.per_game(terms.satisfaction, num_envs)
        return Settlement(terms, terms.cost + nothing[0], nothing)

    def scripted(self, terms: rules.Terms, prices: Any, rng: np.random.Generator) -> Any:
        """What scripted followers ask for, and what is rational: (K, N) single precision each."""
        policy: Any = self.policy
        if policy is followers.best_response:
            asked = rational = terms.rational(prices[0])
        elif type(policy) is followers.Noisy:  # what is rational need not be worked out again
            wanted, low, high = terms.demand(prices[0]), terms.min_steps, terms.max_steps
            asked = policy.around(wanted, low, high, terms.active, rng)
            rational = wanted.astype(np.float32)
        else:
            asked = followers.purchases(policy, terms.market, prices[0], rng)
            asked, rational = asked.T.astype(np.float32), None
        return asked, rational

    def settle(self, terms: rules.Terms, prices: Any, choices: tuple[Any, Any]) -> Settlement:
        """The round of what followers ask for, and of what is rational (None: it is not known)."""
        return Settlement(terms, prices[0], *choices)

    def meant(self, terms: rules.Terms, actions: Any) -> tuple[Any, Any]:
        """What tensors of actions of the VMUs, (N, K, 1) or indices (N, K), mean: as `scripted`."""
        asked = actions[..., 0] if self.choices.grid is None else actions
        return self.choices.meant(asked.mT, terms.min_steps, terms.max_steps), None

    def prices_of(self, settled: Settlement) -> Any:
        """(M, N)."""
        return settled.price[None]

    def paid(self, settled: Settlement) -> Any:
        """(K, N) what followers are paid."""
        return settled.utility() if self.utility_paid else settled.surplus()

    @staticmethod
    def follower_scales(market: Market) -> Any:
        """(…, K) factors that make free best images worth 1 to each VMU."""
        low, high = market.per_vmu(market.min_steps), market.per_vmu(market.max_steps)
        return reciprocals(rules.best_surplus(market.satisfaction, market.ssim, low, high))

    def leader_row(self, settled: Settlement, active: Any) -> list[Any]:
        """(M, count, N) of each field, `active` (K, N) being who will answer the next price."""
        row = [settled.price[None, None], settled.asked[None]]
        return row if active is None else [*row, active[None]]

    def follower_row(self, settled: Settlement) -> list[Any]:
        """(K, count, N) of each field."""
        delivered, xp = settled.delivered[:, None], namespace(settled.delivered)
        return [xp.broadcast_to(settled.price, delivered.shape), delivered]

    def leader_infos(self, number: Any, settled: Settlement, active: Any) -> dict[str, Any]:
        """(M, …, N) each."""
        infos = {
            "round": number,
            "price": settled.price[None],
            "demand": settled.asked[None],
            "utility": settled.asp_utility[None],
        }
        return infos if active is None else {**infos, "active": active[None]}

    def judgement(self, settled: Settlement, oracle: Oracle) -> dict[str, Any]:
        """What of the leaders' infos compares play with what is best, (M, N) or a number each."""
        price, best = oracle.in_front(settled.price)
        regret = best - settled.rational().asp_utility[None]
        return {
            "equilibrium_price": price,
            "equilibrium_utility": best,
            "regret": clip(regret, 0.0, np.inf),  # NumPy finds the larger of two half as fast
        }

    def follower_infos(self, settled: Settlement, active: Any) -> dict[str, Any]:
        """(K, N) each."""
        infos = {
            "steps": settled.delivered,
            "ssim": settled.terms.ssim(settled.delivered),
            "surplus": settled.surplus(),
        }
        if self.settings.judged:
            infos["best_response"] = settled.rational().asked
        return infos if active is None else {**infos, "is_active": active}

    def record(
        self, rounds: int, number: int, settled: Settlement, oracle: Oracle, lane: int, places: Any
    ) -> Round:
        """The record of a round in one lane of a batch; number 0: of what waits for the first."""
        market, best = oracle.market.lanes(lane), oracle.best(lane)
        if number == 0:
            return record(rounds, market, best, 0)
        played = (
            settled.price[lane],
            settled.asp_utility[lane],
            settled.rational().asp_utility[lane],
            settled.asked[:, lane],
            settled.delivered[:, lane],
        )
        return record(rounds, market, best, number, played)


def record(
    rounds: int,
    market: Market,
    best: tuple[float, float],
    number: int,
    played: tuple[float, float, float, Any, Any] | None = None,
    served: Sequence[Any] = (),
) -> Round:
    """The record of a round, for `rendering` and `replay`.

    Args:
        rounds: of the episode.
        market: in which it was played.
        best: p* and U_p* there.
        number: of the round; 0: none has been played.
        played: the price, U_p, what rational followers would have made of it, and (K,) steps asked
            for and delivered; None: the market waits for a price.
        served: (K) the images really made, each with its `image`, (size, size, 3) in [0, 1], and
            its `ssim`; none where none are made.
    """
    nothing = np.zeros(market.K)
    price, utility, reached, asked, given = played or (market.cost, 0.0, best[1], nothing, nothing)
    delivered, ssim = np.asarray(given, np.float64), market.ssim
    most = rules.best_surplus(np.ones(market.K), ssim, market.min_steps, market.max_steps)
    quality = np.where(most > 0, ssim.gain(delivered) / np.where(most > 0, most, 1.0), 0.0)
    from aigc_market.rendering import Round  # for those alone who draw: it takes time to import

    return Round(
        rounds=rounds,
        cost=float(market.cost),
        max_price=float(market.max_price),
        min_steps=float(market.min_steps),
        max_steps=float(market.max_steps),
        number=number,
        price=float(price),
        equilibrium_price=best[0],
        utility=float(utility),
        equilibrium_utility=best[1],
        regret=max(best[1] - float(reached), 0.0),
        capacity=None if market.capacity is None else float(market.capacity),
        asked=np.asarray(asked, np.float64).tolist(),
        delivered=delivered.tolist(),
        ssim=[r.ssim for r in served] if served else ssim(delivered).tolist(),
        quality=quality.tolist(),
        active=None if market.active is None else market.active.tolist(),
        images=[_hexadecimal(result.image) for result in served] or None,
    )


def _hexadecimal(image: np.ndarray) -> str:
    return np.round(np.clip(image, 0.0, 1.0) * 255).astype(np.uint8).tobytes().hex()
