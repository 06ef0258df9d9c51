"""The examples with third-party libraries: how they measure, some of them run, their table."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import supersuit

import aigc_market

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))

import library_tables
import measurements

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
TABLE = tomllib.loads((EXAMPLES / "libraries.toml").read_text())
ALONE = {"cleanrl_ppo", "minari_offline", "rllib_ppo", "train_sb3"}
"""They train the leader among scripted followers, and print its regret."""
ON_TENSORS = {"benchmarl_task", "tensors_pathwise", "tensors_ppo"}
"""They measure themselves by the infos of their games."""
BOTH = sorted(set(TABLE) - ALONE - ON_TENSORS)
LINE = re.compile(r"leader's share (-?\d\.\d{4}), followers' gap (–|[\d.]+%)")


def run(name, folder, *arguments):
    """The lines that an example prints which was copied alone into an empty folder."""
    shutil.copy(EXAMPLES / f"{name}.py", folder)
    command = [sys.executable, f"{name}.py", *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    streams = {"capture_output": True, "text": True}
    done = subprocess.run(command, cwd=folder, env=env, check=False, timeout=1800, **streams)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def measure(name, act):
    """What an example prints of a policy that was learned elsewhere: share and gap."""
    tree = ast.parse((EXAMPLES / f"{name}.py").read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    body = tree.body[tree.body.index(functions["act"]) + 1 :]
    constants = [
        node
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign))
        and any(word in ast.unparse(node).split()[0] for word in ("ARGUMENTS", "K"))
    ]
    makers = [functions[name] for name in ("wrapped", "padded") if name in functions]
    for maker in makers:
        maker.returns = None
    printed = []
    nothing = SimpleNamespace(stop=lambda: None, shutdown=lambda: None)
    names = {"act": act, "aigc_market": aigc_market, "np": np, "supersuit": supersuit}
    names |= {"Any": None, "algorithm": nothing, "ray": nothing, "print": printed.append}
    module = ast.Module([*constants, *makers, *body], [])
    exec(compile(module, name, "exec"), names)
    share, gap = LINE.fullmatch(printed[-1]).groups()
    return float(share), float(gap.rstrip("%")) / 100


def policy(name, price, part):
    """A leader with one price, and followers who buy so much of their best response, normalised."""
    discrete, market = name == "tianshou_ppo", aigc_market.Market()

    def act(agent, observation):
        if agent == "asp_0":
            unit = (price - market.cost) / (market.max_price - market.cost)
        else:
            best = aigc_market.best_response(market, observation[1] * market.max_price)[0]
            unit = part * best / market.max_steps
        if discrete:
            return round(unit * (95 if agent == "asp_0" else 250))
        return np.array([2 * unit - 1], np.float32)

    return act


@pytest.mark.parametrize("name", BOTH)
def test_shares_and_gaps_are_those_of_the_best(name):
    share, gap = measure(name, policy(name, 8.0, 1.0))
    assert (share, gap) == pytest.approx((1, 0), abs=1e-4)
    share, gap = measure(name, policy(name, 14.0, 0.5))
    market = aigc_market.Market()
    forgone = aigc_market.regret(market, 14.0, aigc_market.best_response(market, 14.0))
    assert share == pytest.approx(1 - forgone.leader_relative, abs=1e-4)
    # A quadratic surplus loses a quarter where half of the best is bought.
    assert gap == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize(("name", "steps"), [("cleanrl_ppo", "1024"), ("supersuit_sb3", "600")])
def test_examples_run_alone(name, steps, tmp_path):
    share, gap = LINE.fullmatch(run(name, tmp_path, steps)[-1]).groups()
    assert float(share) <= 1
    assert (gap == "–") == (name in ALONE)


def test_playing_by_hand_runs_alone(tmp_path):
    assert "equilibrium price" in run("play_by_hand", tmp_path)[-2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "results"), [("tensors_pathwise", 1), ("tensors_ppo", 1), ("benchmarl_task", 2)]
)
def test_examples_on_tensors_reach_the_equilibrium(name, results, tmp_path):
    found = LINE.findall(run(name, tmp_path)[-1])
    assert len(found) == results
    for share, gap in found:
        assert float(share) >= 0.99
        assert float(gap.rstrip("%")) <= 1.0


def test_every_example_has_an_entry_and_needs_no_other():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names - {"play_by_hand"} == set(TABLE)
    for name in names:
        tree = ast.parse((EXAMPLES / f"{name}.py").read_text())
        imports = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        imports |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        assert not imports & names


def test_the_page_says_what_was_not_run(tmp_path, monkeypatch):
    (tmp_path / "libraries.json").write_text("{}")
    monkeypatch.setattr(measurements, "DOCS", tmp_path)
    assert library_tables.results().count("not run yet") == len(TABLE)
