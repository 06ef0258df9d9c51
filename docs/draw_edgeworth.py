"""Draws docs/images/edgeworth.png: best replies that do not cross, and their cycle."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from aigc_market import competition, palette

market = competition.Competition(
    M=2,
    K=3,
    cost=[1.0, 1.2],
    satisfaction=[60.0, 60.0, 400.0],
    access_cost=[[0.0, 0.0, 200.0], [0.0, 0.0, 0.0]],
    temperature=3.0,
)
found = competition.nash(market)
assert not found.converged
cycle = found.cycle

other = np.linspace(1.0, 4.0, 1200)
pairs = np.stack([other, other], axis=-1)
replies = [competition.best_deviation(market, seat, pairs).price for seat in (0, 1)]
for reply in replies:  # jumps are not drawn as lines
    reply[1:][np.abs(np.diff(reply)) > 0.1] = np.nan

figure = Figure(figsize=(8.4, 3.8), layout="constrained")
curves, rounds = figure.subplots(1, 2)
colours = palette.PROVIDERS
names = "provider 0", "provider 1"
curves.plot(replies[0], other, color=colours[0], linewidth=2, label=f"best reply of {names[0]}")
curves.plot(other, replies[1], color=colours[1], linewidth=2, label=f"best reply of {names[1]}")
path = []
for before, after in zip(cycle, np.roll(cycle, -1, axis=0), strict=True):
    path += [before, [after[0], before[1]]]  # provider 0 replies, then provider 1
path = np.array([*path, cycle[0]])
curves.plot(*path.T, color=palette.MUTED, linewidth=1, zorder=0, label="replies in turn")
curves.set(xlabel="price of provider 0", ylabel="price of provider 1", xlim=(1, 3.5), ylim=(1, 3.5))
curves.legend(frameon=False, fontsize=8, loc="lower right")

many = np.concatenate([cycle] * 4)
for m in range(2):
    rounds.step(np.arange(len(many)), many[:, m], where="post", color=colours[m], linewidth=2)
    rounds.annotate(
        names[m],
        (len(many) - 1, many[-1, m]),
        xytext=(6, 0),
        textcoords="offset points",
        color=colours[m],
        va="center",
        fontsize=9,
    )
rounds.set(xlabel="round of best replies", ylabel="price", xlim=(0, len(many) + 5), ylim=(1, 3.5))
for axes in (curves, rounds):
    axes.spines[["top", "right"]].set_visible(False)
figure.savefig(Path(__file__).parent / "images" / "edgeworth.png", dpi=150)
