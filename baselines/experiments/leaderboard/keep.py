"""`python -m baselines keep`: the best policy of each learned method, for the repository."""

from __future__ import annotations

from pathlib import Path

import joblib
from rich.console import Console

from aigc_market import _checks
from aigc_market.scenarios import SCENARIOS
from baselines.arena import policies
from baselines.arena.registry import REGISTRY
from baselines.arena.task import Task
from baselines.experiments.leaderboard.command import DEFAULT_METHODS, DEFAULT_SCENARIOS
from baselines.experiments.leaderboard.evaluation import Evaluation
from baselines.experiments.leaderboard.standing import Result, Standing
from baselines.experiments.leaderboard.training_run import finished
from baselines.runs.work import Runner

LEARNED = tuple(name for name in DEFAULT_METHODS if REGISTRY[name].trainer is not None)


def keep(
    scenarios: tuple[str, ...] = DEFAULT_SCENARIOS,
    methods: tuple[str, ...] = LEARNED,
    seeds: int = 5,
    episodes: int = 512,
    out: Path = Path("results/leaderboard"),
    workers: int | None = None,
) -> None:
    """Copy the best of the leaderboard's trainings to baselines/weights, with their sha256.

    The best of a method's seeds in a scenario is that with the highest share in validation
    episodes, so that test episodes choose nothing. A policy that is there already is replaced.

    Args:
        scenarios: presets.
        methods: learned ones.
        seeds: trainings to choose from; those that are not finished are left out.
        episodes: validation episodes.
        out: folder in which `leaderboard` trained.
        workers: evaluations at the same time; as many as there are cores by default.
    """
    for name in scenarios:
        _checks.choice("--scenarios", name, SCENARIOS)
    for name in methods:
        _checks.choice("--methods", name, [n for n, e in REGISTRY.items() if e.trainer is not None])
    _checks.integer("--seeds", seeds, at_least=1)
    _checks.integer("--episodes", episodes, at_least=1)
    out, console = out.absolute(), Console()
    plan = [
        [
            Evaluation(REGISTRY[method], Task(scenario), seed, episodes, policy, "validation")
            for seed, policy in found.items()
        ]
        for scenario in scenarios
        for method in methods
        if (found := finished(REGISTRY[method], Task(scenario), range(seeds), out))
    ]
    run = Runner(out, workers or joblib.cpu_count(), "local", console)
    run("validations", [evaluation for group in plan for evaluation in group])
    for group in plan:
        played = [evaluation for evaluation in group if evaluation.file(out).exists()]
        if played:
            console.print(_keep_best(played, out), soft_wrap=True)
    run.report()


def _keep_best(played: list[Evaluation], out: Path) -> str:
    """Keep the best of one method's seeds in one scenario; says which."""
    shares = {e.seed: Standing([Result.read(e, out)]).share().mean for e in played}
    best = max(played, key=lambda evaluation: shares[evaluation.seed])
    assert best.policy is not None
    share = round(shares[best.seed], 6)
    record = {
        "seed": best.seed,
        "of_seeds": sorted(shares),
        "validation_episodes": best.episodes,
        "validation_share": share,
    }
    return f"{policies.keep(best.policy, record)}: seed {best.seed}, {share:.4f} in validation"
