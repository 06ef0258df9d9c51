"""Certified deviations, Nash equilibria and cartels, against tables, brute force and grids."""

import itertools

import competition_by_hand as by_hand
import numpy as np
import pytest
import torch
from test_competition_game import made

import aigc_market
from aigc_market import competition
from aigc_market.competition import Competition
from aigc_market.competition.response import Profiles
from aigc_market.ssim import QuadraticSSIM, SaturatingSSIM, TabulatedSSIM


def calvano(M=2, **arguments):
    """The demand of Calvano et al. (2020): a VMU for whom a request of one step is worth 2."""
    unit = {"min_steps": 1, "max_steps": 1, "ssim": QuadraticSSIM(-1.0, 2.0)}
    market = {"M": M, "K": 1, "cost": 1.0, "max_price": 3.0, "satisfaction": 2.0, **unit}
    return Competition(**{**market, "temperature": 0.25, "outside": 0.0, **arguments})


REFERENCE = [
    (2, 1.472927, 1.924981, 0.222927, 0.337490),
    (3, 1.370163, 2.000000, 0.120163, 0.250000),
    (4, 1.331461, 2.054411, 0.081461, 0.201103),
    (10, 1.277607, 2.233286, 0.027607, 0.098329),
]


@pytest.mark.parametrize(("M", "p_nash", "p_cartel", "u_nash", "u_cartel"), REFERENCE)
def test_the_reference_table(M, p_nash, p_cartel, u_nash, u_cartel):
    market = calvano(M)
    equilibrium, cartel = competition.nash(market), competition.cartel(market)
    assert equilibrium.converged
    assert equilibrium.cycle is None
    np.testing.assert_allclose(equilibrium.prices, p_nash, atol=1e-6)
    np.testing.assert_allclose(equilibrium.asp_utility, u_nash, atol=1e-6)
    np.testing.assert_allclose(cartel.prices, p_cartel, atol=1e-6)
    np.testing.assert_allclose(cartel.asp_utility, u_cartel, atol=1e-6)
    np.testing.assert_allclose(equilibrium.gap, 0, atol=1e-6 * u_nash)
    p = equilibrium.prices[0]  # a symmetric fixed point: p = c + μ/(1 − q)
    np.testing.assert_allclose(p, 1 + 0.25 / (1 - equilibrium.shares[0, 0]), rtol=1e-12)


def test_costs_that_differ():
    prices = competition.nash(calvano(cost=[1.0, 0.5])).prices
    np.testing.assert_allclose(prices, [1.372327, 1.203772], atol=1e-6)


def test_the_best_reply_to_the_cartel():
    reply = competition.best_deviation(calvano(), 0, [1.924981] * 2)
    assert reply.price == pytest.approx(1.6617, abs=5e-5)
    assert reply.utility == pytest.approx(0.41169, abs=5e-6)
    assert reply.utility <= reply.upper_bound <= reply.utility * (1 + 1e-6)


@pytest.mark.parametrize("share", [0.3, 0.425, 0.45])
def test_capacity(share):
    equilibrium = competition.nash(calvano(capacity=share))
    clears = 2 - 0.25 * np.log(share / (1 - 2 * share))
    assert equilibrium.converged
    np.testing.assert_allclose(equilibrium.prices, max(1.472927, clears), atol=1e-6)
    if share == 0.425:
        np.testing.assert_allclose(equilibrium.prices, 1.7396, atol=5e-5)


def test_the_papers_grid_has_two_symmetric_equilibria():
    market = calvano()
    grid = competition.price_grid(market)
    assert grid.shape == (2, 15)
    np.testing.assert_array_equal(grid[0], grid[1])
    pairs = np.stack(np.meshgrid(grid[0], grid[1], indexing="ij"), axis=-1)
    answers = competition.respond(market, pairs)
    paid = competition.settle(market, pairs, answers.shares, answers.steps).asp_utility[..., 0]
    stays = [i for i in range(15) if paid[i, i] >= paid[:, i].max()]
    np.testing.assert_allclose(grid[0][stays], [1.4665, 1.5052], atol=5e-5)
    gains = [competition.profit_gain(market, [paid[i, i]] * 2).mean for i in stays]
    np.testing.assert_allclose(gains, [-0.024, 0.117], atol=5e-4)


def test_a_price_grid_begins_and_ends_beyond_nash_and_cartel():
    market = Competition(M=2, K=3, satisfaction=[120.0, 200, 260], cost=[1.0, 2.0])
    equilibrium, cartel = competition.nash(market), competition.cartel(market)
    grid = competition.price_grid(market, levels=5, margin=0.5)
    low, high = equilibrium.prices, cartel.prices
    np.testing.assert_allclose(grid[:, 0], np.maximum(low - (high - low) / 2, market.cost))
    np.testing.assert_allclose(grid[:, 2], (low + high) / 2)
    assert np.all(grid >= market.cost[:, None])
    assert np.all(grid <= market.max_price[:, None])


def test_profit_gain_is_0_at_nash_and_1_at_the_cartel():
    market = Competition(M=3, cost=[1.0, 1.5, 2.0])
    at, top = competition.nash(market), competition.cartel(market)
    for paid, expected in ((at.asp_utility, 0), (top.asp_utility, 1)):
        gain = competition.profit_gain(market, paid, at, top)
        np.testing.assert_allclose(gain.mean, expected, atol=1e-12)
        np.testing.assert_allclose(gain.each, expected, atol=1e-12)
    rows = competition.profit_gain(market, np.stack([at.asp_utility, top.asp_utility]), at, top)
    np.testing.assert_allclose(rows.mean, [0, 1], atol=1e-12)


BOTH = pytest.mark.parametrize("kinds", [by_hand.OLD, by_hand.NEW])


@BOTH
@pytest.mark.parametrize("seed", range(20))
def test_the_best_deviation_is_best_and_its_bound_holds(seed, kinds):
    rng = np.random.default_rng(seed)
    plain = by_hand.draw(rng, kinds=kinds)
    market, prices = made(plain), rng.uniform(1, 12, plain["M"])
    seat = int(rng.integers(plain["M"]))
    tolerance = 10.0 ** rng.integers(-7, -2)
    found = competition.best_deviation(market, seat, prices, tolerance)
    grid = np.linspace(plain["cost"][seat], 20, 3001)
    seen = by_hand.utility(plain, seat, prices, grid).max()
    assert plain["cost"][seat] <= found.price <= 20
    earned = by_hand.utility(plain, seat, prices, found.price)
    np.testing.assert_allclose(found.utility, earned, rtol=1e-9, atol=1e-12)
    assert found.upper_bound >= seen * (1 - 1e-12)
    assert found.utility <= found.upper_bound <= found.utility * (1 + tolerance) + 1e-12


def test_deviation_gains_are_what_best_deviations_earn_more():
    market = Competition(M=3, K=4, cost=[1.0, 1.5, 2.0], satisfaction=[90.0, 150, 200, 300])
    prices = np.array([[4.0, 5.0, 6.0], [9.0, 2.0, 3.0]])
    answer = competition.respond(market, prices)
    paid = competition.settle(market, prices, answer.shares, answer.steps).asp_utility
    gains = competition.deviation_gains(market, prices)
    for m in range(3):
        best = competition.best_deviation(market, m, prices).utility
        np.testing.assert_allclose(gains[:, m], best - paid[:, m], rtol=1e-9)
    np.testing.assert_allclose(competition.nash_conv(market, prices), gains.sum(axis=-1))
    at = competition.nash(market)
    np.testing.assert_allclose(competition.nash_conv(market, at.prices), 0, atol=1e-6)


def confirm(plain, equilibrium, points, tolerance=1e-6):
    """That no provider gains by any of so many prices more than its gap says."""
    prices = equilibrium.prices
    earned = by_hand.utilities(plain, prices)
    np.testing.assert_allclose(equilibrium.asp_utility, earned, rtol=1e-9, atol=1e-12)
    for m in range(plain["M"]):
        low, high = plain["cost"][m], plain["max_price"][m]
        assert low <= prices[m] <= high
        near = np.clip(prices[m] + np.linspace(-1, 1, points // 4) ** 3, low, high)
        grid = np.concatenate([np.linspace(low, high, points), near])
        best = by_hand.utility(plain, m, prices, grid).max()
        assert best <= earned[m] + equilibrium.gap[m] + 1e-9 * earned[m] + 1e-12
        if equilibrium.converged:
            assert equilibrium.gap[m] <= tolerance * max(earned[m], 1e-290)


def solve_random_markets(seeds, points, kinds):
    converged = {}
    for seed in seeds:
        plain = by_hand.draw(np.random.default_rng(seed), kinds=kinds)
        equilibrium = competition.nash(made(plain))
        confirm(plain, equilibrium, points)
        band = next(top for top in (10, 20, 40, 80, 160) if plain["temperature"] <= top)
        converged.setdefault(band, []).append(bool(equilibrium.converged))
    return {band: (sum(found), len(found)) for band, found in sorted(converged.items())}


@BOTH
def test_equilibria_of_random_markets(kinds):
    found = solve_random_markets(range(20), 1000, kinds)
    assert sum(good for good, _ in found.values()) >= 17


@pytest.mark.slow
@BOTH
def test_equilibria_of_a_thousand_random_markets(kinds):
    found = solve_random_markets(range(1000, 2000), 10_000, kinds)
    print(found)  # (converged, all) by the upper end of a band of temperatures
    for band, (good, count) in found.items():
        assert good >= (0.95 if band > 20 else 0.6) * count


@pytest.mark.parametrize("capacity", [None, 150.0])
@pytest.mark.parametrize(
    "ssim",
    [None, TabulatedSSIM([0, 50, 100, 250], [0, 3.0, 5.0, 7.0]), SaturatingSSIM(3.0975, 41.3)],
)
def test_one_provider_is_the_market_of_today(ssim, capacity):
    rng = np.random.default_rng(0)
    for satisfaction in ([100, 200, 300.0], rng.uniform(100, 300, (5, 3))):
        market = Competition(M=1, K=3, satisfaction=satisfaction, ssim=ssim, capacity=capacity)
        today = aigc_market.solve(market.provider(0))
        equilibrium, cartel = competition.nash(market), competition.cartel(market)
        assert np.all(equilibrium.converged)
        for found in (equilibrium, cartel):
            np.testing.assert_array_equal(found.prices[..., 0], today.price)
            np.testing.assert_array_equal(found.asp_utility[..., 0], today.asp_utility)
            np.testing.assert_array_equal(found.vmu_utility, today.vmu_surplus)
        np.testing.assert_array_equal(equilibrium.steps[..., 0, :], today.steps)


def test_permuting_the_seats_permutes_the_answer():
    rng = np.random.default_rng(1)
    for _ in range(4):
        plain = by_hand.draw(rng, temperature=rng.uniform(20, 100), providers=3, followers=8)
        order = rng.permutation(3)
        moved = dict(plain, ssim=[plain["ssim"][m] for m in order])
        for name in ("cost", "capacity", "access_cost"):
            moved[name] = None if plain[name] is None else plain[name][order]
        here, there = competition.nash(made(plain)), competition.nash(made(moved))
        assert here.converged
        np.testing.assert_allclose(here.prices[order], there.prices, rtol=1e-7)
        here, there = competition.cartel(made(plain)), competition.cartel(made(moved))
        np.testing.assert_allclose(
            here.asp_utility.sum(), there.asp_utility.sum(), rtol=1e-5
        )  # ties between hills


def test_a_batch_is_solved_like_its_markets_one_by_one():
    rng, N = np.random.default_rng(2), 6
    drawn = Competition(
        M=2,
        K=3,
        satisfaction=rng.uniform(100, 300, (N, 3)),
        temperature=rng.uniform(5, 60, N),
        cost=rng.uniform(1, 2, (N, 2)),
        capacity=rng.uniform(50, 400, (N, 2)),
        access_cost=rng.uniform(0, 30, (2, 3)),
        outside=rng.uniform(0, 3, N),
    )
    shared = Competition(  # of which most parameters are those of every market
        M=2, capacity=np.array([[50.0, 60.0], [90.0, 200.0]]), satisfaction=[150.0, 250.0],
        ssim=[TabulatedSSIM([0, 50, 250], [0, 3.0, 7.0]), None], temperature=30.0,
    )  # fmt: skip
    for market in (drawn, shared):
        ends, tops = competition.nash(market), competition.cartel(market)
        shape = *market.batch_shape, 2
        assert ends.shares.shape == (*shape, market.K)
        assert competition.price_grid(market, nash=ends, cartel=tops).shape == (*shape, 15)
        for i in range(len(ends.prices)):
            one = market.lanes(i)
            np.testing.assert_allclose(competition.nash(one).prices, ends.prices[i], rtol=1e-9)
            np.testing.assert_allclose(competition.cartel(one).prices, tops.prices[i], rtol=1e-7)
    earned = competition.cartel(drawn).asp_utility
    np.testing.assert_allclose(competition.profit_gain(drawn, earned).mean, 1)
    deep = Competition(M=2, temperature=np.array([[20.0, 40.0], [60.0, 80.0]]), cost=[1.0, 2.0])
    assert competition.nash(deep).prices.shape == (2, 2, 2)
    assert competition.best_deviation(deep, 1, [4.0, 5.0]).price.shape == (2, 2)


TENSOR = torch.tensor([4.0, 5.0])
REFUSED = [
    ("market", lambda: competition.nash(Competition(cost=TENSOR))),
    ("start", lambda: competition.nash(Competition(), start=TENSOR)),
    ("market", lambda: competition.cartel(Competition(cost=TENSOR))),
    ("market", lambda: competition.best_deviation(Competition(cost=TENSOR), 0, [4.0, 5.0])),
    ("prices", lambda: competition.best_deviation(Competition(), 0, TENSOR)),
    ("prices", lambda: competition.deviation_gains(Competition(), TENSOR)),
    ("prices", lambda: competition.nash_conv(Competition(), TENSOR)),
    ("market", lambda: competition.profit_gain(Competition(cost=TENSOR), [1.0, 2.0])),
    ("asp_utility", lambda: competition.profit_gain(Competition(), TENSOR)),
    ("market", lambda: competition.price_grid(Competition(cost=TENSOR))),
]


@pytest.mark.parametrize(("name", "solve"), REFUSED)
def test_tensors_are_refused(name, solve):
    """No gradient flows through a solver, so none is promised."""
    with pytest.raises(TypeError, match=rf"^{name} must be made of .* NumPy .*, got tensor\("):
        solve()


def edgeworth():
    """Two providers and two kinds of VMUs who hardly care to spread: prices chase each other."""
    return Competition(
        M=2, K=3, cost=[1.0, 1.2], satisfaction=[60.0, 60.0, 400.0], temperature=3.0,
        access_cost=[[0.0, 0.0, 200.0], [0.0, 0.0, 0.0]],
    )  # fmt: skip


def test_where_there_is_no_equilibrium_nothing_is_called_one():
    market = edgeworth()
    found = competition.nash(market)
    assert not found.converged
    assert np.max(found.gap / found.asp_utility) > 1e-3
    cycle = found.cycle
    assert cycle.shape[-1] == 2
    assert len(cycle) > 1
    for before, after in itertools.pairwise([*cycle, cycle[0]]):
        first = competition.best_deviation(market, 0, before).price
        second = competition.best_deviation(market, 1, np.array([first, before[1]])).price
        np.testing.assert_allclose([first, second], after, rtol=1e-5)
    gain = competition.profit_gain(market, found.asp_utility, found)
    assert np.all(np.isnan(gain.each))
    assert np.isnan(gain.mean)
    assert np.all(np.isnan(competition.price_grid(market, nash=found)))
    # Beside a market that has one, its cycle is padded, and only its.
    both = Competition(
        **{name: getattr(market, name) for name in ("M", "K", "cost", "satisfaction")},
        access_cost=market.access_cost,
        temperature=np.array([3.0, 100.0]),
    )
    pair = competition.nash(both)
    np.testing.assert_array_equal(pair.converged, [False, True])
    np.testing.assert_allclose(pair.cycle[0], cycle, rtol=1e-6)
    assert np.all(np.isnan(pair.cycle[1]))


def test_who_cannot_sell_asks_its_cost():
    market = Competition(M=2, cost=[1.0, 19.0], satisfaction=100.0)
    equilibrium = competition.nash(market)
    assert equilibrium.converged
    assert equilibrium.prices[1] == 19
    assert equilibrium.asp_utility[1] == 0


def test_captives_pay_the_highest_price():
    market = Competition(M=2, min_steps=120, max_steps=160, temperature=1e6)
    equilibrium = competition.nash(market)
    assert equilibrium.converged
    np.testing.assert_array_equal(equilibrium.prices, 20)
    np.testing.assert_array_equal(competition.cartel(market).prices, 20)


def best_of_grid(plain, points):
    """Σ U at the best of a grid, each of whose best hills is then looked at ever more closely."""
    M = plain["M"]
    low, room = plain["cost"], plain["max_price"] - plain["cost"]
    axes = np.meshgrid(*[np.linspace(0, 1, points)] * M)
    grid = np.reshape(axes, (M, -1)).T
    value = np.concatenate(
        [by_hand.total(plain, low + part * room) for part in np.array_split(grid, 20)]
    )
    hills = []
    for i in np.argsort(-value)[:1000]:
        if all(np.abs(grid[i] - hill).max() > 3 / points for hill in hills):
            hills.append(grid[i])
    around = np.array(list(itertools.product(np.linspace(-1, 1, 9), repeat=M)))
    best = []
    for hill in hills[:4]:
        width = 1.5 / points
        for _ in range(16):
            tried = np.clip(hill + width * around, 0, 1)
            value = by_hand.total(plain, low + tried * room)
            hill, width = tried[value.argmax()], 0.6 * width
        best.append(value.max())
    return max(best)


def search_random_cartels(seeds, kinds):
    """By how much of it the cartel's total is below brute force's, of each."""
    short = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        M = 2 + seed % 2
        plain = by_hand.draw(rng, providers=M, followers=int(rng.integers(1, 10)), kinds=kinds)
        cartel = competition.cartel(made(plain))
        earned = by_hand.total(plain, cartel.prices)
        np.testing.assert_allclose(cartel.asp_utility.sum(), earned, rtol=1e-9, atol=1e-9)
        best = best_of_grid(plain, 61 if M == 2 else 17)
        short.append((best - earned) / max(best, 1e-9))
    return np.array(short)


@BOTH
def test_cartels_of_random_markets_against_brute_force(kinds):
    short = search_random_cartels(range(5), kinds)
    assert np.sum(short > 1e-6) <= 1


@pytest.mark.slow
@BOTH
def test_cartels_of_many_random_markets_against_brute_force(kinds):
    short = search_random_cartels(range(100, 300), kinds)
    print(np.sum(short > 1e-6), short.max())
    assert np.sum(short > 1e-6) <= 2  # none was
    assert short.max() < 0.05


@pytest.mark.parametrize("kind", ["quadratic", "saturating", "all"])
def test_derivatives_are_those_of_finite_differences(kind):
    """The searches rest on them; a wrong one might only make them slow."""
    compared = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        plain = by_hand.draw(rng, providers=3, followers=4, kinds=[kind]) | {"capacity": None}
        profiles, prices = Profiles(made(plain)), rng.uniform(2, 8, (3, 1))
        if min(np.abs(profiles.breaks(m, 99) - prices[m]).min() for m in range(3)) < 1e-3:
            continue  # a jump or a kink lies between the prices compared
        compared += 1

        def change(function, prices=prices):
            """(…, 3, 1) by each price."""
            steps = 1e-5 * np.eye(3)[..., None]
            return np.stack([function(prices + s) - function(prices - s) for s in steps], 1) / 2e-5

        def seen(prices, together, profiles=profiles):
            return profiles.derivatives(prices, prices - profiles.cost, together)

        alone, joint, slopes = seen(prices, False), seen(prices, True), profiles.slopes(prices)
        earned = change(profiles.utilities)
        for found, expected in (
            (alone.demand_by, change(profiles.demand)),
            (alone.gradient, np.einsum("mmn->mn", earned)),
            (alone.gradient_by, change(lambda prices: seen(prices, False).gradient)),
            (joint.demand_by, alone.demand_by),
            (joint.gradient, earned.sum(axis=0)),
            (joint.gradient_by, change(lambda prices: seen(prices, True).gradient)),
            (np.stack(slopes[:3]), np.stack(alone[:3])),
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert compared >= 6
