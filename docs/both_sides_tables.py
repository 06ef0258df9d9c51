"""What docs/both-sides.md says of leaders and followers that learn together, by numbers."""

from __future__ import annotations

from typing import Any

from measurements import frame, plus_minus

from baselines.arena.statistics import Interval, mean_interval
from baselines.report import table

AIMS = {
    "the leader's aim": ("of_control", ">=", 0.99),
    "that of the mean gap": ("gap", "<=", 0.005),
    "that of the worst gap": ("worst_gap", "<=", 0.05),
}
"""Of a column: whether it should be at least a bound or at most."""
_PAIR = ["market", "leader", "followers", "gradient"]


def aims() -> str:
    """How many of all pairs meet each aim, and which do not."""
    pairs = _rows().groupby(_PAIR, sort=False)
    said = []
    for name, (column, sign, bound) in AIMS.items():
        verdicts = {pair: verdict(mean_interval(x), sign, bound) for pair, x in pairs[column]}
        unmet = [f"{_named(*pair)} {found}" for pair, found in verdicts.items() if found != "met"]
        count = len(verdicts) - len(unmet)
        said.append(f"{count} meet {name}" + (f" ({', '.join(unmet)})" if unmet else ""))
    worst = pairs["worst_gap"].mean().idxmax()
    return (
        f"Of {pairs.ngroups} pairs {', '.join(said)}. The greatest worst gap is "
        f"{_percent(pairs['worst_gap'].get_group(worst))} %, of {_named(*worst)}."
    )


def verdict(estimate: Interval, sign: str, bound: float) -> str:
    """Met where the whole interval is within the bound, missed where none of it is."""
    low, high = estimate.low - bound, estimate.high - bound
    if sign == "<=":
        low, high = -high, -low
    return "met" if low >= 0 else "missed" if high < 0 else "undecided"


def both_sides() -> str:
    """PPO's leaders and pathwise ones with shared followers, and the first less the second."""
    rows = _rows().query("leader == 'ppo' and followers == 'shared-ppo'")
    shown = []
    for market, runs in rows.groupby("market", sort=False):
        of = runs.pivot(index="seed", columns="gradient")
        apart = (of["share"]["ppo"] - of["share"]["pathwise"]).dropna()
        both = (of["of_control"][gradient].dropna() for gradient in ("ppo", "pathwise"))
        shown.append((str(market), *map(_percent, (*both, apart))))
    return table(("market", "PPO, %", "pathwise, %", "PPO − pathwise, points"), shown)


def before() -> str:
    """The worst gap of PPO's followers on `hidden` with a critic, and today, paired by seed."""
    then, now = (
        rows.query("market == 'hidden' and gradient == 'ppo'").set_index("seed")["worst_gap"]
        for rows in (frame("both-sides/critic"), frame("both-sides/both"))
    )
    shown = [_percent(values) for values in (then, now, (now - then).dropna())]
    return "from {} % to {} %, a difference of {} points".format(*shown)


def leader_first() -> str:
    """Where both end if the leader learns faster, with a least purchase of 0 and of 10 steps."""
    names = ("share", "share_learned", "gap")
    rows = []
    for least in ("0", "10"):
        end = frame(f"both-sides/leader-first-{least}").iloc[-1]
        shares = (f"{100 * end[name]:.0f} %" for name in names)
        rows.append((least, f"{end['price']:.2f}", *shares))
    return table(("S_min", "price", *names), rows, words=0)


def _rows() -> Any:
    shown = frame("both-sides/both")
    shown["of_control"] = shown["share"] / shown["control"]
    return shown


def _named(market: str, leader: str, followers: str, gradient: str) -> str:
    own = ", a network for each VMU," if followers == "independent-ppo" else ""
    by = {"ppo": "PPO's gradient", "pathwise": "the pathwise gradient"}[gradient]
    return f"{leader.upper()}{own} on {market} by {by}"


def _percent(shares: Any) -> str:
    return plus_minus(mean_interval(100 * shares), 2)
