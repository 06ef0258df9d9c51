"""The tables of all games and of all scenarios, and a card for each scenario."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import contract_tables
import measurements
from measurements import NONE, Row, best, markdown, named, rounded, table

import aigc_market
from aigc_market import scenarios
from aigc_market.scenarios import COMPETITION_SCENARIOS as SEVERAL
from aigc_market.scenarios import MENU_SCENARIOS


def words(providers: str) -> dict[str, dict[str, str]]:
    """What is hidden and what moves: in scenarios of `one` provider, of `several`, of `menus`."""
    return tomllib.loads((measurements.DOCS / "scenarios/games.toml").read_text("utf-8"))[providers]


def games() -> str:
    """Every scenario that was measured: what is hidden, and the best learner or rule of its track.

    What knows the law of markets, or the simulator's gradient, is left to the leaderboard.
    """
    rows = []
    for name, said in words("one").items():
        if name == "paper":
            scores = measurements.paper_score(), NONE
        else:
            nothing = best(name, lambda entry: entry.knows == "nothing")
            form = best(name, lambda entry: entry.knows == "form")
            scores = named(nothing), named(form)
        rows.append(("a price", name, said, scores))
    for name, said in words("several").items():
        scores = measurements.least_exploitable(name), NONE
        rows.append(("a price, among rivals", name, said, scores))
    for name, said in words("menus").items():
        rows.append(("two contracts", name, said, (contract_tables.best_learner(name), NONE)))
    shown = markdown(
        ("you post", "scenario", "hidden from you", "told nothing", "told the form"),
        [
            (mechanism, f"`{name}`", _hidden(said), *scores)
            for mechanism, name, said, scores in rows
            if set(scores) != {NONE}
        ],
    )
    return f"{shown}\n\n{measurements.seeds_said()}"


def _hidden(said: dict[str, str]) -> str:
    return said["hidden"] + f"; {said['moves']}" * (said["moves"] != "nothing")


def presets() -> str:
    """All scenarios in a table, read from what their environments were made with."""
    header = "scenario", "hidden from the leader", "moves", "K, R", "followers"
    return markdown(header, [row for providers in _KINDS for row in _compared(providers)])


def _compared(providers: str) -> Iterator[tuple[str, ...]]:
    known, env, of = _KINDS[providers]
    for name, said in words(providers).items():
        made: Any = env(scenario=name, followers="agents")
        yield (
            f"`{name}`{of}",
            said["hidden"].partition(";")[0],  # behind it, that followers are noisy
            said["moves"],
            f"{made.settings.market.K}{', drawn' if made.settings.rationed else ''}",
            f"`{known[name].followers}`",
        )


def cards(providers: str) -> str:
    """A card for each scenario of `one` provider, of `several`, or of `menus`, in a line each."""
    lines = []
    for name, said in words(providers).items():
        found = [
            f"{symbol} {_range(row, digits)}"
            for quantity, symbol, digits in _MEASURED[providers]
            if (row := _prices(name, providers, quantity))
        ]
        lines.append(f"- **`{name}`.** {said['card']} {', '.join(found)}.")
    return "\n".join(lines)


_KINDS = {
    "one": (scenarios.SCENARIOS, aigc_market.env, ""),
    "several": (SEVERAL, aigc_market.competition_v0.env, ", M = 2"),
    "menus": (MENU_SCENARIOS, aigc_market.menus_v0.env, ", L = 3"),
}
"""Scenarios, who makes their environment, and what is said behind their names."""
_MEASURED = {
    "one": (("price", "p\\*", 2), ("capacity", "R", 0)),
    "several": (("nash_price", "Nash price", 2), ("cartel_price", "cartel price", 2)),
    "menus": (("utility", "U_p\\*", 0),),
}
"""Quantities of docs/scenarios/prices.csv, what they are called, and digits."""


def _prices(name: str, providers: str, quantity: str) -> Row | None:
    where = {"one": "1", "several": "2"}.get(providers, providers)
    rows = table("scenarios/prices", providers=where, scenario=name, quantity=quantity)
    return rows[0] if rows else None


def _range(row: Row, digits: int) -> str:
    """The median and, where markets differ, nine in ten of them."""
    low, middle, high = (rounded(row[name], digits) for name in ("low", "median", "high"))
    return middle if row["least"] == row["greatest"] else f"{middle} ({low}–{high})"
