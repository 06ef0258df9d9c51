"""The solver and the verifier against a brute force that shares no code with the package."""

import brute_force
import numpy as np
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

import aigc_market
from aigc_market.ssim import QuadraticSSIM, SaturatingSSIM, TabulatedSSIM

SEARCH = settings(max_examples=80, deadline=None, derandomize=True)
# Not st.floats: round numbers, which it prefers, hide what rounding does at the jumps of a table.
SHARE = st.integers(0, 999_983).map(lambda part: part / 999_983)


def between(low, high):
    return SHARE.map(lambda share: low + share * (high - low))


@st.composite
def bounds_of(draw, K, most_steps):
    """Bounds from loose to so tight that they must bind."""
    cost = draw(between(0.2, 5.0))
    low = draw(st.one_of(st.just(0.0), between(0.0, most_steps)))
    high = draw(st.one_of(st.just(most_steps), between(max(low, 1.0), most_steps)))
    scarce = draw(st.booleans())
    return {
        "cost": cost,
        "max_price": cost * draw(between(1.1, 60.0)),
        "min_steps": low,
        "max_steps": high,
        "capacity": draw(between(K * low + 0.01, K * high + 1.0)) if scarce else None,
    }


@st.composite
def satisfactions(draw):
    """Of up to 30 VMUs, over two decades."""
    K = draw(st.integers(1, 30))
    return 10 ** np.array(draw(st.lists(between(1, 3), min_size=K, max_size=K)))


@st.composite
def quadratic_markets(draw):
    satisfaction = draw(satisfactions())
    K = len(satisfaction)
    own = draw(st.booleans())
    spread = np.array(draw(st.lists(between(0.5, 1.5), min_size=K, max_size=K))) if own else 1.0
    coefficients = {"alpha": ALPHA * spread, "beta": BETA * spread[::-1] if own else BETA}
    return {"satisfaction": satisfaction, **coefficients, **draw(bounds_of(K, 300.0))}


@st.composite
def saturating_markets(draw):
    satisfaction = draw(satisfactions())
    K = len(satisfaction)
    factors = np.array(draw(st.lists(between(0.3, 3.0), min_size=2 * K, max_size=2 * K)))
    own = draw(st.booleans())
    return {
        "satisfaction": satisfaction,
        "gain": GAIN * factors[:K] if own else GAIN,
        "scale": SCALE * factors[K:] if own else SCALE,
        **draw(bounds_of(K, 300.0)),
    }


@st.composite
def table_markets(draw):
    """Concave or not, rising or not, with bounds that mostly fall between the table's points."""
    satisfaction = draw(satisfactions())
    gaps = np.array(draw(st.lists(between(5.0, 60.0), min_size=1, max_size=6)))
    slopes = np.array(draw(st.lists(between(-0.02, 0.1), min_size=len(gaps), max_size=len(gaps))))
    steps = np.concatenate([[0.0], np.cumsum(gaps)])
    values = 0.3 + np.concatenate([[0.0], np.cumsum(gaps * slopes)])
    if draw(st.booleans()):
        values[1:] = 0.3 + np.cumsum(gaps * np.sort(slopes)[::-1])  # concave
    limits = draw(bounds_of(len(satisfaction), float(steps[-1])))
    limits["max_steps"] = min(limits["max_steps"], float(steps[-1]))
    limits["min_steps"] = min(limits["min_steps"], limits["max_steps"])
    return {"satisfaction": satisfaction, "table": (steps, values), **limits}


ALPHA, BETA = -0.000174, 0.075
GAIN, SCALE = 3.0975, 41.3
PAPER = {
    "satisfaction": np.array([200.0, 200.0]),
    "alpha": ALPHA,
    "beta": BETA,
    "cost": 1.0,
    "max_price": 20.0,
    "min_steps": 0.0,
    "max_steps": 250.0,
    "capacity": None,
}
SATURATING = PAPER | {"gain": GAIN, "scale": SCALE}
BINDING = [
    ("min_steps", PAPER | {"min_steps": 120.0}),
    ("max_steps", PAPER | {"max_steps": 60.0}),
    ("max_price", PAPER | {"max_price": 5.0}),
    ("min_price", PAPER | {"max_price": 1.0}),
    ("capacity", PAPER | {"capacity": 150.0}),
    ("min_steps", SATURATING | {"min_steps": 60.0}),
    ("max_steps", SATURATING | {"max_steps": 20.0}),
    ("max_price", SATURATING | {"max_price": 4.0}),
    ("min_price", SATURATING | {"max_price": 1.0}),
    ("capacity", SATURATING | {"capacity": 40.0}),
]


def of_package(market):
    """The package's market from the plain one."""
    if "table" in market:
        ssim = TabulatedSSIM(*market["table"])
    elif "scale" in market:
        ssim = SaturatingSSIM(market["gain"], market["scale"])
    else:
        ssim = QuadraticSSIM(market["alpha"], market["beta"])
    names = ("satisfaction", "cost", "max_price", "min_steps", "max_steps", "capacity")
    arguments = {name: market[name] for name in names}
    return aigc_market.Market(K=len(market["satisfaction"]), ssim=ssim, **arguments)


def check_solution(market):
    equilibrium = aigc_market.solve(of_package(market))
    best = brute_force.optimum(market)
    scale = max(1.0, best)
    assert equilibrium.asp_utility == pytest.approx(best, abs=1e-8 * scale)
    assert market["cost"] <= equilibrium.price <= market["max_price"]
    earned = brute_force.utility(market, equilibrium.price)
    assert earned == pytest.approx(best, abs=(1e-8 if "scale" in market else 1e-6) * scale)
    grid = np.linspace(market["cost"], market["max_price"], 300)
    assert max(brute_force.utility(market, price) for price in grid) <= best + 1e-8 * scale
    return equilibrium


@pytest.mark.parametrize(("bound", "market"), BINDING)
def test_brute_force_sees_every_bound_bind(bound, market):
    """The search below means little if its market never meets a bound: here each one does."""
    equilibrium = check_solution(market)
    assert np.all(getattr(equilibrium.binding, bound))
    assert not equilibrium.closed_form


def note_binding(equilibrium):
    for name, bound in equilibrium.binding._asdict().items():
        event(f"{name} binds: {bool(np.any(bound))}")


@SEARCH
@given(quadratic_markets())
@example(PAPER)
def test_quadratic_markets(market):
    note_binding(check_solution(market))


@SEARCH
@given(saturating_markets())
def test_saturating_markets(market):
    note_binding(check_solution(market))


@SEARCH
@given(table_markets())
def test_tabulated_markets(market):
    note_binding(check_solution(market))


def test_rounding_does_not_push_a_price_past_a_jump():
    """δ·rate / δ is not always the rate: a price a hair too high loses a whole purchase."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        steps = np.concatenate([[0.0], np.cumsum(rng.uniform(5, 60, 4))])
        values = np.concatenate([[0.0], np.cumsum(rng.uniform(0, 5, 4))])
        limits = {"min_steps": 0.0, "max_steps": float(steps[-1]), "capacity": None}
        satisfaction = 10 ** rng.uniform(1, 3, 5)
        market = PAPER | limits | {"table": (steps, values), "satisfaction": satisfaction}
        best = check_solution(market).asp_utility
        gap = aigc_market.regret(of_package(market), market["cost"], np.full(5, steps[-1]))
        assert gap.leader == pytest.approx(best), seed  # at cost nothing is earned


@pytest.mark.parametrize("paper", [PAPER, SATURATING], ids=["quadratic or table", "saturating"])
@pytest.mark.parametrize("decades", [0.5, 2, 5, 15, 30])
@pytest.mark.parametrize("max_price", [20.0, 1e6, 1e9, 1e15, 1e100])
def test_no_rounding_is_sold_where_prices_may_be_high_or_vmus_differ_much(
    max_price, decades, paper
):
    """Of demand that is gone a last digit must not stay: a high price would make it dear."""
    rng = np.random.default_rng(round(10 * decades))
    for number in range(30):
        K = int(rng.integers(1, 8))
        few = float(rng.choice([0.0, 0.0, 5.0]))
        satisfaction = 200 * 10 ** rng.uniform(-decades / 2, decades / 2, K)
        changes = {"satisfaction": satisfaction, "max_price": max_price, "min_steps": few}
        if number % 3 == 0:
            changes["capacity"] = K * few + 10 ** rng.uniform(0, 3)
        if number % 4 == 0 and paper is PAPER:
            steps = np.append(0.0, np.sort(rng.uniform(1, 250, 5)))
            steps[-1] = 250.0
            changes["table"] = steps, np.sort(rng.uniform(0, 20, 6))
        market = paper | changes
        equilibrium = aigc_market.solve(of_package(market))
        best = brute_force.optimum(market)
        # SciPy's searches, by which the brute force does without a formula, may miss a little.
        missed, lost = (1e-7, 1e-12) if paper is SATURATING else (1e-9, 1e-9)
        assert best * (1 - lost) <= equilibrium.asp_utility <= best * (1 + missed)
        assert brute_force.utility(market, equilibrium.price) == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("market", [PAPER | {"capacity": 4e6}, SATURATING | {"capacity": 2e6}])
def test_a_hundred_thousand_vmus(market):
    delta = 10 ** np.random.default_rng(0).uniform(1, 3, 100_000)
    market = market | {"satisfaction": delta}
    equilibrium = aigc_market.solve(of_package(market))
    best = equilibrium.asp_utility
    assert best == pytest.approx(brute_force.utility(market, equilibrium.price), rel=1e-9)
    tried = (brute_force.utility(market, price) for price in np.linspace(1, 20, 400))
    assert max(tried) <= best * (1 + 1e-9)


any_market = st.one_of(quadratic_markets(), saturating_markets(), table_markets())


@SEARCH
@given(any_market, SHARE, SHARE)
def test_regret_is_what_brute_force_says(market, price_share, steps_share):
    price = market["cost"] + price_share * (market["max_price"] - market["cost"])
    low, high = market["min_steps"], market["max_steps"]
    steps = np.full(len(market["satisfaction"]), low + steps_share * (high - low))
    gap = aigc_market.regret(of_package(market), price, steps)
    assert gap.leader >= 0
    assert 0 <= gap.leader_relative <= 1 + 1e-12
    assert np.all(gap.followers >= 0)
    best = brute_force.optimum(market)
    forgone = best - brute_force.utility(market, price)
    assert gap.leader == pytest.approx(forgone, abs=1e-7 * max(1.0, best))
    if best > 0:
        assert gap.leader_relative == pytest.approx(gap.leader / best, rel=1e-6, abs=1e-7)
    rational = brute_force.surplus(market, price, brute_force.purchases(market, price))
    lost = rational - brute_force.surplus(market, price, steps)
    scale = 1e-9 * (1 + np.abs(rational).max() + price * high)
    np.testing.assert_allclose(gap.followers, lost, atol=scale)


@SEARCH
@given(any_market)
def test_no_regret_at_an_equilibrium(market):
    packaged = of_package(market)
    equilibrium = aigc_market.solve(packaged)
    bought = aigc_market.best_response(packaged, equilibrium.price)
    gap = aigc_market.regret(packaged, equilibrium.price, bought)
    assert gap.leader <= 1e-9 * max(1.0, equilibrium.asp_utility)
    np.testing.assert_array_equal(gap.followers, 0.0)
