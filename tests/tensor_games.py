"""Games on tensors: the cases that are tried, and how what they tell is compared."""

import numpy as np
import torch

from aigc_market import Scenario
from aigc_market.distributions import DemandShare, DrawnQuadratic, LogUniform, Uniform
from aigc_market.moves import Drift, Road, Shift, Traffic
from aigc_market.ssim import TabulatedSSIM

SCENARIOS = [
    *(("stackelberg", name) for name in ["paper", "hidden", "drift", "shift", "crowd", "capacity"]),
    *(("competition", name) for name in ["duopoly", "calvano", "road", "hidden"]),
    *(("menus", name) for name in ["paper", "hidden"]),
]
"""All that can be played on tensors."""

LAWS = {
    "satisfaction": LogUniform(80, 400),
    "ssim": DrawnQuadratic(alpha=LogUniform(1.2e-4, 4e-4), beta=Uniform(0.05, 0.12)),
}
SCARCE = {**LAWS, "capacity": DemandShare(Uniform(0.4, 1.0))}
TABLE = TabulatedSSIM([0, 20, 60, 120, 160, 250], [0, 0.9, 2.5, 3.1, 4.6, 14.9])

# Nash and cartel are solved by NumPy, which a step does only where the market moves.
UNJUDGED = {"judged": False}
CASES = [
    *(
        (game, {"scenario": scenario, **(UNJUDGED if scenario == "road" else {})})
        for game, scenario in SCENARIOS
    ),
    ("stackelberg", {"scenario": Scenario("all", "noisy", SCARCE, (Drift(), Shift(), Traffic()))}),
    ("stackelberg", {"scenario": "crowd", "normalize": True, "scale_rewards": True}),
    ("stackelberg", {"continuous_actions": False, "capacity": 90.0, "vmu_reward": "utility"}),
    ("stackelberg", {"ssim": TABLE}),
    (
        "competition",
        {"scenario": Scenario("all", arguments=LAWS, moves=(Road(), Shift()))} | UNJUDGED,
    ),
    ("competition", {"outside": 2.0, "capacity": 90.0, "normalize": True, "scale_rewards": True}),
    ("competition", {"continuous_actions": False, "M": 3}),
    ("competition", {"ssim": TABLE, "followers": "best_response"}),
    ("menus", {"scenario": Scenario("all", "quantal", LAWS, (Drift(), Shift())), "contracts": 1}),
    ("menus", {"normalize": True, "scale_rewards": True, "K": 5}),
    ("menus", {"continuous_actions": False, "max_fee": 3e3}),
    ("menus", {"ssim": TABLE, "followers": "best_response"}),
]
NAMES = [
    " ".join([game, *(getattr(v, "name", str(v)) for v in arguments.values())])
    for game, arguments in CASES
]


def agree(actual, expected, rtol, atol, where=""):
    """Check that all that is expected is there, and the same."""
    for name, value in expected.items():
        place = f"{where} {name}"
        if isinstance(value, dict):
            agree(actual[name], value, rtol, atol, place)
        else:
            assert np.shape(actual[name]) == np.shape(value), place
            np.testing.assert_allclose(actual[name], value, rtol, atol, err_msg=place)


def same(told, expected):
    """Check that what is told is the same to the last digit."""
    told, expected = told.to_dict(), expected.to_dict()
    torch.testing.assert_close(told, expected, rtol=0, atol=0, equal_nan=True)


def random_actions(env, seed=0):
    """Actions of all agents for one step of games on tensors, of a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return env.action_spec.rand()
