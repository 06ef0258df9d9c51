"""Sphinx: `make docs`."""

import inspect
from pathlib import Path
from pkgutil import resolve_name

import aigc_market

project = "aigc_market"
author = "The aigc_market developers"
copyright = "2026, The aigc_market developers"  # noqa: A001 (Sphinx's name)
release = aigc_market.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx-mathjax-offline",  # formulas show without a network too
]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"aigc_market {release}"
templates_path = ["_templates"]
html_sidebars = {
    "**": [  # furo's own, and the switch between versions
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "versions.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
default_role = "code"
exclude_patterns = ["hidden-markets/*", "_build"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = True

# The page of each environment is its docstring, as at Farama's projects.
PAGES = {
    "environments/aec.md": ("aigc_market:raw_env", "AEC: `aigc_market.env`"),
    "environments/parallel.md": (
        "aigc_market:parallel_env",
        "Parallel: `aigc_market.parallel_env`",
    ),
    "environments/pricing.md": (
        "aigc_market.envs.single:PricingEnv",
        "Single agent: `aigc_market/Pricing-v0`",
    ),
    "environments/vector.md": (
        "aigc_market.envs.vector:PricingVectorEnv",
        "Vector: `gymnasium.make_vec`",
    ),
    "environments/competition-aec.md": (
        "aigc_market.competition_v0:raw_env",
        "Several providers, AEC: `competition_v0.env`",
    ),
    "environments/competition-parallel.md": (
        "aigc_market.competition_v0:parallel_env",
        "Several providers, parallel: `competition_v0.parallel_env`",
    ),
    "environments/rival.md": (
        "aigc_market.envs.competition.single:RivalEnv",
        "One among several providers: `aigc_market/Rival-v0`",
    ),
    "environments/rival-vector.md": (
        "aigc_market.envs.competition.vector:RivalVectorEnv",
        "Its vector environment",
    ),
    "environments/tensors.md": (
        "aigc_market.torchrl:MarketEnv",
        "Tensors: `aigc_market.torchrl.MarketEnv`",
    ),
}


def setup(app):
    """Write these pages, before Sphinx looks for pages."""
    for name, (env, title) in PAGES.items():
        text = f"# {title}\n\n{inspect.getdoc(resolve_name(env))}\n"
        path = Path(__file__).parent / name
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
