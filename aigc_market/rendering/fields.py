"""What the fields of records may hold: whatever is read from a file is checked by these."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from aigc_market import _checks
from aigc_market.rendering.competition import rounds as competition
from aigc_market.rendering.competition.rounds import CompetitionRound
from aigc_market.rendering.rounds import EPISODE, Round


class Kind(NamedTuple):
    """A kind of record, as it stands in files."""

    record: type[Any]
    header: dict[str, Any]
    """What the first line of a file says of it."""
    episode: tuple[str, ...]
    """The fields that are the same in all rounds of an episode."""
    checks: dict[str, Callable[[str, Any], Any]]
    """By field: called with what to name it by and the value, which it returns or refuses."""
    size: Callable[[Any], tuple[int, ...]]
    """How many there are of each in a record; the same in all rounds of an episode."""
    check: Callable[[str, Any], None]
    """Called with where a record is and the record: whether its fields fit each other."""

    @property
    def of_round(self) -> tuple[str, ...]:
        """The fields that each round has for itself."""
        return self.record._fields[len(self.episode) :]


def _check_round(where: str, record: Round) -> None:
    K = len(record.asked)
    for name in ("delivered", "ssim", "quality", "active", "images"):
        value = getattr(record, name)
        if value is not None and len(value) != K:
            raise ValueError(
                f"{where}: {name} must hold {K} values, one a VMU as asked does, got {len(value)}"
            )
    for name in ("asked", "delivered"):
        _check_most(f"{where}: {name}", getattr(record, name), record.max_steps)


def _check_most(name: str, steps: list[float], most: float) -> None:
    """Refuse more than can be bought, for which there would be no room in a picture."""
    if max(steps) > most * (1 + 1e-5):
        raise ValueError(f"{name} must be at most max_steps = {most:g}, got {max(steps)!r}")


_OF_PROVIDER = (
    *("max_price", "prices", "nash_prices", "cartel_prices", "utility", "nash_utility"),
    *("cartel_utility", "profit_gain", "capacity", "shares", "demand", "sold", "access_cost"),
)


def _check_competition(where: str, record: CompetitionRound) -> None:
    M, K = len(record.cost), len(record.vmu_utility)
    for name in _OF_PROVIDER:
        value = getattr(record, name)
        if value is not None and len(value) != M:
            raise ValueError(
                f"{where}: {name} must hold {M} values, one a provider as cost does, "
                f"got {len(value)}"
            )
    rows = [
        (f"{name}[{m}]", row)
        for name in ("shares", "demand", "access_cost")
        for m, row in enumerate(getattr(record, name))
    ]
    for name, value in (*rows, ("places", record.places)):
        if value is not None and len(value) != K:
            raise ValueError(
                f"{where}: {name} must hold {K} values, one a VMU as vmu_utility does, "
                f"got {len(value)}"
            )
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


# -- one field -------------------------------------------------------------------------------------


_LARGEST, _SMALLEST = 1e100, 1e-100
"""What can be drawn: far beyond what a game pays whose prices and steps are single-precision."""


def _count(name: str, value: Any) -> int:
    return _drawable(name, _checks.integer(name, value, at_least=1))


def _number(name: str, value: Any, **limits: float) -> float:
    return _drawable(name, _checks.number(name, value, **limits))


def _drawable(name: str, value: Any) -> Any:
    if abs(value) > _LARGEST:
        raise ValueError(f"{name} must be within ±{_LARGEST:g} to be drawn, got {value!r}")
    return value


def _at_least_zero(name: str, value: Any) -> float:
    return _number(name, value, at_least=0)


def _above_zero(name: str, value: Any) -> float:
    number = _number(name, value, above=0)
    if number < _SMALLEST:  # by these it is divided
        raise ValueError(f"{name} must be at least {_SMALLEST:g} to be drawn, got {number!r}")
    return number


def _place(name: str, value: Any) -> float:
    return _checks.number(name, value, at_least=0, below=1)


def _share(name: str, value: Any) -> float:
    return _checks.number(name, value, at_least=0, at_most=1 + 1e-5)


def _truth(name: str, value: Any) -> bool:
    return _one_of(name, value, bool, "true and false")


def _image(name: str, value: Any) -> str:
    _one_of(name, value, str, "images")
    try:
        pixels = len(bytes.fromhex(value)) / 3
    except ValueError:
        pixels = math.nan
    if not (pixels > 0 and pixels == math.isqrt(int(pixels)) ** 2):
        raise ValueError(
            f"{name} must be a square RGB image in hexadecimal digits, got {value[:40]!r}"
        )
    return value


def _one_of(name: str, value: Any, kind: Any, of_what: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be one of {of_what}, got {value!r}")
    return value


def _list(check: Callable[[str, Any], Any], of_what: str = "numbers") -> Any:
    """A check of a list by one of its entries."""

    def check_all(name: str, value: Any) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise ValueError(f"{name} must be a list of {of_what}, got {value!r}")
        return [check(f"{name}[{i}]", each) for i, each in enumerate(value)]

    return check_all


def _or_none(check: Callable[[str, Any], Any]) -> Any:
    return lambda name, value: None if value is None else check(name, value)


def _all(names: Iterable[str], check: Any) -> dict[str, Any]:
    return dict.fromkeys(names, check)


_numbers = _list(_number)
_not_negative = _list(_at_least_zero)

ROUND = Kind(
    record=Round,
    header={"format": "aigc_market rounds", "version": 1},
    episode=EPISODE,
    checks={
        **_all(("rounds", "number"), _count),
        **_all(("cost", "max_price", "min_steps"), _at_least_zero),
        "max_steps": _above_zero,
        **_all(("price", "equilibrium_price", "regret"), _at_least_zero),
        **_all(("utility", "equilibrium_utility"), _number),
        "capacity": _or_none(_above_zero),
        **_all(("asked", "delivered"), _not_negative),
        **_all(("ssim", "quality"), _numbers),
        "active": _or_none(_list(_truth, "true and false")),
        "images": _or_none(_list(_image, "images")),
    },
    size=lambda record: (len(record.asked),),
    check=_check_round,
)

COMPETITION = Kind(
    record=CompetitionRound,
    header={"format": "aigc_market competition rounds", "version": 1},
    episode=competition.EPISODE,
    checks={
        **_all(("rounds", "number"), _count),
        **_all(("cost", "max_price", "prices", "sold"), _not_negative),
        "min_steps": _at_least_zero,
        "max_steps": _above_zero,
        **_all(("nash_prices", "cartel_prices"), _or_none(_not_negative)),
        **_all(("utility", "vmu_utility"), _numbers),
        **_all(("nash_utility", "cartel_utility"), _or_none(_numbers)),
        "profit_gain": _or_none(_list(_or_none(_number), "numbers and null")),
        "mean_profit_gain": _or_none(_number),
        "capacity": _or_none(_list(_above_zero)),
        "shares": _list(_list(_share), "lists of numbers"),
        **_all(("demand", "access_cost"), _list(_not_negative, "lists of numbers")),
        "places": _or_none(_list(_place)),
    },
    size=lambda record: (len(record.cost), len(record.vmu_utility)),
    check=_check_competition,
)

KINDS = (ROUND, COMPETITION)


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
