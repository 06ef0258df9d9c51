"""`aigc-market solve`: the exact equilibrium of a market."""

from __future__ import annotations

import json as json_text
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import tyro

from aigc_market.cli.arguments import MarketFlags, Mask, Whole, Word, check_seed
from aigc_market.curves import theorem_2
from aigc_market.envs.single import PricingEnv
from aigc_market.equilibrium import Equilibrium, solve
from aigc_market.game import best_response
from aigc_market.market import Market
from aigc_market.rendering.numbers import count, exact, money

_ROWS = 12  # of the table: a larger market shows this many of its VMUs


@dataclass(frozen=True)
class Solve:
    """Solve a market: the leader's best price, what it sells and earns, and what binds."""

    market: Annotated[MarketFlags, tyro.conf.arg(name="")] = MarketFlags()  # noqa: RUF009 (frozen)
    active: Mask = None
    """Which VMUs are there to buy; all, left out."""
    scenario: Word = None
    """A scenario whose first market is solved, as it is drawn from the seed; `paper`."""
    seed: Whole = None
    """Of the scenario's draws; 0, left out."""
    json: bool = False
    """All numbers of all VMUs, as JSON."""

    def run(self) -> None:
        """Solve and print."""
        market = self._market()
        equilibrium = solve(market)
        if self.json:
            print(json_text.dumps(_as_json(market, equilibrium), indent=2, ensure_ascii=False))
        else:
            _show(market, equilibrium)

    def _market(self) -> Market:
        given = self.market.given(self.scenario)
        if self.scenario is None:
            check_seed(self.seed, None)
            if self.active is not None:
                given = {"K": len(self.active), **given, "active": self.active}
            return Market(**given)
        if self.active is not None:
            raise ValueError("active must be left out beside --scenario, which says who is there")
        env = PricingEnv(scenario=self.scenario, **given)
        env.reset(seed=check_seed(self.seed, env) or 0)
        return env.market


def _as_json(market: Market, equilibrium: Equilibrium) -> dict[str, Any]:
    """All that is known, in plain numbers and lists."""
    names = ("K", "cost", "max_price", "satisfaction", "min_steps", "max_steps", "capacity")
    parameters = {name: _plain(getattr(market, name)) for name in (*names, "active")}
    return {
        "market": {**parameters, "ssim": repr(market.ssim)},
        "price": equilibrium.price,
        "asp_utility": equilibrium.asp_utility,
        "steps": equilibrium.steps.tolist(),
        "vmu_utility": equilibrium.vmu_utility.tolist(),
        "vmu_surplus": equilibrium.vmu_surplus.tolist(),
        "binding": {name: _plain(b) for name, b in equilibrium.binding._asdict().items()},
        "closed_form": bool(equilibrium.closed_form),
        "theorem_2_price": theorem_2(market),
    }


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _show(market: Market, equilibrium: Equilibrium) -> None:
    from rich.console import Console
    from rich.table import Table

    totals = Table(title="Stackelberg equilibrium", show_header=False)
    for name, value in _totals(market, equilibrium):
        totals.add_row(name, value)
    vmus = Table(title="VMUs")
    for column in ("k", "δ", "steps", "surplus"):
        vmus.add_column(column, justify="right")
    vmus.add_column("binds")
    cut = market.K > _ROWS
    for k in range(market.K):
        if cut and k == _ROWS // 2:
            vmus.add_row("…", *[""] * 3, f"{count(market.K - _ROWS, 'more VMU')}: see --json")
        if cut and _ROWS // 2 <= k < market.K - _ROWS // 2:
            continue
        vmus.add_row(
            str(k),
            exact(market.satisfaction[k]),
            f"{equilibrium.steps[k]:,.3f}",
            money(equilibrium.vmu_surplus[k]),
            _binds(market, equilibrium, k),
        )
    console = Console()
    console.print(totals)
    console.print(vmus)


def _totals(market: Market, equilibrium: Equilibrium) -> list[tuple[str, str]]:
    binding, vmus = equilibrium.binding, count(market.K, "VMU")
    limits = {
        f"the cost {exact(market.cost)} as a price": binding.min_price,
        f"the highest price {exact(market.max_price)}": binding.max_price,
        f"the capacity {exact(market.capacity or 0)}": binding.capacity,
        f"S_min = {exact(market.min_steps)} for {np.sum(binding.min_steps):,} of {vmus}": (
            np.any(binding.min_steps)
        ),
        f"S_max = {exact(market.max_steps)} for {np.sum(binding.max_steps):,} of {vmus}": (
            np.any(binding.max_steps)
        ),
    }
    return [
        ("price p*", exact(equilibrium.price)),
        ("ASP utility U_p*", money(equilibrium.asp_utility)),
        ("steps sold", _sold(market, equilibrium)),
        ("binds", ", ".join(name for name, binds in limits.items() if binds) or "nothing"),
        ("Theorem 2", _theorem(market, equilibrium)),
    ]


def _sold(market: Market, equilibrium: Equilibrium) -> str:
    sold = np.sum(equilibrium.steps)
    if sold == 0:
        return "none: nobody buys at any price"
    asked = np.sum(best_response(market, equilibrium.price))
    cut = f", cut from {asked:,.3f} asked for" if asked > sold * (1 + 1e-9) else ""
    return f"{sold:,.3f}{cut}"


def _theorem(market: Market, equilibrium: Equilibrium) -> str:
    price = theorem_2(market)
    if price is None:
        return "says nothing: demand is no line (SSIM is a table), or nobody is there"
    if equilibrium.closed_form:
        return f"{exact(price)}: it applies"
    return f"{exact(price)}: it does not apply, since a bound binds"


def _binds(market: Market, equilibrium: Equilibrium, k: int) -> str:
    if market.active is not None and not market.active[k]:
        return "not there"
    names = {"S_min": equilibrium.binding.min_steps[k], "S_max": equilibrium.binding.max_steps[k]}
    return ", ".join(name for name, binds in names.items() if binds)
