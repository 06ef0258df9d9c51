"""The examples with third-party libraries: how they are measured, some of them run, their page."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import aigc_market

ROOT = Path(__file__).parent.parent
TABLE = tomllib.loads((ROOT / "examples" / "libraries.toml").read_text())
ON_TENSORS = {"benchmarl_task", "tensors_pathwise", "tensors_ppo"}
"""They measure themselves, by the infos of their games."""
LINE = re.compile(r"leader's share (\d\.\d{4}), followers' gap (–|[\d.]+%), \d+ s")


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


measure = load(ROOT / "examples" / "measure.py")
write_libraries = load(ROOT / "docs" / "write_libraries.py")


def rational(env, price):
    """Policy of the paper's market: a fixed price, and best responses to any."""
    unit = env.settings.normalize and env.settings.continuous_actions

    def act(agent, observation):
        if agent == "asp_0":
            return measure.price_action(env, price)
        shown = observation[1] * (env.market.max_price if env.settings.normalize else 1.0)
        steps = aigc_market.best_response(env.market, shown)[0]
        if not env.settings.continuous_actions:
            return round(steps - env.market.min_steps)
        low, high = env.market.min_steps, env.market.max_steps
        value = 2 * (steps - low) / (high - low) - 1 if unit else steps
        return np.array([value], np.float32)

    return act


@pytest.mark.parametrize("view", [aigc_market.env, aigc_market.parallel_env])
@pytest.mark.parametrize(
    "arguments", [{}, {"normalize": True}, {"continuous_actions": False, "history": 1}]
)
def test_the_equilibrium_is_worth_all_and_rational_followers_have_no_gap(view, arguments):
    env = view(max_cycles=20, **arguments)
    price, steps = measure.played(env, rational(env, 8.0))
    assert price() == pytest.approx(8.0)
    assert steps(1, 8.0) == pytest.approx(100.57, abs=0.5)
    assert measure.line(price, steps).startswith("leader's share 1.0000, followers' gap 0.0")


def test_regret_and_gaps_are_shares_of_the_best():
    best = aigc_market.solve(aigc_market.Market())
    forgone = aigc_market.regret(aigc_market.Market(), 20.0, best.steps).leader_relative
    line = measure.line(lambda: 20.0, lambda k, price: 0.0)
    assert line.startswith(f"leader's share {1 - forgone:.4f}, ")
    half = [0.5 * aigc_market.best_response(aigc_market.Market(), p)[0] for p in measure.PRICES]
    bought = dict(zip(measure.PRICES, half, strict=True))
    # A quadratic surplus loses a quarter where half of the best is bought.
    gap = measure.follower_gap(aigc_market.Market(), lambda k, price: bought[price])
    assert gap == pytest.approx(0.25)


@pytest.mark.parametrize("name", ["supersuit_sb3", "cleanrl_ppo"])
def test_examples_run_short(name):
    command = [sys.executable, ROOT / "examples" / f"{name}.py", "--short"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    share, gap = LINE.fullmatch(done.stdout.splitlines()[-1]).groups()
    assert float(share) > 0
    assert (gap == "–") == (name == "cleanrl_ppo")


@pytest.mark.parametrize(
    ("name", "results"),
    [
        ("tensors_pathwise", 1),
        pytest.param("tensors_ppo", 1, marks=pytest.mark.slow),
        pytest.param("benchmarl_task", 2, marks=pytest.mark.slow),
    ],
)
def test_examples_on_tensors_reach_the_equilibrium(name, results):
    command = [sys.executable, ROOT / "examples" / f"{name}.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    found = LINE.findall(done.stdout.splitlines()[-1])
    assert len(found) == results
    for share, gap in found:
        assert float(share) >= 0.99
        assert float(gap.rstrip("%")) <= 1.0


def test_every_example_has_an_entry_and_is_short():
    for name in TABLE:
        lines = (ROOT / "examples" / f"{name}.py").read_text().splitlines()
        assert len(lines) <= (80 if name in ON_TENSORS else 120)
    with_measure = {p.stem for p in (ROOT / "examples").glob("*.py") if "measure" in p.read_text()}
    assert with_measure - {"measure"} == set(TABLE) - ON_TENSORS


def test_the_page_is_what_the_runs_say():
    records = json.loads((ROOT / "docs" / "libraries.json").read_text())
    written = (ROOT / "docs" / "libraries.md").read_text()
    assert written == write_libraries.page(TABLE, records)
    assert all(LINE.search(record["line"]) for record in records.values())


def test_the_page_tells_a_run_from_one_with_the_leader_first():
    run = {"version": "1.2", "line": "near", "seconds": 9, "cpu_seconds": 7}
    records = {"rllib_aec": run, "rllib_aec --leader-first": {**run, "line": "far"}}
    page = write_libraries.page(TABLE, records)
    assert "| near | 7 |" in page
    assert "| `rllib_aec.py` | near | far |" in page
    assert page.count("not run yet") == len(TABLE) - 1


def test_learning_rates_are_exchanged_when_asked(monkeypatch):
    assert measure.learning_rates(leader=1.0, followers=2.0) == (1.0, 2.0)
    monkeypatch.setattr(sys, "argv", ["example.py", "--leader-first"])
    assert measure.learning_rates(leader=1.0, followers=2.0) == (2.0, 1.0)


def test_lines_of_code_and_of_glue_are_counted():
    code = ["import a", "", "# Glue: why.", "def f(x):", '    """F."""', "    return [", "    ]"]
    source = "\n".join(['"""Title."""', *code, 'z = """', '"""', ""])
    assert write_libraries.count(source) == (6, 3)
