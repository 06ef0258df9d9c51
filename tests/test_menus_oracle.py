"""Menus of contracts against the reference table, linear programmes, plain loops and grids."""

import dataclasses
import itertools

import brute_force
import competition_by_hand
import menus_by_hand as by_hand
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression
from test_equilibrium_search import of_package
from views import Service

import aigc_market
from aigc_market import Market, menus
from aigc_market.ssim import PAPER_SSIM, QuadraticSSIM, SaturatingSSIM, TabulatedSSIM

SEEDS = st.integers(0, 999_983)
ROUNDING = 1e-10
"""Of steps."""
QUICK = settings(max_examples=60, derandomize=True)


def paper(*satisfaction, **arguments):
    return Market(K=len(satisfaction), satisfaction=list(satisfaction), **arguments)


def scale(market):
    """What a VMU could pay at most, in a plain market."""
    steps = np.linspace(0, market["max_steps"], 5001)
    most = competition_by_hand.gain(market, steps).max()
    return market["satisfaction"].max() * max(most, 1e-3)


def profit(market, menu, taken):
    """What the leader earns by what VMUs take, each a contract from 1 on or none, 0."""
    posted = np.vstack([[0.0, 0.0], menu])[taken]
    return np.sum(posted[:, 1] - market.cost * posted[:, 0])


def drawn(seed, K=None):
    """A random plain market, the package's, and how many contracts there may be."""
    rng = np.random.default_rng(seed)
    market = by_hand.draw(rng, K)
    return market, of_package(market), int(rng.integers(1, len(market["satisfaction"]) + 2)), rng


def random_menu(rng, market, contracts):
    """Contracts of which the dearest cost about all that they are worth."""
    steps = rng.uniform(0, market["max_steps"], contracts)
    return np.stack([steps, rng.uniform(0, 1, contracts) * scale(market)], axis=-1)


REFERENCE = [
    ((200, 200), (201.1494,) * 2, (1609.1954,) * 2, 2816.0920, 1408.0460),
    ((100, 300), (0, 205.9387), (0, 2419.7797), 2213.8410, 1106.9205),
    ((150, 250), (158.0460, 204.0230), (1126.0776, 1264.0086), 2028.0172, 1307.5012),
    (
        (200, 210, 240, 260),
        (197.5575, 197.5575, 202.4556, 204.4651),
        (1605.1545, 1605.1545, 1611.4997, 1613.6919),
        5633.4650,
        3219.2127,
    ),
]


@pytest.mark.parametrize(("satisfaction", "steps", "fees", "utility", "linear"), REFERENCE)
def test_the_reference_table(satisfaction, steps, fees, utility, linear):
    market = paper(*satisfaction)
    found = menus.solve_menu(market)
    np.testing.assert_allclose(found.steps, steps, atol=1e-4)
    np.testing.assert_allclose(found.fees, fees, atol=1e-4)
    assert found.asp_utility == pytest.approx(utility, abs=1e-4)
    assert aigc_market.solve(market).asp_utility == pytest.approx(linear, abs=1e-4)
    taken = menus.choose(market, found.menu)
    assert profit(market, found.menu, taken) == pytest.approx(utility, abs=1e-4)


def check_solution(market, contracts, best):
    """That the menu is one of the game, that its fields agree, and that it earns the best."""
    packaged = of_package(market)
    found = menus.solve_menu(packaged, contracts)
    K = len(market["satisfaction"])
    assert found.menu.shape == (contracts or K, 2)
    steps, fees = found.menu.T
    assert np.all((steps >= 0) & (steps <= market["max_steps"]) & (fees >= 0))
    used = steps[(steps > 0) | (fees > 0)]
    assert np.all(np.diff(used) >= -ROUNDING)
    posted = np.vstack([[0.0, 0.0], found.menu])
    slack = 1e-9 * scale(market)
    np.testing.assert_allclose(posted[found.taken, 0], found.steps, atol=ROUNDING)
    np.testing.assert_allclose(posted[found.taken, 1], found.fees, atol=slack)
    worth = market["satisfaction"] * competition_by_hand.gain(market, found.steps)
    np.testing.assert_allclose(found.vmu_surplus, worth - found.fees, atol=slack)
    offered = competition_by_hand.gain(market, posted[:, 0])
    most = np.max(np.outer(market["satisfaction"], offered) - posted[:, 1], axis=1)
    np.testing.assert_allclose(found.vmu_surplus, most, atol=slack)
    taken = menus.choose(packaged, found.menu)  # of all but equal contracts perhaps another
    for earned in (by_hand.earned(market, found.menu), profit(packaged, found.menu, taken)):
        assert earned == pytest.approx(found.asp_utility, abs=slack * K)
    assert found.asp_utility == pytest.approx(best, rel=1e-6, abs=1e-8 * scale(market) * K)
    return found


MANY = pytest.param(1000, marks=pytest.mark.slow)


@pytest.mark.parametrize("number", [60, MANY])
def test_no_menu_earns_more_and_this_one_earns_it(number):
    """Against every assignment of VMUs to contracts, with all that they might prefer."""
    seen = dict.fromkeys(("left out", "ironed", "top", "few contracts", "nobody"), 0)
    for seed in range(number):
        market, _, contracts, _ = drawn(seed)
        K = len(market["satisfaction"])
        limited = contracts <= K
        best = by_hand.optimum(market, contracts if limited else K)
        found = check_solution(market, contracts if limited else None, best)
        sold = found.steps[found.steps > 0]
        types = np.unique(market["satisfaction"][found.steps > 0])
        seen["nobody"] += len(sold) == 0
        seen["left out"] += 0 < len(sold) < K
        seen["ironed"] += not limited and len(np.unique(sold)) < len(types)
        seen["top"] += bool(np.any(sold == market["max_steps"]))
        seen["few contracts"] += limited and len(types) > contracts
    assert min(seen.values()) >= number // 30, seen


@pytest.mark.parametrize("number", [10, pytest.param(80, marks=pytest.mark.slow)])
def test_no_other_order_of_assignment_earns_more(number):
    """A higher type with a lower contract, a low type that buys while a higher one does not."""
    for seed in range(number):
        market, packaged, _, _ = drawn(seed, K=2 + seed % 3)
        for contracts in (1, 2, 3):
            best = by_hand.optimum(market, contracts, by_hand.any_order)
            found = menus.solve_menu(packaged, contracts).asp_utility
            assert found == pytest.approx(best, rel=1e-6, abs=1e-8 * scale(market))


def of_group(delta, cost, first, last):
    """What one contract earns from the VMUs first … last - 1, in the order of δ, and their w.

    It earns n·w·q − n·c·C(q) where w = (N·δ − N'·δ')/n, N and N' being the VMUs from the first and
    from the last on: each pays for a gain what the lowest of its group would.
    """
    K, ascending = len(delta), np.append(np.sort(delta), 0.0)
    taken_for = (K - first) * ascending[first] - (K - last) * ascending[last]
    weights = taken_for / np.maximum(last - first, 1)
    model = {"alpha": PAPER_SSIM.alpha, "beta": PAPER_SSIM.beta}
    steps = competition_by_hand.purchases(model, np.maximum(weights, 1e-9), cost, 0.0, 250.0)
    each = weights * competition_by_hand.gain(model, steps) - cost * steps
    return (last - first) * each, weights


def of_cuts(delta, cost, cuts):
    """(N,) what menus earn of which contract l is meant for the VMUs from cut l on, (N, L).

    Cuts of which w falls earn -∞: they stand for others, whose groups are joined.
    """
    edges = np.concatenate([cuts, np.full((len(cuts), 1), len(delta))], axis=1)
    earned, weights = of_group(delta, cost, edges[:, :-1], edges[:, 1:])
    wrong = np.any(np.diff(weights, axis=1) < 0, axis=1)
    return np.where(wrong, -np.inf, np.sum(earned, axis=1))


@pytest.mark.parametrize("K", [40, 70, pytest.param(150, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["apart", "close", "pairs"])
def test_few_contracts_for_many_types_against_all_cuts(K, kind):
    rng = np.random.default_rng(K)
    for contracts in (1, 2, 3):
        delta = by_hand.types(rng, kind, K)
        cuts = itertools.combinations(range(K), contracts)
        earned = of_cuts(delta, 1.5, np.array(list(cuts)))
        fewer = menus.solve_menu(paper(*delta, cost=1.5), contracts - 1) if contracts > 1 else None
        best = max(earned.max(), fewer.asp_utility if fewer else 0.0)
        found = menus.solve_menu(paper(*delta, cost=1.5), contracts)
        assert found.asp_utility == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("K", [60, 65, 130, 200])
@pytest.mark.parametrize("space", [np.linspace, np.geomspace])
def test_more_contracts_for_many_types_against_a_plain_table(space, K):
    """Where w rises with δ by itself, any cuts are allowed, and a table finds the best ones."""
    delta, places = space(100.0, 300.0, K), np.arange(K + 1)
    first, last = np.meshgrid(places, places, indexing="ij")
    earned, _ = of_group(delta, 1.5, first, np.maximum(first, last))
    earned[first > last] = -np.inf
    best = np.zeros(K + 1)  # of no contract, for the VMUs before each place
    for contracts in range(1, 9):
        best = np.max(best[:, None] + earned, axis=0)
        found = menus.solve_menu(paper(*delta, cost=1.5), contracts)
        assert found.asp_utility == pytest.approx(best[-1], rel=1e-9), contracts


@QUICK
@given(SEEDS)
def test_laws_of_the_best_menu(seed):
    """Steps rise with δ, nobody loses, and what binds in theory binds."""
    market, packaged, contracts, _ = drawn(seed)
    slack = 1e-9 * scale(market)
    for number in (contracts, None):
        found = menus.solve_menu(packaged, number)
        order = np.argsort(market["satisfaction"], kind="stable")
        steps, fees = found.steps[order], found.fees[order]
        delta, surplus = market["satisfaction"][order], found.vmu_surplus[order]
        assert np.all(np.diff(steps) >= -ROUNDING)
        assert np.all(np.diff(fees) >= -slack)
        assert np.all(surplus >= -slack)
        assert np.all(np.diff(surplus) >= -slack)
        buys = steps > 0
        if np.any(buys):
            assert surplus[np.argmax(buys)] == pytest.approx(0, abs=slack)
        gain = competition_by_hand.gain(market, steps)
        by_next_lower = delta[1:] * gain[:-1] - fees[:-1]
        np.testing.assert_allclose(surplus[1:][buys[1:]], by_next_lower[buys[1:]], atol=slack)
        assert np.all(surplus[~buys] == 0)
        assert np.all(fees[~buys] == 0)
        gaps = menus.assignment_gaps(packaged, found.steps, found.fees)
        for gap in (gaps.incentive, gaps.participation):
            assert np.all((gap >= 0) & (gap <= slack))
        own = menus.menu_regret(packaged, found.menu)
        assert 0 <= own.leader <= slack * len(delta)
        assert 0 <= own.leader_relative <= 1e-6


@QUICK
@given(SEEDS)
def test_no_random_menu_beats_it_and_its_regret_is_as_by_hand(seed):
    market, packaged, contracts, rng = drawn(seed)
    menu = random_menu(rng, market, contracts)
    gap = menus.menu_regret(packaged, menu)
    best = menus.solve_menu(packaged, contracts).asp_utility
    assert gap.leader >= 0
    forgone = best - by_hand.earned(market, menu)
    assert gap.leader == pytest.approx(forgone, abs=1e-8 * scale(market) * packaged.K)
    if best > 1e-6 * scale(market):
        assert gap.leader_relative == pytest.approx(gap.leader / best, rel=1e-6, abs=1e-9)


@QUICK
@given(SEEDS)
def test_gaps_of_any_assignment_are_as_by_hand(seed):
    market, packaged, _, rng = drawn(seed)
    steps, fees = random_menu(rng, market, packaged.K).T
    gain = competition_by_hand.gain(market, steps)
    gaps = menus.assignment_gaps(packaged, steps, fees)
    for k, delta in enumerate(market["satisfaction"]):
        own = delta * gain[k] - fees[k]
        others = max(delta * gain[j] - fees[j] for j in range(packaged.K))
        slack = 1e-9 * scale(market)
        assert gaps.incentive[k] == pytest.approx(max(others - own, 0.0), abs=slack)
        assert gaps.participation[k] == pytest.approx(max(-own, 0.0), abs=slack)


@QUICK
@given(SEEDS)
def test_the_first_best_by_hand(seed):
    market, packaged, _, _ = drawn(seed)
    found = menus.first_best(packaged)
    delta, cost = market["satisfaction"], market["cost"]
    steps = competition_by_hand.purchases(market, delta, cost, 0.0, market["max_steps"])
    worth = delta * competition_by_hand.gain(market, steps)
    np.testing.assert_allclose(found.steps, steps, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.fees, worth, atol=1e-9 * scale(market))
    np.testing.assert_allclose(found.vmu_surplus, 0.0, atol=1e-9 * scale(market))
    assert found.asp_utility == pytest.approx(np.sum(worth - cost * steps), rel=1e-9, abs=1e-9)


def of_tariff(market, prices):
    """(G,) what prices earn, each with the best of all fees, and (G,) those fees.

    Between two VMUs' worth a higher fee loses nobody: so the best fee is what one is worth.
    """
    delta, high = market["satisfaction"], market["max_steps"]
    steps = competition_by_hand.purchases(market, delta, prices, 0.0, high)
    worth = delta * competition_by_hand.gain(market, steps) - prices[:, None] * steps
    fees = np.maximum(worth, 0.0)
    pays = worth[:, None, :] >= fees[:, :, None] - 1e-10 * scale(market)
    margin = (prices - market["cost"])[:, None] * steps
    earned = np.sum(pays * (fees[:, :, None] + margin[:, None, :]), axis=-1)
    best = np.argmax(earned, axis=-1)[:, None]
    return (np.take_along_axis(array, best, -1)[:, 0] for array in (earned, fees))


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_the_best_tariff_against_grids(first):
    """Of tables too, where the last digit of a price may lose a purchase."""
    for seed in range(first, first + 100):
        check_tariff(*drawn(seed)[:2])


LOOSE = {"max_price": 20.0, "min_steps": 0.0, "capacity": None}
LINE = np.array([0.0, 5.7255667353832544, 8.317167503996831, 25.93303792253876])
HARD = {
    "the highest types buy all there is": LOOSE
    | {"gain": 1.097, "scale": 89.42, "cost": 3.418e-4, "max_steps": 250.0}
    | {"satisfaction": np.array([0.1107, 1.2276, 0.4028, 0.2163, 0.5045, 0.6251])},
    "a line, but for its rounding": LOOSE
    | {"satisfaction": np.full(6, 0.275339680470938), "cost": 2.6e-4}
    | {"table": (LINE, [0.3, 0.8519568081924453, 1.1017926330921943, 2.8]), "max_steps": LINE[-1]},
    "a line, but for a hair": LOOSE
    | {"satisfaction": np.array([402.26028407, 55.0366196, 571.44394171, 353.27960471, 806.9])}
    | {"alpha": -(10.0**-18.75), "beta": 0.2046295, "cost": 1.5308, "max_steps": 228.344},
}


@pytest.mark.parametrize("market", HARD.values(), ids=HARD)
def test_the_best_tariff_where_it_is_hard_to_find(market):
    check_tariff(market, of_package(market))


def check_tariff(market, packaged):
    tariff = menus.best_tariff(packaged)
    assert tariff.price >= market["cost"]
    slack = 1e-9 * scale(market) * packaged.K
    earned, _ = of_tariff(market, np.array([tariff.price]))
    assert tariff.asp_utility <= earned[0] + slack  # it earns no more than its price can
    low, high = market["cost"], max(market["cost"], dearest(market))
    best = 0.0
    for _ in range(4):  # at what may be a jump down, and then ever nearer
        prices = np.linspace(low, high, 2001)
        if "table" in market:
            prices = np.union1d(prices, bends(market, low, high))
        earned, _ = of_tariff(market, prices)
        top = np.argmax(earned)
        best = max(best, earned[top])
        low, high = prices[max(top - 2, 0)], prices[min(top + 2, len(prices) - 1)]
    assert tariff.asp_utility == pytest.approx(best, rel=1e-6, abs=slack)


def dearest(market):
    """The price from which on nobody buys."""
    steps = np.append(np.linspace(1e-6, market["max_steps"], 2001), market.get("table", [()])[0])
    steps = steps[(steps > 0) & (steps <= market["max_steps"])]
    return market["satisfaction"].max() * np.max(competition_by_hand.gain(market, steps) / steps)


def bends(market, low, high):
    """Prices at which a VMU's purchase from a table jumps."""
    inside = brute_force.candidates(market | {"max_price": high})
    return inside[(inside >= low) & (inside <= high)]


@QUICK
@given(SEEDS)
def test_what_vmus_choose_against_a_plain_loop(seed):
    """On menus with equal contracts, and fees at which VMUs are in between two choices."""
    market, packaged, _, rng = drawn(seed)
    menu = random_menu(rng, market, int(rng.integers(1, 7)))
    gain = competition_by_hand.gain(market, menu[:, 0])
    for row in range(len(menu)):
        delta, other = rng.choice(market["satisfaction"]), rng.integers(len(menu))
        match rng.integers(5):
            case 0:
                menu[row, 1] = max(delta * gain[row], 0.0)
            case 1:
                menu[row, 1] = max(delta * (gain[row] - gain[other]) + menu[other, 1], 0.0)
            case 2:
                menu[row], gain[row] = menu[other], gain[other]
            case 3:
                menu[row], gain[row] = 0.0, 0.0
    taken = menus.choose(packaged, menu)
    assert np.issubdtype(taken.dtype, np.integer)
    # Equal contracts are one: what is compared is what was bought.
    posted = np.vstack([[0.0, 0.0], menu])
    paid = posted[:, 1] - market["cost"] * posted[:, 0]
    wanted = by_hand.choices(market, menu)
    np.testing.assert_allclose(paid[taken], paid[wanted], atol=1e-12 * scale(market))


@pytest.mark.parametrize(
    ("menu", "taken"),
    [
        ([[100, 1152.0]], 1),  # 200·5.76: worth what it costs, and pays the leader
        ([[100, 1152.0 + 1e-7]], 1),  # within the slack
        ([[100, 1152.0 + 1e-4]], 0),
        ([[100, 1000.0], [200, 1456.0]], 2),  # worth 152 both, and pay 900 and 1256
        ([[100, 1000.0], [200, 1456.0 + 1e-4]], 1),
        ([[200, 100.0], [200, 1608.0]], 1),  # what pays more is no tie
        ([[0, 0.0]], 0),
        ([[100, 1152.0], [0, 0.0], [100, 1152.0]], (1, 3)),
    ],
)
def test_ties_go_to_the_leader(menu, taken):
    market = paper(200.0)
    assert menus.choose(market, menu)[0] in np.ravel(taken)


@pytest.mark.parametrize(("fee", "taken"), [(1152.0, 0), (1152.0 - 1e-7, 0), (1151.9, 1)])
def test_none_is_taken_where_the_leader_would_lose_by_a_tie(fee, taken):
    market = paper(200.0, cost=15.0)
    assert menus.choose(market, [[100, fee]])[0] == taken


def answers(market, menu):
    """Everything that the oracle says of a market and a menu, by name."""
    found = {
        "best": menus.solve_menu(market),
        "few": menus.solve_menu(market, 2),
        "first best": menus.first_best(market),
        "tariff": menus.best_tariff(market),
        "regret": menus.menu_regret(market, menu),
        "taken": menus.choose(market, menu),
    }
    found["gaps"] = menus.assignment_gaps(market, menu[..., 0], menu[..., 1])
    named = {}
    for name, value in found.items():
        if hasattr(value, "_asdict"):
            fields = value._asdict()
        elif dataclasses.is_dataclass(value):
            fields = vars(value)
        else:
            fields = {"": value}
        named |= {f"{name} {field}": array for field, array in fields.items()}
    # Which of two equal contracts is taken, or left out, is rounding's choice.
    del named["few taken"], named["few menu"]
    return named


def model(kind, batch, rng):
    """An SSIM model with coefficients of each market, where it has coefficients."""
    if kind is QuadraticSSIM:
        return QuadraticSSIM(-rng.uniform(1e-4, 3e-4, batch), rng.uniform(0.04, 0.09, batch))
    if kind is SaturatingSSIM:
        return SaturatingSSIM(rng.uniform(1, 5, batch), rng.uniform(15, 90, batch))
    return TabulatedSSIM([0, 30, 80, 90, 250], [0, 1, 1.5, 4, 5])


def batch_of(kind, batch, K=4):
    """Arguments of a market with leading axes, and menus of K contracts."""
    rng = np.random.default_rng(3)
    arguments = {
        "satisfaction": np.stack([by_hand.types(rng, t, K) for t in by_hand.TYPES * 2])[:6],
        "cost": rng.uniform(0.3, 3.0, batch),
        "max_steps": 250.0 if kind is TabulatedSSIM else rng.uniform(60, 250, batch),
    }
    arguments["satisfaction"] = arguments["satisfaction"].reshape(*batch, K)
    menu = np.stack([rng.uniform(0, 60, (*batch, K)), rng.uniform(0, 900, (*batch, K))], axis=-1)
    return arguments | {"K": K, "ssim": model(kind, batch, rng)}, menu


def of_lane(ssim, lane):
    return ssim.map(lambda value: value[lane] if np.ndim(value) else value)


MODELS = pytest.mark.parametrize("kind", [QuadraticSSIM, SaturatingSSIM, TabulatedSSIM])


@pytest.mark.parametrize(("batch", "K"), [((6,), 4), ((2, 3), 4), ((6,), 70)])
@MODELS
def test_a_batch_is_as_its_markets_one_by_one(kind, batch, K):
    arguments, menu = batch_of(kind, batch, K)
    together = answers(Market(**arguments), menu)
    shapes = {"menu": (K, 2), "asp_utility": (), "leader": (), "price": (), "fee": ()}
    for lane in np.ndindex(batch):
        one = {name: v[lane] if np.ndim(v) else v for name, v in arguments.items()}
        one["ssim"] = of_lane(arguments["ssim"], lane)
        for name, alone in answers(Market(**one), menu[lane]).items():
            np.testing.assert_allclose(
                together[name][lane], alone, rtol=1e-9, atol=1e-7, err_msg=name
            )
            own = shapes.get(name.split()[-1])
            if own is not None:
                assert np.shape(alone) == own, name


def as_tensors(arguments, menu):
    changed = dict(arguments)
    for name, value in arguments.items():
        changed[name] = torch.as_tensor(value) if isinstance(value, np.ndarray) else value
    changed["ssim"] = arguments["ssim"].map(lambda v: torch.as_tensor(v) if np.ndim(v) else v)
    return changed, torch.as_tensor(menu)


@pytest.mark.parametrize(("batch", "K"), [((), 4), ((6,), 4), ((6,), 70)])
@MODELS
def test_tensors_say_what_arrays_say(kind, batch, K):
    arguments, menu = batch_of(kind, (6,), K)
    if not batch:
        arguments = {n: v[3] if np.ndim(v) else v for n, v in arguments.items()}
        arguments["ssim"], menu = of_lane(arguments["ssim"], 3), menu[3]
    changed, posted = as_tensors(arguments, menu)
    tensors = answers(Market(**changed), posted)
    for name, array in answers(Market(**arguments), menu).items():
        assert isinstance(tensors[name], torch.Tensor), name
        np.testing.assert_allclose(tensors[name], array, rtol=1e-9, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("contracts", [1, 2, None])
@pytest.mark.parametrize("delta", [[200, 210, 240, 260], [200] * 3, [100, 300, 100, 300, 150]])
def test_single_precision_finds_the_same_menu(delta, contracts):
    single = Market(K=len(delta), satisfaction=torch.tensor(delta, dtype=torch.float32))
    found, double = menus.solve_menu(single, contracts), menus.solve_menu(paper(*delta), contracts)
    assert found.menu.dtype == found.fees.dtype == torch.float32
    assert found.asp_utility.item() == pytest.approx(double.asp_utility, rel=1e-5)
    np.testing.assert_allclose(found.steps, double.steps, rtol=1e-4)
    assert menus.menu_regret(single, found.menu).leader_relative.item() < 1e-5


@pytest.mark.parametrize("contracts", [1, 2, None])
@pytest.mark.parametrize("delta", [[150.0, 250.0, 320.0], [200.0, 210.0, 240.0, 260.0]])
@pytest.mark.parametrize("ssim", [PAPER_SSIM, SaturatingSSIM(3.0975, 41.3)])
def test_gradients_of_the_best_utility(ssim, delta, contracts):
    """By δ and by c, of which the last is -Σ S: what is sold hardly changes by itself."""

    def utility(numbers):
        delta, cost = numbers[:-1], numbers[-1]
        market = Market(K=len(delta), satisfaction=delta, cost=cost, ssim=ssim)
        return menus.solve_menu(market, contracts)

    at = torch.tensor([*delta, 1.5], dtype=torch.float64, requires_grad=True)
    found = utility(at)
    (gradient,) = torch.autograd.grad(found.asp_utility, at)
    for i, step in enumerate(1e-4 * torch.eye(len(at), dtype=torch.float64)):
        change = utility(at.detach() + step).asp_utility - utility(at.detach() - step).asp_utility
        assert gradient[i].item() == pytest.approx(change.item() / 2e-4, rel=1e-5, abs=1e-4)
    assert gradient[-1].item() == pytest.approx(-found.steps.sum().item(), rel=1e-9)


@MODELS
def test_answers_are_the_callers_own(kind):
    """Whoever writes into them changes no market, no menu and no later answer."""
    arguments, menu = batch_of(kind, (6,))
    market, given = Market(**arguments), menu.copy()
    delta = market.satisfaction.copy()
    first = {name: np.copy(value) for name, value in answers(market, menu).items()}
    for name, value in answers(market, menu).items():
        value[...] = -1
        for other, again in answers(market, menu).items():
            np.testing.assert_array_equal(again, first[other], err_msg=f"{other} after {name}")
    np.testing.assert_array_equal(market.satisfaction, delta)
    np.testing.assert_array_equal(menu, given)


@pytest.mark.parametrize("contracts", [1, 3, None])
def test_a_best_menu_of_single_precision_is_chosen_from_as_meant(contracts):
    """Its VMUs are in between two contracts, and rounding the fees must not send them away."""
    for seed in range(20):
        delta = by_hand.types(np.random.default_rng(seed), by_hand.TYPES[seed % 5], 8)
        market = paper(*delta)
        found = menus.solve_menu(market, contracts)
        rounded = found.menu.astype(np.float32)
        taken = menus.choose(market, rounded)
        earned = profit(market, rounded, taken)
        assert earned == pytest.approx(found.asp_utility, rel=1e-5, abs=1e-3)


@pytest.mark.parametrize("decades", [2, 5, 15, 30])
def test_types_that_differ_much(decades):
    """Rounding sells nothing, and nothing is lost to it."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        delta = 200 * 10 ** rng.uniform(-decades / 2, decades / 2, int(rng.integers(1, 8)))
        kind = (QuadraticSSIM, SaturatingSSIM, TabulatedSSIM)[seed % 3]
        market = paper(*delta, ssim=model(kind, (), rng))
        best, seen = (solve(market).asp_utility for solve in (menus.solve_menu, menus.first_best))
        tariff = menus.best_tariff(market).asp_utility
        earned = [aigc_market.solve(market).asp_utility, tariff, best, seen]
        assert np.all(np.diff(earned) >= -1e-9 * np.abs(earned[1:]) - 1e-9), earned
        alone = menus.first_best(paper(delta.max(), ssim=market.ssim)).asp_utility
        for contracts in (1, 2, None):
            found = menus.solve_menu(market, contracts)
            assert found.asp_utility >= alone * (1 - 1e-9)  # of one contract, for the highest type
            taken = menus.choose(market, found.menu)
            paid = profit(market, found.menu, taken)
            assert paid == pytest.approx(found.asp_utility, rel=1e-9, abs=1e-9)
            np.testing.assert_array_equal(found.taken > 0, found.steps > 0)
            assert np.all(found.vmu_surplus >= -1e-8 * delta)


@pytest.fixture(scope="module")
def crowd():
    """So many VMUs that pairs of them fit into no memory."""
    rng = np.random.default_rng(8)
    delta = np.concatenate([rng.uniform(100, 300, 60_000), 10 ** rng.normal(2.3, 0.2, 40_000)])
    return Market(K=len(delta), satisfaction=delta)


def test_a_crowd_is_offered_the_best_menu(crowd):
    """Against the bound that relaxes all but the constraints of neighbours and rising steps."""
    found = menus.solve_menu(crowd)
    order = np.argsort(crowd.satisfaction, kind="stable")
    delta = crowd.satisfaction[order]
    above = np.arange(crowd.K - 1, -1, -1)
    virtual = delta - np.append(np.diff(delta), 0) * above
    pooled = np.maximum(isotonic_regression(virtual).x, 1e-9)
    plain = {"alpha": PAPER_SSIM.alpha, "beta": PAPER_SSIM.beta}
    steps = competition_by_hand.purchases(plain, pooled, 1.0, 0.0, 250.0)
    bound = np.sum(pooled * competition_by_hand.gain(plain, steps) - steps)
    assert found.asp_utility == pytest.approx(bound, rel=1e-9)
    np.testing.assert_allclose(found.steps[order], steps, atol=1e-6)
    gain = competition_by_hand.gain(plain, found.steps[order])
    worth, fees = delta * gain, found.fees[order]
    assert np.all(worth - fees >= -1e-6)
    for near, other in ((slice(1, None), slice(-1)), (slice(-1), slice(1, None))):
        instead = delta[near] * gain[other] - fees[other]
        assert np.all((worth - fees)[near] >= instead - 1e-6)
    some = np.random.default_rng(0).choice(crowd.K, 50, replace=False)
    few = Market(K=50, satisfaction=crowd.satisfaction[some])
    steps, fees = np.vstack([[0.0, 0.0], found.menu])[menus.choose(few, found.menu)].T
    worth = few.satisfaction * competition_by_hand.gain(plain, steps)
    # Neighbours' contracts are all but equally good, and which is taken is rounding's choice.
    np.testing.assert_allclose(worth - fees, found.vmu_surplus[some], atol=1e-5)
    assert np.all(fees - steps >= (found.fees - found.steps)[some] - 1e-5)


def test_a_crowd_is_offered_the_best_three_contracts(crowd):
    """Against cuts between VMUs at random, at quantiles, and beside those of the menu."""
    found = menus.solve_menu(crowd, 3)
    assert found.menu.shape == (3, 2)
    taken = menus.choose(crowd, found.menu)
    assert profit(crowd, found.menu, taken) == pytest.approx(found.asp_utility, rel=1e-9)
    rng = np.random.default_rng(0)
    own = np.searchsorted(np.sort(found.taken), [1, 2, 3])
    cuts = [
        np.sort(rng.integers(0, crowd.K, (20_000, 3)), axis=1),
        np.array(list(itertools.combinations(range(0, crowd.K, 2000), 3))),
        own + rng.integers(-30, 31, (20_000, 3)),
        own + np.array(list(itertools.product(range(-2, 3), repeat=3))),
    ]
    cuts = np.concatenate(cuts)
    cuts = cuts[np.all(np.diff(cuts, axis=1) > 0, axis=1)]
    earned = of_cuts(crowd.satisfaction, 1.0, cuts)
    assert of_cuts(crowd.satisfaction, 1.0, own[None])[0] == pytest.approx(found.asp_utility)
    assert earned.max() <= found.asp_utility * (1 + 1e-9)
    assert found.asp_utility <= menus.solve_menu(crowd).asp_utility


OWN = QuadraticSSIM([-0.000174, -0.0002], 0.075)


REFUSED = [
    ("ssim", {"ssim": Service([0, 250], [0.0, 1.0])}),
    ("min_steps", {"min_steps": 10.0}),
    ("capacity", {"capacity": 300.0}),
    ("active", {"active": [True, False]}),
    ("ssim", {"ssim": OWN}),
    ("ssim", {"ssim": SaturatingSSIM(3.0, [30.0, 40.0])}),
]
ORACLE = {
    "solve_menu": menus.solve_menu,
    "first_best": menus.first_best,
    "best_tariff": menus.best_tariff,
    "choose": lambda market: menus.choose(market, [[100.0, 900.0]]),
    "menu_regret": lambda market: menus.menu_regret(market, [[100.0, 900.0]]),
    "assignment_gaps": lambda market: menus.assignment_gaps(market, [1.0, 2.0], [3.0, 4.0]),
}


@pytest.mark.parametrize("function", ORACLE)
def test_a_market_that_is_none_of_this_game_is_refused_by_name(function):
    for name, arguments in REFUSED:
        with pytest.raises(ValueError, match=name):
            ORACLE[function](Market(**arguments))


def test_one_market_answers_many_menus():
    market, many = Market(satisfaction=[150.0, 250.0]), np.random.default_rng(0)
    many = np.stack([many.uniform(0, 250, (2, 5, 3)), many.uniform(0, 2000, (2, 5, 3))], axis=-1)
    taken, gap = menus.choose(market, many), menus.menu_regret(market, many)
    for lane in np.ndindex(2, 5):
        np.testing.assert_array_equal(taken[lane], menus.choose(market, many[lane]))
        assert gap.leader[lane] == pytest.approx(menus.menu_regret(market, many[lane]).leader)
