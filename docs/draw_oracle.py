"""Draws docs/images/theorem2.png: utility against the price, and where the formula goes wrong."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import aigc_market
from aigc_market import palette

market = aigc_market.Market(satisfaction=[50, 400], min_steps=0)
eq = aigc_market.solve(market)
ssim, delta = market.ssim, market.satisfaction
formula = market.cost / 2 + ssim.beta * market.K / (2 * np.sum(1 / delta))  # Eq. 14
prices = np.linspace(market.cost, market.max_price, 2000)
utility = aigc_market.rules.leader_utility(market, prices)

figure = Figure(figsize=(7, 3.6), layout="constrained")
axes = figure.subplots()
for k in range(market.K):
    leaves = ssim.beta * delta[k]  # above this price the follower buys nothing
    if leaves < market.max_price:
        axes.axvline(leaves, color=palette.CAPACITY, linestyle=":", linewidth=1.5)
        axes.annotate(
            f"follower with δ = {delta[k]:g}\nbuys nothing above {leaves:.2f}",
            (leaves, 120),
            xytext=(6, 0),
            textcoords="offset points",
            fontsize=9,
        )
axes.plot(prices, utility, color=palette.LEADER, linewidth=2)
for price, label, colour, marker, offset in (
    (formula, "Theorem 2", palette.THEOREM, "s", (14, -12)),
    (float(eq.price), "equilibrium", palette.EQUILIBRIUM, "o", (0, 10)),
):
    earned = float(aigc_market.rules.leader_utility(market, price))
    axes.plot(price, earned, marker, color=colour, markersize=7)
    axes.annotate(
        f"{label}: p = {price:.2f}, U = {earned:.0f}",
        (price, earned),
        xytext=offset,
        textcoords="offset points",
        ha="center" if marker == "o" else "left",
        va="bottom" if marker == "o" else "center",
    )
axes.set(xlabel="price p", ylabel="leader's utility $U_p$", xlim=(1, 20), ylim=(0, 1750))
axes.spines[["top", "right"]].set_visible(False)
figure.savefig(Path(__file__).parent / "images" / "theorem2.png", dpi=150)
