"""`train` and `evaluate`: every method of the registry, every kept run, a user's own."""

import dataclasses
import sys

import numpy as np
import pandas as pd
import pytest
from views import pricing_lanes

from aigc_market import Scenario, Uniform
from aigc_market.scenarios import SCENARIOS
from baselines import __main__ as command_line
from baselines.arena import seeds
from baselines.arena.overrides import changed
from baselines.arena.registry import REGISTRY
from baselines.arena.task import Task
from baselines.experiments.leaderboard import tune
from baselines.runs.policy_files import read

_ROLLOUT = ("rounds=40", "lanes=2", "n_steps=10", "width=8")
_SB3 = (*_ROLLOUT, "batch_size=10", "n_epochs=1")
_REPLAY = (
    "rounds=40",
    "lanes=2",
    "batch_size=4",
    "width=8",
    "learning_starts=20",
    "buffer_size=40",
)
_SHAPE = ("shape.width=8", "shape.feedforward=8")
_FIT = ("fit.updates=1", "fit.lanes=2", *_SHAPE)
_PATHWISE = ("improvement.updates=1", "improvement.lanes=2")
_PPO = tuple(f"improvement.{part}" for part in _SB3)
SMALL = {
    "tppo": _SB3,
    "ppo": _SB3,
    "recurrent_ppo": _SB3,
    "a2c": _ROLLOUT,
    "sac": _REPLAY,
    "td3": _REPLAY,
    "diffusion_td3": _REPLAY,
    "dqn": _REPLAY,
    "filter": _FIT,
    "filter_ppo": (*_FIT, *_PPO),
    "filter_pathwise": (*_FIT, *_PATHWISE),
}
"""What trains each learned method for a moment."""
LEARNED = [name for name, entry in REGISTRY.items() if entry.trainer is not None]


def run(monkeypatch, words):
    monkeypatch.setattr("sys.argv", ["baselines", *words.split()])
    command_line.main()


def row(capsys):
    """The cells of a printed table's only row."""
    [row] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    return row.replace("│", " ").split()


def small(method):
    return f"train {method} --max-cycles 5 --recipe {' '.join(SMALL[method])}"


@pytest.fixture
def resets(monkeypatch):
    """Seeds that vector environments are reset with; None goes on with the last one's stream."""
    seen = []
    lanes = type(pricing_lanes(2))
    reset = lanes.reset

    def watched(self, *, seed=None, options=None):
        seen.append(seed)
        return reset(self, seed=seed, options=options)

    monkeypatch.setattr(lanes, "reset", watched)
    return seen


@pytest.mark.parametrize("method", LEARNED)
def test_what_is_trained_is_kept_and_evaluated(method, tmp_path, monkeypatch, capsys, resets):
    out = tmp_path / "run"
    market = "--scenario hidden --K 3 --satisfaction 100 200 300"
    run(monkeypatch, f"{small(method)} {market} --seed 4 --out {out}")
    # Nobody is shown or tested on what it was trained on; the rules themselves need no environment.
    *trained, shown = resets
    assert shown == seeds.demonstration_seed(0)
    assert not trained or trained[0] is not None
    assert method != "ppo" or trained[0] == seeds.training_seed(4)
    allowed = (seeds.TRAINING, seeds.VALIDATION)  # in which it is chosen whether noise pays
    assert all(any(seed in part for part in allowed) for seed in trained if seed is not None)
    kept = {path.name for path in out.iterdir() if "-fit-" not in path.name}
    assert kept - {"curve.csv"} == {"policy.safetensors"}
    config, _ = read(out / "policy.safetensors")
    assert (config["method"], config["seed"]) == (method, 4)
    assert config["task"]["scenario"] == "hidden"
    assert config["task"]["arguments"]["K"] == 3
    assert config["rounds"] > 0
    assert config["seconds"] > 0
    trained = row(capsys)
    run(monkeypatch, f"evaluate {out}")
    assert row(capsys) == trained
    run(monkeypatch, f"evaluate {out} --cost 3")
    assert row(capsys)[1] != trained[1]  # another p*


def test_a_learning_curve_is_kept_beside_the_policy(tmp_path, monkeypatch):
    run(monkeypatch, f"{small('ppo')} --out {tmp_path}")
    curve = pd.read_csv(tmp_path / "curve.csv")
    assert curve["done"].is_monotonic_increasing
    assert (curve["reward"] > 0).all()  # as shares of the best


def test_files_of_an_earlier_run_are_not_taken_for_those_of_this(tmp_path, monkeypatch):
    for name in ("curve.csv", "followers.safetensors", "both.png"):
        (tmp_path / name).write_text("of an earlier run")
    run(monkeypatch, f"{small('ppo')} --out {tmp_path}")
    assert {path.name for path in tmp_path.iterdir()} == {"curve.csv", "policy.safetensors"}
    assert "reward" in (tmp_path / "curve.csv").read_text()


@pytest.mark.parametrize("method", ["constant", "bayes_information"])  # tuned, told the law
def test_a_method_that_nobody_trains_is_evaluated_in_a_crowd(method, monkeypatch, capsys):
    run(monkeypatch, f"evaluate {method} --scenario crowd --max-cycles 4 --episodes 3")
    price, best_price, *_ = map(float, row(capsys)[:2])
    assert 1 <= price <= 20
    assert 1 <= best_price <= 20


def test_the_policy_that_comes_along_is_played_by_its_methods_name(monkeypatch, capsys):
    run(monkeypatch, "evaluate filter_pathwise --scenario hidden --max-cycles 5")
    assert "filter_pathwise on hidden-max_cycles5" in capsys.readouterr().out


OWN = """
import numpy as np


def always(task, num_envs, seed):
    return Always(num_envs, task.public().cost + 4.0)


class Always:
    def __init__(self, num_envs, price):
        self.prices = np.full(num_envs, price)

    def act(self, history):
        return self.prices
"""


def test_a_method_of_ones_own_is_evaluated(tmp_path, monkeypatch, capsys):
    (tmp_path / "own_commands.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    run(monkeypatch, "evaluate --method own_commands:always --cost 2")
    assert row(capsys)[0] == "6.000"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{}['x']", "method must be module:factory, got 'own_bad:always': KeyError: 'x'"),
        ("def (", "method must be module:factory, got 'own_bad:always': SyntaxError"),
        ("always = 3", "own_bad:always must be a callable (task, num_envs, seed)"),
        ("def always(*_): pass", "must give a Method, with `act(history)`, got None"),
        ("always = lambda *_: Bad()", "act must give prices of shape (10,), got array(3)"),
    ],
)
def test_a_bad_method_of_ones_own_is_named(tmp_path, monkeypatch, capsys, source, said):
    (tmp_path / "own_bad.py").write_text(f"class Bad:\n    act = lambda *_: 3\n\n\n{source}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "own_bad", raising=False)
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "evaluate --method own_bad:always")
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("evaluate nobody", "leader must be one of tppo, ppo,"),
        ("evaluate", "leader must be a method or a run"),
        ("evaluate greedy --method a:b", "leader must be a method or a run"),
        ("evaluate --method nobody", "--method must be module:factory, got 'nobody'"),
        ("evaluate --method no_module:x", "no_module"),
        ("evaluate ppo", "leader must be trained first"),
        ("evaluate greedy --episodes 0", "--episodes must be a whole number"),
        ("evaluate greedy --satisfaction many", "satisfaction must be one number"),
        ("evaluate greedy --cost -1", "cost must be finite numbers above 0, got -1.0"),
        ("evaluate greedy --ssim none.csv", "none.csv"),
        ("evaluate filter_pathwise --scenario live", "leader must be trained first"),
        ("evaluate greedy --seed -1", "--seed must be a whole number of at least 0"),
        ("train filter_ppo --seed -1", "--seed must be a whole number of at least 0"),
        ("train nobody", "method must be one of"),
        ("train tpo", "got 'tpo'; did you mean 'tppo'?"),
        ("evaluate greedy --scenario hiden", "got 'hiden'; did you mean 'hidden'?"),
        ("evluate greedy", "command must be one of ['reproduce', 'train', 'evaluate'"),
        ("solve --help", "command must be one of ['reproduce', 'train', 'evaluate'"),
        ("train greedy", "greedy must be a method that is trained"),
        ("train ppo --leader ppo", "--leader and --networks are for `train both`"),
        ("train ppo --recipe colour=3", "--recipe must set one of rounds, history"),
        ("train ppo --recipe rounds", "--recipe must be NAME=VALUE, got 'rounds'"),
        ("train filter_pathwise --scenario live", "cannot be trained on live"),
        ("train ppo --out /dev/null/x", "--out must be a folder that can be written to"),
        ("train both --out /dev/null/x", "--out must be a folder that can be written to"),
    ],
)
def test_bad_arguments_end_with_a_message(monkeypatch, tmp_path, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, words)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())  # nothing was begun


@pytest.mark.parametrize("command", command_line._COMMANDS)
def test_every_command_has_help_of_its_own(monkeypatch, capsys, command):
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, f"{command} --help")
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: python -m baselines {command} ")
    assert "{None}" not in told


def test_a_run_plays_no_market_that_looks_otherwise(tmp_path, monkeypatch, capsys):
    run(monkeypatch, f"{small('ppo')} --out {tmp_path}")
    for words, message in (
        ("--K 4", "K is 2 there, got 4"),
        ("--capacity 300", "whether there is a capacity is False there, got True"),
        ("--scenario crowd --K 2", "whether VMUs come and go is False there, got True"),
    ):
        with pytest.raises(SystemExit):
            run(monkeypatch, f"evaluate {tmp_path} {words}")
        assert message in capsys.readouterr().err


# --- recipes


@dataclasses.dataclass(frozen=True)
class Inner:
    updates: int = 3
    name: str = "x"


@dataclasses.dataclass(frozen=True)
class Outer:
    rate: float = 0.1
    deep: bool = True
    inner: Inner = Inner()
    nothing: Inner | None = None


def test_recipes_are_changed_by_name():
    words = "rate=1e-3", "deep=false", "inner.updates=7", "inner.name=y"
    assert changed(Outer(), words) == Outer(1e-3, False, Inner(7, "y"))
    assert changed(Outer(), ()) == Outer()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("rate=fast", "--recipe rate must be a finite number, got 'fast'"),
        ("rate=nan", "--recipe rate must be a finite number, got 'nan'"),
        ("deep=1", "--recipe deep must be true or false, got '1'"),
        ("inner.updates=2.5", "--recipe inner.updates must be a whole number of at least 1"),
        ("inner.updates=0", "--recipe inner.updates must be a whole number of at least 1, got '0'"),
        ("inner.lanes=2", "--recipe must set one of updates, name, got 'inner.lanes'"),
        ("rate.x=2", "rate has no parts"),
        ("nothing.updates=3", "nothing has no parts"),
        ("nothing=3", "--recipe nothing must be left out"),
    ],
)
def test_bad_recipes_are_refused(word, message):
    with pytest.raises(ValueError, match=message):
        changed(Outer(), (word,))


# --- seeds


def test_what_is_shown_is_not_what_is_measured(tmp_path, monkeypatch, resets):
    for words in ("evaluate greedy", "evaluate greedy --seed 3"):
        run(monkeypatch, f"{words} --max-cycles 4")
    assert resets == [seeds.demonstration_seed(0), seeds.demonstration_seed(3)]


def test_tuning_plays_validation_seeds(tmp_path, monkeypatch, resets):
    given = {"trials": 2, "episodes": 4, "tuned": tmp_path / "tuned.json", "workers": 1}
    tune.tune(("cils",), ("paper",), out=tmp_path, **given)
    assert resets
    assert all(seed in seeds.VALIDATION for seed in resets)


# --- a new preset


@pytest.fixture
def commuters(monkeypatch):
    """It has no tuned parameters and no recipe of its own."""
    laws = {"K": 3, "satisfaction": Uniform(100, 300), "max_cycles": 12}
    monkeypatch.setitem(SCENARIOS, "commuters", Scenario("commuters", "noisy", laws))


def test_a_new_preset_is_played_by_all_who_can(commuters, tmp_path, monkeypatch, capsys):
    words = "leaderboard --scenarios commuters --quick --episodes 2 --workers 1"
    run(monkeypatch, f"{words} --out {tmp_path}")
    told = capsys.readouterr().out
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    played = set(table["method"])
    assert "constant" not in played
    assert "constant is left out of commuters: constant needs" in told
    assert {"greedy", "random", "kalman", "bayes", "bayes_thompson"} <= played
    assert np.isfinite(table["share"]).all()


@pytest.mark.parametrize("method", LEARNED)
def test_a_new_preset_has_a_recipe_of_every_learned_method(method, commuters):
    trainer, task = REGISTRY[method].get_trainer(), Task("commuters")
    assert trainer.can_train(task) is None
    assert dataclasses.asdict(trainer.recipe(task))
