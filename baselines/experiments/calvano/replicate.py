"""`python -m baselines calvano`: sessions, tables, figures and a report."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pandas as pd

from aigc_market import _checks
from baselines.experiments.calvano import session_report, session_tables
from baselines.experiments.calvano.sessions import CHUNK, Design, chunks
from baselines.methods.q_learning.tabular import QRecipe
from baselines.runs.runner import Engine, Runner

ALPHAS = (0.025, 0.05, 0.1, 0.15, 0.2, 0.25)
BETAS = (2e-6, 4e-6, 8e-6, 1.2e-5, 1.6e-5, 2e-5)
"""Of the heat map."""
CHECKS: tuple[dict[str, float], ...] = (
    # Who remembers nothing does not see a deviation, who does not look ahead minds no answer.
    *({"memory": 0}, {"discount": 0.0}, {"memory": 0, "discount": 0.0}),
    # The source's own: neither memory nor future, fast learning and little exploration.
    {"memory": 0, "discount": 0.0, "alpha": 0.25, "beta": 1e-3},
)
"""Learners that cannot punish."""
QUICK = {"stable": 1000}
QUICKER = 100
"""Learners that explore so much less are done after some 20,000 periods, to see that all works."""
QUICK_SESSIONS = 4


def calvano(
    sellers: tuple[int, ...] = (2, 3, 4),
    sessions: tuple[int, ...] = (1000,),
    checks: int = 1000,
    heat: int = 50,
    seed: int = 0,
    quick: bool = False,
    out: Path = Path("results/calvano"),
    workers: int | None = None,
    engine: Engine = "local",
) -> None:
    """Replicate Calvano et al. (2020): do sellers that learn by Q-learning collude?

    Writes one row a session (sessions.csv), tables, figures and report.md. What was played is kept;
    a run that was cut short goes on where it stopped, and ends with the same files.

    Args:
        sellers: numbers of sellers, 2 to 4.
        sessions: of each number of sellers, or one number for all.
        checks: sessions, at most, of sellers that cannot punish: without memory; where there are
            two also without a future (discount 0), and without both. 0: none.
        heat: sessions of each cell of the map over α and β, with two sellers; 0: no map.
        seed: of every random choice, beside the numbers of sellers and of the session.
        quick: a few sessions of learners that explore little: seconds, and no results.
        out: folder of the results.
        workers: chunks of sessions at the same time; as many as there are cores by default.
        engine: local processes, or a Ray cluster (needs the extra `ray`).
    """
    for n in sellers:
        if _checks.integer("--sellers", n, at_least=2) not in CHUNK:
            raise ValueError(f"--sellers must be among {list(CHUNK)}, got {n}")
    if not sellers or len(set(sellers)) < len(sellers):
        raise ValueError(f"--sellers must be different numbers, got {list(sellers)}")
    for count in sessions:
        _checks.integer("--sessions", count, at_least=1)
    if len(sessions) not in (1, len(sellers)):
        raise ValueError(
            f"--sessions must be one number or one for each of --sellers, {len(sellers)}, "
            f"got {list(sessions)}"
        )
    for name, value in (("--checks", checks), ("--heat", heat), ("--seed", seed)):
        _checks.integer(name, value, at_least=0)
    counts = sessions * len(sellers) if len(sessions) == 1 else sessions
    plan = _plan(dict(zip(sellers, counts, strict=True)), checks, heat, seed, quick)
    runner = Runner(out, workers, engine)
    # A cell of the map may be one of the other designs: what they share is played once.
    done = set(runner("chunks", [chunk for key in plan for chunk in chunks(key[1], plan[key])]))
    records = [
        {"part": part, "design": str(design), "sellers": design.sellers}
        | {name: getattr(design.recipe, name) for name in session_tables.DESIGN[3:]}
        | record
        for (part, design), count in plan.items()
        for chunk in chunks(design, count)
        if chunk in done
        for record in chunk.records(runner.out)
    ]
    if records:
        session_tables.write(out, pd.DataFrame(records))
        session_report.write(out, {"seed": seed, "quick": quick})
        runner.console.print(f"report.md, CSV files and figures are in {out}/")
    runner.report()


def _plan(
    sellers: dict[int, int], checks: int, heat: int, seed: int, quick: bool
) -> dict[tuple[str, Design], int]:
    """How many sessions of what."""
    faster = QUICKER if quick else 1
    usual = replace(QRecipe(), **QUICK) if quick else QRecipe()

    def design(n: int = 2, **changes: float) -> Design:
        recipe = replace(usual, **changes)
        return Design(n, replace(recipe, beta=recipe.beta * faster), seed)

    plan = {("sellers", design(n)): count for n, count in sellers.items()}
    for n, count in sellers.items():
        for changes in CHECKS if n == 2 else CHECKS[:1]:
            if checks:
                plan["checks", design(n, **changes)] = min(checks, count)
    if heat:
        corners = slice(None, None, len(ALPHAS) - 1) if quick else slice(None)
        for alpha, beta in itertools.product(ALPHAS[corners], BETAS[corners]):
            plan["heat map", design(alpha=alpha, beta=beta)] = heat
    return {key: min(count, QUICK_SESSIONS) if quick else count for key, count in plan.items()}
