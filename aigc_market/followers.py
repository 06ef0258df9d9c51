"""Scripted followers: how VMUs buy where they are no agents.

A follower policy of one provider's game is a function (market, price, rng) → steps: `price` is
(…), the steps are (…, K). Steps outside the bounds are clipped, and VMUs that are not active buy
nothing. By name: "best_response", "noisy", "quantal", "myopic_discount" and "random".

Where providers compete it is a function (market, prices, rng) → (shares, steps): `prices` are
(…, M), the answers (…, M, K). By name: "best_response", "noisy" and "random".

Where contracts are sold it is a function (market, menu, rng) → numbers of contracts: `menu` is
(…, L, 2), the answers are (…, K) whole numbers, 0 for none. By name: "best_response" and "quantal".

Every random choice comes from `rng`. A policy is asked for all markets of a batch at once. An
answer without the axes of the batch, (K,) or (M, K), is taken where the batch is of one market.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_market import _checks, menus, rules
from aigc_market._arrays import as_numpy, clip
from aigc_market.market import Competition, Market
from aigc_market.rules import Answer, PairTerms

FollowerPolicy = Callable[[Any, Any, np.random.Generator], Any]
"""Of a market of either game."""

_FLOAT32 = np.dtype(np.float32)

LEAST_FACTOR = 0.05
"""Of what is rational, noisy followers buy at least this much (held within the bounds)."""


def best_response(market: Market, price: Any, rng: np.random.Generator) -> Any:
    """Rational followers (Eqs. 9–11)."""
    return rules.best_response(market, price)


@dataclass(frozen=True)
class Noisy:
    """Followers that miss the best response by a factor: BR · max(1 + σ·ε, .05), ε normal.

    Args:
        sigma: σ ≥ 0, the relative standard deviation.
    """

    sigma: float = 0.3

    def __post_init__(self) -> None:
        _checks.number("sigma", self.sigma, at_least=0)

    def __call__(self, market: Market, price: Any, rng: np.random.Generator) -> np.ndarray:
        """Steps (…, K), single precision."""
        low, high = market.per_vmu(market.min_steps), market.per_vmu(market.max_steps)
        rational, active = rules.best_response(market, price), market.active
        if active is not None:
            active = np.broadcast_to(active, rational.shape)
        return self.around(rational, low, high, active, rng)

    def factors(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """By what the best response is multiplied, in single precision."""
        factors = rng.standard_normal(shape, np.float32)
        factors *= np.float32(self.sigma)
        factors += np.float32(1)
        return np.maximum(factors, np.float32(LEAST_FACTOR), out=factors)

    def around(
        self, rational: np.ndarray, low: Any, high: Any, active: Any, rng: np.random.Generator
    ) -> np.ndarray:
        """Purchases about the rational ones, held within the bounds, in single precision.

        `active` has the shape of `rational`, with whose axes `low` and `high` broadcast. Noise is
        drawn for those who are there alone: in a crowd most slots may be free.
        """
        if active is not None:
            there = np.flatnonzero(active)
            low, high = (
                np.broadcast_to(bound, rational.shape).ravel()[there] if np.ndim(bound) else bound
                for bound in (low, high)
            )
            steps = np.zeros(rational.shape, np.float32)
            bought = self.around(rational.ravel()[there], low, high, None, rng)
            steps.ravel()[there] = bought
            return steps
        steps = self.factors(rational.shape, rng)
        steps *= rational
        np.maximum(steps, low, out=steps)
        np.minimum(steps, high, out=steps)
        return steps

    def around_floats(
        self,
        rational: list[float],
        low: float,
        high: float,
        active: list[bool] | None,
        rng: np.random.Generator,
    ) -> list[float]:
        """The same of one market on floats, in double precision."""
        if active is None:
            noise = rng.standard_normal(len(rational), _FLOAT32).tolist()
        else:
            drawn = iter(rng.standard_normal(sum(active), _FLOAT32).tolist())
            noise = [next(drawn) if here else 0.0 for here in active]
        sigma, steps = self.sigma, []
        for wanted, normal in zip(rational, noise):  # noqa: B905 (strict takes as long)
            factor = 1.0 + sigma * normal
            s = wanted * (factor if factor > LEAST_FACTOR else LEAST_FACTOR)
            steps.append(low if s < low else high if s > high else s)
        return steps


@dataclass(frozen=True)
class Quantal:
    """Followers that choose among whole steps by a logit (quantal response).

    The odds of S steps are exp(U_k(S) / (τ·δ_k·(max SSIM − SSIM(0)))): the temperature is a share
    of what free images would be worth to the VMU.

    Args:
        temperature: τ > 0; towards 0 followers are rational.
    """

    temperature: float = 0.05

    def __post_init__(self) -> None:
        _checks.number("temperature", self.temperature, above=0)

    def __call__(self, market: Market, price: Any, rng: np.random.Generator) -> np.ndarray:
        """Steps (…, K).

        Raises:
            ValueError: there is no whole number between the bounds of a purchase.
        """
        bought = []
        for k in range(market.K):  # all at once would be K times the memory
            steps, logits = self.logits(market, price, k)
            drawn = logits + rng.gumbel(size=logits.shape)
            bought.append(steps[drawn.argmax(axis=-1)])  # Gumbel-max draws by the logit
        steps = np.stack(bought, axis=-1)
        return steps if market.active is None else rules.present(market.active, steps)

    def logits(self, market: Market, price: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The whole steps that VMU k chooses among, (S,), and the logarithms of their odds, (…, S).

        Those are minus infinity where that many steps are not for sale.

        Raises:
            ValueError: there is no whole number between the bounds of a purchase.
        """
        low, high = np.asarray(market.min_steps), np.asarray(market.max_steps)
        if np.any(np.ceil(low) > np.floor(high)):
            raise ValueError(
                "min_steps and max_steps must have a whole number between them for quantal "
                f"followers, got {market.min_steps!r} and {market.max_steps!r}"
            )
        steps = np.arange(np.ceil(low.min()), np.floor(high.max()) + 1)
        for_sale = (steps >= low[..., None]) & (steps <= high[..., None])
        shape = np.broadcast_shapes(np.shape(price), market.batch_shape)
        price = np.broadcast_to(price, shape)[..., None]

        def of_vmu(value: Any) -> Any:
            return value[..., min(k, value.shape[-1] - 1), None] if np.ndim(value) else value

        satisfaction, ssim = market.satisfaction[..., k, None], market.ssim.map(of_vmu)
        most = rules.best_surplus(satisfaction, ssim, market.per_vmu(low), market.per_vmu(high))
        surplus = rules.vmu_surplus(price, satisfaction, ssim, steps)
        free = np.where(most > 0, most, 1.0)
        return steps, np.where(for_sale, surplus / (self.temperature * free), -np.inf)


@dataclass(frozen=True)
class MyopicDiscount:
    """Followers that expect demand today to raise the price tomorrow, and hold back.

    They buy what is rational at the price (1 + κ)·p.

    Args:
        kappa: κ ≥ 0.
    """

    kappa: float = 0.2

    def __post_init__(self) -> None:
        _checks.number("kappa", self.kappa, at_least=0)

    def __call__(self, market: Market, price: Any, rng: np.random.Generator) -> Any:
        """Steps (…, K)."""
        return rules.best_response(market, (1 + self.kappa) * price)


def random(market: Market, price: Any, rng: np.random.Generator) -> np.ndarray:
    """Followers that buy uniformly within the bounds, whatever the price."""
    shape = (*np.broadcast_shapes(np.shape(price), market.batch_shape), market.K)
    low, high = market.per_vmu(market.min_steps), market.per_vmu(market.max_steps)
    steps = rng.uniform(low, high, shape)
    return steps if market.active is None else rules.present(market.active, steps)


SCRIPTED: dict[str, FollowerPolicy] = {
    "best_response": best_response,
    "noisy": Noisy(),
    "quantal": Quantal(),
    "myopic_discount": MyopicDiscount(),
    "random": random,
}
"""Follower policies by name."""


def purchases(
    policy: FollowerPolicy, market: Market, price: Any, rng: np.random.Generator
) -> np.ndarray:
    """What a follower policy buys, checked and held within the bounds of a purchase.

    Args:
        policy: is asked.
        market: one market or a batch, of NumPy.
        price: (…) posted.
        rng: of its random choices.

    Returns:
        (…, K) steps. Those of VMUs that are not active are left out where the round is settled.

    Raises:
        ValueError: it answers with something else than finite numbers of that shape.
    """
    shape = (*np.broadcast_shapes(np.shape(price), market.batch_shape), market.K)
    steps = _of_one(as_numpy(policy(market, price, rng)), shape, 1)
    numbers = steps.dtype.kind in "fiu" and np.isfinite(steps).all()
    if steps.shape != shape or not numbers:
        raise ValueError(f"followers must buy finite steps of shape {shape}, got {steps!r}")
    return within_bounds(market, steps.astype(np.float64))


def _of_one(answer: np.ndarray, shape: tuple[int, ...], own: int) -> np.ndarray:
    """An answer in its shape, where that of one market (`own` axes) is given for a batch of one."""
    if answer.shape == shape or answer.shape != shape[-own:] or set(shape[:-own]) != {1}:
        return answer
    return answer.reshape(shape)


def within_bounds(market: Market, steps: Any) -> Any:
    """Steps (…, K), NumPy or torch, held within the bounds of a purchase."""
    low, high = market.per_vmu(market.min_steps), market.per_vmu(market.max_steps)
    return clip(steps, low, high)


# Where providers compete.


def rational_pairs(market: Competition, prices: Any, rng: np.random.Generator) -> Answer:
    """Rational VMUs."""
    answer = rules.respond(market, prices)
    return Answer(answer.shares, answer.steps)


@dataclass
class NoisyPairs:
    """VMUs that miss what is rational by factors max(1 + σ·ε, .05), ε normal.

    Each number of steps has a factor of its own, and so has each share, that of the outside option
    included; shares are then divided by their sum.

    Args:
        sigma: σ ≥ 0, the relative standard deviation.
    """

    sigma: float = 0.3

    def __post_init__(self) -> None:
        self._noise = Noisy(self.sigma)

    def __call__(self, market: Competition, prices: Any, rng: np.random.Generator) -> Answer:
        """Shares and steps (…, M, K)."""
        shares, steps, _ = rules.respond(market, prices)
        factors = self._noise.factors
        noisy = shares * factors(shares.shape, rng)
        total = noisy.sum(axis=-2, keepdims=True)
        if market.outside is not None:
            rest = np.maximum(1.0 - shares.sum(axis=-2, keepdims=True), 0.0)
            total = total + rest * factors(rest.shape, rng)
        return Answer(noisy / total, steps * factors(steps.shape, rng))


def random_pairs(market: Competition, prices: Any, rng: np.random.Generator) -> Answer:
    """VMUs that spread and buy uniformly within what is allowed, whatever the prices."""
    batch = np.broadcast_shapes(np.shape(prices)[:-1], market.batch_shape)
    options = market.M + (market.outside is not None)
    shares = rng.standard_exponential((*batch, options, market.K))  # uniform once divided
    shares = (shares / shares.sum(axis=-2, keepdims=True))[..., : market.M, :]
    terms = PairTerms(market)
    steps = rng.uniform(terms.min_steps, terms.max_steps, (*batch, market.M, market.K))
    return Answer(shares, steps)


SCRIPTED_PAIRS: dict[str, FollowerPolicy] = {
    "best_response": rational_pairs,
    "noisy": NoisyPairs(),
    "random": random_pairs,
}
"""Follower policies by name, where providers compete."""


def choices(
    policy: FollowerPolicy, market: Competition, prices: Any, rng: np.random.Generator
) -> Answer:
    """What a follower policy answers, checked; steps are held within the bounds of a purchase.

    Args:
        policy: is asked.
        market: one market or a batch, of NumPy.
        prices: (…, M) posted.
        rng: of its random choices.

    Returns:
        Shares and steps (…, M, K).

    Raises:
        TypeError, ValueError: it answers with something else than two arrays of finite numbers of
            that shape, or with shares that are below 0 or do not add up.
    """
    answer = policy(market, prices, rng)
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise TypeError(f"followers must answer with (shares, steps), got {answer!r}")
    batch = np.broadcast_shapes(np.shape(prices)[:-1], market.batch_shape)
    shape = (*batch, market.M, market.K)
    shares, steps = (_of_one(as_numpy(value), shape, 2) for value in answer)
    for name, value in (("shares", shares), ("steps", steps)):
        if value.shape != shape or value.dtype.kind not in "fiu" or not np.isfinite(value).all():
            raise ValueError(
                f"followers must answer with finite {name} of shape {shape}, got {value!r}"
            )
    shares = shares.astype(np.float64)
    rules.check_shares("followers must answer with shares that", shares, market.outside is not None)
    terms = PairTerms(market)
    return Answer(shares, clip(steps.astype(np.float64), terms.min_steps, terms.max_steps))


# Where contracts are sold.


def rational_choice(market: Market, menu: Any, rng: np.random.Generator) -> Any:
    """Rational VMUs."""
    return menus.choose(market, menu)


@dataclass(frozen=True)
class QuantalChoice:
    """VMUs that choose among the contracts, and none, by a logit (quantal response).

    The odds of a contract are exp(U_k / (τ·δ_k·(max SSIM − SSIM(0)))), as those of `Quantal`. One
    that is offered twice has twice the odds.

    Args:
        temperature: τ > 0; towards 0 followers are rational.
    """

    temperature: float = 0.05

    def __post_init__(self) -> None:
        _checks.number("temperature", self.temperature, above=0)

    def __call__(self, market: Market, menu: Any, rng: np.random.Generator) -> np.ndarray:
        """Numbers of contracts (…, K)."""
        terms, menu = menus.laid_out(market, menu)
        return np.moveaxis(self.among(terms.worths(menu), terms.most, rng), 0, -1)

    def among(self, worths: Any, most: Any, rng: np.random.Generator) -> np.ndarray:
        """Numbers of contracts (K, …).

        Args:
            worths: of none and of each contract (K, …), what it gains.
            most: (K, …) what free steps would gain, δ_k·(max SSIM − SSIM(0)).
            rng: of the choices, one number in single precision for each.
        """
        width, best = self.temperature * np.where(most > 0, most, 1.0), np.max(worths, axis=0)
        below, total = [], np.float32(0)
        for worth in worths:
            total = total + np.exp(((worth - best) / width).astype(np.float32))
            below.append(total)
        drawn = rng.random(best.shape, np.float32) * total
        taken = np.zeros(best.shape, np.int64)
        for odds in below[:-1]:
            taken += drawn >= odds
        return taken


SCRIPTED_MENUS: dict[str, FollowerPolicy] = {
    "best_response": rational_choice,
    "quantal": QuantalChoice(),
}
"""Follower policies by name, where contracts are sold."""


def contracts_taken(
    policy: FollowerPolicy, market: Market, menu: Any, rng: np.random.Generator
) -> np.ndarray:
    """What a follower policy takes, checked.

    Args:
        policy: is asked.
        market: one market or a batch, of NumPy.
        menu: (…, L, 2) posted.
        rng: of its random choices.

    Returns:
        (…, K) numbers of contracts.

    Raises:
        ValueError: it answers with something else than whole numbers from 0 to L of that shape.
    """
    shape = (*np.broadcast_shapes(np.shape(menu)[:-2], market.batch_shape), market.K)
    taken = _of_one(as_numpy(policy(market, menu, rng)), shape, 1)
    last = np.shape(menu)[-2]
    whole = taken.dtype.kind in "iu" and np.all((taken >= 0) & (taken <= last))
    if taken.shape != shape or not whole:
        raise ValueError(
            f"followers must take whole numbers from 0 to {last} of shape {shape}, got {taken!r}"
        )
    return taken


def resolve(
    policy: str | FollowerPolicy,
    scripted: Mapping[str, FollowerPolicy] = SCRIPTED,
    agents: bool = False,
) -> FollowerPolicy:
    """The follower policy meant by the keyword argument `followers`.

    Args:
        policy: a name, or a policy.
        scripted: those of the game by name.
        agents: whether "agents" is a name that is allowed beside those.

    Raises:
        TypeError, ValueError: an unknown name.
    """
    if callable(policy):
        return policy
    allowed = ["agents", *scripted] if agents else scripted
    return scripted[_checks.choice("followers", policy, allowed)]
