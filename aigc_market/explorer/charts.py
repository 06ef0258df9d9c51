"""The explorer's charts (altair) and tables, from numbers that the package has worked out."""

from __future__ import annotations

import base64
import csv
import io
from typing import Any

import altair as alt
import numpy as np

from aigc_market import game, palette
from aigc_market.curves import Curves
from aigc_market.equilibrium import Equilibrium
from aigc_market.market import Market
from aigc_market.rendering import Round
from aigc_market.rendering.numbers import beside, money, steps
from aigc_market.rendering.text import share

_MOST_PIECES = 40
_HEIGHT = 300
_COLUMNS = ("round", "price", "steps sold", "utility", "regret", "share")


def pieces(market: Market, breaks: np.ndarray, best: float) -> list[dict[str, Any]]:
    """Each piece of U_p(p): its prices, how its VMUs stand, and whether p* lies on it."""
    edges = np.unique([market.cost, *breaks, market.max_price])
    middles = (edges[1:] + edges[:-1]) / 2
    steps = game.best_response(market, middles)
    rows = []
    for i, bought in enumerate(steps):
        low = int(np.sum(bought <= market.min_steps))
        high = int(np.sum(bought >= market.max_steps))
        rationed = market.capacity is not None and bought.sum() > market.capacity
        rows.append(
            {
                "from": edges[i],
                "to": edges[i + 1],
                "piece": f"{i + 1} of {len(middles)}",
                "at S_min": low,
                "between": market.K - low - high,
                "at S_max": high,
                "rationed": "yes" if rationed else "no",
                "shade": "best" if edges[i] < best <= edges[i + 1] else f"other {i % 2}",
            }
        )
    return rows


def utility(
    market: Market,
    equilibrium: Equilibrium,
    curves: Curves,
    breaks: np.ndarray,
    theorem: float | None,
) -> alt.LayerChart:
    """U_p over the price, its pieces and breakpoints, p*, and Theorem 2's price if another."""
    price = _price(market)
    top = max(float(curves.asp_utility.max()), 1.0)
    scale = alt.Scale(domain=[0, 1.18 * top], nice=False)
    height = alt.Y("utility:Q", title="ASP utility U_p", scale=scale)
    rows = [
        {"price": p, "utility": u, "steps": s.sum()}
        for p, s, u in zip(curves.price, curves.steps, curves.asp_utility, strict=True)
    ]
    layers = []
    if len(breaks) < _MOST_PIECES:
        layers += _shaded(market, breaks, float(equilibrium.price))
    line = from_rows(rows).encode(x=price, y=height)
    layers.append(line.mark_line(color=palette.LEADER, strokeWidth=2.5))
    layers.append(_hover(line, ["price", "utility", "steps"]))
    marks = [_mark(market, "p*", float(equilibrium.price), float(equilibrium.asp_utility))]
    if theorem is not None and differs(market, equilibrium, theorem):
        earned = float(game.leader_utility(market, theorem))
        marks.append(_mark(market, "Theorem 2", theorem, earned))
    colours, shapes = (palette.EQUILIBRIUM, palette.THEOREM), ("circle", "diamond")
    for colour, shape, dy, row in zip(colours, shapes, (-14, 18), marks, strict=False):
        point = from_rows([row]).encode(x=price, y=height)
        layers.append(point.mark_point(color=colour, shape=shape, filled=True, size=110, opacity=1))
        right = row["price"] > (market.cost + market.max_price) / 2
        text = point.mark_text(
            color=colour,
            align="right" if right else "left",
            dx=-4 if right else 4,
            dy=dy,
            fontSize=13,
            fontWeight="bold",
        )
        layers.append(text.encode(text="label:N"))
    return framed(alt.layer(*layers))


def demand(market: Market, equilibrium: Equilibrium, curves: Curves) -> alt.LayerChart:
    """Each VMU's steps over the price."""
    price = _price(market)
    names = [f"VMU {k}" for k in range(market.K)]
    colour = alt.Color(
        "vmu:N",
        scale=alt.Scale(domain=names, range=palette.FOLLOWERS[: market.K]),
        legend=alt.Legend(title=None, orient="top", symbolType="stroke", symbolStrokeWidth=3),
    )
    most = max(float(curves.steps.max()), 1.0)
    height = alt.Y("steps:Q", title="steps S_k", scale=alt.Scale(domain=[0, 1.08 * most]))
    rows = [
        {"price": p, "vmu": name, "steps": s}
        for p, steps in zip(curves.price, curves.steps, strict=True)
        for name, s in zip(names, steps, strict=True)
    ]
    bought = [
        {"price": float(equilibrium.price), "vmu": name, "steps": s, "size": 220 - 30 * k}
        for k, (name, s) in enumerate(zip(names, equilibrium.steps, strict=True))
    ]
    dashes = alt.StrokeDash("vmu:N", scale=alt.Scale(domain=names), legend=None)
    line = from_rows(rows).encode(x=price, y=height, color=colour)
    points = from_rows(bought).encode(x=price, y=height, color=colour)
    rule = from_rows(bought[:1]).encode(x=price)
    return framed(
        alt.layer(
            rule.mark_rule(color=palette.EQUILIBRIUM, strokeDash=[2, 3]),
            line.mark_line(strokeWidth=2.5).encode(strokeDash=dashes),
            points.mark_point(filled=True, opacity=1).encode(
                size=alt.Size("size:Q", scale=None, legend=None),  # so that none hides another
                tooltip=["vmu:N", alt.Tooltip("steps:Q", format=".2f")],
            ),
        )
    )


def differs(market: Market, equilibrium: Equilibrium, theorem: float) -> bool:
    """Whether Theorem 2's price can be posted and is not the equilibrium's."""
    possible = market.cost <= theorem <= market.max_price
    return bool(possible and not np.isclose(theorem, equilibrium.price, rtol=1e-6))


def rounds(played: list[Round]) -> alt.LayerChart:
    """What was earned in each round played, beside the equilibrium's."""
    rows = [
        {"round": record.number, "who": who, "utility": earned}
        for record in played
        for who, earned in (("you", record.utility), ("equilibrium", record.equilibrium_utility))
    ]
    colour = alt.Color(
        "who:N",
        scale=alt.Scale(domain=["you", "equilibrium"], range=[palette.LEADER, palette.EQUILIBRIUM]),
        legend=alt.Legend(title=None, orient="top"),
    )
    chart = from_rows(rows).encode(
        x=alt.X("round:O", title="round", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("utility:Q", title="ASP utility U_p"),
        color=colour,
        tooltip=["round:O", "who:N", alt.Tooltip("utility:Q", format=".2f")],
    )
    return framed(
        alt.layer(
            chart.mark_line(strokeWidth=2), chart.mark_point(filled=True, size=70, opacity=1)
        ),
        height=200,
    )


def table(played: list[Round]) -> str:
    """The rounds played, the last one first, as an HTML table."""
    header = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    body = ""
    for record in reversed(played):
        cells = (
            f"{record.number:,}",
            f"{record.price:,.2f}",
            _sold(record),
            money(record.utility),
            money(beside(record.regret, record.equilibrium_utility)),
            share([record]),
        )
        body += "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    return f"<table class='rounds'><tr>{header}</tr>{body}</table>"


def _sold(record: Round) -> str:
    """Steps delivered to each VMU, and what they had asked for where a capacity cut it."""
    asked, sold = sum(record.asked), sum(record.delivered)
    cut = f" of {steps(asked)}" if asked > sold * (1 + 1e-9) else ""
    return " ".join(map(steps, record.delivered)) + cut


def from_rows(rows: list[dict[str, Any]]) -> alt.Chart:
    """A chart of these rows, as CSV in a URL: altair checks inline data value by value."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    url = f"data:text/csv;base64,{base64.b64encode(text.getvalue().encode()).decode()}"
    kinds = {name: "string" if isinstance(v, str) else "number" for name, v in rows[0].items()}
    return alt.Chart(alt.UrlData(url=url, format=alt.CsvDataFormat(type="csv", parse=kinds)))


def _shaded(market: Market, breaks: np.ndarray, best: float) -> list[Any]:
    rows = pieces(market, breaks, best)
    shade = alt.Color(
        "shade:N",
        scale=alt.Scale(
            domain=["best", "other 0", "other 1"],
            range=[palette.EQUILIBRIUM, palette.MUTED, "transparent"],
        ),
        legend=None,
    )
    x = alt.X("from:Q", scale=alt.Scale(domain=[market.cost, market.max_price], nice=False))
    bands = from_rows(rows).mark_rect(opacity=0.12)
    said = ["piece:N", "at S_min:Q", "between:Q", "at S_max:Q", "rationed:N"]
    layers = [bands.encode(x=x, x2="to:Q", color=shade, tooltip=said)]
    if len(breaks):
        rules = from_rows([{"price": p} for p in breaks])
        layers.append(
            rules.mark_rule(color=palette.MUTED, strokeDash=[4, 3]).encode(
                x=_price(market),
                tooltip=[alt.Tooltip("price:Q", format=".4f", title="breakpoint")],
            )
        )
    return layers


def _hover(line: alt.Chart, said: list[str]) -> alt.Chart:
    """A point that follows the pointer along a line and tells its numbers."""
    nearest = alt.selection_point(nearest=True, on="pointerover", fields=["price"], empty=False)
    return (
        line.mark_point(color=palette.LEADER, filled=True, size=70)
        .encode(
            opacity=alt.condition(nearest, alt.value(1), alt.value(0)),
            tooltip=[alt.Tooltip(f"{name}:Q", format=",.2f") for name in said],
        )
        .add_params(nearest)
    )


def _mark(market: Market, name: str, price: float, earned: float) -> dict[str, Any]:
    return {
        "price": price,
        "utility": earned,
        "label": f"{name} = {price:.4g}",
    }


def _price(market: Market) -> alt.X:
    scale = alt.Scale(domain=[market.cost, market.max_price], nice=False)
    return alt.X("price:Q", title="unit price p", scale=scale)


def framed(chart: Any, height: int = _HEIGHT) -> Any:
    """As wide as its place; the axes of charts below each other begin at the same place."""
    return (
        chart.properties(
            width="container",
            height=height,
            background="transparent",
            usermeta={"embedOptions": {"actions": False}},  # the menu beside it
        )
        .configure_axis(labelFontSize=12, titleFontSize=13, grid=False)
        .configure_axisY(minExtent=48)
        .configure_legend(labelFontSize=12)
        .configure_view(stroke=None)
    )
