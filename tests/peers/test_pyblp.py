"""Prices of several providers by PyBLP, which economists estimate demand with.

Where nobody's steps depend on prices our VMUs demand as a mixed logit's agents do: VMU k is an
agent of weight S_k/ΣS to whom provider m is worth (worth_mk − p_m·S_k)/μ more than buying nothing.
PyBLP finds prices by iterating the ζ-markup equation of Morrow & Skerlos (2011), with code of its
own: a point where no provider gains by a small change of its price. It knows no highest price, and
there always is a way out: where ours has none, its is e^−500 times as likely as the rest.
"""

from typing import NamedTuple

import numpy as np
import pytest

from aigc_market import competition
from aigc_market.ssim import QuadraticSSIM
from baselines.methods.q_learning.oligopoly import oligopoly

pyblp = pytest.importorskip("pyblp", reason="needs the extra 'peers'")
pyblp.options.verbose = False

TOLERANCE = 1e-8
MAX_PRICE = 60.0


class Logit(NamedTuple):
    """A market in PyBLP's words."""

    cost: np.ndarray
    """(M,)"""
    steps: np.ndarray
    """(K,) that a VMU buys for a request, at any price."""
    worth: np.ndarray
    """(M, K) of a request to a provider, over that of buying nothing."""
    temperature: float
    outside: bool
    """Whether VMUs may buy nothing."""


def draw(rng, temperature, outside, followers=8):
    """A market of up to five unequal providers, and of several kinds of VMUs."""
    M, K = int(rng.integers(2, 6)), int(rng.integers(1, followers + 1))
    steps = np.where(rng.random(K) < 0.5, 1.0, rng.uniform(1.5, 3))
    worth = rng.uniform(0.5, 4, (M, K)) * steps
    spread = np.exp(rng.uniform(*np.log(temperature)))
    return Logit(rng.uniform(0.5, 1.5, M), steps, worth, float(spread), outside)


def ours(game, rng):
    """The same market here: access costs make of what SSIM is worth what the game says.

    VMUs of little satisfaction buy the fewest steps even at the lowest cost, the others the most
    even at the highest price.
    """
    M, K = game.worth.shape
    alpha, beta = -rng.uniform(0.05, 0.1, M), rng.uniform(0.9, 1, M)
    few = game.steps == 1
    satisfaction = np.where(few, rng.uniform(0.1, 0.4, K), rng.uniform(250, 300, K))
    gain = alpha[:, None] * game.steps**2 + beta[:, None] * game.steps
    outside = -rng.uniform(12, 20)
    market = competition.Competition(
        M=M,
        K=K,
        cost=game.cost,
        max_price=MAX_PRICE,
        satisfaction=satisfaction,
        min_steps=1.0,
        max_steps=game.steps.max(),
        ssim=[QuadraticSSIM(a, b, 0.3) for a, b in zip(alpha, beta, strict=True)],
        access_cost=satisfaction * gain - outside - game.worth,
        temperature=game.temperature,
        outside=outside if game.outside else None,
    )
    for prices in (game.cost, market.max_price):  # at no price anybody buys other steps
        np.testing.assert_array_equal(
            competition.respond(market, prices).steps, np.tile(game.steps, (M, 1))
        )
    return market


class Economy:
    """Several games as the markets of one PyBLP simulation."""

    def __init__(self, games, together=False):
        self.games = games
        self.most = max(len(game.cost) for game in games)
        counts = [len(game.cost) for game in games]
        seats = np.concatenate([np.arange(count) for count in counts])
        self.ends = np.cumsum(counts)[:-1]
        self.cost = np.concatenate([game.cost for game in games])
        marks = [f"of_{m}" for m in range(self.most)]
        products = {
            "market_ids": np.repeat(np.arange(len(games)), counts),
            "firm_ids": np.zeros_like(seats) if together else seats,
            "prices": self.cost,
            **{mark: (seats == m).astype(float) for m, mark in enumerate(marks)},
        }
        agents = {
            "market_ids": np.repeat(np.arange(len(games)), [len(g.steps) for g in games]),
            "weights": np.concatenate([g.steps / g.steps.sum() for g in games]),
            "nodes": np.concatenate([self.tastes(game) for game in games]),
        }
        self.simulation = pyblp.Simulation(
            (
                pyblp.Formulation("0 + prices"),
                pyblp.Formulation(" + ".join(["0 + prices", *marks])),
            ),
            products,
            beta=[0.0],
            sigma=np.eye(1 + self.most),
            agent_data=agents,
            xi=np.zeros_like(self.cost),
        )

    def tastes(self, game):
        """(K, 1 + M) what an agent thinks of a price, and of each provider."""
        tastes = np.zeros((len(game.steps), 1 + self.most))
        tastes[:, 0] = -game.steps / game.temperature
        tastes[:, 1 : 1 + len(game.cost)] = game.worth.T / game.temperature
        return tastes if game.outside else tastes + 500 * (np.arange(1 + self.most) > 0)

    def prices(self, start=None):
        """PyBLP's results at the fixed point that it finds, and whether it says to have one."""
        start = self.cost if start is None else np.concatenate(start)
        iteration = pyblp.Iteration("simple", {"atol": 1e-12, "max_evaluations": 1000})
        return self.simulation.replace_endogenous(
            self.cost, start, iteration, error_behavior="warn"
        )

    def at(self, prices):
        """PyBLP's results at given prices."""
        return self.simulation.replace_endogenous(
            self.cost, np.concatenate(prices), pyblp.Iteration("return")
        )

    def rows(self, flat):
        """What belongs to each market's providers."""
        return np.split(np.asarray(flat)[:, 0], self.ends)

    def profits(self, results):
        """(M,) of each market's providers."""
        earned = self.rows(results.compute_profits(costs=self.cost))
        return [row * game.steps.sum() for row, game in zip(earned, self.games, strict=True)]

    def shares(self, results):
        """(M, K) of each market's requests."""
        rows = np.split(results.compute_probabilities(), self.ends)
        return [row[:, : len(game.steps)] for row, game in zip(rows, self.games, strict=True)]


def several(seed, count, temperature, outside):
    """Games, and the same ones here."""
    rng = np.random.default_rng(seed)
    games = [draw(rng, temperature, outside) for _ in range(count)]
    return games, [ours(game, rng) for game in games], rng


MILD = (1.0, 4.0)
"""Temperatures at which every one of these markets has a certified equilibrium."""
COLD = (0.2, 0.5)
"""And at which many have none."""


@pytest.mark.parametrize("outside", [True, False])
def test_nash_prices(compared, outside):
    games, markets, _ = several(0, 150, MILD, outside)
    economy = Economy(games)
    results = economy.prices()
    assert results.fp_converged.all()
    prices = economy.rows(results.product_data.prices)
    shares, profits = economy.shares(results), economy.profits(results)
    surplus = results.compute_consumer_surpluses(keep_all=True)
    for n, (game, market) in enumerate(zip(games, markets, strict=True)):
        found = competition.nash(market)
        assert found.converged
        assert np.max(found.prices) < MAX_PRICE
        compared("Nash prices", "pyblp", found.prices, prices[n], TOLERANCE)
        compared("Nash shares", "pyblp", found.shares, shares[n], TOLERANCE)
        compared("Nash profits", "pyblp", found.asp_utility, profits[n], TOLERANCE)
        if outside:
            gained = found.vmu_utility - market.outside
            theirs = surplus[n, : len(game.steps)] * game.steps
            compared("users' utility", "pyblp", gained, theirs, TOLERANCE)


@pytest.mark.parametrize("sellers", [2, 3, 4, 10])
def test_calvanos_demand(compared, sellers):
    game = Logit(np.ones(sellers), np.ones(1), np.full((sellers, 1), 2.0), 0.25, True)
    known = oligopoly(sellers)
    for together, found in ((False, known.nash), (True, known.cartel)):
        economy = Economy([game], together)
        results = economy.prices()
        assert results.fp_converged.all()
        (prices,), (profits,) = economy.rows(results.product_data.prices), economy.profits(results)
        claim = "Calvano's cartel" if together else "Calvano's Nash"
        compared(claim, "pyblp", found.prices, prices, TOLERANCE)
        compared(claim, "pyblp", found.asp_utility, profits, TOLERANCE)


@pytest.mark.parametrize("temperature", [MILD, COLD], ids=["mild", "cold"])
def test_cartel(compared, temperature):
    """Of one firm that owns all. Where there are several hills PyBLP finds that of its start."""
    games, markets, rng = several(1, 50, temperature, True)
    economy = Economy(games, together=True)
    starts = [None] + [[rng.uniform(game.cost, 8) for game in games] for _ in range(5)]
    tops = [economy.prices(start) for start in starts]
    prices = [economy.rows(top.product_data.prices) for top in tops]
    profits = [economy.profits(top) for top in tops]
    same = 0
    for n, market in enumerate(markets):
        found = competition.cartel(market)
        best = max(range(len(tops)), key=lambda i, n=n: profits[i][n].sum())
        most = profits[best][n].sum()
        assert found.asp_utility.sum() >= most * (1 - 1e-10)
        if tops[best].fp_converged[n] and found.asp_utility.sum() <= most * (1 + 1e-10):
            same += 1
            compared("cartel", "pyblp", found.prices, prices[best][n], TOLERANCE)
            compared("cartel", "pyblp", found.asp_utility, profits[best][n], TOLERANCE)
    assert same == len(games) if temperature is MILD else same > 0.8 * len(games)


@pytest.mark.parametrize("outside", [True, False])
def test_profits_at_any_prices(compared, outside):
    games, markets, rng = several(2, 100, (0.2, 4), outside)
    economy = Economy(games)
    prices = [rng.uniform(game.cost, 6) for game in games]
    results = economy.at(prices)
    shares, profits = economy.shares(results), economy.profits(results)
    for n, market in enumerate(markets):
        answer = competition.respond(market, prices[n])
        settled = competition.settle(market, prices[n], answer.shares, answer.steps)
        compared("any prices", "pyblp", answer.shares, shares[n], 1e-11)
        compared("any prices", "pyblp", settled.asp_utility, profits[n], 1e-11)


def test_best_replies(compared):
    """What the rivals offer is the way out of PyBLP's agents, and the seat is its only firm."""
    games, markets, rng = several(3, 100, (0.25, 4), True)
    prices = [rng.uniform(game.cost, 6) for game in games]
    seats = [int(rng.integers(len(game.cost))) for game in games]
    alone = []
    for game, posted, seat in zip(games, prices, seats, strict=True):
        value = (game.worth - posted[:, None] * game.steps) / game.temperature
        value[seat] = 0.0  # of buying nothing, in its place
        over = game.worth[seat] - game.temperature * np.logaddexp.reduce(value, axis=0)
        alone.append(game._replace(cost=game.cost[[seat]], worth=over[None]))
    economy = Economy(alone)
    tops = [economy.prices(start) for start in (None, [posted[:1] for posted in prices])]
    tops.append(economy.prices([np.array([posted.max() + 2]) for posted in prices]))
    assert all(top.fp_converged.all() for top in tops)
    earned = np.array([np.concatenate(economy.profits(top)) for top in tops])
    asked = np.array([top.product_data.prices[:, 0] for top in tops])
    same = 0
    for n, (market, seat) in enumerate(zip(markets, seats, strict=True)):
        found = competition.best_deviation(market, seat, prices[n])
        best = earned[:, n].argmax()
        assert found.utility >= earned[best, n] * (1 - 1e-10)
        if found.utility <= earned[best, n] * (1 + 1e-10):
            same += 1
            compared("best replies", "pyblp", found.price, asked[best, n], TOLERANCE)
            compared("best replies", "pyblp", found.utility, earned[best, n], TOLERANCE)
    assert same > 0.9 * len(games)  # PyBLP's starts do not find every top


@pytest.mark.parametrize("outside", [True, False])
def test_where_no_prices_are_an_equilibrium(compared, outside):
    """PyBLP rests where no small change of a price pays; a certificate looks at all prices.

    What we certify is where PyBLP rests. Where we certify nothing PyBLP mostly rests too, often
    on a hill of every provider's profits; but by PyBLP's own profits some provider earns more at
    the price that `best_deviation` names.
    """
    games, markets, rng = several(4, 50, (0.2, 0.4) if outside else (0.25, 0.6), outside)
    found = [competition.nash(market) for market in markets]
    certified = np.array([bool(answer.converged) for answer in found])
    economy = Economy(games)
    stays = economy.rows(economy.prices([at.prices for at in found]).product_data.prices)
    for n in np.flatnonzero(certified):
        compared("certified prices", "pyblp", found[n].prices, stays[n], TOLERANCE)
    rests = np.zeros(len(games), int)
    hills = 0
    for start in [None] + [[rng.uniform(game.cost, 6) for game in games] for _ in range(3)]:
        results = economy.prices(start)
        prices, profits = economy.rows(results.product_data.prices), economy.profits(results)
        rests += results.fp_converged
        replies = [best_of(market, posted) for market, posted in zip(markets, prices, strict=True)]
        there = economy.profits(economy.at([changed for _, _, changed in replies]))
        for n in np.flatnonzero(results.fp_converged):
            if certified[n] and np.abs(prices[n] - found[n].prices).max() < 1e-6:
                continue
            seat, utility, _ = replies[n]
            compared("better prices", "pyblp", utility, there[n][seat], TOLERANCE)
            assert there[n][seat] > profits[n][seat] * (1 + 1e-6)  # or `nash` has missed it
            curved = results.profit_hessian_eigenvalues[n].values()
            hills += all(np.max(of_one) < 0 for of_one in curved)
    none = ~certified
    assert certified.any()
    assert rests[none].sum() > 2 * none.sum() > 0
    assert hills


def best_of(market, prices):
    """The seat that gains most by another price, what it earns there, and the prices then."""
    seat = int(competition.deviation_gains(market, prices).argmax())
    best = competition.best_deviation(market, seat, prices)
    changed = prices.copy()
    changed[seat] = best.price
    return seat, best.utility, changed
