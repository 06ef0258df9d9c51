"""Flags of a market, of one provider or of several, and the environment that they describe."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict

import numpy as np
from tyro.conf import arg

from aigc_market import _checks, scenarios
from aigc_market._files import read_table
from aigc_market.competition import Competition
from aigc_market.envs.pages.rival import RivalEnv
from aigc_market.envs.pages.single import PricingEnv
from aigc_market.market import Market
from aigc_market.rendering.numbers import exact
from aigc_market.ssim import PAPER_SSIM, QuadraticSSIM, TabulatedSSIM


class _Game(NamedTuple):
    """What makes a market of one provider, or one of several."""

    environment: type[PricingEnv] | type[RivalEnv]
    market: type[Market] | type[Competition]
    presets: Mapping[str, scenarios.Scenario]
    foreign: tuple[str, ...]
    """Flags that mean nothing here."""
    where: str


_ONE = _Game(
    PricingEnv,
    Market,
    scenarios.SCENARIOS,
    ("access_cost", "temperature", "outside", "prices", "rivals", "policy"),
    "where there is one provider (--M 1, or unset)",
)
_SEVERAL = _Game(
    RivalEnv,
    Competition,
    scenarios.COMPETITION_SCENARIOS,
    ("active",),
    "where there are several providers (--M)",
)
_SCENARIOS = (
    f"{', '.join(_ONE.presets)}; of several providers {', '.join(_SEVERAL.presets)}. A name that "
    "both have is of one provider, unless --M says otherwise. Unset: the first of them."
)
_OF_PROVIDERS = ("cost", "max_price", "capacity")
_PARAMETERS = (
    *("M", "K", *_OF_PROVIDERS, "satisfaction", "min_steps", "max_steps"),
    *("access_cost", "temperature", "outside"),
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
    scenario: Annotated[str, arg(help=_SCENARIOS)]
    seed: int
    """Of every random choice."""


def several(flags: Mapping[str, Any]) -> bool:
    """Whether there are several providers.

    Raises:
        ValueError: an M below 1.
    """
    if "M" in flags:
        return _checks.integer("M", flags["M"], at_least=1) > 1
    if any(len(flags.get(name, ())) > 1 for name in _OF_PROVIDERS):
        return True
    return flags.get("scenario") in _SEVERAL.presets.keys() - _ONE.presets.keys()


def environment(flags: Mapping[str, Any], **arguments: Any) -> Any:
    """The environment of one provider, alone or beside others, in physical units.

    Args:
        flags: as given.
        arguments: further ones of `PricingEnv`, or of `RivalEnv` where there are several.

    Raises:
        ImportError, OSError, TypeError, ValueError: flags that are no market, or that exclude each
            other.
    """
    game = _SEVERAL if several(flags) else _ONE
    for name, value in flags.items():
        if name in game.foreign:
            raise ValueError(f"{name} must be left out {game.where}, got {_typed(value)}")
        if value == ():
            raise ValueError(f"{name} must be followed by a value or several, got nothing")
    given = _sized(flags)
    preset = scenarios.resolve(flags.get("scenario"), game.presets)
    defaults = {field.name: field.default for field in dataclasses.fields(game.market)}
    usual = {**defaults, **preset.arguments, **given}
    for low, high in (("cost", "max_price"), ("min_steps", "max_steps")):
        # A bound that was left out is not to blame.
        if low in given and high not in given and np.any(np.array(given[low]) > usual[high]):
            raise ValueError(
                f"{low} must be at most {high} = {usual[high]:g}, got {_typed(given[low])}"
            )
    if game is _ONE:
        given.pop("M", None)
    elif len(costs := given.get("access_cost", ())) == usual["M"] * usual["K"]:
        given["access_cost"] = np.reshape(costs, (usual["M"], usual["K"]))
    elif len(costs) == 1:
        given["access_cost"] = costs[0]
    given.update(_ssim(flags))
    return game.environment(continuous_actions=True, scenario=preset, **given, **arguments)


def _sized(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that were given; as many numbers as there are say how many."""
    given: dict[str, Any] = {name: flags[name] for name in _PARAMETERS if name in flags}
    for name in (*_OF_PROVIDERS, "satisfaction"):
        numbers = given.get(name, ())
        if len(numbers) == 1:
            given[name] = numbers[0]
        elif numbers:
            size = "K" if name == "satisfaction" else "M"
            number = given.setdefault(size, len(numbers))
            if number != len(numbers):
                raise ValueError(
                    f"{name} must be one number or as many as --{size} {number}, "
                    f"got {len(numbers)}: {_typed(numbers)}"
                )
    return given


def _ssim(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword argument `ssim`, if one of its flags was given."""
    model: Any = flags.get("ssim")
    paper = {name: getattr(PAPER_SSIM, name) for name in ("alpha", "beta", "gamma")}
    coefficients = {name: flags[name] for name in paper if name in flags}
    if coefficients:
        if model not in (None, "quadratic"):
            beside = ", ".join(f"--{name}" for name in coefficients)
            raise ValueError(f"ssim must be left out or `quadratic` beside {beside}, got {model!r}")
        model = QuadraticSSIM(**{**paper, **coefficients})
    elif model not in (None, "quadratic", "repaint"):
        path = existing("ssim", Path(model), "`quadratic`, `repaint` or a CSV file")
        try:
            model = TabulatedSSIM.from_csv(
                path, values=ssim_column(path), at_zero=flags.get("at_zero")
            )
        except (ValueError, OSError) as error:
            said = str(error).replace("at_zero", "--at-zero")
            raise ValueError(f"ssim must be a table of SSIM: {said}") from None
    if "at_zero" in flags and not isinstance(model, TabulatedSSIM):
        got = flags["at_zero"]
        raise ValueError(f"at_zero must be left out where --ssim is no CSV file, got {got!r}")
    return {} if model is None else {"ssim": model}


def _typed(value: Any) -> str:
    """As words of the command line."""
    if isinstance(value, tuple):
        return " ".join(map(_typed, value))
    return value if isinstance(value, str) else f"{value:g}"


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
    if env.np_random.bit_generator.state == np.random.default_rng(seed).bit_generator.state:
        laws = "a --scenario such as hidden" + ", or --followers such as noisy" * (rounds > 0)
        raise ValueError(
            f"seed must be left out where nothing is drawn from it (by {laws}), got {seed}"
        )
    env.reset(seed=seed)


def existing(name: str, path: Path, allowed: str) -> Path:
    """A file that is there."""
    if not path.is_file():
        raise ValueError(f"{name} must be {allowed}, got {str(path)!r}, which is not there")
    return path


def writable(name: str, path: Path | None) -> None:
    """Refuse a file, if one is asked for, that has no folder to be written to."""
    if path is not None and not path.parent.is_dir():
        raise ValueError(f"{name} must be in a folder that is there, got {str(path)!r}")


def ssim_column(path: Path) -> str:
    """The column of a table that holds SSIM: `ssim`, or `mean`, as `calibrate` writes it."""
    header, _ = read_table(path)
    return "mean" if "mean" in header and "ssim" not in header else "ssim"


def in_a_row(values: Sequence[float], most: int = 6) -> str:
    """Numbers of the providers, as far as there is room."""
    more = f" and {len(values) - most:,} more" if len(values) > most else ""
    return " ".join(exact(float(value), 5) for value in values[:most]) + more
