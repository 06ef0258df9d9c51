"""Flags of a market, of one provider or of several, and the environment that they describe."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict

import numpy as np
from tyro.conf import arg

from aigc_market import _checks, scenarios
from aigc_market.envs.pages.menu import MenuEnv
from aigc_market.envs.pages.rival import RivalEnv
from aigc_market.envs.pages.single import PricingEnv
from aigc_market.market import Competition, Market
from aigc_market.scenarios import COMPETITION_SCENARIOS, MENU_SCENARIOS, SCENARIOS, Scenario
from aigc_market.ssim import PAPER_SSIM, QuadraticSSIM, TabulatedSSIM
from aigc_market.ssim.tabulated import ssim_column


class _Game(NamedTuple):
    """One that is played or solved."""

    env: Any
    """The class of its environments of one leader."""
    presets: Mapping[str, Scenario]
    misplaced: Set[str]
    """Flags that mean nothing in it."""
    where: str
    """How that is told."""


_OF_SEVERAL = {*Competition.PARAMETERS, "prices", "rivals", "policy"} - {*Market.PARAMETERS}
_ONE = _Game(PricingEnv, SCENARIOS, _OF_SEVERAL, "where there is one provider (--M 1, or unset)")
_SEVERAL = _Game(
    RivalEnv, COMPETITION_SCENARIOS, {"active"}, "where there are several providers (--M)"
)
_MENUS = _Game(
    MenuEnv,
    MENU_SCENARIOS,
    _OF_SEVERAL | {"M", "active", "capacity", "min_steps"},
    "where contracts are sold (--menus)",
)
_NAMED = (
    f"{', '.join(SCENARIOS)}; of several providers {', '.join(COMPETITION_SCENARIOS)}. A name that "
    "both have is of one provider, unless --M says otherwise. With `solve --menus` "
    f"{', '.join(MENU_SCENARIOS)}. Unset: the first of them."
)


class MarketFlags(TypedDict, total=False):
    """A market. What is told of unset flags is so where no scenario says otherwise."""

    M: int
    """Number of providers (leaders). Unset: as many as --cost, --max-price or --capacity has, or as
    a --scenario of several; else 1."""
    K: int
    """Number of VMUs (followers). Unset: as many as --satisfaction has; else 2."""
    cost: tuple[float, ...]
    """c, what a step costs a provider: one number for all, or M. Unset: 1."""
    max_price: tuple[float, ...]
    """p_max, the highest unit price: one number for all, or M. Unset: 20."""
    satisfaction: tuple[float, ...]
    """δ, what a unit of SSIM is worth to a VMU: one number for all, or K. Unset: 200."""
    min_steps: float
    """S_min, the fewest steps that a VMU may buy. Unset: 0, so that it may decline."""
    max_steps: float
    """S_max, the most. Unset: 250."""
    capacity: tuple[float, ...]
    """R, the steps that a provider can run in a round: one number for all, or M. Unset: any."""
    access_cost: tuple[float, ...]
    """Several providers: τ, what reaching one costs a VMU for a request: one number for all, or
    those of all VMUs for the first provider, then for the second, …. Unset: 0."""
    temperature: float
    """Several providers: μ, how much VMUs care to spread their requests. Unset: 60."""
    outside: float
    """Several providers: v_0, what a request that buys nothing is worth. Unset: there is none."""
    ssim: str
    """SSIM model: `quadratic` (the paper's fit), `repaint` (extra `repaint`; one provider), or a
    CSV file with a column `steps` and one of `ssim` or `mean`. Unset: `quadratic`."""
    at_zero: float
    """SSIM of an image for which nothing was bought, where the CSV file begins above 0 steps."""
    alpha: float
    """α < 0 of a quadratic SSIM. Unset: -0.000174."""
    beta: float
    """β > 0 of a quadratic SSIM. Unset: 0.075."""
    gamma: float
    """γ of a quadratic SSIM. Unset: 4891.89."""
    scenario: Annotated[str, arg(help=_NAMED)]
    seed: int
    """Of every random choice."""


def several(flags: Mapping[str, Any]) -> bool:
    """Whether there are several providers.

    Raises:
        ValueError: an M below 1.
    """
    if "M" in flags:
        return _checks.integer("M", flags["M"], at_least=1) > 1
    for name, parameter in Competition.PARAMETERS.items():
        if parameter.axes == "M" and len(flags.get(name, ())) > 1:
            return True
    return flags.get("scenario") in COMPETITION_SCENARIOS.keys() - SCENARIOS.keys()


def environment(flags: Mapping[str, Any], menus: bool = False, **arguments: Any) -> Any:
    """The environment of one provider, alone or beside others, in physical units.

    Args:
        flags: as given.
        menus: whether it sells by contract, alone.
        arguments: further ones of the environment: `MenuEnv`, or `RivalEnv` where there are
            several, else `PricingEnv`.

    Raises:
        ImportError, OSError, TypeError, ValueError: flags that are no market, or that exclude each
            other.
    """
    game = _MENUS if menus else _SEVERAL if several(flags) else _ONE
    for name, value in flags.items():
        if name in game.misplaced:
            raise ValueError(f"{name} must be left out {game.where}, got {value!r}")
        if value == ():
            raise ValueError(f"{name} must be followed by a value or several, got nothing")
    names = ("M", "K", *Competition.PARAMETERS)
    given: dict[str, Any] = {name: flags[name] for name in names if name in flags}
    for name, (axes, *_) in Competition.PARAMETERS.items():
        if axes and name in given:
            if len(given[name]) == 1:
                given[name] = given[name][0]
            elif axes in ("M", "K"):
                given.setdefault(axes, len(given[name]))
    preset = scenarios.resolve(flags.get("scenario"), game.presets)
    if isinstance(costs := given.get("access_cost"), tuple):
        M = {"M": Competition.M, **preset.arguments, **given}["M"]
        given["access_cost"] = np.reshape(costs, (M, -1)) if len(costs) % M == 0 else costs
    if game is not _SEVERAL:
        given.pop("M", None)
    return game.env(continuous_actions=True, scenario=preset, **given, **_ssim(flags), **arguments)


def _ssim(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword argument `ssim`, if one of its flags was given."""
    model: Any = flags.get("ssim")
    coefficients = {name: flags[name] for name in QuadraticSSIM.limits if name in flags}
    if coefficients and model not in (None, "quadratic"):
        beside = ", ".join(f"--{name}" for name in coefficients)
        raise ValueError(f"ssim must be left out or `quadratic` beside {beside}, got {model!r}")
    if model in (None, "quadratic", "repaint"):
        if (at_zero := flags.get("at_zero")) is not None:
            raise ValueError(f"at_zero must be left out where ssim is no CSV file, got {at_zero!r}")
        if coefficients:
            usual = dict(zip(QuadraticSSIM.limits, PAPER_SSIM.parameters, strict=True))
            model = QuadraticSSIM(**{**usual, **coefficients})
    else:
        try:
            column = ssim_column(model)
            model = TabulatedSSIM.from_csv(model, values=column, at_zero=flags.get("at_zero"))
        except (ValueError, OSError) as error:
            said = str(error).replace("at_zero", "--at-zero")
            raise ValueError(f"ssim must be `quadratic`, `repaint` or a CSV file: {said}") from None
    return {} if model is None else {"ssim": model}


def begin(env: Any, flags: Mapping[str, Any], rounds: int = 0) -> None:
    """Reset an environment, and refuse a seed from which nothing is drawn.

    Args:
        env: of one provider.
        flags: of which one is the seed.
        rounds: how many are played to see whether something is drawn, as followers do.
    """
    seed = flags.get("seed")
    env.reset(seed=seed if seed is None else _checks.integer("seed", seed, at_least=0))
    if seed is None:
        return
    for _ in range(rounds):
        env.step(env.action_space.high)
    if not draws(env, seed):
        raise ValueError(f"seed must be left out where nothing is drawn from it, got {seed}")
    env.reset(seed=seed)


def draws(env: Any, seed: int) -> bool:
    """Whether something was drawn since an environment was reset by this seed."""
    return env.np_random.bit_generator.state != np.random.default_rng(seed).bit_generator.state


def check_folder(name: str, path: Path | None) -> None:
    """Refuse a file, if one is asked for, that has no folder to be written to, or is one."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise ValueError(f"{name} must be a file in a folder that is there, got {str(path)!r}")
