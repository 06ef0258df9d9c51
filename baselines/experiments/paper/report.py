"""`report.md`: which of the paper's claims hold, with what confidence, and the numbers."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from baselines.runs.files import write_atomically

_NEAR = 0.95
_PACKAGES = ("aigc-market", "gymnasium", "numpy", "pettingzoo", "stable-baselines3", "torch")


def write(folder: Path, settings: dict[str, Any]) -> Path:
    """Write the report of `runs.csv` and `curves.csv` beside them."""
    runs: Any = pd.read_csv(folder / "runs.csv", dtype={"figure": str})
    curves: Any = pd.read_csv(folder / "curves.csv")
    lines = [
        "# The paper's figures, reproduced",
        "",
        "Source: Lai et al., IEEE Trans. Vehicular Technology, 2025, doi 10.1109/TVT.2025.3544227. "
        "The paper does not publish its settings or its curves' values, so its claims are tested, "
        "not its numbers.",
        "",
        "## Claims",
        "",
        _claims_table(runs, curves),
        "",
        "Intervals are 95 % confidence intervals of the mean over seeds (Student's t). A claim "
        "*holds* where its whole interval lies on the claimed side, *fails* where it lies on the "
        "other, and is *undecided* in between: more seeds narrow it (`--seeds`). Shares are of the "
        "equilibrium's utility U_p*.",
        "",
        "## Results",
        "",
        "Learners play without exploring after training; greedy and random play as they always do. "
        "Means over seeds.",
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


def _claims_table(runs: Any, curves: Any) -> str:
    best = runs[runs["figure"] == "2a"]["equilibrium_utility"].iloc[0]
    shares = curves.assign(share=curves["utility"] / best)
    learning = {
        method: group.pivot_table(index="episode", columns="seed", values="share")
        for method, group in shares.groupby("method")
    }
    rows = [
        _claim(
            "TPPO converges faster than PPO",
            f"episodes to reach {_NEAR:.0%} of U_p*, PPO minus TPPO",
            _episodes_to(learning["ppo"]) - _episodes_to(learning["tppo"]),
        ),
        _claim(
            "TPPO converges higher than PPO (last tenth of training)",
            "share, TPPO minus PPO",
            _end(learning["tppo"]) - _end(learning["ppo"]),
        ),
        _claim(
            "TPPO ends higher than PPO (played without exploring)",
            "share, TPPO minus PPO",
            _final_share(runs, "tppo") - _final_share(runs, "ppo"),
        ),
    ]
    for better in ("tppo", "ppo"):
        for worse in ("greedy", "random"):
            rows.append(
                _claim(
                    f"{better.upper()} beats {worse.capitalize()} (last tenth of training)",
                    "share, difference",
                    _end(learning[better]) - _end(learning[worse]),
                )
            )
    for figure, x, y, sign, text in (
        ("2b", "cost", "price", 1, "Price rises as c rises (TPPO)"),
        ("2d", "cost", "utility", -1, "Utility falls as c rises (TPPO)"),
        ("2c", "num_vmus", "utility", 1, "Utility rises with the number of VMUs (TPPO)"),
    ):
        steps = _smallest_step(runs, figure, x, y, sign)
        rows.append(_claim(text, f"smallest change of {y} from one {x} to the next", steps))
    tracking = runs[(runs["method"] == "tppo") & runs["figure"].isin(["2b", "2c", "2d"])]
    share = tracking["utility"] / tracking["equilibrium_utility"]
    off = (tracking["price"] / tracking["equilibrium_price"] - 1).abs()
    rows.append(
        (
            "TPPO tracks the equilibrium in (b)–(d)",
            "worst run: share of U_p*; distance from p*",
            f"{share.min():.4f}; {off.max():.2%}",
            "holds" if share.min() >= 0.99 else "fails",
        )
    )
    header = ("claim", "measured", "mean [95 % interval]", "verdict")
    return _table([header, *rows])


def _claim(text: str, measure: str, differences: np.ndarray) -> tuple[str, str, str, str]:
    mean = float(np.mean(differences))
    if len(differences) < 2:
        return text, measure, f"{mean:.4g} [one seed]", "undecided (one seed)"
    if np.ptp(differences) == 0:  # such as counts of episodes
        return text, measure, f"{mean:.4g} in every seed", "undecided (no spread)"
    low, high = stats.t.interval(0.95, len(differences) - 1, loc=mean, scale=stats.sem(differences))
    verdict = "holds" if low > 0 else "fails" if high < 0 else "undecided"
    return text, measure, f"{mean:.4g} [{low:.4g}, {high:.4g}]", verdict


def _episodes_to(curve: Any) -> np.ndarray:
    """Episodes until the mean of ten reaches the mark, by seed; all of them if it never does."""
    smooth = curve.rolling(10, min_periods=1).mean()
    reached = smooth.to_numpy() >= _NEAR
    first = np.where(reached.any(axis=0), reached.argmax(axis=0), len(curve) - 1)
    return np.asarray(curve.index)[first].astype(float)


def _end(curve: Any) -> np.ndarray:
    return curve.iloc[-max(1, len(curve) // 10) :].mean().to_numpy()


def _final_share(runs: Any, method: str) -> np.ndarray:
    rows = runs[(runs["figure"] == "2a") & (runs["method"] == method)].sort_values("seed")
    return (rows["utility"] / rows["equilibrium_utility"]).to_numpy()


def _smallest_step(runs: Any, figure: str, x: str, y: str, sign: int) -> np.ndarray:
    rows = runs[(runs["figure"] == figure) & (runs["method"] == "tppo")]
    by_seed = rows.pivot_table(index=x, columns="seed", values=y).sort_index()
    return (sign * by_seed.diff().iloc[1:]).min().to_numpy()


def _results_table(runs: Any) -> str:
    unique = runs.drop_duplicates(["method", "num_vmus", "cost", "seed"])
    rows = [("method", "K", "c", "seeds", "price", "p*", "utility", "U_p*", "share", "seconds")]
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
                f"{mean['utility'] / mean['equilibrium_utility']:.4f}",
                f"{mean['seconds']:.1f}",
            )
        )
    return _table(rows)


def _live(folder: Path) -> list[str]:
    if not (folder / "live.csv").exists():
        return []
    live: Any = pd.read_csv(folder / "live.csv")
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
