"""`report.md`: which of the paper's claims hold, with what confidence, and the numbers."""

from __future__ import annotations

import importlib.metadata
import math
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from scipy import stats

from baselines.experiments.paper.claims import (
    MARGIN,
    NEAR,
    SPEED_MARGIN,
    Claim,
    arms_of,
    of_paper,
    of_variants,
)
from baselines.runs.files import read_frame, write_atomically

_PACKAGES = ("aigc-market", "gymnasium", "numpy", "pettingzoo", "stable-baselines3", "torch")
RULE = (
    "Intervals are 95 % confidence intervals (Student's t) of the mean difference over paired "
    f"seeds. A difference is *equal* where its interval lies within ± {100 * MARGIN:g} % of U_p* "
    f"or p* (for speed: ± {100 * SPEED_MARGIN:g} % of training), whatever its sign; else a claim "
    "*holds* where the interval lies above 0, *fails* where it lies below, and is *undecided* in "
    "between. That a method tracks the equilibrium holds where the two are equal. Speed is read "
    "off the means of episodes that were played side by side, and interpolated between them."
)


def write(folder: Path, settings: dict[str, Any]) -> Path:
    """Write the report of the CSV files of a folder beside them."""
    runs, learning = read(folder)
    tables = sections(folder)
    lines = [
        "# The paper's figures, reproduced",
        "",
        "Source: Lai et al., IEEE Trans. Vehicular Technology, 2025, doi 10.1109/TVT.2025.3544227. "
        "The paper does not publish its settings or its curves' values, so its claims are tested, "
        "not its numbers.",
        "",
        tables["summary"],
        "",
        "## Claims",
        "",
        tables["claims"],
        "",
        tables["rule"],
        "",
        "## What exploring costs",
        "",
        tables["exploring"],
        "",
        *_variants(learning, tables),
        "## Results",
        "",
        "Learners play without exploring after training; greedy and random as they always play. "
        "Means over seeds; shares are rounded down.",
        "",
        _results_table(runs),
        "",
        *_live(folder),
        "## Figures",
        "",
        *(f"![Fig. 2({x})](fig2{x}.png)" for x in "abcd"),
        "",
        "A market that several figures share is trained once and listed under each in `runs.csv`.",
        "",
        "## Settings",
        "",
        *(f"- {name}: `{value}`" for name, value in settings.items()),
        "",
        "## Versions",
        "",
        f"- Python {platform.python_version()} on {platform.machine()}",
        *(f"- {name} {importlib.metadata.version(name)}" for name in _PACKAGES),
        "",
    ]
    path = folder / "report.md"
    write_atomically(path, "\n".join(lines))
    return path


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
    rows: list[Sequence[str]] = [header]
    shares = runs.assign(share=runs["utility"] / runs["equilibrium_utility"])
    for arm in arms_of(learning).values():
        if arm.gamma in (None, 0.0) and arm.query != "learnt":
            worst = shares[shares["method"] == arm.method]["share"].min()
            values = arm.rows["exploiting"].mean(), arm.rows["end"].mean(), worst
            rows.append((arm.name, *map(percent, values)))
    return _table(rows)


def _exploring(learning: Any) -> str:
    """Why learners beat greedy, in words, from `learning.csv`."""
    arms = arms_of(learning)
    greedy = arms["greedy", None, ""].rows
    noise = {}
    for arm in (arms["ppo", 0.0, ""], arms["tppo", 0.0, "price"]):
        noise[arm.name] = _points((arm.rows["exploiting"] - arm.rows["end"]).mean())
    cost = _points((greedy["exploiting"] - greedy["end"]).mean())
    return (
        f"Greedy never stops exploring (ε = 0.1). Of U_p* it gets {percent(greedy['end'].mean())} "
        f"in the last tenth of its rounds, and {percent(greedy['exploiting'].mean())} in those of "
        f"them in which it did not explore (worst seed {percent(greedy['exploiting'].min())}): "
        f"exploring alone costs it {cost} of U_p*. A learner's noise shrinks as it learns: in the "
        "last tenth of training it costs "
        + " and ".join(f"{name} {share}" for name, share in noise.items())
        + "."
    )


def _variants(learning: Any, tables: dict[str, str]) -> list[str]:
    if not (learning["gamma"].gt(0) | learning["query"].eq("learnt")).any():
        return []
    return [
        "## Variants",
        "",
        "Shares of U_p* in the paper's market; means over seeds, rounded down.",
        "",
        tables["arms"],
        "",
        "The same rule of verdict, on what the recipe in use has over its variants:",
        "",
        tables["variants"],
        "",
    ]


def _arms_table(learning: Any) -> str:
    header = (
        "method",
        "γ",
        "query of the decoder",
        "seeds",
        f"episodes to {100 * NEAR:g} %",
        "all of training",
        "its last tenth",
        "without exploring",
        "worst seed",
    )
    rows: list[Sequence[str]] = [header]
    for arm in arms_of(learning).values():
        of_arm = arm.rows
        means = of_arm.mean(numeric_only=True)
        rows.append(
            (
                arm.name,
                "" if arm.gamma is None else f"{arm.gamma:g}",
                {"price": "last price", "learnt": "learnt vector"}.get(arm.query, ""),
                str(len(of_arm)),
                f"{means['reached']:.1f}",
                percent(means["training"]),
                percent(means["end"]),
                percent(means["exploiting"]),
                percent(of_arm["exploiting"].min()),
            )
        )
    return _table(rows)


def _claims_table(claims: Iterable[Claim]) -> str:
    rows = [("claim", "measured", "mean difference [95 % interval]", "verdict")]
    for claim in claims:
        mean, low, high = claim.interval()
        seeds = len(claim.differences)
        if seeds == 1:
            text, verdict = f"{_points(mean)} [one seed]", "undecided (one seed)"
        else:
            above = int((claim.differences > 0).sum())
            text = (
                f"{_points(mean)} [{_points(low)}, {_points(high)}]; "
                f"above 0 in {above} of {seeds} seeds"
            )
            verdict = claim.verdict()
        rows.append((claim.text, claim.measure, text, verdict))
    return _table(rows)


def percent(share: float) -> str:
    """A share in percent, rounded down: what falls short of 100 % is not said to reach it."""
    return f"{math.floor(1e5 * share + 0.01) / 1e3:.3f} %"  # prices are float32


def _points(difference: float) -> str:
    """A difference of shares in percent."""
    return f"{100 * difference:.3f} %".replace("-", "−")


def _results_table(runs: Any) -> str:
    unique = runs.drop_duplicates(["method", "num_vmus", "cost", "seed"])
    rows = [("method", "K", "c", "seeds", "price", "p*", "utility", "U_p*", "share", "CPU seconds")]
    for (method, K, cost), group in unique.groupby(["method", "num_vmus", "cost"], sort=False):
        mean = group.mean(numeric_only=True)
        rows.append(
            (
                method,
                str(K),
                f"{cost:g}",
                str(len(group)),
                f"{mean['price']:.3f}",
                f"{mean['equilibrium_price']:.3f}",
                f"{mean['utility']:.2f}",
                f"{mean['equilibrium_utility']:.2f}",
                percent(mean["utility"] / mean["equilibrium_utility"]),
                f"{mean['seconds']:.1f}",
            )
        )
    return _table(rows)


def _live(folder: Path) -> list[str]:
    if not (folder / "live.csv").exists():
        return []
    live: Any = read_frame(folder / "live.csv")
    rows = [("method", "images", "price", "steps", "SSIM", "table", "luck [95 % interval]")]
    for method, group in live.groupby("method", sort=False):
        mean = group.mean(numeric_only=True)
        low, high = stats.t.interval(
            0.95, len(group) - 1, loc=mean["luck"], scale=stats.sem(group["luck"])
        )
        rows.append(
            (
                method,
                str(len(group)),
                f"{mean['price']:.3f}",
                f"{mean['steps']:.1f}",
                f"{mean['ssim']:.4f}",
                f"{mean['table']:.4f}",
                f"{mean['luck']:.1f} [{low:.1f}, {high:.1f}]",
            )
        )
    return [
        "## Live rounds",
        "",
        "After training on the measured table, images were really repainted for the VMUs, who buy "
        "by the table. *Luck* is what the difference between the SSIM measured and the table's is "
        "worth to a VMU; the leader's utility does not depend on it.",
        "",
        _table(rows),
        "",
    ]


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)
