"""One palette: its colours can be read, and nobody else has colours of his own."""

import re
from pathlib import Path

import pytest

from aigc_market import palette
from baselines.arena.registry import REGISTRY
from baselines.figures import OWN, STYLES

ROOT = Path(__file__).parents[1]
COLOUR = re.compile(
    r"""['"](\#[0-9a-fA-F]{3,8}|C\d|tab:\w+|black|white|gr[ae]y|red|green|blue|orange)['"]"""
)


def luminance(colour):
    """As the Web Content Accessibility Guidelines define it."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("role", ["LEADER", "EQUILIBRIUM", "INK", "MUTED"])
@pytest.mark.parametrize("ground", ["WHITE", "PAPER", "GROUND"])
def test_text_can_be_read(role, ground):
    dark, light = (luminance(getattr(palette, name)) for name in (role, ground))
    assert (light + 0.05) / (dark + 0.05) >= 4


def test_no_two_followers_look_alike():
    assert len(set(palette.FOLLOWERS)) == len(palette.FOLLOWERS)


def test_nobody_else_has_colours():
    found = []
    for folder in ("aigc_market", "baselines", "docs", "examples"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.name != "palette.py" and COLOUR.search(path.read_text("utf-8")):
                found.append(str(path.relative_to(ROOT)))
    assert found == []


# Methods of the baselines


def test_every_method_has_a_look_of_its_own():
    of_one_provider = {n for n, e in REGISTRY.items() if e.factory is not None or e.trainer}
    assert of_one_provider <= set(STYLES)
    looks = [tuple(style.values()) for style in (*STYLES.values(), OWN)]
    assert len(set(looks)) == len(looks)


def test_what_is_compared_most_is_told_apart_by_colour():
    """By the lines that a page has beside each other, without their dashes."""
    compared = ("ppo", "tppo", "diffusion_td3", "sac", "filter", "bayes", "cils", "constant")
    colours = [STYLES[method]["color"] for method in compared]
    assert len(set(colours)) == len(colours)
