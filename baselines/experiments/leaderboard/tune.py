"""`python -m baselines tune`: parameters of methods, all chosen by one rule and as many trials.

What is searched is a grid of values for each parameter: by Optuna's Gaussian process, or whole
where it is small.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import tyro
from optuna.samplers import GPSampler, RandomSampler
from optuna.trial import TrialState

from aigc_market import _checks
from aigc_market._files import read_json
from aigc_market.scenarios import SCENARIOS
from baselines.arena import policies, registry
from baselines.arena.protocol import Method
from baselines.arena.registry import REGISTRY, Entry
from baselines.arena.rollout import play
from baselines.arena.seeds import validation_seed
from baselines.arena.task import Task
from baselines.arena.training import Training
from baselines.experiments.leaderboard.result import merit_of
from baselines.runs.digest import described
from baselines.runs.files import holding, write_csv, write_json
from baselines.runs.runner import Runner

TRIALS = 24
EPISODES = 512
FEWER = {"bayes_information": 128}
"""Episodes of methods of which a trial takes some hundred times as long as of most others."""
FINALISTS, FINAL_SEEDS = 2, 3
"""Learned recipes that are trained in full after the trials, and under how many seeds each."""
Space = Mapping[str, tuple[Any, ...]]
"""Values of each parameter: numbers in order, or others without one."""

_SIGMA = (0.0125, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.6)
_PERSISTENCE = (0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 1.0)
_DISCOUNT = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0)
_KAPPA = (0.0, 0.125, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
_KAPPA_LOG = (0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7)
_FIRST = ((6.0, 10.0), (10.0, 6.0), (5.0, 14.0), (14.0, 8.0))
_SPREAD = (0.0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
_LEARNED: Space = {"learning_rate": (1e-3, 3e-3), "gamma": (0.0, 0.9, 0.99)}
_SWAYING: Space = {
    "sway": (0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4),
    "fade": (0.0, 0.125, 0.25, 0.375, 0.5),
    "discount": _DISCOUNT,
    "sigma": _SIGMA[2:],
}
SPACES: dict[str, Space] = {
    "constant": {"price": tuple(1.0 + 0.5 * i for i in range(39))},
    "epsilon_greedy": {
        "arms": (3, 4, 5, 6, 8, 10, 12, 16),
        "epsilon": (0.0, 0.0125, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3),
        "step": (0.0, 0.1, 0.2, 0.4, 0.6, 0.8),
        "start": (4.0, 6.0, 8.0, 10.0, 12.0, 14.0),
    },
    "cils": {"kappa": _KAPPA, "first": _FIRST},
    "cils_discounted": {"kappa": _KAPPA, "discount": _DISCOUNT, "first": _FIRST},
    "log_cils": {"kappa": _KAPPA_LOG, "discount": _DISCOUNT, "first": _FIRST},
    **dict.fromkeys(("likelihood_grid", "log_grid"), _SWAYING),
    "thompson": {"sigma": _SIGMA, "persistence": _PERSISTENCE},
    "kalman_total": {"sigma": _SIGMA, "persistence": _PERSISTENCE, "spread": _SPREAD},
    "kalman": {"sigma": _SIGMA, "persistence": _PERSISTENCE, "spread": _SPREAD},
    "bayes_information": {"horizon": (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)},
    **dict.fromkeys(
        ("ppo", "recurrent_ppo", "tppo", "a2c", "sac", "td3", "diffusion_td3", "dqn"), _LEARNED
    ),
}
"""What is searched, by method: parameters of a factory, or fields of a recipe."""
_UNTRAINED = tuple(name for name in SPACES if REGISTRY[name].factory is not None)
_COLUMNS = (
    *("scenario", "method", "configuration", "first_seed", "episodes"),
    *("share", "earned", "final", "best"),
)


def tune(
    methods: tyro.conf.Positional[tuple[str, ...]] = _UNTRAINED,
    scenarios: tuple[str, ...] = tuple(SCENARIOS),
    trials: int = TRIALS,
    episodes: int = EPISODES,
    out: Path = Path("results/tuning"),
    tuned: Path = registry.TUNED,
    workers: int | None = None,
) -> None:
    """Tune methods on validation episodes; write tuning.csv, and the best into tuned.json.

    Each method gets as many trials, or its whole space where that is smaller, on the same episodes.
    The best earned most money; of the tracks `gradient` and `law`, it has the highest share of the
    oracle's utility. A recipe of a learned method is trained in each trial, under one seed and for
    half of its rounds; the two best of these are then trained in full under three seeds, and that
    with the higher mean (`final`) is printed, as `train` and the recipes' module take it. A search
    that was cut short goes on where it stopped.

    Args:
        methods: by default all that nobody trains.
        scenarios: presets.
        trials: of each method in each scenario.
        episodes: validation episodes; at most those of `FEWER` for the slowest method.
        out: folder of tuning.csv and of the searches.
        tuned: the JSON file with the best parameters, which is updated.
        workers: searches at the same time; as many as there are cores by default.
    """
    for name in scenarios:
        _checks.choice("--scenarios", name, SCENARIOS)
    for name in methods:
        _checks.choice("methods", name, SPACES)
    _checks.integer("--trials", trials, at_least=1)
    _checks.integer("--episodes", episodes, at_least=1)
    run = Runner(out, workers)
    work = []
    for name, scenario in itertools.product(methods, scenarios):
        few = min(episodes, FEWER.get(name, episodes))
        one = Search(REGISTRY[name], Task(scenario), trials, few)
        if (obstacle := one.obstacle()) is not None:
            run.console.print(f"{name} is left out of {scenario}: {obstacle}", soft_wrap=True)
        else:
            work.append(one)
    if not work:
        raise ValueError("methods and --scenarios must leave something to be tuned")
    rows = []
    for done in run("searches", work):
        found = _trials(done.file(run.out))
        best = max(found, key=lambda row: ("final" in row, row.get("final", row["merit"])))
        rows += [done.row(row, row is best) for row in found]
        chosen = best["configuration"]
        if done.entry.factory is not None:
            kept = read_json(tuned) if tuned.exists() else {}
            kept.setdefault(done.task.scenario_name, {})[done.entry.name] = chosen
            write_json(tuned, kept)
        words = " ".join(f"{key}={value}" for key, value in chosen.items())
        run.console.print(f"{done}: {words}", soft_wrap=True)
    write_csv(run.out / "tuning.csv", _COLUMNS, rows)
    run.report()


@dataclass(frozen=True)
class Search:
    """A search for one method's parameters in one task: a unit of work."""

    entry: Entry
    task: Task
    trials: int
    episodes: int

    def __str__(self) -> str:
        return f"tuning of {self.entry.name} on {self.task.name}"

    def file(self, out: Path) -> Path:
        """All trials, as JSON: configuration, share, earned, and merit, by which it is chosen."""
        space = described(SPACES[self.entry.name])
        parts = self.entry.name, self.entry.code_digest(), space, self.trials, self.episodes
        name = f"{self.task.name}-{self.entry.name}-{self.task.digest(*parts)}.json"
        return out / "searches" / name

    def obstacle(self) -> str | None:
        """Why there is nothing to tune; None where there is."""
        if self.entry.knows == "law" and self.task.stands_still:
            return "a rule told a market that stands still plays its best price"
        if self.entry.factory is None:
            return self.entry.obstacle(self.task)
        return None

    def execute(self, out: Path) -> None:
        """Try, keeping each trial, and write all when the last is done."""
        part = self.file(out).with_suffix(".part")
        rows = _trials(part) if part.exists() else []
        kept = iter([row["merit"] for row in rows])

        def merit(configuration: dict[str, Any]) -> float:
            if (known := next(kept, None)) is not None:
                return known
            rows.append(self._tried(configuration, out))
            write_json(part, {"trials": rows})
            return rows[-1]["merit"]

        search(SPACES[self.entry.name], self.trials, merit)
        if self.entry.factory is None:
            for row in sorted(rows, key=lambda row: row["merit"])[-FINALISTS:]:
                row["final"] = self._final(row["configuration"], out)
        write_json(self.file(out), {"trials": rows})
        part.unlink(missing_ok=True)

    def _final(self, configuration: dict[str, Any], out: Path) -> float:
        recipe = dataclasses.replace(self._recipe, **configuration)
        methods = [self._trained(recipe, seed, out) for seed in range(FINAL_SEEDS)]
        return float(np.mean([self._measured(method)["merit"] for method in methods]))

    def _tried(self, configuration: dict[str, Any], out: Path) -> dict[str, Any]:
        if self.entry.factory is not None:
            method = self.entry.make(self.task, self.episodes, seed=0, **configuration)
        else:
            half = {"rounds": self._recipe.rounds // 2, **configuration}
            method = self._trained(dataclasses.replace(self._recipe, **half), 0, out)
        return {"configuration": configuration, **self._measured(method)}

    def _measured(self, method: Method) -> dict[str, float]:
        played = play(method, self.task, self.episodes, validation_seed(0))
        earned = float(played.utility.sum() / played.equilibrium_utility.sum())
        merit = merit_of(self.entry.knows, earned, played.share)
        return {"share": played.share, "earned": earned, "merit": merit}

    @property
    def _recipe(self) -> Any:
        return self.entry.get_trainer().recipe(self.task)

    def _trained(self, recipe: Any, seed: int, out: Path) -> Method:
        training = Training(self.entry, self.task, seed, recipe)
        if not training.file(out).exists():
            training.execute(out)
        return policies.load(training.file(out)).method(self.episodes)

    def row(self, trial: dict[str, Any], best: bool) -> dict[str, Any]:
        """A trial's row of tuning.csv."""
        measured = "share", "earned", "final"
        values = (
            *(self.task.name, self.entry.name, json.dumps(trial["configuration"])),
            *(validation_seed(0), self.episodes),
            *(f"{trial[name]:.6f}" if name in trial else "" for name in measured),
            "best" if best else "",
        )
        return dict(zip(_COLUMNS, values, strict=True))


def _trials(path: Path) -> list[dict[str, Any]]:
    return holding(path, read_json(path), "trials")["trials"]


def search(space: Space, trials: int, merit: Callable[[dict[str, Any]], float]) -> None:
    """Try different configurations of a space: all, where there are no more of them than trials.

    The same merits lead to the same configurations.
    """
    if math.prod(map(len, space.values())) <= trials:
        for values in itertools.product(*space.values()):
            merit(dict(zip(space, values, strict=True)))
        return
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    tried: set[tuple[int, ...]] = set()
    attempt = 0
    while len(tried) < trials:
        seed = 1000 * len(tried) + attempt
        again = attempt >= 4  # it proposes again and again what was tried
        study.sampler = RandomSampler(seed) if again else GPSampler(seed=seed, n_startup_trials=8)
        trial = study.ask()
        place = tuple(_suggested(trial, name, values) for name, values in space.items())
        if place in tried:
            study.tell(trial, state=TrialState.FAIL)  # nothing would be learnt from it
            attempt += 1
            continue
        tried.add(place)
        attempt = 0
        study.tell(
            trial, merit({name: space[name][i] for name, i in zip(space, place, strict=True)})
        )


def _suggested(trial: optuna.Trial, name: str, values: tuple[Any, ...]) -> int:
    """Index of a value: numbers have an order, others have none."""
    if isinstance(values[0], tuple):
        return int(trial.suggest_categorical(name, range(len(values))))
    return trial.suggest_int(name, 0, len(values) - 1)
