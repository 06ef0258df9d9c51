"""Sphinx: `make docs`."""

import inspect
from pathlib import Path

import aigc_market
from aigc_market.envs.single import PricingEnv
from aigc_market.envs.vector import PricingVectorEnv

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
default_role = "code"
exclude_patterns = ["hidden-markets/*", "_build"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = True

# The page of each environment is its docstring, as at Farama's projects.
_PAGES = {
    "aec": (aigc_market.raw_env, "AEC: `aigc_market.env`"),
    "parallel": (aigc_market.parallel_env, "Parallel: `aigc_market.parallel_env`"),
    "pricing": (PricingEnv, "Single agent: `aigc_market/Pricing-v0`"),
    "vector": (PricingVectorEnv, "Vector: `gymnasium.make_vec`"),
}
_folder = Path(__file__).parent / "environments"
_folder.mkdir(exist_ok=True)
for _name, (_env, _title) in _PAGES.items():
    _text = f"# {_title}\n\n{inspect.getdoc(_env)}\n"
    _path = _folder / f"{_name}.md"
    if not _path.exists() or _path.read_text() != _text:
        _path.write_text(_text)
