"""`python -m baselines keep`: trained policies of each learned method, for the repository."""

from __future__ import annotations

from pathlib import Path

from aigc_market import _checks
from aigc_market.scenarios import SCENARIOS
from baselines.arena import policies
from baselines.arena.registry import REGISTRY
from baselines.arena.seeds import validation_seed
from baselines.arena.task import Task
from baselines.arena.training import trained
from baselines.experiments.leaderboard.command import DEFAULT_METHODS
from baselines.experiments.leaderboard.evaluation import Evaluation
from baselines.experiments.leaderboard.result import Result, grouped
from baselines.runs.runner import Runner

LEARNED = tuple(name for name in DEFAULT_METHODS if REGISTRY[name].factory is None)


def keep(
    scenarios: tuple[str, ...] = tuple(SCENARIOS),
    methods: tuple[str, ...] = LEARNED,
    seeds: int = 5,
    episodes: int = 512,
    all_seeds: bool = False,
    out: Path = Path("results/leaderboard"),
    workers: int | None = None,
) -> None:
    """Copy policies of the leaderboard's trainings to baselines/weights, with their sha256.

    The best of a method's seeds in a scenario is that with the highest merit in validation
    episodes: money earned, or for the track `gradient` the oracle's share. So test episodes choose
    nothing. A policy that is there already is replaced.

    Args:
        scenarios: presets.
        methods: learned ones.
        seeds: trainings to choose from; those that are not finished are left out.
        episodes: validation episodes.
        all_seeds: keep the others too, so that rows of all seeds can be played again.
        out: folder in which `leaderboard` trained.
        workers: evaluations at the same time; as many as there are cores by default.
    """
    for name in scenarios:
        _checks.choice("--scenarios", name, SCENARIOS)
    for name in methods:
        _checks.choice("--methods", name, [n for n, e in REGISTRY.items() if e.trainer])
    _checks.integer("--seeds", seeds, at_least=1)
    _checks.integer("--episodes", episodes, at_least=1)
    run = Runner(out, workers)
    plan = [
        Evaluation(REGISTRY[method], Task(scenario), seed, episodes, validation_seed(0), policy)
        for scenario in scenarios
        for method in methods
        for seed, policy in trained(REGISTRY[method], Task(scenario), range(seeds), run.out).items()
    ]
    if not plan:
        raise ValueError(f"--out must hold trainings of these, by `leaderboard`, got {str(out)!r}")
    done = run("validations", plan)
    for played in grouped(lambda e: (e.task.name, e.entry.name), done).values():
        run.console.print(_keep(played, run.out, all_seeds), soft_wrap=True)
    run.report()


def _keep(played: list[Evaluation], out: Path, all_seeds: bool) -> str:
    """Keep policies of one method's seeds in one scenario; says which is the best."""
    results = {e: Result.read([e], out) for e in played}
    best = max(played, key=lambda e: results[e].merit())
    for evaluation in played if all_seeds else [best]:
        assert evaluation.policy is not None
        result = results[evaluation]
        record = {
            "best": evaluation is best,
            "of_seeds": sorted(e.seed for e in played),
            "validation_episodes": evaluation.episodes,
            "validation_earned": round(result.earned(), 6),
            "validation_share": round(result.share().mean, 6),
        }
        policies.keep(evaluation.policy, record)
    return f"{best.entry.name} on {best.task.name}: the best is seed {best.seed}, with " + (
        f"{results[best].merit():.4f} in validation"
    )
