"""Rounds as text that a person can read, and numbers."""

import re

import numpy as np
import pytest
from gallery import GALLERY
from rounds import competition_record, menu_record, record

from aigc_market.rendering.numbers import (
    beside,
    count,
    exact,
    paid,
    part,
    percent,
    short,
    span,
    steps,
    tick,
)
from aigc_market.rendering.text import ansi, sales, share, summary


def test_rounds_as_text():
    assert ansi(record()).splitlines() == [
        "round 7 of 100",
        "       price  equilibrium  sold   utility  at equilibrium  regret",
        "asp_0      9            8   172  1,379.31        1,408.05   28.74",
        "steps sold  86.2 86.2 = 172.4",
    ]
    assert ansi(competition_record()).splitlines() == [
        "round 7 of 100",
        "       price  Nash  cartel  sold  utility  at Nash  at cartel      Δ",
        "asp_0      6   5.5       8   129   645.00   600.00     704.00    0.4",
        "asp_1    6.1   5.5       8   129   646.00   600.00     704.00   0.45",
        "mean    6.05   5.5       8   129   645.50   600.00     704.00  0.425",
        "steps sold  258.6; utility of all VMUs 1,740",
    ]
    assert ansi(menu_record()).splitlines() == [
        "round 7 of 100",
        "           steps       fee  quality  taken by VMU",
        "1             80    566.67     50 %             1",
        "2            160  1,133.33     75 %             –",
        "none                                            0",
        "best 1       158  1,126.08                      0",
        "best 2       181  1,195.04                      1",
        "best none                                       –",
        "utility 1,379.31, of the best menu 2,028.02, regret 648.71",
        "steps sold  0.0 80.0 = 80.0; δ 150 to 200; surplus of all VMUs 10.00",
    ]


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("waiting", "round 0 of 100: no price yet"),
        ("cut", "50.0 50.0 = 100.0, cut by the capacity of 100 from 86.2 86.2 = 172.4 asked for"),
        ("nobody buys", "steps sold  0: nobody buys"),
        ("nobody is there", "0: nobody is there; 0 of 2 VMUs are there"),
        ("no trade", "\nnobody buys at any price\n"),
        ("thousand", "steps sold  86.2 86.2 86.2 86.2 86.2 86.2 86.2 86.2 and 992 more = 86,200.0"),
        ("duopoly waiting", "round 0 of 100: no price yet"),
        ("no Nash", "no Nash equilibrium was found"),
        ("unjudged", "not judged"),
        ("two cut", "229.3, cut by the capacity of 100 to 10,000 from 258.6 asked for; utility"),
        ("two unsold", "steps sold  0: nobody buys"),
        ("Calvano", "0.75; 25.0 % of requests buy nothing; utility of all VMUs 0.338"),
        ("ten", "(2 more)"),
        ("menu waiting", "round 0 of 100: no menu yet"),
        ("menu waiting", "utility –, of the best menu 2,028.02, regret –"),
        ("menu of nothing", "steps sold  0: nobody takes a contract; δ 150 to 200; surplus"),
        ("mixed", "0–1 6–7 11\n"),
        ("best twice", "best 1       150  1,100.00                    0 2\nbest 2       190  1,"),
        ("forty", "best 33 more                            825 VMUs\n"),
        ("worthless", "\nno menu earns anything\n"),
    ],
)
def test_text_says(shown, said):
    assert said in ansi(GALLERY[shown])


def test_text_has_no_exponents():
    for shown, last in GALLERY.items():
        assert not re.search(r"\de[+-]?\d|nan|inf|None", ansi(last)), shown


def test_only_those_who_are_there_are_listed():
    bought = [70.0, 0.0, 0.0]
    there = record(3, asked=bought, delivered=bought, active=[True, False, True])
    assert sales(there) == "70.0 0.0 = 70.0; 2 of 3 VMUs are there"


def test_the_share_never_exceeds_what_there_is():
    """Against followers that buy too much, utility may exceed the equilibrium's by any factor."""
    generous = record(utility=4200.0, regret=0.0)
    assert share([generous]) == "100.0 %"
    assert share([generous, record(regret=704.025)]) == "75.0 %"
    told = summary([generous, record(utility=4200.0, regret=704.025)])
    assert told.startswith("2 rounds: you earned 8,400.00; equilibrium prices earn 2,816.10 from")
    assert "Against rational VMUs: regret 704.02 in all, share 75.0 %." in told
    assert summary([generous]).startswith("1 round: ")
    assert share([GALLERY["no trade"]]) == "none: nobody buys at any price"
    assert share([GALLERY["no trade"], record()]) == "98.0 %"


def test_a_summary_of_menus_has_what_they_sold():
    assert summary([menu_record(), menu_record(regret=1379.31)]).splitlines() == [
        "2 rounds: you earned 2,758.62; the best menus earn 4,056.04 from rational VMUs.",
        "Against rational VMUs: regret 2,028.02 in all, share 50.0 %.",
        "You sold 160 steps.",
    ]
    assert share([GALLERY["worthless"]]) == "none: no menu earns anything"


def test_a_summary_of_several_is_of_the_means():
    """Δ is that of the mean utilities, over the rounds in which Nash prices were found."""
    rounds = [
        competition_record(utility=[600.0, 704.0], prices=[4.0, 8.0]),
        competition_record(utility=[704.0, 808.0], prices=[6.0, 8.0]),
        GALLERY["no Nash"]._replace(utility=[52.0, 56.0], prices=[5.0, 8.0]),
    ]
    lines = summary(rounds).splitlines()
    assert lines[0] == "3 rounds, on average:"
    assert " ".join(lines[2].split()) == "asp_0 5 5.5 8 129 452.00 600.00 704.00 0.5"
    assert [line.split()[-1] for line in lines[3:5]] == ["1.5", "1"]
    assert lines[5:] == ["no Nash equilibrium was found in 1 round"]


@pytest.mark.parametrize(
    ("value", "in_picture", "on_axis", "as_steps", "in_text", "as_paid"),
    [
        (0, "0.00", "0", "0", "0", "0"),
        (8, "8.00", "8", "8", "8", "8"),
        (3.83333333, "3.83", "3.83", "3.8", "3.83333", "3.833"),
        (9.96, "9.96", "9.96", "10", "9.96", "9.96"),
        (0.0523, "0.052", "0.0523", "0.1", "0.0523", "0.0523"),
        (1408.05, "1,408", "1,408", "1,408", "1,408.05", "1,408.05"),
        (548973.4, "548,973", "548,973", "548,973", "548,973", "548,973.40"),
        (999999.9, "1 M", "1 M", "1 M", "1,000,000", "999,999.90"),
        (2.5e6, "2.5 M", "2.5 M", "2.5 M", "2,500,000", "2,500,000.00"),
        (-2.5e6, "-2.5 M", "-2.5 M", "-2.5 M", "-2,500,000", "-2,500,000.00"),
        (123456789, "123 M", "123 M", "123 M", "123,456,789", "123,456,789.00"),
        (9.996e8, "1 G", "1 G", "1 G", "999,600,000", "999,600,000.00"),
        (1.25e13, "12.5 T", "12.5 T", "12.5 T", "12,500,000,000,000", "12,500,000,000,000.00"),
        (3e18, "3 × 10^18", "3 × 10^18", "3 × 10^18", "3 × 10^18", "3 × 10^18"),
        (4e-9, "4 × 10^-9", "4 × 10^-9", "0", "4 × 10^-9", "4 × 10^-9"),
        (9.999e18, *["1 × 10^19"] * 5),
        (-1.25e308, *["-1.25 × 10^308"] * 5),
        (5e-324, "4.9 × 10^-324", "4.94 × 10^-324", "0", "4.94 × 10^-324", "4.94 × 10^-324"),
    ],
)
def test_numbers_as_people_read_them(value, in_picture, on_axis, as_steps, in_text, as_paid):
    found = short(value), tick(value), steps(value), exact(value), paid(value)
    assert found == (in_picture, on_axis, as_steps, in_text, as_paid)


def test_no_number_has_an_exponent():
    digits = np.array([1.0, 1.5, 2.5, 9.9999, 9.99999999])
    for value in np.outer(10.0 ** np.arange(-6, 15), digits).ravel().tolist():
        for write in (short, tick, steps, exact, paid):
            text = write(value)
            assert "e" not in text
            assert len(text.replace(",", "")) <= 19


def test_parts_and_counts():
    assert percent(0.98) == "98.0 %"
    assert [part(50.0, asked, 250.0) for asked in (50.0, 86.2)] == ["50", "50 of 86"]
    assert part(0.314, 0.5, 1.0) == "0.31 of 0.5"
    assert [span(values) for values in ([1.0], [100.0, 1e4], [2e6])] == [
        "1",
        "100 to 10,000",
        "2 M",
    ]
    assert [paid(value) for value in (1408.05, 0.22293)] == ["1,408.05", "0.2229"]
    assert percent(0.6, 0) == "60 %"
    assert [count(n, "round") for n in (0, 1, 1000)] == ["0 rounds", "1 round", "1,000 rounds"]
    assert beside(1e-12, 1408.05) == 0.0
    assert beside(28.74, 1408.05) == 28.74
