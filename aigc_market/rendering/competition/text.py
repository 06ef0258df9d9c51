"""A round among several providers as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aigc_market.rendering.competition.rounds import CompetitionRound
from aigc_market.rendering.numbers import beside, count, exact, paid, percent, steps

_SHOWN = 8
_COLUMNS = ("", "price", "Nash", "cartel", "sold", "utility", "at Nash", "as cartel", "Δ")


def ansi(last: CompetitionRound) -> str:
    """A round as a table of the providers, and what the VMUs have of it."""
    title = f"round {last.number:,} of {last.rounds:,}"
    if last.number == 0:
        title += ": no prices yet"
    lines = [title, *_table(last)]
    if missing := unjudged(last):
        lines.append(missing)
    if last.number:
        lines.append(sales(last))
    return "\n".join(lines)


def summary(rounds: Sequence[CompetitionRound]) -> str:
    """The same table of the means over some rounds; their Δ where Nash equilibria were found."""
    judged = [record for record in rounds if record.nash_utility is not None]
    cartels = [record for record in rounds if record.cartel_utility is not None]
    means: dict[str, Any] = {
        name: _means(of, name)
        for of, names in (
            (rounds, ("prices", "sold", "utility")),
            (judged, ("nash_prices", "nash_utility")),
            (cartels, ("cartel_prices", "cartel_utility")),
        )
        for name in names
    }
    sums = [_means(judged, name) for name in ("utility", "nash_utility", "cartel_utility")]
    whole = rounds[-1]._replace(**means, profit_gain=None, mean_profit_gain=None)
    if judged:
        whole = whole._replace(
            profit_gain=[_gain(*each) for each in zip(*sums, strict=True)],
            mean_profit_gain=_gain(*(sum(values) for values in sums)),
        )
    lines = [f"{count(len(rounds), 'round')}, on average:", *_table(whole)]
    if cartels and len(judged) < len(cartels):
        lines.append(
            f"no Nash equilibrium was found in {count(len(cartels) - len(judged), 'round')}"
        )
    return "\n".join(lines)


def _means(rounds: Sequence[CompetitionRound], name: str) -> Any:
    """(M) of a field; None of no rounds."""
    columns = zip(*(getattr(record, name) for record in rounds), strict=True)
    return [sum(values) / len(rounds) for values in columns] if rounds else None


def _gain(utility: float, nash: float, cartel: float) -> float | None:
    """Δ."""
    room = beside(cartel - nash, cartel)
    return None if room == 0 else (utility - nash) / room


def unjudged(last: CompetitionRound) -> str:
    """What of the oracle is missing, if anything."""
    if last.cartel_prices is None:
        return "not judged: neither Nash nor cartel prices were computed"
    return "" if last.nash_prices else "no Nash equilibrium was found"


def sales(last: CompetitionRound) -> str:
    """What was delivered in all, what was cut, and what it was worth to the VMUs."""
    K, sold = len(last.vmu_utility), sum(last.sold)
    asked = sum(sum(row) for row in last.demand)
    words = f"{count(K, 'VMU')}: "
    words += f"steps {steps_of(last, sold)}" if asked else "nobody buys at these prices"
    if asked > sold * (1 + 1e-9):
        words += f", cut from {steps_of(last, asked)} asked for"
    if (idle := outside(last)) > 5e-4:
        words += f", {percent(idle)} of requests buy nothing"
    return f"{words}, utility {paid(sum(last.vmu_utility))}"


def outside(last: CompetitionRound) -> float:
    """The share of all requests that were sent to no provider."""
    return 1 - sum(sum(row) for row in last.shares) / len(last.vmu_utility)


def steps_of(last: CompetitionRound, value: float) -> str:
    """Steps, with decimals where a request holds but a few."""
    return steps(value) if last.max_steps >= 10 else exact(value, 2)


def _provider(last: CompetitionRound, m: int) -> list[str]:
    gain = last.profit_gain[m] if last.profit_gain else None
    return [
        f"asp_{m}",
        exact(last.prices[m], 5) if last.number else "–",
        *(_of(values, m, _price) for values in (last.nash_prices, last.cartel_prices)),
        steps_of(last, last.sold[m]),
        paid(last.utility[m]),
        *(_of(values, m, paid) for values in (last.nash_utility, last.cartel_utility)),
        "–" if gain is None else exact(gain, 3),
    ]


def _mean(last: CompetitionRound) -> list[str]:
    def mean(values: Sequence[float]) -> list[float]:
        return [sum(values) / len(values)]

    gain = last.mean_profit_gain
    known = {
        name: mean(values)
        for name in ("nash_prices", "cartel_prices", "nash_utility", "cartel_utility")
        if (values := getattr(last, name)) is not None
    }
    averages = {name: mean(getattr(last, name)) for name in ("prices", "sold", "utility")}
    row = _provider(last._replace(**averages, **known, profit_gain=[gain]), 0)
    return ["mean", *row[1:]]


def _of(values: Sequence[float] | None, m: int, write: Callable[[float], str]) -> str:
    return "–" if values is None else write(values[m])


def _price(value: float) -> str:
    return exact(value, 5)


def _table(last: CompetitionRound) -> list[str]:
    """A line for each provider and for the mean of all; columns as wide as what they hold."""
    M = len(last.prices)
    rows = [list(_COLUMNS), *(_provider(last, m) for m in range(min(M, _SHOWN)))]
    if M > _SHOWN:
        rows.append([f"({M - _SHOWN:,} more)", *[""] * (len(_COLUMNS) - 1)])
    if M > 1:
        rows.append(_mean(last))
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:{'>' if i else '<'}{wide[i]}}" for i, cell in enumerate(row)).rstrip()
        for row in rows
    ]
