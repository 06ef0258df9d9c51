"""`report.md`: which of the paper's claims hold, with what confidence, and the numbers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from baselines import report
from baselines.experiments.paper.claims import (
    MARGIN,
    NAMES,
    NEAR,
    SPEED_MARGIN,
    Claim,
    arms_of,
    of_others,
    of_paper,
    of_variants,
)
from baselines.experiments.paper.runs import OTHERS
from baselines.report import number, percent, table
from baselines.runs.files import read_frame

_PACKAGES = ("aigc-market", "gymnasium", "numpy", "pettingzoo", "stable-baselines3", "torch")
RULE = (
    "A claim *holds* where the 95 % interval (Student's t) of the mean difference over paired "
    "seeds lies above 0, *fails* where it lies below, and is *undecided* otherwise. *By less "
    f"than* says that all of it lies within ± {100 * MARGIN:g} % of U_p* or p* (for speed: "
    f"± {100 * SPEED_MARGIN:g} % of training). A method tracks the equilibrium where the interval "
    "lies within that margin. Speed is read off means of episodes played side by side, "
    "interpolated between them."
)


def write(folder: Path, settings: dict[str, Any]) -> Path:
    """Write the report of the CSV files of a folder beside them."""
    runs, learning = read(folder)
    tables, others = sections(folder), runs["method"].isin(OTHERS).any()
    parts = [
        "# The paper's figures, reproduced",
        "Source: Lai et al., IEEE Trans. Vehicular Technology, 2025, doi 10.1109/TVT.2025.3544227. "
        "The paper does not publish its settings or its curves' values, so its claims are tested, "
        "not its numbers.",
        tables["summary"],
        "## Claims",
        tables["claims"],
        tables["rule"],
        *(("## Learners that the paper does not have", tables["others"]) if others else ()),
        "## What exploring costs",
        tables["exploring"],
    ]
    if learning["gamma"].gt(0).any():
        parts += [
            "## Variants",
            "Shares of U_p* in the paper's market; means over seeds, rounded down.",
            tables["arms"],
            "The same rule of verdict, on what the recipe in use has over its variants:",
            tables["variants"],
        ]
    parts += [
        "## Results",
        "Learners play without exploring after training; greedy and random as they always play. "
        "Means over seeds; shares are rounded down.",
        _results_table(runs),
        *_live(folder),
        "## Figures",
        "\n".join(f"![Fig. 2({x})](fig2{x}.png)" for x in "abcd"),
        "A market that several figures share is trained once and listed under each in `runs.csv`.",
        "## Settings",
        report.settings(settings, _PACKAGES),
    ]
    return report.write(folder / "report.md", parts)


def read(folder: Path) -> tuple[Any, Any]:
    """The tables `runs.csv` and `learning.csv` of a folder."""
    runs: Any = read_frame(folder / "runs.csv", dtype={"figure": str})
    learning: Any = read_frame(folder / "learning.csv").fillna({"query": ""})
    return runs, learning


def sections(folder: Path) -> dict[str, str]:
    """The parts of the report that docs/results.md has too, as Markdown by name."""
    runs, learning = read(folder)
    return {
        "summary": _summary(runs, learning),
        "claims": _claims_table(of_paper(runs, learning)),
        "rule": RULE,
        "others": _claims_table(of_others(runs)),
        "exploring": _exploring(learning),
        "arms": _arms_table(learning),
        "variants": _claims_table(of_variants(learning)),
    }


def _summary(runs: Any, learning: Any) -> str:
    """What each method ends at, by the recipe in use."""
    header = (
        "method",
        "c = 1, K = 2, without exploring",
        "last tenth of training, exploration included",
        "worst run of all markets, as played",
    )
    rows = []
    shares = runs.assign(share=runs["utility"] / runs["equilibrium_utility"])
    for (method, gamma, query), arm in arms_of(learning).items():
        if gamma in (None, 0.0) and query != "learnt":
            worst = shares[shares["method"] == method]["share"].min()
            values = arm["exploiting"].mean(), arm["end"].mean(), worst
            rows.append((NAMES[method], *map(percent, values)))
    return table(header, rows)


def _exploring(learning: Any) -> str:
    """Why learners beat greedy, in words, from `learning.csv`."""
    arms = arms_of(learning)
    greedy = arms["greedy", None, ""]
    cost, *noise = (
        _points((arm["exploiting"] - arm["end"]).mean())
        for arm in (greedy, arms["ppo", 0.0, ""], arms["tppo", 0.0, "price"])
    )
    return (
        f"Greedy never stops exploring (ε = 0.1). Of U_p* it gets {percent(greedy['end'].mean())} "
        f"in the last tenth of its rounds, and {percent(greedy['exploiting'].mean())} in those in "
        f"which it did not explore: exploring alone costs it {cost}. Learners' noise shrinks: "
        f"there it costs PPO {noise[0]} and TPPO {noise[1]}."
    )


def _arms_table(learning: Any) -> str:
    header = (
        "method",
        "γ",
        "decoder's query",
        f"episodes to {100 * NEAR:g} %",
        "last tenth of training",
        "without exploring",
        "worst seed",
    )
    rows = []
    queries = {"price": "last price", "learnt": "learnt vector", "": ""}
    for (method, gamma, query), arm in arms_of(learning).items():
        discount = "" if gamma is None else f"{gamma:g}"
        shares = arm[["end", "exploiting"]].mean()
        reached = number(arm["reached"].mean(), 1)
        cells = [NAMES[method], discount, queries[query], reached]
        rows.append([*cells, *map(percent, [*shares, arm["exploiting"].min()])])
    return table(header, rows, words=3)


def _claims_table(claims: Iterable[Claim]) -> str:
    header = ("claim", "measured", "mean difference ± 95 % (seeds above 0)", "verdict")
    rows = []
    for claim in claims:
        mean, low, _ = claim.interval()
        seeds = len(claim.differences)
        if seeds == 1:
            text, verdict = f"{_points(mean)} (one seed)", "undecided (one seed)"
        else:
            above = int((claim.differences > 0).sum())
            text = f"{_points(mean)} ± {_points(mean - low)} ({above} of {seeds})"
            verdict = claim.verdict()
        rows.append((claim.text, claim.measure, text, verdict))
    return table(header, rows, words=4)


def _points(difference: float) -> str:
    """A difference of shares in percent."""
    return f"{100 * difference:.3f} %".replace("-", "−")


def _results_table(runs: Any) -> str:
    unique = runs.drop_duplicates(["method", "num_vmus", "cost", "seed"])
    header = ("method", "K", "c", "seeds", "price", "p*", "utility", "U_p*", "share", "CPU seconds")
    rows = []
    for (method, K, cost), group in unique.groupby(["method", "num_vmus", "cost"], sort=False):
        mean = group.mean(numeric_only=True)
        prices = (number(mean[name], 3) for name in ("price", "equilibrium_price"))
        utilities = (number(mean[name], 2) for name in ("utility", "equilibrium_utility"))
        share = percent(mean["utility"] / mean["equilibrium_utility"])
        of = method, str(K), f"{cost:g}", str(len(group))
        rows.append((*of, *prices, *utilities, share, number(mean["seconds"], 1)))
    return table(header, rows)


def _live(folder: Path) -> list[str]:
    if not (folder / "live.csv").exists():
        return []
    live: Any = read_frame(folder / "live.csv")
    header = ("method", "images", "price", "steps", "SSIM", "table", "luck [95 % interval]")
    rows = []
    for method, group in live.groupby("method", sort=False):
        mean = group.mean(numeric_only=True)
        digits = {"price": 3, "steps": 1, "ssim": 4, "table": 4}
        numbers = (number(mean[name], of) for name, of in digits.items())
        rows.append((method, str(len(group)), *numbers, report.mean(group["luck"], 1)))
    return [
        "## Live rounds",
        "After training on the measured table, images were really repainted for the VMUs, who buy "
        "by the table. *Luck* is what the difference between the SSIM measured and the table's is "
        "worth to a VMU; the leader's utility does not depend on it.",
        table(header, rows),
    ]
