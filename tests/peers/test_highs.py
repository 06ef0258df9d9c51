"""Menus of few contracts and markets with a capacity against mixed-integer programmes, by HiGHS.

A market is a plain dict, as `menus_by_hand` has it. No line of the package stands in a programme: a
table, concave or not, is its points, a parabola its slope.
"""

from dataclasses import dataclass, field

import menus_by_hand
import numpy as np
import pytest
from competition_by_hand import gain
from scipy import sparse
from scipy.optimize import milp
from test_equilibrium_search import of_package

import aigc_market
from aigc_market import menus

PAPER = {
    "alpha": -0.000174,
    "beta": 0.075,
    "cost": 1.0,
    "max_price": 20.0,
    "min_steps": 0.0,
    "max_steps": 250.0,
    "capacity": None,
}


@dataclass
class Programme:
    """A mixed-integer programme, row by row; variables are numbered as they are made."""

    low: list = field(default_factory=list)
    high: list = field(default_factory=list)
    whole: list = field(default_factory=list)
    rows: list = field(default_factory=list)
    least: list = field(default_factory=list)
    most: list = field(default_factory=list)

    def variables(self, *shape, low=0.0, high=1.0, whole=False):
        """Numbers of new variables, of a shape."""
        first, count = len(self.low), int(np.prod(shape))
        self.low += [low] * count
        self.high += [high] * count
        self.whole += [whole] * count
        return np.arange(first, first + count).reshape(shape)

    def hold(self, *terms, least=-np.inf, most=np.inf):
        """Keep a sum of (coefficients, variables), which broadcast, within bounds."""
        row = {}
        for coefficients, numbers in terms:
            for c, number in np.broadcast(coefficients, numbers):
                row[int(number)] = row.get(int(number), 0.0) + float(c)
        self.rows.append(row)
        self.least.append(least)
        self.most.append(most)

    def maximise(self, *terms):
        """The optimum, and what variables are there.

        HiGHS lets whole numbers be nearly whole: the programme is solved again where they are.
        """
        objective = np.zeros(len(self.low))
        for coefficients, numbers in terms:
            np.add.at(objective, numbers, -np.asarray(coefficients))
        columns = [list(row) for row in self.rows]
        matrix = sparse.csr_array(
            (
                [c for row in self.rows for c in row.values()],
                [number for row in columns for number in row],
                np.cumsum([0, *map(len, columns)]),
            ),
            shape=(len(self.rows), len(self.low)),
        )
        low, high = np.array(self.low), np.array(self.high)
        whole = np.array(self.whole)

        def solved():
            found = milp(
                objective,
                integrality=whole,
                bounds=(low, high),
                constraints=(matrix, self.least, self.most),
                options={"mip_rel_gap": 0},
            )
            assert found.success, found.message
            return found.x

        low[whole] = high[whole] = np.rint(solved()[whole])
        answer = solved()
        return -objective @ answer, answer


def most_of_contracts(market, L):
    """The most that L contracts earn, whoever takes which, in whatever order.

    A contract lies on one piece of the table. A VMU is given one of the contracts or none, and what
    it is given must be worth as much to it as each other one.
    """
    delta, cost = np.asarray(market["satisfaction"]), market["cost"]
    K, highest, top = len(delta), delta.max(), market["max_steps"]
    points, gains = table(market, 0.0)
    most = max(gains.max(), 1e-3)
    scale = highest * most
    delta, gains, points = delta / highest, gains / most, points / top
    cost *= top / scale
    worst = min(gains.min(), 0.0)
    problem = Programme()
    piece = problem.variables(L, len(points) - 1, whole=True)
    along = problem.variables(L, len(points) - 1)
    steps, fee = problem.variables(L), problem.variables(L)
    value = problem.variables(L, low=worst)
    given = problem.variables(K, L + 1, whole=True)  # the last is none
    surplus, paid, cost_of = (problem.variables(K) for _ in range(3))
    for a in range(L):
        problem.hold((1, piece[a]), least=1, most=1)
        for j in range(len(points) - 1):
            problem.hold((1, along[a, j]), (-1, piece[a, j]), most=0)
        for curve, of_contract in ((points, steps), (gains, value)):
            problem.hold(
                (1, of_contract[a]),
                (-curve[:-1], piece[a]),
                (-np.diff(curve), along[a]),
                least=0,
                most=0,
            )
        if a:  # contracts have no names
            problem.hold((1, steps[a]), (-1, steps[a - 1]), least=0)
    for k in range(K):
        problem.hold((1, given[k]), least=1, most=1)
        problem.hold((1, surplus[k]), (1, given[k, L]), most=1)
        problem.hold((1, paid[k]), (1, given[k, L]), most=1)
        for a in range(L):
            worth = (-delta[k], value[a]), (1, fee[a]), (1, surplus[k])
            much = delta[k] * (1 - worst) + 2  # of surplus - worth, at most
            problem.hold(*worth, least=0)
            problem.hold(*worth, (much, given[k, a]), most=much)
            problem.hold((1, paid[k]), (-1, fee[a]), (1, given[k, a]), most=1)
            problem.hold((1, cost_of[k]), (-1, steps[a]), (-1, given[k, a]), least=-1)
    earned, _ = problem.maximise((1.0, paid), (-cost, cost_of))
    return scale * earned


def table(market, low):
    """Steps between two bounds at which SSIM bends, and SSIM there without that of 0 steps."""
    top = market["max_steps"]
    points = np.array([low, *(s for s in market["table"][0] if low < s < top), top])
    return points, np.interp(points, *market["table"]) - np.interp(0.0, *market["table"])


def drawn(seed, K, of="table"):
    """A market whose SSIM is a table, or of other parameters."""
    rng = np.random.default_rng(seed)
    while of not in (market := menus_by_hand.draw(rng, K)):
        pass
    return market, rng


def fine(market, count):
    """The market with a formula of SSIM read off at some steps, and linear between them."""
    if "table" in market:
        return market
    steps = np.linspace(0.0, market["max_steps"], count)
    return {**market, "table": (steps, gain(market, steps))}


def check_menu(market, contracts, compared):
    ours = menus.solve_menu(of_package(market), contracts).asp_utility
    best = most_of_contracts(market, contracts)
    compared("menu of few contracts", "scipy", ours, best, 1e-6)


@pytest.mark.parametrize("seed", range(30))
def test_no_menu_of_few_contracts_earns_more(seed, compared):
    market = fine(menus_by_hand.draw(np.random.default_rng(seed), K=3 + seed % 3), 10)
    check_menu(market, 1 + seed % 2, compared)


@pytest.mark.parametrize("seed", range(30))
def test_no_menu_earns_more_where_more_contracts_would(seed, compared):
    """Types spread so that each would like other steps; in every third SSIM has a dent."""
    rng = np.random.default_rng(seed)
    K = 4 + seed % 2
    contracts = 1 + seed // 2 % 2
    steps = np.linspace(0.0, 250.0, 17)
    values = gain(PAPER, steps)
    if seed % 3 == 0:
        values[rng.integers(8, 13)] -= rng.uniform(0.2, 0.8)
    delta = rng.uniform(250.0, 300.0) + np.arange(K) * rng.uniform(40.0, 60.0)
    market = {**PAPER, "cost": rng.uniform(2.0, 5.0), "satisfaction": delta}
    market["table"] = steps, values
    packaged = of_package(market)
    fewer, enough = (menus.solve_menu(packaged, number).asp_utility for number in (contracts, K))
    assert fewer < enough * (1 - 1e-4)
    check_menu(market, contracts, compared)


def limited(market, rng):
    """The market with bounds, a capacity in most, and a cost that does not drown the rest."""
    K, top = len(market["satisfaction"]), market["max_steps"]
    low = float(rng.choice([0.0, 0.0, rng.uniform(0.02, 0.3)])) * top
    between = rng.uniform(K * low, K * top)
    return {
        **market,
        "min_steps": low,
        "max_price": rng.uniform(market["cost"], 30.0),
        "capacity": None if rng.random() < 0.2 else between,
    }


def prices_of_a_table(market, rng):
    """Prices at which some VMU is indifferent between two purchases, the ends, and some more.

    In between nobody changes its purchase, so that the highest price of a stretch earns most of it.
    """
    points, gains = table(market, market["min_steps"])
    first, second = np.triu_indices(len(points), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = (gains[second] - gains[first]) / (points[second] - points[first])
    ends = market["cost"], market["max_price"]
    prices = np.outer(market["satisfaction"], rates).ravel()
    prices = prices[(prices > ends[0]) & (prices < ends[1])]
    return np.unique([*prices, *ends, *rng.uniform(*ends, 5)])


def bilevel_of_a_table(market, prices):
    """The leader's best utility at one of some prices, with what VMUs do as constraints.

    A VMU mixes points of its table: a linear programme, whose answer is known by duality to be one.
    Of equally good answers the leader may choose. It is paid for what it can deliver.
    """
    delta = np.asarray(market["satisfaction"])
    points, gains = table(market, market["min_steps"])
    K, N, J = len(delta), len(prices), len(points)
    scale = max(1e-3, np.ptp(gains))
    problem = Programme()
    price = problem.variables(N, whole=True)
    mixture = problem.variables(K, N, J)  # 0 at prices that are not asked
    surplus = problem.variables(K, low=-np.inf, high=np.inf)  # over δ times the scale
    delivered = problem.variables(N, high=np.inf)
    problem.hold((1, price), least=1, most=1)
    for k in range(K):
        worth = (gains - prices[:, None] / delta[k] * points) / scale
        for i in range(N):
            problem.hold((1, mixture[k, i]), (-1, price[i]), least=0, most=0)
        for j in range(J):
            problem.hold((1, surplus[k]), (-worth[:, j], price), least=0)
        problem.hold((worth, mixture[k]), (-1, surplus[k]), least=0)
    for i in range(N):
        problem.hold((1, delivered[i]), (-points, mixture[:, i]), most=0)
        if market["capacity"] is not None:
            problem.hold((1, delivered[i]), (-market["capacity"], price[i]), most=0)
    earned, _ = problem.maximise((prices - market["cost"], delivered))
    return earned


@pytest.mark.parametrize("seed", range(60))
def test_no_price_earns_more_of_a_table(seed, compared):
    market, rng = drawn(seed, K=1 + seed % 4)
    market = limited(market, rng)
    ours = aigc_market.solve(of_package(market))
    best = bilevel_of_a_table(market, prices_of_a_table(market, rng))
    compared("price of a table", "scipy", ours.asp_utility, best, 1e-6)


def wanted(market, delta, prices):
    """Steps after which one more is worth no more than its price, were there no bounds."""
    if "scale" in market:
        return market["scale"] * np.log(market["gain"] / market["scale"] * delta / prices)
    return (prices / delta - market["beta"]) / (2 * market["alpha"])


def bilevel_of_a_curve(market, prices, paid_at):
    """The leader's best utility if it posts one of some prices and is paid another for it.

    What VMUs buy is held by the conditions of Karush, Kuhn and Tucker: the last step is worth its
    price to a VMU, or the VMU is at a bound.
    """
    delta = np.asarray(market["satisfaction"])
    low, top, K, N = market["min_steps"], market["max_steps"], len(delta), len(prices)
    most = K * top if market["capacity"] is None else market["capacity"]
    problem = Programme()
    price = problem.variables(N, whole=True)
    steps = problem.variables(K, low=low, high=top)
    delivered = problem.variables(N, high=np.inf)
    problem.hold((1, price), least=1, most=1)
    problem.hold((1, delivered), (-1, steps), most=0)
    for i in range(N):
        problem.hold((1, delivered[i]), (-most, price[i]), most=0)
    for k in range(K):
        free = wanted(market, delta[k], prices)
        at_low, at_top = problem.variables(2, whole=True)
        raised, cut = problem.variables(2, high=np.inf)  # multipliers of the bounds, in steps
        problem.hold((1, steps[k]), (-free, price), (-1, raised), (1, cut), least=0, most=0)
        problem.hold((1, steps[k]), (top - low, at_low), most=top)
        problem.hold((1, steps[k]), (low - top, at_top), least=low)
        problem.hold((1, raised), (-max(low - free.min(), 0.0), at_low), most=0)
        problem.hold((1, cut), (-max(free.max() - top, 0.0), at_top), most=0)
    earned, found = problem.maximise((paid_at - market["cost"], delivered))
    return earned, prices[int(np.argmax(found[price]))]


OF_PAPER = {  # markets of which one knows that the formula of Theorem 2 is wrong, but for the first
    "interior": {"satisfaction": (200, 200)},
    "a VMU is priced out": {"satisfaction": (50, 400)},
    "capacity": {"satisfaction": (200, 200), "capacity": 150.0},
    "captive VMUs": {"satisfaction": (200, 200), "min_steps": 120.0, "max_steps": 160.0},
}


def check_curve(market, compared):
    """Against the best price of a grid, and of ever finer ones about it.

    From one price of a grid to the next one sells no more than at the first and is paid no more
    than at the second: so the first grid bounds what any price earns.
    """
    ours = aigc_market.solve(of_package(market)).asp_utility
    grid = np.linspace(market["cost"], market["max_price"], 100)
    ceiling, _ = bilevel_of_a_curve(market, grid, np.append(grid[1:], grid[-1]))
    assert ours <= ceiling + 1e-6 * max(1.0, ceiling)
    best = 0.0
    for _ in range(5):
        best, at = bilevel_of_a_curve(market, grid, grid)
        assert best <= ours + 1e-6 * max(1.0, ours)
        width = grid[1] - grid[0]
        grid = np.linspace(at - width, at + width, 41).clip(market["cost"], market["max_price"])
        grid = np.unique(grid)
    claim = "price of a saturating curve" if "scale" in market else "price of a parabola"
    compared(claim, "scipy", ours, best, 1e-6)


@pytest.mark.parametrize("name", OF_PAPER)
def test_no_price_earns_more_in_the_papers_market(name, compared):
    market = {**PAPER, **OF_PAPER[name]}
    market["satisfaction"] = np.array(market["satisfaction"], float)
    check_curve(market, compared)


@pytest.mark.parametrize("of", ["alpha", "scale"], ids=["parabola", "saturating"])
@pytest.mark.parametrize("seed", range(16))
def test_no_price_earns_more_of_a_curve(seed, of, compared):
    market, rng = drawn(seed, 1 + seed % 3, of)
    check_curve(limited(market, rng), compared)


def best_tariff_of_a_table(market, prices):
    """The leader's best utility by an entry fee and one of some prices per step.

    A VMU mixes points of its table and pays the fee, or buys nothing. What it does must leave it as
    much as each point would, and at least nothing.
    """
    delta = np.asarray(market["satisfaction"])
    points, gains = table(market, 0.0)
    K, N, J = len(delta), len(prices), len(points)
    scale = delta.max() * max(1e-3, gains.max())
    problem = Programme()
    price = problem.variables(N, whole=True)
    buys = problem.variables(K, whole=True)
    mixture = problem.variables(K, N, J)
    fee, surplus, paid = problem.variables(1), problem.variables(K), problem.variables(K)
    problem.hold((1, price), least=1, most=1)
    for k in range(K):
        worth = (delta[k] * gains - prices[:, None] * points) / scale
        for i in range(N):
            problem.hold((1, mixture[k, i]), (-1, price[i]), most=0)
        problem.hold((1, mixture[k]), (-1, buys[k]), least=0, most=0)
        for j in range(J):
            problem.hold((1, surplus[k]), (-worth[:, j], price), (1, fee), least=0)
        problem.hold((worth, mixture[k]), (-1, paid[k]), (-1, surplus[k]), least=0)
        problem.hold((1, paid[k]), (-1, fee), most=0)
        problem.hold((1, paid[k]), (-1, buys[k]), most=0)
        problem.hold((1, paid[k]), (-1, fee), (-1, buys[k]), least=-1)
    margin = (prices[:, None] - market["cost"]) * points / scale
    earned, _ = problem.maximise((1.0, paid), (np.broadcast_to(margin, (K, N, J)), mixture))
    return scale * earned


@pytest.mark.parametrize("seed", range(30))
def test_no_tariff_earns_more(seed, compared):
    """Of prices below the cost too."""
    rng = np.random.default_rng(seed)
    market = fine(menus_by_hand.draw(rng, K=2 + seed % 2), 6)
    highest = market["satisfaction"].max() * 0.1  # more than a step is worth to anybody
    prices = prices_of_a_table({**market, "cost": 0.0, "max_price": highest}, rng)
    ours = menus.best_tariff(of_package(market)).asp_utility
    compared("two-part tariff", "scipy", ours, best_tariff_of_a_table(market, prices), 1e-6)
