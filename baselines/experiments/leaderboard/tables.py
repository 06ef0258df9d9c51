"""The leaderboard's CSV files and pages, from what was played."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from baselines.arena import policies
from baselines.arena.registry import KNOWS
from baselines.experiments.leaderboard import plots
from baselines.experiments.leaderboard.changes import UNCHANGED
from baselines.experiments.leaderboard.evaluation import WINDOWS
from baselines.experiments.leaderboard.result import Result, grouped, is_classical, is_learner
from baselines.report import NONE, bracketed, number, settings, table, write
from baselines.runs.digest import code_digest
from baselines.runs.files import discard, write_csv

COLUMNS = (
    *("scenario", "method", "knows", "window"),
    *("share", "low", "high", "market_share", "market_low", "market_high", "earned", "regret"),
    *("seeds", "seeds_asked", "episodes", "first_seed"),
    *("train_rounds", "train_seconds", "seconds", "decision_microseconds", "code", "digest"),
)
DIFFERENCE_COLUMNS = (
    *("scenario", "method", "reference", "of", "window", "difference", "low", "high"),
    *("market_difference", "market_low", "market_high", "seeds", "episodes"),
)
CHANGE_COLUMNS = (
    *("scenario", "change", "method", "knows", "share", "low", "high", "lost", "earned"),
    *("seeds", "seeds_asked", "episodes", "digest"),
)
CURVE_COLUMNS = ("scenario", "method", "seed", "rounds", "seconds", "share")
ROUND_COLUMNS = ("scenario", "method", "round", "regret", "equilibrium_utility")
RIVALS = ("ppo", "sac", "td3")
"""Learners with which all others are compared, one by one."""
_PACKAGES = ("aigc-market", "gymnasium", "numpy", "sb3-contrib", "stable-baselines3", "torch")
_LAW = "Told the law, the best of the rules tried; no bound:"


def write_leaderboard(out: Path, results: Sequence[Result], made_by: dict[str, Any]) -> Path:
    """Write `leaderboard.md`, `leaderboard.csv`, `seeds.csv`, `rounds.csv`; draw `regret.png`.

    And `differences.csv`, of each method to the references of its task; and `curves.csv`, of each
    training: share of the oracle's utility in validation episodes, after so many rounds and CPU
    seconds.

    Args:
        out: folder of these.
        results: of every method in every task, in the order of the tasks.
        made_by: settings, listed at the end.

    Returns:
        Path of `leaderboard.md`.
    """
    write_csv(out / "leaderboard.csv", COLUMNS, [row for r in results for row in rows(r)])
    alone = [one for r in results if r.entry.factory is None for one in r.alone()]
    write_csv(out / "seeds.csv", COLUMNS, [row for r in alone for row in rows(r)])
    write_csv(out / "differences.csv", DIFFERENCE_COLUMNS, differences(results))
    write_csv(out / "curves.csv", CURVE_COLUMNS, [row for r in results for row in _curves(r)])
    write_csv(out / "rounds.csv", ROUND_COLUMNS, [row for r in results for row in _by_round(r)])
    figure = plots.draw(out)
    return write(out / "leaderboard.md", _page(results, figure, made_by))


def rows(result: Result) -> Iterator[dict[str, Any]]:
    """A result's rows of leaderboard.csv, one for each window."""
    for window in WINDOWS:
        values = (
            *(result.task.name, result.entry.name, result.entry.knows, window),
            *map(_precise, (*result.share(window), *result.market_share(window))),
            *(_precise(result.earned(window)), f"{result.regret(window):.4f}"),
            *(" ".join(map(str, result.seeds)), result.asked, result.episodes, result.first_seed),
            f"{result.training('rounds'):.0f}",
            f"{result.training('seconds'):.1f}",
            *(f"{result.mean(name):.1f}" for name in ("seconds", "decision_microseconds")),
            *(code_digest(), result.digest),
        )
        yield dict(zip(COLUMNS, values, strict=True))


def _precise(share: float) -> str:
    """Finer than what `verify` tells apart."""
    return f"{share:.8f}"


def differences(results: Sequence[Result]) -> Iterator[dict[str, Any]]:
    """Of each method to the references of its task: rows of differences.csv.

    References are the best classical method of the task (told the form, untrained, another way than
    by this package's filter), the best that was trained and is told nothing (reinforcement
    learning), `filter`, and the best of the rules told the law; and some learners, of all others.
    """
    for of_task in grouped(lambda r: r.task.name, results).values():
        learners = [r for r in of_task if is_learner(r.entry)]
        references = {
            "best classical": ([r for r in of_task if is_classical(r.entry)], of_task),
            "filter": ([r for r in of_task if r.entry.name == "filter"], of_task),
            "best told the law": ([r for r in of_task if r.entry.knows == "law"], of_task),
            "best learner": (learners, of_task),
            **{name: ([r for r in learners if r.entry.name == name], learners) for name in RIVALS},
        }
        for name, (among, compared) in references.items():
            best = max(among, key=lambda r: r.share().mean, default=None)
            for result, window in itertools.product(compared, WINDOWS):
                if best is None or result is best or not (found := result.above(best, window)):
                    continue
                by_money, by_market, seeds = found
                key = result.task.name, result.entry.name, best.entry.name, name, window
                values = *key, *map(_precise, (*by_money, *by_market)), seeds, result.episodes
                yield dict(zip(DIFFERENCE_COLUMNS, values, strict=True))


def _curves(result: Result) -> Iterator[dict[str, Any]]:
    """Of trainings on the task itself: what plays crowds of other sizes was trained for one."""
    for evaluation in result.evaluations:
        if evaluation.policy is None:
            continue
        policy = policies.load(evaluation.policy)
        for point in policy.config.get("curve", ()) if policy.task == result.task else ():
            key = result.task.name, result.entry.name, evaluation.seed
            values = f"{point['rounds']:.0f}", f"{point['seconds']:.2f}", f"{point['share']:.6f}"
            yield dict(zip(CURVE_COLUMNS, (*key, *values), strict=True))


def _by_round(result: Result) -> Iterator[dict[str, Any]]:
    """Means over episodes and seeds."""
    regret = np.mean([a["round_regret"] for a in result.played], axis=0) / result.episodes
    best = result.played[0]["round_equilibrium_utility"] / result.episodes
    for i, (lost, most) in enumerate(zip(regret, best, strict=True)):
        values = result.task.name, result.entry.name, i + 1, f"{lost:.4f}", f"{most:.4f}"
        yield dict(zip(ROUND_COLUMNS, values, strict=True))


# --- leaderboard.md


def _page(results: Sequence[Result], figure: Path | None, made_by: dict[str, Any]) -> Iterator[str]:
    yield "# Leaderboard"
    yield (
        "Share of the oracle's utility, 1 − Σ regret / Σ U\\*, over all rounds of all episodes: by "
        "money, so that rich markets count more. *Per market* is the mean over episodes of each "
        "episode's own share. Regret and U\\* are those of followers without noise. All methods "
        "play the same episodes: the same markets, moves and noise."
    )
    yield (
        "The track says what a method is told beside the public parameters and past rounds: "
        "*nothing*; *form*, that demand is a line of the price, or of its logarithm, within "
        "bounds, with noise in proportion, fitted or tuned on training and validation episodes; "
        "*gradient*, its training differentiates the simulator; *law*, how markets are drawn and "
        "move. Within a track the best come first."
    )
    yield (
        "Shares are means over training seeds; brackets are 95 % intervals over training seeds "
        "(Student's t) and over episodes (2,000 resamples). Methods without training have no "
        "training seeds, and where there is one seed the interval says nothing of others: those "
        "are of episodes alone. Cells with fewer seeds than were asked for say so. Two methods are "
        "compared by the paired intervals of differences.csv, and not by whether theirs overlap. "
        "µs are of one decision in one market on one core."
    )
    yield "## All presets"
    yield from _all_presets(results)
    for name, of_task in grouped(lambda r: r.task.name, results).items():
        yield f"## {name}"
        yield from _one_preset(of_task)
    if figure:
        yield f"![Regret through an episode]({figure.name})"
    yield "## Settings"
    yield settings(made_by, _PACKAGES)


def _all_presets(results: Sequence[Result]) -> Iterator[str]:
    """A method a row, a preset a column; in each track the best of a preset in bold."""
    tracks = grouped(lambda r: (r.task.name, r.entry.knows), results)
    best = {key: max(r.share().mean for r in track) for key, track in tracks.items()}

    def cell(result: Result) -> str:
        mean = result.share().mean
        is_best = mean == best[result.task.name, result.entry.knows]
        text = f"**{number(mean)}**" if is_best else number(mean)
        return f"{text} ({_seeds(result)} seeds)" if len(result.seeds) < result.asked else text

    tasks = grouped(lambda r: r.task.name, results)
    shown = []
    for name, of_method in grouped(lambda r: r.entry.name, results).items():
        cells = {r.task.name: cell(r) for r in of_method}
        shown.append([of_method[0].entry.knows, name, *(cells.get(t, NONE) for t in tasks)])
    shown.sort(key=lambda row: KNOWS.index(row[0]))
    yield from _by_law(("knows", "method", *tasks), shown)


def _one_preset(results: Sequence[Result]) -> Iterator[str]:
    header = ("knows", "method", "share", "per market", "seeds", "rounds 1–10", "rounds 11–100")
    header += ("earned", "training rounds", "training s", "µs")
    ranked = sorted(results, key=lambda r: (KNOWS.index(r.entry.knows), -r.share().mean))
    yield from _by_law(header, [_cells(r) for r in ranked])


def _by_law(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table of methods that are not told the law, and one of those that are."""
    for law in (False, True):
        if shown := [row for row in rows if (row[0] == "law") is law]:
            yield _LAW if law else ""
            yield table(header, shown, words=2)


def _cells(result: Result) -> list[str]:
    trained = result.entry.factory is None
    return [
        *(result.entry.knows, result.entry.name),
        *(bracketed(result.share()), bracketed(result.market_share()), _seeds(result)),
        *(bracketed(result.share(window)) for window in ("1-10", "11-100")),
        number(result.earned()),
        *(f"{result.training(n):,.0f}" if trained else NONE for n in ("rounds", "seconds")),
        f"{result.mean('decision_microseconds'):,.0f}",
    ]


def _seeds(result: Result) -> str:
    """Of how many trainings, and of how many that were asked for, if those are more."""
    if not result.has_seeds:
        return NONE
    count = len(result.seeds)
    return str(count) if count >= result.asked else f"{count} of {result.asked}"


# --- outside.csv


def write_outside(out: Path, results: Sequence[Result]) -> None:
    """Write `outside.csv`, of changed markets, if any were played.

    What is `lost` is the share in the market as it was, in the same episodes, less that here.
    """
    rows = []
    for played in grouped(lambda r: (r.task.name, r.entry.name), results).values():
        unchanged = [r.share().mean for r in played if r.change == UNCHANGED]
        for result in played if unchanged else ():  # else that one failed
            share = result.share()
            values = (
                *(result.task.name, result.change, result.entry.name, result.entry.knows),
                *map(_precise, (*share, unchanged[0] - share.mean, result.earned())),
                *(" ".join(map(str, result.seeds)), result.asked, result.episodes, result.digest),
            )
            rows.append(dict(zip(CHANGE_COLUMNS, values, strict=True)))
    if rows:
        write_csv(out / "outside.csv", CHANGE_COLUMNS, rows)
    else:
        discard(out, "outside.csv")
