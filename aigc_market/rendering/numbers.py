"""Numbers as people read them: no exponents from a millionth to 10^15, thousands set apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

_LETTERS = ((1e12, "T"), (1e9, "G"), (1e6, "M"))
_MOST, _LEAST = 1e15, 1e-6


def short(value: float) -> str:
    """Three digits or a few more, for a picture: 0.052, 8.00, 1,408, 2.5 M."""
    size = abs(value)
    if size >= 999_999.5:
        return _with_letter(value)
    if size >= 99.995:
        return f"{value:,.0f}"
    if size >= 0.9995 or size == 0:
        return f"{value:.2f}"
    return f"{value:.3f}" if size >= 0.0995 else exact(value, 2)


def tick(value: float) -> str:
    """An axis's end, which has few digits: 0, 0.5, 1,500, 2.5 M."""
    return _with_letter(value) if abs(value) >= 999_999.5 else exact(value, 3)


def steps(value: float, most: float = math.inf) -> str:
    """Steps, as whole ones where there are ten or more: 0, 9.5, 101, 2.5 M.

    Where no more than a few can be bought at once, in two digits: 0.39.
    """
    if most < 10:
        return exact(value, 2)
    if abs(value) >= 999_999.5:
        return _with_letter(value)
    return f"{value:,.0f}" if abs(value) >= 9.95 else exact(round(value, 1))


def part(sold: float, asked: float, most: float) -> str:
    """Steps sold, of those asked for where that was more: 86, 50 of 86."""
    words = steps(sold, most)
    return words if asked <= sold * (1 + 1e-9) else f"{words} of {steps(asked, most)}"


def exact(value: float, digits: int = 6) -> str:
    """So many digits at most, and no zeros behind them: 3.83333, 20, 2,500,000."""
    size = abs(value)
    if size == 0:
        return "0"
    if not _LEAST <= size < _MOST:
        few = min(digits, 3)
        first, _, power = f"{value:.{few - 1}e}".partition("e")
        return f"{exact(float(first), few)} × 10^{int(power)}"
    text = f"{value:,.{max(digits - 1 - math.floor(math.log10(size)), 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def span(values: Sequence[float]) -> str:
    """Fixed numbers in few digits, from the least to the most: 1, 100 to 10,000."""
    low, high = (short(end) if end >= 1e6 else exact(end) for end in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def paid(value: float) -> str:
    """What is paid, to the hundredth, or in four digits below ten: 1,408.05, 0.2229."""
    return f"{value:,.2f}" if 9.9995 <= abs(value) < _MOST else exact(value, 4)


def in_a_row(
    values: Sequence[float], write: Callable[[float], str] = lambda value: exact(value, 5)
) -> str:
    """As far as there is room: 1.925 1.6617."""
    more = f" and {len(values) - 6:,} more" if len(values) > 6 else ""
    return " ".join(write(float(value)) for value in values[:6]) + more


def percent(share: float, decimals: int = 1) -> str:
    """A share in hundredths: 98.0 %."""
    return f"{share * 100:,.{decimals}f} %"


def count(number: int, thing: str) -> str:
    """So many things: 1 round, 2 rounds, 1,000 VMUs."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def beside(value: float, whole: float) -> float:
    """A part of a whole, or 0 where it is but the rounding error of a difference from it."""
    return value if abs(value) > 1e-9 * abs(whole) else 0.0


def round_up(value: float) -> float:
    """The next number of one digit, or 1.5, 2.5 of its power of ten: an axis ends there."""
    if value < 1e-300:  # as good as 0: such a power of ten is none
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        n * power for n in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if n * power >= value * (1 - 1e-9)
    )


def _with_letter(value: float) -> str:
    """In millions and more: 2.5 M."""
    if abs(value) >= _MOST:
        return exact(value, 3)
    unit, letter = next(pair for pair in _LETTERS if abs(value) >= 0.9995 * pair[0])
    return f"{exact(value / unit, 3)} {letter}"
