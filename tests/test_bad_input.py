"""A walk over every parameter of every public call with bad values.

Each must raise a TypeError or ValueError that names the parameter, the value and what is allowed.
The tables below are checked to hold every parameter: one that is new needs a row here.
"""

import inspect
import re

import gymnasium
import numpy as np
import pytest
import torch

import aigc_market
from aigc_market import competition, competition_v0, ssim, vmus
from aigc_market.competition import followers
from aigc_market.envs.competition.single import RivalEnv
from aigc_market.envs.competition.vector import RivalVectorEnv
from aigc_market.envs.single import PricingEnv
from aigc_market.envs.vector import PricingVectorEnv
from aigc_market.ssim import QuadraticSSIM, TabulatedSSIM, fit_quadratic

NAN, INF = float("nan"), float("inf")

NOT_POSITIVE = [0, -1, -0.5, NAN, INF, -INF, "1", b"1", True, 1j, {}, [NAN], [[], [1]]]
NOT_POSITIVE_NOR_NONE = [*NOT_POSITIVE, None]
NOT_A_COUNT = [0, -1, 1.5, 2.0, NAN, INF, "2", True, None, [2], {}]
NOT_A_FLAG = [0, 1, "yes", None, NAN, []]

ON_MARKET = {
    "K": NOT_A_COUNT,
    "cost": [*NOT_POSITIVE_NOR_NONE, 20.5],
    "max_price": [*NOT_POSITIVE_NOR_NONE, 0.5],
    "satisfaction": [*NOT_POSITIVE, [200.0] * 3, [1.0, -1.0], [1.0, "2"], np.ones((4, 3))],
    "min_steps": [-1, NAN, INF, "10", None, True, {}, 300],
    "max_steps": NOT_POSITIVE_NOR_NONE,
    "capacity": NOT_POSITIVE,
    "ssim": [
        "cubic",
        5,
        True,
        [0.1, 0.2],
        QuadraticSSIM,
        QuadraticSSIM(alpha=[-1e-4] * 3, beta=0.07),
    ],
}
MARKET = {
    **ON_MARKET,
    "active": [
        True,
        1,
        "yes",
        [1, 0],
        [0.0, 1.0],
        [True],
        [True] * 3,
        np.ones((4, 3), bool),
        torch.ones(2),
        {},
    ],
}
VIEW = {
    **ON_MARKET,
    "history": NOT_A_COUNT,
    "max_cycles": NOT_A_COUNT,
    "scenario": ["nowhere", "", 5, 0, False, {}, aigc_market.Scenario],
    "continuous_actions": NOT_A_FLAG,
    "normalize": NOT_A_FLAG,
    "scale_rewards": NOT_A_FLAG,
    "vmu_reward": ["profit", "", None, 5, []],
    "render_mode": ["rgb", "", 5, True, []],
}
BATCHES = {"cost": [[1.0, 2.0]], "satisfaction": [np.ones((3, 2))]}
"""A batch makes a Market, but no environment."""
for name, values in BATCHES.items():
    VIEW[name] = [*VIEW[name], *values]
SINGLE = {**VIEW, "vmus": ["nobody", "", 5, True, {}]}

REQUIRED = {
    "best_response": {"market": aigc_market.Market(), "price": 8.0},
    "solve": {"market": aigc_market.Market()},
    "regret": {"market": aigc_market.Market(), "price": 8.0, "steps": [100.0, 100.0]},
    "QuadraticSSIM": {"alpha": -1e-4, "beta": 0.07},
    "TabulatedSSIM": {"steps": [10, 250], "values": [0.1, 0.9], "at_zero": 0.0},
    "fit_quadratic": {"steps": [0, 1, 2, 3], "values": [0, 3, 4, 3]},
    "Uniform": {"low": 100, "high": 300},
    "LogUniform": {"low": 100, "high": 300},
    "Drawn": {"low": 100, "high": 300, "function": lambda rng: 200.0},
    "SharedLevel": {"level": aigc_market.Uniform(100, 300), "spread": 0.3},
    "DrawnQuadratic": {
        "alpha": aigc_market.Uniform(1e-4, 2e-4),
        "beta": aigc_market.Uniform(0.05, 0.1),
    },
    "DemandShare": {"share": aigc_market.Uniform(0.4, 1)},
    "respond": {"market": aigc_market.Competition(), "prices": [5.0, 6.0]},
    "settle": {
        "market": aigc_market.Competition(),
        "prices": [5.0, 6.0],
        "shares": np.full((2, 2), 0.5),
        "steps": np.full((2, 2), 100.0),
    },
    "best_deviation": {"market": aigc_market.Competition(), "seat": 0, "prices": [5.0, 6.0]},
    "deviation_gains": {"market": aigc_market.Competition(), "prices": [5.0, 6.0]},
    "nash_conv": {"market": aigc_market.Competition(), "prices": [5.0, 6.0]},
    "nash": {"market": aigc_market.Competition()},
    "cartel": {"market": aigc_market.Competition()},
    "profit_gain": {"market": aigc_market.Competition(), "asp_utility": [500.0, 600.0]},
    "price_grid": {"market": aigc_market.Competition()},
}
"""Good values of the arguments that cannot be left out."""

NOT_A_MODE = ["same_step", "", None, 1, True]
NOT_A_MARKET = [None, 5, "paper", {}, aigc_market.Market]
NOT_NUMBERS = [NAN, INF, "8", None, True, {}, [8.0, NAN], [8.0, "9"]]
BOUNDS = {
    "low": [0, -1, NAN, INF, "1", None, True, [1.0, 2.0], 400],
    "high": [0, -1, NAN, INF, "1", None, True, [1.0, 2.0], 50],
}
NOT_A_LAW = [None, 5, "uniform", {}, aigc_market.Uniform, lambda rng: 1.0]
NOT_A_PROBABILITY = [-0.1, 1.1, NAN, INF, "1", None, True, [0.5, 0.5]]
OF_TWO = [[1.0, 2.0, 3.0], np.ones((2, 3))]
"""Of providers; a Competition has two."""
COMPETITION = {
    "M": NOT_A_COUNT,
    "K": NOT_A_COUNT,
    "cost": [*NOT_POSITIVE_NOR_NONE, 20.5, [1.0, 20.5], *OF_TWO],
    "max_price": [*NOT_POSITIVE_NOR_NONE, 0.5, [20.0, 0.5], *OF_TWO],
    "satisfaction": ON_MARKET["satisfaction"],
    "min_steps": ON_MARKET["min_steps"],
    "max_steps": NOT_POSITIVE_NOR_NONE,
    "capacity": [*NOT_POSITIVE, *OF_TWO],
    "ssim": [*ON_MARKET["ssim"], ["quadratic"] * 3, ["quadratic", "cubic"]],
    "access_cost": [-1, NAN, INF, "1", None, True, {}, [1.0] * 3, [[1.0, 2.0, 3.0]] * 2],
    "temperature": [*NOT_POSITIVE_NOR_NONE],
    "outside": [NAN, INF, "1", True, {}],
}
COMPETITION_VIEW = {
    **COMPETITION,
    **{name: values for name, values in VIEW.items() if name not in (*ON_MARKET, "vmu_reward")},
    "followers": ["nobody", "", 5, True, None, {}],
    "price_grid": ["even", 5, 0.5, [0.5, 2.0], [2.0, 20.5], [], [[2.0, 3.0]] * 3, [NAN], True, {}],
    "judged": NOT_A_FLAG,
}
RIVAL = {
    **COMPETITION_VIEW,
    "followers": [*COMPETITION_VIEW["followers"], "agents"],
    "seat": [-1, 2, 0.0, NAN, "0", True, None, [0], {}],
    "rivals": ["nobody", "", 5, True, None, {}, [], ["nash", "cartel"], ["nobody"]],
}
NOT_A_COMPETITION = [*NOT_A_MARKET, aigc_market.Market(), aigc_market.Competition]
BAD_PRICES = [0, -1.0, 5.0, [5.0], [5.0] * 3, [5.0, 0.0], *NOT_NUMBERS]
OF_PAIRS = [0.5, [0.5, 0.5], -np.ones((2, 2)), np.full((3, 2), 0.5), NAN, "1", None, True, {}]
NOT_ONE_POSITIVE = [*NOT_POSITIVE_NOR_NONE, [0.1, 0.1]]
TABLE = {
    "respond": (competition.respond, {"market": NOT_A_COMPETITION, "prices": BAD_PRICES}),
    "settle": (
        competition.settle,
        {
            "market": NOT_A_COMPETITION,
            "prices": BAD_PRICES,
            "shares": [*OF_PAIRS, np.ones((2, 2)), np.zeros((2, 2))],
            "steps": OF_PAIRS,
        },
    ),
    "best_deviation": (
        competition.best_deviation,
        {
            "market": NOT_A_COMPETITION,
            "seat": [-1, 2, 0.0, "0", True, None, [0], {}],
            "prices": BAD_PRICES,
            "tolerance": NOT_ONE_POSITIVE,
        },
    ),
    "deviation_gains": (
        competition.deviation_gains,
        {"market": NOT_A_COMPETITION, "prices": BAD_PRICES, "tolerance": NOT_ONE_POSITIVE},
    ),
    "nash_conv": (competition.nash_conv, {"market": NOT_A_COMPETITION, "prices": BAD_PRICES}),
    "nash": (
        competition.nash,
        {
            "market": NOT_A_COMPETITION,
            "start": [value for value in BAD_PRICES if value is not None],
            "tolerance": NOT_ONE_POSITIVE,
        },
    ),
    "cartel": (competition.cartel, {"market": NOT_A_COMPETITION}),
    "profit_gain": (
        competition.profit_gain,
        {
            "market": NOT_A_COMPETITION,
            "asp_utility": [5.0, [5.0], [5.0] * 3, *NOT_NUMBERS],
            "nash": [5, "nash", {}, competition.Nash],
            "cartel": [5, "cartel", {}, competition.Cartel],
        },
    ),
    "price_grid": (
        competition.price_grid,
        {
            "market": NOT_A_COMPETITION,
            "levels": [0, 1, 2.5, "15", True, None, [15]],
            "margin": [-0.1, NAN, INF, "1", None, True, [0.1, 0.1]],
            "nash": [5, "nash", {}, competition.Nash],
            "cartel": [5, "cartel", {}, competition.Cartel],
        },
    ),
    "Market": (aigc_market.Market, MARKET),
    "Competition": (aigc_market.Competition, COMPETITION),
    "env": (aigc_market.env, VIEW),
    "raw_env": (aigc_market.raw_env, VIEW),
    "parallel_env": (aigc_market.parallel_env, VIEW),
    "PricingEnv": (PricingEnv, SINGLE),
    "PricingVectorEnv": (
        PricingVectorEnv,
        {
            **SINGLE,
            "num_envs": NOT_A_COUNT,
            "judged": NOT_A_FLAG,
            "autoreset_mode": NOT_A_MODE,
            "render_mode": ["ansi", "human", "", 5],
        },
    ),
    "competition_v0.env": (competition_v0.env, COMPETITION_VIEW),
    "competition_v0.parallel_env": (competition_v0.parallel_env, COMPETITION_VIEW),
    "RivalEnv": (RivalEnv, RIVAL),
    "RivalVectorEnv": (
        RivalVectorEnv,
        {
            **RIVAL,
            "num_envs": NOT_A_COUNT,
            "autoreset_mode": NOT_A_MODE,
            "render_mode": ["ansi", "human", "", 5],
        },
    ),
    "best_response": (
        aigc_market.best_response,
        {"market": NOT_A_MARKET, "price": [0, -1.0, *NOT_NUMBERS]},
    ),
    "solve": (aigc_market.solve, {"market": NOT_A_MARKET}),
    "regret": (
        aigc_market.regret,
        {
            "market": NOT_A_MARKET,
            "price": [0.5, 21.0, *NOT_NUMBERS],
            "steps": [100.0, [100.0], [100.0] * 3, [-1.0, 100.0], [100.0, 251.0], *NOT_NUMBERS],
        },
    ),
    "QuadraticSSIM": (
        QuadraticSSIM,
        {
            "alpha": [0, 1e-4, NAN, -INF, "-1", None, True, {}],
            "beta": [0, -1, NAN, INF, "1", None, True, {}],
            "gamma": [NAN, INF, "1", None, True, {}],
        },
    ),
    "TabulatedSSIM": (
        TabulatedSSIM,
        {
            "steps": [[10], [250, 10], [10, 10], [-5, 250], [NAN, 250], "steps", None, [[1, 2]]],
            "values": [[0.1], [0.1, NAN], [0.1, "high"], "values", None, [[0.1, 0.9]]],
            "at_zero": [NAN, INF, "0", True, [0.0, 0.1]],
        },
    ),
    "fit_quadratic": (
        fit_quadratic,
        {
            "steps": [[0, 1, 2], [0, 0, 1, 1], [-1, 0, 1, 2], [NAN, 1, 2, 3], "steps", None],
            "values": [[0, 3, 4], [0, 1, 4, 9], [3, 2, 1, 0], [NAN, 3, 4, 3], "values", None],
        },
    ),
    "Uniform": (aigc_market.Uniform, BOUNDS),
    "LogUniform": (aigc_market.LogUniform, BOUNDS),
    "Drawn": (aigc_market.Drawn, {**BOUNDS, "function": [None, 5, "uniform", {}]}),
    "SharedLevel": (
        aigc_market.SharedLevel,
        {"level": NOT_A_LAW, "spread": [-0.1, NAN, INF, "1", None, True, [0.1, 0.2]]},
    ),
    "DrawnQuadratic": (
        aigc_market.DrawnQuadratic,
        {"alpha": NOT_A_LAW, "beta": NOT_A_LAW, "gamma": [NAN, INF, "1", None, True, [1.0, 2.0]]},
    ),
    "DemandShare": (aigc_market.DemandShare, {"share": NOT_A_LAW}),
    "Drift": (
        aigc_market.Drift,
        {
            "persistence": [-0.1, 1, 1.5, NAN, "1", None, True],
            "step": [0, -1, NAN, INF, "1", None, True],
        },
    ),
    "Shift": (aigc_market.Shift, {"probability": NOT_A_PROBABILITY}),
    "Road": (
        aigc_market.Road,
        {
            "rate": [*NOT_POSITIVE_NOR_NONE, [1.0, 2.0]],
            "slowest": [*NOT_POSITIVE_NOR_NONE, [0.01, 0.02], 0.5],
            "fastest": [*NOT_POSITIVE_NOR_NONE, [0.01, 0.02], 0.001],
        },
    ),
    "Traffic": (
        aigc_market.Traffic,
        dict.fromkeys(("busy", "arrival", "departure"), NOT_A_PROBABILITY),
    ),
    "Noisy": (vmus.Noisy, {"sigma": [-0.1, NAN, INF, "1", None, True]}),
    "competition Noisy": (followers.Noisy, {"sigma": [-0.1, NAN, INF, "1", None, True]}),
    "Quantal": (vmus.Quantal, {"temperature": NOT_POSITIVE_NOR_NONE}),
    "MyopicDiscount": (vmus.MyopicDiscount, {"kappa": [-0.1, NAN, INF, "1", None, True]}),
}

ROWS = [
    pytest.param(call, label, name, value, id=f"{label}-{name}-{i}")
    for label, (call, parameters) in TABLE.items()
    for name, values in parameters.items()
    for i, value in enumerate(values)
]


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


@pytest.mark.parametrize(("call", "label", "name", "value"), ROWS)
def test_a_bad_argument_is_named(call, label, name, value):
    arguments = {**REQUIRED.get(label, {}), name: value}
    with pytest.raises((TypeError, ValueError)) as error:
        call(**arguments)
    check_message(error.value, name, value)


def parameters_of(call):
    """Every parameter that a call takes; those behind `**arguments` as the call itself lists."""
    named = inspect.signature(call).parameters.values()
    names = {each.name for each in named if each.kind is not each.VAR_KEYWORD}
    if any(each.kind is each.VAR_KEYWORD for each in named):
        with pytest.raises(TypeError) as error:
            call(no_such_parameter=1)
        names |= set(str(error.value).split("allowed: ")[1].split(", "))
    return names


@pytest.mark.parametrize("label", TABLE)
def test_the_table_has_a_row_for_every_parameter(label):
    call, parameters = TABLE[label]
    assert set(parameters) == parameters_of(call)


def test_the_table_has_every_public_call():
    public = {
        name
        for module in (aigc_market, aigc_market.ssim, competition)
        for name in module.__all__
        if callable(getattr(module, name))
    }
    answers = {"Binding", "Equilibrium", "Gap", "DemandCurve", "QuadraticFit", "Result"}
    answers |= {"Cartel", "Deviation", "Nash", "ProfitGain", "Response", "Settlement"}
    to_be_subclassed = {"Distribution", "Move", "SSIMModel", "LiveSSIM"}
    # Below; by `ssim`; an instance; in test_repaint_service.py.
    elsewhere = {"Scenario", "resolve", "PAPER_SSIM", "RePaintSSIM"}
    # Public by the registries.
    views = {"PricingEnv", "PricingVectorEnv", "RivalEnv", "RivalVectorEnv"}
    views |= {"competition_v0.env", "competition_v0.parallel_env"}
    # Public in `vmus` and `competition.followers`.
    policies = {"Noisy", "competition Noisy", "Quantal", "MyopicDiscount"}
    assert set(TABLE) - views - policies == public - answers - to_be_subclassed - elsewhere


@pytest.mark.parametrize("label", TABLE)
def test_an_unknown_argument_is_named(label):
    call, _ = TABLE[label]
    with pytest.raises(TypeError, match="prize"):
        call(**REQUIRED.get(label, {}), prize=1.0)


VIEWS = [label for label in TABLE if label.endswith(("env", "Env"))]


@pytest.mark.parametrize("label", [*VIEWS, "MarketEnv"])
def test_an_unknown_argument_of_a_view_comes_with_all_those_allowed(label):
    if label == "MarketEnv":
        from aigc_market.torchrl import MarketEnv

        view, takes = MarketEnv, {"num_envs", "game", "dtype", "judged", "ssim", "scenario"}
    else:
        view, takes = TABLE[label][0], TABLE[label][1].keys()
    required = {"num_envs": 2} if label == "MarketEnv" else {}
    with pytest.raises(TypeError, match="'prize' is not a parameter; allowed: ") as error:
        view(**required, prize=1.0)
    allowed = str(error.value).split("allowed: ")[1].split(", ")
    assert len(set(allowed)) == len(allowed)
    assert takes <= set(allowed)


@pytest.mark.parametrize("label", ["Market", "env", "parallel_env", "PricingEnv"])
def test_live_repainting_without_its_model_says_so(monkeypatch, tmp_path, label):
    from aigc_market.ssim.repaint import CheckpointError, diffusion

    # Another test may have loaded it.
    monkeypatch.setattr(ssim, "_default_service", ssim._default_service.__wrapped__)
    monkeypatch.setattr(diffusion, "BUNDLED", tmp_path / "bundled")
    with pytest.raises(CheckpointError, match=r"checkpoint 'bundled' must be.*it is not there"):
        TABLE[label][0](ssim="repaint")


@pytest.mark.parametrize("name", ["cost", "satisfaction", "min_steps", "capacity"])
def test_tensors_of_whole_numbers_are_refused(name):
    with pytest.raises(TypeError, match=f"{name} must be finite numbers.*of type Tensor"):
        aigc_market.Market(**{name: torch.tensor(200)})


@pytest.mark.parametrize("name", ["cost", "satisfaction", "min_steps", "capacity"])
def test_tensors_make_a_market_but_no_environment(name):
    arguments = {name: torch.tensor([200.0, 200.0] if name == "satisfaction" else 20.0)}
    assert isinstance(aigc_market.Market(**arguments).satisfaction, torch.Tensor)
    with pytest.raises(ValueError, match="must be of one market and no tensor"):
        aigc_market.env(**arguments)


def test_a_batch_of_coefficients_makes_no_environment():
    ssim = QuadraticSSIM(alpha=-np.ones((3, 2)), beta=0.07)
    with pytest.raises(ValueError, match=r"ssim must be of one market, got batch axes \(3,\)"):
        aigc_market.env(ssim=ssim)


def test_batches_that_do_not_fit_are_refused_with_their_shapes():
    with pytest.raises(ValueError, match="parameters must agree on the leading") as error:
        aigc_market.Market(cost=np.ones(3), satisfaction=np.ones((4, 2)))
    assert "'cost': (3,)" in str(error.value)
    assert "'satisfaction': (4, 2)" in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            {"satisfaction": lambda rng: 200.0, "normalize": True},
            "satisfaction must have bounds where normalize=True",
        ),
        (
            {"min_steps": 10.2, "max_steps": 10.8, "continuous_actions": False},
            "min_steps and max_steps must have a whole number between them",
        ),
        (
            {"K": 30, "min_steps": 10, "capacity": 299},
            "capacity must be at least K · min_steps = 300",
        ),
        ({"ssim": TabulatedSSIM([0, 99], [0, 1])}, "max_steps must be at most 99, the last step"),
        ({"cost": 5.0, "max_price": 4.0}, "max_price must be at least cost = 5"),
        ({"min_steps": 50, "max_steps": 40}, "max_steps must be at least min_steps = 50"),
        ({"K": 3, "satisfaction": [1.0, 2.0]}, "satisfaction must .* K = 3"),
    ],
)
@pytest.mark.parametrize("label", ["env", "parallel_env", "PricingEnv", "PricingVectorEnv"])
def test_contradictions(label, arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        TABLE[label][0](**arguments)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", 5),
        ("name", None),
        ("vmus", "nobody"),
        ("vmus", 5),
        ("arguments", 5),
        ("arguments", None),
        ("arguments", "cost"),
        ("moves", 5),
        ("moves", None),
        ("moves", [5]),
        ("moves", [aigc_market.Drift]),
        ("moves", aigc_market.Drift()),
    ],
)
def test_a_bad_scenario_is_refused_at_the_latest_where_it_is_used(name, value):
    with pytest.raises((TypeError, ValueError)) as error:
        PricingEnv(scenario=aigc_market.Scenario(**{"name": "mine", name: value}))
    check_message(error.value, name, value)


@pytest.mark.parametrize(("name", "value"), [("cost", -1.0), ("prize", 1.0), ("history", 0)])
def test_bad_arguments_of_a_scenario_are_named(name, value):
    scenario = aigc_market.Scenario("mine", arguments={name: value})
    with pytest.raises((TypeError, ValueError), match=name):
        aigc_market.env(scenario=scenario)


@pytest.mark.parametrize("kind", [list, np.array])
def test_a_scenario_keeps_arguments_of_its_own(kind):
    satisfaction, moves = kind([150.0, 250.0]), [aigc_market.Drift()]
    arguments = {"satisfaction": satisfaction}
    scenario = aigc_market.Scenario("mine", arguments=arguments, moves=moves)
    satisfaction[0], arguments["cost"] = -1.0, -1.0
    moves.clear()
    assert list(scenario.arguments) == ["satisfaction"]
    assert list(scenario.arguments["satisfaction"]) == [150.0, 250.0]
    assert scenario.moves == (aigc_market.Drift(),)


def test_the_walk_knows_every_field_of_a_scenario():
    assert parameters_of(aigc_market.Scenario) == {"name", "vmus", "arguments", "moves"}


RESET_OPTIONS = {
    "cost": [*NOT_POSITIVE_NOR_NONE, 0.5, 21.0],
    "max_price": [*NOT_POSITIVE_NOR_NONE, 0.5, 21.0],
    "satisfaction": [*NOT_POSITIVE_NOR_NONE, [1.0] * 3, 401.0, lambda rng: 200.0],
    "min_steps": [-1, NAN, INF, "10", None, True, {}, 300],
    "max_steps": [*NOT_POSITIVE_NOR_NONE, 300],
    "capacity": NOT_POSITIVE,
}
PARALLEL_OPTIONS = {
    **RESET_OPTIONS,
    "price": [NAN, INF, "8", None, True, {}, [1.0, 2.0], 0.5, 20.5],
}
COMPETITION_OPTIONS = {
    **RESET_OPTIONS,
    "cost": [*RESET_OPTIONS["cost"], [1.0, 21.0], *OF_TWO],
    "max_price": [*RESET_OPTIONS["max_price"], *OF_TWO],
    "capacity": COMPETITION["capacity"],
    "access_cost": [*COMPETITION["access_cost"], 241.0],
    "temperature": COMPETITION["temperature"],
    "outside": COMPETITION["outside"],
}
RESETS = {
    "env": (aigc_market.env, RESET_OPTIONS),
    "parallel_env": (aigc_market.parallel_env, PARALLEL_OPTIONS),
    "PricingEnv": (PricingEnv, RESET_OPTIONS),
    "PricingVectorEnv": (lambda: PricingVectorEnv(num_envs=2), RESET_OPTIONS),
    "RivalEnv": (RivalEnv, COMPETITION_OPTIONS),
    "RivalVectorEnv": (lambda: RivalVectorEnv(num_envs=3), COMPETITION_OPTIONS),
}
every_reset = pytest.mark.parametrize("label", RESETS)


@pytest.mark.parametrize(
    ("label", "name", "value"),
    [
        pytest.param(label, name, value, id=f"{label}-{name}-{i}")
        for label, (_, options) in RESETS.items()
        for name, values in options.items()
        for i, value in enumerate(values)
    ],
)
def test_a_bad_reset_option_is_named(label, name, value):
    env = RESETS[label][0]()
    with pytest.raises((TypeError, ValueError)) as error:
        env.reset(options={name: value})
    check_message(error.value, name, value)


@every_reset
def test_the_walk_knows_every_reset_option(label):
    make, options = RESETS[label]
    with pytest.warns(UserWarning, match="'prize' is unknown and ignored; allowed:") as warned:
        make().reset(options={"prize": 1})
    assert set(str(warned[0].message).split("allowed: ")[1].split(", ")) == set(options)


@every_reset
@pytest.mark.parametrize("options", [5, "cost", ["cost"], True])
def test_bad_options_are_named(label, options):
    with pytest.raises(TypeError) as error:
        RESETS[label][0]().reset(options=options)
    check_message(error.value, "options", options)


@every_reset
@pytest.mark.parametrize("seed", [-1, 1.5, "1", NAN])
def test_a_bad_seed_is_refused_by_gymnasium(label, seed):
    with pytest.raises(gymnasium.error.Error, match=r"Seed must be .*actual (type|value)"):
        RESETS[label][0]().reset(seed=seed)


@pytest.mark.parametrize("label", ["PricingEnv", "PricingVectorEnv", "RivalEnv", "RivalVectorEnv"])
@pytest.mark.parametrize(
    "options", [{"max_steps": np.full(5, 99.0)}, {"satisfaction": np.ones((5, 2))}]
)
def test_options_of_another_number_of_lanes_are_refused(label, options):
    with pytest.raises(ValueError, match="reset options must have batch axes"):
        RESETS[label][0]().reset(options=options)


NOT_A_NUMBER = [
    np.array([NAN], "f4"),
    np.array([INF]),
    NAN,
    -INF,
    None,
    "8",
    True,
    {},
    1j,
    [1.0, 2.0],
    [[8.0]],
    [],
    [[], [1]],
    np.array([True]),
]
NOT_AN_INDEX = [
    *(-1, 96, 1.0, NAN, None, "8", True, [1, 2], [], np.array([1.0]), np.array([[3]])),
    *(np.array([value], "f4") for value in (3.7, -1.0, 400.0)),
]
ACTIONS = [(True, value) for value in NOT_A_NUMBER] + [(False, value) for value in NOT_AN_INDEX]


@pytest.mark.parametrize(("continuous", "action"), ACTIONS)
def test_a_bad_action_of_the_leader(continuous, action):
    aec = aigc_market.env(continuous_actions=continuous)
    views = [view(continuous_actions=continuous) for view in (PricingEnv, RivalEnv)]
    for env in (aec, *views):
        env.reset(seed=0)
        with pytest.raises((TypeError, ValueError)) as error:
            env.step(action)
        check_message(error.value, "the action of asp_0", action)


@pytest.mark.parametrize(("continuous", "action"), ACTIONS)
def test_a_bad_action_of_a_follower(continuous, action):
    if isinstance(action, int) and action == 96:
        action = 251  # 0 to 250 steps
    aec = aigc_market.env(continuous_actions=continuous)
    aec.reset(seed=0)
    aec.step(aec.action_space("asp_0").sample())
    with pytest.raises((TypeError, ValueError)) as error:
        aec.step(action)
    check_message(error.value, "the action of a VMU", action)


@pytest.mark.parametrize(("continuous", "action"), ACTIONS)
@pytest.mark.parametrize("agent", ["asp_0", "vmu_1"])
def test_a_bad_action_in_the_parallel_game(continuous, action, agent):
    if isinstance(action, int) and action == 96:
        action = 251
    env = aigc_market.parallel_env(continuous_actions=continuous)
    env.reset(seed=0)
    actions = {each: env.action_space(each).sample() for each in env.agents}
    with pytest.raises((TypeError, ValueError)) as error:
        env.step({**actions, agent: action})
    name = {"asp_0": "asp_0", "vmu_1": "a VMU"}[agent]
    check_message(error.value, f"the action of {name}", action)


@pytest.mark.parametrize(
    "actions",
    [{}, {"asp_0": 8.0}, {"asp_0": 8.0, "vmu_0": 9.0, "vmu_1": 9.0, "vmu_2": 9.0}, [8.0], None, 5],
)
def test_parallel_actions_of_other_agents(actions):
    env = aigc_market.parallel_env()
    env.reset(seed=0)
    with pytest.raises((TypeError, ValueError), match="actions must be given for exactly") as error:
        env.step(actions)
    assert str(list(actions) if isinstance(actions, dict) else actions) in str(error.value)


BATCH_ACTIONS = [
    (True, value)
    for value in (
        np.full((2, 1), NAN, "f4"),
        np.array([[8.0], [INF]]),
        np.ones(2),
        np.ones((3, 1)),
        np.ones((2, 1), bool),
        [["8"], ["9"]],
        [[1.0], [2.0, 3.0]],
        8.0,
        None,
    )
] + [
    (False, value)
    for value in (
        np.array([0, 96]),
        np.array([0, -1]),
        np.array([0.0, 1.0]),
        np.array([0]),
        np.array([[0], [1]]),
        [True, False],
        [[0], [1, 2]],
        None,
    )
]


@pytest.mark.parametrize(("continuous", "actions"), BATCH_ACTIONS)
def test_bad_actions_of_a_batch(continuous, actions):
    for view in (PricingVectorEnv, RivalVectorEnv):
        env = view(num_envs=2, continuous_actions=continuous)
        env.reset(seed=0)
        with pytest.raises((TypeError, ValueError), match=r"^actions must "):
            env.step(actions)


@pytest.mark.parametrize(
    "steps",
    [
        np.ones(2),
        np.ones((3, 3)),
        np.full((3, 2), NAN),
        np.full((3, 2), INF),
        None,
        "many",
        [[1.0], [2.0, 3.0]],
    ],
)
def test_followers_that_buy_badly_are_named(steps):
    env = PricingVectorEnv(num_envs=3, vmus=lambda market, price, rng: steps)
    env.reset(seed=0)
    with pytest.raises((TypeError, ValueError), match=r"vmus must buy finite steps of shape"):
        env.step(env.action_space.sample())


@pytest.mark.parametrize(
    ("name", "value"), [("steps", "calls"), ("values", "quality"), ("at_zero", NAN)]
)
def test_bad_arguments_of_from_csv_are_named(tmp_path, name, value):
    path = tmp_path / "table.csv"
    path.write_text("steps,ssim\n10,.1\n250,.9\n")
    with pytest.raises(ValueError, match=str(value)):
        TabulatedSSIM.from_csv(path, **{name: value})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        TabulatedSSIM.from_csv(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("view", [aigc_market.env, aigc_market.parallel_env])
@pytest.mark.parametrize("method", ["observation_space", "action_space"])
def test_an_unknown_agent_is_a_key_error_as_everywhere_in_pettingzoo(view, method):
    with pytest.raises(KeyError, match="vmu_9"):
        getattr(view(), method)("vmu_9")
