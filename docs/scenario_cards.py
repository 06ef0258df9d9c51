"""The table of all games, and a card for each scenario."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import contract_tables
import measurements
from measurements import FAIR, NONE, Row, best, markdown, named, only, rounded, table

from aigc_market import Competition, Market, scenarios
from aigc_market.scenarios import COMPETITION_SCENARIOS as SEVERAL
from aigc_market.scenarios import MENU_SCENARIOS


def words(providers: str) -> dict[str, dict[str, str]]:
    """What is hidden and what moves: in scenarios of `one` provider, of `several`, of `menus`."""
    return tomllib.loads((measurements.DOCS / "scenarios/games.toml").read_text("utf-8"))[providers]


def games() -> str:
    """Every scenario: what is hidden, what moves, and what play earns there."""
    alone = []
    for name, said in words("one").items():
        told, constant = best(name, "law"), _constant(name)
        scores = (constant, named(best(name, *FAIR)), rounded(told["share"], 3) if told else NONE)
        if name == "paper":  # the best constant price is the equilibrium
            scores = ("1", measurements.paper_score(), NONE)
        alone.append((f"`{name}`", said["hidden"], said["moves"], *scores))
    several = [
        (f"`{name}`", said["hidden"], said["moves"], *measurements.least_exploitable(name))
        for name, said in words("several").items()
    ]
    by_contract = [
        (f"`{name}`", said["hidden"], said["moves"], *contract_tables.scores(name))
        for name, said in words("menus").items()
    ]
    hidden = "game", "hidden from the leader", "moves"
    header = *hidden, "constant price", "best learner or rule not told the law", "best rule told it"
    of_several = *hidden, "lowest NashConv of learners", "their Δ"
    of_menus = *hidden, "price per step", "one contract", "best learner of two contracts"
    return (
        f"{markdown(header, alone)}\n\n"
        "Scores are shares of what the oracle earns; *best* is of those tried. "
        f"{measurements.seeds_said()} With two providers:\n\n"
        f"{markdown(of_several, several)}\n\n"
        "NashConv is what the sellers could gain by deviating once from the prices that they post, "
        "over their profit in the Nash equilibrium: 0 is an equilibrium. Δ describes where they "
        "stand: 0 at the Nash equilibrium's profit, 1 at the cartel's.\n\n"
        "Sold by contract, as shares of what the best menu earns:\n\n"
        f"{markdown(of_menus, by_contract)}"
    )


def _constant(name: str) -> str:
    rows = table("hidden-markets/leaderboard", scenario=name, method="constant", window="all")
    return rounded(rows[0]["share"], 3) if rows else NONE


def cards(providers: str) -> str:
    """A card for each scenario of `one` provider, of `several`, or of `menus`."""
    rows, of = _CARDS[providers]
    made = []
    for name, said in words(providers).items():
        title = f"### `{name}`{of}"
        lines = [f"| {head} | {text} |" for head, text in rows(name, said)]
        made.append("\n".join([title, "", said["about"], "", "|  |  |", "|---|---|", *lines]))
    return "\n\n".join(made)


def _rows_of_one(name: str, said: dict[str, str]) -> Iterator[tuple[str, str]]:
    scenario = scenarios.SCENARIOS[name]
    yield "Leader alone", f'`gymnasium.make("aigc_market/Pricing-v0", scenario="{name}")`'
    yield (
        "All agents",
        f'`pettingzoo.make("aec", "aigc_market/stackelberg-v0", scenario="{name}")`',
    )
    yield "In a terminal", f"`aigc-market play --scenario {name}`"
    yield from _laws(said)
    yield (
        "Followers",
        f"K = {scenario.arguments.get('K', Market().K)}; scripted ones are `{scenario.followers}`",
    )
    capacity = _prices("1", name, "capacity")
    yield "Capacity R", f"{_range(capacity, 0)}; the leader sees it" if capacity else "none"
    price = _prices("1", name, "price")
    yield "Best price p*", _range(price, 2)
    yield "U_p*", _range(_prices("1", name, "utility"), 0)
    still = price is not None and price["least"] == price["greatest"]
    if still:
        yield "Constant price", f"1, at {rounded(price['median'], 2)}"
    elif (constant := _constant(name)) != NONE:
        yield "Constant price", constant
    if name == "paper":
        yield "Best learner", measurements.paper_score()
    elif not still:
        yield "Best not told the law", named(best(name, *FAIR))
        yield "Best rule told the law", named(best(name, "law"))


def _rows_of_several(name: str, said: dict[str, str]) -> Iterator[tuple[str, str]]:
    scenario, default = SEVERAL[name], Competition()
    M, K = (scenario.arguments.get(size, getattr(default, size)) for size in "MK")
    yield "One provider", f'`gymnasium.make("aigc_market/Rival-v0", scenario="{name}")`'
    yield (
        "All agents",
        f'`pettingzoo.make("aec", "aigc_market/competition-v0", scenario="{name}")`',
    )
    yield "In a terminal", f"`aigc-market solve --M {M} --scenario {name}`"
    yield from _laws(said)
    yield (
        "Players",
        f"M = {M}, K = {K}; scripted followers are `{scenario.followers}`",
    )
    yield "Nash price", _range(_prices("2", name, "nash_price"), 2)
    yield "Cartel price", _range(_prices("2", name, "cartel_price"), 2)
    conv, gain = measurements.least_exploitable(name)
    yield "Learners", conv if conv == NONE else f"lowest NashConv {conv}, at Δ = {gain}"


def _rows_of_menus(name: str, said: dict[str, str]) -> Iterator[tuple[str, str]]:
    scenario = MENU_SCENARIOS[name]
    yield "Leader alone", f'`gymnasium.make("aigc_market/Menu-v0", scenario="{name}")`'
    yield "All agents", f'`pettingzoo.make("aec", "aigc_market/menus-v0", scenario="{name}")`'
    yield "In a terminal", f"`aigc-market solve --menus --scenario {name}`"
    yield from _laws(said)
    yield "Players", f"K = {Market().K}, L = 3; scripted followers are `{scenario.followers}`"
    yield "U_p* of the best menu", _range(_prices("menus", name, "utility"), 0)


_CARDS = {
    "one": (_rows_of_one, ""),
    "several": (_rows_of_several, ", several providers"),
    "menus": (_rows_of_menus, ", by contract"),
}


def _laws(said: dict[str, str]) -> Iterator[tuple[str, str]]:
    yield "Drawn", said["drawn"]
    yield "Moves", said["law"] if "law" in said else said["moves"]
    yield "Hidden", said["hidden"]


def _prices(providers: str, name: str, quantity: str) -> Row | None:
    where = {"providers": providers, "scenario": name, "quantity": quantity}
    return only("scenarios/prices", **where) if table("scenarios/prices", **where) else None


def _range(row: Row | None, digits: int) -> str:
    """Quantiles in words."""
    assert row is not None
    low, middle, high, least, greatest = (
        rounded(row[name], digits) for name in ("low", "median", "high", "least", "greatest")
    )
    if least == greatest:
        return least
    return f"median {middle}; nine in ten from {low} to {high}; all from {least} to {greatest}"
