"""The measured tables of model cards: policies that come along, and the bundled diffusion model."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
from measurements import Row, markdown, mean, only, rounded, standing

from baselines.arena import policies
from baselines.arena.policies import Policy

CURVES = Path(__file__).parents[1] / "aigc_market/ssim/repaint/bundled/curves"
"""Of the bundled diffusion model: one file, (pictures, chains, calls from 0 on) of SSIM."""
CALLS = (0, 1, 10, 50, 100, 150, 200, 250)


def weights() -> str:
    """What each method was trained on, how long, by which version, and what it earns.

    Raises:
        ValueError: a file is not the one that was kept, or not the one whose share was measured.
    """
    pairs = dict.fromkeys((of["scenario"], of["method"]) for of in policies.index().values())
    kept = {
        (scenario, method): list(map(policies.load, policies.shipped(method, scenario).values()))
        for scenario, method in pairs
    }
    header = (
        *("scenario", "method", "track", "seeds", "rounds", "CPU s", "version"),
        *("share [95 %]", "best seed: its share"),
    )
    rows = [_row(scenario, method, found) for (scenario, method), found in kept.items()]
    files = [policy for found in kept.values() for policy in found]
    seconds = sum((Decimal(policy.config["seconds"]) for policy in files), Decimal())
    [played] = {standing(*pair)["episodes"] for pair in pairs}
    return (
        f"{markdown(header, rows)}\n\n"
        f"{len(files)} policies, {rounded(seconds / 3600, 1)} CPU hours of training in all. "
        f"Shares are of {played} test episodes, the same for all methods of a scenario."
    )


def _row(scenario: str, method: str, found: list[Policy]) -> tuple[str, ...]:
    """A method in a scenario, all its seeds together."""
    row = standing(scenario, method)
    seeds = [str(policy.config["seed"]) for policy in found]
    if seeds != row["seeds"].split():
        raise ValueError(f"{scenario}-{method}: files of seeds {seeds}, a share of {row['seeds']}")
    rounds = {policy.config["rounds"] for policy in found}
    seconds = mean([policy.config["seconds"] for policy in found])
    shares = {seed: _measured(policy) for seed, policy in zip(seeds, found, strict=True)}
    [best] = policies.shipped(method, scenario, best=True)
    low, high = (rounded(row[end], 4) for end in ("low", "high"))
    return (
        *(f"`{scenario}`", f"`{method}`", row["knows"], row["seeds"]),
        " to ".join(f"{count:,}" for count in sorted({min(rounds), max(rounds)})),
        rounded(seconds, 0),
        ", ".join(sorted({policy.config["version"] for policy in found})),
        f"{rounded(row['share'], 4)} [{low}, {high}]",
        f"{best}: {rounded(shares[str(best)]['share'], 4)}",
    )


def _measured(policy: Policy) -> Row:
    """What a policy earned alone: of a training as long as its file's, to a tenth of a second."""
    config, name = policy.config, policy.path.stem
    of = {"scenario": policy.task.scenario_name, "method": config["method"], "window": "all"}
    row = only("hidden-markets/seeds", **of, seeds=str(config["seed"]))
    trained = str(config["rounds"]), rounded(str(config["seconds"]), 1)
    measured = row["train_rounds"], rounded(row["train_seconds"], 1)
    if trained != measured:
        raise ValueError(
            f"{name}: rounds and CPU seconds of the file must be those of the training whose share "
            f"was measured, {', '.join(measured)}, got {', '.join(trained)}"
        )
    return row


def bundled() -> str:
    """SSIM of the pictures of the bundled curve, against network calls."""
    [path] = CURVES.glob("*.npy")
    ssim = np.load(path, allow_pickle=False).mean(1, dtype=float)  # (pictures, calls from 0 on)
    columns = [
        (str(calls), *(rounded(f"{of(ssim[:, calls]):.6f}", 3) for of in (np.mean, _deviation)))
        for calls in CALLS
    ]
    rows = list(zip(("S", "mean", "standard deviation"), *columns, strict=True))
    return (
        f"{markdown(rows[0], rows[1:])}\n\n"
        f"Mean and standard deviation over {len(ssim)} held-out scenes, one chain each."
    )


def _deviation(values: np.ndarray) -> float:
    return values.std(ddof=1)
