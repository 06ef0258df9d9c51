"""The explorer's charts (altair) and tables of several providers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np

from aigc_market import competition, palette
from aigc_market.explorer.charts import framed, from_rows
from aigc_market.explorer.providers import Payoffs, Study, earned
from aigc_market.rendering.numbers import exact, paid

_COLUMNS = ("provider", "price", "utility", "Δ", "gain by another price")
_NAMES = ("best reply of asp_0", "best reply of asp_1")


def cards(study: Study) -> list[tuple[str, str, str]]:
    """What stands above the charts: a name, a value and a caption each."""
    nash, cartel = study.nash, study.cartel
    gap = exact(float(nash.gap.max()), 2)
    found = ("Nash prices", _prices(nash.prices), f"certified: gap ≤ {gap}")
    if not study.converged:
        found = ("Nash prices", "none found", f"the smallest gap is {gap}")
    mean = nash.asp_utility.mean(), cartel.asp_utility.mean()
    return [
        found,
        ("cartel prices", _prices(cartel.prices), "earn the most in all"),
        ("mean utility", _few(mean[0]), f"{_few(mean[1])} as a cartel"),
        ("VMUs' utility", _few(nash.welfare), f"{_few(cartel.welfare)} with a cartel"),
    ]


def verdict(study: Study) -> str:
    """What the curves say, in a sentence or two."""
    others = "" if study.market.M == 2 else " The others' prices are fixed where that is."
    if study.converged:
        return (
            "Best replies of the first two providers to each other; they cross at the Nash "
            f"equilibrium, which is certified.{others} Point at a curve for its numbers."
        )
    if study.cycle is None:
        went = "Best replies did not come to rest."
    else:
        went = (
            f"Best replies in turn go round in {len(study.cycle)} rounds, an Edgeworth cycle "
            "(dashed)."
        )
    return (
        "**No equilibrium in pure strategies was found**: where a best reply jumps, the curves "
        f"need not cross. {went}{others}"
    )


def reactions(study: Study, asked: np.ndarray) -> alt.LayerChart:
    """Best replies of asp_0 and asp_1 to each other, and where they cross.

    Args:
        study: of a market.
        asked: (M,) prices that are marked too.
    """
    ends = [float(study.prices[0]), float(study.prices[-1])]
    scale = alt.Scale(domain=ends, nice=False)
    x = alt.X("x:Q", title="price of asp_0", scale=scale)
    y = alt.Y("y:Q", title="price of asp_1", scale=scale)
    colour = alt.Color(
        "curve:N",
        scale=alt.Scale(domain=list(_NAMES), range=list(palette.PROVIDERS[:2])),
        legend=alt.Legend(title=None, orient="top", symbolType="stroke", symbolStrokeWidth=3),
    )
    lines = from_rows(_curves(study)).encode(
        x=x,
        y=y,
        color=colour,
        order="i:Q",
        detail="piece:N",
        tooltip=["curve:N", _number("x", "asp_0"), _number("y", "asp_1")],
    )
    layers: list[Any] = [lines.mark_line(strokeWidth=2.5, clip=True)]
    if study.cycle is not None:
        rows = _cobweb(study.cycle)
        said = [_number("round", "round"), _number("x", "asp_0"), _number("y", "asp_1")]
        path = from_rows(rows).encode(x=x, y=y, order="i:Q")
        dots = from_rows(rows[:-1]).encode(x=x, y=y, tooltip=said)
        layers.append(
            path.mark_line(color=palette.REGRET, strokeWidth=1.5, strokeDash=[5, 3], clip=True)
        )
        layers.append(dots.mark_point(color=palette.REGRET, filled=True, size=35, opacity=1))
    name = "Nash" if study.converged else "smallest gap"
    for label, prices, tint, shape, size, dy in (
        ("asked", asked, palette.PURPLE, "triangle-up", 110, 18),
        ("cartel", study.cartel.prices, palette.CARTEL, "diamond", 120, -14),
        (name, study.nash.prices, palette.EQUILIBRIUM, "circle", 120, 20),
    ):
        if not ends[0] <= min(prices[:2]) <= max(prices[:2]) <= ends[1]:
            continue  # out of sight
        row = {"x": prices[0], "y": prices[1], "label": label}
        point = from_rows([row]).encode(
            x=x, y=y, tooltip=["label:N", _number("x", "asp_0"), _number("y", "asp_1")]
        )
        filled = label != "smallest gap"
        layers.append(
            point.mark_point(
                color=tint, shape=shape, filled=filled, size=size, opacity=1, strokeWidth=2
            )
        )
        right = (prices[0] > sum(ends) / 2) != (label == "asked")  # the others' place is taken
        text = point.mark_text(
            color=tint,
            align="right" if right else "left",
            dx=-8 if right else 8,
            dy=dy,
            fontSize=13,
            fontWeight="bold",
        )
        layers.append(text.encode(text="label:N"))
    return framed(alt.layer(*layers), height=360)


def _cobweb(cycle: np.ndarray) -> list[dict[str, Any]]:
    """From profile to profile: first asp_0 replies, then asp_1."""
    ring = np.concatenate([cycle, cycle[:1]])
    rows = [{"x": ring[0, 0], "y": ring[0, 1], "i": 0, "round": 0}]
    for i, (before, after) in enumerate(pairwise(ring), 1):
        for y in (before[1], after[1]):
            rows.append({"x": after[0], "y": y, "i": len(rows), "round": i})
    return rows


def _curves(study: Study) -> list[dict[str, Any]]:
    """Points of both curves; where a best reply jumps a new piece begins."""
    rows = []
    step = study.prices[1] - study.prices[0]
    for seat, (name, replies) in enumerate(zip(_NAMES, study.replies, strict=True)):
        piece = np.cumsum(np.abs(np.diff(replies, prepend=replies[0])) > 4 * step)
        for i, (price, reply) in enumerate(zip(study.prices, replies, strict=True)):
            x, y = (reply, price) if seat == 0 else (price, reply)
            rows.append({"x": x, "y": y, "curve": name, "piece": int(piece[i]), "i": i})
    return rows


def payoff(study: Study, found: Payoffs) -> alt.LayerChart:
    """What asp_0 earns by its price, the others at Nash or in the cartel."""
    nash = "others at Nash" if study.converged else "others at the smallest gap"
    names = [nash, "others as a cartel"]
    x = alt.X("price:Q", title="price of asp_0", scale=alt.Scale(nice=False, zero=False))
    top = max(float(found.at_nash.max()), float(found.at_cartel.max()), 1e-9)
    scale = alt.Scale(domain=[0, 1.15 * top], nice=False)
    y = alt.Y("utility:Q", title="utility of asp_0", scale=scale)
    colour = alt.Color(
        "who:N",
        scale=alt.Scale(domain=names, range=[palette.EQUILIBRIUM, palette.CARTEL]),
        legend=alt.Legend(title=None, orient="top", symbolType="stroke", symbolStrokeWidth=3),
    )
    rows = [
        {"price": price, "utility": utility, "who": name}
        for name, curve in zip(names, (found.at_nash, found.at_cartel), strict=True)
        for price, utility in zip(found.own, curve, strict=True)
    ]
    said = ["who:N", _number("price"), _number("utility")]
    line = from_rows(rows).encode(x=x, y=y, color=colour, tooltip=said)
    best = [
        {
            "price": float(reply.price),
            "utility": float(reply.utility),
            "who": name,
            "at most": float(reply.upper_bound),
        }
        for name, reply in zip(names, found.best, strict=True)
    ]
    own = [
        {"price": float(prices[0]), "who": name}
        for name, prices in zip(names, (study.nash.prices, study.cartel.prices), strict=True)
    ]
    said = [*said, alt.Tooltip("at most:Q", format=",.6f")]
    point = from_rows(best).encode(x=x, y=y, color=colour, tooltip=said)
    rule = from_rows(own).encode(x=x, color=colour)
    return framed(
        alt.layer(
            rule.mark_rule(strokeDash=[2, 3]),
            line.mark_line(strokeWidth=2.5),
            point.mark_point(filled=True, size=90, opacity=1),
        ),
        height=260,
    )


def table(study: Study, prices: np.ndarray) -> str:
    """What these prices (M,) pay, as an HTML table: a row for each provider, and their mean."""
    market = study.market
    utility = earned(market, prices)
    gain = competition.profit_gain(market, utility, study.nash, study.cartel)
    better = competition.deviation_gains(market, prices)
    rows = [
        (
            f"asp_{m}",
            exact(prices[m], 4),
            paid(utility[m]),
            _delta(gain.each[m]),
            paid(more),
        )
        for m, more in enumerate(better)
    ]
    mean = (exact(prices.mean(), 4), paid(utility.mean()), _delta(float(gain.mean)))
    rows.append(("mean", *mean, paid(better.mean())))
    header = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    body = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>" for cells in rows
    )
    return f"<table class='rounds'><tr>{header}</tr>{body}</table>"


def _prices(prices: np.ndarray) -> str:
    told = [exact(float(price), 4) for price in prices]
    if len(told) > 2 and len(set(told)) > 1:
        return f"{exact(float(prices.min()), 4)} … {exact(float(prices.max()), 4)}"
    return told[0] if len(set(told)) == 1 else ", ".join(told)


def _few(value: Any) -> str:
    """In so few digits that it fits a card."""
    return f"{float(value):,.0f}" if abs(value) >= 99.5 else exact(float(value), 3)


def _delta(value: float) -> str:
    return exact(float(value), 3) if np.isfinite(value) else "–"


def _number(field: str, title: str | None = None) -> alt.Tooltip:
    return alt.Tooltip(f"{field}:Q", format=",.4f", title=title or field)
