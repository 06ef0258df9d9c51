"""The live SSIM model: what it checks, what it keeps, and what it says when something is wrong."""

import copy
import inspect
import json
import pickle
import shutil
import weakref

import numpy as np
import pytest
import torch
from painting import SIZE, request, requests, rounding, same

from aigc_market.ssim import TabulatedSSIM
from aigc_market.ssim.repaint import (
    OutOfMemoryError,
    RePaintSSIM,
    Request,
    diffusion,
    pictures,
    scene,
)

CALLS = 20
NAN, INF = float("nan"), float("inf")


@pytest.fixture
def live(tiny, tmp_path):
    """Makes services on the tiny model, with few pictures and a cache of the test's own."""

    def make(**arguments):
        few = {"schedule_calls": CALLS, "samples": 2, "cache_dir": tmp_path / "cache"}
        return RePaintSSIM(**{"checkpoint": tiny, **few, **arguments})

    return make


def watch(ssim, before=None):
    """The sizes of the batches that a service's network is called with from now on.

    It takes their pictures one by one: the size of a batch decides how libraries round.
    """
    batches, network = [], ssim.painter.network

    def counting(noisy, times):
        batches.append(len(noisy))
        if before is not None:
            before(noisy)
        return torch.cat(
            [network(*pair) for pair in zip(noisy.split(1), times.split(1), strict=True)]
        )

    give(ssim, counting)
    return batches


def give(ssim, network):
    """A service a network of the test's own, as if it had been loaded."""
    vars(ssim.painter)["network"] = network


# -- arguments --------------------------------------------------------------------------------

BAD = {  # what only this argument can get wrong; kinds of numbers are tested on the checks
    "checkpoint": [5, None, ["bundled"], "", "./nowhere", "/nowhere/at/all", "~/nowhere"],
    "device": ["tpu", "", "cuda:x", "meta", 5, None],
    "dtype": ["float64", None, torch.float32],
    "schedule_calls": [0, 1001],
    "jump_length": [0],
    "jump_n_sample": [1.5],
    "mask": ["circle", None, [[True]], np.ones((3, 3), bool), np.zeros((SIZE, SIZE), bool)],
    "images": [5, None, "nowhere", "", [], [np.zeros((4, 4, 3))], {}],
    "samples": [0],
    "seeds": ["2"],
    "region": ["known"],
    "mode": ["ddim", None],
    "max_batch": [-1],
    "compile": [1],
    "channels_last": ["yes"],
    "keep_images": [None],
    "cache_dir": [5, True, __file__],
    "engine": ["dask", None],
    "workers": [0, 2],
    "num_gpus_per_worker": [-1, NAN, 0.5],
}


def test_there_are_bad_values_of_every_argument():
    assert list(BAD) == list(inspect.signature(RePaintSSIM).parameters)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_argument_is_named(live, name):
    # A checkpoint is named by its folder, of pictures and masks each one is checked.
    named = {"images": "images?", "checkpoint": r"checkpoint|config\.json"}.get(name, name)
    for value in BAD[name]:
        with pytest.raises((TypeError, ValueError), match=named) as error:
            live(**{name: value})
        assert "must" in str(error.value)
        if np.isscalar(value) and value not in ("", __file__):
            assert str(value) in str(error.value)


def test_a_device_that_is_not_there(live):
    count = torch.cuda.device_count()
    missing = ["cuda:99", f"cuda:{count}", *([] if count else ["cuda"])]
    missing += [] if torch.backends.mps.is_available() else ["mps"]
    for device in missing:
        with pytest.raises(ValueError, match=f"device '{device}' is not there: torch sees"):
            live(device=device)


# -- serving ----------------------------------------------------------------------------------


def test_a_round_is_one_batch(live):
    ssim = live()
    batches = watch(ssim)
    asked_for = requests([7, 20, 1])
    assert ssim.serve([]) == []
    results = ssim.serve(asked_for)
    assert batches == [3] + [2] * 6 + [1] * 13
    for asked, result in zip(asked_for, results, strict=True):
        known = ~asked.mask
        assert (result.image[known] == asked.image[known]).all()
        assert result.image.shape == (SIZE, SIZE, 3)
        assert result.image.dtype == np.float32
        assert 0 <= result.image.min() <= result.image.max() <= 1
        assert -1 <= result.ssim < 1
        alone = ssim.serve([asked])[0]
        assert (alone.image == result.image).all()
        assert alone.ssim == result.ssim == ssim.quality(asked.image, alone.image, asked.mask)


def test_a_real_batch_paints_what_one_by_one_paints_to_rounding(live):
    ssim = live()
    asked = requests([7, 20, 1])
    one_by_one = [ssim.serve([each])[0] for each in asked]
    same(ssim.serve(asked), one_by_one, atol=rounding(ssim.schedule))


def test_ssim_is_of_the_region_that_counts(live):
    asked = request(5)
    whole, unknown = (live(region=region) for region in ("whole", "unknown"))
    result, other = (ssim.serve([asked])[0] for ssim in (whole, unknown))
    assert (result.image == other.image).all()
    assert other.ssim < result.ssim  # nothing in the unknown region is given
    for ssim in (whole, unknown):
        assert ssim.quality(asked.image, asked.image, asked.mask) == 1.0


def test_pictures_of_whole_numbers(live):
    image = np.round(request().image * 255).astype(np.uint8)
    result = live().serve([request(image=image)])[0]
    known = ~request().mask
    assert (result.image[known] == (image / 255.0).astype(np.float32)[known]).all()


BAD_REQUESTS = [
    ({"steps": 0}, ValueError, "steps must be a whole number from 1 to 20, got 0"),
    ({"steps": 21}, ValueError, "steps must be a whole number from 1 to 20, got 21"),
    ({"steps": 2.0}, TypeError, "steps must be a whole number"),
    ({"seed": -1}, ValueError, f"seed must be a whole number from 0 to {2**63 - 1}, got -1"),
    ({"seed": 2**63}, ValueError, f"whole number from 0 to {2**63 - 1}, got {2**63}"),
    ({"image": np.zeros((8, 8, 3))}, ValueError, r"shape \(16, 16, 3\).*got \(8, 8, 3\)"),
    ({"image": np.full((16, 16, 3), 1.5)}, ValueError, r"numbers in \[0, 1\], got 1.5 to 1.5"),
    ({"image": np.full((16, 16, 3), NAN)}, ValueError, r"numbers in \[0, 1\], got nan"),
    ({"mask": np.ones((8, 8), bool)}, ValueError, r"mask must cover some.*\(8, 8\)"),
    ({"mask": np.zeros((16, 16), bool)}, ValueError, "mask must cover some.*with 0 pixels"),
    ({"mask": "half"}, ValueError, "mask must"),
]


def test_a_bad_request_is_refused_before_anything_runs(live):
    ssim = live()
    batches = watch(ssim)
    for changed, kind, complaint in BAD_REQUESTS:
        with pytest.raises(kind, match=complaint):
            ssim.serve([request(), request(**changed)])
    with pytest.raises(TypeError, match=r"request must be a Request\(image, mask, steps, seed\)"):
        ssim.serve([tuple(request())])
    assert batches == []


def test_another_layout_paints_the_same_to_rounding_and_half_precision_nearly(live):
    ssim = live()
    plain, other_seed = (result.image for result in ssim.serve([request(CALLS), request(CALLS, 1)]))
    last, half = (
        live(**changed).serve([request(CALLS)])[0].image
        for changed in ({"channels_last": True}, {"dtype": "bfloat16"})
    )
    assert np.abs(plain - last).max() < rounding(ssim.schedule)
    assert half.dtype == np.float32
    assert 0 < np.abs(plain - half).mean() < 0.2 * np.abs(plain - other_seed).mean()


# -- memory -----------------------------------------------------------------------------------


class Activations:
    """Stands for what a network holds while it runs."""


@pytest.mark.parametrize("most", [3, 0])
def test_out_of_memory_says_what_fits(live, most):
    ssim = live(max_batch=8)
    held = []

    def hungry(noisy, times):
        assert all(earlier() is None for earlier in held), "the failed batch is still held"
        activations = Activations()
        held.append(weakref.ref(activations))
        if len(noisy) > most:
            raise torch.OutOfMemoryError("no")
        return noisy * 0

    give(ssim, hungry)
    message = f"max_batch must be at most {most} on cpu, got 8"
    with pytest.raises(OutOfMemoryError, match=message) as error:
        ssim.serve([request() for _ in range(7)])
    assert error.value.served == {}
    assert isinstance(error.value.__cause__, torch.OutOfMemoryError)
    if most:
        roomy = live(max_batch=most)
        give(roomy, hungry)
        assert len(roomy.serve([request() for _ in range(7)])) == 7


def test_out_of_memory_keeps_what_was_served(live):
    ssim = live()
    calls = []

    def shrinking(noisy):  # another program takes the memory after 4 calls
        calls.append(len(noisy))
        if len(calls) > 4 and len(noisy) > 2:
            raise torch.OutOfMemoryError("no")

    expected = ssim.serve([request(2, seed=1)])[0]
    watch(ssim, shrinking)
    asked = [request(9, seed=0), request(2, seed=1), request(9, seed=2), request(9, seed=3)]
    with pytest.raises(OutOfMemoryError, match=r"at most 2 on cpu.*1 of 4 requests") as error:
        ssim.serve(asked)
    assert list(error.value.served) == [1]
    assert error.value.served[1].ssim == expected.ssim


# -- measuring --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["executed", "respaced"])
def test_what_is_measured_is_what_is_served(live, mode):
    ssim = live(mode=mode)
    scenes = [scene(seed, SIZE) for seed in (4, 5)]
    steps = [1, 3, 8]
    batches = watch(ssim)
    values = ssim.measure(scenes, [0, 9], steps)
    assert len(batches) == 8
    assert sum(batches) == 4 * (8 if mode == "executed" else 12)
    assert values.shape == (2, 2, 3)
    for i, picture in enumerate(scenes):
        for j, seed in enumerate([0, 9]):
            mask = pictures.mask("half", picture, i)
            served = ssim.serve([Request(picture.image, mask, calls, seed) for calls in steps])
            np.testing.assert_array_equal(values[i, j], [result.ssim for result in served])


def test_bare_pictures_can_be_measured(live):
    ssim = live()
    bare, with_road = (
        ssim.measure([picture], [1], [2]) for picture in (scene(4, SIZE).image, scene(4, SIZE))
    )
    assert bare == pytest.approx(with_road)
    with pytest.raises(ValueError, match=r"mask must cover some.*'road'"):
        live(mask="road").measure([scene(4, SIZE).image], [1], [2])


def test_steps_to_be_measured_must_ascend_and_seeds_be_whole_numbers(live):
    ssim = live()
    for steps in ([], [3, 2], [2, 2], [0, 1], [21], [1.5]):
        with pytest.raises((TypeError, ValueError), match="steps must"):
            ssim.measure([scene(4, SIZE)], [0], steps)
    for seed in (-1, 1.5, 2**63):
        with pytest.raises((TypeError, ValueError), match="seed must be"):
            ssim.measure([scene(4, SIZE)], [seed], [2])


# -- the curve, and where it is kept ----------------------------------------------------------


def test_the_curve_is_measured_once(live, tmp_path):
    ssim = live(seeds=2)
    batches = watch(ssim)
    reports = []
    curve = ssim.curve(lambda done, all_of_them: reports.append((done, all_of_them)))
    assert reports == [(1, 2), (2, 2)]
    assert batches == [2] * 40
    assert curve.values.shape == (2, 2, CALLS + 1)
    np.testing.assert_array_equal(curve.steps, np.arange(CALLS + 1))
    assert curve.samples == 4
    chains = curve.values.reshape(4, -1)
    np.testing.assert_allclose(curve.mean, chains.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(curve.std, chains.std(axis=0), rtol=1e-9, atol=1e-12)
    # At 0 the unknown region is grey; from there on it is what `measure` measures.
    grey = np.where(request().mask[..., None], np.float32(0.5), request().image)
    at_zero = ssim.quality(request().image, grey, request().mask)
    np.testing.assert_array_equal(curve.values[0, :, 0], at_zero)
    measured = ssim.measure([ssim.pool[0]], [0, 1], range(1, CALLS + 1))
    np.testing.assert_array_equal(curve.values[0, :, 1:], measured[0])
    # Another service finds it on disk.
    again = live(seeds=2)
    batches = watch(again)
    np.testing.assert_array_equal(again.curve().values, curve.values)
    assert batches == []
    kept = tmp_path / "cache" / ssim.digest
    assert sorted(path.name for path in kept.iterdir()) == ["0.npy", "1.npy"]


def test_calibrating_gives_a_table(live):
    ssim = live()
    table = ssim.calibrate()
    assert isinstance(table, TabulatedSSIM)
    assert ssim.calibrate() is table
    np.testing.assert_array_equal(table.values, ssim.curve().mean)
    assert ssim.max_steps == table.max_steps == CALLS
    assert not ssim.linear_demand
    steps = np.array([0.0, 3.0, 7.5])
    np.testing.assert_array_equal(ssim(steps), table(steps))
    np.testing.assert_array_equal(ssim.gain(steps), table.gain(steps))
    bought = ssim.demand(np.linspace(0, 0.1, 999), 3.0, 17.0)
    np.testing.assert_array_equal(bought, table.demand(np.linspace(0, 0.1, 999), 3.0, 17.0))
    np.testing.assert_array_equal(bought, np.rint(bought))  # whole calls
    assert ssim.map(lambda value: value + 1) is ssim
    ours, tables = (model.demand_curve(0.0, 20.0) for model in (ssim, table))
    np.testing.assert_array_equal(ours.rates, tables.rates)
    np.testing.assert_array_equal(ours.intercepts, tables.intercepts)


def test_a_calibration_cut_short_goes_on_where_it_stopped(live, tmp_path):
    def interrupt(done, all_of_them):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        live(samples=3).curve(interrupt)
    second = live(samples=3)
    batches = watch(second)
    curve = second.curve()
    assert len(batches) == CALLS  # of the third picture alone
    whole = live(samples=3, cache_dir=tmp_path / "other").curve()  # one picture at a time too
    np.testing.assert_array_equal(curve.values, whole.values)


def test_a_file_appears_whole_or_not_at_all(monkeypatch, live, tmp_path):
    def half(file, array):
        file.write(b"half of it")
        raise OSError("the disk is full")

    monkeypatch.setattr(np, "save", half)
    with pytest.raises(OSError, match="the disk is full"):
        live().curve()
    assert not list(tmp_path.glob("cache/*/*.npy"))


def test_a_cached_file_of_something_else_is_named_and_never_unpickled(live, tmp_path):
    ssim = live()
    path = tmp_path / "cache" / ssim.digest / "0.npy"
    path.parent.mkdir(parents=True)
    for content, complaint in (
        (np.array([{}], dtype=object), "allow_pickle=False"),
        (np.zeros((1, CALLS)), "must hold 1 × 21 finite numbers"),
        (np.zeros((1, CALLS + 1), int), "must hold 1 × 21 finite numbers"),
        (np.full((1, CALLS + 1), NAN), "must hold 1 × 21 finite numbers"),
    ):
        np.save(path, content, allow_pickle=True)
        with pytest.raises(ValueError, match=complaint) as error:
            ssim.curve()
        assert str(error.value).startswith(str(path))


def test_the_digest_is_of_all_that_the_curve_depends_on(live, tiny, tmp_path):
    copied = shutil.copytree(tiny, tmp_path / "copied")
    digest = live().digest
    assert live(max_batch=3, keep_images=True, channels_last=True, cache_dir=None).digest == digest
    assert live(checkpoint=copied).digest == digest
    others = [
        live(**changed).digest
        for changed in (
            {"images": "photographs"},
            {"samples": 3},
            {"seeds": 2},
            {"mask": "box"},
            {"mask": "strokes"},
            {"region": "unknown"},
            {"mode": "respaced"},
            {"schedule_calls": 19},
            {"jump_n_sample": 2},
            {"dtype": "bfloat16"},
        )
    ]
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**config, "norm_eps": 1e-3}))
    others.append(live(checkpoint=copied).digest)
    assert len({digest, *others}) == 1 + len(others)


def test_a_curve_that_is_shipped_is_not_measured(monkeypatch, live, tmp_path):
    ssim = live()
    values = np.random.default_rng(0).random((2, 1, CALLS + 1)).astype(np.float32)
    (tmp_path / "curves").mkdir()
    np.save(tmp_path / "curves" / f"{ssim.digest}.npy", values)
    monkeypatch.setattr(diffusion, "BUNDLED", tmp_path)
    batches = watch(ssim)
    table = ssim.calibrate()
    np.testing.assert_array_equal(table.values, values.astype(np.float64).mean(axis=(0, 1)))
    np.testing.assert_array_equal(table.steps, np.arange(CALLS + 1))
    assert batches == []
    ssim.curve()  # measures, shipped or not
    assert len(batches) == 2 * CALLS


def test_random_strokes_are_the_same_in_the_curve_and_in_the_game(live):
    """Picture i has the strokes of seed i wherever it is used."""
    ssim = live(mask="strokes")
    watch(ssim)
    curve = ssim.curve()
    for i, picture in enumerate(ssim.pool):
        mask = pictures.mask("strokes", picture, i)
        served = ssim.serve([Request(picture.image, mask, 4, i)])[0]  # and noise of seed i
        assert curve.values[i, 0, 4] == served.ssim


def test_the_cache_is_the_users_own(monkeypatch, tmp_path, live):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert live(cache_dir=None).cache_dir == tmp_path / "aigc_market" / "repaint"


# -- a round of the game ----------------------------------------------------------------------


def test_a_round_draws_pictures_and_noise_from_its_generator(live):
    ssim = live()
    first, second, other = (
        ssim.serve_round([3.0, 0.0, 5.0], np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    same(first, second)
    assert any((one.image != two.image).any() for one, two in zip(first, other, strict=True))
    batches = watch(ssim)
    assert len(ssim.serve_round([0.0, 0.0], np.random.default_rng(0))) == 2
    assert batches == []


def test_a_round_is_of_whole_calls_of_the_chain(live):
    ssim = live()
    batches = watch(ssim)
    for steps in ([2.5, 1.0], [21.0, 1.0], [-1.0, 1.0], [NAN, 1.0], [["3"]], 3.0):
        with pytest.raises((TypeError, ValueError), match="steps must"):
            ssim.serve_round(steps, np.random.default_rng(0))
    assert batches == []


def test_whoever_buys_nothing_gets_the_picture_with_its_unknown_region_grey(live):
    ssim = live(samples=1, region="unknown")
    mask = pictures.mask("half", ssim.pool[0], 0)
    results = ssim.serve_round([0.0, 4.0], np.random.default_rng(0))
    assert (results[0].image[mask] == 0.5).all()
    assert (results[0].image[~mask] == ssim.pool[0].image[~mask]).all()
    assert results[0].ssim == ssim(0.0)  # one picture: what the table expects
    assert (results[1].image[mask] != 0.5).any()


# -- copies -----------------------------------------------------------------------------------


def test_a_pickle_is_small_and_serves_the_same(live):
    ssim = live(mask=request().mask)
    expected = ssim.serve([request()])[0]
    ssim.calibrate()
    content = pickle.dumps(ssim)
    assert len(content) < 20_000  # no network, no pictures
    again = pickle.loads(content)
    batches = watch(again)
    assert again.digest == ssim.digest
    np.testing.assert_array_equal(again.calibrate().values, ssim.calibrate().values)
    assert batches == []
    assert (again.serve([request()])[0].image == expected.image).all()


def test_copies_share_the_network(live):
    ssim = live()
    assert copy.deepcopy({"ssim": ssim})["ssim"] is ssim  # nothing in it changes


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_pictures_and_masks_of_ones_own_stay_what_they_were(live, kind):
    given = [scene(seed, SIZE).image.copy() for seed in (50, 51, 52)]
    own, mask = kind(given), request().mask.copy()
    ssim = live(images=own, mask=mask, samples=2)
    assert len(ssim.pool) == 2
    covered = mask.copy()
    for one in (*own, mask, *(part for given in ssim.pool for part in given)):
        one[...] = 0
    with pytest.raises(ValueError, match="read-only"):
        ssim.mask[...] = 0
    for service in (ssim, pickle.loads(pickle.dumps(ssim))):
        assert (service.mask == covered).all()
        for seed, picture in zip((50, 51), service.pool, strict=True):
            assert (picture.image == scene(seed, SIZE).image).all()
