"""Rounds among several providers as frames and as text, from records alone."""

import itertools
import re

import numpy as np
import pytest
from looking import differs, overhear
from rounds import competition_record as record
from rounds import record as one_leaders

from aigc_market import competition_v0, palette, replay
from aigc_market.envs.competition.single import RivalEnv
from aigc_market.envs.competition.vector import RivalVectorEnv
from aigc_market.rendering import CompetitionRound, Screen
from aigc_market.rendering.competition.text import ansi
from aigc_market.rendering.frames import draw
from aigc_market.rendering.style import WINDOW

SHAPE = (640, 960, 3)


def even(K):
    return [(k + 0.5) / K for k in range(K)]


def seen(frame, colour):
    """How many pixels of a part of a frame have a colour."""
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((frame == rgb).all(axis=-1).sum())


@pytest.mark.parametrize("M", [1, 2, 3, 6, 10, 30])
@pytest.mark.parametrize("K", [1, 12, 1000])
def test_a_frame_is_a_picture(M, K):
    frame = draw([record(M, K)])
    assert frame.shape == SHAPE
    assert frame.dtype == np.uint8
    assert len(np.unique(frame @ [65536, 256, 1])) > 100  # colours


SCENE, PRICES, EARNED = (80, 24, 392, 936), (408, 24, 620, 628), (408, 644, 620, 936)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"prices": [6.5, 6.1]}, (80, 24, 620, 628)),  # the plates, and the charts of prices
        ({"sold": [100.0, 129.3]}, SCENE),
        ({"demand": [[64.65, 80.0], [64.65, 64.65]]}, SCENE),
        ({"vmu_utility": [870.0, 900.0]}, SCENE),
        ({"nash_prices": [5.0, 5.5]}, PRICES),
        ({"cartel_prices": [8.0, 8.5]}, PRICES),
        ({"profit_gain": [0.1, 0.4]}, EARNED),
        ({"mean_profit_gain": 0.5}, EARNED),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_changes_is_shown_where_it_belongs(changes, where):
    top, left, bottom, right = differs(draw([record()]), draw([record(**changes)]))
    assert (top >= where[0], left >= where[1], bottom <= where[2], right <= where[3]) == (True,) * 4


def test_every_field_is_shown():
    """Utilities by the profit gain, a capacity by what it cuts."""
    first = record(profit_gain=[None, None])
    frame = draw([first])
    others = {
        "rounds": 90,
        "cost": [1.5, 1.0],
        "max_price": [20.0, 21.0],
        "min_steps": 11.0,
        "max_steps": 240.0,
        "number": 8,
        "prices": [6.0, 6.5],
        "nash_prices": None,
        "cartel_prices": None,
        "profit_gain": [0.1, 0.2],
        "mean_profit_gain": None,
        "shares": [[0.4, 0.5], [0.5, 0.5]],
        "demand": [[64.65, 64.65], [64.65, 70.0]],
        "sold": [129.3, 100.0],
        "vmu_utility": [870.0, 800.0],
        "access_cost": [[0.0, 30.0], [0.0, 0.0]],
        "places": [0.2, 0.9],
    }
    told_otherwise = {"capacity", "utility", "nash_utility", "cartel_utility"}
    assert set(others) | told_otherwise == set(CompetitionRound._fields)
    for name, value in others.items():
        assert (draw([first._replace(**{name: value})]) != frame).any(), name


def test_a_line_is_as_wide_as_what_is_bought_there():
    """Of two providers with one vehicle between them."""

    def widths(*demand):
        # Above the road, where both lines are apart.
        row = draw([record(2, 1, demand=[[d] for d in demand])])[230:231]
        return [seen(row, colour) for colour in palette.PROVIDERS[:2]]

    thick, thin = widths(120.0, 40.0)
    assert thick > 2 * thin > 0
    assert widths(0.0, 40.0)[0] == 0
    assert widths(40.0, 120.0) == [thin, thick]


def test_on_a_ring_the_shorter_way_is_drawn():
    """A vehicle just before the seam buys from the unit behind it: over both edges."""
    where = {"demand": [[200.0], [0.0], [0.0], [0.0]], "prices": [6.0] * 4}
    first = palette.PROVIDERS[0]
    across = draw([record(4, 1, **where, places=[0.97])])[190:270]
    assert seen(across[:, 240:700], first) == 0
    assert seen(across[:, 24:60], first) > 0
    assert seen(across[:, 860:936], first) > 0
    straight = draw([record(4, 1, **where)])[190:270]  # nowhere in particular: in the middle
    assert seen(straight[:, 300:400], first) > 0
    assert seen(straight[:, 860:936], first) == 0


def test_vehicles_are_where_their_places_are():
    places = [0.1, 0.5, 0.9]
    frame = draw([record(2, 3, places=places, demand=[[0.0] * 3] * 2)])
    cars = (frame[276:348] == [int(palette.GLASS[i : i + 2], 16) for i in (1, 3, 5)]).all(axis=-1)
    columns = np.flatnonzero(cars.any(axis=0))
    for place in places:
        at = 24 + place * 912
        assert np.any(np.abs(columns - at) < 20)
    assert all(np.min(np.abs(column - 24 - 912 * np.array(places))) < 20 for column in columns)


def test_a_crowd_is_drawn_by_parts_of_the_road():
    """All vehicles of a part make one line, as wide as their steps."""
    places = [0.3] * 500 + [0.7] * 10
    crowd = record(1, 510, places=places, demand=[[100.0] * 510])
    left, right = (seen(draw([crowd])[220:221, part], palette.PROVIDERS[0]) for part in HALVES)
    assert left > 5 * right > 0


HALVES = (slice(24, 480), slice(480, 936))


def test_the_charts_show_the_last_rounds_and_no_more():
    rounds = [record(number=n, prices=[5 + n / 50, 5.0]) for n in range(1, WINDOW + 21)]
    assert (draw(rounds) == draw(rounds[-WINDOW:])).all()
    assert (draw(rounds) != draw(rounds[-WINDOW + 1 :])).any()


def test_a_round_without_a_nash_point_leaves_a_gap():
    rounds = [record(number=n) for n in range(1, 10)]
    without = {"nash_prices": None, "nash_utility": None, "profit_gain": None}
    holed = [r._replace(**without, mean_profit_gain=None) if r.number == 5 else r for r in rounds]
    whole, gap = draw(rounds), draw(holed)
    assert (differs(whole, gap)[0] > 408, seen(gap, palette.BLUE) < seen(whole, palette.BLUE)) == (
        True,
        True,
    )


def test_a_screen_shows_what_is_drawn_from_all_rounds():
    rounds = [record(3, 4, number=n, places=even(4)) for n in range(60)]
    screen = Screen("rgb_array", 4)
    for each in rounds:
        screen.add(each)
    assert (screen.show() == draw(rounds)).all()
    screen = Screen("ansi", 4)
    screen.add(rounds[-1])
    assert screen.show() == ansi(rounds[-1])


# -- of environments -------------------------------------------------------------------------------

MARKETS = {
    "road": {"scenario": "road", "M": 3, "K": 5},
    "capacity and outside": {"capacity": [90.0, 400.0], "outside": 100.0, "K": 3},
    "no Nash": {"temperature": 10, "satisfaction": [150, 250], "access_cost": [[0, 30], [30, 0]]},
    "unjudged": {"judged": False},
    "hidden": {"scenario": "hidden", "followers": "noisy"},
}


def played(view, rounds, **arguments):
    """An environment of several providers after some rounds, and what it showed and recorded."""
    arguments = {"max_cycles": rounds, "render_mode": "rgb_array", **arguments}
    frames, kept = [], []
    if view == "single":
        env = RivalEnv(rivals="cartel", **arguments)
        env.reset(seed=1)
        for t in range(rounds):
            env.step(np.array([2.0 + t], np.float32))
            replay.collect(env, kept)
            frames.append(env.render())
        return frames, kept
    env = getattr(competition_v0, view)(**arguments)
    env.reset(seed=1)
    spaces = {agent: env.action_space(agent) for agent in env.possible_agents}
    for i, space in enumerate(spaces.values()):
        space.seed(i)
    while env.agents:
        if view == "parallel_env":
            env.step({agent: spaces[agent].sample() for agent in env.agents})
        else:
            over = env.terminations[env.agent_selection] or env.truncations[env.agent_selection]
            env.step(None if over else spaces[env.agent_selection].sample())
        before = len(kept)
        replay.collect(env, kept)
        if len(kept) > before:
            frames.append(env.render())
    return frames, kept


@pytest.mark.parametrize(
    ("view", "market"),
    [
        *itertools.product(["single"], MARKETS),
        *itertools.product(["env", "parallel_env"], ["road", "capacity and outside"]),
    ],
)
def test_a_replay_shows_what_the_environment_showed(view, market, tmp_path):
    frames, rounds = played(view, 3, **MARKETS[market])
    assert [record.number for record in rounds] == [1, 2, 3]
    replay.write(tmp_path / "run.jsonl", rounds)
    assert replay.read(tmp_path / "run.jsonl") == rounds
    for i, frame in enumerate(frames):
        assert (draw(rounds[: i + 1]) == frame).all()
    last = rounds[-1]
    found = {"no Nash": (False, True), "unjudged": (False, False)}.get(market, (True, True))
    assert (last.nash_prices is not None, last.cartel_prices is not None) == found
    assert (last.places is not None) == (market == "road")
    assert (last.capacity is not None) == (market == "capacity and outside")


def test_a_batch_shows_its_first_markets():
    envs = RivalVectorEnv(num_envs=3, scenario="road", max_cycles=4, render_mode="rgb_array")
    envs.reset(seed=0)
    envs.step(np.full((3, 1), 3.0, np.float32))
    frames = envs.render()
    assert [frame.shape for frame in frames] == [SHAPE] * 3
    for a, b in itertools.combinations(frames, 2):
        assert (a != b).any()


# -- words -----------------------------------------------------------------------------------------


@pytest.fixture
def words(monkeypatch):
    return overhear(monkeypatch)


NO_NASH = {
    "nash_prices": None,
    "nash_utility": None,
    "profit_gain": None,
    "mean_profit_gain": None,
}

NOTHING = {"demand": [[0.0] * 2] * 2, "sold": [0.0] * 2}


def scaled(scale, M=6, K=5):
    """With all money times a number."""
    first = record(M, K)
    money = ("cost", "max_price", "prices", "nash_prices", "cartel_prices", "utility")
    money += ("nash_utility", "cartel_utility", "vmu_utility")
    return first._replace(**{n: [scale * v for v in getattr(first, n)] for n in money})


CALVANO = record(
    2,
    1,
    max_price=[3.0, 3.0],
    min_steps=1.0,
    max_steps=1.0,
    prices=[1.9, 1.92],
    nash_prices=[1.472927] * 2,
    cartel_prices=[1.924981] * 2,
    utility=[0.347, 0.3275],
    nash_utility=[0.222927] * 2,
    cartel_utility=[0.33749] * 2,
    shares=[[0.39], [0.36]],
    demand=[[0.39], [0.36]],
    sold=[0.39, 0.36],
    vmu_utility=[0.338],
)
GALLERY = {
    "duopoly": record(),
    "waiting": record(number=0, **NO_NASH, **NOTHING),
    "monopoly": record(1, 1, profit_gain=[None], mean_profit_gain=None),
    "three": record(3, 12, places=even(12), access_cost=[[20.0] * 12] * 3),
    "six": record(6, 6, cost=[1, 1.2, 1.4, 1.6, 1.8, 2.0]),
    "ten": record(10, 12),
    "thirty": record(30, 1000, places=even(1000), prices=[5 + m / 10 for m in range(30)]),
    "no Nash": record(**NO_NASH),
    "unjudged": record(cartel_prices=None, cartel_utility=None, **NO_NASH),
    "cut": record(capacity=[100.0, 1e4], sold=[100.0, 129.3]),
    "cut six": record(6, capacity=[20.0] * 6, sold=[20.0] * 6),
    "nobody buys": record(**NOTHING),
    "Calvano": CALVANO,
    "far off": record(profit_gain=[-12.3, 45.6], mean_profit_gain=-5.67),
    "alike": record(prices=[1.0, 1.0], nash_prices=[1.0, 1.0], cartel_prices=[1.0, 1.0]),
    "millions": scaled(1e7),
    "millionths": scaled(1e-6),
    "many": scaled(1e7, 10, 1000),
}


@pytest.mark.parametrize("shown", GALLERY)
def test_words_fit_and_do_not_meet(shown, words):
    last = GALLERY[shown]
    draw([last._replace(number=min(last.number, 6)), last])
    for said, (left, top, right, bottom), shrunk in words:
        assert 20 <= left <= right <= 940, said
        assert 10 <= top <= bottom <= 630, said
        assert shrunk > 0.65, said
        assert not re.search(r"\de[+-]?\d|nan|inf", said), said
    for (one, a, _), (other, b, _) in itertools.combinations(words, 2):
        meet = min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])
        assert not meet, (one, other)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("duopoly", {"2 providers, 2 vehicles", "RSU 0", "6.00", "6.10", "0.425", "50 steps"}),
        ("waiting", {"no price yet", "nothing sold yet", "Utility of a provider"}),
        ("three", {"a ring road: its ends meet", "to reach an RSU costs 20.00 a request"}),
        ("ten", {"mean of 10, 6.00 to 6.90"}),
        ("thirty", {"RSU 0–2", "5.00–5.20", "a car stands for 25"}),
        ("no Nash", {"no Nash equilibrium found", "cartel", "Utility of a provider"}),
        ("unjudged", {"not judged"}),
        ("cut", {"100 of 129 steps", "229 steps sold", "29 more asked for"}),
        ("nobody buys", {"nobody buys at these prices"}),
        ("Calvano", {"1 step a request", "25.0 % of requests buy nothing", "0.39 steps"}),
        ("far off", {"-5.67"}),
    ],
)
def test_a_frame_says(shown, expected, words):
    draw([GALLERY[shown]])
    said = {part for text, *_ in words for part in text.split("  ·  ")}
    said |= {text.replace(" asked for", "") for text in said}
    assert expected <= said


@pytest.mark.parametrize("shown", ["millions", "millionths", "many", "thirty"])
def test_the_margins_stay_clean(shown):
    frame = draw([GALLERY[shown]._replace(rounds=10**9, number=10**9)])
    paper = frame[2, 2]
    for margin in (frame[:20], frame[-18:], frame[:, :22], frame[:, -22:], frame[394:406]):
        assert (margin == paper).all()


def test_providers_are_told_apart():
    colours = palette.PROVIDERS
    assert len(set(colours)) == len(colours) == 6
    assert not {palette.EQUILIBRIUM, palette.CARTEL} & set(colours)


# -- as text ---------------------------------------------------------------------------------------


def test_a_round_as_text():
    assert ansi(record(2, 2)).splitlines() == [
        "round 7 of 100",
        "       price  Nash  cartel  sold  utility  at Nash  as cartel      Δ",
        "asp_0      6   5.5       8   129   645.00   600.00     704.00    0.4",
        "asp_1    6.1   5.5       8   129   646.00   600.00     704.00   0.45",
        "mean    6.05   5.5       8   129   645.50   600.00     704.00  0.425",
        "2 VMUs: steps 259, utility 1,740.00",
    ]


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("waiting", "round 0 of 100: no prices yet"),
        ("no Nash", "no Nash equilibrium was found"),
        ("unjudged", "not judged: neither Nash nor cartel prices were computed"),
        ("cut", "2 VMUs: steps 229, cut from 259 asked for, utility"),
        ("nobody buys", "2 VMUs: nobody buys at these prices"),
        ("Calvano", "1 VMU: steps 0.75, 25.0 % of requests buy nothing, utility 0.338"),
        ("ten", "(2 more)"),
    ],
)
def test_text_says(shown, said):
    assert said in ansi(GALLERY[shown])


@pytest.mark.parametrize("shown", GALLERY)
def test_text_has_no_exponents(shown):
    assert not re.search(r"\de[+-]?\d|nan|inf|None", ansi(GALLERY[shown]))


def test_one_leaders_frames_are_as_before():
    assert (draw([one_leaders()]) != draw([record()])).any()
