"""Bad values of the baselines' commands, recipes and methods: each is named, with what may be."""

import pytest

from baselines import __main__ as command_line
from baselines.arena.registry import REGISTRY
from baselines.arena.task import Task
from baselines.experiments.leaderboard import tune
from baselines.experiments.leaderboard.keep import keep
from baselines.followers.both_learning import BothRecipe
from baselines.methods.q_learning.tabular import QRecipe
from baselines.methods.sb3.recipes import GridRecipe, NoisyRecipe, PpoRecipe
from baselines.methods.sellers.deep_recipe import DeepRecipe
from baselines.methods.sellers.recipe import SellerRecipe

WHOLE = "must be a whole number of at least"
COMMANDS = {
    "calvano": {
        "--sellers 1": f"--sellers {WHOLE} 2, got 1",
        "--sellers 5": "--sellers must be among [2, 3, 4], got 5",
        "--sellers 2 2": "--sellers must be different numbers, got [2, 2]",
        "--sessions 0": f"--sessions {WHOLE} 1, got 0",
        "--sessions 5 6": "--sessions must be one number or one for each of --sellers",
        "--checks -1": f"--checks {WHOLE} 0, got -1",
        "--heat -1": f"--heat {WHOLE} 0, got -1",
        "--seed -1": f"--seed {WHOLE} 0, got -1",
        "--workers 0": f"--workers {WHOLE} 1, got 0",
    },
    "compete": {
        "--scenario monopoly": "--scenario must be one of",
        "--scenario calvano:high": "--scenario must be NAME[:HIGHEST_PRICE][=SEEDS], got",
        "--methods sarsa": "--methods: method must be one of",
        "--methods nash_shared": "--methods: method must be one of",
        "--methods filter_ppo": "--methods filter_ppo on duopoly: filter_ppo must be trained",
        "--methods constant": "--methods constant on duopoly: constant needs price",
        "--method nobody": "--method must be module:factory, got 'nobody'",
        "--seeds 0": f"--seeds {WHOLE} 1",
        "--rounds 0": f"--rounds {WHOLE} 1",
        "--workers -1": f"--workers {WHOLE} 1",
    },
    "leaderboard": {
        "--scenarios nowhere": "--scenarios must be one of",
        "--methods nobody": "--methods must be one of",
        "--seeds 0": f"--seeds {WHOLE} 1, got 0",
        "--episodes -2": f"--episodes {WHOLE} 1, got -2",
        "--sizes 0": f"--sizes {WHOLE} 1, got 0",
        "--train-only --no-train": "--train-only must be without --quick and --no-train",
        "--method nobody": "--method must be module:factory, got 'nobody'",
        "--method no_module:Thing": "no_module",
    },
    "menus": {
        "--scenario drift": "--scenario must be one of",
        "--learners dqn": "--learners must be one of ['ppo', 'sac', 'td3', 'diffusion_td3', 'const",
        "--learners ppo=x": "--learners must be NAME[=CONTRACTS]",
        "--learners ppo=0": f"--learners CONTRACTS {WHOLE} 1, got 0",
        "--seeds 0": f"--seeds {WHOLE} 1, got 0",
        "--episodes 0": f"--episodes {WHOLE} 1, got 0",
    },
    "sessions": {
        "--learners nobody": "--learners must be one of ['sac_average', 'sac',",
        "--learners sac=many": "--learners must be NAME",
        "--learners sac=0": f"--learners SESSIONS {WHOLE} 1, got 0",
        "--learners": "must name one at least",
        "--frozen nobody": "--frozen must be one of ['sac_average', 'sac',",
        "--scenario paper": "--scenario must be one of ['duopoly', 'calvano', 'road']",
        "--sessions 0": f"--sessions {WHOLE} 1",
        "--periods 0": f"--periods {WHOLE} 1",
    },
}


@pytest.mark.parametrize(
    ("command", "words"), [(command, words) for command in COMMANDS for words in COMMANDS[command]]
)
def test_bad_options_are_named_and_leave_nothing(monkeypatch, tmp_path, capsys, command, words):
    monkeypatch.setattr("sys.argv", ["baselines", command, *words.split(), "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 2
    assert COMMANDS[command][words] in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


SB3 = {"rounds": 800, "lanes": 4, "n_steps": 50, "batch_size": 100, "n_epochs": 1, "width": 8}
SB3 |= {"learning_rate": 1e-3, "least_rate": 0.0, "log_std_init": -1.5, "history": 3}
REPLAY = {"rounds": 800, "history": 2, "lanes": 4, "learning_rate": 1e-3, "least_rate": 0.0}
REPLAY |= {"batch_size": 16, "buffer_size": 100}
GOOD = {PpoRecipe: SB3, NoisyRecipe: {**REPLAY, "exploration": 0.1}, GridRecipe: REPLAY}
GOOD[DeepRecipe] = {"batch_size": 8, "buffer_size": 32}
RECIPES = {
    QRecipe: {
        "alpha": [0.0, 1.1],
        "beta": [0.0, float("nan")],
        "discount": [1.0, -0.1],
        "memory": [2, True],
        "stable": [0],
        "max_periods": [1.5],
    },
    DeepRecipe: {
        "learner": ["dqn"],
        "objective": ["total"],
        "prices": ["some"],
        "critic_value": ["max"],
        "gamma": [1.0],
        "periods": [0],
        "warm_up": [-1],
        "actor_rate": [0.0],
        "tau": [1.5],
        "noise": [-0.1],
        "clip": [0.0],
        "batch_size": [64],
    },
    SellerRecipe: {"rounds": [0], "prices": ["some"], "learning_rate": [-1.0], "n_steps": [True]},
    PpoRecipe: {
        "rounds": [0],
        "batch_size": [1],
        "learning_rate": [0.0],
        "gamma": [1.5],
        "least_rate": [-0.1],
        "statistics": [1],
    },
    NoisyRecipe: {"exploration": [-0.1], "tau": [0.0, 1.5], "buffer_size": [0]},
    GridRecipe: {"exploration_fraction": [0.0, 1.5], "target_update_interval": [0]},
    BothRecipe: {
        "leader_pace": [0],
        "explore": [-1],
        "every": [0],
        "head_start": [-1],
        "gradient": ["exact"],
    },
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_bad_recipes_are_named(recipe):
    good = GOOD.get(recipe, {})
    for name, values in RECIPES[recipe].items():
        for value in values:
            with pytest.raises((TypeError, ValueError), match=rf"{name} must be .*got '?{value}"):
                recipe(**{**good, name: value})


PARAMETERS = {
    "constant": {"price": [(30.0, "at most 20, got 30")]},
    "greedy": {"epsilon": [(1.5, "at most 1, got 1.5")]},
    "cils": {
        "first": [((5.0, 5.0), "two different prices"), ((5.0, 25.0), "at most 20")],
        "discount": [(1.5, "at most 1, got 1.5")],
    },
    "kalman": {"persistence": [(2.0, "at most 1, got 2")]},
    "epsilon_greedy": {"arms": [(0, "a whole number")], "step": [(-0.1, "at least 0")]},
    "likelihood_grid": {
        "sway": [(-0.1, "at least 0, got -0.1")],
        "fade": [(-1.0, "at least 0, got -1")],
        "discount": [(0.0, "above 0 .*, got 0")],
        "sigma": [(0.0, "above 0, got 0")],
    },
    "bayes_information": {"horizon": [(-1.0, "at least 0")]},
}


@pytest.mark.parametrize("method", PARAMETERS)
def test_bad_parameters_of_methods_are_named(method):
    for name, values in PARAMETERS[method].items():
        for (value, said), scenario in [(v, s) for v in values for s in ("hidden", "paper")]:
            with pytest.raises(ValueError, match=rf"{name} must be .*{said}"):
                REGISTRY[method].make(Task(scenario), 4, 0, **{name: value})


def test_nothing_to_be_done_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"^methods and --scenarios must leave something"):
        tune.tune(scenarios=(), out=tmp_path, tuned=tmp_path / "tuned.json")
    with pytest.raises(ValueError, match=r"^--out must hold trainings of these, by `leaderboard`"):
        keep(out=tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("given", [{"scenarios": ("nowhere",)}, {"methods": ("random",)}], ids=str)
def test_what_cannot_be_tuned_is_refused(tmp_path, given):
    with pytest.raises(ValueError, match=f"{next(iter(given))} must be one of"):
        tune.tune(**given, out=tmp_path, tuned=tmp_path / "tuned.json")
    assert not any(tmp_path.iterdir())
