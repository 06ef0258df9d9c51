"""A leader–follower pricing game of AIGC services, with its exact Stackelberg equilibrium.

An AIGC Service Provider (the leader) prices diffusion steps, and K vehicular users (the followers)
buy them in turn. Importing the package registers the environments with PettingZoo and Gymnasium.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import gymnasium
import pettingzoo

from aigc_market import menus, ssim, stackelberg_v0
from aigc_market.distributions import (
    DemandShare,
    Distribution,
    Drawn,
    DrawnQuadratic,
    DrawnSaturating,
    LogUniform,
    SharedLevel,
    Uniform,
)
from aigc_market.equilibrium import Binding, Equilibrium, Gap, regret, solve
from aigc_market.market import Market
from aigc_market.menus import Menu, solve_menu
from aigc_market.moves import Drift, Move, Road, Shift, Traffic
from aigc_market.rules import best_response
from aigc_market.scenarios import Scenario
from aigc_market.ssim import PAPER_SSIM
from aigc_market.stackelberg_v0 import env, parallel_env, raw_env

if TYPE_CHECKING:
    from aigc_market import competition, competition_v0, menus_v0, replay
    from aigc_market.competition import Competition

__version__ = "0.2.0"

__all__ = [
    "PAPER_SSIM",
    "Binding",
    "Competition",
    "DemandShare",
    "Distribution",
    "Drawn",
    "DrawnQuadratic",
    "DrawnSaturating",
    "Drift",
    "Equilibrium",
    "Gap",
    "LogUniform",
    "Market",
    "Menu",
    "Move",
    "Road",
    "Scenario",
    "SharedLevel",
    "Shift",
    "Traffic",
    "Uniform",
    "best_response",
    "competition",
    "competition_v0",
    "env",
    "menus",
    "menus_v0",
    "parallel_env",
    "raw_env",
    "regret",
    "replay",
    "solve",
    "solve_menu",
    "ssim",
    "stackelberg_v0",
]


def __getattr__(name: str) -> Any:
    # The other games take half as long to import as all else: for those alone who ask for them.
    if name in ("competition", "competition_v0", "menus_v0", "replay"):
        return import_module(f"{__name__}.{name}")
    if name == "Competition":
        return import_module(f"{__name__}.competition").Competition
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if "aigc_market/Pricing-v0" not in gymnasium.registry:  # a reload must not register twice
    # Who takes an environment by its id gives it to a learner, which wants numbers near 1.
    _learners_units = {"normalize": True, "scale_rewards": True}
    for _id, _module, _class in (
        ("Pricing", "single", "PricingEnv"),
        ("Rival", "rival", "RivalEnv"),
        ("Menu", "menu", "MenuEnv"),
    ):
        _vector = {"single": "vector"}.get(_module, f"{_module}_vector")
        _vector_class = _class.replace("Env", "VectorEnv")
        gymnasium.register(
            id=f"aigc_market/{_id}-v0",
            entry_point=f"aigc_market.envs.pages.{_module}:{_class}",
            vector_entry_point=f"aigc_market.envs.pages.{_vector}:{_vector_class}",
            kwargs=_learners_units,
            order_enforce=False,  # it is enforced inside: a wrapper takes a twentieth of a step
        )
    if hasattr(pettingzoo, "register"):  # PettingZoo has a registry from version 1.27 on
        for _game in ("stackelberg", "competition", "menus"):
            _id, _module = f"aigc_market/{_game}-v0", f"aigc_market.{_game}_v0"
            pettingzoo.register("aec", _id, f"{_module}:env")
            pettingzoo.register("parallel", _id, f"{_module}:parallel_env")
