"""Flags that several commands share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from gymnasium.utils import seeding
from tyro.conf import arg
from tyro.constructors import PrimitiveConstructorSpec

from aigc_market import _checks, scenarios
from aigc_market._files import read_table
from aigc_market.market import Market
from aigc_market.ssim import PAPER_SSIM, QuadraticSSIM, TabulatedSSIM


def _truth(word: str) -> bool:
    if word not in ("0", "1"):
        raise ValueError
    return word == "1"


def _flag(kind: Callable[[str], Any], said: str, metavar: str, many: bool = False) -> Any:
    """How the words of a flag are read; None stands for a flag left out."""

    def read(words: list[str]) -> Any:
        try:
            values = tuple(kind(word) for word in words)
            return values if many and values else values[0]
        except (ValueError, IndexError):
            got = repr(" ".join(words)) if words else "nothing"
            raise ValueError(f"it must be {said}, got {got}") from None

    return PrimitiveConstructorSpec(
        nargs="*" if many else 1,
        metavar=metavar,
        instance_from_str=read,
        is_instance=lambda _: True,
        str_from_instance=lambda value: ["none" if value is None else str(value)],
    )


_QUIET = arg(help_behavior_hint="")  # its help tells the default
AWhole = Annotated[int, _flag(int, "a whole number", "WHOLE")]
ANumber = Annotated[float, _flag(float, "a number", "NUMBER")]
Number = Annotated[float | None, _flag(float, "a number", "NUMBER"), _QUIET]
Whole = Annotated[int | None, _flag(int, "a whole number", "WHOLE"), _QUIET]
Numbers = Annotated[
    tuple[float, ...] | None,
    _flag(float, "numbers", "NUMBER [NUMBER ...]", many=True),
    _QUIET,
]
Mask = Annotated[
    tuple[bool, ...] | None,
    _flag(_truth, "K times 0 or 1", "0|1 [0|1 ...]", many=True),
    _QUIET,
]
Word = Annotated[str | None, _flag(str, "one word", "WORD"), _QUIET]
Words = Annotated[tuple[str, ...] | None, _flag(str, "words", "WORD [WORD ...]", many=True), _QUIET]
File = Annotated[Path | None, _flag(Path, "a file", "FILE"), _QUIET]


@dataclass(frozen=True)
class SSIMFlags:
    """Which SSIM model VMUs buy from."""

    ssim: Word = None
    """`quadratic` (the paper's fit), `repaint` (extra `repaint`), or a CSV file with a column
    `steps` and one of `ssim` or `mean`."""
    at_zero: Number = None
    """SSIM of an image for which nothing was bought, where the CSV file begins above 0 steps."""
    alpha: Number = None
    """α < 0 of a quadratic SSIM; -0.000174 in `paper`."""
    beta: Number = None
    """β > 0 of a quadratic SSIM; 0.075 in `paper`."""
    gamma: Number = None
    """γ of a quadratic SSIM; 4891.89 in `paper`."""

    def given(self) -> dict[str, Any]:
        """The keyword argument `ssim`, if any of these flags was given.

        Raises:
            OSError, ValueError: a file that is not there or is no table, or flags that exclude each
                other.
        """
        given = given_flags(self)
        at_zero = given.pop("at_zero", None)
        coefficients = {
            name: given.pop(name) for name in ("alpha", "beta", "gamma") if name in given
        }
        if coefficients:
            if given.get("ssim", "quadratic") != "quadratic":
                beside = ", ".join(map(flag, coefficients))
                raise ValueError(
                    f"ssim must be left out or `quadratic` beside {beside}, got {given['ssim']!r}"
                )
            paper = {name: getattr(PAPER_SSIM, name) for name in ("alpha", "beta", "gamma")}
            given["ssim"] = QuadraticSSIM(**{**paper, **coefficients})
        elif given.get("ssim") not in (None, "quadratic", "repaint"):
            path = existing("ssim", Path(given["ssim"]), "`quadratic`, `repaint` or a CSV file")
            try:
                given["ssim"] = TabulatedSSIM.from_csv(
                    path, values=ssim_column(path), at_zero=at_zero
                )
            except (ValueError, OSError) as error:
                said = str(error).replace("at_zero", "--at-zero")
                raise ValueError(f"ssim must be a table of SSIM: {said}") from None
        if at_zero is not None and not isinstance(given.get("ssim"), TabulatedSSIM):
            raise ValueError(
                f"at_zero must be left out where --ssim is no CSV file, got {at_zero!r}"
            )
        return given


@dataclass(frozen=True)
class MarketFlags:
    """The fields of `Market`; those left out take the scenario's values."""

    K: Whole = None
    """Number of VMUs (followers); as many as --satisfaction has, 2 in `paper`."""
    cost: Number = None
    """c, what a step costs the ASP (leader); 1 in `paper`."""
    max_price: Number = None
    """p_max, the highest unit price; 20 in `paper`."""
    satisfaction: Numbers = None
    """δ, what a unit of SSIM is worth to a VMU, one number for all or K numbers;
    200 in `paper`."""
    min_steps: Number = None
    """S_min, the fewest steps that a VMU may buy; 0, so that it may decline."""
    max_steps: Number = None
    """S_max, the most; 250 in `paper`."""
    capacity: Number = None
    """R, the steps that can be run in a round; no limit in `paper`."""
    model: Annotated[SSIMFlags, arg(name="")] = SSIMFlags()

    def given(self, scenario: str | None = None) -> dict[str, Any]:
        """What was given, as keyword arguments of a `Market` or an environment.

        Args:
            scenario: whose values hold for what was left out.

        Raises:
            OSError, ValueError: a scenario that is none, a file that is not there or is no table,
                or flags that exclude each other.
        """
        given = given_flags(self)
        usual = {f.name: f.default for f in dataclasses.fields(Market)}
        check_order(given, {**usual, **scenarios.resolve(scenario).arguments})
        if "satisfaction" in given:
            given.update(spread(given, "K", ("satisfaction",)))
        return {**given, **self.model.given()}


def given_flags(flags: Any) -> dict[str, Any]:
    """Those flags that were not left out, but for groups of others."""
    return {name: v for name, v in vars(flags).items() if v is not None and name != "model"}


def check_order(given: dict[str, Any], usual: dict[str, Any]) -> None:
    """Refuse bounds in the wrong order; a bound left out is not to blame.

    Args:
        given: flags by name.
        usual: what holds for those left out.
    """
    values = {**usual, **given}
    for low, high in (("cost", "max_price"), ("min_steps", "max_steps")):
        try:
            wrong = np.any(np.asarray(values[low]) > np.asarray(values[high]))
        except ValueError:  # as many as do not belong together, which is told elsewhere
            continue
        if wrong:
            name, allowed, limit = (high, "least", low) if high in given else (low, "most", high)
            raise ValueError(
                f"{name} must be at {allowed} {flag(limit)} {_told(values[limit])}, "
                f"got {_told(values[name])}"
            )


def _told(values: Any) -> str:
    return " ".join(f"{value:g}" for value in np.ravel(values))


def spread(given: dict[str, Any], count: str, names: Sequence[str]) -> dict[str, Any]:
    """Flags of which one number is for all and more are one each, and the count that they imply.

    Args:
        given: flags by name.
        count: the flag that says how many there are: M or K.
        names: the flags.

    Raises:
        ValueError: as many numbers as the count is not.
    """
    found: dict[str, Any] = {}
    by = f"--{count} {given.get(count)}"
    for name in names:
        values = given.get(name)
        if values is None or len(values) == 1:
            found.update({name: values[0]} if values else {})
            continue
        if given.get(count, found.get(count)) not in (None, len(values)):
            raise ValueError(
                f"{name} must be one number or as many as {by}, got {len(values)}: {_told(values)}"
            )
        if count not in given and count not in found:
            by = f"{flag(name)} has"
        found.update({name: values, count: len(values)})
    return found


def check_seed(seed: int | None, env: Any, play: str = "") -> int | None:
    """Refuse a seed from which nothing is drawn.

    Args:
        seed: as given, or None.
        env: the single environment that would be seeded, or None; it is reset, and played a round
            of where `play`.
        play: where rounds are played, and not the market alone is drawn: the flag of the VMUs.
    """
    if seed is None:
        return None
    _checks.integer("seed", seed, at_least=0)
    if env is not None:
        env.reset(seed=seed)
        if play:
            env.step(env.action_space.high)
        untouched, _ = seeding.np_random(seed)
        if env.np_random.bit_generator.state != untouched.bit_generator.state:
            return seed
    raise ValueError(
        f"seed must be left out where nothing is drawn from it (a --scenario such as hidden draws "
        f"its market{f', and {play} such as noisy what they buy' if play else ''}), got {seed}"
    )


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


def flag(name: str) -> str:
    """The flag of a parameter."""
    return f"--{name.replace('_', '-')}"
