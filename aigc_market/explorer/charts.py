"""The explorer's charts (altair), cards and tables, from numbers that the package works out."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt
import numpy as np

from aigc_market import competition, palette
from aigc_market.competition import Cartel, Competition, Nash
from aigc_market.curves import breakpoints, curves, theorem_2
from aigc_market.equilibrium import Equilibrium
from aigc_market.market import Market
from aigc_market.rendering import Round, text
from aigc_market.rendering.numbers import beside, exact, paid, short, steps
from aigc_market.rules import best_response, leader_utility

Card = tuple[str, str, str]
"""A name, a value and a caption."""

_MOST_PIECES = 40
_POINTS = 121
_REPLIES = ("best reply of asp_0", "best reply of asp_1")


# -- one provider ----------------------------------------------------------------------------------


def cards_of_one(market: Market, best: Equilibrium) -> list[Card]:
    """What stands above the charts."""
    binds = [name for name, at in best.binding._asdict().items() if np.any(at)]
    bound = f"binds: {', '.join(binds) or 'nothing'}" if best.steps.any() else "nobody buys"
    theorem, said = theorem_2(market), "applies" if best.closed_form else "not the best here"
    if theorem is None:
        said = "needs a quadratic SSIM"
    return [
        ("price p*", f"{best.price:.3f}", "the equilibrium"),
        ("U_p*", f"{best.asp_utility:,.2f}", "ASP utility"),
        ("steps sold", f"{best.steps.sum():,.1f}", bound),
        ("Theorem 2", "-" if theorem is None else f"{theorem:.3f}", said),
    ]


def pieces(market: Market, best: float) -> dict[str, Any]:
    """Each piece of U_p(p), one a row: its prices, how its VMUs stand, whether p* lies on it."""
    edges = np.unique([market.cost, *breakpoints(market), market.max_price])
    left, right = edges[:-1], edges[1:]
    asked = best_response(market, (left + right) / 2)
    low = np.sum(asked <= market.min_steps, axis=-1)
    high = np.sum(asked >= market.max_steps, axis=-1)
    capacity = np.inf if market.capacity is None else market.capacity
    shades = np.where(np.arange(len(asked)) % 2, "other 1", "other 0")
    return {
        "from": left,
        "to": right,
        "piece": [f"{i + 1} of {len(asked)}" for i in range(len(asked))],
        "at S_min": low,
        "between": market.K - low - high,
        "at S_max": high,
        "rationed": np.where(asked.sum(-1) > capacity, "yes", "no"),
        "shade": np.where((left < best) & (best <= right), "best", shades),
    }


def utility(market: Market, best: Equilibrium) -> alt.LayerChart:
    """U_p over the price, its pieces and breakpoints, p*, and Theorem 2's price if another."""
    drawn, breaks = curves(market), breakpoints(market)
    top = max(float(drawn.asp_utility.max()), 1.0)
    x, y = _price(market), _axis("utility", "ASP utility U_p", [0, 1.18 * top])
    layers = []
    if len(breaks) < _MOST_PIECES:
        hues = [palette.EQUILIBRIUM, palette.MUTED, "transparent"]
        shade = _colours("shade", ["best", "other 0", "other 1"], hues, legend=None)
        said = ["piece:N", "at S_min:Q", "between:Q", "at S_max:Q", "rationed:N"]
        bands = _chart(pieces(market, float(best.price))).mark_rect(opacity=0.12)
        layers.append(bands.encode(x=_price(market, "from"), x2="to:Q", color=shade, tooltip=said))
    if 0 < len(breaks) < _MOST_PIECES:
        rules = _chart({"price": breaks}).mark_rule(color=palette.MUTED, strokeDash=[4, 3])
        layers.append(rules.encode(x=x, tooltip=[_number("price", "breakpoint")]))
    rows = {"price": drawn.price, "utility": drawn.asp_utility, "steps": drawn.steps.sum(-1)}
    line = _chart(rows).encode(x=x, y=y, tooltip=[*map(_number, rows)])
    layers.append(line.mark_line(color=palette.LEADER))
    marks = [("p*", float(best.price), (palette.EQUILIBRIUM, "circle", -14))]
    theorem = theorem_2(market) or 0.0  # below the cost, and so not drawn, where it says nothing
    another = not np.isclose(theorem, best.price, rtol=1e-6)
    if another and market.cost <= theorem <= market.max_price:
        marks.append(("Theorem 2", theorem, (palette.THEOREM, "diamond", 18)))
    for name, price, look in marks:
        pays = leader_utility(market, price)
        point = _chart({"price": price, "utility": pays, "label": f"{name} = {price:.4g}"})
        right = price > (market.cost + market.max_price) / 2
        layers += _labelled(point.encode(x=x, y=y), right, look)
    return _framed(layers)


def demand(market: Market, best: Equilibrium) -> alt.LayerChart:
    """Each VMU's steps over the price."""
    drawn, names = curves(market), [f"VMU {k}" for k in range(market.K)]
    colour = _colours("vmu", names, palette.FOLLOWERS[: market.K])
    x = _price(market)
    y = _axis("steps", "steps S_k", [0, 1.08 * max(float(drawn.steps.max()), 1.0)])
    rows = {
        "price": np.repeat(drawn.price, market.K),
        "vmu": np.tile(names, len(drawn.price)),
        "steps": drawn.steps.ravel(),
    }
    sizes = 220 - 30 * np.arange(market.K)  # so that none hides another
    bought = {"price": best.price, "vmu": names, "steps": best.steps, "size": sizes}
    dashes = alt.StrokeDash("vmu:N", scale=alt.Scale(domain=names), legend=None)
    size = alt.Size("size:Q", scale=None, legend=None)
    line = _chart(rows).mark_line().encode(x=x, y=y, color=colour, strokeDash=dashes)
    said = ["vmu:N", alt.Tooltip("steps:Q", format=".2f")]
    points = _chart(bought).mark_point()
    points = points.encode(x=x, y=y, color=colour, size=size, tooltip=said)
    rule = _chart({"price": best.price}).encode(x=x)
    return _framed([rule.mark_rule(color=palette.EQUILIBRIUM), line, points])


def rounds(played: list[Round]) -> alt.LayerChart:
    """What was earned in each round played, beside the equilibrium's."""
    fields = {"you": "utility", "equilibrium": "equilibrium_utility"}
    rows = {
        "round": np.tile([record.number for record in played], 2),
        "who": np.repeat([*fields], len(played)),
        "utility": [getattr(record, field) for field in fields.values() for record in played],
    }
    chart = _chart(rows).encode(
        x=alt.X("round:O", title="round", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("utility:Q", title="ASP utility U_p"),
        color=_colours("who", [*fields], [palette.LEADER, palette.EQUILIBRIUM]),
        tooltip=["round:O", "who:N", alt.Tooltip("utility:Q", format=".2f")],
    )
    return _framed([chart.mark_line(), chart.mark_point(size=70)], height=200)


def table_of_rounds(played: list[Round]) -> str:
    """The rounds played, the last one first, as an HTML table."""
    rows = []
    for record in reversed(played):
        asked, sold = sum(record.asked), sum(record.delivered)
        cut = f" of {steps(asked)}" if asked > sold * (1 + 1e-9) else ""
        sales = " ".join(map(steps, record.delivered)) + cut
        regret = paid(beside(record.regret, record.equilibrium_utility))
        earned = paid(record.utility), regret, text.share([record])
        rows.append((f"{record.number:,}", f"{record.price:,.2f}", sales, *earned))
    return _table(("round", "price", "steps sold", "utility", "regret", "share"), rows)


def _price(market: Market, field: str = "price") -> alt.X:
    return _axis(field, "unit price p", [market.cost, market.max_price], alt.X)


# -- several providers -----------------------------------------------------------------------------


def cards_of_several(nash: Nash, cartel: Cartel) -> list[Card]:
    """What stands above the charts."""
    gap, found = exact(float(nash.gap.max()), 2), "none found"
    said = f"the smallest gap is {gap}"
    if nash.converged:
        found, said = _prices(nash.prices), f"certified: gap ≤ {gap}"
    mean = nash.asp_utility.mean(), cartel.asp_utility.mean()
    return [
        ("Nash prices", found, said),
        ("cartel prices", _prices(cartel.prices), "earn the most in all"),
        ("mean utility", short(mean[0]), f"{short(mean[1])} as a cartel"),
        ("VMUs' utility", short(nash.welfare), f"{short(cartel.welfare)} with a cartel"),
    ]


def verdict(nash: Nash) -> str:
    """What the curves say."""
    others = "" if len(nash.prices) == 2 else " The others' prices are fixed where that is."
    return (
        "Best replies of the first two providers to each other; they cross at a Nash equilibrium. "
        f"Where a best reply jumps they need not.{others} {text.verdict(nash)}"
    )


def reactions(
    market: Competition, nash: Nash, cartel: Cartel, asked: np.ndarray, close: bool = False
) -> alt.LayerChart:
    """Best replies of asp_0 and asp_1 to each other, and where they cross.

    Args:
        market: with two providers or more; the others are at their Nash prices, or where the gap is
            smallest.
        nash: its equilibrium, or where the gap is smallest.
        cartel: its cartel.
        asked: (M,) prices that are marked too.
        close: whether to look at prices about the Nash equilibrium alone.
    """
    ends = _window(market, nash, cartel, close)
    x, y = _axis("x", "price of asp_0", ends, alt.X), _axis("y", "price of asp_1", ends)
    pair = [_number("x", "asp_0"), _number("y", "asp_1")]
    curves = _chart(_replies(market, nash, np.linspace(*ends, _POINTS))).encode(
        x=x,
        y=y,
        color=_colours("curve", _REPLIES, palette.PROVIDERS[:2]),
        order="i:Q",
        detail="piece:N",
        tooltip=["curve:N", *pair],
    )
    layers: list[Any] = [curves.mark_line(clip=True)]
    if nash.cycle is not None:
        path = _chart(_cobweb(nash.cycle)).encode(x=x, y=y, order="i:Q")
        dashed = {"strokeWidth": 1.5, "strokeDash": [5, 3], "clip": True}
        layers.append(path.mark_line(color=palette.REGRET, **dashed))
        dots = path.mark_point(color=palette.REGRET, size=35)
        layers.append(dots.encode(tooltip=[_number("round"), *pair]))
    name = "Nash" if nash.converged else "smallest gap"
    for label, prices, look in (
        ("asked", asked, (palette.PURPLE, "triangle-up", 18)),
        ("cartel", cartel.prices, (palette.CARTEL, "diamond", -14)),
        (name, nash.prices, (palette.EQUILIBRIUM, "circle", 20)),
    ):
        if not ends[0] <= min(prices[:2]) <= max(prices[:2]) <= ends[1]:
            continue  # out of sight
        point = _chart({"x": prices[0], "y": prices[1], "label": label})
        point = point.encode(x=x, y=y, tooltip=["label:N", *pair])
        right = (prices[0] > sum(ends) / 2) != (label == "asked")  # the others' place is taken
        layers += _labelled(point, right, look, filled=label != "smallest gap")
    return _framed(layers, height=360)


def payoff(market: Competition, nash: Nash, cartel: Cartel) -> alt.LayerChart:
    """What asp_0 earns by its price, the others at Nash or in the cartel, and its best replies."""
    others = np.stack([nash.prices, cartel.prices])
    names = ["others at Nash" if nash.converged else "others at the smallest gap"]
    names.append("others as a cartel")
    low, top = float(market.cost[0]), float(others[:, 0].max())
    high = low + 1.25 * max(top - low, 0.05 * low)
    prices = np.linspace(low, min(high, float(market.max_price[0])), 2 * _POINTS)
    profiles = np.repeat(others[:, None], len(prices), axis=1)
    profiles[..., 0] = prices
    utility, best = _earned(market, profiles)[..., 0], competition.best_deviation(market, 0, others)
    x = alt.X("price:Q", title="price of asp_0", scale=alt.Scale(nice=False, zero=False))
    y = _axis("utility", "utility of asp_0", [0, 1.15 * max(float(utility.max()), 1e-9)])
    colour = _colours("who", names, [palette.EQUILIBRIUM, palette.CARTEL])
    who = np.repeat(names, len(prices))
    lines = {"price": np.tile(prices, 2), "utility": utility.ravel(), "who": who}
    replies = {"price": best.price, "utility": best.utility, "at most": best.upper_bound}
    said = ["who:N", _number("price"), _number("utility")]
    line = _chart(lines).encode(x=x, y=y, color=colour, tooltip=said)
    said = [*said, alt.Tooltip("at most:Q", format=",.6f")]
    point = _chart({**replies, "who": names}).encode(x=x, y=y, color=colour, tooltip=said)
    own = _chart({"price": others[:, 0], "who": names}).encode(x=x, color=colour)
    layers = [own.mark_rule(), line.mark_line(), point.mark_point(size=90)]
    return _framed(layers, height=260)


def table_of_providers(market: Competition, nash: Nash, cartel: Cartel, prices: np.ndarray) -> str:
    """What these prices (M,) pay, as an HTML table: a row for each provider, and their mean."""
    pays = _earned(market, prices)
    gain = competition.profit_gain(market, pays, nash, cartel)
    better = competition.deviation_gains(market, prices)
    mean = prices.mean(), pays.mean(), gain.mean, better.mean()
    numbers = [*zip(prices, pays, gain.each, better, strict=True), mean]
    names = [*(f"asp_{m}" for m in range(len(prices))), "mean"]
    rows = [
        (name, exact(price, 4), paid(utility), _delta(delta), paid(more))
        for name, (price, utility, delta, more) in zip(names, numbers, strict=True)
    ]
    return _table(("provider", "price", "utility", "Δ", "gain by another price"), rows)


def on_the_way(market: Competition, nash: Nash, cartel: Cartel, share: float) -> np.ndarray:
    """(M,) prices so far from Nash to the cartel, held within the bounds of prices."""
    prices = nash.prices + share * (cartel.prices - nash.prices)
    return np.clip(prices, market.cost, market.max_price)


def _earned(market: Competition, prices: np.ndarray) -> np.ndarray:
    """(…, M) what the providers earn from rational VMUs."""
    answer = competition.respond(market, prices)
    return competition.settle(market, prices, answer.shares, answer.steps).asp_utility


def _window(market: Competition, nash: Nash, cartel: Cartel, close: bool) -> tuple[float, float]:
    """Prices about the Nash equilibrium, or from the lowest to a little above all marks."""
    near = nash.prices[:2] if nash.cycle is None else np.vstack([nash.prices, nash.cycle])[:, :2]
    low, high = float(market.cost[:2].min()), float(market.max_price[:2].max())
    least, most = float(near.min()), float(near.max())
    if close:
        wide = max(most - least, 0.4 * (least - low), 0.02 * low)
        return max(least - wide, low), min(most + wide, high)
    above = max(most, float(cartel.prices[:2].max())) - low
    return low, min(low + 1.2 * max(above, 0.05 * low), high)


def _replies(market: Competition, nash: Nash, prices: np.ndarray) -> dict[str, Any]:
    """Best replies of asp_0 and asp_1 to these prices (P) of each other.

    Where a best reply jumps a new piece begins.
    """
    profiles = np.tile(nash.prices, (2, len(prices), 1))
    replies = []
    for m in (0, 1):
        profiles[m, :, 1 - m] = prices
        replies.append(competition.best_deviation(market, m, profiles[m], 1e-4).price)
    jumps = np.abs(np.diff(replies, prepend=np.array(replies)[:, :1])) > 4 * np.ptp(prices[:2])
    return {
        "x": np.concatenate([replies[0], prices]),
        "y": np.concatenate([prices, replies[1]]),
        "curve": np.repeat(_REPLIES, len(prices)),
        "piece": np.concatenate(np.cumsum(jumps, axis=-1)),
        "i": np.tile(np.arange(len(prices)), 2),
    }


def _cobweb(cycle: np.ndarray) -> dict[str, Any]:
    """From profile to profile: first asp_0 replies, then asp_1."""
    ring = np.concatenate([cycle, cycle[:1]])
    number = np.arange(2 * len(cycle) + 1)
    return {
        "x": ring[(number + 1) // 2, 0],
        "y": ring[number // 2, 1],
        "i": number,
        "round": (number + 1) // 2,
    }


def _prices(prices: np.ndarray) -> str:
    told = [exact(float(price), 4) for price in prices]
    return told[0] if len(set(told)) == 1 else ", ".join(told)


def _delta(value: Any) -> str:
    return exact(float(value), 3) if np.isfinite(value) else "–"


# -- any chart -------------------------------------------------------------------------------------


def _chart(columns: dict[str, Any]) -> alt.Chart:
    """A chart of columns, as CSV in a URL: altair checks inline data value by value."""
    arrays = np.broadcast_arrays(*map(np.atleast_1d, columns.values()))
    rows = io.StringIO(newline="")
    csv.writer(rows).writerows([columns, *zip(*arrays, strict=True)])
    url = f"data:text/csv;base64,{base64.b64encode(rows.getvalue().encode()).decode()}"
    kinds = ["string" if array.dtype.kind == "U" else "number" for array in arrays]
    parse = dict(zip(columns, kinds, strict=True))
    return alt.Chart(alt.UrlData(url=url, format=alt.CsvDataFormat(type="csv", parse=parse)))


def _axis(field: str, title: str, ends: Sequence[Any], kind: Any = alt.Y) -> Any:
    """An axis that ends just there."""
    return kind(f"{field}:Q", title=title, scale=alt.Scale(domain=list(ends), nice=False))


_ABOVE = alt.Legend(title=None, orient="top", symbolType="stroke", symbolStrokeWidth=3)


def _colours(
    field: str, names: Sequence[str], colours: Sequence[str], legend: alt.Legend | None = _ABOVE
) -> alt.Color:
    """A colour for each name."""
    scale = alt.Scale(domain=list(names), range=list(colours))
    return alt.Color(f"{field}:N", scale=scale, legend=legend)


def _labelled(
    point: alt.Chart, right: bool, look: tuple[str, str, int], filled: bool = True
) -> list[alt.Chart]:
    """A mark of one row, and its `label` to the left of it where it is on the `right`.

    Its look is a colour, a shape, and how far below the mark the label stands.
    """
    colour, shape, dy = look
    mark = point.mark_point(color=colour, shape=shape, filled=filled, size=115, strokeWidth=2)
    side: Any = {"align": "right", "dx": -8} if right else {"align": "left", "dx": 8}
    name = point.mark_text(color=colour, dy=dy, fontSize=13, fontWeight="bold", **side)
    return [mark, name.encode(text="label:N")]


def _number(field: str, title: str | None = None) -> alt.Tooltip:
    return alt.Tooltip(f"{field}:Q", format=",.4f", title=title or field)


def _framed(layers: Sequence[Any], height: int = 300) -> Any:
    """As wide as its place; the axes of charts below each other begin at the same place."""
    return (
        alt.layer(*layers)
        .properties(
            width="container",
            height=height,
            background="transparent",
            usermeta={"embedOptions": {"actions": False}},  # the menu beside it
        )
        .configure_line(strokeWidth=2.5)
        .configure_point(filled=True, opacity=1)
        .configure_rule(strokeDash=[2, 3])
        .configure_axis(labelFontSize=12, titleFontSize=13, grid=False)
        .configure_axisY(minExtent=48)
        .configure_legend(labelFontSize=12)
        .configure_view(stroke=None)
    )


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = [("th", header), *(("td", row) for row in rows)]
    lines = ["".join(f"<{tag}>{cell}</{tag}>" for cell in row) for tag, row in cells]
    return "<table class='rounds'>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
