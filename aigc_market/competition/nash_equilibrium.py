"""Nash equilibria of the providers' prices, each with a certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aigc_market import _checks
from aigc_market._arrays import holds, namespace
from aigc_market.competition.batches import flatten, in_parts
from aigc_market.competition.deviation import Gains, best_price, gains
from aigc_market.competition.fixed_point import fixed_point
from aigc_market.competition.game import rational, settle_in, together
from aigc_market.competition.layouts import Columns
from aigc_market.competition.market import Competition
from aigc_market.equilibrium import solve


@dataclass(frozen=True, eq=False)
class Nash:
    """Prices from which no provider gains by deviating, or the nearest to it that was found.

    Fields have the market's batch axes in front (none for one market).
    """

    prices: Any
    """(…, M) p*. Where `converged` is False: those of the smallest gap found, no equilibrium."""
    shares: Any
    """(…, M, K) q, what rational VMUs answer to these prices."""
    steps: Any
    """(…, M, K) S, steps delivered for each request."""
    asp_utility: Any
    """(…, M) U_m."""
    vmu_utility: Any
    """(…, K) U_k."""
    welfare: Any
    """(…) Σ_k U_k."""
    gap: Any
    """(…, M) no provider gains more than this by any other price: a proof, but for rounding."""
    converged: Any
    """(…) whether every gap is within the tolerance."""
    cycle: Any
    """Where best replies go round: (…, L, M), their profiles in turn, NaN behind the last; or None
    where no market of the batch has such a cycle."""


def nash(market: Competition, start: Any = None, tolerance: float = 1e-6) -> Nash:
    """A Nash equilibrium of the providers' prices, with its certificate.

    The markup fixed point of Morrow & Skerlos (2011) is certified by `best_deviation` of every
    seat; where that fails, providers reply to each other in turn, each by its global best reply,
    until they rest or go round in a cycle. Markets without an equilibrium in pure strategies exist
    (Edgeworth cycles): then `converged` is False and nothing is raised. Where there are several
    equilibria one is found. With one provider and no outside option it is `aigc_market.solve`.

    Args:
        market: one market or a batch.
        start: (…, M) prices to begin from; None: the costs.
        tolerance: the largest gap of an equilibrium, as a share of the provider's utility.

    Returns:
        The equilibrium, in the library of the market's arrays; gradients do not flow through it.

    Raises:
        TypeError, ValueError: a start that is not M finite numbers above zero, or a tolerance that
            is not above zero.
    """
    _checks.instance("market", market, Competition, "a Competition")
    tolerance = _checks.number("tolerance", tolerance, above=0)
    if start is None:
        prices = market.cost
        market, prices = together(market, prices)
    else:
        try:
            market, prices = together(market, start)
        except (TypeError, ValueError) as error:
            raise type(error)(str(error).replace("prices", "start", 1)) from None
    batch = flatten(market, prices)

    def search(market: Competition, prices: Any) -> tuple[Any, ...]:
        return _nash(market, prices, tolerance)

    parts = in_parts(batch, search)
    cycle = parts.pop()
    xp = namespace(cycle)
    lengths = xp.sum(xp.astype(cycle[..., 0] > 0, xp.int64), axis=-1)
    longest = int(xp.max(lengths))
    return Nash(
        *map(batch.answer, parts), cycle=batch.answer(cycle[:, :longest, :]) if longest else None
    )


def _nash(market: Competition, start: Any, tolerance: float) -> tuple[Any, ...]:
    """`nash` of N markets, from prices (N, M)."""
    xp = namespace(start)
    if market.M == 1 and market.outside is None:
        alone = solve(market.provider(0)).price
        prices = xp.broadcast_to(alone if alone.ndim else alone[None], start.shape[:1])[:, None]
    else:
        prices = xp.permute_dims(fixed_point(market, xp.permute_dims(start, (1, 0))), (1, 0))
    found = gains(market, prices, tolerance)
    converged = _converged(found, tolerance)
    gap = found.bound
    cycle = xp.zeros((len(prices), _LONGEST, market.M), dtype=start.dtype) + float("nan")
    (failed,) = xp.nonzero(~converged)
    if len(failed):
        some = market.lanes(failed)
        p, g, ok, ring = _by_replies(
            some, prices[failed], found.bound[failed, :], found.earned[failed, :], tolerance
        )
        prices, gap = prices + 0, gap + 0
        converged = converged & True
        prices[failed], gap[failed], converged[failed], cycle[failed] = p, g, ok, ring
    return (*_described(market, prices), gap, converged, cycle)


_LONGEST = 60


def _converged(found: Gains, tolerance: float) -> Any:
    xp = namespace(found.bound)
    return xp.all(found.bound <= tolerance * found.earned + 1e-290, axis=-1)


def _by_replies(market, prices, gap, earned, tolerance):
    """Best replies in turn, until they rest or go round."""
    xp = namespace(prices)
    at = prices
    best_prices, best_gap = prices, gap
    score = xp.max(gap / xp.maximum(earned, 1e-290 + 0 * earned), axis=-1)
    ok = score <= tolerance
    history = [at]
    N = len(prices)
    cycle = xp.zeros((N, _LONGEST, market.M), dtype=prices.dtype) + float("nan")
    settled = ok
    for _ in range(_LONGEST):
        for seat in range(market.M):
            reply = best_price(market, seat, at, tolerance).price
            at = xp.concat(
                [at[:, :seat], xp.where(settled, at[:, seat], reply)[:, None], at[:, seat + 1 :]],
                axis=1,
            )
        same = [xp.max(xp.abs(at - old) / at, axis=1) < 1e-9 for old in history]
        for back, again in enumerate(reversed(same), start=1):
            fresh = again & ~settled
            if back > 1 and bool(xp.any(fresh)):
                ring = xp.stack(history[len(history) - back :], axis=1)
                for i in xp.nonzero(fresh)[0]:
                    cycle[i, :back] = ring[i]
            settled = settled | again
        history.append(at)
        if holds(settled):
            break
    for point in [at, *history[-4:]]:
        found = gains(market, point, tolerance)
        new = xp.max(found.bound / xp.maximum(found.earned, 1e-290 + 0 * found.earned), axis=-1)
        better = new < score
        best_prices = xp.where(better[:, None], point, best_prices)
        best_gap = xp.where(better[:, None], found.bound, best_gap)
        ok = ok | _converged(found, tolerance)
        score = xp.minimum(score, new)
    cycle = xp.where(ok[:, None, None], cycle * float("nan"), cycle)
    return best_prices, best_gap, ok, cycle


def _described(market: Competition, prices: Any) -> tuple[Any, ...]:
    layout = Columns(market)
    settled = settle_in(layout, prices, *rational(layout, prices))
    utility = settled.vmu_utility()
    return (
        prices,
        settled.shares,
        settled.delivered,
        settled.asp_utility,
        utility,
        namespace(utility).sum(utility, axis=-1),
    )
