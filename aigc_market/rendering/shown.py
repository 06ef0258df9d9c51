"""What text and frames show of a record: all that differs between its kinds stands here."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul
from typing import Any, NamedTuple

import numpy as np

from aigc_market import palette
from aigc_market.rendering.canvas import Stroke
from aigc_market.rendering.numbers import beside, count, percent, short
from aigc_market.rendering.rounds import CompetitionRound, MenuRound, Record, Round

Values = Sequence[float | None]
_BEST, _JOINT = Stroke(palette.EQUILIBRIUM), Stroke(palette.CARTEL, on=2, off=4)


class Benchmark(NamedTuple):
    """What the providers are held against; (M) each, None where it is not known."""

    name: str
    stroke: Stroke
    prices: Sequence[float] | None
    utility: Sequence[float] | None
    judged: Sequence[float] | None
    """Of Δ; regret is measured against none."""
    bought: Sequence[float] | None = None


class Shown(NamedTuple):
    """A round of M providers and K VMUs, of any kind; a leader alone is one of M = 1.

    Fields that a record has are those of the record, one entry a provider or a VMU. What it does
    not hold is None.
    """

    number: int
    rounds: int
    cost: Sequence[float]
    max_steps: float
    sold: Sequence[float]
    utility: Sequence[float] | None
    benchmarks: tuple[Benchmark, ...]
    judge: str
    """What rounds are judged by: "regret", or "Δ", the profit gain."""
    judged: Values
    """(M) of it."""
    mean_judged: float | None
    remark: str
    """What must be said of the benchmarks."""
    demand: Sequence[Sequence[float]]
    """(M, K) steps asked for."""
    max_price: Sequence[float] = ()
    min_steps: float = 0.0
    capacity: Sequence[float] | None = None
    prices: Sequence[float] | None = None
    """None before the first round, as what was earned."""
    active: Sequence[bool] | None = None
    shares: Sequence[Sequence[float]] | None = None
    access_cost: Sequence[Sequence[float]] | None = None
    vmu_utility: Sequence[float] | None = None
    places: Sequence[float] | None = None
    delivered: Sequence[float] = ()
    """(K) steps; none where the record does not tell who got what."""
    quality: Sequence[float] = ()
    ssim: Sequence[float] = ()
    images: Sequence[str] | None = None
    menu: MenuRound | None = None
    """The record itself where contracts are for sale: then there are no prices."""
    bought: Sequence[float] | None = None
    """(M) steps of the contracts taken; None before the first round, and where there are none."""

    @property
    def here(self) -> Sequence[bool]:
        """(K) who is there to buy."""
        return [True] * len(self.demand[0]) if self.active is None else self.active

    @property
    def vmus(self) -> str:
        """How many there are, and how many could be."""
        K = count(len(self.here), "VMU")
        return K if self.active is None else f"{sum(self.active):,} of {K}"

    @property
    def measured(self) -> str:
        """What says how good images are: SSIM if they are really made, else a share of gains."""
        return "SSIM" if self.images else "quality"

    @property
    def asked(self) -> float:
        """Steps asked for in all."""
        return sum(map(sum, self.demand))

    @property
    def unsold(self) -> str:
        """Why nothing is sold; empty where something is."""
        if not any(self.here):
            return "nobody is there"
        if self.asked:
            return ""
        if not self.number:
            return "nothing sold yet"
        return "nobody takes a contract" if self.menu else "nobody buys at this price"

    def facts(self) -> list[str]:
        """What else is to be said of the VMUs."""
        facts, K = [], len(self.here)
        if self.active is not None:
            facts.append(f"{self.vmus} are there")
        if self.number and self.shares is not None and self.access_cost is not None:
            if (idle := 1 - sum(map(sum, self.shares)) / K) > 5e-4:
                facts.append(f"{percent(idle)} of requests buy nothing")
            pairs = zip(self.shares, self.access_cost, strict=True)
            if (reach := sum(sum(map(mul, *pair)) for pair in pairs) / K) > 0:
                facts.append(f"to reach an RSU costs {short(reach)} a request")
        if self.number and self.vmu_utility is not None:
            facts.append(f"utility of all VMUs {short(sum(self.vmu_utility))}")
        if self.menu is not None:
            ends = (short(end(self.menu.satisfaction)) for end in (min, max))
            facts.append(f"δ {' to '.join(dict.fromkeys(ends))}")
            if self.number:
                facts.append(f"surplus of all VMUs {short(sum(self.menu.surplus))}")
        return facts


def shown(record: Record) -> Shown:
    """What is shown of a record."""
    held: dict[str, Any] = {n: getattr(record, n) for n in record._fields if n in Shown._fields}
    if isinstance(record, CompetitionRound):
        held.update(_of_several(record))
    else:
        best = record.equilibrium_utility
        regret = beside(record.regret, best)
        held.update(
            cost=[record.cost],
            utility=[record.utility],
            judge="regret",
            judged=[regret],
            mean_judged=regret,
            **(_at_a_price(record) if isinstance(record, Round) else _from_a_menu(record)),
        )
    if record.number == 0:
        nothing = [None] * len(held["cost"])
        held.update(prices=None, utility=None, judged=nothing, mean_judged=None, bought=None)
    return Shown(**held)


def _at_a_price(record: Round) -> dict[str, Any]:
    price, best = record.equilibrium_price, record.equilibrium_utility
    return {
        "max_price": [record.max_price],
        "capacity": None if record.capacity is None else [record.capacity],
        "prices": [record.price],
        "sold": [sum(record.delivered)],
        "benchmarks": (Benchmark("equilibrium", _BEST, [price], [best], None),),
        "remark": "" if best > 0 else "nobody buys at any price",
        "demand": [record.asked],
    }


def _from_a_menu(record: MenuRound) -> dict[str, Any]:
    best = record.equilibrium_utility
    got = np.take([0.0, *record.steps], record.taken).tolist()
    would = float(np.take([0.0, *record.best_steps], record.best_taken).sum())
    return {
        "sold": [sum(got)],
        "bought": [sum(got)],
        "benchmarks": (Benchmark("best menu", _BEST, None, [best], None, [would]),),
        "remark": "" if best > 0 else "no menu earns anything",
        "demand": [got],
        "delivered": got,
        "quality": (),
        "menu": record,
    }


def _of_several(record: CompetitionRound) -> dict[str, Any]:
    remark = "" if record.nash_prices else "no Nash equilibrium was found"
    nash, cartel = ([value] * len(record.cost) for value in (0.0, 1.0))
    return {
        "benchmarks": (
            Benchmark("Nash", _BEST, record.nash_prices, record.nash_utility, nash),
            Benchmark("cartel", _JOINT, record.cartel_prices, record.cartel_utility, cartel),
        ),
        "judge": "Δ",
        "judged": record.profit_gain or [None] * len(record.cost),
        "mean_judged": record.mean_profit_gain,
        "remark": remark if record.cartel_prices else "not judged",
    }


def mean(values: Sequence[float]) -> float:
    """Of all providers."""
    return sum(values) / len(values)
