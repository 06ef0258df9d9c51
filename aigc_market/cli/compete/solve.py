"""`aigc-market compete solve`: the Nash equilibrium of several providers, and their cartel."""

from __future__ import annotations

import json as json_text
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import tyro

from aigc_market import competition
from aigc_market.cli.arguments import Numbers, Whole, Word, check_seed
from aigc_market.cli.compete.arguments import CompetitionFlags, alike, each
from aigc_market.competition import Cartel, Competition, Nash
from aigc_market.envs.competition.single import RivalEnv
from aigc_market.rendering.numbers import beside, count, exact, money, paid

_ROWS = 12  # of a table: a larger market shows this many of its providers and VMUs
_SHARES = 4  # of the providers in a VMU's row


@dataclass(frozen=True)
class Solve:
    """Solve a market of several providers: their Nash equilibrium with its certificate, and their
    cartel.

    Where no equilibrium in pure strategies is found it says so, and tells the prices of the
    smallest gap and how best replies go round.
    """

    market: Annotated[CompetitionFlags, tyro.conf.arg(name="")] = CompetitionFlags()  # noqa: RUF009
    prices: Numbers = None
    """M prices to hold against both: what they earn, their profit gain Δ (0: Nash, 1: cartel), and
    what each provider would gain by another price."""
    scenario: Word = None
    """duopoly, calvano, road or hidden: its first market is solved, as it is drawn from the seed;
    `duopoly`."""
    seed: Whole = None
    """Of the scenario's draws; 0, left out."""
    json: bool = False
    """All numbers of all providers and VMUs, as JSON."""

    def run(self) -> None:
        """Solve and print."""
        market = self._market()
        asked = None
        if self.prices is not None:
            asked = _Asked(market, self._prices(market))
        found = competition.nash(market), competition.cartel(market)
        if asked is not None:
            asked.hold_against(*found)
        if self.json:
            told = _as_json(market, *found, asked)
            print(json_text.dumps(told, indent=2, ensure_ascii=False, allow_nan=False))
        else:
            _show(market, *found, asked)

    def _market(self) -> Competition:
        given = self.market.given(self.scenario)
        if self.scenario is None:
            check_seed(self.seed, None)
            return Competition(**given)
        env = RivalEnv(scenario=self.scenario, rivals="cartel", continuous_actions=True, **given)
        env.reset(seed=check_seed(self.seed, env) or 0)
        return env.market

    def _prices(self, market: Competition) -> np.ndarray:
        prices = np.array(self.prices)
        told = " ".join(f"{price:g}" for price in prices)
        if len(prices) != market.M:
            raise ValueError(f"prices must be M = {market.M} numbers, got {told}")
        if not np.all((prices >= market.cost) & (prices <= market.max_price)):
            raise ValueError(
                f"prices must be from --cost {alike(market.cost)} to --max-price "
                f"{alike(market.max_price)}, got {told}"
            )
        return prices


class _Asked:
    """The prices that were asked for, and what they pay."""

    def __init__(self, market: Competition, prices: np.ndarray) -> None:
        self._market, self.prices = market, prices
        self.answer = competition.respond(market, prices)
        settled = competition.settle(market, prices, self.answer.shares, self.answer.steps)
        self.asp_utility, self.sold = settled.asp_utility, settled.sold
        self.vmu_utility = settled.vmu_utility()
        self.deviation_gains = competition.deviation_gains(market, prices)

    def hold_against(self, nash: Nash, cartel: Cartel) -> None:
        """Work out Δ."""
        self.gain = competition.profit_gain(self._market, self.asp_utility, nash, cartel)

    def as_json(self) -> dict[str, Any]:
        return {
            "prices": _plain(self.prices),
            "shares": _plain(self.answer.shares),
            "steps": _plain(self.answer.steps),
            "sold": _plain(self.sold),
            "asp_utility": _plain(self.asp_utility),
            "vmu_utility": _plain(self.vmu_utility),
            "welfare": float(self.vmu_utility.sum()),
            "profit_gain": _plain(self.gain.each),
            "mean_profit_gain": _plain(self.gain.mean),
            "deviation_gains": _plain(self.deviation_gains),
            "nash_conv": float(self.deviation_gains.sum()),
        }


def _as_json(
    market: Competition, nash: Nash, cartel: Cartel, asked: _Asked | None
) -> dict[str, Any]:
    """All that is known, in plain numbers and lists."""
    names = ("M", "K", "cost", "max_price", "satisfaction", "min_steps", "max_steps", "capacity")
    names += ("access_cost", "temperature", "outside")
    parameters = {name: _plain(getattr(market, name)) for name in names}
    of_nash = ("prices", "shares", "steps", "asp_utility", "vmu_utility", "welfare", "gap")
    of_cartel = ("prices", "asp_utility", "vmu_utility", "welfare")
    return {
        "market": {**parameters, "ssim": [repr(model) for model in market.ssim]},
        "nash": {name: _plain(getattr(nash, name)) for name in (*of_nash, "converged", "cycle")},
        "cartel": {name: _plain(getattr(cartel, name)) for name in of_cartel},
        "asked": None if asked is None else asked.as_json(),
    }


def _plain(value: Any) -> Any:
    """Numbers and lists, with None for NaN."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    return value if math.isfinite(value) else None


# -- tables ----------------------------------------------------------------------------------------


def _show(market: Competition, nash: Nash, cartel: Cartel, asked: _Asked | None) -> None:
    from rich.console import Console

    console = Console()
    found = bool(nash.converged)
    sold = np.sum(nash.shares * nash.steps, axis=-1)
    title = "Nash equilibrium" if found else "No Nash equilibrium found: the smallest gap"
    console.print(
        _providers(
            title,
            ("price", exact, nash.prices),
            ("utility U_m", paid, nash.asp_utility),
            ("steps sold", _steps, sold),
            ("gap at most" if found else "gap", _small, _gaps(nash)),
        )
    )
    console.print(_verdict(market, nash), highlight=False)
    console.print(
        _providers(
            "Cartel", ("price", exact, cartel.prices), ("utility U_m", paid, cartel.asp_utility)
        )
    )
    if asked is not None:
        console.print(
            _providers(
                "Prices asked for",
                ("price", exact, asked.prices),
                ("utility U_m", paid, asked.asp_utility),
                ("steps sold", _steps, asked.sold),
                ("Δ", _gain, asked.gain.each),
                ("gain by another price", _small, asked.deviation_gains),
            )
        )
        if market.M > 1:
            console.print(
                f"Δ of the mean {_gain(asked.gain.mean)}, NashConv "
                f"{_small(asked.deviation_gains.sum())}",
                highlight=False,
            )
    console.print(_vmus(market, nash, found))
    console.print(_welfare(nash, cartel, asked), highlight=False)


def _providers(title: str, *columns: tuple[str, Callable[[float], str], Any]) -> Any:
    """A row for each provider, of what each column holds and how it is written."""
    from rich.table import Table

    table = Table(title=title)
    for name in ("m", *(name for name, _, _ in columns)):
        table.add_column(name, justify="right")
    for m in _rows(table, len(columns[0][2])):
        table.add_row(str(m), *(write(float(values[m])) for _, write, values in columns))
    return table


def _rows(table: Any, length: int) -> Sequence[int]:
    """The rows to be shown, and a caption where these are not all."""
    if length <= _ROWS:
        return range(length)
    table.caption = f"{length - _ROWS:,} more between these: see --json"
    return [*range(_ROWS // 2), *range(length - _ROWS // 2, length)]


def _vmus(market: Competition, nash: Nash, found: bool) -> Any:
    from rich.table import Table

    table = Table(title="VMUs" if found else "VMUs at the smallest gap")
    for name in ("k", "δ", "% of requests", "steps for each", "utility U_k"):
        table.add_column(name, justify="right")
    whole = market.M <= _SHARES
    shown, more = range(market.M if whole else _SHARES - 1), "" if whole else " …"
    for k in _rows(table, market.K):
        table.add_row(
            str(k),
            exact(float(market.satisfaction[k])),
            " ".join(f"{100 * nash.shares[m, k]:.1f}" for m in shown) + more,
            " ".join(f"{nash.steps[m, k]:,.1f}" for m in shown) + more,
            paid(nash.vmu_utility[k]),
        )
    return table


def _verdict(market: Competition, nash: Nash) -> str:
    """How sure it is, or how best replies go round."""
    gap = float(np.max(_gaps(nash)))
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
    rounds = [f"({each(prices)})" for prices in nash.cycle]
    if len(rounds) > _ROWS:
        rounds = [*rounds[: _ROWS - 1], f"… {len(rounds) - _ROWS + 1} more"]
    return (
        f"{words} Best replies go round (an Edgeworth cycle of {count(len(nash.cycle), 'step')}): "
        + " → ".join(rounds)
    )


def _welfare(nash: Nash, cartel: Cartel, asked: _Asked | None) -> str:
    """What all VMUs have of it."""
    parts = [("Nash" if nash.converged else "smallest gap", nash.welfare)]
    parts.append(("cartel", cartel.welfare))
    if asked is not None:
        parts.append(("asked", asked.vmu_utility.sum()))
    told = ", ".join(f"{name} {paid(float(value))}" for name, value in parts)
    return f"VMUs' utility in all: {told}."


def _gaps(nash: Nash) -> np.ndarray:
    """Without what is but the rounding error of a difference of utilities."""
    pairs = zip(nash.gap.tolist(), nash.asp_utility.tolist(), strict=True)
    return np.array([beside(gap, utility) for gap, utility in pairs])


def _steps(value: float) -> str:
    return f"{value:,.3f}"


def _small(value: float) -> str:
    return exact(value, 2) if value < 100 else money(value)


def _gain(value: float) -> str:
    return exact(float(value), 4) if np.isfinite(value) else "–"
