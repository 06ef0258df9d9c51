"""Frames of all games: what is seen where, and that it can be read."""

import builtins
import copy
import itertools
import pickle
import re
import subprocess
import sys

import gymnasium
import numpy as np
import pygame
import pytest
from gallery import GALLERY, NO_NASH, UNJUDGED, even
from gymnasium.wrappers import RecordVideo, vector
from imageio_ffmpeg import count_frames_and_secs, get_ffmpeg_exe
from looking import differs, overhear, rgb, seen
from pettingzoo.utils import wrappers
from rounds import competition_record, menu_record, record
from views import VIEWS, box_action, menu_lanes, pricing, pricing_lanes, rival_lanes

import aigc_market
from aigc_market import palette, replay
from aigc_market.rendering import CompetitionRound, MenuRound, Round, Screen
from aigc_market.rendering.canvas import WINDOW
from aigc_market.rendering.frames import draw
from aigc_market.rendering.purchases import stand_in
from aigc_market.rendering.text import ansi
from aigc_market.ssim.scenes import scene

SHAPE = (640, 960, 3)


# -- of records ------------------------------------------------------------------------------------


@pytest.fixture
def words(monkeypatch):
    return overhear(monkeypatch)


@pytest.mark.parametrize("shown", GALLERY)
def test_words_fit_and_do_not_meet(shown, words):
    last = GALLERY[shown]
    frame = draw([last._replace(number=min(last.number, 6)), last])
    assert (frame.shape, frame.dtype) == (SHAPE, np.uint8)
    assert len(np.unique(frame @ [65536, 256, 1])) > 100  # colours
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
        ("paper", {"Regret against rational VMUs", "2.0 % of equilibrium", "equilibrium", "1,408"}),
        ("paper", {"up to 250 steps a request", "9.00", "172 steps", "172 steps sold", "86 steps"}),
        ("paper", {"quality 60 %", "a full bar is 250 steps, below it steps and quality"}),
        ("waiting", {"no price yet", "nothing yet", "nothing sold yet"}),
        ("large", {"77.9 % of equilibrium", "548,973", "2.2 M", "2.5 M"}),
        ("cut", {"50 of 86 steps", "100 steps sold", "72 more asked for", "capacity 100"}),
        ("ten cut", {"50 of 158", "60 %", "500 steps sold", "1,082 more asked for"}),
        ("twelve", {"empty", "8 of 12 VMUs", "8 of 12 VMUs are there"}),
        ("cut crowd", {"20,000 steps sold", "66,200 more asked for", "capacity 20,000"}),
        ("thirteen", {"13 VMUs", "1,121 steps sold"}),
        ("thousand", {"1,000 VMUs", "a car stands for 25 VMUs", "median", "best", "quality 60 %"}),
        ("slots", {"250 of 1,000 VMUs are there", "a car stands for 25 VMUs"}),
        ("one", {"1 VMU"}),
        ("nobody buys", {"nobody buys at this price", "0 steps"}),
        ("nobody is there", {"nobody is there", "empty"}),
        ("no trade", {"nobody buys at any price"}),
        ("floor", {"120 to 160 steps a request"}),
        ("live", {"SSIM 0.50", "SSIM 0.60"}),
        ("live twelve", {"0.50", "a full bar is 250 steps, below it steps and SSIM"}),
        ("duopoly", {"2 providers, 2 VMUs", "RSU 0", "6.00", "6.10", "0.425", "5.50", "8.00"}),
        ("duopoly", {"50 steps asked for", "utility of all VMUs 1,740"}),
        ("duopoly waiting", {"no price yet", "nothing sold yet", "Utility"}),
        ("three", {"a ring road: its ends meet", "to reach an RSU costs 20.00 a request"}),
        ("ten", {"mean of 10, 6.00 to 6.90"}),
        ("thirty", {"RSU 0–2", "5.00–5.20", "lines: all VMUs on a twelfth of the road"}),
        ("no Nash", {"no Nash equilibrium was found", "cartel", "Utility"}),
        ("unjudged", {"not judged"}),
        ("two cut", {"100 of 129 steps", "229 steps sold", "capacity 100 to 10,000"}),
        ("two unsold", {"nobody buys at this price"}),
        ("Calvano", {"1 step a request", "25.0 % of requests buy nothing", "0.39 steps"}),
        ("far off", {"-5.67"}),
        ("menu", {"2 VMUs", "2 contracts, fees up to 2,020.5", "posted", "80", "567", "50 %", "–"}),
        ("menu", {"best menu", "158", "1,126", "32.0 % of best menu", "339", "taken by VMU"}),
        ("menu", {"80 steps sold", "δ 150 to 200", "surplus of all VMUs 10.00", "250", "2,020"}),
        ("menu waiting", {"no menu yet", "nothing sold yet", "best menu", "1,195", "δ 150 to 200"}),
        ("menu of nothing", {"nobody takes a contract", "posted", "none", "0–1", "best menu"}),
        ("four", {"0–2", "3–4", "5–7", "8–9", "10–11", "none", "3–5"}),
        ("mixed", {"0–1 6–7 11", "3–4 9–10", "2 5 8", "cost of steps", "not taken"}),
        ("eight, a thousand", {"111 VMUs", "125 VMUs", "0 VMUs", "taken by", "8"}),
        ("forty", {"33 more", "800 VMUs", "825 VMUs", "25 VMUs"}),
        ("forty, ten", {"10 VMUs", "40 contracts, fees up to 2,020.5", "33 more", "8–9"}),
        ("worthless", {"no menu earns anything"}),
        ("low fees", {"2 contracts, fees up to 10 M", "1,500"}),
        ("menu of millions", {"30 M", "22 M", "2 contracts, fees up to 30 M"}),
    ],
)
def test_a_frame_says(shown, expected, words):
    draw([GALLERY[shown]])
    assert expected <= {part for text, *_ in words for part in text.split("  ·  ")}


@pytest.mark.parametrize("shown", ["waiting", "duopoly waiting"])
def test_before_the_first_round_charts_have_no_number(shown, words):
    draw([GALLERY[shown]])
    assert "–" not in {said for said, *_ in words}


FRAME, STREET = (0, 0, 640, 960), (80, 24, 392, 936)
PRICE, UTILITY, REGRET = (408, 24, 620, 318), (408, 333, 620, 628), (408, 643, 620, 936)
WHERE = {  # the whole frame, unless it is said here
    Round: {
        **dict.fromkeys(("asked", "delivered", "images"), STREET),
        "price": (80, 24, 620, 318),  # the plate, and the chart of prices
        "equilibrium_price": PRICE,
        "utility": UTILITY,
        "equilibrium_utility": (408, 333, 620, 936),
        "regret": REGRET,
        "quality": (80, 570, 276, 936),
        "active": (0, 0, 392, 936),
    },
    CompetitionRound: {
        **dict.fromkeys(("shares", "demand", "sold", "vmu_utility"), STREET),
        **dict.fromkeys(("access_cost", "places"), STREET),
        "prices": (80, 24, 620, 628),
        **dict.fromkeys(("nash_prices", "cartel_prices"), (408, 24, 620, 628)),
        **dict.fromkeys(("profit_gain", "mean_profit_gain"), (408, 643, 620, 936)),
    },
    MenuRound: {
        # The board, and the chart of steps.
        **dict.fromkeys(("steps", "best_steps", "taken", "best_taken"), (80, 24, 620, 936)),
        **dict.fromkeys(("fees", "best_fees", "satisfaction", "surplus", "quality"), STREET),
        "utility": PRICE,  # here the first chart
        "equilibrium_utility": (408, 24, 620, 628),
        "regret": UTILITY,
    },
}
OTHERS = {
    "active": [True, False],
    "images": ["00" * 48, "80" * 48],
    "places": [0.2, 0.9],
    "min_steps": 11.0,
    "prices": [6.5, 6.1],
    "shares": [[0.4, 0.5], [0.5, 0.5]],
    "best_taken": [1, 1],
}
"""Of fields that have none in the usual rounds, as the capacity, or of which not all fit."""


def other(value):
    """Another value of a field: of the last VMU, provider or contract."""
    if isinstance(value, list):
        return [*value[:-1], other(value[-1])]
    return value + 1 if isinstance(value, int) else 1.2 * value + 0.3


@pytest.mark.parametrize(
    ("first", "elsewhere"),
    [
        (record(active=[True, True]), {"ssim"}),  # of an image; else the quality says it
        (competition_record(), {"utility", "nash_utility", "cartel_utility"}),  # the gain says it
        (menu_record(), set()),
    ],
)
def test_every_field_is_shown_where_it_belongs(first, elsewhere):
    frame, where = draw([first]), WHERE[type(first)]
    scarce = {"capacity": [200.0, 1e4] if isinstance(first, CompetitionRound) else 200.0}
    for name in (name for name in first._fields if name not in elsewhere):
        changed = {**OTHERS, **scarce}.get(name) or other(getattr(first, name))
        box = differs(frame, draw([first._replace(**{name: changed})]))
        top, left, bottom, right = where.get(name, FRAME)
        assert top <= box[0] < box[2] <= bottom, name
        assert left <= box[1] < box[3] <= right, name


def test_what_is_measured_and_earned_is_shown_where_it_counts():
    live = record(images=["00" * 48, "80" * 48], ssim=[0.5, 0.6])
    assert (draw([live]) != draw([live._replace(ssim=[0.5, 0.7])])).any()
    unjudged = competition_record(**UNJUDGED)
    assert (draw([unjudged]) != draw([unjudged._replace(utility=[645.0, 900.0])])).any()


@pytest.mark.parametrize(
    "rounds",
    [
        [record(number=n, price=5 + n / 10, regret=float(n)) for n in range(1, WINDOW + 21)],
        [competition_record(number=n, prices=[5 + n / 50, 5.0]) for n in range(1, WINDOW + 21)],
        [menu_record(number=n, steps=[100.0, 100.0 + n]) for n in range(1, WINDOW + 21)],
    ],
    ids=["one", "several", "menu"],
)
def test_the_charts_show_the_last_rounds_and_no_more(rounds):
    assert (draw(rounds) == draw(rounds[-WINDOW:])).all()
    assert (draw(rounds) != draw(rounds[-WINDOW + 1 :])).any()


def test_a_round_without_a_nash_point_leaves_a_gap():
    rounds = [competition_record(number=n) for n in range(1, 10)]
    holed = [r._replace(**NO_NASH) if r.number == 5 else r for r in rounds]
    whole, gap = draw(rounds), draw(holed)
    assert differs(whole, gap)[0] > 408
    for colour in (palette.BLUE, palette.EQUILIBRIUM):
        assert seen(gap, colour) < seen(whole, colour)


@pytest.mark.parametrize("shown", ["nobody is there", "thousand", "thirty", "menu", "forty"])
def test_a_market_that_waits_for_an_offer_has_a_frame(shown):
    waiting = draw([GALLERY[shown]._replace(number=0)])
    assert (waiting != draw([GALLERY[shown]])).any()


@pytest.mark.parametrize("scale", [1e-6, 1e12])
@pytest.mark.parametrize("make", [record, competition_record, menu_record])
def test_numbers_of_any_size_fit(make, scale):
    """The margins stay clean, which they would not if text ran out of its place."""

    def times(value):
        if isinstance(value, list):
            return [times(each) for each in value]
        return value * scale if isinstance(value, float) else value

    kept = ("shares", "quality", "profit_gain", "mean_profit_gain")
    big = {name: times(v) for name, v in make()._asdict().items() if name not in kept}
    big.update(rounds=10**9, number=10**9)
    frame = draw([make(**big)])
    paper = frame[2, 2]
    for margin in (frame[:20], frame[-18:], frame[:, :22], frame[:, -22:], frame[394:406]):
        assert (margin == paper).all()


# -- the street ------------------------------------------------------------------------------------


def test_a_picture_gets_clearer():
    original = scene(44, 96).image * 255
    errors = [np.abs(stand_in(0, share) - original).mean() for share in (0.0, 0.2, 0.5, 0.8, 1.0)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 50
    assert errors[-1] < 1
    assert (stand_in(0, -3.0) == stand_in(0, 0.0)).all()
    assert (stand_in(0, 1.4) == stand_in(0, 1.0)).all()


def test_vehicles_have_pictures_of_their_own():
    for a, b in itertools.combinations(range(12), 2):
        assert (stand_in(a, 1.0) != stand_in(b, 1.0)).any()
        assert (stand_in(a, 0.0) != stand_in(b, 0.0)).any()


def test_the_image_really_made_is_shown():
    image = np.full((4, 4, 3), (250, 10, 20), np.uint8)
    black = "00" * image.size
    frame = draw([record(images=[black, image.tobytes().hex()], ssim=[0.1, 0.5])])
    red = np.argwhere((frame == (250, 10, 20)).all(axis=-1))
    (top, left), (bottom, right) = red.min(axis=0), red.max(axis=0) + 1
    assert len(red) == (bottom - top) * (right - left) == 120 * 120


def cars(frame):
    """(n) where cars are, by their panes on each lane."""
    panes = [
        np.flatnonzero((row == rgb(palette.GLASS)).all(axis=-1)) for row in frame[[288, 312, 336]]
    ]
    return np.sort(np.concatenate([x[np.diff(x, prepend=-9) > 1] for x in panes]))


@pytest.mark.parametrize(
    ("K", "there", "drawn"),
    [(2, 0, 0), (13, 13, 13), (40, 40, 40), (40, 14, 14), (41, 41, 21), (1000, 283, 12)],
)
def test_no_car_is_invented(K, there, drawn):
    active = None if there == K else [k < there for k in range(K)]
    assert len(cars(draw([record(K, active=active)]))) == drawn


def test_vehicles_are_where_their_places_are():
    places = [0.1, 0.5, 0.9]
    found = cars(draw([competition_record(2, 3, places=places, demand=[[0.0] * 3] * 2)]))
    assert all(np.min(np.abs(found - 24 - 912 * place)) < 20 for place in places)
    assert all(np.min(np.abs(at - 24 - 912 * np.array(places))) < 20 for at in found)


def test_a_line_is_as_wide_as_what_is_bought_there():
    """Of two providers with one vehicle between them."""

    def widths(*demand):
        # Above the road, where both lines are apart.
        row = draw([competition_record(2, 1, demand=[[d] for d in demand])])[230:231]
        return [seen(row, colour) for colour in palette.PROVIDERS[:2]]

    thick, thin = widths(120.0, 40.0)
    assert thick > 2 * thin > 0
    assert widths(0.0, 40.0)[0] == 0
    assert widths(40.0, 120.0) == [thin, thick]


def test_on_a_ring_the_shorter_way_is_drawn():
    """A vehicle just before the seam buys from the unit behind it: over both edges."""
    where = {"demand": [[200.0], [0.0], [0.0], [0.0]], "prices": [6.0] * 4}
    first = palette.PROVIDERS[0]
    across = draw([competition_record(4, 1, **where, places=[0.97])])[190:270]
    assert seen(across[:, 240:700], first) == 0
    assert seen(across[:, 24:60], first) > 0
    assert seen(across[:, 860:936], first) > 0
    straight = draw([competition_record(4, 1, **where)])[190:270]  # nowhere: in the middle
    assert seen(straight[:, 300:400], first) > 0
    assert seen(straight[:, 860:936], first) == 0


def test_a_crowd_is_drawn_by_parts_of_the_road():
    """All vehicles of a part make one line, as wide as their steps."""
    places = [0.3] * 500 + [0.7] * 10
    frame = draw([competition_record(1, 510, places=places, demand=[[100.0] * 510])])[220:221]
    left, right = (seen(half, palette.PROVIDERS[0]) for half in (frame[:, :480], frame[:, 480:]))
    assert left > 5 * right > 0


# -- the board -------------------------------------------------------------------------------------

PLANE = (slice(114, 317), slice(105, 392))


def test_contracts_stand_where_their_steps_and_fees_are():
    """Taken ones in the leader's colour, others grey; nothing else on the plane has these."""
    frame = draw([menu_record(steps=[50.0, 200.0], fees=[1900.0, 900.0], taken=[2, 2])])[PLANE]
    for colour, amount, fee in ((palette.MUTED, 50, 1900), (palette.LEADER, 200, 900)):
        y, x = np.argwhere((frame == rgb(colour)).all(axis=-1))[:, :].T
        near = (np.abs(x - amount / 250 * 288) < 12) & (np.abs(y - 202 * (1 - fee / 2020.5)) < 12)
        assert near.sum() > 100
        assert near.all() or colour == palette.MUTED  # the line of costs too


def test_the_best_menu_is_seen_around_what_is_posted():
    ring = seen(draw([GALLERY["menu"]])[PLANE], palette.EQUILIBRIUM)
    assert seen(draw([GALLERY["best"]])[PLANE], palette.EQUILIBRIUM) > 0.7 * ring > 0
    assert seen(draw([GALLERY["worthless"]])[PLANE], palette.EQUILIBRIUM) == 0


def test_before_a_menu_is_posted_the_plane_shows_the_best_alone():
    waiting = draw([menu_record(number=0)])[PLANE]  # whatever its fields say of a menu
    assert seen(waiting, palette.LEADER) == 0
    assert seen(waiting, palette.EQUILIBRIUM) > 0


# -- of environments -------------------------------------------------------------------------------

SINGLE = [name for name in VIEWS if not name.startswith(("vector", "tensors"))]
every_view = pytest.mark.parametrize("view", SINGLE)
two_views = pytest.mark.parametrize("view", ["aec", "single"])


def play(view, rounds, seed=0, render_mode="rgb_array", **arguments):
    """An environment after some rounds, whose actions are drawn."""
    env = VIEWS[view].make(max_cycles=30, render_mode=render_mode, **arguments)
    VIEWS[view].reset(env, seed=seed)
    played, moves = [], itertools.count()
    while len(played) < rounds:
        VIEWS[view].move(env, next(moves))
        replay.collect(env, played)
    return env


@pytest.fixture(autouse=True)
def happened(monkeypatch):
    """What windows did, in order; their clock counts and does not wait."""
    done = []

    class Clock:
        def tick(self, fps):
            done.append(f"{fps:g} a second")

    flip = pygame.display.flip
    monkeypatch.setattr(pygame.time, "Clock", Clock)
    monkeypatch.setattr(pygame.display, "flip", lambda: (done.append("shown"), flip()))
    return done


@every_view
def test_text_is_of_the_last_round_and_is_not_printed(view, capsys):
    env = play(view, 0, render_mode="ansi")
    assert re.match("round 0 of 30: no (price|menu) yet", env.render())
    env = play(view, 2, render_mode="ansi")
    assert env.render() == ansi(env.round_record())
    assert env.render().startswith("round 2 of 30\n")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("view", ["aec", "parallel", "single"])
def test_the_equilibrium_shown_is_that_of_the_episode(view):
    env = play(view, 0, render_mode="ansi")
    assert "1,408.05" in env.render()
    env.reset(seed=0, options={"cost": 3.0})
    assert "1,034.48" in env.render()


@every_view
def test_without_a_render_mode_nothing_is_shown(view, capsys):
    env = play(view, 1, render_mode=None)
    with pytest.warns(UserWarning, match="without a render_mode"):
        assert env.render() is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("view", ["aec", "parallel"])
def test_rendering_needs_a_reset(view):
    with pytest.raises(AssertionError, match="reset\\(\\) needs to be called before render"):
        VIEWS[view].make(render_mode="ansi").render()


@every_view
def test_every_round_changes_the_frame_which_then_stays(view):
    frames = []
    for rounds in range(4):
        env = play(view, rounds)
        frames.append(env.render())
        if view.startswith("aec"):  # in the middle of a round
            VIEWS[view].move(env, 7)
        assert (env.render() == frames[-1]).all()
    for a, b in itertools.combinations(frames, 2):
        assert (a != b).any()
    env.reset(seed=0)  # a new episode forgets the last
    assert (env.render() == frames[0]).all()


def test_a_screen_shows_what_is_drawn_from_all_rounds():
    several = {"places": even(4), "demand": [[40.0] * 4] * 3}
    for rounds in (
        [menu_record(3, 4, number=n, steps=[9.0, n, 2.0 * n]) for n in range(60)],
        [record(4, number=n, active=[True] * 4) for n in range(60)],
        [competition_record(3, 4, number=n, **several) for n in range(60)],
    ):
        screens = {mode: Screen(mode, 4) for mode in ("rgb_array", "ansi")}
        for each in rounds:
            for screen in screens.values():
                screen.add(each)
        assert (screens["rgb_array"].show() == draw(rounds)).all()
        assert screens["ansi"].show() == ansi(rounds[-1])


@pytest.mark.parametrize("mode", ["ansi", "rgb_array", "human"])
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["copy", "pickle"]
)
@two_views
def test_a_copy_shows_the_same(view, copied, mode):
    env = play(view, 2, render_mode=mode)
    twin = copied(env)
    assert np.array_equal(env.render(), twin.render())
    for each in (env, twin):
        each.close()
    env.reset(seed=1)  # a closed one opens again
    env.close()


@two_views
def test_a_window_shows_every_round_unasked(view, happened):
    env = play(view, 3, render_mode="human")
    assert happened == ["shown", "4 a second"] * 4  # also the market that waits for its first price
    window = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    assert (window == play(view, 3).render()).all()
    assert env.render() is None
    env.close()
    assert not pygame.display.get_init()
    env.close()


@two_views
def test_without_a_display_no_window_is_feigned(view, monkeypatch):
    """SDL would draw off the screen, and say nothing."""
    for variable in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(RuntimeError, match="a window needs a display, and there is none: take"):
        play(view, 1, render_mode="human")
    monkeypatch.setenv("DISPLAY", ":where-nobody-is")
    monkeypatch.setattr(pygame.display, "init", lambda: None)
    monkeypatch.setattr(pygame.display, "get_driver", lambda: "offscreen")
    with pytest.raises(RuntimeError, match="it does not answer"):
        play(view, 1, render_mode="human")


def test_two_windows_share_the_display():
    a, b = play("single", 1, render_mode="human"), play("aec", 1, render_mode="human")
    a.close()
    b.render()
    assert pygame.display.get_surface().get_size() == (960, 640)
    b.close()


def test_frames_stay_the_same_whoever_ends_pygame():
    frame = draw([record()])
    pygame.quit()
    assert (draw([record()]) == frame).all()


@pytest.fixture
def no_pygame(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments):
        if name == "pygame":
            raise ModuleNotFoundError("No module named 'pygame'")
        return real(name, *arguments)

    monkeypatch.delitem(sys.modules, "pygame")
    monkeypatch.setattr(builtins, "__import__", without)


@pytest.mark.parametrize("mode", ["human", "rgb_array"])
def test_without_pygame_it_says_what_to_install(mode, no_pygame):
    with pytest.raises(ImportError, match=r"pip install 'aigc-market\[render\]'"):
        play("aec", 1, render_mode=mode).render()


def test_text_needs_no_pygame(no_pygame):
    assert "round 1 of 30" in play("aec", 1, render_mode="ansi").render()


# -- recorders and the vector environments ---------------------------------------------------------


def test_gymnasium_records_videos(tmp_path):
    env = gymnasium.make("aigc_market/Pricing-v0", max_cycles=5, render_mode="rgb_array")
    env = RecordVideo(env, str(tmp_path / "films"), episode_trigger=lambda episode: True)
    play_five(env)
    film = tmp_path / "films" / "rl-video-episode-0.mp4"
    assert count_frames_and_secs(film) == (6, pytest.approx(6 / 4))


@pytest.mark.skipif(
    not hasattr(vector, "RecordVideo"), reason="Gymnasium records batches from version 1.2.1 on"
)
def test_gymnasium_records_videos_of_a_batch(tmp_path):
    envs = gymnasium.make_vec("aigc_market/Rival-v0", 2, max_cycles=5, render_mode="rgb_array")
    play_five(vector.RecordVideo(envs, str(tmp_path / "films"), video_length=3))
    assert list((tmp_path / "films").glob("*.mp4"))


def play_five(env):
    """Five rounds of any actions, and the end of what records them."""
    env.reset(seed=0)
    for _ in range(5):
        env.step(env.action_space.sample())
    env.close()


@pytest.mark.skipif(
    not hasattr(wrappers, "RecordVideo"), reason="PettingZoo records from version 1.27 on"
)
@pytest.mark.parametrize("view", ["aec of several", "parallel of menus"])
def test_pettingzoo_records_videos(view, tmp_path):
    env, folder = VIEWS[view].make(max_cycles=3, K=2, render_mode="rgb_array"), tmp_path / "films"
    rng = np.random.default_rng(0)
    moves = {agent: box_action(env.action_space(agent), rng) for agent in env.possible_agents}
    if view.startswith("aec"):
        film = wrappers.RecordVideo(env, str(folder))
        film.reset(seed=0)
        for agent in film.agent_iter():
            film.step(None if film.truncations[agent] else moves[agent])
        frames = 1 + 4 * len(moves)  # one a turn: of three rounds, and where agents leave
    else:
        film = wrappers.RecordVideoParallel(env, str(folder))
        film.reset(seed=0)
        while film.agents:
            film.step(moves)
        frames = 1 + 3  # one a round
    last = env.render()
    film.close()
    [path] = folder.iterdir()
    assert count_frames_and_secs(path) == (frames, pytest.approx(frames / 4))
    command = [get_ffmpeg_exe(), "-loglevel", "error", "-i", path]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    content = subprocess.run(command, capture_output=True, check=True).stdout
    shown = np.frombuffer(content, np.uint8).reshape(-1, *SHAPE)[-1]
    assert np.abs(shown.astype(int) - last).mean() < 4


@pytest.mark.parametrize(
    ("make", "market", "num_envs", "shown"),
    [
        (pricing_lanes, {"satisfaction": aigc_market.Uniform(100, 300)}, 3, 3),
        (rival_lanes, {"scenario": "road"}, 9, 4),
        (menu_lanes, {"satisfaction": aigc_market.Uniform(100, 300)}, 9, 4),
    ],
)
def test_a_batch_shows_its_first_environments(make, market, num_envs, shown):
    envs = make(num_envs, max_cycles=3, render_mode="rgb_array", **market)
    envs.reset(seed=0)
    opening = envs.render()
    assert [frame.shape for frame in opening] == [SHAPE] * shown
    actions = np.linspace(5, 15, num_envs, dtype="f4")[:, None]
    actions = np.broadcast_to(actions, envs.action_space.shape)
    envs.step(actions)
    first = envs.render()
    envs.step(actions)
    for before, after in zip((opening, first), (first, envs.render()), strict=True):
        assert len(after) == shown
        assert all((a != b).any() for a, b in zip(before, after, strict=True))
    for a, b in itertools.combinations(first, 2):
        assert (a != b).any()
    envs.step(actions)  # ends the episodes
    envs.step(actions)  # begins the next ones
    assert all((a[:70] == b[:70]).all() for a, b in zip(envs.render(), opening, strict=True))


@pytest.mark.parametrize("scenario", ["paper", "crowd", "capacity"])
def test_one_of_a_batch_looks_like_a_single_environment(scenario):
    """With the same market; a batch draws its own from one generator, so its first is alike."""
    envs = pricing_lanes(1, scenario=scenario, render_mode="rgb_array")
    env = pricing(scenario=scenario, render_mode="rgb_array")
    for each in (envs, env):
        each.reset(seed=5)
    for price in (3.0, 9.0):
        envs.step(np.array([[price]], "f4"))
        env.step(np.array([price], "f4"))
    assert (envs.render()[0] == env.render()).all()


def test_a_batch_that_shows_nothing():
    envs = pricing_lanes(2)
    with pytest.raises(gymnasium.error.ResetNeeded, match="before render"):
        envs.render()
    envs.reset(seed=0)
    with pytest.warns(UserWarning, match="without a render_mode"):
        assert envs.render() is None
    with pytest.raises(ValueError, match="render_mode must be one of"):
        pricing_lanes(2, render_mode="human")
