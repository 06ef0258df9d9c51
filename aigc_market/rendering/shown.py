"""What text and frames show of a record: all that differs between its kinds stands here."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul
from typing import Any, NamedTuple

from aigc_market import palette
from aigc_market.rendering.canvas import Stroke
from aigc_market.rendering.numbers import beside, percent, short
from aigc_market.rendering.rounds import CompetitionRound, Round

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


class Shown(NamedTuple):
    """A round of M providers and K VMUs, of either kind; a leader alone is one of M = 1.

    Fields that a record has are those of the record, one entry a provider or a VMU. What it does
    not hold is None.
    """

    number: int
    rounds: int
    cost: Sequence[float]
    max_price: Sequence[float]
    min_steps: float
    max_steps: float
    capacity: Sequence[float] | None
    prices: Sequence[float] | None
    """None before the first round, as what was earned."""
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

    @property
    def here(self) -> Sequence[bool]:
        """(K) who is there to buy."""
        return [True] * len(self.demand[0]) if self.active is None else self.active

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
        return "nobody buys at this price" if self.number else "nothing sold yet"

    def facts(self) -> list[str]:
        """What else is to be said of the VMUs."""
        facts, K = [], len(self.here)
        if self.active is not None:
            facts.append(f"{sum(self.active):,} of {K:,} VMUs are there")
        if self.number and self.shares is not None and self.access_cost is not None:
            if (idle := 1 - sum(map(sum, self.shares)) / K) > 5e-4:
                facts.append(f"{percent(idle)} of requests buy nothing")
            pairs = zip(self.shares, self.access_cost, strict=True)
            if (reach := sum(sum(map(mul, *pair)) for pair in pairs) / K) > 0:
                facts.append(f"to reach an RSU costs {short(reach)} a request")
        if self.number and self.vmu_utility is not None:
            facts.append(f"utility of all VMUs {short(sum(self.vmu_utility))}")
        return facts


def shown(record: Round | CompetitionRound) -> Shown:
    """What is shown of a record."""
    held: dict[str, Any] = {n: getattr(record, n) for n in record._fields if n in Shown._fields}
    if isinstance(record, Round):
        price, best = record.equilibrium_price, record.equilibrium_utility
        regret = beside(record.regret, best)
        held.update(
            cost=[record.cost],
            max_price=[record.max_price],
            capacity=None if record.capacity is None else [record.capacity],
            prices=[record.price],
            sold=[sum(record.delivered)],
            utility=[record.utility],
            benchmarks=(
                Benchmark("equilibrium", Stroke(palette.EQUILIBRIUM), [price], [best], None),
            ),
            judge="regret",
            judged=[regret],
            mean_judged=regret,
            remark="" if best > 0 else "nobody buys at any price",
            demand=[record.asked],
        )
    else:
        remark = "" if record.nash_prices else "no Nash equilibrium was found"
        nash, cartel = ([value] * len(record.cost) for value in (0.0, 1.0))
        held.update(
            benchmarks=(
                Benchmark("Nash", _BEST, record.nash_prices, record.nash_utility, nash),
                Benchmark("cartel", _JOINT, record.cartel_prices, record.cartel_utility, cartel),
            ),
            judge="Δ",
            judged=record.profit_gain or [None] * len(record.cost),
            mean_judged=record.mean_profit_gain,
            remark=remark if record.cartel_prices else "not judged",
        )
    if record.number == 0:
        nothing = [None] * len(held["cost"])
        held.update(prices=None, utility=None, judged=nothing, mean_judged=None)
    return Shown(**held)


def mean(values: Sequence[float]) -> float:
    """Of all providers."""
    return sum(values) / len(values)
