"""The paper's claims, and ours about variants, as differences over seeds; one rule of verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines.arena.statistics import Interval, mean_interval
from baselines.experiments.paper.runs import LEARNERS, OTHERS

NAMES = {
    "tppo": "TPPO",
    "ppo": "PPO",
    "greedy": "Greedy",
    "random": "Random",
    "equilibrium": "Stackelberg equilibrium",
}
"""The methods of Fig. 2, as the paper writes them."""
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
    greedy, random = arms["greedy", None, ""], arms["random", None, ""]
    for name, arm in (("TPPO", tppo), ("PPO", ppo)):
        yield _higher(f"{name} beats Greedy", "end", arm, greedy)
        yield _higher(f"{name} beats Random", "end", arm, random)
        yield _higher(f"{name} ends higher than Greedy", "exploiting", arm, greedy)
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


def of_others(runs: Any) -> Iterator[Claim]:
    """That each learner of the paper, and each other one in `runs.csv`, tracks the equilibrium."""
    for method in [name for name in (*LEARNERS, *OTHERS) if name in set(runs["method"])]:
        yield tracking(runs, method)


def of_variants(learning: Any) -> Iterator[Claim]:
    """What γ = 0 and the query by the last price are worth, on the table `learning.csv`.

    Nothing where no variants were trained.
    """
    if not learning["gamma"].gt(0).any():
        return
    arms = arms_of(learning)
    for text, one, than, other in (
        ("PPO with γ = 0", ("ppo", 0.0, ""), "with γ = 0.9", ("ppo", 0.9, "")),
        ("TPPO with γ = 0", ("tppo", 0.0, "price"), "with γ = 0.9", ("tppo", 0.9, "price")),
        ("At γ = 0.9 TPPO", ("tppo", 0.9, "price"), "PPO", ("ppo", 0.9, "")),
        (
            "TPPO queried by the last price",
            ("tppo", 0.0, "price"),
            "queried by a learnt vector",
            ("tppo", 0.0, "learnt"),
        ),
    ):
        yield from _faster_and_higher(text, arms[one], than, arms[other])


def arms_of(learning: Any) -> dict[tuple[str, float | None, str], Any]:
    """The rows of `learning.csv` by seed, of each way to learn the paper's market, in their order.

    A way is a method, a discount (None where nobody learns by a return), and by what TPPO's decoder
    queries: "price" or "learnt"; "" for other methods.
    """
    ways = ["method", "gamma", "query"]
    arms = learning.set_index("seed").groupby(ways, sort=False, dropna=False)
    return {
        (method, None if np.isnan(gamma) else float(gamma), query): rows
        for (method, gamma, query), rows in arms
    }


def tracking(runs: Any, method: str) -> Claim:
    """That a method earns what the equilibrium earns, in the market where it is worst at that."""
    rows = runs[(runs["method"] == method) & runs["figure"].isin(["2b", "2c", "2d"])]
    rows = rows.drop_duplicates(["num_vmus", "cost", "seed"])
    lost = rows["utility"] / rows["equilibrium_utility"] - 1.0
    by_market = lost.groupby([rows["num_vmus"], rows["cost"]])
    (K, cost), worst = min(by_market, key=lambda market: np.nanmin(mean_interval(market[1])))
    return Claim(
        f"{method.upper()} tracks the equilibrium in (b)–(d)",
        f"share of U_p* less 1, in the worst market (K = {K}, c = {cost:g})",
        worst.to_numpy(),
        of_equality=True,
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


def _faster_and_higher(name: str, one: Any, than: str, other: Any) -> Iterator[Claim]:
    yield Claim(
        f"{name} converges faster than {than}",
        f"training until {100 * NEAR:g} % of U_p*, less",
        _difference(other, one, "reached") / float(one["episodes"].iloc[0]),
        SPEED_MARGIN,
        "slower",
    )
    yield _higher(f"{name} converges higher than {than}", "end", one, other)
    yield _higher(f"{name} ends higher than {than}", "exploiting", one, other)


def _higher(text: str, column: str, one: Any, other: Any) -> Claim:
    when = {
        "end": "last tenth of training",
        "exploiting": "without exploring",
    }
    return Claim(text, f"share of U_p*, {when[column]}", _difference(one, other, column))


def _difference(one: Any, other: Any, column: str) -> np.ndarray:
    """By seed, of the seeds that both have."""
    return (one[column] - other[column]).dropna().to_numpy()


def _smallest_step(runs: Any, figure: str, x: str, y: str, sign: int) -> np.ndarray:
    rows = runs[(runs["figure"] == figure) & (runs["method"] == "tppo")]
    by_seed = rows.pivot_table(index=x, columns="seed", values=y).sort_index()
    first = rows.sort_values(x)[f"equilibrium_{y}"].iloc[0]
    return (sign * by_seed.diff().iloc[1:]).min().to_numpy() / first
