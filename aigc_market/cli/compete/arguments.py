"""Flags of markets with several providers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from tyro.conf import arg

from aigc_market.cli.arguments import (
    Number,
    Numbers,
    SSIMFlags,
    Whole,
    check_order,
    given_flags,
    spread,
)
from aigc_market.competition import Competition
from aigc_market.competition.scenarios import resolve
from aigc_market.rendering.numbers import exact


@dataclass(frozen=True)
class CompetitionFlags:
    """The fields of `Competition`; those left out take the scenario's values."""

    M: Whole = None
    """Number of providers (leaders); as many as --cost, --max-price or --capacity has, 2 in
    `duopoly`."""
    K: Whole = None
    """Number of VMUs (followers); as many as --satisfaction has, 2 in `duopoly`."""
    cost: Numbers = None
    """c, what a step costs a provider, one number for all or M numbers; 1 in `duopoly`."""
    max_price: Numbers = None
    """p_max, the highest unit price, one number for all or M numbers; 20 in `duopoly`."""
    satisfaction: Numbers = None
    """δ, what a unit of SSIM is worth to a VMU, one number for all or K numbers;
    200 in `duopoly`."""
    min_steps: Number = None
    """S_min, the fewest steps of a request; 0 in `duopoly`."""
    max_steps: Number = None
    """S_max, the most; 250 in `duopoly`."""
    capacity: Numbers = None
    """R, the steps that a provider can run in a round, one number for all or M numbers; no limit
    in `duopoly`."""
    access_cost: Numbers = None
    """τ, what reaching a provider costs a VMU for a request: one number for all, or those of all
    VMUs for the first provider, then for the second, …; 0 in `duopoly`."""
    temperature: Number = None
    """μ, how much VMUs care to spread their requests; 60 in `duopoly`."""
    outside: Number = None
    """v_0, what a request that buys nothing is worth; no such option in `duopoly`."""
    model: Annotated[SSIMFlags, arg(name="")] = SSIMFlags()  # noqa: RUF009 (frozen)

    def given(self, scenario: str | None = None) -> dict[str, Any]:
        """What was given, as keyword arguments of a `Competition` or an environment.

        Args:
            scenario: whose values hold for what was left out.

        Raises:
            OSError, ValueError: a scenario that is none, a file that is not there or is no table,
                or flags that exclude each other.
        """
        given = given_flags(self)
        usual = {f.name: f.default for f in dataclasses.fields(Competition)}
        usual.update(resolve(scenario).arguments)
        check_order(given, usual)
        given.update(spread(given, "M", ("cost", "max_price", "capacity")))
        given.update(spread(given, "K", ("satisfaction",)))
        if (costs := given.get("access_cost")) is not None:
            M, K = (given.get(name, usual[name]) for name in ("M", "K"))
            if len(costs) not in (1, M * K):
                raise ValueError(
                    f"access_cost must be one number or M · K = {M} · {K}, got {len(costs)}: "
                    + " ".join(f"{cost:g}" for cost in costs)
                )
            given["access_cost"] = costs[0] if len(costs) == 1 else np.reshape(costs, (M, K))
        if self.model.ssim == "repaint":  # known before torch is imported
            raise ValueError(
                "ssim must be `quadratic` or a CSV file where providers compete, got 'repaint'"
            )
        return {**given, **self.model.given()}


def each(values: Sequence[float], most: int = 6) -> str:
    """A number for each provider, as far as there is room."""
    more = f" and {len(values) - most:,} more" if len(values) > most else ""
    return " ".join(exact(float(value), 5) for value in values[:most]) + more


def alike(values: Sequence[float]) -> str:
    """A number for each provider, or the one that all have."""
    return each(values[:1] if len(set(values)) == 1 else values)
