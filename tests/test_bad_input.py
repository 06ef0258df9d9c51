"""Bad values: each raises a TypeError or ValueError that names the parameter, it, and what may be.

Every kind of bad value is tried on the checks themselves, and what only one call can judge on that
call. Every parameter of every public call and view gets at least one that means nothing anywhere.
"""

import inspect
import re

import gymnasium
import numpy as np
import pettingzoo
import pytest
import torch
from views import Service, menu, menu_lanes, pricing, pricing_lanes, rival, rival_lanes

import aigc_market
from aigc_market import (
    _checks,
    competition,
    competition_v0,
    followers,
    menus,
    menus_v0,
    rules,
    scenarios,
)
from aigc_market.distributions import DrawnSaturating
from aigc_market.envs import competition as several
from aigc_market.envs import menus as contracts
from aigc_market.envs import stackelberg
from aigc_market.ssim import (
    QuadraticSSIM,
    SaturatingSSIM,
    TabulatedSSIM,
    fit_quadratic,
    fit_saturating,
)
from aigc_market.torchrl import MarketEnv

NAN, INF = float("nan"), float("inf")


def check_message(error, name, value):
    message = str(error)
    assert re.search(rf"\b{re.escape(name)}\b", message), f"{name} is not named: {message}"
    assert re.search(r"\bmust\b|\ballowed\b", message), f"what is allowed is not said: {message}"
    texts = {repr(value), str(value)}
    if isinstance(value, (int, float)):
        texts |= {repr(float(value)), f"{value:g}"}
    if isinstance(value, list):
        texts |= {str(item).removesuffix(".0") for item in value} | {str(len(value))}
    if isinstance(value, QuadraticSSIM):
        texts |= {str(value.alpha.shape)}
    if isinstance(value, np.ndarray):
        texts |= {str(value.shape)}
    assert any(text in message for text in texts), f"{value!r} is not shown: {message}"


def refused(call, name, values):
    for value in values:
        with pytest.raises((TypeError, ValueError)) as error:
            call(value)
        check_message(error.value, name, value)


# The checks themselves

NOT_NUMBERS = [NAN, INF, -INF, "1", b"1", None, True, 1j, {}, [NAN], [1.0, "2"], [[], [1]]]
CHECKS = {
    "numeric": (_checks.numeric, {"above": 0}, [0, -1, -0.5, [1.0, -1.0], *NOT_NUMBERS]),
    "numeric, at least": (_checks.numeric, {"at_least": 0}, [-0.1, [1.0, -1.0]]),
    "numeric, at most": (_checks.numeric, {"at_most": 1}, [1.1, [1.0, 2.0]]),
    "numeric, below": (_checks.numeric, {"below": 1}, [1, [0.0, 1.0]]),
    "number": (_checks.number, {}, [[1.0, 2.0], [1.0], np.ones((1, 1)), *NOT_NUMBERS]),
    "integer": (
        _checks.integer,
        {"at_least": 1},
        [0, -1, 1.5, 2.0, NAN, INF, "2", True, None, [2], {}, np.float64(2)],
    ),
    "mask": (
        lambda name, value: _checks.mask(name, value, 2),
        {},
        [True, 1, "yes", [1, 0], [0.0, 1.0], [True], [True] * 3, np.ones((4, 3), bool), {}, None],
    ),
    "mask, tensors": (
        lambda name, value: _checks.mask(name, value, 2),
        {},
        [torch.ones(2), torch.ones(3, dtype=torch.bool)],
    ),
    "instance": (_checks.instance, {"kind": dict, "allowed": "a mapping"}, [None, 5, "x", dict]),
    "flag": (_checks.flag, {}, [0, 1, "yes", None, NAN, []]),
    "choice": (_checks.choice, {"allowed": ["a", "b"]}, ["c", "", 5, True, None, [], {}]),
}


@pytest.mark.parametrize("label", CHECKS)
def test_every_kind_of_bad_value_is_named(label):
    check, limits, values = CHECKS[label]
    refused(lambda value: check("it", value, **limits), "it", values)


@pytest.mark.parametrize("name", ["cost", "satisfaction", "min_steps", "capacity"])
def test_tensors_of_whole_numbers_are_refused(name):
    with pytest.raises(TypeError, match=f"{name} must be finite numbers.*of type Tensor"):
        aigc_market.Market(**{name: torch.tensor(200)})


# Every public call

MARKET = {
    "K": [0],
    "cost": [0, 20.5],
    "max_price": [0, 0.5],
    "satisfaction": [0, [200.0] * 3, np.ones((4, 3))],
    "min_steps": [-1, 300],
    "max_steps": [0],
    "capacity": [0],
    "ssim": [
        "cubic",
        5,
        True,
        [0.1, 0.2],
        QuadraticSSIM,
        QuadraticSSIM(alpha=[-1e-4] * 3, beta=0.07),
    ],
}
OF_TWO = [[1.0, 2.0, 3.0], np.ones((2, 3))]
"""Of providers; a Competition has two."""
COMPETITION = {
    "M": [0],
    "K": [0],
    "cost": [0, 20.5, [1.0, 20.5], *OF_TWO],
    "max_price": [0, 0.5, [20.0, 0.5], *OF_TWO],
    "satisfaction": MARKET["satisfaction"],
    "min_steps": [-1, 300],
    "max_steps": [0],
    "capacity": [0, *OF_TWO],
    "ssim": [*MARKET["ssim"], ["quadratic"] * 3, ["quadratic", "cubic"]],
    "access_cost": [-1, [1.0] * 3, [[1.0, 2.0, 3.0]] * 2],
    "temperature": [0],
    "outside": [NAN],
}
BAD_PRICES = [0, 5.0, [5.0], [5.0] * 3, [5.0, 0.0], [8.0, NAN], [8.0, "9"]]
OF_PAIRS = [0.5, [0.5, 0.5], -np.ones((2, 2)), np.full((3, 2), 0.5), NAN, "1", None]
PRICES = {"market": [aigc_market.Market()], "prices": [*BAD_PRICES, None]}
SOLVED = {"nash": [5, "nash", competition.Nash], "cartel": [5, "cartel", competition.Cartel]}
SEARCHED = {"tolerance": [0, [0.1, 0.1]]}
NO_MARKET = {"market": [None, "paper", 3, aigc_market.Competition()]}
BAD_OFFER = {
    **NO_MARKET,
    "menu": [
        *(None, "menu", 5j, [100.0, 900.0], [[100.0, 900.0, 1.0]], [[100.0]], np.zeros((0, 2))),
        *([[-1.0, 900.0]], [[250.1, 900.0]], [[100.0, -0.1]], [[NAN, 900.0]], [[100.0, INF]]),
        *([["100", "900"]], [[True, False]]),
    ],
}
UNFIT = {
    "steps": [[0, 1, 2], [0, 0, 1, 1], [-1, 0, 1, 2], [NAN, 1, 2, 3], "steps", None],
    "values": [[0, 3, 4], [NAN, 3, 4, 3], "values", None],
}
BOUNDS = {"low": [0, [1.0, 2.0], 400], "high": [0, [1.0, 2.0], 50]}
NOT_A_LAW = [None, 5, "uniform", aigc_market.Uniform, lambda rng: 1.0]
NOT_A_PROBABILITY = [-0.1, 1.1, [0.5, 0.5]]
AT_LEAST_0 = [-0.1, None]
BAD = {
    aigc_market.Market: {**MARKET, "active": [[1, 0], [True] * 3]},
    aigc_market.Competition: COMPETITION,
    aigc_market.best_response: {"market": [aigc_market.Market], "price": [0, [8.0, NAN]]},
    aigc_market.solve: {},
    aigc_market.regret: {
        "price": [0.5, 21.0, [8.0, NAN]],
        "steps": [100.0, [100.0], [100.0] * 3, [-1.0, 100.0], [100.0, 251.0], NAN, None],
    },
    competition.respond: PRICES,
    competition.settle: {
        **PRICES,
        "shares": [*OF_PAIRS, np.ones((2, 2)), np.zeros((2, 2))],
        "steps": OF_PAIRS,
    },
    competition.best_deviation: {**PRICES, **SEARCHED, "seat": [-1, 2, 0.0]},
    competition.deviation_gains: {**PRICES, **SEARCHED},
    competition.nash_conv: PRICES,
    competition.nash: {"start": [*BAD_PRICES, [0.5, 3.0], [3.0, 20.5]], **SEARCHED},
    competition.cartel: {},
    competition.profit_gain: {"asp_utility": [5.0, [5.0], [5.0] * 3, NAN], **SOLVED},
    competition.price_grid: {"levels": [0, 1, 2.5], "margin": [-0.1, [0.1, 0.1]], **SOLVED},
    aigc_market.solve_menu: {**NO_MARKET, "contracts": [0, -1, 1.5, "2", True]},
    menus.first_best: NO_MARKET,
    menus.best_tariff: NO_MARKET,
    menus.choose: BAD_OFFER,
    menus.menu_regret: BAD_OFFER,
    menus.assignment_gaps: {
        **NO_MARKET,
        "steps": [[1.0], [1.0, 2.0, 3.0], [-1.0, 2.0], [1.0, 251.0], [1.0, NAN], None, "12"],
        "fees": [[1.0], [1.0, 2.0, 3.0], [1.0, -2.0], [1.0, NAN], None, "12"],
    },
    QuadraticSSIM: {"alpha": [0, 1e-4], "beta": [0], "gamma": [NAN]},
    SaturatingSSIM: {"gain": [0], "scale": [0], "start": [NAN]},
    TabulatedSSIM: {
        "steps": [[10], [250, 10], [10, 10], [-5, 250], [NAN, 250], "steps", None, [[1, 2]]],
        "values": [[0.1], [0.1, NAN], [0.1, "high"], "values", None, [[0.1, 0.9]]],
        "at_zero": [NAN, [0.0, 0.1]],
    },
    fit_quadratic: {**UNFIT, "values": [*UNFIT["values"], [0, 1, 4, 9], [3, 2, 1, 0]]},
    fit_saturating: UNFIT,
    aigc_market.Uniform: BOUNDS,
    aigc_market.LogUniform: BOUNDS,
    aigc_market.Drawn: {**BOUNDS, "function": [None, 5, "uniform"]},
    aigc_market.SharedLevel: {"level": NOT_A_LAW, "spread": AT_LEAST_0},
    aigc_market.DrawnQuadratic: {"alpha": NOT_A_LAW, "beta": NOT_A_LAW, "gamma": [NAN, [1.0, 2.0]]},
    DrawnSaturating: {"gain": NOT_A_LAW, "scale": NOT_A_LAW, "start": [NAN, [1.0, 2.0]]},
    aigc_market.DemandShare: {"share": NOT_A_LAW},
    aigc_market.Drift: {"persistence": [-0.1, 1, "1"], "step": [0, 1e6]},
    aigc_market.Shift: {"probability": NOT_A_PROBABILITY},
    aigc_market.Road: {
        "rate": [0, [1.0, 2.0]],
        "slowest": [0, [0.01, 0.02], 0.5],
        "fastest": [0, [0.01, 0.02], 0.001],
    },
    aigc_market.Traffic: dict.fromkeys(("busy", "arrival", "departure"), NOT_A_PROBABILITY),
    followers.Noisy: {"sigma": AT_LEAST_0},
    followers.NoisyPairs: {"sigma": AT_LEAST_0},
    followers.Quantal: {"temperature": [0]},
    followers.QuantalChoice: {"temperature": [0]},
    followers.MyopicDiscount: {"kappa": AT_LEAST_0},
}
"""Of each parameter of a call what it alone refuses."""

LEVELS = {"low": 100, "high": 300}
PAPER = {"market": aigc_market.Market()}
OFFER = {**PAPER, "menu": [[100.0, 900.0]]}
DUOPOLY = {"market": aigc_market.Competition()}
TWO_PRICES = {**DUOPOLY, "prices": [5.0, 6.0]}
MEASURED = {"steps": [0, 1, 2, 3], "values": [0, 3, 4, 3.2]}
NEEDED = {
    aigc_market.best_response: {**PAPER, "price": 8.0},
    aigc_market.regret: {**PAPER, "price": 8.0, "steps": [100.0, 100.0]},
    **dict.fromkeys((competition.respond, competition.nash_conv), TWO_PRICES),
    competition.deviation_gains: TWO_PRICES,
    competition.settle: {**TWO_PRICES, "shares": [[0.5] * 2] * 2, "steps": [[100.0] * 2] * 2},
    competition.best_deviation: {**TWO_PRICES, "seat": 0},
    **dict.fromkeys((competition.nash, competition.price_grid), DUOPOLY),
    competition.profit_gain: {**DUOPOLY, "asp_utility": [500.0, 600.0]},
    **dict.fromkeys((aigc_market.solve_menu, menus.first_best, menus.best_tariff), PAPER),
    **dict.fromkeys((menus.choose, menus.menu_regret), OFFER),
    menus.assignment_gaps: {**PAPER, "steps": [1.0, 2.0], "fees": [3.0, 4.0]},
    QuadraticSSIM: {"alpha": -1e-4, "beta": 0.07},
    SaturatingSSIM: {"gain": 3.0, "scale": 40.0},
    TabulatedSSIM: {"steps": [10, 250], "values": [0.1, 0.9], "at_zero": 0.0},
    **dict.fromkeys((fit_quadratic, fit_saturating), MEASURED),
    **dict.fromkeys((aigc_market.Uniform, aigc_market.LogUniform), LEVELS),
    aigc_market.Drawn: {**LEVELS, "function": lambda rng: 200.0},
    aigc_market.SharedLevel: {"level": aigc_market.Uniform(100, 300), "spread": 0.3},
    aigc_market.DrawnQuadratic: dict.fromkeys(("alpha", "beta"), aigc_market.Uniform(0.1, 0.2)),
    DrawnSaturating: dict.fromkeys(("gain", "scale"), aigc_market.Uniform(2, 4)),
}
"""Good arguments of calls that need some."""

ROUNDS = {
    "history": [0],
    "max_cycles": [0],
    "scenario": ["nowhere"],
    "render_mode": ["rgb"],
    **{flag: [1] for flag in ("continuous_actions", "normalize", "scale_rewards", "judged")},
}
LANES = {"num_envs": [0], "copy": [1], "autoreset_mode": ["same_step", 1]}
VIEWS = {
    "env": (aigc_market.env, {"followers": ["nobody"]}, {}),
    "parallel_env": (aigc_market.parallel_env, ROUNDS, {}),
    "pricing": (
        type(pricing()),
        {**ROUNDS, "cost": [[1.0, 2.0]], "vmu_reward": ["profit"], "followers": ["nobody"]},
        {},
    ),
    "pricing lanes": (type(pricing_lanes(2)), LANES, {}),
    "env of several": (
        competition_v0.env,
        {
            **ROUNDS,
            "followers": ["nobody"],
            "price_grid": [
                *("even", 5, 0.5, True, [], [NAN], [0.5, 2.0], [2.0, 20.5]),
                *([[2.0, 3.0]] * 3, np.ones((2, 2, 2))),
            ],
        },
        {},
    ),
    "parallel_env of several": (competition_v0.parallel_env, {"cost": OF_TWO}, {}),
    "rival": (
        type(rival()),
        {
            "followers": ["nobody", "agents"],
            "seat": [-1, 2, 0.0],
            "rivals": ["nobody", "", 5, None, [], ["nash", "cartel"], ["nobody"]],
        },
        {},
    ),
    "rival lanes": (type(rival_lanes(2)), LANES, {}),
    "env of menus": (
        menus_v0.env,
        {
            **ROUNDS,
            "followers": ["nobody", "noisy"],
            "contracts": [0, 2.5],
            "max_fee": [0, 1616.0],
            "cost": [0, 20.5, [1.0, 2.0]],
        },
        {},
    ),
    "parallel_env of menus": (menus_v0.parallel_env, {"max_fee": [[2e3, 2e3]]}, {}),
    "menu": (type(menu()), {"followers": ["nobody", "agents"]}, {}),
    "menu lanes": (type(menu_lanes(2)), LANES, {}),
    "tensors of menus": (
        MarketEnv,
        {"followers": ["quantal"], "contracts": [0], "max_fee": [1616.0]},
        {"num_envs": 2, "game": "menus"},
    ),
    "tensors": (
        MarketEnv,
        {
            "num_envs": [0],
            "game": ["chess"],
            "device": ["nonsense", "meta", None],
            "dtype": [torch.float16, "float32"],
            "state": [1],
            "infos": ["yes"],
            "differentiable": [1],
            "seed": [-1, 2**64],
            "history": [0],
        },
        {"num_envs": 2},
    ),
    "tensors of several": (
        MarketEnv,
        {"followers": ["noisy"]},
        {"num_envs": 2, "game": "competition"},
    ),
}
"""The same of every view, beyond what the market that it plays refuses."""
CALLS = VIEWS | {call.__name__: (call, BAD[call], NEEDED.get(call, {})) for call in BAD}


OF_THREE = {"market": aigc_market.Market(cost=[1.0, 2.0, 3.0])}
PAIRS_OF_THREE = {"market": aigc_market.Competition(cost=np.ones((3, 2)))}
TWO, FOUR = np.full((2, 2), 5.0), np.full((4, 2, 2), 5.0)
UNFITTING = [
    (aigc_market.best_response, OF_THREE, {"price": [5.0, 6.0]}),
    (aigc_market.regret, OF_THREE, {"price": [5.0, 6.0], "steps": TWO[0]}),
    (aigc_market.regret, OF_THREE, {"steps": TWO, "price": 5.0}),
    (rules.settle, OF_THREE, {"price": [5.0, 6.0], "asked": TWO[0]}),
    (rules.settle, OF_THREE, {"asked": TWO, "price": 5.0}),
    (rules.settle, PAPER, {"asked": TWO, "price": [5.0, 6.0, 7.0]}),
    (menus.choose, OF_THREE, {"menu": np.ones((4, 1, 2))}),
    (menus.menu_regret, OF_THREE, {"menu": np.ones((4, 1, 2))}),
    (menus.assignment_gaps, OF_THREE, {"steps": TWO, "fees": TWO[0]}),
    (menus.assignment_gaps, OF_THREE, {"fees": TWO, "steps": TWO[0]}),
    (competition.respond, PAIRS_OF_THREE, {"prices": TWO}),
    (competition.settle, PAIRS_OF_THREE, {"shares": FOUR / 10, "steps": TWO, "prices": [5.0, 5.0]}),
    (competition.settle, PAIRS_OF_THREE, {"steps": FOUR, "shares": TWO / 10, "prices": [5.0, 5.0]}),
]
"""The first of the arguments has the wrong batch."""


@pytest.mark.parametrize(("call", "market", "arguments"), UNFITTING)
def test_another_batch_is_refused_by_name(call, market, arguments):
    name, value = next(iter(arguments.items()))
    for array in (value, torch.tensor(value)):
        refused(lambda it: call(**{**market, **arguments, name: it}), name, [array])


@pytest.mark.parametrize("label", CALLS)
def test_bad_arguments_are_named(label):
    """Every parameter refuses what it must not be, and what means nothing anywhere."""
    call, parameters, good = CALLS[label]
    with pytest.raises(TypeError, match="prize") as error:
        call(**good, prize=1.0)
    names = list(inspect.signature(call).parameters)
    if label in VIEWS:  # they take any, and list those that they know
        names = str(error.value).split("'prize' is not a parameter; allowed: ")[1].split(", ")
    assert len(set(names)) == len(names)
    assert parameters.keys() <= set(names)
    for name in names:
        bad = [{}, *parameters.get(name, ())]
        refused(lambda value, name=name: call(**{**good, name: value}), name, bad)


def test_the_tables_have_every_public_call():
    answers = {"Binding", "Equilibrium", "Gap", "DemandCurve", "QuadraticFit", "SaturatingFit"}
    answers |= {"Result", "Cartel", "Deviation", "Nash", "ProfitGain", "Response", "Settlement"}
    answers |= {"Menu"}
    to_be_subclassed = {"Distribution", "Move", "SSIMModel", "LiveSSIM"}
    # Below; by `ssim`; an instance; the same as `env`; in the tests of the service.
    elsewhere = {"Scenario", "resolve", "PAPER_SSIM", "raw_env", "RePaintSSIM"}
    for module in (aigc_market, aigc_market.ssim, competition):
        names = set(module.__all__) - answers - to_be_subclassed - elsewhere
        public = {getattr(module, name) for name in names if callable(getattr(module, name))}
        assert public <= {call for call, *_ in CALLS.values()}


# What only fails together


LIVE = Service([0, 250], [0, 1])
FAR = aigc_market.Drift(persistence=0.99999, step=0.1)
"""It may take δ beyond what single precision can hold."""
CONTRADICTIONS = [
    (
        {"satisfaction": lambda rng: 200.0, "normalize": True},
        "satisfaction must have bounds .* where normalize=True",
    ),
    (
        {"scenario": aigc_market.Scenario("far", moves=[FAR]), "normalize": True},
        r"satisfaction must have bounds .* where normalize=True.*got .* \[Drift",
    ),
    (
        {"min_steps": 10.2, "max_steps": 10.8, "continuous_actions": False},
        "min_steps and max_steps must have a whole number between them",
    ),
    ({"ssim": TabulatedSSIM([0, 99], [0, 1])}, "max_steps must be at most 99, the last step"),
    ({"cost": 5.0, "max_price": 4.0}, "max_price must be at least cost = "),
    ({"min_steps": 50, "max_steps": 40}, "max_steps must be at least min_steps = 50"),
    ({"K": 3, "satisfaction": [1.0, 2.0]}, r"satisfaction must .*K.* = \(?3"),
    ({"K": 30, "min_steps": 10, "capacity": 299}, "capacity must be at least K · min_steps = 300"),
    ({"scenario": "crowd", "ssim": LIVE}, "ssim must not be live where VMUs come and go"),
]
OF_SEVERAL = [
    *CONTRADICTIONS[:-2],
    ({"capacity": aigc_market.DemandShare(aigc_market.Uniform(0.4, 1))}, "capacity must be"),
    (
        {"scenario": aigc_market.Scenario("busy", moves=[aigc_market.Traffic()])},
        "scenario must not let",
    ),
    ({"capacity": 10.0, "min_steps": 50}, "capacity must add up"),
    (
        {"scenario": "hidden", "continuous_actions": False, "price_grid": "nash_cartel"},
        "price_grid must be prices where the market is drawn",
    ),
]
WIDE = {"satisfaction": aigc_market.Uniform(100, 400)}
OF_MENUS = [
    *(CONTRADICTIONS[i] for i in (0, 3, 4, 6)),
    ({"capacity": 10.0}, "'capacity' is not a parameter; allowed: K, cost"),
    ({"min_steps": 0}, "'min_steps' is not a parameter; allowed: K, cost"),
    ({"ssim": SaturatingSSIM([2.0, 3.0], 40.0)}, "ssim must be the same for all VMUs .* got Satur"),
    ({"ssim": LIVE}, "ssim must not be live where contracts are sold .* got"),
    *(
        (
            {"scenario": aigc_market.Scenario("busy", moves=[move])},
            "scenario must move nothing but satisfaction and ssim .*'busy' has",
        )
        for move in (aigc_market.Traffic(), aigc_market.Road())
    ),
    ({"scenario": "drift"}, r"scenario must be .*'paper', 'hidden'.* got 'drift'"),
    *(
        (arguments, "satisfaction must have bounds .* where contracts are sold")
        for arguments in (
            {"satisfaction": lambda rng: 200.0},
            {"scenario": aigc_market.Scenario("far", moves=[FAR])},
        )
    ),
    ({**WIDE, "max_fee": 3e3}, "max_fee must be at least 3232.76, .* got 3000"),
    ({"ssim": aigc_market.ssim.TabulatedSSIM([0, 250], [5, 0])}, "ssim must gain something"),
    (
        {"scenario": aigc_market.Scenario("level", moves=[aigc_market.Drift()]), "max_fee": 2e3},
        "max_fee must be at least .*, what the best contract may be worth to a VMU, got 2000",
    ),
    ({"followers": "myopic_discount"}, "followers must be .*'quantal'.* got 'myopic_discount'"),
]


@pytest.mark.parametrize("label", [label for label in VIEWS if "tensors" not in label])
def test_contradictions(label, monkeypatch):
    """Nothing is solved before they are found."""
    monkeypatch.setattr(menus, "solve_menu", None)
    several = "several" in label or "rival" in label
    cases = OF_SEVERAL if several else OF_MENUS if "menu" in label else CONTRADICTIONS
    for arguments, complaint in cases:
        with pytest.raises((TypeError, ValueError), match=complaint):
            VIEWS[label][0](**{"scale_rewards": "menu" in label, **arguments})


def test_vmus_cannot_buy_where_a_provider_alone_is_on_a_road():
    with pytest.raises(ValueError, match="scenario must not move access costs"):
        aigc_market.env(scenario=aigc_market.Scenario("alone", moves=[aigc_market.Road()]))


@pytest.mark.parametrize("name", ["cost", "satisfaction", "min_steps", "capacity"])
def test_tensors_and_batches_make_a_market_but_no_environment(name):
    arguments = {name: torch.tensor([200.0, 200.0] if name == "satisfaction" else 20.0)}
    assert isinstance(aigc_market.Market(**arguments).satisfaction, torch.Tensor)
    for view in (aigc_market.env, competition_v0.env, competition_v0.parallel_env):
        with pytest.raises(ValueError, match="must be of one market and no tensor"):
            view(**arguments)
    batch = {"satisfaction": np.ones((3, 2)), "cost": np.ones((3, 2))}.get(name, [20.0, 30.0])
    with pytest.raises(ValueError, match=name):
        competition_v0.env(**{name: batch if name != "capacity" else np.full((3, 2), 20.0)})
    ssim = QuadraticSSIM(alpha=-np.ones((3, 2)), beta=0.07)
    with pytest.raises(ValueError, match=r"ssim must be of one market, got batch axes \(3,\)"):
        aigc_market.env(ssim=ssim)


def test_batches_that_do_not_fit_are_refused_with_their_shapes():
    with pytest.raises(ValueError, match="parameters must agree on the leading") as error:
        aigc_market.Market(cost=np.ones(3), satisfaction=np.ones((4, 2)))
    assert "'cost': (3,)" in str(error.value)
    assert "'satisfaction': (4, 2)" in str(error.value)


@pytest.mark.parametrize(
    ("market", "arguments"),
    [
        (aigc_market.Market, {"cost": np.ones(0)}),
        (aigc_market.Competition, {"satisfaction": np.ones((3, 0, 2))}),
    ],
)
def test_a_batch_of_no_markets_is_refused(market, arguments):
    with pytest.raises(ValueError, match="a batch must hold one market at least, got shapes"):
        market(**arguments)


# Scenarios

SCENARIO = {
    "name": [5, None],
    "followers": ["nobody", 5],
    "arguments": [5, None, "cost"],
    "moves": [5, None, [5], [aigc_market.Drift], aigc_market.Drift(), [aigc_market.Traffic()] * 2],
}


@pytest.mark.parametrize("name", SCENARIO)
def test_a_bad_scenario_is_refused_at_the_latest_where_it_is_used(name):
    assert set(inspect.signature(aigc_market.Scenario).parameters) == set(SCENARIO)

    def use(value):
        pricing(scenario=aigc_market.Scenario(**{"name": "mine", name: value}))

    refused(use, name, SCENARIO[name])


@pytest.mark.parametrize(("name", "value"), [("cost", -1.0), ("history", 0), ("contracts", 2)])
def test_bad_arguments_of_a_scenario_are_named(name, value):
    scenario = aigc_market.Scenario("mine", arguments={name: value})
    with pytest.raises((TypeError, ValueError), match=name):
        aigc_market.env(scenario=scenario)


@pytest.mark.parametrize("name", ["foo", "scenario", "active", 5])
def test_a_scenario_with_arguments_of_no_environment_is_refused_where_it_is_made(name):
    with pytest.raises(TypeError, match=rf"arguments must name .* cost, .* got {name!r}"):
        aigc_market.Scenario("mine", arguments={name: 3})


def test_a_scenario_may_set_what_an_environment_takes():
    settings = (stackelberg.Settings, several.Settings, contracts.Settings)
    known = {name for each in settings for name in each.names()}
    assert set(scenarios.ARGUMENTS) == known - {"scenario"}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"scenario": "hiden"}, "hidden"),
        ({"followers": "noisi"}, "noisy"),
        ({"max_cycle": 5}, "max_cycles"),
    ],
)
def test_a_misspelt_name_is_met_with_the_one_most_like_it(given, meant):
    """Gymnasium adds words of its own behind a TypeError."""
    with pytest.raises((TypeError, ValueError), match=f"; did you mean '{meant}'[?]"):
        pricing(**given)


def test_what_is_like_no_name_is_met_with_none():
    with pytest.raises(ValueError, match=r"got 'xyz'$"):
        _checks.choice("scenario", "xyz", scenarios.SCENARIOS)


# Resets

OPTIONS = {
    "cost": [0, 0.5, 21.0],
    "max_price": [0, 0.5, 21.0],
    "satisfaction": [0, [1.0] * 3, 401.0, lambda rng: 200.0],
    "min_steps": [-1, 300],
    "max_steps": [0, 300],
    "capacity": [0],
}
OF_SEVERAL_OPTIONS = {
    **OPTIONS,
    "cost": [*OPTIONS["cost"], [1.0, 21.0], *OF_TWO],
    "max_price": [*OPTIONS["max_price"], *OF_TWO],
    "capacity": COMPETITION["capacity"],
    "access_cost": [*COMPETITION["access_cost"], 241.0],
    "temperature": [0],
    "outside": [NAN],
}
OF_MENU_OPTIONS = {name: OPTIONS[name] for name in ("cost", "max_price", "max_steps")}
OF_MENU_OPTIONS["satisfaction"] = [0, [1.0] * 3, 201.0, lambda rng: 200.0]
NOT_A_MENU = [
    *(NAN, "8", None, True, {}, 8.0, [1.0, 2.0, 3.0], [[9.0, 20.0]] * 2, np.ones((2, 3, 2))),
    *([[251.0, 20.0]] * 3, [[9.0, 1617.0]] * 3, [[9.0, 20.0], [9.0, 20.0], [-1.0, 5.0]]),
    [[9.0, 20.0], [9.0, 20.0], [9.0, NAN]],
]
NOT_A_PRICE = [NAN, "8", None, [1.0, 2.0, 3.0], 0.5, 20.5]
RESETS = {
    "env": (aigc_market.env, OPTIONS),
    "parallel_env": (
        aigc_market.parallel_env,
        {**OPTIONS, "price": [*NOT_A_PRICE, True, {}, 1e30]},
    ),
    "pricing": (pricing, OPTIONS),
    "pricing lanes": (lambda: pricing_lanes(2), OPTIONS),
    "env of several": (competition_v0.env, OF_SEVERAL_OPTIONS),
    "parallel_env of several": (
        competition_v0.parallel_env,
        {**OF_SEVERAL_OPTIONS, "price": [*NOT_A_PRICE, [0.5, 2.0], [2.0, 21.0]]},
    ),
    **{label: (VIEWS[label][0], OF_MENU_OPTIONS) for label in ("env of menus", "menu")},
    "menu lanes": (lambda: menu_lanes(2), OF_MENU_OPTIONS),
    "parallel_env of menus": (menus_v0.parallel_env, {**OF_MENU_OPTIONS, "menu": NOT_A_MENU}),
    "rival": (rival, OF_SEVERAL_OPTIONS),
    "rival lanes": (lambda: rival_lanes(3), OF_SEVERAL_OPTIONS),
}


@pytest.mark.parametrize("label", RESETS)
def test_bad_resets_are_named(label):
    make, options = RESETS[label]
    env = make()
    for name, values in options.items():
        refused(lambda value, name=name: env.reset(options={name: value}), name, values)
    with pytest.warns(UserWarning, match="'prize' is unknown and ignored; allowed:") as warned:
        env.reset(options={"prize": 1})
    assert set(str(warned[0].message).split("allowed: ")[1].split(", ")) == set(options)
    refused(lambda value: env.reset(options=value), "options", [5, "cost", ["cost"], True])
    for seed in (-1, 1.5, "1", NAN):
        with pytest.raises(gymnasium.error.Error, match=r"Seed must be .*actual (type|value)"):
            env.reset(seed=seed)


@pytest.mark.parametrize(
    "label", ["pricing", "pricing lanes", "rival", "rival lanes", "menu", "menu lanes"]
)
def test_options_of_another_number_of_games_are_refused(label):
    for options in ({"max_steps": np.full(5, 99.0)}, {"satisfaction": np.ones((5, 2))}):
        with pytest.raises(ValueError, match="reset options must have batch axes"):
            RESETS[label][0]().reset(options=options)


# Actions

NOT_A_NUMBER = [
    *(np.array([NAN], "f4"), np.array([INF]), NAN, -INF, None, "8", True, {}, 1j),
    *([1.0, 2.0], [[8.0]], [], [[], [1]], np.array([True])),
]
NOT_AN_INDEX = [
    *(-1, 1000, 1.0, NAN, None, "8", True, [1, 2], [], np.array([1.0]), np.array([[3]])),
    *(np.array([value], "f4") for value in (3.7, -1.0, 400.0)),
]
NOT_SHARES_AND_STEPS = [
    *([1, 1, NAN, 0], [NAN, 1, 1, 0], [1, 1, INF, 0], [1, 1, 10], [[1, 1, 10, 10]]),
    *(0.5, "abcd", None, [True] * 4, [1, 1, 10, "x"]),
]
NOT_INDICES = [*([1, 1, 10], [1.0, 1, 1, 1], [11, 0, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 251], None, 3)]
NOT_NUMBERS_OF_A_MENU = [
    *(np.array([9, 20, 9, 20, 9, NAN], "f4"), np.full(6, INF), 8.0, [1.0, 2.0], np.ones((3, 2))),
    *(None, "8", True, np.ones(6, bool), [9, 20, 9, 20, 9, "x"], np.ones(5), np.ones(7)),
]
NOT_INDICES_OF_A_MENU = [
    *([-1, 0, 0, 0, 0, 0], [251, 0, 0, 0, 0, 0], [0, 96, 0, 0, 0, 0], np.ones(6), [1, 2], None, 3),
]


def acting(make, agent, **arguments):
    """The step of a game by which this agent acts, after or beside the others."""
    env = make(**arguments)
    env.reset(seed=0)
    while getattr(env, "agent_selection", agent) != agent:
        env.step(env.action_space(env.agent_selection).sample())
    if not isinstance(env, pettingzoo.ParallelEnv):
        return env.step
    actions = {each: env.action_space(each).sample() for each in env.agents}
    return lambda action: env.step({**actions, agent: action})


ACTORS = {
    "asp_0 at its turn": aigc_market.env,
    "vmu_0 at its turn": aigc_market.env,
    "asp_0 at once": aigc_market.parallel_env,
    "vmu_1 at once": aigc_market.parallel_env,
    "asp_0 alone": pricing,
    "asp_0 among rivals": rival,
    "asp_0 with a menu at its turn": menus_v0.env,
    "asp_0 with a menu at once": menus_v0.parallel_env,
    "asp_0 with a menu alone": menu,
    "vmu_0 and a menu at its turn": menus_v0.env,
    "vmu_1 and a menu at once": menus_v0.parallel_env,
}


@pytest.mark.parametrize("continuous", [True, False])
@pytest.mark.parametrize("actor", ACTORS)
def test_a_bad_action_is_named(actor, continuous):
    agent = actor.split()[0]
    step = acting(ACTORS[actor], agent, continuous_actions=continuous)
    numbers, indices = NOT_A_NUMBER, NOT_AN_INDEX
    if "menu" in actor:
        numbers, indices = NOT_NUMBERS_OF_A_MENU, NOT_INDICES_OF_A_MENU
        if agent != "asp_0":
            numbers = indices = NOT_AN_INDEX
    named = "asp_0" if agent == "asp_0" else "a VMU"
    refused(step, f"the action of {named}", numbers if continuous else indices)


@pytest.mark.parametrize("continuous", [True, False])
def test_a_bad_choice_among_providers_is_named(continuous):
    env = competition_v0.env(K=1, continuous_actions=continuous)
    env.reset(seed=0)
    refused(env.step, "the action of asp_0", [NAN, "x", [1.0, 2.0], None])
    for _ in range(2):
        env.step(env.action_space("asp_0").sample())
    for bad in NOT_SHARES_AND_STEPS if continuous else NOT_INDICES:
        with pytest.raises((TypeError, ValueError), match="the action of a VMU must be"):
            env.step(bad)
        assert env.agent_selection == "vmu_0"


@pytest.mark.parametrize(
    "actions",
    [{}, {"asp_0": 8.0}, {"asp_0": 8.0, "vmu_0": 9.0, "vmu_1": 9.0, "vmu_2": 9.0}, [8.0], None, 5],
    ids=str,
)
def test_parallel_actions_of_other_agents(actions):
    env = aigc_market.parallel_env()
    env.reset(seed=0)
    with pytest.raises((TypeError, ValueError), match="actions must be given for exactly") as error:
        env.step(actions)
    assert str(list(actions) if isinstance(actions, dict) else actions) in str(error.value)


@pytest.mark.parametrize("continuous", [True, False])
@pytest.mark.parametrize("view", [pricing_lanes, rival_lanes, menu_lanes])
def test_bad_actions_of_a_batch(view, continuous):
    env = view(2, continuous_actions=continuous)
    env.reset(seed=0)
    numbers = [
        *(np.full((2, 1), NAN, "f4"), np.array([[8.0], [INF]]), np.ones(2), np.ones((3, 1))),
        *(np.ones((2, 1), bool), [["8"], ["9"]], [[1.0], [2.0, 3.0]], 8.0, None),
    ]
    indices = [
        *(np.array([0, 96]), np.array([0, -1]), np.array([0.0, 1.0]), np.array([0])),
        *(np.array([[0], [1]]), [True, False], [[0], [1, 2]], None),
    ]
    if view is menu_lanes:
        numbers += [np.array([[9, 20] * 3, [9, 20, 9, 20, 9, NAN]]), np.ones((2, 7)), np.ones(6)]
        indices += [np.full((2, 6), 96), np.full((2, 6), -1), np.ones((2, 6)), [[0] * 6]]
    for actions in numbers if continuous else indices:
        with pytest.raises((TypeError, ValueError), match=r"^actions must "):
            env.step(actions)


# Scripted players that answer badly


HALVES = np.full((2, 2), 0.5)
WHOLE = r"followers must take whole numbers from 0 to 3 of shape "
BADLY = [
    (
        lambda answer: pricing_lanes(3, followers=answer),
        r"followers must buy finite steps of shape \(3, 2\)",
        [
            *(np.ones(2), np.ones((3, 3)), np.full((3, 2), NAN), np.full((3, 2), INF)),
            *(None, "many", [[1.0], [2.0, 3.0]]),
        ],
    ),
    (
        lambda answer: menu(followers=answer),
        WHOLE + r"\(2,\), got ",
        [None, "many", 1, NAN, [1.0, 1.0], [4, 4], [-1, -1], np.ones((5, 2), int)],
    ),
    (
        lambda answer: menu_lanes(3, followers=answer),
        WHOLE + r"\(3, 2\), got ",
        [None, "many", 1, NAN, np.ones((3, 2)), [[4] * 2] * 3, [[-1] * 2] * 3, [[1], [2, 3]]],
    ),
    *(
        (lambda answer: rival(followers=answer), complaint, answers)
        for complaint, answers in {
            r"must answer with \(shares, steps\)": [None, HALVES],
            r"finite steps of shape \(2, 2\)": [(HALVES, np.ones(2))],
            "finite shares": [(np.full((2, 2), NAN), HALVES)],
            "add up to 1": [(np.ones((2, 2)), HALVES)],
            "at least 0": [(np.array([[1.5, 1], [-0.5, 0]]), HALVES)],
        }.items()
    ),
    (
        lambda answer: rival_lanes(3, rivals=answer),
        r"rivals must post .* of shape \(3,\) .* got ",
        [0.5, 20.5, NAN, INF, None, "8", True, [8.0, 8.0], np.full((3, 1), 8.0), lambda: 8.0],
    ),
]


@pytest.mark.parametrize(("make", "complaint", "answers"), BADLY, ids=range(len(BADLY)))
def test_scripted_players_that_answer_badly_are_named(make, complaint, answers):
    def play(env):
        env.reset(seed=0)
        env.step(env.action_space.sample())

    for answer in answers:
        with pytest.raises((TypeError, ValueError), match=complaint):
            play(make(lambda *_, answer=answer: answer))


# Names


@pytest.mark.parametrize("view", [aigc_market.env, aigc_market.parallel_env, menus_v0.env])
@pytest.mark.parametrize("method", ["observation_space", "action_space"])
def test_an_unknown_agent_is_a_key_error_as_everywhere_in_pettingzoo(view, method):
    with pytest.raises(KeyError, match="vmu_9"):
        getattr(view(), method)("vmu_9")
