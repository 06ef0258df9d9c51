# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""The explorer as a marimo app: `aigc-market explore`, or `marimo edit` of this file."""

import marimo

app = marimo.App(width="full", app_title="aigc_market explorer")


@app.cell
def _():
    import gymnasium
    import marimo as mo
    import numpy as np

    import aigc_market
    from aigc_market import vmus
    from aigc_market.curves import breakpoints, curves, theorem_2
    from aigc_market.explorer import charts, markets, provider_charts, providers
    from aigc_market.rendering.text import summary

    return (
        aigc_market,
        breakpoints,
        charts,
        curves,
        gymnasium,
        markets,
        mo,
        np,
        provider_charts,
        providers,
        summary,
        theorem_2,
        vmus,
    )


@app.cell
def _(mo):
    ONE, SEVERAL = "One provider", "Several providers"
    page = mo.ui.tabs({ONE: "", SEVERAL: ""})
    return ONE, SEVERAL, page


@app.cell
def _(mo):
    def slider(low, high, step, value, label):
        return mo.ui.slider(
            low, high, step, value, label=label, show_value=True, full_width=True, debounce=False
        )

    def stat(name, value, said):
        return mo.stat(value, label=name, caption=said, bordered=True)

    return slider, stat


@app.cell
def _(markets, mo):
    example = mo.ui.dropdown(
        list(markets.EXAMPLES), value="the paper's market", label="begin with", full_width=True
    )
    return (example,)


@app.cell
def _(example, markets, mo):
    start = markets.example(example.value)
    model = mo.ui.dropdown(
        [markets.QUADRATIC, markets.MEASURED], value=start["ssim"], label="SSIM", full_width=True
    )
    return model, start


@app.cell
def _(markets, mo, model, slider, start):
    _low, _high, _step = markets.satisfaction_range(model.value)
    _delta = markets.satisfaction(start, model.value)
    _labels = [f"δ of VMU {k}" for k in range(markets.MOST_VMUS)]
    _labels[0] += ", what quality is worth to it"
    K = slider(1, markets.MOST_VMUS, 1, start["K"], "K, VMUs")
    delta = mo.ui.array(
        [
            slider(_low, _high, _step, value, label)
            for value, label in zip(_delta, _labels, strict=True)
        ]
    )
    cost = slider(0.5, 10, 0.1, start["cost"], "c, cost of a step")
    max_price = slider(2, 40, 0.5, start["max_price"], "p_max, the highest price")
    min_steps = slider(0, 250, 1, start["min_steps"], "S_min, what a VMU must buy")
    max_steps = slider(0, 250, 1, start["max_steps"], "S_max, what it may buy")
    limited = mo.ui.switch(value=start["capacity"] is not None, label="a capacity R")
    capacity = slider(10, 1500, 5, start["capacity"] or 400, "R, steps a round")
    alpha = slider(0.5, 4, 0.02, 1.74, "|α| · 10⁴, how fast quality saturates")
    beta = slider(0.01, 0.15, 0.001, 0.075, "β, what the first step adds to quality")
    return K, alpha, beta, capacity, cost, delta, limited, max_price, max_steps, min_steps


@app.cell
def _(
    K,
    aigc_market,
    alpha,
    beta,
    min_steps,
    max_steps,
    capacity,
    cost,
    delta,
    limited,
    markets,
    max_price,
    model,
):
    arguments = {
        "K": K.value,
        "cost": cost.value,
        "max_price": max_price.value,
        "satisfaction": delta.value[: K.value],
        "min_steps": min_steps.value,
        "max_steps": max_steps.value,
        "capacity": capacity.value if limited.value else None,
        "ssim": markets.ssim(model.value, -1e-4 * alpha.value, beta.value),
    }
    try:
        market, refused = aigc_market.Market(**arguments), ""
    except ValueError as error:
        market, refused = None, str(error)
    return arguments, market, refused


@app.cell
def _(aigc_market, breakpoints, charts, curves, market, mo, refused, stat, theorem_2):
    if market is None:
        best, shown = None, mo.callout(mo.md(f"There is no such market: {refused}."), kind="warn")
        cards = demands = mo.md("")
    else:
        best = aigc_market.solve(market)
        _theorem, _breaks, _curves = theorem_2(market), breakpoints(market), curves(market)
        _names = {
            "p = c": best.binding.min_price,
            "p = p_max": best.binding.max_price,
            "capacity": best.binding.capacity,
            "S_min": best.binding.min_steps.any(),
            "S_max": best.binding.max_steps.any(),
        }
        _binds = ", ".join(name for name, binds in _names.items() if binds) or "nothing"
        _sales = f"binds: {_binds}" if best.steps.any() else "nobody buys at any price"
        if _theorem is None:
            _said = "needs a quadratic SSIM"
        elif charts.differs(market, best, _theorem):
            _said = "not the best here"
        else:
            _said = "applies" if market.cost <= _theorem <= market.max_price else "out of reach"
        cards = mo.hstack(
            [
                stat("price p*", f"{best.price:.3f}", "the equilibrium"),
                stat("U_p*", f"{best.asp_utility:,.2f}", "ASP utility"),
                stat("steps sold", f"{best.steps.sum():,.1f}", _sales),
                stat("Theorem 2", "-" if _theorem is None else f"{_theorem:.3f}", _said),
            ],
            widths="equal",
            wrap=True,
        )
        shown = mo.as_html(charts.utility(market, best, _curves, _breaks, _theorem))
        demands = mo.vstack(
            [
                charts.demand(market, best, _curves),
                mo.md(
                    f"{len(_breaks) + 1} pieces of $U_p(p)$: dashed lines are the breakpoints, at "
                    "which a VMU meets a bound or all of them the capacity; the piece of $p^*$ is "
                    "shaded. Point at a curve or a piece for its numbers."
                ),
            ]
        )
    return best, cards, demands, shown


@app.cell
def _(mo, vmus):
    followers = mo.ui.dropdown(list(vmus.SCRIPTED), value="best_response", label="the VMUs are")
    again = mo.ui.button(label="new game", value=0, on_click=lambda count: count + 1)
    return again, followers


@app.cell
def _(again, arguments, followers, gymnasium, market, mo):
    played, set_played = mo.state([])
    game = None
    if market is not None:
        game = gymnasium.make(
            "aigc_market/Pricing-v0",
            vmus=followers.value,
            max_cycles=1000,
            normalize=False,
            scale_rewards=False,
            **arguments,
        )
        game.reset(seed=again.value)  # a press begins a new game, as another market does
    return game, played, set_played


@app.cell
def _(best, cost, game, markets, max_price, mo, np, set_played):
    def _post(_):
        game.step(np.array([price.value], np.float32))
        set_played(lambda rounds: [*rounds, game.unwrapped.round_record()])

    price = mo.ui.slider(
        cost.value,
        max(max_price.value, cost.value),
        markets.PRICE_STEP,
        cost.value if best is None else markets.first_price(cost.value, best.price),
        label="your price p",
        show_value=True,
        full_width=True,
    )
    post = mo.ui.button(label="post the price", kind="success", on_click=_post)
    return post, price


@app.cell
def _(again, charts, followers, game, mo, played, post, price, summary):
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
            mo.Html(charts.table(played()[-12:])),
        ]
    play = mo.vstack(_parts if game is not None else [])
    return (play,)


@app.cell
def _(mo, providers):
    rivals_example = mo.ui.dropdown(
        list(providers.EXAMPLES),
        value="two equal providers",
        label="begin with",
        full_width=True,
    )
    return (rivals_example,)


@app.cell
def _(mo, providers, rivals_example, slider):
    _start = providers.example(rivals_example.value)
    _range = providers.ranges(rivals_example.value)

    def _slider(name, label, value):
        return slider(*_range[name], value, label)

    _said = ", what quality is worth to it"
    providers_M = slider(2, providers.MOST_PROVIDERS, 1, _start["M"], "M, providers")
    providers_K = slider(1, providers.MOST_VMUS, 1, _start["K"], "K, VMUs")
    temperature = _slider("temperature", "μ, care to spread", _start["temperature"])
    near = _slider("near", "τ, to reach another provider than one's own", _start["near"])
    costs = mo.ui.array(
        [_slider("cost", f"c of asp_{m}", value) for m, value in enumerate(_start["cost"])]
    )
    deltas = mo.ui.array(
        [
            _slider("satisfaction", f"δ of VMU {k}" + _said * (k == 0), value)
            for k, value in enumerate(_start["satisfaction"])
        ]
    )
    highest = _slider("max_price", "p_max of all", _start["max_price"])
    scarce = mo.ui.switch(value=_start["capacity"] is not None, label="a capacity R of each")
    each_capacity = _slider(
        "capacity", "R, steps a round", _start["capacity"] or _range["capacity"][1]
    )
    close = mo.ui.switch(value=_start["close"], label="look closely at Nash")
    declines = mo.ui.switch(value=_start["outside"] is not None, label="VMUs may buy nothing")
    outside = _slider("outside", "v₀, what that is worth", _start["outside"] or 0)
    return (
        close,
        costs,
        declines,
        deltas,
        each_capacity,
        highest,
        near,
        outside,
        providers_K,
        providers_M,
        scarce,
        temperature,
    )


@app.cell
def _(
    SEVERAL,
    close,
    costs,
    declines,
    deltas,
    each_capacity,
    highest,
    near,
    outside,
    page,
    providers,
    providers_K,
    providers_M,
    rivals_example,
    scarce,
    temperature,
):
    study, providers_refused = None, ""
    if page.value == SEVERAL:  # or it would be solved for nobody
        try:
            study = providers.study(
                providers.market(
                    rivals_example.value,
                    M=providers_M.value,
                    K=providers_K.value,
                    temperature=temperature.value,
                    near=near.value,
                    cost=costs.value,
                    satisfaction=deltas.value,
                    max_price=highest.value,
                    outside=outside.value if declines.value else None,
                    capacity=each_capacity.value if scarce.value else None,
                ),
                close.value,
            )
        except ValueError as _error:
            providers_refused = str(_error)
    return providers_refused, study


@app.cell
def _(slider):
    way = slider(-0.5, 1.5, 0.05, 0.5, "from Nash (0) to the cartel (1)")
    return (way,)


@app.cell
def _(close, mo, provider_charts, providers, providers_refused, stat, study, way):
    if study is None:
        _said = f"There is no such market: {providers_refused}." if providers_refused else ""
        providers_shown = mo.callout(mo.md(_said), kind="warn")
        providers_cards = providers_paid = mo.md("")
    else:
        _asked = providers.on_the_way(study, way.value)
        _cards = [stat(*_card) for _card in provider_charts.cards(study)]
        providers_cards = mo.vstack(
            [
                mo.hstack(_cards, widths="equal", wrap=True),
                mo.md(provider_charts.verdict(study)),
                close,
            ]
        )
        providers_shown = mo.as_html(provider_charts.reactions(study, _asked))
        providers_paid = mo.vstack(
            [
                provider_charts.payoff(study, providers.payoffs(study)),
                way,
                mo.Html(provider_charts.table(study, _asked)),
            ]
        )
    return providers_cards, providers_paid, providers_shown


@app.cell
def _(
    K,
    ONE,
    alpha,
    beta,
    capacity,
    cards,
    cost,
    costs,
    declines,
    delta,
    deltas,
    demands,
    each_capacity,
    example,
    highest,
    limited,
    markets,
    max_price,
    max_steps,
    min_steps,
    mo,
    model,
    near,
    outside,
    page,
    play,
    providers_K,
    providers_M,
    providers_cards,
    providers_paid,
    providers_shown,
    rivals_example,
    scarce,
    shown,
    temperature,
):
    if page.value == ONE:
        _title = "One leader, its followers, and the equilibrium"
        _said = (
            "A provider of generated images (ASP, the leader) sells diffusion steps at a price p "
            "each. The vehicular users (VMUs, the followers) see the price, and each buys the "
            "steps that are best for itself: more steps make a better image (SSIM), and δ is what "
            "quality is worth to a VMU. p* is the price at which the provider earns most, U_p*."
        )
        _controls = [
            *[example, K, *[delta[k] for k in range(K.value)]],
            *[cost, max_price, min_steps, max_steps, limited],
            *([capacity] if limited.value else []),
            model,
            *([alpha, beta] if model.value == markets.QUADRATIC else []),
        ]
        _parts = {"cards": cards, "shown": shown, "demands": demands, "play": play}
    else:
        _title = "Several leaders, their Nash equilibrium, and their cartel"
        _said = (
            "Providers of generated images (asp_0, asp_1, …, the leaders) sell diffusion steps to "
            "the same vehicular users (VMUs, the followers), each at a price of its own. δ is what "
            "image quality is worth to a VMU. At the Nash equilibrium no provider earns more by "
            "another price; as a cartel they choose prices that earn most for all together."
        )
        _controls = [
            *[rivals_example, providers_M, providers_K, temperature, near],
            *[costs[m] for m in range(providers_M.value)],
            *[deltas[k] for k in range(providers_K.value)],
            *[highest, scarce, *([each_capacity] if scarce.value else [])],
            *[declines, *([outside] if declines.value else [])],
        ]
        _parts = {
            "cards": providers_cards,
            "shown": providers_shown,
            "demands": providers_paid,
            "play": "",
        }
    mo.Html(
        f"""
        <style>
        .explorer {{ display: grid; gap: 1.5rem 2.5rem; grid-template: "controls cards"
          "controls shown" "controls demands" "controls play" 1fr / 19rem minmax(0, 1fr); }}
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
        {page}
        <p class="said">{_said}</p>
        <div class="explorer">
          <div style="grid-area: cards">{_parts["cards"]}</div>
          <div class="beside">
            <div class="shown" style="grid-area: shown">{_parts["shown"]}</div>
            <div style="grid-area: controls">{mo.vstack(_controls, gap=0.75)}</div>
          </div>
          <div style="grid-area: demands">{_parts["demands"]}</div>
          <div style="grid-area: play">{_parts["play"]}</div>
        </div>
        """
    )
    return


if __name__ == "__main__":
    app.run()
