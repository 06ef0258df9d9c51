"""Draws the frames of docs/rendering.md: of a price, of several providers, and of a menu."""

from pathlib import Path

import gymnasium
import numpy as np
from PIL import Image

import aigc_market
from aigc_market.rendering.frames import draw

IMAGES = Path(__file__).parent / "images"


def play(posted, game="Pricing", **arguments):
    """The rounds of a leader that posts these prices or menus."""
    env = gymnasium.make(
        f"aigc_market/{game}-v0", normalize=False, max_cycles=len(posted), **arguments
    )
    env.reset(seed=3)
    rounds = []
    for offer in posted:
        env.step(np.ravel(offer).astype(np.float32))
        aigc_market.replay.collect(env, rounds)
    return rounds


def save(name, rounds):
    """The last frame, in few colours, which a drawing needs no more of."""
    picture = Image.fromarray(draw(rounds)).quantize(255, dither=Image.Dither.NONE)
    picture.save(IMAGES / name, optimize=True)


save(
    "render-10.png",
    play([9, 8, 7, 6, 5], K=10, capacity=1000, satisfaction=np.arange(100, 300, 20)),
)
save(
    "competition-frame.png",
    play(
        3 + 1.5 * np.sin(np.arange(40) / 6),
        "Rival",
        scenario="road",
        M=3,
        K=8,
        rivals=["best_reply", "tit_for_tat"],
    ),
)
market = {"K": 8, "satisfaction": np.arange(120, 280, 20)}
best = aigc_market.solve_menu(aigc_market.Market(**market), contracts=3).menu
save(
    "menu-frame.png",
    play(np.linspace([[60, 300], [120, 600], [240, 1400]], best, 45)[:40], "Menu", **market),
)
