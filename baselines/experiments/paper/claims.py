"""The paper's claims, and ours about its variants, as differences over seeds; one rule of verdict.

A verdict comes from the 95 % interval (Student's t) of the mean difference over paired seeds:
*equal* where it lies within the margin on both sides of 0, *holds* where it lies above 0, *fails*
where it lies below, *undecided* otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import stats

NEAR = 0.95
"""Share of U_p* from which a curve counts as near the equilibrium."""
MARGIN = 0.001
"""Shares of U_p* and p* that differ by less are equal."""
SPEED_MARGIN = 0.01
"""Times to get near the equilibrium that differ by less, as a share of training, are equal."""

Verdict = Literal["holds", "fails", "equal", "undecided"]


@dataclass(frozen=True)
class Claim:
    """What is said, and the differences that tell whether it is so."""

    text: str
    measure: str
    """What the differences are of."""
    differences: np.ndarray
    """One a seed, above 0 where the claim is right there."""
    margin: float = MARGIN
    of_equality: bool = False
    """Whether the claim is that there is no difference."""

    def interval(self) -> tuple[float, float, float]:
        """Mean, and bounds of its 95 % interval over seeds; without bounds (NaN) for one seed."""
        n = len(self.differences)
        mean = float(np.mean(self.differences))
        half = stats.t.ppf(0.975, n - 1) * stats.sem(self.differences) if n > 1 else np.nan
        return mean, mean - half, mean + half

    def verdict(self) -> Verdict:
        """By the rule of this module."""
        _, low, high = self.interval()
        found = judge(low, high, self.margin)
        if not self.of_equality or found == "undecided":
            return found
        return "holds" if found == "equal" else "fails"


def judge(low: float, high: float, margin: float) -> Verdict:
    """The verdict on a claim that a difference is above 0, from the interval of the difference."""
    if -margin <= low and high <= margin:
        return "equal"
    if low > 0:
        return "holds"
    return "fails" if high < 0 else "undecided"


def of_paper(runs: Any, learning: Any) -> Iterator[Claim]:
    """The paper's claims about Fig. 2, on the tables `runs.csv` and `learning.csv`."""
    arms = arms_of(learning)
    tppo, ppo = arms["tppo", 0.0, "price"], arms["ppo", 0.0, ""]
    yield from _faster_and_higher("TPPO", tppo, "PPO", ppo)
    for better in (tppo, ppo):
        for worse in (arms["greedy", None, ""], arms["random", None, ""]):
            yield _end(better.name, better, worse.name, worse)
        yield _played(better.name, better, "Greedy", arms["greedy", None, ""])
    for figure, x, y, sign, text in (
        ("2b", "cost", "price", 1, "Price rises as c rises (TPPO)"),
        ("2d", "cost", "utility", -1, "Utility falls as c rises (TPPO)"),
        ("2c", "num_vmus", "utility", 1, "Utility rises with the number of VMUs (TPPO)"),
    ):
        symbol = {"cost": "c", "num_vmus": "K"}[x]
        measure = f"smallest change of {y} from one {symbol} to the next, share of the first's"
        yield Claim(text, measure, _smallest_step(runs, figure, x, y, sign))
    yield tracking(runs, "tppo")


def of_variants(learning: Any) -> Iterator[Claim]:
    """What γ = 0 and the query by the last price are worth, on the table `learning.csv`."""
    arms = arms_of(learning)
    tppo, ppo = arms["tppo", 0.0, "price"], arms["ppo", 0.0, ""]
    for usual in (ppo, tppo):
        other = arms.get((usual.method, 0.9, usual.query))
        if other is not None:
            yield from _faster_and_higher(f"{usual.name} with γ = 0", usual, "with γ = 0.9", other)
    if ("tppo", 0.9, "price") in arms and ("ppo", 0.9, "") in arms:
        discounted = arms["tppo", 0.9, "price"], arms["ppo", 0.9, ""]
        yield from _faster_and_higher("At γ = 0.9 TPPO", discounted[0], "PPO", discounted[1])
    learnt = arms.get(("tppo", 0.0, "learnt"))
    if learnt is not None:
        names = "TPPO queried by the last price", "queried by a learnt vector"
        yield from _faster_and_higher(names[0], tppo, names[1], learnt)


@dataclass(frozen=True)
class Arm:
    """One way to learn the paper's market, under several seeds."""

    method: str
    gamma: float | None
    """The discount; None where nobody learns by a return."""
    query: str
    """By what TPPO's decoder queries: "price" or "learnt"; "" for other methods."""
    rows: Any
    """Of `learning.csv`, by seed."""

    @property
    def name(self) -> str:
        """Of the method, as the paper writes it."""
        return self.method.upper() if "ppo" in self.method else self.method.capitalize()


def arms_of(learning: Any) -> dict[tuple[str, float | None, str], Arm]:
    """The arms of a table by method, discount and query, in its order."""
    found = {}
    for (method, gamma, query), rows in learning.groupby(
        ["method", "gamma", "query"], sort=False, dropna=False
    ):
        gamma = None if np.isnan(gamma) else float(gamma)
        by_seed = rows.set_index("seed").sort_index()
        found[method, gamma, query] = Arm(method, gamma, query, by_seed)
    return found


def tracking(runs: Any, method: str) -> Claim:
    """That a method earns what the equilibrium earns, in the market where it is worst at that."""
    rows = runs[(runs["method"] == method) & runs["figure"].isin(["2b", "2c", "2d"])]
    claims = []
    for (K, cost), market in rows.drop_duplicates(["num_vmus", "cost", "seed"]).groupby(
        ["num_vmus", "cost"]
    ):
        lost = market["utility"] / market["equilibrium_utility"] - 1.0
        claims.append(
            Claim(
                f"{method.upper()} tracks the equilibrium in (b)–(d)",
                f"share of U_p* less 1, in the worst market (K = {K}, c = {cost:g})",
                lost.to_numpy(),
                of_equality=True,
            )
        )
    return min(
        claims, key=lambda claim: np.nan_to_num(claim.interval()[1], nan=claim.interval()[0])
    )


def episodes_to(curve: np.ndarray, block: int) -> float:
    """Episodes until the utility is near the equilibrium's; all of them if it never is.

    Args:
        curve: share of U_p* of each episode, in order.
        block: episodes that were played side by side, which are averaged; from the middle of a
            block to that of the next the mean is taken to change linearly.
    """
    means = curve[: len(curve) // block * block].reshape(-1, block).mean(axis=1)
    if not (means >= NEAR).any():
        return float(len(curve))
    after = int((means >= NEAR).argmax())
    if after == 0:
        return block / 2
    part = (NEAR - means[after - 1]) / (means[after] - means[after - 1])
    return float(block * (after - 0.5 + part))


def end_of(curve: np.ndarray) -> float:
    """Mean of the last tenth of training."""
    return float(curve[-max(1, len(curve) // 10) :].mean())


def _faster_and_higher(name: str, arm: Arm, than: str, other: Arm) -> Iterator[Claim]:
    training = float(arm.rows["episodes"].iloc[0])
    yield Claim(
        f"{name} converges faster than {than}",
        f"training until {100 * NEAR:g} % of U_p*, less",
        _difference(other, arm, "reached") / training,
        SPEED_MARGIN,
    )
    yield _end(name, arm, than, other, "converges higher than")
    yield _played(name, arm, than, other)


def _end(name: str, arm: Arm, than: str, other: Arm, does: str = "beats") -> Claim:
    measure = "share of U_p*, last tenth of training, exploration included"
    return Claim(f"{name} {does} {than}", measure, _difference(arm, other, "end"))


def _played(name: str, arm: Arm, than: str, other: Arm) -> Claim:
    measure = "share of U_p*, without exploring"
    return Claim(f"{name} ends higher than {than}", measure, _difference(arm, other, "exploiting"))


def _difference(one: Arm, other: Arm, measure: str) -> np.ndarray:
    """By seed, of the seeds that both have."""
    return (one.rows[measure] - other.rows[measure]).dropna().to_numpy()


def _smallest_step(runs: Any, figure: str, x: str, y: str, sign: int) -> np.ndarray:
    rows = runs[(runs["figure"] == figure) & (runs["method"] == "tppo")]
    by_seed = rows.pivot_table(index=x, columns="seed", values=y).sort_index()
    first = rows.sort_values(x)[f"equilibrium_{y}"].iloc[0]
    return (sign * by_seed.diff().iloc[1:]).min().to_numpy() / first
