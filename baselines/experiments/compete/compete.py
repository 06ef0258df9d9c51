"""`python -m baselines compete`: sellers learn beside each other, and are measured."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markdown import Markdown

from aigc_market import _checks
from baselines.experiments.compete import contest_figures, contest_tables
from baselines.experiments.compete.contest import SCRIPTED, Meeting, Training, check_method
from baselines.methods.sellers.seller_recipes import SellerRecipe, parts
from baselines.runs.parallel import Engine
from baselines.runs.work import Runner

Scenario = Literal["duopoly", "calvano", "road"]
SCENARIOS: tuple[Scenario, ...] = ("duopoly", "calvano", "road")
DEFAULT_METHODS = (
    "q_learning",
    "q_learning_myopic",
    "dqn",
    "ppo",
    "ppo_myopic",
    "ppo_shared",
    "tppo",
    "ppo_vmus",
    *SCRIPTED,
)
QUICK_ROUNDS, QUICK_SEEDS = 2_000, 1


def compete(
    scenario: tuple[str, ...] = SCENARIOS,
    methods: tuple[str, ...] = DEFAULT_METHODS,
    seeds: int = 3,
    rounds: int = SellerRecipe.rounds,
    quick: bool = False,
    out: Path = Path("results/compete"),
    workers: int | None = None,
    engine: Engine = "local",
) -> None:
    """Let sellers learn beside each other, and say who colludes and who ends at Nash.

    Each learned method is trained at all seats of a market at the same time. Then, without
    learning, those that have learned together are measured against the exact Nash equilibrium and
    the cartel, and all meet strangers (cross-play). Writes sellers.csv, crossplay.csv, curves.csv,
    deviations.csv, compete.md and figures. What is trained or played is kept; a run that was cut
    short goes on where it stopped.

    Args:
        scenario: duopoly, calvano, road, or several of them.
        methods: q_learning, dqn, ppo, tppo (providers that learn), each also as NAME_myopic (with
            discount 0), NAME_shared (one policy for all seats) or NAME_vmus (VMUs learn too); and
            best_reply, tit_for_tat, nash, cartel (scripted).
        seeds: trainings of each learned method in each scenario.
        rounds: that each learner plays, the same for all.
        quick: 2,000 rounds and one seed, to see that all works; they teach nobody anything.
        out: folder of the results.
        workers: runs at the same time; as many as there are cores by default.
        engine: local processes, or a Ray cluster (needs the extra `ray`).
    """
    for name in scenario:
        _checks.choice("--scenario", name, SCENARIOS)
    for name in methods:
        check_method(name)
    if not scenario or not methods:
        raise ValueError(
            f"--scenario and --methods must name one at least, got {scenario!r} and {methods!r}"
        )
    _checks.integer("--seeds", seeds, at_least=1)
    _checks.integer("--rounds", rounds, at_least=1)
    workers = _checks.integer("--workers", workers or os.cpu_count() or 1, at_least=1)
    if quick:
        seeds, rounds = min(seeds, QUICK_SEEDS), min(rounds, QUICK_ROUNDS)
    recipe = dataclasses.replace(SellerRecipe(), rounds=rounds)
    out, console = out.absolute(), Console()
    run = Runner(out, workers, engine, console)
    learned = [name for name in methods if name not in SCRIPTED]
    run("trainings", trainings(scenario, learned, seeds, recipe))
    plan = meetings(scenario, methods, seeds, recipe)
    ready = [meeting for meeting in plan if _ready(meeting, out)]
    run("meetings", ready)
    contest_tables.write(out, ready, {"seeds": seeds, **vars(recipe)})
    for path in contest_figures.draw(out):
        console.print(f"{path}", soft_wrap=True, highlight=False)
    console.print(Markdown((out / "compete.md").read_text("utf-8")))
    run.report()


def trainings(
    scenarios: Sequence[str], methods: Sequence[str], seeds: int, recipe: SellerRecipe
) -> list[Training]:
    """All of them, the first seed of everything first."""
    return [
        Training(scenario, method, seed, recipe)
        for seed in range(seeds)
        for scenario in scenarios
        for method in methods
    ]


def meetings(
    scenarios: Sequence[str], methods: Sequence[str], seeds: int, recipe: SellerRecipe
) -> list[Meeting]:
    """Each with itself, and each at the first seat with every other's, or its own of another seed.

    Sellers whose VMUs learn too meet nobody else: theirs is another market.
    """

    def side(scenario: str, method: str, seed: int) -> Training | str:
        return method if method in SCRIPTED else Training(scenario, method, seed, recipe)

    plan: dict[Meeting, None] = {}  # in order, each once: scripted ones have no seeds
    for scenario, seed in itertools.product(scenarios, range(seeds)):
        for row in methods:
            mine = side(scenario, row, seed)
            plan[Meeting(scenario, mine, mine)] = None
        strangers = [m for m in methods if m in SCRIPTED or parts(m)[1] != "_vmus"]
        for row, column in itertools.product(strangers, strangers):
            other = (seed + 1) % seeds if row == column else seed
            if row in SCRIPTED or row != column or other != seed:
                met = side(scenario, row, seed), side(scenario, column, other)
                plan[Meeting(scenario, *met)] = None
    return list(plan)


def _ready(meeting: Meeting, out: Path) -> bool:
    """Whether those that meet have been trained."""
    sides = (meeting.row, meeting.column)
    return all(isinstance(side, str) or side.file(out).exists() for side in sides)
