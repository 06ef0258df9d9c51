"""Runs on disk: written, read back, refused, and drawn again as films."""

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from gallery import NO_NASH, UNJUDGED
from imageio_ffmpeg import count_frames_and_secs, get_ffmpeg_exe
from rounds import competition_record, menu_record, record
from views import VIEWS, menu, pricing

import aigc_market
from aigc_market import replay
from aigc_market.rendering.frames import draw

COMPETITIONS = {
    "road": {"scenario": "road", "M": 3, "K": 5},
    "capacity and outside": {"capacity": [90.0, 400.0], "outside": 100.0, "K": 3},
    "no Nash": {"temperature": 10, "satisfaction": [150, 250], "access_cost": [[0, 30], [30, 0]]},
    "hidden": {"scenario": "hidden", "followers": "noisy"},
    "unjudged": {"judged": False},
}

GAMES = [
    *((view, {"scenario": "crowd"}) for view in ("aec", "parallel", "single")),
    *(("single", {"scenario": name}) for name in ("paper", "hidden", "drift", "shift", "capacity")),
    *((view, COMPETITIONS["road"]) for view in ("aec of several", "parallel of several")),
    *(("rival", {"rivals": "cartel", **market}) for market in COMPETITIONS.values()),
    *((view, {"satisfaction": [150, 250]}) for view in ("aec of menus", "parallel of menus")),
    ("menu", {"scenario": "hidden", "K": 30, "contracts": 12}),
]


def play(view, cycles, frames=None, **arguments):
    """The first rounds of an episode, and their frames if asked for."""
    mode = None if frames is None else "rgb_array"
    env = VIEWS[view].make(max_cycles=cycles + 1, render_mode=mode, **arguments)
    VIEWS[view].reset(env, seed=0)
    rounds, moves = [], itertools.count()
    while len(rounds) < cycles:
        VIEWS[view].move(env, next(moves))
        before = len(rounds)
        replay.collect(env, rounds)
        if frames is not None and len(rounds) > before:
            frames.append(env.render())
    return rounds


@pytest.mark.parametrize(("view", "market"), GAMES)
def test_a_replay_shows_what_the_environment_showed(view, market, tmp_path):
    frames = []
    rounds = play(view, 3, frames, **market)
    assert [record.number for record in rounds] == [1, 2, 3]
    replay.write(tmp_path / "run.jsonl", rounds)
    assert replay.read(tmp_path / "run.jsonl") == rounds
    assert [path.name for path in tmp_path.iterdir()] == ["run.jsonl"]
    for i, frame in enumerate(frames):
        assert (draw(rounds[: i + 1]) == frame).all()


@pytest.mark.parametrize("market", COMPETITIONS)
def test_what_is_not_known_of_several_providers_is_left_out(market):
    last = play("rival", 2, rivals="cartel", **COMPETITIONS[market])[-1]
    found = {"no Nash": (False, True), "unjudged": (False, False)}.get(market, (True, True))
    assert (last.nash_prices is not None, last.cartel_prices is not None) == found
    assert (last.places is not None) == (market == "road")
    assert (last.capacity is not None) == (market == "capacity and outside")


FULL = {"capacity": [200.0, 300.0, 1e4], "places": [0.0, 0.25, 0.5, 0.999]}
RUNS = {
    "one": [record(number=n, price=6 + n / 3) for n in (1, 2, 3)],
    "crowd": [record(30, number=n, active=[k % 2 > 0 for k in range(30)]) for n in (1, 2, 3)],
    "live": [record(number=1, images=["00" * 48, "80" * 48], active=[True, False])],
    "usual": [competition_record(number=n, prices=[6 + n / 3, 5.0]) for n in (1, 2, 3)],
    "full": [competition_record(3, 4, number=n, **FULL) for n in (1, 2)],
    "gaps": [competition_record(number=n, **(NO_NASH if n == 2 else {})) for n in (1, 2, 3)],
    "unjudged": [competition_record(number=1, **UNJUDGED)],
    "monopoly": [competition_record(1, 1, number=1, profit_gain=[None], mean_profit_gain=None)],
    "menu": [menu_record(number=n, steps=[80.0, 100.0 + n]) for n in (1, 2, 3)],
    "long menu": [menu_record(12, 30, number=n) for n in (1, 2)],
}


@pytest.mark.parametrize("run", RUNS)
def test_what_is_written_is_read_back(run, tmp_path):
    replay.write(tmp_path / "run.jsonl", RUNS[run])
    assert replay.read(tmp_path / "run.jsonl") == RUNS[run]


def test_a_file_of_an_earlier_version_is_read(tmp_path):
    """Whatever changes inside, these lines stay readable."""
    path = tmp_path / "run.jsonl"
    priced = ("rounds", "cost", "max_price", "min_steps", "max_steps")
    for kind, rounds, episode in (
        ("rounds", RUNS["one"], priced),
        ("competition rounds", RUNS["usual"], priced),
        ("menu rounds", RUNS["menu"], ("rounds", "cost", "max_fee", "max_steps")),
    ):
        first = rounds[0]._asdict()
        header = {"format": f"aigc_market {kind}", "version": 1}
        header.update({name: first.pop(name) for name in episode})
        path.write_text(f"{json.dumps(header)}\n{json.dumps(first)}\n")
        assert replay.read(path) == rounds[:1]


def test_records_say_what_the_infos_say():
    env = pricing(scenario="crowd", max_cycles=5)
    env.reset(seed=4)
    assert env.round_record() is None
    for t in range(5):
        there = env.market.active
        best = float(env.equilibrium.price)
        info = env.step(np.array([5 + t], "f4"))[-1]
        record = env.round_record()
        assert record.active == there.tolist()
        assert record.equilibrium_price == info["equilibrium_price"] == best
        assert record.asked == record.delivered == info["demand"].tolist()
        for name in ("price", "utility", "regret", "equilibrium_utility"):
            assert getattr(record, name) == info[name]
        assert (record.number, record.rounds) == (info["round"], 5)
    env.reset()
    assert env.round_record() is None


def test_records_of_menus_say_what_the_infos_say():
    market = {"K": 4, "satisfaction": [100, 150, 200, 250]}
    best = aigc_market.solve_menu(aigc_market.Market(**market), contracts=2)
    env = menu(**market, contracts=2, max_cycles=3)
    env.reset(seed=0)
    assert env.round_record() is None
    info = env.step(np.array([80, 500, 180, 1100], "f4"))[-1]
    record = env.round_record()
    assert np.transpose([record.steps, record.fees]).tolist() == info["menu"].tolist()
    assert np.transpose([record.best_steps, record.best_fees]) == pytest.approx(best.menu)
    assert record.taken == info["taken"].tolist() == [0, 1, 1, 2]
    assert record.best_taken == best.taken.tolist()
    for name in ("utility", "regret", "equilibrium_utility"):
        assert getattr(record, name) == info[name]
    assert (record.number, record.rounds) == (info["round"], 3)
    gain = [aigc_market.PAPER_SSIM.gain(steps) for steps in (80.0, 180.0)]
    assert record.quality == pytest.approx([g / (0.075**2 / 4 / 0.000174) for g in gain])
    surplus = [0, 150 * gain[0] - 500, 200 * gain[0] - 500, 250 * gain[1] - 1100]
    assert record.surplus == pytest.approx(surplus)


all_agents = pytest.mark.parametrize("make", [aigc_market.env, aigc_market.parallel_env])


def one_round(make, price, asked, **arguments):
    """A game in which all agents act, after a round, and its infos."""
    env = make(K=2, max_cycles=3, **arguments)
    assert env.round_record() is None
    price, *asked = (np.array([action], "f4") for action in (price, *asked))
    if make is aigc_market.env:
        env.reset(seed=0)
        for action in (price, *asked):
            assert env.round_record() is None
            env.step(action)
        return env, env.infos
    env.reset(seed=0, options={"price": price})
    return env, env.step({"asp_0": price, "vmu_0": asked[0], "vmu_1": asked[1]})[-1]


@all_agents
def test_records_of_all_agents_say_what_their_infos_say(make):
    env, infos = one_round(make, 7.0, [90.0, 110.0], capacity=150)
    record = env.round_record()
    assert record.asked == [90.0, 110.0]
    assert record.delivered == [infos[f"vmu_{k}"]["steps"] for k in range(2)] == [67.5, 82.5]
    assert record.ssim == pytest.approx([infos[f"vmu_{k}"]["ssim"] for k in range(2)])
    best = aigc_market.PAPER_SSIM.gain(0.075 / 2 / 0.000174)  # at the vertex, below S_max
    assert record.quality == pytest.approx(
        [aigc_market.PAPER_SSIM.gain(steps) / best for steps in record.delivered]
    )
    assert (record.price, record.capacity, record.active, record.images) == (7.0, 150, None, None)
    assert record.utility == pytest.approx(6 * 150)


def test_the_max_cycles_in_force_is_recorded():
    env = aigc_market.env()
    env.max_cycles = 2  # as PettingZoo's tests do
    env.reset(seed=0)
    for action in ([8.0], [50.0], [50.0]):
        env.step(np.array(action, "f4"))
    assert env.round_record().rounds == 2


@all_agents
def test_live_images_are_in_the_record(make, tiny, tmp_path):
    from aigc_market.ssim import RePaintSSIM

    picture = np.full((1, 16, 16, 3), 0.25, "f4")
    live = RePaintSSIM(tiny, images=picture, seeds=1, schedule_calls=20, cache_dir=tmp_path)
    market = {"ssim": live, "max_steps": 20, "min_steps": 0, "render_mode": "rgb_array"}
    env, infos = one_round(make, 3.0, [0.0, 12.0], **market)
    record = env.round_record()
    assert "image" not in infos["vmu_0"]
    assert record.ssim == pytest.approx([infos[f"vmu_{k}"]["ssim"] for k in range(2)])
    pixels = [np.frombuffer(bytes.fromhex(image), np.uint8) for image in record.images]
    assert [image.shape for image in pixels] == [(16 * 16 * 3,)] * 2
    nothing = pixels[0].reshape(16, 16, 3)  # the half that was not bought stays grey
    assert {tuple(colour) for colour in nothing.reshape(-1, 3)} == {(64, 64, 64), (128, 128, 128)}
    assert (pixels[1] != pixels[0]).any()
    replay.write(tmp_path / "run.jsonl", [record])
    assert replay.read(tmp_path / "run.jsonl") == [record]
    assert (draw([record]) == env.render()).all()


# -- what is refused -------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    """Writes a file of three rounds, of which a line is spoilt."""

    def spoil(line, change, rounds=RUNS["one"]):
        path = tmp_path / "run.jsonl"
        replay.write(path, rounds)
        lines = path.read_text().splitlines()
        values = json.loads(lines[line - 1])
        lines[line - 1] = change if isinstance(change, str) else json.dumps({**values, **change})
        path.write_text("\n".join(lines))
        return path

    return spoil


FINITE = "must be finite numbers"
TINY = "must be finite numbers at least 1e-100"
BAD = {
    "one": [
        (1, "hello", r"must be a JSON object \(.*\), got 'hello'"),
        (1, {"format": "other"}, "the header must hold .*aigc_market rounds"),
        (1, {"version": 2}, "the header must hold .*'version': 1"),
        (1, {"cost": "1"}, f"cost {FINITE} at least 0 and.*, got '1'"),
        (1, {"rounds": 0}, "rounds must be a whole number of at least 1, got 0"),
        (1, {"rounds": 10**200}, r"rounds must be .* at most 1e\+100"),
        (1, {"max_steps": 0}, f"max_steps {TINY} and.*, got 0"),
        (2, {"utility": 1e308}, r"utility must be .* at most 1e\+100, got 1e\+308"),
        (2, {"quality": [0.5, -1e200]}, r"quality\[1\] must be .* at least -1e\+100.*, got -1e"),
        (3, {"price": -1.0}, f"price {FINITE} at least 0 and.*, got -1.0"),
        (3, {"asked": 3}, "asked must be a list, one value a .*, got 3"),
        (3, {"asked": [3, "x"]}, rf"asked\[1\] {FINITE}.*, got 'x'"),
        (3, {"asked": [1.0]}, "asked must hold 2 values, one a VMU, got 1"),
        (3, {"asked": [3, 1e50]}, r"asked must be at most max_steps = 250, got 1e\+50"),
        (3, {"delivered": [3, 251]}, "delivered must be at most max_steps = 250, got 251"),
        (3, {"active": [1, 0]}, r"active\[0\] must be True or False, got 1"),
        (3, {"images": ["zz", "00"]}, r"images\[0\] must be a square RGB image.*'zz'"),
        (3, {"images": ["00" * 6] * 2}, r"images\[0\] must be a square RGB image"),
        (3, {"number": 5}, "number must be 2, after 1, got 5"),
        (4, {"capacity": 0}, f"capacity {TINY} and.*, got 0"),
        (4, '{"number": 3}', "price is missing"),
    ],
    "usual": [
        (1, {"format": "other"}, "the header must hold .*aigc_market competition rounds"),
        (1, {"cost": 1.0}, "cost must be a list, one value a .*, got 1.0"),
        (1, {"cost": []}, r"cost must be a list, one value a .*, got \[\]"),
        (1, {"cost": [1.0]}, "max_price must hold 1 values, one a provider, got 2"),
        (2, {"prices": [6.0, -1]}, rf"prices\[1\] {FINITE} at least 0 and.*, got"),
        (2, {"nash_prices": [5.0]}, "nash_prices must hold 2 values, one a provider"),
        (2, {"nash_prices": None}, "nash_utility must be null where nash_prices is"),
        (2, {"nash_prices": None, "nash_utility": None}, "profit_gain must be null where nash_pr"),
        (2, {"cartel_prices": None}, "cartel_utility must be null where cartel_prices"),
        (3, {"profit_gain": [0.1, "x"]}, rf"profit_gain\[1\] {FINITE}"),
        (3, {"capacity": [0, 1]}, rf"capacity\[0\] {TINY} and.*, got 0"),
        (3, {"shares": [[0.5] * 2]}, "shares must hold 2 values, one a provider"),
        (3, {"shares": [[0.5] * 2, [0.5]]}, r"shares\[1\] must hold 2 values, one a VMU"),
        (3, {"shares": [[0.9] * 2] * 2}, "shares must add up to 1 at most.*1.8 of VMU 0"),
        (3, {"shares": [[1.5, 0]] * 2}, r"shares\[0\]\[0\] must be .* at most 1.*got 1.5"),
        (3, {"demand": [[1.0, 251]] * 2}, r"demand\[0\] must be at most max_steps = 250"),
        (3, {"demand": [[1.0, -1]] * 2}, rf"demand\[0\]\[1\] {FINITE} at"),
        (3, {"sold": [200.0, 1.0]}, r"sold\[0\] must be at most what was asked for there, 129"),
        (3, {"places": [0.5, 1.0]}, rf"places\[1\] {FINITE}.*below 1, got 1"),
    ],
    "menu": [
        (1, {"format": "aigc_market menu"}, "the header must hold .*aigc_market menu rounds"),
        (1, {"max_fee": -1}, f"max_fee {FINITE} at least 0 and.*, got -1"),
        (1, {"max_steps": 0}, f"max_steps {TINY} and.*, got 0"),
        (2, {"steps": [80.0]}, "fees must hold 1 values, one a contract, got 2"),
        (3, {"steps": [80.0, 251]}, "steps must be at most max_steps = 250, got 251"),
        (3, {"best_steps": [80.0, 251]}, "best_steps must be at most max_steps = 250, got 251"),
        (3, {"fees": [80.0, 2021]}, "fees must be at most max_fee = 2020.5, got 2021"),
        (3, {"fees": [80.0, -1]}, rf"fees\[1\] {FINITE} at least 0 and.*, got -1"),
        (3, {"taken": [0, 3]}, "taken must be at most the number of contracts = 2, got 3"),
        (3, {"best_taken": [0, 3]}, "best_taken must be at most the number of contracts = 2"),
        (3, {"taken": [0, -1]}, r"taken\[1\] must be a whole number of at least 0, got -1"),
        (4, '{"number": 3}', "steps is missing"),
    ],
}


@pytest.mark.parametrize(
    ("kind", "line", "change", "complaint"),
    [(kind, *each) for kind, bad in BAD.items() for each in bad],
)
def test_a_bad_file_is_refused_by_line_and_field(run, kind, line, change, complaint):
    path = run(line, change, RUNS[kind])
    with pytest.raises(ValueError, match=f"line {line}: {complaint}") as caught:
        replay.read(path)
    assert str(caught.value).startswith(str(path))


def test_a_line_less_is_but_a_shorter_run(run):
    assert len(replay.read(run(4, ""))) == 2


@pytest.mark.parametrize("text", ["", "header"])
def test_a_file_without_rounds_is_refused(run, text, tmp_path):
    path = run(1, {})
    path.write_text(path.read_text().splitlines()[0] if text else "")
    with pytest.raises(ValueError, match="at least one round"):
        replay.read(path)


def test_a_value_is_refused_however_deep_it_is(run):
    for depth in range(50, 1000, 50):  # up to where Python itself gives up
        path = run(2, '{"number": 1, "price": %s}' % ("[" * depth + "]" * depth))
        with pytest.raises(ValueError, match=r"line 2: ") as caught:
            replay.read(path)
        assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("size", "kind"),
    [
        *((1e100, kind) for kind in ("one", "crowd", "usual", "full", "menu", "long menu")),
        *((1e-100, kind) for kind in ("one", "full", "menu")),
        *((5e-324, kind) for kind in ("crowd", "usual", "long menu")),
    ],
)
def test_whatever_is_read_can_be_drawn(kind, size, tmp_path):
    path = tmp_path / "run.jsonl"
    replay.write(path, RUNS[kind])
    header, *lines = map(json.loads, path.read_text().splitlines())

    def spoiled(value):
        if isinstance(value, list):
            return [spoiled(part) for part in value]
        return size if isinstance(value, float) else value

    names = [*header, *lines[-1]]
    for name in names:
        changed = [
            {**values, **({name: spoiled(values[name])} if name in values else {})}
            for values in (header, *lines)
        ]
        path.write_text("".join(f"{json.dumps(values)}\n" for values in changed))
        try:
            rounds = replay.read(path)
        except ValueError:  # no such market
            limited = {"max_steps", "asked", "delivered", "demand", "sold", "shares", "places"}
            assert name in limited | {"capacity", "steps", "fees", "best_steps", "max_fee"}
            continue
        assert draw(rounds).shape == (640, 960, 3)


def test_a_binary_file_is_refused(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ValueError, match="line 1: must be a JSON object"):
        replay.read(path)


def test_what_is_no_episode_is_not_written(tmp_path):
    one, several, menu = RUNS["one"], RUNS["usual"], RUNS["menu"]
    path = tmp_path / "run.jsonl"
    for bad, complaint in (
        ([], "rounds must hold at least one round"),
        ([one[0], one[2]], r"rounds\[1\]: number must be 2, after 1, got 3"),
        ([one[0], one[1]._replace(rounds=4)], r"rounds\[1\] must be of the same episode"),
        ([one[0], record(5, number=2)], r"rounds\[1\] must be of the same episode"),
        ([one[0], several[1]], r"rounds\[1\] must be of the same episode"),
        ([one[0]._replace(price=float("inf"))], "not JSON compliant"),
        ([several[0], competition_record(3, number=2)], "must be of the same episode"),
        ([several[0], competition_record(K=3, number=2)], "must be of the same episode"),
        ([menu[0], menu_record(3, number=2)], "must be of the same episode"),
        ([menu[0], menu_record(K=3, number=2)], "must be of the same episode"),
    ):
        with pytest.raises(ValueError, match=complaint):
            replay.write(path, bad)
        assert not path.exists()
    with pytest.raises(TypeError, match=r"rounds must be records, Round or .* or MenuRound, got 5"):
        replay.write(path, [5])
    replay.write(path, one[1:])  # a part of an episode is fine
    assert replay.read(path) == one[1:]


# -- films -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name"),
    [("one", "run.gif"), ("menu", "run.gif"), ("full", "RUN.MP4"), ("monopoly", "run.mp4")],
)
def test_a_film(kind, name, tmp_path):
    rounds, path = RUNS[kind], tmp_path / name
    replay.write_video(rounds, path, fps=2.5)
    assert count_frames_and_secs(path) == (len(rounds), pytest.approx(len(rounds) / 2.5))
    command = [get_ffmpeg_exe(), "-loglevel", "error", "-i", path]
    command += ["-r", "2.5", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    content = subprocess.run(command, capture_output=True, check=True).stdout
    shown = np.frombuffer(content, np.uint8).reshape(-1, 640, 960, 3).astype(int)
    assert len(shown) == len(rounds)
    for i, frame in enumerate(shown):
        assert np.abs(frame - draw(rounds[: i + 1])).mean() < 4


@pytest.mark.parametrize(
    ("name", "rounds", "fps", "complaint"),
    [
        ("run.avi", 1, 4, r"path must end in .gif or .mp4, got '.*run.avi'"),
        ("run", 1, 4, "path must end in .gif or .mp4"),
        ("run.gif", 0, 4, "rounds must hold at least one round"),
        ("run.mp4", 1, 0, "fps must be finite numbers above 0, got 0"),
    ],
)
def test_a_film_that_cannot_be(name, rounds, fps, complaint, tmp_path):
    with pytest.raises(ValueError, match=complaint):
        replay.write_video(RUNS["one"][:rounds], tmp_path / name, fps=fps)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("module", "name"), [("imageio_ffmpeg", "a.mp4"), ("PIL", "a.gif")])
def test_without_the_extra_it_says_what_to_install(module, name, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"pip install 'aigc-market\[render\]'"):
        replay.write_video(RUNS["one"], tmp_path / name)
