"""`aigc-market solve`: the equilibrium of a market of one provider, or of several."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import numpy as np
from rich.console import Console
from rich.table import Table
from tyro.conf import arg

import aigc_market
from aigc_market import competition
from aigc_market.cli.arguments import MarketFlags, begin, environment, in_a_row, several
from aigc_market.competition import Competition, Nash
from aigc_market.curves import theorem_2
from aigc_market.equilibrium import Equilibrium
from aigc_market.market import Market, check_between
from aigc_market.rendering.numbers import beside, count, exact, money, paid

_ROWS = 12  # of a table: a larger market shows this many of its providers and VMUs
_SHARES = 4  # of the providers in a VMU's row


class SolveFlags(TypedDict, total=False):
    """What may be left out beside the market."""

    active: tuple[Literal[0, 1], ...]
    """One provider: which VMUs are there to buy. Unset: all, or as the scenario says."""
    prices: tuple[float, ...]
    """Several providers: M prices to hold against equilibrium and cartel: what they earn, their
    profit gain Δ (0: Nash, 1: cartel), and what each provider would gain by another price."""


@dataclass(frozen=True)
class Solve:
    """Solve a market: what the leader's best price is, what it sells and earns, and what binds.

    Of several providers: their Nash equilibrium with its certificate, and their cartel. Where no
    equilibrium in pure strategies is found it says so, and tells the prices of the smallest gap and
    how best replies go round. Of a scenario, the first market drawn from the seed; unset: 0.
    """

    market: Annotated[MarketFlags, arg(name="")]
    flags: Annotated[SolveFlags, arg(name="")]
    json: bool = False
    """All numbers of all providers and VMUs, as JSON."""

    def run(self) -> None:
        """Solve and print."""
        market = self._market()
        if isinstance(market, Competition):
            told, shown = _of_several(market, self.flags.get("prices"))
        else:
            told, shown = _of_one(market)
        if self.json:
            told = {"market": _fields(market), **told}
            print(json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False, default=_plain))
        else:
            console = Console(highlight=False)
            for part in shown:
                console.print(part)

    def _market(self) -> Market | Competition:
        flags: dict[str, Any] = {**self.market, **self.flags}
        if "active" in flags and "satisfaction" not in flags:
            flags.setdefault("K", len(flags["active"]))
        # What rivals post is not looked at.
        rivals = {"rivals": lambda market, seat, *_: market.cost[seat]} if several(flags) else {}
        env = environment(flags, **rivals)
        begin(env, flags)
        if "seed" not in flags:
            env.reset(seed=0)
        if "active" in flags:
            return dataclasses.replace(env.market, active=np.array(flags["active"], bool))
        return env.market


def _fields(of: Any) -> dict[str, Any]:
    return {field.name: getattr(of, field.name) for field in dataclasses.fields(of)}


def _plain(value: Any) -> Any:
    """What JSON does not know: arrays as lists, SSIM models as they are written in Python."""
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else repr(value)


# -- one provider ----------------------------------------------------------------------------------


def _of_one(market: Market) -> tuple[dict[str, Any], list[Any]]:
    """All numbers of its equilibrium, and what is shown of them."""
    found, theorem = aigc_market.solve(market), theorem_2(market)
    numbers = _fields(found)
    told = {**numbers, "binding": found.binding._asdict(), "theorem_2_price": theorem}
    totals = Table(title="Stackelberg equilibrium", show_header=False)
    totals.add_row("price p*", exact(found.price))
    totals.add_row("ASP utility U_p*", money(found.asp_utility))
    totals.add_row("steps sold", _sold(market, found))
    totals.add_row("binds", _limits(market, found))
    totals.add_row("Theorem 2", _theorem(theorem, found))
    numbers.update(satisfaction=market.satisfaction, binds=_binds(market, found))
    vmus = _table("VMUs", "k", numbers, "satisfaction", "steps", "vmu_surplus", "binds")
    return told, [totals, vmus]


def _sold(market: Market, found: Equilibrium) -> str:
    sold = np.sum(found.steps)
    if sold == 0:
        return "none: nobody buys at any price"
    asked = np.sum(aigc_market.best_response(market, found.price))
    cut = f", cut from {_steps(asked)} asked for" if asked > sold * (1 + 1e-9) else ""
    return f"{_steps(sold)}{cut}"


def _limits(market: Market, found: Equilibrium) -> str:
    binding, vmus = found.binding, count(market.K, "VMU")
    limits = {
        f"the cost {exact(market.cost)} as a price": binding.min_price,
        f"the highest price {exact(market.max_price)}": binding.max_price,
        f"the capacity {exact(market.capacity or 0)}": binding.capacity,
    }
    for name, bound, at in (
        ("S_min", market.min_steps, binding.min_steps),
        ("S_max", market.max_steps, binding.max_steps),
    ):
        limits[f"{name} = {exact(bound)} for {np.sum(at):,} of {vmus}"] = np.any(at)
    return ", ".join(name for name, binds in limits.items() if binds) or "nothing"


def _binds(market: Market, found: Equilibrium) -> np.ndarray:
    """(K) the bound at which each VMU stands, if any."""
    low, high = found.binding.min_steps, found.binding.max_steps
    words = np.select([low & high, low, high], ["S_min, S_max", "S_min", "S_max"], "")
    return words if market.active is None else np.where(market.active, words, "not there")


def _theorem(price: float | None, found: Equilibrium) -> str:
    if price is None:
        return "says nothing: demand is no line (SSIM is no parabola), or nobody is there"
    applies = "it applies" if found.closed_form else "it does not apply, since a bound binds"
    return f"{exact(price)}: {applies}"


# -- several providers -----------------------------------------------------------------------------


def _of_several(
    market: Competition, prices: tuple[float, ...] | None
) -> tuple[dict[str, Any], list[Any]]:
    """All numbers of equilibrium, cartel and other prices, and what is shown of them."""
    asked = None if prices is None else _asked(market, np.array(prices))
    nash, cartel = competition.nash(market), competition.cartel(market)
    told = {"nash": _fields(nash), "cartel": _fields(cartel), "asked": asked}
    found = bool(nash.converged)
    title = "Nash equilibrium" if found else "No Nash equilibrium found: the smallest gap"
    gaps = np.array([beside(*pair) for pair in zip(nash.gap, nash.asp_utility, strict=True)])
    sold = np.sum(nash.shares * nash.steps, axis=-1)
    numbers = {**told["nash"], "sold": sold, "gap at most" if found else "gap": gaps}
    shown = [
        _table(title, "m", numbers, "prices", "asp_utility", "sold", [*numbers][-1]),
        _verdict(nash, gaps.max()),
        _table("Cartel", "m", told["cartel"], "prices", "asp_utility"),
    ]
    welfare = {"Nash" if found else "smallest gap": nash.welfare, "cartel": cartel.welfare}
    if asked is not None:
        gain = competition.profit_gain(market, asked["asp_utility"], nash, cartel)
        asked["profit_gain"] = np.where(np.isfinite(gain.each), gain.each, None)
        asked["mean_profit_gain"] = mean = gain.mean if np.isfinite(gain.mean) else None
        columns = ("prices", "asp_utility", "sold", "profit_gain", "deviation_gains")
        shown += [
            _table("Prices asked for", "m", asked, *columns),
            f"Δ of the mean {_delta(mean)}, NashConv {_small(asked['nash_conv'])}",
        ]
        welfare["asked"] = asked["welfare"]
    vmus = {
        "satisfaction": market.satisfaction,
        "% of requests": 100 * nash.shares.T,
        "steps for each": nash.steps.T,
        "vmu_utility": nash.vmu_utility,
    }
    shown.append(_table("VMUs" if found else "VMUs at the smallest gap", "k", vmus, *vmus))
    words = ", ".join(f"{name} {paid(float(value))}" for name, value in welfare.items())
    return told, [*shown, f"VMUs' utility in all: {words}."]


def _asked(market: Competition, prices: np.ndarray) -> dict[str, Any]:
    """What prices (M,) pay, and what each provider would gain by another one."""
    answer = competition.respond(market, prices)
    check_between("prices", prices, "cost", market.cost, "max_price", market.max_price)
    settled = competition.settle(market, prices, answer.shares, answer.steps)
    gains = competition.deviation_gains(market, prices)
    return {
        "prices": prices,
        "shares": answer.shares,
        "steps": answer.steps,
        "sold": settled.sold,
        "asp_utility": settled.asp_utility,
        "vmu_utility": settled.vmu_utility(),
        "welfare": settled.vmu_utility().sum(),
        "deviation_gains": gains,
        "nash_conv": gains.sum(),
    }


def _verdict(nash: Nash, gap: float) -> str:
    """How sure it is, or how best replies go round."""
    most = _small(gap)
    if nash.converged:
        more = f"more than {most}" if gap else "anything, but for rounding,"
        return f"Certified: no provider gains {more} by any other price."
    words = (
        f"Some provider may gain {most} by another price: these prices are no equilibrium in pure "
        "strategies, and no such equilibrium was found."
    )
    if nash.cycle is None:
        return f"{words} Best replies did not rest, nor go round in a cycle that was seen."
    rounds = [f"({in_a_row(prices)})" for prices in nash.cycle]
    if len(rounds) > _ROWS:
        rounds = [*rounds[: _ROWS - 1], f"… {len(rounds) - _ROWS + 1} more"]
    return (
        f"{words} Best replies go round (an Edgeworth cycle of {count(len(nash.cycle), 'step')}): "
        + " → ".join(rounds)
    )


# -- tables ----------------------------------------------------------------------------------------


def _steps(value: float) -> str:
    return f"{value:,.3f}"


def _small(value: float) -> str:
    return exact(value, 2) if value < 100 else money(value)


def _delta(value: float | None) -> str:
    return "–" if value is None else exact(value, 4)


def _each(values: np.ndarray) -> str:
    """Of the providers, in a VMU's row."""
    shown = len(values) if len(values) <= _SHARES else _SHARES - 1
    return " ".join(f"{value:,.1f}" for value in values[:shown]) + " …" * (shown < len(values))


_COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "prices": ("price", exact),
    "asp_utility": ("utility U_m", paid),
    "sold": ("steps sold", _steps),
    "gap": ("gap", _small),
    "gap at most": ("gap at most", _small),
    "profit_gain": ("Δ", _delta),
    "deviation_gains": ("gain by another price", _small),
    "satisfaction": ("δ", exact),
    "steps": ("steps", _steps),
    "vmu_surplus": ("surplus", money),
    "binds": ("binds", str),
    "% of requests": ("% of requests", _each),
    "steps for each": ("steps for each", _each),
    "vmu_utility": ("utility U_k", paid),
}
"""Title of each column, and how its numbers are written."""


def _table(title: str, key: str, numbers: Mapping[str, Any], *columns: str) -> Table:
    """A row for each provider or VMU; those in the middle of many are left out."""
    table = Table(title=title)
    for name in (key, *(_COLUMNS[column][0] for column in columns)):
        table.add_column(name, justify="right")
    number = len(numbers[columns[0]])
    shown: Sequence[int] = range(number)
    if number > _ROWS:
        shown = [*range(_ROWS // 2), *range(number - _ROWS // 2, number)]
        table.caption = f"{number - _ROWS:,} more between these: see --json"
    for row in shown:
        table.add_row(str(row), *(_COLUMNS[name][1](numbers[name][row]) for name in columns))
    return table
