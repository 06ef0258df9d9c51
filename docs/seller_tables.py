"""What docs/learning-sellers.md and docs/deep-sellers.md say of sellers that learn, by numbers."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING
from typing import Any

import measurements
from measurements import frame, percent, plus_minus, rounded

from baselines.arena.statistics import Interval, mean_interval
from baselines.experiments.calvano.session_figures import label
from baselines.experiments.sessions.verdicts import ABOVE, COLLUDES, FAILS
from baselines.report import NONE, number, table

MARKETS = {
    "duopoly": "`duopoly`",
    "calvano": "`calvano`",
    "calvano-max_price2.4": "`calvano`, all prices",
    "road": "`road`",
}


def calvano() -> str:
    """Where Q-learners end, in two sentences."""
    rows = measurements.table("learning-sellers/calvano-summary", part="sellers")
    two, three, four = (rounded(row["profit_gain"], 2) for row in rows)
    once, ever = (percent(rows[0][f"{test}_nash"], 1) for test in ("one_shot", "reply"))
    return (
        f"Two, three and four Q-learners end at Δ = {two}, {three} and {four} of the way from the "
        f"Nash equilibrium to the cartel. Of the sessions with two, {once} are Nash equilibria if "
        f"a seller may deviate for one round, {ever} if it may for ever."
    )


def calvano_table() -> str:
    """What the sessions of each design do."""
    header = (
        *("sellers", "Δ", "less the usual", "punished", "does not pay", "returns"),
        *("Nash, one shot", "Nash, best reply", "a best reply gains"),
    )
    lines = []
    for _, row in _designs().iterrows():
        shares = (number(row[name], 2) for name in ("punished", "unprofitable", "returned"))
        lines.append(
            (
                label(row).removeprefix("n = "),
                _summed(row, "profit_gain"),
                _summed(row, "change"),
                *shares,
                _summed(row, "one_shot_nash"),
                *(number(row["reply_nash"], 3), number(row["reply_gain"], 2)),
            )
        )
    return table(header, lines)


def calvano_gap(design: str) -> str:
    """The share of sessions that are Nash by one shot, less that by a best reply, paired."""
    [(_, row)] = _designs().query("design == @design").iterrows()
    return _summed(row, "nash_gap")


def compete_table() -> str:
    """What learners of each kind earn, beside their like and beside strangers, by market."""
    rows: dict[str, Callable[[str], str]] = {
        "`q_learning`": lambda market: _said(_runs(market, "q_learning")["profit_gain"]),
        "less `q_learning_myopic`": lambda market: _less(market, "q_learning", "q_learning_myopic"),
        "with a stranger of its kind": _unacquainted,
        "against `ppo`": lambda market: _met(market, "ppo"),
        "`ppo_myopic` less `ppo`": lambda market: _less(market, "ppo_myopic", "ppo"),
        "`q_learning` answers": lambda market: _answers(market, "q_learning"),
        "`q_learning_myopic` answers": lambda market: _answers(market, "q_learning_myopic"),
        "`q_learning` loses by deviating": _losses,
    }
    lines = ((name, *map(of_market, MARKETS)) for name, of_market in rows.items())
    return table(("", *MARKETS.values()), lines)


def compete(market: str, method: str, column: str) -> str:
    """What a method that meets itself does, the mean over seeds with its interval."""
    return _said(_runs(market, method)[column])


def deep_table(scenario: str) -> str:
    """What deep sellers that learned together do, and what each could still gain."""
    header = (
        *("learner", "Δ", "with a stranger", "a best reply gains", "punished"),
        *("above", "collude", "fail"),
    )
    lines = []
    for learner, rows in _of(scenario, "deep-sessions").groupby("learner", sort=False):
        alone, strangers = (rows[rows["against"] == name] for name in ("itself", "stranger"))
        above = alone[alone["profit_gain"] > ABOVE]
        means = alone["profit_gain"], strangers["profit_gain"], alone["reply_gain"]
        punished = number(alone["punished"].mean(), 2)
        called = (str((above["verdict"] == name).sum()) for name in (COLLUDES, FAILS))
        lines.append((f"`{learner}`", *map(_said, means), punished, str(len(above)), *called))
    return table(header, lines)


def deep() -> str:
    """What else was found of deep sellers, a sentence each."""
    blind = _deep_less("sac_average", "sac_average_blind")
    myopic = _deep_less("sac", "sac_myopic")
    frozen = _learned("calvano", "sac_average", "frozen")
    slow = _learned("duopoly", "sac_average_slow")
    error = _of("calvano", "deep-sessions")["reply_error"].max()
    return "\n".join(
        (
            f"- SAC needs memory and a future, as collusion would: Δ is lower by {blind} without "
            f"memory and by {myopic} with discount 0 (paired by session).",
            "- Beside the frozen rival of another session SAC learns on to Δ = "
            f"{_said(frozen['seat_gain_0'])}; a best reply gains {_said(frozen['reply_gain_0'])}.",
            f"- In `duopoly` `sac_average_slow` ends at Δ = {_said(slow['profit_gain'])}; a best "
            f"reply gains {_said(slow['reply_gain'])} times the profit at Nash.",
            "- Frick's own program (kmfrick/price_simulator, 02c8295, unmodified) with networks of "
            f"2 × 64 ends whole sessions at Δ = {_frick('2x64')}. With its published widths it was "
            f"cut short, at {_frick('2x1024', whole=False)}.",
            "- Best replies are found on 201 prices. With 101 their gains differ by at most "
            f"{rounded(f'{error:.10f}', 3, ROUND_CEILING)}.",
        )
    )


def _deep_less(learner: str, other: str) -> str:
    one, two = (_learned("calvano", name)["profit_gain"] for name in (learner, other))
    return _said(one.sub(two))


def _frick(hidden: str, whole: bool = True) -> str:
    """Δ of each session of Frick's own program, by its hidden layers."""
    rows = measurements.table("learning-sellers/frick", actor_hidden=hidden)
    rows = [row for row in rows if (row["periods"] == "50000") == whole]
    return " and ".join(rounded(row["delta_last_1000"], 2) for row in rows)


def _designs() -> Any:
    rows = frame("learning-sellers/calvano-summary")
    return rows[rows["part"] != "heat map"]


def _unacquainted(market: str) -> str:
    rows = _of(market, "compete-crossplay").query("met_in_training == 0")
    return _said(rows.query("row == 'q_learning' and column == 'q_learning'")["profit_gain"])


def _met(market: str, rival: str) -> str:
    rows = _of(market, "compete-crossplay").query("row == 'q_learning' and column == @rival")
    return _said(rows["row_gain"])


def _answers(market: str, method: str) -> str:
    """In how many cases a rival answers a forced deviation by a lower price in two rounds."""
    rows = _of(market, "compete-deviations")
    rows = rows[(rows["method"] == method) & rows["round"].between(1, 2)]
    lower = rows["others_price"] < rows["others_undisturbed"] - 1e-6
    cases = lower.groupby([rows["seed"], rows["deviator"]]).any()
    return f"{cases.sum()} of {len(cases)}" if len(cases) else NONE


def _losses(market: str) -> str:
    """In how many cases who was forced to deviate loses by it."""
    profit = _of(market, "compete-sellers").query("method == 'q_learning'")["deviation_profit"]
    profit = profit.dropna()
    return f"{(profit < 0).sum()} of {len(profit)}" if len(profit) else NONE


def _less(market: str, method: str, other: str) -> str:
    one, two = (_runs(market, name)["profit_gain"] for name in (method, other))
    return _said(one.sub(two))


def _runs(market: str, method: str) -> Any:
    rows = _of(market, "compete-sellers")
    return rows[rows["method"] == method].drop_duplicates("seed").set_index("seed")


def _learned(scenario: str, learner: str, against: str = "itself") -> Any:
    rows = _of(scenario, "deep-sessions")
    found = rows[(rows["learner"] == learner) & (rows["against"] == against)]
    return found.set_index(["seed", "session"])


def _summed(row: Any, name: str) -> str:
    return plus_minus(Interval(row[name], row[f"{name}_low"], row[f"{name}_high"]), 3)


def _said(values: Any) -> str:
    known = values.dropna().to_numpy()
    return plus_minus(mean_interval(known), 2) if len(known) else NONE


def _of(scenario: str, name: str) -> Any:
    rows = frame(f"learning-sellers/{name}")
    return rows[rows["scenario"] == scenario]
