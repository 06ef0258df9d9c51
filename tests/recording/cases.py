"""The cases that are recorded: views × scenarios × options."""

from __future__ import annotations

from typing import Any

from aigc_market import PAPER_SSIM, Drift, Scenario, Uniform
from aigc_market.scenarios import SCENARIOS
from aigc_market.ssim import QuadraticSSIM, SaturatingSSIM, TabulatedSSIM

_TABLE = TabulatedSSIM([0, 1, 20, 60, 120, 250], [0.0, 0.4, 3.0, 7.0, 7.9, 8.05])
_OWN = QuadraticSSIM(PAPER_SSIM.alpha, [0.06, 0.09], 0.5)
_UNITS = {"normalize": True, "scale_rewards": True}

ONE: dict[str, dict[str, Any]] = {
    "paper": {},
    "units": {"satisfaction": [120.0, 260.0], **_UNITS},
    "discrete": {"continuous_actions": False, "history": 2},
    "utility": {"K": 3, "satisfaction": [100.0, 200.0, 300.0], "history": 1},
    "floor": {"min_steps": 10, "max_steps": 150, "cost": 2.0},
    "rationed": {"capacity": 150.0, "satisfaction": [120.0, 260.0]},
    "rationed-units": {"capacity": 150.0, **_UNITS},
    "table": {"ssim": _TABLE, "capacity": 120.0},
    "own": {"ssim": _OWN, "satisfaction": Uniform(100, 300)},
    "many": {"K": 30, "satisfaction": Uniform(100, 300)},
    "hidden": {"scenario": "hidden"},
    "hidden-units": {"scenario": "hidden", **_UNITS},
    "drift": {"scenario": "drift"},
    "shift": {"scenario": "shift"},
    "crowd": {"scenario": "crowd"},
    "crowd-units": {"scenario": "crowd", **_UNITS},
    "capacity": {"scenario": "capacity", "history": 3},
    "capacity-units": {"scenario": "capacity", **_UNITS},
    "saturating": {"scenario": "saturating"},
    "saturating-units": {"scenario": "saturating", "capacity": 90.0, **_UNITS},
    "capacity-discrete": {"scenario": "capacity", "continuous_actions": False},
}
SEVERAL: dict[str, dict[str, Any]] = {
    "duopoly": {},
    "units": {"satisfaction": [120.0, 260.0], **_UNITS},
    "three": {"M": 3, "K": 2, "cost": [1.0, 1.5, 2.0]},
    "three-units": {"M": 3, "K": 4, "outside": 20.0, "history": 2, **_UNITS},
    "discrete": {"continuous_actions": False},
    "rationed": {"capacity": [40.0, 90.0], "outside": 0.0},
    "rationed-units": {"capacity": [40.0, 90.0], **_UNITS},
    "models": {"ssim": [PAPER_SSIM, QuadraticSSIM(-0.0002, 0.08, 0.0)], "access_cost": 30.0},
    "table": {"ssim": [PAPER_SSIM, _TABLE]},
    "unjudged": {"M": 3, "K": 12, "judged": False},
    "saturating": {"ssim": SaturatingSSIM(3.0975, 41.3), "satisfaction": [100.0, 300.0]},
    "hidden": {"scenario": "hidden"},
    "calvano": {"scenario": "calvano"},
    "road": {"scenario": "road", "max_price": 12.0},
    "road-units": {"scenario": "road", "judged": False, **_UNITS},
}
MENUS: dict[str, dict[str, Any]] = {
    "paper": {},
    "units": {"satisfaction": [120.0, 260.0], **_UNITS},
    "discrete": {"continuous_actions": False, "history": 2, "contracts": 1},
    "table": {"ssim": _TABLE, "contracts": 4, "max_fee": 3000.0, "K": 5},
    "hidden": {"scenario": "hidden"},
    "moving-units": {
        "scenario": Scenario("types", arguments=SCENARIOS["shift"].arguments, moves=[Drift()]),
        **_UNITS,
    },
}
PHYSICAL = {"normalize": False, "scale_rewards": False}


def cases() -> dict[str, dict[str, Any]]:
    """Arguments of `play`, by name."""
    found: dict[str, dict[str, Any]] = {}

    def add(view: str, name: str, arguments: dict[str, Any], **other: Any) -> None:
        found[f"{view} {name}"] = {"view": view, "arguments": arguments, **other}

    for name, arguments in ONE.items():
        utility = {"vmu_reward": "utility"} if name == "utility" else {}
        for view in ("aec", "parallel", "tensors-stackelberg"):
            add(view, name, {**arguments, **utility})
        for view in ("single-Pricing-v0", "vector-Pricing-v0"):
            add(view, name, {**PHYSICAL, **arguments})
    for policy in ("noisy", "quantal", "myopic_discount", "random"):
        for view in ("single-Pricing-v0", "vector-Pricing-v0"):
            add(view, f"followers-{policy}", {"followers": policy, "capacity": 200.0})
    for name, arguments in SEVERAL.items():
        noisy = name in ("calvano", "hidden")
        for view in ("aec-competition", "parallel-competition", "tensors-competition"):
            given = {**arguments}
            if view.startswith("tensors") and noisy:
                given["followers"] = "best_response"
            if view.startswith("tensors") and name == "road":
                given["judged"] = False
            if name == "discrete" and view.startswith("tensors"):
                given["history"] = 2
            add(view, name, given)
        for view in ("single-Rival-v0", "vector-Rival-v0"):
            add(view, name, {**PHYSICAL, **arguments})
    for policy in ("noisy", "random", "best_response"):
        add("aec-competition", f"scripted-{policy}", {"followers": policy, "K": 3})
        add("parallel-competition", f"scripted-{policy}", {"followers": policy, "K": 3})
        add("single-Rival-v0", f"followers-{policy}", {"followers": policy, "seat": 1, "M": 3})
        add("vector-Rival-v0", f"followers-{policy}", {"followers": policy, "seat": 1, "M": 3})
    for policy in ("cartel", "best_reply", "tit_for_tat"):
        add("single-Rival-v0", f"rivals-{policy}", {"rivals": policy})
        add("vector-Rival-v0", f"rivals-{policy}", {"rivals": policy, **PHYSICAL})
    given = {"satisfaction": [150.0, 250.0], "cost": 2.0, "max_steps": 100.0}
    for view in ("aec", "single-Pricing-v0", "vector-Pricing-v0"):
        add(view, "options", {}, options=given)
        add(view, "options-drift", {"scenario": "drift"}, options=given)
    for view in ("aec-competition", "single-Rival-v0", "vector-Rival-v0"):
        add(view, "options", {}, options={**given, "access_cost": 20.0, "temperature": 30.0})
    for view in ("parallel", "tensors-stackelberg"):
        add(view, "options", {}, options={**given, "price": 7.0})
    for name, arguments in MENUS.items():
        for view in ("aec-menus", "parallel-menus", "tensors-menus"):
            add(view, name, arguments)
        for view in ("single-Menu-v0", "vector-Menu-v0"):
            add(view, name, {**PHYSICAL, **arguments})
    for view in ("single-Menu-v0", "vector-Menu-v0"):
        add(view, "followers-quantal", {"followers": "quantal", **PHYSICAL})
    add("parallel-menus", "options", {}, options={"cost": 2.0, "menu": [[50.0, 300.0]] * 3})
    add("aec", "live", {"scenario": "live"}, rounds=3)
    add("single-Pricing-v0", "live", {"scenario": "live"}, rounds=3)
    return found
