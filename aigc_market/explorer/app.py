# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""The explorer as a marimo app: `aigc-market explore`, or `marimo edit` of this file."""

import marimo

app = marimo.App(width="full", app_title="aigc_market explorer")


with app.setup:
    from typing import Any

    import gymnasium
    import marimo as mo
    import numpy as np

    import aigc_market
    from aigc_market import competition
    from aigc_market.curves import breakpoints
    from aigc_market.explorer import charts, markets
    from aigc_market.followers import SCRIPTED
    from aigc_market.rendering.text import summary


@app.function
def slider(ends, value, label):
    """From ends[0] to ends[1] in steps of ends[2]."""
    low, high, step = ends
    return mo.ui.slider(low, high, step, value, label=label, show_value=True, full_width=True)


@app.cell
def _():
    example = mo.ui.dropdown(
        list(markets.EXAMPLES), value="the paper's market", label="begin with", full_width=True
    )
    way = slider((-0.5, 1.5, 0.05), 0.5, "from Nash (0) to the cartel (1)")
    followers = mo.ui.dropdown(list(SCRIPTED), value="best_response", label="the VMUs are")
    again = mo.ui.button(label="new game", value=0, on_click=lambda count: count + 1)
    return again, example, followers, way


@app.cell
def _(example):
    start = markets.example(example.value)
    model = mo.ui.dropdown(list(markets.RANGES), value=start["ssim"], label="SSIM", full_width=True)
    return model, start


@app.cell
def _(model, start):
    _ranges, _values = markets.RANGES[model.value], markets.moved(start, model.value)

    def _of(name, label, value=None):
        """A slider that begins where the example is, or at `value` where that has none."""
        return slider(_ranges[name], value if _values[name] is None else _values[name], label)

    def _each(name, labels):
        pairs = zip(_values[name], labels, strict=True)
        return mo.ui.array([slider(_ranges[name], value, label) for value, label in pairs])

    def _switch(name, label):
        return mo.ui.switch(value=_values[name] is not None, label=label)

    _costs = [f"c of asp_{m}" for m in range(markets.MOST_PROVIDERS)]
    _costs[0] += ", what a step costs it"
    _deltas = [f"δ of VMU {k}" for k in range(markets.MOST_VMUS)]
    _deltas[0] += ", what quality is worth to it"
    controls = mo.ui.dictionary(
        {
            "M": slider((1, markets.MOST_PROVIDERS, 1), _values["M"], "M, providers"),
            "K": slider((1, markets.MOST_VMUS, 1), _values["K"], "K, VMUs"),
            "temperature": _of("temperature", "μ, care to spread"),
            "near": _of("near", "τ, to reach another provider than one's own"),
            "cost": _each("cost", _costs),
            "satisfaction": _each("satisfaction", _deltas),
            "max_price": _of("max_price", "p_max, the highest price"),
            "min_steps": _of("min_steps", "S_min, what a VMU must buy"),
            "max_steps": _of("max_steps", "S_max, what it may buy"),
            "limited": _switch("capacity", "a capacity R of each provider"),
            "capacity": _of("capacity", "R, steps a round", min(400, _ranges["capacity"][1])),
            "declines": _switch("outside", "VMUs may buy nothing"),
            "outside": _of("outside", "v₀, what that is worth", 0),
            "alpha": _of("alpha", "|α| · 10⁴, how fast quality saturates"),
            "beta": _of("beta", "β, what the first step adds to quality"),
            "close": mo.ui.switch(value=_values["close"], label="look closely at Nash"),
        }
    )
    return (controls,)


@app.cell
def _(controls, model):
    values = dict(controls.value)
    for _name, _switch in (("capacity", "limited"), ("outside", "declines")):
        values[_name] = values[_name] if values[_switch] else None
    arguments = markets.arguments(model.value, values)
    several = "M" in arguments
    market = best = nash = cartel = None
    refused = ""
    try:
        if several:
            market = aigc_market.Competition(**arguments)
            nash, cartel = competition.nash(market), competition.cartel(market)
        else:
            market = aigc_market.Market(**arguments)
            best = aigc_market.solve(market)
    except ValueError as error:
        refused = str(error)
    return arguments, best, cartel, market, nash, refused, several, values


@app.cell
def _(best, cartel, controls, market, nash, refused, several, way):
    _stats, _said, below = [], [], ""
    if refused:
        shown = mo.callout(mo.md(f"There is no such market: {refused}."), kind="warn")
    elif several:
        _asked = charts.on_the_way(market, nash, cartel, way.value)
        _stats = charts.cards_of_several(nash, cartel)
        _said = [mo.md(charts.verdict(nash)), controls["close"]]
        _best_replies = charts.reactions(market, nash, cartel, _asked, controls["close"].value)
        shown = mo.as_html(_best_replies)
        _table = mo.Html(charts.table_of_providers(market, nash, cartel, _asked))
        below = mo.vstack([charts.payoff(market, nash, cartel), way, _table])
    else:
        _stats = charts.cards_of_one(market, best)
        shown = mo.as_html(charts.utility(market, best))
        _words = (
            f"{len(breakpoints(market)) + 1} pieces of $U_p(p)$: dashed lines are the breakpoints, "
            "at which a VMU meets a bound or all of them the capacity; the piece of $p^*$ is "
            "shaded. Point at a curve or a piece for its numbers."
        )
        below = mo.vstack([charts.demand(market, best), mo.md(_words)])
    _row = [mo.stat(v, label=name, caption=said, bordered=True) for name, v, said in _stats]
    cards = mo.vstack([mo.hstack(_row, widths="equal", wrap=True), *_said])
    return below, cards, shown


@app.cell
def _(again, arguments, best, followers, market):
    played, set_played = mo.state([])
    game: Any = None
    price: Any = None
    post: Any = None
    if best is not None:
        game = gymnasium.make(
            "aigc_market/Pricing-v0",
            followers=followers.value,
            max_cycles=1000,
            normalize=False,
            scale_rewards=False,
            **arguments,
        )
        game.reset(seed=again.value)  # a press begins a new game, as another market does

        def _post(_):
            game.step(np.array([price.value], np.float32))
            set_played([*played(), game.unwrapped.round_record()])

        _low, _best, _high = (float(p) for p in (market.cost, best.price, market.max_price))
        _first = float(f"{(_low + _best) / 2:.4g}")  # there steps are sold, and at a profit
        price = slider((_low, _high, 0.05), _first, "your price p")
        post = mo.ui.button(label="post the price", kind="success", on_click=_post)
    return game, played, post, price


@app.cell
def _(again, followers, game, played, post, price):
    _parts = [
        mo.Html('<div class="title" role="heading" aria-level="2">Play the leader</div>'),
        mo.md(
            "You are the provider: post a price and see what the VMUs buy. Regret is what the "
            "price costs against rational VMUs, whatever these ones buy; your share is what is "
            "left of the equilibrium's utility."
        ),
        mo.hstack([followers, again], justify="start", wrap=True),
        price,
        post,
    ]
    if played():
        _parts += [
            mo.md(f"**{summary(played())}**"),
            charts.rounds(played()),
            mo.Html(charts.table_of_rounds(played()[-12:])),
        ]
    play = "" if game is None else mo.vstack(_parts)
    return (play,)


@app.cell
def _(below, cards, controls, example, model, play, several, shown, values):
    _quadratic, _unit = model.value == markets.QUADRATIC, model.value == markets.UNIT
    _controls = [
        *[example, controls["M"], controls["K"]],
        *([controls["temperature"], controls["near"]] if several else []),
        *[controls["cost"][m] for m in range(values["M"])],
        *[controls["satisfaction"][k] for k in range(values["K"])],
        controls["max_price"],
        *([] if _unit else [controls["min_steps"], controls["max_steps"]]),
        *[controls["limited"], *([controls["capacity"]] if values["limited"] else [])],
        *([controls["declines"]] if several else []),
        *([controls["outside"]] if several and values["declines"] else []),
        *[model, *([controls["alpha"], controls["beta"]] if _quadratic else [])],
    ]
    if several:
        _title = "Several leaders, their Nash equilibrium, and their cartel"
        _said = (
            "Providers of generated images (asp_0, asp_1, …, the leaders) sell diffusion steps to "
            "the same vehicular users (VMUs, the followers), each at a price of its own. δ is what "
            "image quality is worth to a VMU. At the Nash equilibrium no provider earns more by "
            "another price; as a cartel they choose prices that earn most for all together."
        )
    else:
        _title = "One leader, its followers, and the equilibrium"
        _said = (
            "A provider of generated images (ASP, the leader) sells diffusion steps at a price p "
            "each. The vehicular users (VMUs, the followers) see the price, and each buys the "
            "steps that are best for itself: more steps make a better image (SSIM), and δ is what "
            "quality is worth to a VMU. p* is the price at which the provider earns most, U_p*. "
            "With M above 1 providers compete."
        )
    mo.Html(
        f"""
        <style>
        .explorer {{ display: grid; gap: 1.5rem 2.5rem; grid-template: "controls cards"
          "controls shown" "controls below" "controls play" 1fr / 19rem minmax(0, 1fr); }}
        .beside {{ display: contents; }}
        .said {{ max-width: 60rem; margin: 0 0 1rem; }}
        .title {{ font-size: 1.6rem; font-weight: 600; margin: 0 3rem 1.25rem 0; }}
        .explorer .title {{ font-size: 1.25rem; margin: 1rem 0 0; }}
        .rounds {{ width: 100%; font-variant-numeric: tabular-nums; font-size: 0.9rem; }}
        .rounds :is(td, th) {{ text-align: right; padding: 0.15rem 0.4rem; }}
        .rounds tr {{ border-bottom: 1px solid var(--slate-5); }}
        @media (max-width: 50rem) {{  /* the chart stays in sight while its sliders are moved */
          .explorer {{ display: flex; flex-direction: column; gap: 1rem; }}
          .beside {{ display: block; }}
        }}
        @media (max-width: 50rem) and (min-height: 40rem) {{
          .shown {{ position: sticky; top: 0; z-index: 2; background: var(--background);
            margin: 0 -0.5rem; padding: 0 0.5rem; }}
        }}
        </style>
        <div class="title" role="heading" aria-level="1">{_title}</div>
        <p class="said">{_said}</p>
        <div class="explorer">
          <div style="grid-area: cards">{cards}</div>
          <div class="beside">
            <div class="shown" style="grid-area: shown">{shown}</div>
            <div style="grid-area: controls">{mo.vstack(_controls, gap=0.75)}</div>
          </div>
          <div style="grid-area: below">{below}</div>
          <div style="grid-area: play">{play}</div>
        </div>
        """
    )
    return


if __name__ == "__main__":
    app.run()
