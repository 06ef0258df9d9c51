"""Policies that were trained and kept: one file each, which says what plays it and on what."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from aigc_market._files import read_json
from baselines.arena.protocol import Method, Player
from baselines.arena.registry import REGISTRY, Entry
from baselines.arena.task import Task
from baselines.runs import policy_files
from baselines.runs.files import write_atomically, write_json

FILE = "policy.safetensors"
"""In the folder of a run."""
WEIGHTS = Path(__file__).parents[1] / "weights"
"""The policies that are kept in the repository, `SCENARIO-METHOD-seedSEED.safetensors`."""
INDEX = "index.json"
"""Beside them: of each its `scenario`, `method`, `seed`, `sha256`, whether it is the `best` of the
method's seeds by validation, and what it was chosen by."""


@dataclass(frozen=True)
class Policy:
    """A policy in a file."""

    path: Path
    config: dict[str, Any]
    """How it was trained: see `baselines.arena.protocol`."""

    @property
    def entry(self) -> Entry:
        """The method that it is of."""
        return REGISTRY[self.config["method"]]

    @property
    def task(self) -> Task:
        """What it was trained on."""
        return Task.from_json(self.config["task"])

    @property
    def any_K(self) -> bool:  # noqa: N802
        """Whether it plays any number of VMUs, with a capacity and without."""
        return self.config.get("any_K", False)

    def check(self, task: Task) -> None:
        """Raise ValueError where it cannot play a task, whose rounds look unlike its own."""
        ours, other = self.task.settings(), task.settings()
        kinds = {"whether VMUs come and go": (ours.masked, other.masked)}
        if not self.any_K:
            kinds["K"] = ours.market.K, other.market.K
            kinds["whether there is a capacity"] = ours.rationed, other.rationed
        for name, (trained, asked) in kinds.items():
            if trained != asked:
                raise ValueError(
                    f"the market must look like that of {self.path}: {name} is {trained} there, "
                    f"got {asked}"
                )

    @cached_property
    def _player(self) -> Player:
        return self.entry.get_trainer().load(self.path)

    def method(self, num_envs: int) -> Method:
        """The policy as a method that plays `num_envs` episodes side by side."""
        return self._player(num_envs)


def load(path: Path) -> Policy:
    """A policy by its file, or by the folder of a run. Nothing in it is executed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file of another kind.
    """
    file = path / FILE if path.is_dir() else path
    config, _ = policy_files.read(file)
    wanted = f"path must be of a trained policy, got {str(file)!r}"
    said = "method", "task", "seed", "rounds", "seconds"
    if missing := [name for name in said if name not in config]:
        raise ValueError(f"{wanted}: its config lacks {', '.join(missing)}")
    try:
        Task.from_json(config["task"])
        REGISTRY[config["method"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{wanted}: {error!r} in its config") from error
    return Policy(file, config)


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def index() -> dict[str, dict[str, Any]]:
    """What comes along, by the stem of its file."""
    file = WEIGHTS / INDEX
    return read_json(file) if file.exists() else {}


def keep(path: Path, record: dict[str, Any]) -> Path:
    """Put a trained policy among those that come along, in place of its like.

    Args:
        path: of its file.
        record: whether it is the `best` of the method's seeds, and what says so, as JSON takes it;
            put into the index.

    Returns:
        Where it stands.
    """
    policy = load(path)
    of = {"scenario": policy.task.scenario_name}
    of |= {name: policy.config[name] for name in ("method", "seed")}
    stem = "{scenario}-{method}-seed{seed}".format(**of)
    kept = WEIGHTS / f"{stem}.safetensors"
    write_atomically(kept, policy.path.read_bytes())
    described = {**index(), stem: {**of, "sha256": sha256(kept), **record}}
    if record.get("best"):  # and no other seed is
        for other, its in described.items():
            its["best"] &= (its["scenario"], its["method"]) != (of["scenario"], of["method"])
            its["best"] |= other == stem
    write_json(WEIGHTS / INDEX, dict(sorted(described.items())))
    return kept


def shipped(method: str, scenario: str, best: bool = False) -> dict[int, Path]:
    """The repository's policies of a method for a scenario, by the seed of their training.

    Args:
        method, scenario: names.
        best: the best seed's alone.

    Raises:
        ValueError: a file is not the one that was kept.
    """
    return {
        record["seed"]: _checked(stem)
        for stem, record in index().items()
        if (record["method"], record["scenario"]) == (method, scenario)
        and (record["best"] or not best)
    }


def _checked(stem: str) -> Path:
    record, path = index()[stem], WEIGHTS / f"{stem}.safetensors"
    if (found := sha256(path)) != record["sha256"]:
        raise ValueError(
            f"{path} must be the file that {INDEX} beside it names: its sha256 must be "
            f"{record['sha256']}, got {found}"
        )
    return path


def load_policy(name: str | Path) -> Policy:
    """A trained policy: one of the repository's, or one's own.

    Args:
        name: a scenario, such as `hidden`, whose `filter_pathwise` is meant; or `SCENARIO-METHOD`,
            of which the best seed is meant; or `SCENARIO-METHOD-seedSEED`; or the path of a file
            that ends in `.safetensors`, or of a run's folder.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: an unknown name, or a file of another kind.
    """
    if str(name).endswith(".safetensors") or Path(name).is_dir():
        return load(Path(name))
    for stem, record in index().items():
        method = "{scenario}-{method}".format(**record)
        best = record["best"] and str(name) in (method, method.removesuffix("-filter_pathwise"))
        if best or str(name) == stem:
            return load(_checked(stem))
    raise ValueError(f"name must be a path or one of {', '.join(index())}, got {name!r}")
