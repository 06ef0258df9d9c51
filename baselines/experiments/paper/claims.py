"""The paper's claims, and ours about variants, as differences over seeds; one rule of verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines.arena.statistics import Interval, mean_interval

NEAR = 0.95
"""Share of U_p* from which a curve counts as near the equilibrium."""
MARGIN = 0.001
"""A small difference of shares of U_p* or p*."""
SPEED_MARGIN = 0.01
"""A small difference of times to get near the equilibrium, as shares of training."""


@dataclass(frozen=True)
class Claim:
    """What is said, and the differences that tell whether it is so."""

    text: str
    measure: str
    """What the differences are of."""
    differences: np.ndarray
    """One a seed, above 0 where the claim is right there."""
    margin: float = MARGIN
    opposite: str = "lower"
    """What is so where the differences are below 0."""
    of_equality: bool = False
    """Whether the claim is that there is no difference but a small one."""

    def interval(self) -> Interval:
        """The mean difference and its 95 % interval over seeds (NaN where there is one seed)."""
        return mean_interval(self.differences)

    def verdict(self) -> str:
        """By the sign of the interval, and by whether the margin holds all of it.

        A claim of a difference *holds* where the interval lies above 0, *fails* where it lies
        below, and is *undecided* where it holds 0; where it lies within the margin on both sides of
        0, the verdict says so. A claim of equality holds where the interval lies within the margin,
        and fails where it lies outside.
        """
        _, low, high = self.interval()
        small = -self.margin <= low and high <= self.margin
        if self.of_equality:
            outside = high < -self.margin or low > self.margin
            return "holds" if small else "fails" if outside else "undecided"
        size = f", by less than {100 * self.margin:g} %" if small else ""
        if low > 0:
            return f"holds{size}"
        return f"fails: {self.opposite}{size}" if high < 0 else f"undecided{size}"


def of_paper(runs: Any, learning: Any) -> Iterator[Claim]:
    """The paper's claims about Fig. 2, on the tables `runs.csv` and `learning.csv`."""
    arms = arms_of(learning)
    tppo, ppo = arms["tppo", 0.0, "price"], arms["ppo", 0.0, ""]
    yield from _faster_and_higher("TPPO", tppo, "PPO", ppo)
    for better in (tppo, ppo):
        for worse in (arms["greedy", None, ""], arms["random", None, ""]):
            yield _end(better.name, better, worse.name, worse)
        yield _played(better.name, better, "Greedy", arms["greedy", None, ""])
    for figure, x, y, sign, text, opposite in (
        ("2b", "cost", "price", 1, "Price rises as c rises (TPPO)", "falls"),
        ("2d", "cost", "utility", -1, "Utility falls as c rises (TPPO)", "rises"),
        ("2c", "num_vmus", "utility", 1, "Utility rises with the number of VMUs (TPPO)", "falls"),
    ):
        symbol = {"cost": "c", "num_vmus": "K"}[x]
        measure = f"smallest change of {y} from one {symbol} to the next, share of the first's"
        changes = _smallest_step(runs, figure, x, y, sign)
        yield Claim(text, measure, changes, opposite=f"{opposite} somewhere")
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
    return min(claims, key=lambda claim: np.nanmin(claim.interval()))


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
        "slower",
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
