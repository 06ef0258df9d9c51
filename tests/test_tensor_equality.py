"""Games on tensors against the parallel environment: the same market, prices and purchases."""

import numpy as np
import pytest
import torch
from tensor_games import LAWS, SCARCE, SCENARIOS, TABLE, Twins, agree

from aigc_market import Scenario
from aigc_market.moves import Drift, Road, Shift, Traffic
from aigc_market.ssim import QuadraticSSIM

# What the parallel environment shows is of single precision, and so is what it takes for a rational
# purchase. Utilities go up to 2,000 a VMU, and are differences of larger numbers.
SINGLE = {"rtol": 1e-4, "atol": 1e-4}
DOUBLE = {"rtol": 1e-6, "atol": 1e-6}

ALL_MOVES = Scenario("all", "noisy", SCARCE, (Drift(), Shift(0.5), Traffic(0.5, 0.3, 0.3)))
BUSY_ROAD = Scenario("busy road", arguments=LAWS, moves=(Road(), Drift(), Shift(0.5)))
TWO_MODELS = [QuadraticSSIM(-0.000174, 0.075), QuadraticSSIM(-0.0003, 0.09, 0.4)]


def play(twins, views, of_rewards, options=None, **of_each):
    """Play an episode to its end, and compare all that is told."""
    told, expected = twins.reset(options, **of_each)
    agree(told, expected, **views)
    assert not told["truncated"].any()
    rounds = twins.settings.max_cycles
    for number in range(rounds):
        told, expected = twins.step()
        infos, rewards = expected.pop("infos"), expected.pop("rewards")
        agree(told, expected, **views, where=f"round {number}")
        agree(told["rewards"], rewards, **of_rewards, where=f"round {number}, reward of")
        if twins.settings.masked:  # they stand among the observations
            infos["asp"].pop("active")
            infos["vmu"].pop("is_active")
        agree(told["infos"], infos, **of_rewards, where=f"round {number}, info of")
        assert told["truncated"].all() == (number == rounds - 1)


@pytest.mark.parametrize(("game", "scenario"), SCENARIOS)
@pytest.mark.parametrize("K", [1, 2, 10, 100])
def test_every_scenario(monkeypatch, game, scenario, K):
    if scenario == "calvano" and K > 1:
        pytest.skip("a market of one VMU")
    arguments = {"scenario": scenario, "K": K, "max_cycles": 4, "history": 2}
    if game == "competition":
        arguments["judged"] = False  # Nash and cartel are compared below
    twins = Twins(game, 3, torch.float64, monkeypatch, **arguments)
    play(twins, DOUBLE, {"rtol": 1e-5, "atol": 2e-3 * K})


@pytest.mark.parametrize(("game", "scenario"), SCENARIOS)
def test_single_precision(monkeypatch, game, scenario):
    judged = {} if game == "stackelberg" else {"judged": False}
    twins = Twins(game, 3, torch.float32, monkeypatch, scenario=scenario, max_cycles=3, **judged)
    play(twins, SINGLE, {"rtol": 1e-4, "atol": 0.05})


@pytest.mark.parametrize(("game", "scenario"), SCENARIOS)
@pytest.mark.parametrize("scaled", [{"normalize": True, "history": 1}, {"scale_rewards": True}])
def test_units(monkeypatch, game, scenario, scaled):
    if game == "competition":
        scaled = scaled | {"judged": False}
    twins = Twins(game, 2, torch.float64, monkeypatch, scenario=scenario, max_cycles=2, **scaled)
    play(twins, DOUBLE, {"rtol": 1e-4, "atol": 1e-2})


@pytest.mark.parametrize("scenario", ["duopoly", "calvano", "road", "hidden"])
def test_nash_and_cartel(monkeypatch, scenario):
    twins = Twins("competition", 2, torch.float64, monkeypatch, scenario=scenario, max_cycles=2)
    play(twins, DOUBLE, {"rtol": 1e-4, "atol": 1e-2})


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_cycles": 1},
        {"K": 3, "history": 1},
        {"vmu_reward": "utility"},
        {"scenario": "hidden", "vmu_reward": "utility", "scale_rewards": True},
        {"scenario": "crowd", "vmu_reward": "utility"},
        {"capacity": 90.0},
        {"capacity": 0.5, "normalize": True},
        {"scenario": "crowd", "capacity": 200.0, "scale_rewards": True},
        {"min_steps": 10, "max_steps": 99.5, "cost": 2.25, "max_price": 17.0, "K": 3},
        {"continuous_actions": False},
        {"continuous_actions": False, "normalize": True, "min_steps": 3.5, "max_steps": 20},
        {"scenario": "crowd", "continuous_actions": False},
        {"ssim": TABLE, "K": 3, "capacity": 300.0},
        {"scenario": ALL_MOVES, "K": 4, "max_cycles": 12},
        {"scenario": ALL_MOVES, "K": 4, "normalize": True, "scale_rewards": True, "max_cycles": 12},
        {"satisfaction": [100.0, 200.0, 300.0], "K": 3, "max_cycles": 3},
    ],
    ids=str,
)
def test_arguments_of_one_provider(monkeypatch, arguments):
    arguments = {"max_cycles": 3} | arguments
    twins = Twins("stackelberg", 3, torch.float64, monkeypatch, **arguments)
    play(twins, DOUBLE, {"rtol": 1e-5, "atol": 1e-2})


@pytest.mark.parametrize(
    "arguments",
    [
        {"M": 1, "max_cycles": 1},
        {"M": 3, "K": 2, "history": 1},
        {"M": 1, "outside": 20.0, "capacity": 60.0},
        {"M": 2, "outside": 20.0, "scale_rewards": True},
        {"M": 3, "cost": [1, 2, 1.5], "max_price": [20, 15, 10], "capacity": [50, 90, 20.5]},
        {"M": 3, "cost": [1, 2, 1.5], "max_price": [20, 15, 10], "continuous_actions": False},
        {"M": 2, "access_cost": [[0, 20, 30], [50, 1, 0]], "K": 3, "normalize": True},
        {"M": 2, "ssim": TWO_MODELS, "scale_rewards": True},
        {"M": 2, "ssim": TABLE, "min_steps": 2},
        {"continuous_actions": False, "price_grid": [[2, 4, 6.5], [3, 5, 7]], "normalize": True},
        {"continuous_actions": False, "outside": 3.0, "min_steps": 1.5, "max_steps": 9.5},
        {"followers": "best_response"},
        {"followers": "best_response", "scenario": "road", "normalize": True},
        {"followers": "best_response", "scenario": "hidden", "capacity": 50.0},
        {"followers": "best_response", "continuous_actions": False, "M": 3},
        {"scenario": BUSY_ROAD, "M": 3, "K": 4, "max_cycles": 8},
        {"scenario": BUSY_ROAD, "M": 2, "K": 10, "max_cycles": 8, "normalize": True},
    ],
    ids=str,
)
def test_arguments_of_several_providers(monkeypatch, arguments):
    arguments = {"judged": False, "max_cycles": 3} | arguments
    twins = Twins("competition", 3, torch.float64, monkeypatch, **arguments)
    play(twins, DOUBLE, {"rtol": 1e-5, "atol": 1e-2})


def drawn(shape, low, high, seed):
    return np.random.default_rng(seed).uniform(low, high, shape)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_market_of_its_own_for_each_game(normalize, dtype):
    N, K = 4, 3
    twins = Twins("stackelberg", N, dtype, K=K, normalize=normalize, max_cycles=2, max_steps=200)
    options = {
        "satisfaction": drawn((N, K), 90, 390, 0),
        "cost": drawn(N, 1.0, 3.0, 1),
        "max_price": drawn(N, 4.0, 20.0, 2),
        "min_steps": drawn(N, 1.0, 9.0, 3),
        "max_steps": drawn(N, 50.0, 200.0, 4),
        "capacity": drawn(N, 60.0, 300.0, 5),
    }
    tolerances = (DOUBLE, 2e-3) if dtype == torch.float64 else (SINGLE, 0.05)
    close = tolerances[0], {"rtol": 1e-4, "atol": tolerances[1]}
    play(twins, *close, **options)
    # The next episode knows nothing of the last; some options are of all games.
    del options["capacity"], options["max_steps"]
    play(twins, *close, options={"max_steps": 70.0}, **options)
    play(twins, *close, options={"cost": 2.5, "max_price": 6.0, "satisfaction": [90.0, 200, 30]})
    play(twins, *close)


@pytest.mark.parametrize("arguments", [{}, {"normalize": True}, {"continuous_actions": False}])
def test_a_competition_of_its_own_for_each_game(arguments):
    N, M, K = 4, 2, 3
    names = {"M": M, "K": K, "outside": 1.0, "judged": False, "max_cycles": 2, "max_steps": 200}
    twins = Twins("competition", N, torch.float64, **names, **arguments)
    options = {
        "satisfaction": drawn((N, K), 90, 390, 0),
        "cost": drawn((N, M), 1.0, 3.0, 1),
        "max_price": drawn((N, M), 4.0, 20.0, 2),
        "min_steps": drawn(N, 1.0, 9.0, 3),
        "max_steps": drawn(N, 50.0, 200.0, 4),
        "capacity": drawn((N, M), 60.0, 300.0, 5),
        "access_cost": drawn((N, M, K), 0.0, 200.0, 6),
        "temperature": drawn(N, 1.0, 100.0, 7),
        "outside": drawn(N, 1.0, 100.0, 8),
    }
    close = DOUBLE, {"rtol": 1e-4, "atol": 2e-3}
    play(twins, *close, **options)
    del options["capacity"], options["temperature"]
    play(twins, *close, options={"temperature": 7.0}, **options)
    play(twins, *close)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("game", ["stackelberg", "competition"])
def test_what_is_out_of_bounds_is_clipped(game, normalize):
    twins = (
        Twins(game, 2, torch.float64, normalize=normalize, judged=False)
        if (game == "competition")
        else Twins(game, 2, torch.float64, normalize=normalize)
    )
    twins.reset()
    rng = np.random.default_rng(0)
    for _ in range(3):
        actions = {}
        for agents in twins.agents.values():
            for agent in agents:
                space = twins.parallel[0].action_space(agent)
                half = (space.high - space.low) / 2
                wide = rng.uniform(space.low - half, space.high + half, (2, *space.shape))
                actions[agent] = wide.astype(np.float32)
        told, expected = twins.step(actions)
        agree(told["rewards"], expected["rewards"], 1e-5, 1e-2)
