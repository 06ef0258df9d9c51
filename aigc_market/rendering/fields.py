"""What the fields of records may hold: whatever is read from a file is checked by these tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from aigc_market import _checks
from aigc_market.rendering.rounds import EPISODE, CompetitionRound, Round


class Field(NamedTuple):
    """What a field of a record may hold."""

    check: Callable[[str, Any], Any]
    """Called with what to name it by and one value, which it returns or refuses."""
    axes: str = ""
    """M providers, K VMUs, or both: the field is a list of values, or a list of lists."""
    optional: bool = False
    """Whether the whole field may be null."""

    def read(self, name: str, value: Any, size: dict[str, int]) -> Any:
        """The value, if it may be; `size` has the lengths of the axes, and takes up new ones."""
        return None if self.optional and value is None else self._read(name, value, self.axes, size)

    def _read(self, name: str, value: Any, axes: str, size: dict[str, int]) -> Any:
        if not axes:
            return self.check(name, value)
        each = _AXES[axes[0]]
        if not isinstance(value, list) or not value:
            raise ValueError(f"{name} must be a list, one value a {each}, got {value!r}")
        if len(value) != (length := size.setdefault(axes[0], len(value))):
            raise ValueError(f"{name} must hold {length} values, one a {each}, got {len(value)}")
        return [self._read(f"{name}[{i}]", each, axes[1:], size) for i, each in enumerate(value)]


_AXES = {"M": "provider", "K": "VMU"}


class Kind(NamedTuple):
    """A kind of record, as it stands in files."""

    record: type[Any]
    header: dict[str, Any]
    """What the first line of a file says of it."""
    fields: dict[str, Field]
    check: Callable[[str, Any], None]
    """Called with where a record is and the record: whether its fields fit each other."""

    @property
    def of_round(self) -> tuple[str, ...]:
        """The fields that each round has for itself."""
        return self.record._fields[len(EPISODE) :]

    def read(
        self, where: str, values: dict[str, Any], names: Iterable[str], size: dict[str, int]
    ) -> dict[str, Any]:
        """These fields, checked."""
        found = {}
        for name in names:
            if name not in values:
                raise ValueError(f"{where}: {name} is missing")
            try:
                found[name] = self.fields[name].read(f"{where}: {name}", values[name], size)
            except TypeError as error:  # in a file a wrong type is but a wrong value
                raise ValueError(str(error)) from None
            except RecursionError:
                raise ValueError(f"{where}: {name} must not be nested so deeply") from None
        return found

    def size(self, record: Any) -> list[int]:
        """How many there are of what each list is of; the same in all rounds of an episode."""
        return [
            len(getattr(record, n)) for n, f in self.fields.items() if f.axes and not f.optional
        ]

    def without_vmus(self, record: Any) -> Any:
        """The record with nothing about single VMUs: charts need no more of earlier rounds."""
        of_vmus = {name: field for name, field in self.fields.items() if "K" in field.axes}
        return record._replace(**{n: None if f.optional else [] for n, f in of_vmus.items()})


def _check_round(where: str, record: Round) -> None:
    for name in ("asked", "delivered"):
        _check_most(f"{where}: {name}", getattr(record, name), record.max_steps)


def _check_competition(where: str, record: CompetitionRound) -> None:
    for m, steps in enumerate(record.demand):
        _check_most(f"{where}: demand[{m}]", steps, record.max_steps)
        if record.sold[m] > sum(steps) * (1 + 1e-5):
            raise ValueError(
                f"{where}: sold[{m}] must be at most what was asked for there, {sum(steps):g}, "
                f"got {record.sold[m]!r}"
            )
    for k, shares in enumerate(zip(*record.shares, strict=True)):
        if sum(shares) > 1 + 1e-5:
            raise ValueError(
                f"{where}: shares must add up to 1 at most for each VMU, got {sum(shares)} of "
                f"VMU {k}"
            )
    for one, other in (
        ("nash_prices", "nash_utility"),
        ("cartel_prices", "cartel_utility"),
        ("nash_prices", "profit_gain"),
    ):
        if getattr(record, one) is None and getattr(record, other) is not None:
            raise ValueError(f"{where}: {other} must be null where {one} is")


def _check_most(name: str, steps: list[float], most: float) -> None:
    """Refuse more than can be bought, for which there would be no room in a picture."""
    if max(steps) > most * (1 + 1e-5):
        raise ValueError(f"{name} must be at most max_steps = {most:g}, got {max(steps)!r}")


# -- one value -------------------------------------------------------------------------------------


_LARGEST = 1e100
"""What can be drawn: far beyond what a game pays whose prices and steps are single-precision."""


def _count(name: str, value: Any) -> int:
    _checks.number(name, _checks.integer(name, value, at_least=1), at_most=_LARGEST)
    return value


_number = partial(_checks.number, at_least=-_LARGEST, at_most=_LARGEST)
_not_negative = partial(_checks.number, at_least=0, at_most=_LARGEST)
_positive = partial(_checks.number, at_least=1 / _LARGEST, at_most=_LARGEST)  # it divides
_place = partial(_checks.number, at_least=0, below=1)
_share = partial(_checks.number, at_least=0, at_most=1 + 1e-5)


def _number_or_null(name: str, value: Any) -> float | None:
    return None if value is None else _number(name, value)


def _image(name: str, value: Any) -> str:
    try:
        pixels = len(bytes.fromhex(value)) / 3
    except (TypeError, ValueError):
        pixels = math.nan
    if not (pixels > 0 and pixels == math.isqrt(int(pixels)) ** 2):
        raise ValueError(
            f"{name} must be a square RGB image in hexadecimal digits, got {str(value)[:40]!r}"
        )
    return value


# -- the tables ------------------------------------------------------------------------------------


def _all(names: str, *field: Any, **more: Any) -> dict[str, Field]:
    return dict.fromkeys(names.split(), Field(*field, **more))


KINDS = (
    Kind(
        record=Round,
        header={"format": "aigc_market rounds", "version": 1},
        fields={
            **_all("rounds number", _count),
            **_all("cost max_price min_steps price equilibrium_price regret", _not_negative),
            **_all("max_steps", _positive),
            **_all("utility equilibrium_utility", _number),
            **_all("capacity", _positive, optional=True),
            **_all("asked delivered", _not_negative, "K"),
            **_all("ssim quality", _number, "K"),
            **_all("active", _checks.flag, "K", optional=True),
            **_all("images", _image, "K", optional=True),
        },
        check=_check_round,
    ),
    Kind(
        record=CompetitionRound,
        header={"format": "aigc_market competition rounds", "version": 1},
        fields={
            **_all("rounds number", _count),
            **_all("min_steps", _not_negative),
            **_all("max_steps", _positive),
            **_all("cost max_price prices sold", _not_negative, "M"),
            **_all("nash_prices cartel_prices", _not_negative, "M", optional=True),
            **_all("utility", _number, "M"),
            **_all("nash_utility cartel_utility", _number, "M", optional=True),
            **_all("profit_gain", _number_or_null, "M", optional=True),
            **_all("mean_profit_gain", _number, optional=True),
            **_all("capacity", _positive, "M", optional=True),
            **_all("shares", _share, "MK"),
            **_all("demand access_cost", _not_negative, "MK"),
            **_all("vmu_utility", _number, "K"),
            **_all("places", _place, "K", optional=True),
        },
        check=_check_competition,
    ),
)


def kind_of(record: Any) -> Kind:
    """The kind of a record.

    Raises:
        TypeError: it is no record.
    """
    for kind in KINDS:
        if isinstance(record, kind.record):
            return kind
    names = " or ".join(kind.record.__name__ for kind in KINDS)
    raise TypeError(f"rounds must be records, {names}, got {record!r}")
