"""Selling by contract: the rules of a menu, the best menu of a market, and what it is held against.

A leader offers contracts, so many steps for such a fee, to users whose δ it cannot tell apart: each
takes one of them or none. Second-degree price discrimination (Mussa & Rosen 1978; Maskin & Riley
1984); the best menu follows from virtual types, ironed (Myerson 1981), here for finitely many.

The rules stand here for arrays of any library, and for floats in `aigc_market.scalar`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from aigc_market import _checks, rules
from aigc_market._arrays import (
    convert,
    device,
    holds,
    larger,
    least_from_end,
    namespace,
    ndim,
    pick,
    running_sum,
    shape,
    sums_from_end,
    to_numpy,
    total,
    unwrap,
)
from aigc_market.market import Market
from aigc_market.ssim import is_live
from aigc_market.ssim.tabulated import upper_envelope

TIE, SINGLE_TIE = 1e-9, 1e-6
"""Contracts are equally good to a VMU within this share of δ·(max SSIM − SSIM(0)): of numbers in
double precision, and of those in single precision, whose rounding would part what is equal."""
_FEW = 64
"""Markets of so many VMUs are solved all at once, larger ones one after another."""

# The rules.


class MenuTerms:
    """The parameters of a market beside the VMUs that they belong to, axes of VMUs first.

    Args:
        market: one market or a batch.
        lanes: whether games are played side by side along a last axis, which one market gets too.
        tie: see `TIE`.
        rounding: by how much fees may be rounded beside that.
        before: the terms of an earlier market, from which is taken what has not changed.
    """

    def __init__(
        self,
        market: Market,
        lanes: bool = True,
        tie: float = SINGLE_TIE,
        rounding: float = 0.0,
        before: MenuTerms | None = None,
    ) -> None:
        def own(value: Any) -> Any:
            if lanes or ndim(value) == 0:
                return rules.to_front(value, 1)
            return namespace(value).moveaxis(value, -1, 0)

        self.market, self.cost = market, market.cost
        self.satisfaction = own(market.satisfaction)
        if before is not None and before.market.ssim is market.ssim:
            self.ssim = before.ssim
        else:
            self.ssim = market.ssim.map(own)
        of_lanes = self.satisfaction + 0.0 * market.max_steps
        self.most = rules.best_surplus(of_lanes, self.ssim, 0.0, market.max_steps)
        """(K, …) δ·(max SSIM − SSIM(0)): what free steps would be worth."""
        self.slack = tie * self.most + rounding
        """(K, …) within which contracts are equally good."""

    def worths(self, menu: Any) -> list[Any]:
        """Of none and of each contract (K, …): δ_k·(SSIM(S_l) − SSIM(0)) − T_l."""
        worths = [0.0 * self.satisfaction * menu[0]]
        for steps, fee in zip(menu[::2], menu[1::2], strict=True):
            worth = self.satisfaction * self.ssim.gain(steps)
            worth -= fee
            worths.append(worth)
        return worths

    def rational(self, menu: Any) -> Any:
        """(K, …) the number of the contract of a menu (2L, …) that is best for each VMU."""
        none, *worths = self.worths(menu)
        xp, best = namespace(menu), none
        for worth in worths:
            best = xp.maximum(best, worth)
        least = best - self.slack
        taken, paid = xp.astype(none, xp.int64), xp.where(least <= 0, none, -float("inf"))
        offers = zip(worths, menu[::2], menu[1::2], strict=True)
        for number, (worth, steps, fee) in enumerate(offers, 1):
            pays = fee - self.cost * steps
            better = (worth >= least) & (pays > paid)
            taken, paid = xp.where(better, number, taken), xp.where(better, pays, paid)
        return taken


class MenuSettlement:
    """All that a round pays, with the axes of its terms.

    What costs as much as the round itself is worked out when it is asked for.
    """

    __slots__ = ("_rational", "asp_utility", "fees", "menu", "steps", "taken", "terms")

    terms: MenuTerms
    """Of the market in which the round was played."""
    menu: Any
    """(2L, …) contract by contract S_l, T_l."""
    taken: Any
    """(K, …) the number of the contract that each VMU takes, from 1 on; 0: none."""
    steps: Any
    """(K, …) S that each VMU got."""
    fees: Any
    """(K, …) T that it paid."""
    asp_utility: Any
    """(…) Σ_k (T_k − c·S_k)."""

    def __init__(self, terms: MenuTerms, menu: Any, taken: Any = None) -> None:
        """Settle a round; nothing is checked. No other code settles arrays.

        Args:
            terms: of the market.
            menu: (2L, …).
            taken: (K, …); None: what is rational.
        """
        self.terms, self.menu, self._rational = terms, menu, None
        if taken is None:
            taken = self._rational = terms.rational(menu)
        self.taken, xp = taken, namespace(menu)
        self.steps, self.fees = 0.0, 0.0
        for number in range(len(menu) // 2):  # a few numbers are picked out faster so than by index
            took = taken == number + 1
            self.steps = xp.where(took, menu[2 * number], self.steps)
            self.fees = xp.where(took, menu[2 * number + 1], self.fees)
        self.asp_utility = total(self.fees, 0) - terms.cost * total(self.steps, 0)

    def surplus(self) -> Any:
        """(K, …) δ_k·(SSIM(S) − SSIM(0)) − T."""
        return self.terms.satisfaction * self.terms.ssim.gain(self.steps) - self.fees

    def best_choice(self) -> Any:
        """(K, …) what it would have been rational to take."""
        if self._rational is None:
            self._rational = self.terms.rational(self.menu)
        return self._rational

    def rational(self) -> MenuSettlement:
        """The round that rational VMUs would have made of the menu."""
        best = self.best_choice()
        return self if best is self.taken else MenuSettlement(self.terms, self.menu, best)


def choose(market: Market, menu: Any) -> Any:
    """What rational VMUs take of a menu.

    Ties go to what pays the leader more, see `TIE`. O(K·L) in time and memory.

    Args:
        market: one market or a batch, of which `check_market` tells what it may be.
        menu: (…, L, 2) contracts (S, T), 0 ≤ S ≤ max_steps and T ≥ 0; NumPy or torch.

    Returns:
        (…, K) whole numbers: l for the l-th contract, from 1 on; 0 for none.

    Raises:
        TypeError, ValueError: a bad market or menu.
    """
    settled = settle_rational(market, menu)
    return namespace(settled.taken).moveaxis(settled.taken, 0, -1)


class MenuGap(NamedTuple):
    """What a menu forgoes; zero only for a best one."""

    leader: Any
    """(…) utility, against the best menu of as many contracts."""
    leader_relative: Any
    """(…) the same as a share of the best utility."""


def menu_regret(market: Market, menu: Any) -> MenuGap:
    """How far a menu is from the best one of as many contracts, with every VMU choosing for itself.

    Args and raises: as `choose`.
    """
    earned = settle_rational(market, menu).asp_utility
    xp = namespace(earned)
    best = convert(solve_menu(market.like(earned), np.shape(menu)[-2]).asp_utility, earned)
    forgone = xp.maximum(best - earned, 0.0 * earned)
    return MenuGap(unwrap(forgone), unwrap(forgone / xp.where(best > 0, best, 1.0)))


class AssignmentGaps(NamedTuple):
    """What VMUs gain by refusing the contracts meant for them; all zero where none would."""

    incentive: Any
    """(…, K) by taking another VMU's contract (IC)."""
    participation: Any
    """(…, K) by taking none (IR)."""


def assignment_gaps(market: Market, steps: Any, fees: Any) -> AssignmentGaps:
    """By how much contracts meant for one VMU each break incentive compatibility and participation.

    Args:
        market: as for `choose`.
        steps, fees: (…, K) the contract of each VMU.

    Raises:
        TypeError, ValueError: as `choose`.
    """
    check_market(market)
    given = {"steps": steps, "fees": fees}
    parts = [_checks.numeric(name, value, at_least=0) for name, value in given.items()]
    batch = market.batch_shape
    for name, value in zip(given, parts, strict=True):
        if np.shape(value)[-1:] != (market.K,):
            raise ValueError(f"{name} must hold K = {market.K} along the last axis, got {value!r}")
        batch = _checks.leading_axes(name, value, 1, batch)
    market = market.like(parts[0]).like(parts[1])
    steps, fees = (convert(value, market.satisfaction) for value in parts)
    _check_steps("steps", steps, market.per_vmu(market.max_steps))
    gains, xp = market.ssim.gain(steps), namespace(steps)
    worth = market.satisfaction[..., None] * gains[..., None, :] - fees[..., None, :]
    own = market.satisfaction * gains - fees
    zero = 0.0 * own
    return AssignmentGaps(xp.max(worth, axis=-1) - own, xp.maximum(-own, zero))


def check_market(market: Market) -> None:
    """Refuse a market in which no menu is sold.

    All VMUs have one SSIM model (single crossing), which is not live; they may decline (min_steps
    0) and all are there; there is no capacity.

    Raises:
        TypeError, ValueError: another market; the message names the parameter.
    """
    _checks.instance("market", market, Market, "a Market")
    where = "where contracts are sold"
    if not holds(market.min_steps == 0):
        raise ValueError(f"min_steps must be 0 {where}, got {market.min_steps!r}")
    for name in ("capacity", "active"):
        if (value := getattr(market, name)) is not None:
            raise ValueError(f"{name} must be None {where}, got {value!r}")
    if any(shape(value)[-1:] not in ((), (1,)) for value in market.ssim.parameters):
        raise ValueError(f"ssim must be the same for all VMUs {where}, got {market.ssim!r}")
    if is_live(market.ssim):
        raise ValueError(
            f"ssim must not be live {where} (calibrate a TabulatedSSIM from it), "
            f"got {market.ssim!r}"
        )


def settle_rational(market: Market, menu: Any) -> MenuSettlement:
    """The round that rational VMUs make of a menu. Args and raises: as `choose`."""
    return MenuSettlement(*laid_out(market, menu))


def laid_out(market: Market, menu: Any) -> tuple[MenuTerms, Any]:
    """Terms and a menu (2L, …) for a round, both checked. Args and raises: as `choose`."""
    check_market(market)
    single = "float32" in str(getattr(menu, "dtype", ""))
    menu = _checks.numeric("menu", menu, at_least=0)
    if np.ndim(menu) < 2 or menu.shape[-1] != 2 or not menu.shape[-2]:
        raise ValueError(f"menu must be contracts (S, T) of shape (…, L, 2), got {menu!r}")
    market = market.like(menu)
    menu, xp = convert(menu, market.satisfaction), namespace(market.satisfaction)
    batch = _checks.leading_axes("menu", menu, 2, market.batch_shape)
    _check_steps("menu", menu[..., 0], market.per_vmu(market.max_steps))
    market = market.replace(satisfaction=xp.broadcast_to(market.satisfaction, (*batch, market.K)))
    L = menu.shape[-2]
    flat = xp.reshape(xp.broadcast_to(menu, (*batch, L, 2)), (*batch, 2 * L))
    terms = MenuTerms(market, lanes=False, tie=SINGLE_TIE if single else TIE)
    return terms, xp.moveaxis(flat, -1, 0)


def _check_steps(name: str, steps: Any, most: Any) -> None:
    if not holds(steps <= most * (1 + 1e-6)):  # they may be single-precision numbers
        raise ValueError(f"{name} must hold at most max_steps = {most!r} steps, got {steps!r}")


# The best menu.


@dataclass(frozen=True, eq=False)
class Menu:
    """A menu, and what rational VMUs make of it. Batch axes come first."""

    menu: Any
    """(…, L, 2) contracts (S, T), S rising; those that nobody needs are (0, 0)."""
    taken: Any
    """(…, K) the number of the contract that each VMU takes, from 1 on; 0: none."""
    steps: Any
    """(…, K) S."""
    fees: Any
    """(…, K) T."""
    asp_utility: Any
    """(…) Σ_k (T_k − c·S_k)."""
    vmu_surplus: Any
    """(…, K) δ_k·(SSIM(S_k) − SSIM(0)) − T_k."""


def solve_menu(market: Market, contracts: int | None = None) -> Menu:
    """The menu that earns most of VMUs who choose for themselves: exact.

    With δ in rising order, R_k = (K − k + 1)·δ_k is what a unit of quality earns if it is sold to
    all VMUs from k on, and w_k = R_k − R_{k+1} the virtual type of VMU k. Where these fall,
    neighbours are pooled to their mean, as if R were concave. Then VMU k gets what it would buy at
    the price c if its δ were w_k, and pays so much that its lower neighbour's contract is as good
    for it. Of L contracts each is for a group of neighbours, found by dynamic programming over the
    corners of the concave R: given the steps on offer, who gets how many maximises a linear
    function of (k, R_k), so that groups end at corners.

    O(K log K) for each market; with fewer contracts than VMUs O(L·K²), and beyond 64 VMUs
    O(L·K log K).

    Args:
        market: one market or a batch, of NumPy arrays or torch tensors: see `check_market`. Its
            max_price is of no account.
        contracts: L ≥ 1, how many may be offered; None: one for each VMU.

    Returns:
        The menu. Among equally good steps it offers the most.

    Raises:
        TypeError, ValueError: a bad market, or no contracts.
    """
    check_market(market)
    K = market.K
    L = K if contracts is None else _checks.integer("contracts", contracts, at_least=1)
    delta, order, revenue = _sorted(market)
    xp, places = namespace(delta), _counted(delta, K)
    if L >= K:
        first, last = places + 0 * order, places + 1 + 0 * order
        group, virtual = last, _ironed(revenue)
    else:
        cuts = (_cuts_of_few if K <= _FEW else _cuts_of_many)(market, revenue, L)
        first, last = cuts[..., :-1], cuts[..., 1:]
        group = sum(1 * (places >= first[..., row, None]) for row in range(L))
        means = (pick(revenue, first) - pick(revenue, last)) / larger(last - first, 1)
        virtual = xp.where(group > 0, pick(means, larger(group, 1) - 1), 0.0)
    steps = _purchases(market, virtual)
    gain = market.ssim.gain(steps)
    fees = running_sum(delta * (gain - xp.concat([0.0 * gain[..., :1], gain[..., :-1]], axis=-1)))
    lowest, wanted = xp.where(first < K, first, K - 1), last > first
    menu = xp.stack([xp.where(wanted, pick(of, lowest), 0.0) for of in (steps, fees)], axis=-1)
    if L > K:
        menu = xp.concat([menu, *[0.0 * menu[..., :1, :]] * (L - K)], axis=-2)
    own = xp.argsort(order, axis=-1)
    taken = xp.where(steps > 0, group, 0 * group)
    return _described(market, menu, *(pick(part, own) for part in (taken, steps, fees)))


def first_best(market: Market) -> Menu:
    """What the leader would earn if it saw every VMU's type: contracts for one VMU each.

    It sells what a VMU would buy at the price c, for all that this is worth. Args and raises: as
    `solve_menu`.
    """
    check_market(market)
    delta, xp = market.satisfaction, namespace(market.satisfaction)
    steps = _purchases(market, xp.broadcast_to(delta, (*market.batch_shape, market.K)))
    fees = delta * market.ssim.gain(steps)
    number = _counted(delta, market.K) + 1
    taken = xp.where(steps > 0, number, 0 * number)
    return _described(market, xp.stack([steps, fees], axis=-1), taken, steps, fees)


def _described(market: Market, menu: Any, taken: Any, steps: Any, fees: Any) -> Menu:
    xp = namespace(steps)
    utility = xp.sum(fees, axis=-1) - market.cost * xp.sum(steps, axis=-1)
    surplus = market.satisfaction * market.ssim.gain(steps) - fees
    return Menu(menu, taken, steps, fees, unwrap(utility), surplus)


def _sorted(market: Market) -> tuple[Any, Any, Any]:
    """(…, K) δ in rising order, whose it is, and (…, K + 1) R, which ends with 0."""
    xp = namespace(market.satisfaction)
    delta = xp.broadcast_to(market.satisfaction, (*market.batch_shape, market.K))
    order = xp.argsort(delta, axis=-1)
    delta = pick(delta, order)
    sold = market.K - _counted(delta, market.K)
    return delta, order, xp.concat([delta * sold, 0.0 * delta[..., :1]], axis=-1)


def _counted(like: Any, count: int) -> Any:
    """0, 1, …, where `like` lives."""
    return namespace(like).arange(count, device=device(like))


def _purchases(market: Market, virtual: Any) -> Any:
    """What VMUs of these δ would buy at the price c, (…, K); nothing where δ is not above 0."""
    xp, cost, most = (
        namespace(virtual),
        market.per_vmu(market.cost),
        market.per_vmu(market.max_steps),
    )
    buys = virtual > 0
    rate = cost / xp.where(buys, virtual, 1.0)
    return xp.where(buys, market.ssim.demand(rate, 0.0, most), 0.0)


def _ironed(revenue: Any) -> Any:
    """(…, K) virtual types, pooled where they fall: what R loses from step to step if concave."""
    K, xp = revenue.shape[-1] - 1, namespace(revenue)
    if K > _FEW:
        ends = _of_each(revenue, lambda of_one, _: _neighbours(upper_envelope(of_one)))
        left, right = ends[..., 0, :], ends[..., 1, :]
        return (pick(revenue, left) - pick(revenue, right)) / (right - left)
    # The least mean of w from i to a place behind k, of all i before k the largest.
    count = _counted(revenue, K + 1)
    width = count[1:] - count[:-1, None]  # (i, j): of w from i to j
    means = (revenue[..., :-1, None] - revenue[..., None, 1:]) / larger(width, 1)
    means = xp.where(width > 0, means, float("inf"))
    return xp.max(xp.where(width > 0, least_from_end(means), -float("inf")), axis=-2)


def _neighbours(corners: np.ndarray) -> np.ndarray:
    """(2, K) the corners about each place."""
    widths = np.diff(corners)
    return np.stack([np.repeat(corners[:-1], widths), np.repeat(corners[1:], widths)])


def _cuts_of_few(market: Market, revenue: Any, L: int) -> Any:
    """(…, L + 1) where the groups of L contracts begin and the last one ends, in rising order.

    Those below the first get nothing.
    """
    K, xp = market.K, namespace(revenue)
    concave = sums_from_end(_ironed(revenue))
    concave = xp.concat([concave, 0.0 * concave[..., :1]], axis=-1)
    rounding = 16 * K * float(xp.finfo(revenue.dtype).eps)
    corners = revenue >= concave - rounding * xp.max(concave, axis=-1)[..., None]
    count = _counted(revenue, K + 1)
    wide = _wide(market)
    paid = _paid(wide, revenue[..., :, None], revenue[..., None, :], count - count[:, None])
    both = corners[..., :, None] & corners[..., None, :] & (count >= count[:, None])
    paid = xp.where(both, paid, -float("inf"))
    best, chosen = xp.where(corners, 0.0, -float("inf")), []
    for _ in range(L):
        totals = best[..., :, None] + paid
        chosen.append(xp.argmax(totals, axis=-2))
        best = xp.max(totals, axis=-2)
    cut = chosen[0][..., -1:] * 0 + K
    cuts = [cut]
    for before in reversed(chosen):
        cuts.append(cut := pick(before, cut))
    return xp.concat(cuts[::-1], axis=-1)


def _paid(wide: Market, above: Any, beyond: Any, count: Any) -> Any:
    """What a contract for `count` neighbours earns, (…, I, J): R falls from `above` to `beyond`."""
    gained = above - beyond
    steps = _purchases(wide, gained / larger(count, 1))
    return gained * wide.ssim.gain(steps) - wide.per_vmu(wide.cost) * count * steps


def _wide(market: Market) -> Market:
    """The market with an axis more, for what differs from place to place in it."""
    return market.replace(
        cost=market.per_vmu(market.cost),
        max_steps=market.per_vmu(market.max_steps),
        ssim=market.ssim.map(lambda value: value[..., None] if ndim(value) else value),
    )


def _cuts_of_many(market: Market, revenue: Any, L: int) -> Any:
    """As `_cuts_of_few`, of one market after another.

    The best beginning of a last group rises with its end: between two ends that are known, only
    what lies between their beginnings is tried, at ever closer ends.
    """

    def of_one(revenue: np.ndarray, market: Market) -> np.ndarray:
        corners = upper_envelope(revenue)
        revenue, last = revenue[corners], len(corners) - 1
        best, chosen = np.zeros(last + 1), []
        for _ in range(L):
            before, now, step = np.zeros(last + 1, np.int64), best.copy(), 1 << last.bit_length()
            while step := step // 2:
                ends = np.arange(step, last + 1, 2 * step)
                first, beyond = before[ends - step], ends + step
                final = np.where(beyond <= last, before[np.minimum(beyond, last)], ends)
                widths = np.minimum(final, ends) - first + 1
                starts = np.cumsum(widths) - widths
                end = np.repeat(ends, widths)
                begin = np.arange(len(end)) - np.repeat(starts - first, widths)
                count = corners[end] - corners[begin]
                totals = best[begin] + _paid(market, revenue[begin], revenue[end], count)
                now[ends] = np.maximum.reduceat(totals, starts)
                found = np.flatnonzero(totals == now[end])
                before[ends] = begin[found[np.searchsorted(found, starts)]]
            best = now
            chosen.append(before)
        cuts = [last]
        for before in reversed(chosen):
            cuts.append(before[cuts[-1]])
        return corners[cuts[::-1]]

    return _of_each(revenue, of_one, market)


def _of_each(revenue: Any, function: Callable[..., np.ndarray], market: Any = None) -> Any:
    """Whole numbers of each market of a batch: what a function says of its R and of itself."""
    rows, batch = to_numpy(revenue), revenue.shape[:-1]
    found = []
    for lane in np.ndindex(*batch):
        found.append(function(rows[lane], None if market is None else _lane(market, lane)))
    xp = namespace(revenue)
    numbers = np.reshape(found, (*batch, *np.shape(found[0])))
    return xp.asarray(numbers, device=device(revenue))


def _lane(market: Market, lane: tuple[int, ...]) -> Market:
    """One market of a batch, of NumPy."""
    batch = market.batch_shape

    def pick_out(name: str, value: Any) -> Any:
        own = 1 if name == "ssim" else len(market.axes(name))
        value = to_numpy(value)
        if ndim(value) == 0 or not batch:
            return value
        return np.broadcast_to(value, (*batch, *value.shape[value.ndim - own :]))[lane]

    return market.map(pick_out)


# The best two-part tariff.


class Tariff(NamedTuple):
    """An entry fee and a price per step, and what rational VMUs make of it. Batch axes first."""

    fee: Any
    """(…) A, paid by who buys at all."""
    price: Any
    """(…) p."""
    steps: Any
    """(…, K)."""
    asp_utility: Any
    """(…)."""
    vmu_surplus: Any
    """(…, K)."""


def best_tariff(market: Market) -> Tariff:
    """The best menu of the form T = A + p·S, S as each VMU likes: exact.

    The fee leaves nothing to the lowest VMU that buys. Each VMU is tried as that one: between the
    prices at which somebody's demand bends, what is earned has a formula, whose peaks and ends are
    compared. O(K²·J) in time and memory for each market, so for hundreds of VMUs rather than
    thousands; J = 2 for a formula of SSIM.

    Args and raises: as `solve_menu`.
    """
    check_market(market)
    delta, order, _ = _sorted(market)
    xp, K, wide = namespace(delta), market.K, _wide(market)
    cost, most = wide.per_vmu(wide.cost), wide.per_vmu(wide.max_steps)
    curve = market.ssim.demand_curve(0.0, market.per_vmu(market.max_steps))
    bends, form = delta[..., None] * convert(curve.rates, delta), curve.form
    bends = xp.reshape(bends, (*market.batch_shape, -1))
    edges = xp.concat([bends, 0.0 * bends[..., :1]], axis=-1)
    edges = xp.sort(larger(edges, market.per_vmu(market.cost) + 0.0 * edges), axis=-1)[..., None]
    buyers, delta = K - _counted(delta, K), delta[..., None, :]

    def demand(price: Any) -> Any:
        return wide.ssim.demand(price / delta, 0.0, most)

    def earned(price: Any, steps: Any, sold: Any) -> Any:
        """With each VMU as the lowest buyer, (…, P, K)."""
        fee = delta * wide.ssim.gain(steps) - price * steps
        return buyers * fee + (price - cost) * sold

    low, high = edges[..., :-1, :], edges[..., 1:, :]
    a, b = 0.75 * low + 0.25 * high, 0.25 * low + 0.75 * high
    at_a, at_b, x = demand(a), demand(b), form.coordinate(a)
    # Of a piece too narrow to tell a line in it from a jump, what is said at its ends is enough.
    told = high > low * (1 + 64 * float(xp.finfo(low.dtype).eps))
    width = xp.where(told, form.coordinate(b) - x, float("inf"))
    slope = (at_b - at_a) / width
    level = at_a - slope * x
    slopes, levels = sums_from_end(slope), sums_from_end(level)
    peak = form.peak(cost, slopes, slopes - buyers * slope, levels - buyers * level)
    peak = xp.minimum(larger(peak, low + 0.0 * peak), high + 0.0 * peak)
    x = form.coordinate(peak)
    inside = earned(peak, slope * x + level, slopes * x + levels)
    steps = demand(edges)
    at_edges = edges + 0.0 * steps, earned(edges, steps, sums_from_end(steps))
    pairs = zip((peak, inside), at_edges, strict=True)
    price, utility = (
        xp.reshape(xp.concat(pair, axis=-2), (*market.batch_shape, -1)) for pair in pairs
    )
    best = xp.argmax(utility, axis=-1)[..., None]
    price, lowest, delta = pick(price, best), best % K, delta[..., 0, :]
    served, model = _counted(delta, K) >= lowest, market.ssim

    def outcome(price: Any) -> tuple[Any, ...]:
        """Fee, price, steps and utility, (…, 1) or (…, K)."""
        steps = model.demand(price / delta, 0.0, market.per_vmu(market.max_steps))
        steps = xp.where(served, steps, 0.0)
        fee = larger(pick(delta * model.gain(steps) - price * steps, lowest), 0.0)
        pays = xp.where(steps > 0, fee + (price - market.per_vmu(market.cost)) * steps, 0.0)
        return fee, price + 0.0 * fee, steps, xp.sum(pays, axis=-1)[..., None]

    # Rounding may have pushed the price past a jump of demand.
    below = price * (1 - 4 * float(xp.finfo(price.dtype).eps))
    below = larger(below, market.per_vmu(market.cost) + 0.0 * below)
    pairs = [*zip(outcome(price), outcome(below), strict=True)]
    jumped = pairs[-1][1] > pairs[-1][0]
    fee, price, steps, utility = (xp.where(jumped, b, a) for a, b in pairs)
    steps = pick(steps, xp.argsort(order, axis=-1))
    surplus = xp.where(
        steps > 0, market.satisfaction * model.gain(steps) - price * steps - fee, 0.0
    )
    fee, price, utility = (unwrap(part[..., 0]) for part in (fee, price, utility))
    return Tariff(fee, price, steps, utility, surplus)
