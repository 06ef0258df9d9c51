"""`aigc-market solve`: what is best in a market: for one provider, for several, or by contract."""

from __future__ import annotations

import dataclasses
import json as jsons
from typing import Annotated, Any, Literal, TypedDict

import numpy as np
from rich.console import Console
from tyro.conf import arg

from aigc_market.cli.arguments import MarketFlags, begin, draws, environment, several
from aigc_market.cli.tables import fields, of_menus, of_one, of_several, plain
from aigc_market.market import Competition, Market


class SolveFlags(TypedDict, total=False):
    """What may be left out beside the market."""

    active: tuple[Literal[0, 1], ...]
    """One provider: which VMUs are there to buy. Unset: all, or as the scenario says."""
    prices: tuple[float, ...]
    """Several providers: M prices to hold against equilibrium and cartel: what they earn, their
    profit gain Δ (0: Nash, 1: cartel), and what each provider would gain by another price."""
    contracts: int
    """With --menus: the most contracts that a menu may have. Unset: one for each VMU, which always
    are enough."""


def solve(
    market: Annotated[MarketFlags, arg(name="")],
    flags: Annotated[SolveFlags, arg(name="")],
    menus: bool = False,
    json: bool = False,
) -> None:
    """Solve a market: what the leader's best price is, what it sells and earns, and what binds.

    Of several providers: their Nash equilibrium with its certificate, and their cartel. Where no
    equilibrium in pure strategies is found it says so, and tells the prices of the smallest gap and
    how best replies go round. With --menus: the contracts, so many steps for such a fee, by which
    one provider earns most of VMUs that it cannot tell apart, and what other means would earn it.
    A scenario whose markets are drawn is a law: solved is the first market that the seed draws from
    it, which is told; unset: 0.

    Args:
        market: The market.
        flags: What may be left out beside it.
        menus: Sell by contract: each VMU takes one of the contracts on the menu, or none.
        json: All numbers of all providers, contracts and VMUs, as JSON.
    """
    if "contracts" in flags and not menus:
        raise ValueError(
            f"contracts must be left out where none are sold (no --menus), got {flags['contracts']}"
        )
    found, of = _market({**market, **flags}, menus)
    if isinstance(found, Competition):
        numbers, shown = of_several(found, flags.get("prices"))
    else:
        numbers, shown = of_menus(found, flags.get("contracts")) if menus else of_one(found)
    if json:
        told = {"market": {**of, **fields(found)}, **numbers}
        print(jsons.dumps(told, indent=2, ensure_ascii=False, allow_nan=False, default=plain))
    else:
        console = Console(highlight=False)
        if of["seed"] is not None:
            console.print(
                f"One market of many: the first that scenario {of['scenario']} draws from seed "
                f"{of['seed']} (--seed draws another).",
                soft_wrap=True,
            )
        console.print(*shown, sep="\n")


def _market(flags: dict[str, Any], menus: bool) -> tuple[Market | Competition, dict[str, Any]]:
    """The first that is drawn; of which scenario, and from which seed, None where none is drawn."""
    active = flags.get("active")
    if active and "satisfaction" not in flags:
        flags.setdefault("K", len(active))
    # Nobody posts a price; the usual rivals are refused where there may be no equilibrium.
    rivals = {"rivals": "cartel"} if not menus and several(flags) else {}
    env = environment(flags, menus, **rivals)
    begin(env, flags)
    seed = flags.get("seed", 0)
    if "seed" not in flags:
        env.reset(seed=seed)
    of = {"scenario": env.settings.scenario.name, "seed": seed if draws(env, seed) else None}
    market = env.market
    return dataclasses.replace(market, active=np.array(active, bool)) if active else market, of
