"""What docs/learning-sellers.md says of sellers that learn, by numbers."""

from __future__ import annotations

from decimal import ROUND_CEILING
from typing import Any

import measurements
import pandas as pd
from measurements import delta, rounded

from baselines.arena.statistics import mean_interval
from baselines.experiments.calvano import session_report
from baselines.experiments.compete import contest_tables
from baselines.experiments.sessions import deep_tables, verdicts
from baselines.report import bracketed


def calvano() -> str:
    """Where Q-learners end, in two sentences."""
    two, three, four = map(delta, ("n2", "n3", "n4"))
    [usual] = measurements.table("learning-sellers/calvano-summary", design="n2", part="sellers")
    once, ever = (rounded(usual[f"{test}_nash"], 3) for test in ("one_shot", "reply"))
    return (
        f"Two, three and four Q-learners end at Δ = {two}, {three} and {four} of the way from the "
        f"Nash equilibrium to the cartel. Of the sessions with two, {once} are Nash equilibria if "
        f"a seller may deviate for one round, {ever} if it may for ever."
    )


def calvano_table(name: str) -> str:
    """A table of the experiment: gains, source, patterns, deviations, equilibria or cycles."""
    return session_report.sections(_kept("calvano-summary"), _kept("calvano-cycles"))[name]


def compete_table(scenario: str) -> str:
    """What sellers of each kind do in a scenario, against themselves and against strangers."""
    return contest_tables.summary(*(_of(scenario, name) for name in ("sellers", "crossplay")))


def compete_differences(scenario: str) -> str:
    """Trained sellers against the first of them, paired by seed."""
    return contest_tables.differences(_of(scenario, "sellers"))


def compete_crossplay(scenario: str) -> str:
    """Who earns what from whom."""
    return contest_tables.crossplay(_of(scenario, "crossplay"))


def compete(scenario: str, method: str, column: str) -> str:
    """What a method that meets itself does, the mean over seeds with its interval."""
    return _said(_runs(scenario, method)[column])


def compete_less(scenario: str, method: str, other: str, column: str) -> str:
    """A method's less another's, paired by seed."""
    return _said(_runs(scenario, method)[column].sub(_runs(scenario, other)[column]).dropna())


def compete_met(scenario: str, row: str, column: str) -> str:
    """Δ of a method at the first seat against another that it never met in training."""
    met = _of(scenario, "crossplay").query("met_in_training == 0")
    return _said(met[(met["row"] == row) & (met["column"] == column)]["row_gain"])


def compete_answers(scenario: str, method: str) -> str:
    """In how many cases a rival answers a forced deviation by a lower price in two rounds."""
    rows = _of(scenario, "deviations")
    rows = rows[(rows["method"] == method) & rows["round"].between(1, 2)]
    lower = rows["others_price"] < rows["others_undisturbed"] - 1e-6
    cases = lower.groupby([rows["seed"], rows["deviator"]]).any()
    return f"{cases.sum()} of {len(cases)}"


def compete_losses(scenario: str, method: str) -> str:
    """In how many cases who was forced to deviate loses by it."""
    rows = _of(scenario, "sellers")
    profit = rows[rows["method"] == method]["deviation_profit"]
    return f"{(profit < 0).sum()} of {len(profit)}"


def deep_table(scenario: str) -> str:
    """What deep sellers that learned together do, and what each could still gain."""
    return deep_tables.summary(_deep(scenario, "itself"))


def deep(scenario: str, learner: str, column: str, against: str = "itself") -> str:
    """What deep sellers do, the mean over sessions with its interval."""
    return _said(_learned(scenario, learner, against)[column].dropna())


def deep_less(scenario: str, learner: str, other: str, column: str) -> str:
    """What deep sellers do less what others do, paired by session."""
    one, two = (_learned(scenario, name, "itself")[column] for name in (learner, other))
    return _said(one.sub(two).dropna())


def deep_count(scenario: str, learner: str, called: str) -> str:
    """How many sessions of deep sellers end above the Nash points of the grid, or are called so.

    Args:
        scenario: of the table.
        learner: of the table.
        called: `above`, `punished` (every deviation of those above), or a verdict, its words
            joined by hyphens.
    """
    found = _learned(scenario, learner, "itself")
    above = found[found["profit_gain"] > verdicts.ABOVE]
    if called == "punished":
        return f"{(above['punished'] == 1).sum()} of {len(above)}"
    if called != "above":
        above = found[found["verdict"] == called.replace("-", " ")]
    return f"{len(above)} of {len(found)}"


def deep_error(scenario: str) -> str:
    """By how much what a best reply gains differs between two grids, at most."""
    error = _deep(scenario, "itself")["reply_error"].max()
    return measurements.rounded(f"{error:.10f}", 4, ROUND_CEILING)


def deep_answer(scenario: str, learner: str) -> str:
    """By how much the rival's price changes in the round after a deviation, on average."""
    rows = _of(scenario, "responses", "deep").query("against == 'itself' and who == 'rival'")
    [change] = rows[(rows["learner"] == learner) & (rows["round"] == 1)]["mean"]
    return measurements.rounded(f"{change:.10f}", 2)


def frick(hidden: str, periods: str) -> str:
    """Δ of each session of Frick's own program, by its hidden layers and the periods it ran."""
    rows = measurements.table("learning-sellers/frick", actor_hidden=hidden)
    whole = [row for row in rows if (row["periods"] == "50000") == (periods == "whole")]
    return ", ".join(measurements.rounded(row["delta_last_1000"], 2) for row in whole)


def _learned(scenario: str, learner: str, against: str) -> Any:
    rows = _deep(scenario, against)
    return rows[rows["learner"] == learner].set_index(["seed", "session"])


def _deep(scenario: str, against: str) -> Any:
    rows = _of(scenario, "sessions", "deep")
    return rows[rows["against"] == against]


def _said(values: Any) -> str:
    return bracketed(mean_interval(values.to_numpy()), 2).replace("-", "−")


def _runs(scenario: str, method: str) -> Any:
    rows = _of(scenario, "sellers")
    return rows[rows["method"] == method].drop_duplicates("seed").set_index("seed")


def _of(scenario: str, name: str, part: str = "compete") -> Any:
    rows = _kept(f"{part}-{name}")
    return rows[rows["scenario"] == scenario]


def _kept(name: str) -> Any:
    return pd.read_csv(measurements.DOCS / "learning-sellers" / f"{name}.csv")
