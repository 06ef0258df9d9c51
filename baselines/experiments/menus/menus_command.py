"""`python -m baselines menus`: what menus earn, and how near learners come to the best one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from aigc_market import _checks
from aigc_market.scenarios import MENU_SCENARIOS
from baselines.arena.overrides import changed
from baselines.arena.registry import REGISTRY
from baselines.arena.task import Task
from baselines.experiments.menus import menu_figures, menu_tables
from baselines.experiments.menus.selling_units import FIXED, Selling
from baselines.followers import choosers
from baselines.runs.files import discard
from baselines.runs.runner import Runner

METHODS = tuple(name for name, entry in REGISTRY.items() if entry.menus is not None)
"""That learn menus."""
_CONTRACTS = 2
"""One for each VMU of the presets, as the literature of learned menus has it."""
_QUICK = {"rounds": 400, "lanes": 4, "n_steps": 20, "batch_size": 16, "learning_starts": 100}
"""Of a recipe, in place of its own where it has them."""


def seller(words: str) -> tuple[str, int, list[str]]:
    """Read `NAME[=CONTRACTS] [FIELD=VALUE …]`: the method, contracts, and of the recipe.

    Raises:
        ValueError: it is none.
    """
    first, *rest = words.split() or [""]
    name, _, count = first.partition("=")
    _checks.choice("--learners", name, (*METHODS, *FIXED))
    try:
        contracts = int(count or _CONTRACTS)
    except ValueError:
        wanted = "--learners must be NAME[=CONTRACTS] [FIELD=VALUE …]"
        raise ValueError(f"{wanted}, got {words!r}") from None
    return name, _checks.integer("--learners CONTRACTS", contracts, at_least=1), rest


def menus(
    scenario: tuple[str, ...] = tuple(MENU_SCENARIOS),
    learners: tuple[str, ...] = (*METHODS, *FIXED, "ppo=3"),
    seeds: int = 5,
    episodes: int = 1000,
    both_sides: bool = True,
    quick: bool = False,
    out: Path = Path("results/menus"),
    workers: int | None = None,
) -> None:
    """Hold ways to sell, and learners of menus, against the exact best menu.

    First what a linear price, a two-part tariff, few contracts and the best menu earn; that needs
    no learning. Then sellers learn menus, and are played in fresh episodes; then VMUs learn to
    choose. Writes mechanisms.csv, learners.csv, curves.csv, comparisons.csv, choosers.csv, menus.md
    and figures. What is trained or played is kept; a run that was cut short goes on where it
    stopped.

    Args:
        scenario: paper, hidden, or both: in which sellers learn.
        learners: ppo, sac, td3, diffusion_td3; and constant and random, which do not learn.
            NAME=CONTRACTS is of more contracts than 2; "NAME FIELD=VALUE …" changes a recipe.
        seeds: trainings of each.
        episodes: in which each is measured.
        both_sides: whether VMUs learn too, alone and beside a leader that learns.
        quick: one seed of 400 rounds, to see that all works; they teach nobody anything.
        out: folder of the results.
        workers: trainings at the same time; as many as there are cores by default.
    """
    _checks.integer("--seeds", seeds, at_least=1)
    _checks.integer("--episodes", episodes, at_least=1)
    for name in scenario:
        _checks.choice("--scenario", name, MENU_SCENARIOS)
    if quick:
        seeds, episodes = 1, min(episodes, 20)
    plan, recipes = [], {}
    for name in scenario:
        for method, contracts, words in map(seller, learners):
            task = Task(name, {"contracts": contracts}, game="menus")
            recipe: Any = None
            if method not in FIXED:
                recipe = changed(REGISTRY[method].get_trainer("menus").recipe(task), words)
                recipe = _quick(recipe) if quick else recipe
                recipes[f"{method} on {task.name}"] = recipe
            elif words:
                raise ValueError(f"--learners: {method} has no recipe, got {' '.join(words)!r}")
            plan += [Selling(method, task, seed, recipe, episodes) for seed in range(seeds)]
    run = Runner(out, workers)
    trainings = [one.training for one in plan if one.training is not None]
    trained = {None, *run("trainings", sorted(trainings, key=lambda one: one.seed))}
    sold = run("sellers", [one for one in plan if one.training in trained])
    more: list[str] = []
    if both_sides and choosers.run(run.out, run, seeds, rounds=_QUICK["rounds"] if quick else None):
        more = ["## Both sides", *choosers.choosers_report(run.out / "choosers.csv")]
    else:
        discard(run.out, "choosers.csv")
    menu_tables.write(run.out, sold, more, {"seeds": seeds, **recipes})
    run.show(menu_figures.draw(run.out), "menus.md")
    run.report()


def _quick(recipe: Any) -> Any:
    own = {field.name for field in dataclasses.fields(recipe)}
    return dataclasses.replace(recipe, **{k: v for k, v in _QUICK.items() if k in own})
