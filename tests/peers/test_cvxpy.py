"""Best menus and purchases against CVXPY: convex programmes with every constraint, by Clarabel.

A market is a plain dict, as `menus_by_hand` has it. No line of the package stands in a programme:
SSIM is a formula of CVXPY's, or mixtures of a table's points.
"""

import itertools

import menus_by_hand
import numpy as np
import pytest

pytest.importorskip("cvxpy", reason="needs the extra 'peers'")

import cvxpy as cp
from test_equilibrium_search import of_package

import aigc_market
from aigc_market import best_response, menus

PAPER = {"alpha": -0.000174, "beta": 0.075}
BOUNDS = {"cost": 1.0, "max_price": 20.0, "min_steps": 0.0, "max_steps": 250.0, "capacity": None}
REFERENCE = [(200, 200), (100, 300), (150, 250), (200, 210, 240, 260)]
EXACT = {"tol_gap_abs": 1e-9, "tol_gap_rel": 1e-9, "tol_feas": 1e-9}


def quality(market, count, low=0.0):
    """Steps as a share of max_steps (count,), gains as a share of the largest, and what holds.

    Of a table, both are of mixtures of its points. Gains may be thrown away, which pays nobody.

    Returns:
        The two variables, the constraints, and the largest gain.
    """
    top = market["max_steps"]
    share, gain = cp.Variable(count), cp.Variable(count)
    constraints = [share >= low / top, share <= 1]
    if "table" in market:
        points = np.array([low, *(s for s in market["table"][0] if low < s < top), top])
        gains = np.interp(points, *market["table"]) - market["table"][1][0]
        most = max(gains.max(), 1e-3)
        mixture = cp.Variable((count, len(points)), nonneg=True)
        constraints += [
            cp.sum(mixture, axis=1) == 1,
            share == mixture @ (points / top),
            gain <= mixture @ (gains / most),
        ]
    elif "scale" in market:
        most = market["gain"] * -np.expm1(-top / market["scale"])
        decay = cp.exp(-share * (top / market["scale"]))
        constraints.append(gain <= (1 - decay) * (market["gain"] / most))
    else:
        alpha, beta = market["alpha"], market["beta"]
        vertex = min(top, -beta / (2 * alpha))
        most = alpha * vertex**2 + beta * vertex
        curved = cp.square(share) * (alpha * top**2 / most)
        constraints.append(gain <= curved + share * (beta * top / most))
    return share, gain, constraints, most


def solved(objective, constraints):
    programme = cp.Problem(cp.Maximize(objective), constraints)
    value = programme.solve(solver=cp.CLARABEL, **EXACT)
    assert programme.status == cp.OPTIMAL, programme.status
    return value


def most_of_contracts(market, types_are_seen=False):
    """The most that one contract for each VMU earns, all K² IC and K IR constraints written out."""
    delta = np.asarray(market["satisfaction"], float)
    K, highest = len(delta), delta.max()
    share, gain, constraints, most = quality(market, K)
    fee = cp.Variable(K, nonneg=True)
    worth = cp.multiply(delta / highest, gain) - fee
    constraints.append(worth >= 0)
    if not types_are_seen:
        for k in range(K):
            constraints.append(worth[k] >= delta[k] / highest * gain - fee)
    scale = highest * most
    cost = market["cost"] * market["max_steps"] / scale
    return scale * solved(cp.sum(fee) - cost * cp.sum(share), constraints)


def drawn(seed):
    rng = np.random.default_rng(seed)
    return menus_by_hand.draw(rng, K=1 + seed % 8)


@pytest.mark.parametrize("satisfaction", REFERENCE)
def test_the_menus_of_the_reference_table(satisfaction, compared):
    market = {**BOUNDS, **PAPER, "satisfaction": np.array(satisfaction, float)}
    ours = menus.solve_menu(of_package(market)).asp_utility
    compared("best menu", "cvxpy", ours, most_of_contracts(market), 1e-6)


@pytest.mark.parametrize("seed", range(120))
def test_no_menu_earns_more(seed, compared):
    """Types equal, ironed and left out; SSIM by a formula and by tables, concave and not."""
    market = drawn(seed)
    ours = menus.solve_menu(of_package(market)).asp_utility
    compared("best menu", "cvxpy", ours, most_of_contracts(market), 1e-6)


@pytest.mark.parametrize("seed", range(40))
def test_no_contracts_earn_more_where_types_are_seen(seed, compared):
    market = drawn(seed)
    ours = menus.first_best(of_package(market)).asp_utility
    compared("first best", "cvxpy", ours, most_of_contracts(market, True), 1e-6)


@pytest.mark.parametrize("seed", range(40))
def test_no_purchase_is_better_for_a_vmu(seed, compared):
    """Steps bought at a price, and what they leave VMUs, within bounds below and above."""
    market = drawn(seed)
    rng = np.random.default_rng((seed, 1))
    delta, low = market["satisfaction"], float(rng.choice([0.0, 0.1])) * market["max_steps"]
    share, gain, constraints, most = quality(market, len(delta), low)
    price = rng.uniform(0.1, 1.5) * delta.max() * most / market["max_steps"]
    paid, scale = price * market["max_steps"], delta.max() * most
    surplus = cp.multiply(delta / delta.max(), gain) - paid / scale * share
    best = scale * solved(cp.sum(surplus), constraints)
    packaged = of_package({**market, "min_steps": low, "max_price": 1e6, "cost": 1e-6})
    steps = best_response(packaged, price)
    ours = np.sum(delta * packaged.ssim.gain(steps) - price * steps)
    compared("best response's surplus", "cvxpy", ours, best, 1e-6)
    # An optimum is flat: of steps, half as many digits can be told as of what they are worth.
    compared("best response", "cvxpy", steps, share.value * market["max_steps"], 1e-4)


def most_of_a_price(market):
    """The most that one price earns where SSIM saturates.

    Between two prices at which a VMU meets a bound of its steps, all sell L − T·ln p, so that the
    utility (p − c)·(L − T·ln p) is concave; so is what capacity allows, L − T·ln p ≤ R. Where more
    is asked for, a higher price earns more.
    """
    delta, scale = np.asarray(market["satisfaction"]), market["scale"]
    worth = market["gain"] / scale * delta  # of a first step
    cost, highest, bounds = (market[name] for name in ("cost", "max_price", "capacity"))
    edges = np.outer(np.exp(-np.array([market["min_steps"], market["max_steps"]]) / scale), worth)
    edges = np.unique([cost, *edges[(edges > cost) & (edges < highest)], highest])
    best = 0.0
    for low, high in itertools.pairwise(edges):
        middle = np.clip(
            scale * np.log(worth / np.sqrt(low * high)), market["min_steps"], market["max_steps"]
        )
        inside = (middle > market["min_steps"]) & (middle < market["max_steps"])
        T = scale * np.sum(inside)
        L = np.sum(np.where(inside, scale * np.log(worth), middle))
        if bounds is not None and L - T * np.log(high) >= bounds:
            best = max(best, (high - cost) * bounds)
            continue
        price = cp.Variable()
        constraints = [price >= low, price <= high]
        if bounds is not None and T:
            constraints.append(T * cp.log(price) >= L - bounds)
        earned = L * (price - cost) + T * (cp.entr(price) + cost * cp.log(price))
        best = max(best, solved(earned, constraints))
    return best


@pytest.mark.parametrize("seed", range(40))
def test_no_price_earns_more_where_ssim_saturates(seed, compared):
    rng = np.random.default_rng((seed, 2))
    while "scale" not in (market := menus_by_hand.draw(rng, K=1 + seed % 8)):
        pass
    least, top = float(rng.choice([0.0, 0.0, 0.1])), market["max_steps"]
    market["min_steps"] = least * top
    market["max_price"] = market["cost"] * rng.uniform(1.5, 60.0)
    if seed % 4:
        market["capacity"] = len(market["satisfaction"]) * (least + rng.uniform(0.0, 0.2)) * top
    ours = aigc_market.solve(of_package(market)).asp_utility
    compared("price of a saturating curve", "cvxpy", ours, most_of_a_price(market), 1e-6)
