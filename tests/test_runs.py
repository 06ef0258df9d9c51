"""What a run keeps: whole files, names by all that a result depends on, checkpoints."""

import json
import os
import sys
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from aigc_market import Move, Scenario, Uniform
from aigc_market.ssim import QuadraticSSIM, TabulatedSSIM
from baselines.runs import digest as module
from baselines.runs import policy_files
from baselines.runs.checkpoint import Checkpoint
from baselines.runs.digest import code_digest, described, digest, module_digest, source_digest
from baselines.runs.files import read_frame, write_csv, write_json


def parts(seed, learning_rate=0.1):
    torch.manual_seed(seed)
    network = nn.Linear(3, 2)
    return network, torch.optim.Adam(network.parameters(), lr=learning_rate)


def update(network, optimizer):
    optimizer.zero_grad()
    network(torch.ones(3)).square().sum().backward()
    optimizer.step()


def kept(path, of, updates=2):
    network, optimizer = parts(0)
    checkpoint = Checkpoint(path, of, every=1)
    for i in range(updates):
        update(network, optimizer)
        checkpoint.keep(i + 1, network, optimizer)
    return network, optimizer


def test_a_checkpoint_puts_back_weights_and_moments(tmp_path):
    path = tmp_path / "run.checkpoint"
    network, optimizer = kept(path, "recipe a")
    again, its = parts(1)
    assert Checkpoint(path, "recipe a").restore(again, its) == 2
    for one, other in ((network, optimizer), (again, its)):
        update(one, other)
    for a, b in zip(network.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_another_recipes_checkpoint_is_left_alone_and_said_so(tmp_path):
    path = tmp_path / "run.checkpoint"
    kept(path, "recipe a")
    network, optimizer = parts(1, learning_rate=0.5)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.warns(UserWarning, match=r"run\.checkpoint is the checkpoint of another training"):
        assert Checkpoint(path, "recipe b").restore(network, optimizer) == 0
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert not optimizer.state


def test_learning_rates_are_the_optimizers_own(tmp_path):
    path = tmp_path / "run.checkpoint"
    kept(path, "recipe a")
    network, optimizer = parts(1, learning_rate=0.5)
    assert Checkpoint(path, "recipe a").restore(network, optimizer) == 2
    assert optimizer.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("config", ["{", "[" * 100_000, "[1]", None])
def test_a_checkpoint_with_broken_json_is_none(tmp_path, config):
    path = tmp_path / "run.checkpoint"
    save_file({"a": torch.ones(2)}, path, metadata=None if config is None else {"config": config})
    with pytest.warns(UserWarning, match=r"run\.checkpoint is the checkpoint of another training"):
        assert Checkpoint(path, "recipe a").restore(*parts(0)) == 0
    with pytest.raises(
        ValueError, match=r"got '.*run\.checkpoint': its config: must be a JSON obj"
    ):
        policy_files.read(path)


@pytest.mark.parametrize(
    ("config", "weights"),
    [
        ({}, {}),
        ({"updates": 3, "seconds": 1.0, "rows": []}, {"network.weight": torch.ones(5)}),
        ({"updates": 3, "seconds": 1.0, "rows": []}, {"optimizer.0.x.step": torch.ones(2)}),
        ({"updates": 3}, None),
    ],
)
def test_a_checkpoint_that_is_not_what_it_says_is_named(tmp_path, config, weights):
    path, (network, _) = tmp_path / "run.checkpoint", parts(1)
    whole = {f"network.{name}": value for name, value in network.state_dict().items()}
    policy_files.write(path, {**whole, **(weights or {})}, {"of": "recipe a", **config})
    with pytest.raises(ValueError, match=r"run\.checkpoint must be the checkpoint of a training"):
        Checkpoint(path, "recipe a").restore(*parts(0))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_json(path, {"a": 1}),
        lambda path: write_csv(path, ("a",), [{"a": 1}]),
        lambda path: kept(path, "recipe a", updates=1),
    ],
)
def test_half_a_file_is_none(write, tmp_path, monkeypatch):
    path = tmp_path / "new" / "file"

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write(path)
    assert list(path.parent.iterdir()) == []
    monkeypatch.undo()
    write(path)
    assert [file.name for file in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("content", [b"", b"a,b\n1\n2,3,4\n", b"a\n\xe4\n"])
def test_a_frame_of_something_else_is_named(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"t\.csv: must be a CSV table \(") as error:
        read_frame(path)
    assert str(error.value).startswith(str(path))


def test_tables_and_json_read_back(tmp_path):
    write_csv(tmp_path / "t.csv", ("a", "b"), [{"a": 1, "b": "x"}, {"a": 2}])
    assert (tmp_path / "t.csv").read_text() == "a,b\n1,x\n2,\n"
    with pytest.raises(ValueError, match="c"):
        write_csv(tmp_path / "t.csv", ("a",), [{"c": 1}])
    write_json(tmp_path / "j.json", {"δ": [1, 2]})
    assert json.loads((tmp_path / "j.json").read_text()) == {"δ": [1, 2]}


def within(low):
    return lambda rng: rng.uniform(low, 9)


@dataclass
class Commute(Move):
    """A move that is not the package's."""

    rate: float = 0.1


class Tide(Move):
    def __init__(self, height):
        self.height = height


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Uniform(1, 2), Uniform(1, 3)),
        (Scenario("x", moves=[Commute(0.1)]), Scenario("x", moves=[Commute(0.2)])),
        (Scenario("x", moves=[Tide(0.1)]), Scenario("x", moves=[Tide(0.2)])),
        (Scenario("x", "noisy"), Scenario("x")),
        (QuadraticSSIM(-1e-4, 0.1), QuadraticSSIM(-1e-4, 0.2)),
        (TabulatedSSIM([0, 9], [0, 0.5]), TabulatedSSIM([0, 9], [0, 0.6])),
        (np.array([1.0, 2.0]), np.array([1.0, 3.0])),
        (lambda rng: rng.uniform(1, 2), lambda rng: rng.uniform(1, 3)),
        (within(1), within(2)),
        (partial(within, 1), partial(within, 2)),
    ],
)
def test_what_differs_is_described_otherwise(one, other):
    json.dumps(described(one))
    assert digest(described(one)) == digest(described(one)) != digest(described(other))


def test_code_counts_and_what_is_said_of_it_does_not(tmp_path):
    path = tmp_path / "rules.py"
    texts = {
        "base": "def pay(p):\n    return 2 * p\n",
        "said": '"""Rules."""\n\n\ndef pay(p):\n    """Pay."""\n    return 2 * p  # twice\n',
        "else": "def pay(p):\n    return 3 * p\n",
    }
    digests = {}
    for name, text in texts.items():
        path.write_text(text)
        digests[name] = source_digest([path])
    assert digests["base"] == digests["said"] != digests["else"]


def test_a_module_is_its_source_and_what_it_imports_from_beside_it(tmp_path, monkeypatch):
    package = tmp_path / "own_methods"
    package.mkdir()
    files = {
        "__init__.py": "",
        "leader.py": "import numpy as np\nfrom own_methods import rule\nfrom . import lines\n",
        "rule.py": "def price():\n    from own_methods.deep import least\n",
        "lines.py": "x = 1\n",
        "deep.py": "least = 1\n",
        "other.py": "y = 1\n",
    }
    for name, text in files.items():
        (package / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)

    def now():
        module_digest.cache_clear()
        return module_digest("own_methods.leader")

    before = now()
    changes = {}
    for name, text in files.items():
        (package / name).write_text(text + "z = 2\n")
        changes[name] = now() != before
        (package / name).write_text(text)
    assert changes == {name: name != "other.py" for name in files}
    assert now() == before
    assert module_digest("keyword") != "" == module_digest("no_such_module")
    sys.modules.pop("own_methods")  # imported, to look for its modules


def test_results_depend_on_the_rules_and_on_what_methods_see(monkeypatch):
    monkeypatch.setattr(module, "source_digest", list)
    code_digest.cache_clear()
    paths = code_digest()
    code_digest.cache_clear()
    names = {path.name for path in paths}
    assert {"moves.py", "market.py", "vec_env.py", "protocol.py", "rollout.py"} <= names
    assert not {"replay.py", "curves.py", "recipes.py"} & names
    assert not any({"rendering", "cli", "explorer"} & set(path.parts) for path in paths)
