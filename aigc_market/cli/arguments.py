"""Flags that several commands share."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg
from tyro.constructors import PrimitiveConstructorSpec

from aigc_market.ssim import PAPER_SSIM, QuadraticSSIM, TabulatedSSIM


def _truth(word: str) -> bool:
    if word not in ("0", "1"):
        raise ValueError
    return word == "1"


def _flag(kind: Callable[[str], Any], said: str, metavar: str, many: bool = False) -> Any:
    """A flag that may be left out, so that the scenario's value holds."""

    def read(words: list[str]) -> Any:
        try:
            values = tuple(kind(word) for word in words)
            return values if many else values[0]
        except (ValueError, IndexError):
            raise ValueError(f"it must be {said}, got {' '.join(words)!r}") from None

    return PrimitiveConstructorSpec(
        nargs="*" if many else 1,
        metavar=metavar,
        instance_from_str=read,
        is_instance=lambda value: value is None,
        str_from_instance=lambda _: ["none"],
    )


_QUIET = arg(help_behavior_hint="")  # its help tells the default
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
File = Annotated[Path | None, _flag(Path, "a file", "FILE"), _QUIET]


@dataclass(frozen=True)
class MarketFlags:
    """The fields of `Market`; those left out take the scenario's values."""

    K: Whole = None
    """Number of VMUs (followers); 2 in `paper`."""
    cost: Number = None
    """c, what a step costs the ASP (leader); 1 in `paper`."""
    max_price: Number = None
    """p_max, the highest unit price; 20 in `paper`."""
    satisfaction: Numbers = None
    """δ, what a unit of SSIM is worth to a VMU, one number for all or K numbers;
    200 in `paper`."""
    min_steps: Number = None
    """S_min, the fewest steps that a VMU may buy; 10 in `paper`."""
    max_steps: Number = None
    """S_max, the most; 250 in `paper`."""
    capacity: Number = None
    """R, the steps that can be run in a round; no limit in `paper`."""
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
        """What was given, as keyword arguments of a `Market` or an environment.

        Raises:
            OSError, ValueError: a file that is not there or is no table, or flags that exclude each
                other.
        """
        given = {name: value for name, value in vars(self).items() if value is not None}
        at_zero = given.pop("at_zero", None)
        coefficients = {
            name: given.pop(name) for name in ("alpha", "beta", "gamma") if name in given
        }
        if "satisfaction" in given and len(given["satisfaction"]) == 1:
            (given["satisfaction"],) = given["satisfaction"]
        if coefficients:
            if given.get("ssim", "quadratic") != "quadratic":
                raise ValueError(
                    f"ssim must be left out or `quadratic` beside {_flags(coefficients)}, "
                    f"got {given['ssim']!r}"
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


def existing(name: str, path: Path, allowed: str) -> Path:
    """A file that is there."""
    if not path.is_file():
        raise ValueError(f"{name} must be {allowed}, got {str(path)!r}, which is not there")
    return path


def ssim_column(path: Path) -> str:
    """The column of a table that holds SSIM: `ssim`, or `mean`, as `calibrate` writes it."""
    with open(path, newline="", encoding="utf-8") as file:
        header = next(csv.reader(file), [])
    return "mean" if "mean" in header and "ssim" not in header else "ssim"


def _flags(names: Any) -> str:
    return ", ".join(f"--{name}" for name in names)
