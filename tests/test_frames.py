"""Frames: of every view and size of market, in a window, on a copy, without pygame."""

import builtins
import copy
import itertools
import pickle
import re
import sys

import gymnasium
import numpy as np
import pygame
import pytest
from gymnasium.wrappers import RecordVideo
from gymnasium.wrappers.vector import RecordVideo as RecordVectorVideo
from imageio_ffmpeg import count_frames_and_secs
from looking import differs, overhear
from rounds import record

import aigc_market
from aigc_market import palette
from aigc_market.envs.single import PricingEnv
from aigc_market.envs.vector import PricingVectorEnv
from aigc_market.rendering.frames import draw
from aigc_market.rendering.pictures import picture
from aigc_market.rendering.rounds import Round
from aigc_market.rendering.style import WINDOW
from aigc_market.ssim.scenes import scene

SHAPE = (640, 960, 3)
VIEWS = {"aec": aigc_market.env, "parallel": aigc_market.parallel_env, "single": PricingEnv}
every_view = pytest.mark.parametrize("view", VIEWS)


def play(view, rounds, price=9.0, seed=0, **arguments):
    """An environment after some rounds at a price."""
    env = VIEWS[view](**{"max_cycles": 30, "render_mode": "rgb_array", **arguments})
    posted = np.array([price], "f4")
    env.reset(seed=seed, **({"options": {"price": posted}} if view == "parallel" else {}))
    for _ in range(rounds):
        bought = aigc_market.best_response(env.market, price).astype("f4")
        if view == "single":
            env.step(posted)
        elif view == "aec":
            for action in (posted, *bought[:, None]):
                env.step(action)
        else:
            vmus = {f"vmu_{k}": steps for k, steps in enumerate(bought[:, None])}
            env.step({"asp_0": posted, **vmus})
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
@pytest.mark.parametrize("K", [1, 2, 10, 1000])
def test_a_frame_is_a_picture(view, K):
    frame = play(view, 1, K=K).render()
    assert frame.shape == SHAPE
    assert frame.dtype == np.uint8
    assert len(np.unique(frame @ [65536, 256, 1])) > 100  # colours


@every_view
def test_equal_seeds_give_equal_frames_and_others_do_not(view):
    market = {"satisfaction": aigc_market.Uniform(100, 300)}
    frames = [play(view, 3, seed=seed, **market).render() for seed in (1, 1, 2)]
    assert (frames[0] == frames[1]).all()
    assert (frames[0] != frames[2]).any()


@every_view
def test_a_frame_stays_until_the_next_round(view):
    env = play(view, 2)
    frame = env.render()
    assert (env.render() == frame).all()
    if view == "aec":  # in the middle of a round
        env.step(np.array([3.0], "f4"))
        assert (env.render() == frame).all()


@every_view
def test_every_round_changes_the_frame(view):
    frames = [play(view, rounds).render() for rounds in range(4)]
    for a, b in itertools.combinations(frames, 2):
        assert (a != b).any()


@every_view
def test_a_new_episode_forgets_the_last(view):
    env = play(view, 3)
    env.reset(seed=0)
    assert (env.render() == play(view, 0).render()).all()


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"price": 9.5}, (94, 42, 600, 320)),  # the plate, and the chart of prices
        ({"delivered": [86.2, 120.0], "asked": [86.2, 120.0]}, (90, 500, 392, 936)),
        ({"quality": [0.6, 0.9]}, (90, 500, 300, 936)),
        ({"utility": 1000.0}, (408, 330, 620, 630)),
        ({"regret": 100.0}, (408, 640, 620, 936)),
        ({"equilibrium_price": 7.0}, (408, 24, 620, 320)),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_changes_is_shown_where_it_belongs(changes, where):
    changed = record(**changes)
    top, left, bottom, right = differs(draw([record()]), draw([changed]))
    if "delivered" in changes:  # and the sum of the steps sold, on the left
        left = max(left, 500)
    assert (top >= where[0], left >= where[1], bottom <= where[2], right <= where[3]) == (True,) * 4


def test_every_field_is_shown():
    """But for the SSIM, where no image was made: there it is but another unit of the quality."""
    first = record(active=[True, True])
    frame = draw([first])
    others = {
        "rounds": 90,
        "cost": 1.5,
        "max_price": 21.0,
        "min_steps": 11.0,
        "max_steps": 240.0,
        "number": 8,
        "price": 9.5,
        "equilibrium_price": 8.5,
        "utility": 1300.0,
        "equilibrium_utility": 1450.0,
        "regret": 30.0,
        "capacity": 200.0,
        "asked": [86.2, 100.0],
        "delivered": [86.2, 80.0],
        "quality": [0.6, 0.5],
        "active": [True, False],
        "images": ["00" * 48, "80" * 48],
    }
    assert set(others) | {"ssim"} == set(Round._fields)
    for name, value in others.items():
        assert (draw([first._replace(**{name: value})]) != frame).any(), name
    live = first._replace(images=["00" * 48, "80" * 48], ssim=[0.5, 0.6])
    assert (draw([live]) != draw([live._replace(ssim=[0.5, 0.7])])).any()


def test_the_charts_show_the_last_rounds_and_no_more():
    rounds = [record(number=n, price=5 + n / 10, regret=float(n)) for n in range(1, WINDOW + 21)]
    assert (draw(rounds) == draw(rounds[-WINDOW:])).all()
    assert (draw(rounds) != draw(rounds[-WINDOW + 1 :])).any()


def test_a_picture_gets_clearer():
    original = scene(44, 96).image * 255
    errors = [
        np.abs(picture(0, quality) - original).mean() for quality in (0.0, 0.2, 0.5, 0.8, 1.0)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 50
    assert errors[-1] < 1
    assert (picture(0, -3.0) == picture(0, 0.0)).all()
    assert (picture(0, 1.4) == picture(0, 1.0)).all()


def test_vehicles_have_pictures_of_their_own():
    for a, b in itertools.combinations(range(12), 2):
        assert (picture(a, 1.0) != picture(b, 1.0)).any()
        assert (picture(a, 0.0) != picture(b, 0.0)).any()


def test_the_image_really_made_is_shown():
    image = np.full((4, 4, 3), (250, 10, 20), np.uint8)
    black = "00" * image.size
    made = record(images=[black, image.tobytes().hex()], ssim=[0.1, 0.5])
    frame = draw([made])
    red = np.argwhere((frame == (250, 10, 20)).all(axis=-1))
    (top, left), (bottom, right) = red.min(axis=0), red.max(axis=0) + 1
    assert len(red) == (bottom - top) * (right - left) == 128 * 128


@pytest.mark.parametrize("K", [2, 10, 1000])
def test_nobody_there(K):
    nothing = [0.0] * K
    empty = record(K, asked=nothing, delivered=nothing, quality=nothing, active=[False] * K)
    assert (draw([empty]) != draw([record(K)])).any()
    assert draw([empty._replace(utility=0.0, equilibrium_utility=0.0, regret=0.0)]).shape == SHAPE


# -- words and cars --------------------------------------------------------------------------------


@pytest.fixture
def words(monkeypatch):
    return overhear(monkeypatch)


GALLERY = {
    "paper": record(),
    "waiting": record(number=0),
    "one": record(1),
    "twelve": record(12),
    "thirteen": record(13),
    "thousand": record(1000),
    "slots": record(1000, active=[k % 4 == 0 for k in range(1000)]),
    "cut": record(capacity=100.0, asked=[86.2] * 2, delivered=[50.0] * 2),
    "cut twelve": record(12, capacity=500.0, asked=[158.2] * 12, delivered=[41.7] * 12),
    "cut crowd": record(1000, capacity=2e4, asked=[86.2] * 1000, delivered=[20.0] * 1000),
    "large": record(utility=2.2e6, equilibrium_utility=705_000.0, regret=548_973.0),
    "millions": record(
        price=9e6, equilibrium_price=8e6, max_price=2e7, utility=1.38e9, equilibrium_utility=1.41e9
    ),
    "small": record(price=9e-6, equilibrium_price=8e-6, max_price=2e-5, utility=1.38e-3),
    "nobody buys": record(asked=[0.0] * 2, delivered=[0.0] * 2, quality=[0.0] * 2, utility=0.0),
    "nobody is there": record(asked=[0.0] * 2, delivered=[0.0] * 2, active=[False] * 2),
    "no trade": record(
        asked=[0.0] * 2, delivered=[0.0] * 2, utility=0.0, equilibrium_utility=0.0, regret=0.0
    ),
    "floor": record(min_steps=120.0, max_steps=160.0),
    "live": record(images=["80" * 48] * 2, ssim=[0.5, 0.6]),
}


@pytest.mark.parametrize("shown", GALLERY)
def test_words_fit_and_do_not_meet(shown, words):
    draw([GALLERY[shown]._replace(number=min(GALLERY[shown].number, 6)), GALLERY[shown]])
    for said, (left, top, right, bottom), shrunk in words:
        assert 20 <= left <= right <= 940, said
        assert 10 <= top <= bottom <= 630, said
        assert shrunk > 0.7, said
    for (one, a, _), (other, b, _) in itertools.combinations(words, 2):
        meet = min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])
        assert not meet, (one, other)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("paper", {"Regret against rational VMUs", "2.0 % of equilibrium", "up to 250 steps each"}),
        ("large", {"77.9 % of equilibrium", "548,973", "2.20 M", "2.5 M"}),
        ("cut", {"50 of 86 steps", "100 steps sold", "72 more asked for", "capacity 100"}),
        ("cut crowd", {"20,000 steps sold", "66,200 more asked for", "capacity 20,000"}),
        ("thirteen", {"13 vehicles", "1,121 steps sold"}),
        ("thousand", {"1,000 vehicles", "a car stands for 25 vehicles"}),
        ("slots", {"250 of 1,000 vehicles are there", "a car stands for 25 vehicles"}),
        ("one", {"1 vehicle"}),
        ("nobody buys", {"nobody buys at this price", "0 steps"}),
        ("nobody is there", {"nobody is there to buy", "empty"}),
        ("no trade", {"nobody buys at any price"}),
        ("floor", {"120 to 160 steps each"}),
        ("live", {"SSIM 0.50", "SSIM 0.60"}),
    ],
)
def test_a_frame_says(shown, expected, words):
    draw([GALLERY[shown]])
    said = {part for text, *_ in words for part in text.split("  ·  ")}
    assert expected <= said


@pytest.mark.parametrize("shown", GALLERY)
def test_no_number_has_an_exponent(shown, words):
    draw([GALLERY[shown]])
    assert not [text for text, *_ in words if re.search(r"\de[+-]?\d", text)]


def cars(frame):
    """How many small cars there are, by their panes."""
    pane = [int(palette.GLASS[i : i + 2], 16) for i in (1, 3, 5)]
    lanes = (frame[[310, 345]] == pane).all(axis=-1)
    return int((lanes[:, 1:] & ~lanes[:, :-1]).sum())


@pytest.mark.parametrize(
    ("K", "there", "drawn"),
    [(13, 13, 13), (40, 40, 40), (40, 14, 14), (41, 41, 21), (100, 100, 34), (1000, 283, 12)],
)
def test_no_car_is_invented(K, there, drawn):
    active = None if there == K else [k < there for k in range(K)]
    assert cars(draw([record(K, active=active)])) == drawn


@pytest.mark.parametrize("scale", [1e-6, 1e12])
def test_numbers_of_any_size_fit(scale):
    """The margins stay clean, which they would not if text ran out of its place."""
    numbers = {
        name: value * scale
        for name, value in record()._asdict().items()
        if name.startswith(("cost", "max", "min", "price", "equil", "util", "regret"))
    }
    steps = [86.2 * scale, 300.0 * scale]
    big = record(rounds=10**9, number=10**9, capacity=scale, asked=steps, delivered=steps)
    frame = draw([big._replace(**numbers)])
    paper = frame[2, 2]
    for margin in (frame[:20], frame[-18:], frame[:, :22], frame[:, -22:], frame[394:406]):
        assert (margin == paper).all()


# -- copies and windows ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["ansi", "rgb_array", "human"])
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["copy", "pickle"]
)
@every_view
def test_a_copy_shows_the_same(view, copied, mode):
    env = play(view, 2, render_mode=mode)
    twin = copied(env)
    assert np.array_equal(env.render(), twin.render())
    for each in (env, twin):
        each.close()
    env.reset(seed=1)  # a closed one opens again
    env.close()


@every_view
def test_a_window_shows_every_round_unasked(view, happened):
    env = play(view, 3, render_mode="human")
    assert happened == ["shown", "4 a second"] * 4  # also the market that waits for its first price
    window = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    assert (window == play(view, 3).render()).all()
    assert env.render() is None
    env.close()
    assert not pygame.display.get_init()
    env.close()


def test_two_windows_share_the_display():
    a, b = play("single", 1, render_mode="human"), play("aec", 1, render_mode="human")
    a.close()
    b.render()
    assert pygame.display.get_surface().get_size() == (960, 640)
    b.close()


@pytest.fixture
def no_pygame(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments):
        if name == "pygame":
            raise ModuleNotFoundError("No module named 'pygame'")
        return real(name, *arguments)

    monkeypatch.delitem(sys.modules, "pygame")
    monkeypatch.setattr(builtins, "__import__", without)


@every_view
@pytest.mark.parametrize("mode", ["human", "rgb_array"])
def test_without_pygame_it_says_what_to_install(view, mode, no_pygame):
    with pytest.raises(ImportError, match=r"pip install 'aigc-market\[render\]'"):
        play(view, 1, render_mode=mode).render()


@every_view
def test_text_needs_no_pygame(view, no_pygame):
    assert "round 1 of 30" in play(view, 1, render_mode="ansi").render()


# -- Gymnasium's recorders and the vector environment ----------------------------------------------


def test_gymnasium_records_a_video(tmp_path):
    env = gymnasium.make("aigc_market/Pricing-v0", max_cycles=5, render_mode="rgb_array")
    env = RecordVideo(env, str(tmp_path / "videos"), episode_trigger=lambda episode: True)
    env.reset(seed=0)
    for _ in range(5):
        env.step(env.action_space.sample())
    env.close()
    frames, seconds = count_frames_and_secs(tmp_path / "videos" / "rl-video-episode-0.mp4")
    assert frames == 6
    assert seconds == pytest.approx(6 / 4)


def test_gymnasium_records_a_video_of_a_batch(tmp_path):
    envs = gymnasium.make_vec(
        "aigc_market/Pricing-v0", num_envs=2, max_cycles=4, render_mode="rgb_array"
    )
    envs = RecordVectorVideo(envs, str(tmp_path / "videos"), video_length=3)
    envs.reset(seed=0)
    for _ in range(4):
        envs.step(envs.action_space.sample())
    envs.close()
    assert list((tmp_path / "videos").glob("*.mp4"))


@pytest.mark.parametrize(("num_envs", "shown"), [(1, 1), (3, 3), (9, 4)])
def test_a_batch_shows_its_first_environments(num_envs, shown):
    envs = PricingVectorEnv(
        num_envs=num_envs,
        max_cycles=3,
        render_mode="rgb_array",
        satisfaction=aigc_market.Uniform(100, 300),
    )
    envs.reset(seed=0)
    opening = envs.render()
    assert [frame.shape for frame in opening] == [SHAPE] * shown
    actions = np.linspace(5, 15, num_envs, dtype="f4")[:, None]
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
def test_a_lane_looks_like_a_single_environment(scenario):
    """With the same market; lanes draw theirs from one generator, so the first of one is alike."""
    envs = PricingVectorEnv(num_envs=1, scenario=scenario, render_mode="rgb_array")
    env = PricingEnv(scenario=scenario, render_mode="rgb_array")
    for each in (envs, env):
        each.reset(seed=5)
    for price in (3.0, 9.0):
        envs.step(np.array([[price]], "f4"))
        env.step(np.array([price], "f4"))
    assert (envs.render()[0] == env.render()).all()


def test_a_batch_that_shows_nothing():
    envs = PricingVectorEnv(num_envs=2)
    with pytest.raises(gymnasium.error.ResetNeeded, match="before render"):
        envs.render()
    envs.reset(seed=0)
    with pytest.warns(UserWarning, match="without a render_mode"):
        assert envs.render() is None
    with pytest.raises(ValueError, match="render_mode must be one of"):
        PricingVectorEnv(num_envs=2, render_mode="human")
