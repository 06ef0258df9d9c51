"""The explorer: its numbers and charts, and the app in a real browser."""

import base64
import csv
import io
import itertools
import re
import signal
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from command_line import process
from rounds import record

import aigc_market
from aigc_market import competition
from aigc_market.curves import breakpoints
from aigc_market.explorer import charts, markets
from aigc_market.explorer.app import app

PATIENCE = 120  # seconds: other work may hold the cores


ONE, SEVERAL = (
    [name for name in markets.EXAMPLES if (markets.example(name)["M"] > 1) == several]
    for several in (False, True)
)


def market(name, **changes):
    """The market of an example."""
    values = {**markets.example(name), **changes}
    arguments = markets.arguments(values["ssim"], values)
    return (aigc_market.Competition if "M" in arguments else aigc_market.Market)(**arguments)


def drawn(chart):
    """The rows behind each layer of a chart."""
    texts = [layer["data"]["url"].split(",", 1)[1] for layer in chart.to_dict()["layer"]]
    layers = [csv.DictReader(io.StringIO(base64.b64decode(text).decode())) for text in texts]
    return [[{name: number(cell) for name, cell in row.items()} for row in rows] for rows in layers]


def number(cell):
    try:
        return float(cell)
    except ValueError:
        return cell


def marks(chart):
    """The points with names, by these."""
    return {row["label"]: row for layer in drawn(chart) for row in layer if "label" in row}


# -- numbers and charts ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ONE)
def test_every_example_is_a_market_whose_charts_tell_its_solution(name):
    shown = market(name)
    best, breaks = aigc_market.solve(shown), breakpoints(shown)
    chart = charts.utility(shown, best)
    mark = marks(chart)[f"p* = {best.price:.4g}"]
    assert (mark["price"], mark["utility"]) == (best.price, best.asp_utility)
    layers = {tuple(layer[0]): layer for layer in drawn(chart)}
    assert [row["price"] for row in layers["price",]] == pytest.approx(breaks)
    curve = layers["price", "utility", "steps"]
    assert max(row["utility"] for row in curve) == pytest.approx(best.asp_utility, rel=1e-4)
    _, lines, bought = drawn(charts.demand(shown, best))
    assert {row["vmu"] for row in lines} == {f"VMU {k}" for k in range(shown.K)}
    assert [row["steps"] for row in bought] == pytest.approx(best.steps)


def test_theorem_2_is_marked_only_where_it_differs():
    for name, labels in (
        ("the paper's market", {"p* = 8"}),
        ("a VMU that is priced out", {"p* = 15.5", "Theorem 2 = 3.833"}),
    ):
        shown = market(name)
        assert marks(charts.utility(shown, aigc_market.solve(shown))).keys() == labels


def test_the_pieces_say_where_the_vmus_stand():
    shown = market("a VMU that is priced out")
    found = charts.pieces(shown, 15.5)
    assert found["at S_min"].tolist() == [0, 1]
    assert found["between"].tolist() == [2, 1]
    assert found["at S_max"].tolist() == [0, 0]
    assert found["shade"].tolist() == ["other 0", "best"]
    shown = market("a capacity of 150 steps")
    assert charts.pieces(shown, 9.78)["rationed"].tolist() == ["yes", "no", "no"]


def test_sliders_keep_their_place_where_the_ssim_model_changes():
    start = markets.example("the paper's market")
    assert markets.moved(start, markets.QUADRATIC) == start
    measured = markets.moved(start, markets.MEASURED)
    assert measured == {**start, "satisfaction": [4000] * markets.MOST_VMUS}
    unit = markets.moved(start, markets.UNIT)
    assert unit["max_price"] == 3
    assert unit["capacity"] is None
    back = markets.moved(markets.example("SSIM as measured"), markets.QUADRATIC)
    assert back["satisfaction"][:2] == [150, 455]


@pytest.mark.parametrize("name", markets.EXAMPLES)
def test_every_slider_can_show_its_value(name):
    for model, ranges in markets.RANGES.items():
        values = markets.moved(markets.example(name), model)
        for slider, (low, high, _) in ranges.items():
            if values[slider] is not None:
                assert np.clip(values[slider], low, high) == pytest.approx(values[slider], abs=0)


def test_the_measured_table_is_the_live_models():
    live = aigc_market.Market(ssim="repaint", satisfaction=9130)
    table = markets.ssim(markets.MEASURED, {})
    steps = np.arange(251.0)
    assert table(steps) == pytest.approx(live.ssim(steps), abs=1e-6)


def test_the_app_runs_as_a_program():
    _, found = app.run()
    assert found["best"].price == pytest.approx(8)
    assert found["refused"] == ""
    assert found["game"].unwrapped.market.K == 2


def test_rounds_are_told_as_delivered_and_against_rational_vmus():
    cut = record(asked=[120.0, 80.0], delivered=[90.0, 60.0], utility=4000.0, regret=28.161)
    text = charts.table_of_rounds([record(number=1), cut._replace(number=2)])
    cells = [re.findall("<td>(.*?)</td>", row) for row in text.split("<tr>")[2:]]
    assert cells == [
        ["2", "9.00", "90 60 of 200", "4,000.00", "28.16", "98.0 %"],
        ["1", "9.00", "86 86", "1,379.31", "28.74", "98.0 %"],
    ]


def test_a_market_without_trade_is_drawn():
    shown = aigc_market.Market(satisfaction=10, min_steps=0)
    best = aigc_market.solve(shown)
    assert best.steps.sum() == 0
    *_, curve, _, _ = drawn(charts.utility(shown, best))
    assert {row["utility"] for row in curve} == {0}
    assert drawn(charts.demand(shown, best))


# -- several providers -----------------------------------------------------------------------------


def solved(name, **changes):
    """The market of an example, its Nash equilibrium and its cartel."""
    shown = market(name, **changes)
    return shown, competition.nash(shown), competition.cartel(shown)


def best_replies(*solved):
    """Of asp_0 to the others at Nash, and in the cartel."""
    return [row for layer in drawn(charts.payoff(*solved)) for row in layer if "at most" in row]


@pytest.mark.parametrize("name", SEVERAL)
def test_every_example_of_several_is_a_market_whose_charts_tell_its_solution(name):
    market, nash, cartel = solved(name)
    asked = charts.on_the_way(market, nash, cartel, 0.5)
    chart = charts.reactions(market, nash, cartel, asked)
    points, found = marks(chart), "Nash" if nash.converged else "smallest gap"
    for label, prices in ((found, nash.prices), ("cartel", cartel.prices), ("asked", asked)):
        assert (points[label]["x"], points[label]["y"]) == pytest.approx(tuple(prices[:2]))
    # Each curve is the best reply, and they cross where the equilibrium is.
    for seat, (own, other) in enumerate(("xy", "yx")):
        rows = [row for row in drawn(chart)[0] if row["curve"] == f"best reply of asp_{seat}"]
        profile = nash.prices.copy()
        profile[1 - seat] = rows[40][other]
        best = competition.best_deviation(market, seat, profile)
        assert rows[40][own] == pytest.approx(float(best.price), rel=1e-3)
        if nash.converged:
            prices, replies = ([row[of] for row in rows] for of in (other, own))
            at = np.interp(nash.prices[1 - seat], prices, replies)
            assert at == pytest.approx(nash.prices[seat], rel=1e-2)
    to_nash, to_cartel = best_replies(market, nash, cartel)
    assert to_nash["utility"] >= nash.asp_utility[0] * (1 - 1e-6)
    assert to_cartel["at most"] >= cartel.asp_utility[0] * (1 - 1e-9)


def test_reaction_curves_are_broken_where_a_best_reply_jumps():
    market, nash, cartel = solved("two equal providers")
    curves, *_ = drawn(charts.reactions(market, nash, cartel, cartel.prices))
    assert {row["piece"] for row in curves} == {0}
    market, nash, cartel = solved("no equilibrium: best replies go round")
    assert not nash.converged
    chart = charts.reactions(market, nash, cartel, cartel.prices, close=True)
    assert "cartel" not in marks(chart)
    curves, ring, *_ = drawn(chart)
    assert len({(row["curve"], row["piece"]) for row in curves}) > 2
    # The cycle is a staircase: one price changes at a time, and it closes.
    for before, after in itertools.pairwise(ring):
        assert (before["x"] == after["x"]) != (before["y"] == after["y"])
    assert (ring[0]["x"], ring[0]["y"]) == (ring[-1]["x"], ring[-1]["y"])
    assert "Edgeworth cycle" in charts.verdict(nash)
    assert charts.cards_of_several(nash, cartel)[0][1] == "none found"


def test_prices_between_nash_and_the_cartel():
    shown = solved("two equal providers")
    for share in (0, 1):
        text = charts.table_of_providers(*shown, charts.on_the_way(*shown, share))
        cells = [re.findall("<td>(.*?)</td>", row) for row in text.split("<tr>")[2:]]
        assert [row[0] for row in cells] == ["asp_0", "asp_1", "mean"]
        assert [float(row[3]) for row in cells] == pytest.approx([share] * 3, abs=1e-3)
        assert (float(cells[0][4].split()[0].replace(",", "")) > 100) == (share == 1)
    held = charts.on_the_way(*solved("two equal providers", max_price=8.5), 1.5)
    assert held == pytest.approx([8.5, 8.5])


def test_the_market_of_the_reference_table():
    shown, nash, cartel = solved("two sellers of a unit (Calvano et al.)")
    assert nash.prices == pytest.approx([1.472927] * 2, abs=1e-6)
    assert charts.cards_of_several(nash, cartel)[0][:2] == ("Nash prices", "1.473")
    _, best = best_replies(shown, nash, cartel)
    assert best["price"] == pytest.approx(1.6617, abs=1e-4)
    assert best["utility"] == pytest.approx(0.41169, abs=1e-4)


def test_a_vmu_is_near_a_provider_of_its_own():
    shown = market("each VMU near a provider of its own", near=70)
    assert shown.access_cost.tolist() == [[0, 70], [70, 0]]


# -- in a browser ----------------------------------------------------------------------------------


def serve():
    """A server as users start it."""
    return process("explore --no-browser --port 0", stderr=None)


@pytest.fixture(scope="module")
def url():
    """Of a server for all tests."""
    with serve() as server:
        try:
            yield server.stdout.readline().split()[4]
        finally:
            server.terminate()


SIZES = """charts => charts.map(chart => {
    const {width, height} = chart.getBoundingClientRect();
    return [width, height];
})"""


class Page:
    """The explorer, as a user sees it."""

    def __init__(self, browser, url, **options):
        self.errors, self.hosts = [], set()
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE * 1000)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname))
        self.page.goto(url)
        self.shows("price p*", "8.000")

    def shows(self, card, value):
        """Wait until a card shows a value."""
        self.page.locator("marimo-stat", has_text=card).get_by_text(value, exact=True).wait_for()

    def choose(self, example):
        """Choose the market to begin with."""
        self.page.locator("select").first.select_option(label=example)

    def press(self, label, key, times=1):
        """Press a key on a slider."""
        slider = self.page.locator("marimo-slider", has_text=label).get_by_role("slider")
        slider.focus()
        for _ in range(times):
            slider.press(key)

    def rests(self, looks):
        """Wait until a look holds for half a second: what is drawn anew is gone for a moment."""
        held, deadline = 0, time.monotonic() + PATIENCE
        while held < 5:
            assert time.monotonic() < deadline, "what is shown does not come to rest"
            held = held + 1 if looks() else 0
            self.page.wait_for_timeout(100)

    def charts(self):
        """Widths and heights of the charts drawn, read at one moment."""
        return self.page.locator("marimo-mime-renderer canvas").evaluate_all(SIZES)

    def close(self):
        """Nothing went wrong, and it works offline (None: data URLs)."""
        self.context.close()
        assert self.errors == []
        assert self.hosts <= {"127.0.0.1", None}


@pytest.fixture
def page(browser, url):
    page = Page(browser, url, viewport={"width": 1280, "height": 1000})
    yield page
    page.close()


@pytest.mark.browser
def test_sliders_move_the_equilibrium(page):
    page.press("c of asp_0", "PageUp")
    page.shows("price p*", "8.500")
    page.shows("U_p*", "1,214.08")
    page.press("δ of VMU 1", "PageDown", times=2)  # to 100
    expected = aigc_market.solve(aigc_market.Market(cost=2, satisfaction=[200, 100]))
    page.shows("price p*", f"{expected.price:.3f}")
    page.shows("U_p*", f"{expected.asp_utility:,.2f}")
    page.press("S_max", "Home")
    page.page.get_by_text("max_steps must be finite numbers above 0").wait_for()
    page.press("S_max", "End")
    page.shows("price p*", f"{expected.price:.3f}")
    page.choose("a VMU that is priced out")
    page.shows("price p*", "15.500")
    page.shows("Theorem 2", "3.833")
    page.shows("Theorem 2", "not the best here")


@pytest.mark.browser
def test_the_measured_curve_can_be_chosen(page):
    page.page.locator("select").nth(1).select_option(label=markets.MEASURED)
    page.shows("Theorem 2", "needs a quadratic SSIM")
    assert page.page.get_by_text("β").count() == 0


@pytest.mark.browser
def test_a_few_rounds_are_played(page):
    post = page.page.get_by_role("button", name="post the price")
    post.click()  # the first price earns something
    page.page.get_by_text("1 round: you earned 1,056.03").wait_for()
    page.press("your price p", "PageUp", times=9)  # 4.5 + 90 · .05 = 9
    post.click()
    page.page.get_by_text("2 rounds: you earned 2,435.34").wait_for()
    rows = page.page.locator("table.rounds tr")
    page.rests(
        lambda: (
            [row.split() for row in rows.all_inner_texts()[1:]]
            == [
                ["2", "9.00", "86", "86", "1,379.31", "28.74", "98.0", "%"],
                ["1", "4.50", "151", "151", "1,056.03", "352.01", "75.0", "%"],
            ]
        )
    )
    page.page.get_by_role("button", name="new game").click()
    page.page.get_by_text("2 rounds:").wait_for(state="detached")


def open_several(page):
    """Turn to two equal providers."""
    page.choose("two equal providers")
    page.shows("Nash prices", "1.595")


@pytest.mark.browser
def test_there_may_be_several_providers(page):
    open_several(page)
    page.shows("cartel prices", "8")
    page.rests(lambda: len(page.charts()) == 2)
    page.press("c of asp_1", "PageUp")  # to 2
    expected = competition.nash(aigc_market.Competition(cost=[1, 2])).prices
    page.shows("Nash prices", ", ".join(f"{price:.4g}" for price in expected))
    page.press("M, providers", "ArrowRight")
    page.page.get_by_text("c of asp_2").wait_for()
    page.press("from Nash (0) to the cartel (1)", "End")
    rows = page.page.locator("table.rounds tr")
    page.page.locator("table.rounds").get_by_text("asp_2").wait_for()
    page.rests(lambda: rows.count() == 5)
    page.choose("two sellers of a unit (Calvano et al.)")
    page.shows("Nash prices", "1.473")
    page.page.get_by_text("v₀, what that is worth").wait_for()


@pytest.mark.browser
def test_another_provider_and_vmu_enter_the_market_of_one(page):
    assert page.page.get_by_text("δ of VMU 2").count() == 0
    page.press("K, VMUs", "ArrowRight")
    page.page.get_by_text("δ of VMU 2").wait_for()
    page.shows("U_p*", "2,112.07")  # half as much again
    page.press("M, providers", "ArrowRight")
    market = aigc_market.Competition(M=2, K=3)
    page.shows("Nash prices", f"{competition.nash(market).prices[0]:.4g}")
    page.page.get_by_text("c of asp_1").wait_for()
    page.press("M, providers", "ArrowLeft")
    page.shows("U_p*", "2,112.07")
    page.page.get_by_text("c of asp_1").wait_for(state="detached")


@pytest.mark.browser
def test_a_market_without_a_nash_point_shows_its_cycle(page):
    open_several(page)
    page.choose("no equilibrium: best replies go round")
    page.shows("Nash prices", "none found")
    page.page.get_by_text("an Edgeworth cycle").wait_for()
    page.press("τ, to reach another provider", "Home")
    page.page.get_by_text("certified").first.wait_for()
    page.press("p_max", "Home")
    page.press("c of asp_0", "End")
    page.page.get_by_text("max_price must be at least cost").wait_for()


ABOVE = """(handle, said) => {
    const {bottom, height} = said.getBoundingClientRect();
    return height > 0 && bottom < handle.getBoundingClientRect().top;
}"""


@pytest.mark.browser
def test_curves_are_drawn_and_words_are_explained_above_their_first_use(page):
    said = page.page.locator(".said")
    handle = page.page.locator("marimo-slider", has_text="M, providers").get_by_role("slider")

    def look():
        for words in ("(VMUs, the followers)", "δ is what"):
            said.get_by_text(words).wait_for()
        page.rests(lambda: handle.evaluate(ABOVE, said.element_handle()))

    page.rests(lambda: [w > 500 and h > 250 for w, h in page.charts()[:2]] == [True, True])
    look()
    open_several(page)
    look()


PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_all_fits_the_width(browser, url, scheme):
    page = Page(browser, url, color_scheme=scheme, **PHONE)

    def fits():
        charts = [width for width, _ in page.charts()]
        page_width = page.page.evaluate("document.documentElement.scrollWidth")
        return len(charts) > 1 and min(charts) > 200 and max([page_width, *charts]) <= 390

    page.rests(fits)
    open_several(page)
    page.rests(fits)
    dark = page.page.evaluate("document.body.classList.contains('dark')")
    assert dark == (scheme == "dark")
    page.close()


BESIDE = """handle => {
    handle.scrollIntoView({block: "end"});
    const chart = document.querySelector(".shown").getBoundingClientRect();
    const slider = handle.getBoundingClientRect();
    return 0 <= chart.top && chart.height > 300 && chart.bottom <= slider.top
        && slider.bottom <= window.innerHeight + 1;
}"""


@pytest.mark.browser
def test_on_a_phone_the_chart_stays_in_sight_beside_its_sliders(browser, url):
    page = Page(browser, url, **PHONE)

    def look(*labels):
        page.page.locator(".shown canvas").wait_for()
        for label in labels:
            slider = page.page.locator("marimo-slider", has_text=label).get_by_role("slider")
            page.rests(lambda slider=slider: slider.evaluate(BESIDE))

    look("c of asp_0", "β")
    open_several(page)
    look("c of asp_0", "p_max")
    page.close()


@pytest.mark.browser
def test_ctrl_c_ends_it_while_a_browser_looks_on(browser):
    with serve() as server:
        try:
            page = Page(browser, server.stdout.readline().split()[4])
            server.send_signal(signal.SIGINT)
            assert server.wait(timeout=PATIENCE) == 130
        finally:
            server.kill()
    page.context.close()
