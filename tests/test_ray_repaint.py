"""Live images on a Ray cluster are those of one process."""

import itertools
import pickle
import sys

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs the extra 'ray'")
pytest.importorskip("diffusers", reason="needs the extra 'repaint'")

from painting import SIZE, request, requests, rounding, same

import aigc_market
from aigc_market.ssim.repaint import RePaintSSIM

pytestmark = pytest.mark.ray

CALLS = 40


@pytest.fixture(scope="module")
def service(cluster, tiny, tmp_path_factory):
    """One for all tests that leave it as it was: its actors take seconds to start."""
    return make(tiny, tmp_path_factory.mktemp("cache"), engine="ray", workers=2)


@pytest.fixture(scope="module")
def local(tiny, tmp_path_factory):
    return make(tiny, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def calibration(service):
    """The curve, which is measured once, and what was reported meanwhile."""
    reports = []
    return service.curve(lambda done, count: reports.append((done, count))), reports


def make(tiny, folder, **arguments):
    few = {"schedule_calls": CALLS, "samples": 3, "cache_dir": folder}
    return RePaintSSIM(**{"checkpoint": tiny, **few, **arguments})


def alike(results, others, service):
    """The same to rounding, as from other batches; those of other requests are far off."""
    same(results, others, atol=rounding(service.schedule))
    for one, two in itertools.pairwise(results):
        assert np.abs(one.image - two.image).max() > 5 * rounding(service.schedule)


# -- what is served ---------------------------------------------------------------------------


def test_a_round_is_that_of_one_process(service, local):
    asked = requests([7, 20, 1, 12, 5])
    results = service.serve(asked)
    alike(results, local.serve(asked), service)
    same(results, service.serve(asked))  # in the same batches
    assert service.serve([]) == []
    alike(service.serve(asked[:1]), results[:1], service)


def test_arrays_as_ray_hands_them_over_are_painted_on(local):
    asked = request()
    for array in (asked.image, asked.mask):
        array.flags.writeable = False
    assert local.painter.serve([asked])[0].image.shape == (SIZE, SIZE, 3)  # and torch is silent


def test_a_calibration_is_that_of_one_process(service, local, calibration):
    assert service.digest == local.digest  # so either finds what the other has kept
    curve, reports = calibration
    assert reports == [(2, 3), (3, 3)]  # two workers, two pictures at once
    expected = local.curve().values
    np.testing.assert_allclose(curve.values, expected, rtol=0, atol=rounding(local.schedule))
    assert len(list(service.cache_dir.glob("*/*.npy"))) == 3


@pytest.mark.usefixtures("calibration")
def test_an_environment_is_served_by_the_cluster(service, local):
    played = []
    for ssim in (service, local):
        env = aigc_market.env(K=3, ssim=ssim, satisfaction=4000.0, max_steps=CALLS, max_cycles=2)
        env.reset(seed=5)
        for agent in env.agent_iter(max_iter=8):
            env.last()
            env.step(np.array([9.0 if agent == "asp_0" else 15.0], "f4"))
        played.append([env.infos[f"vmu_{k}"]["ssim"] for k in range(3)])
    np.testing.assert_allclose(*played, rtol=0, atol=rounding(local.schedule))
    assert len(set(played[0])) == 3


def test_a_pickle_holds_no_actors_and_serves_the_same(service):
    content = pickle.dumps(service)
    assert len(content) < 20_000
    again = pickle.loads(content)
    assert "_painters" not in vars(again)


# -- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"device": "cuda"}, "num_gpus_per_worker must be above 0 with device 'cuda', got 0"),
        ({"num_gpus_per_worker": 1}, "num_gpus_per_worker must be 0 with device 'cpu', got 1"),
        ({"device": "cuda:1"}, "device must be 'cpu' or 'cuda' with engine 'ray'.*got 'cuda:1'"),
        ({"device": "mps"}, "device must be 'cpu' or 'cuda' with engine 'ray'.*got 'mps'"),
        ({"device": 5}, "device must be 'cpu' or 'cuda' with engine 'ray'.*got 5"),
        (
            {"device": "cuda", "num_gpus_per_worker": 1.5},
            "num_gpus_per_worker above 1 must be a whole number, got 1.5",
        ),
        (
            {"device": "cuda", "num_gpus_per_worker": 1},
            "workers must be at most 0 with num_gpus_per_worker=1 on this cluster, got 1: each "
            "takes 1 CPU and 1 GPUs, its nodes have 1 and 0, 1 and 0",
        ),
        (
            {"workers": 3},
            "workers must be at most 2 with num_gpus_per_worker=0 on this cluster, got 3",
        ),
    ],
)
def test_what_the_cluster_cannot_do_is_said_at_once(cluster, tiny, tmp_path, arguments, complaint):
    with pytest.raises(ValueError, match=complaint):  # Ray itself would wait for ever
        make(tiny, tmp_path, engine="ray", **arguments)


def test_without_ray_it_says_what_to_install(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "aigc_market.ssim.repaint.fleet", raising=False)
    with pytest.raises(ImportError, match=r"engine 'ray' needs Ray: pip install"):
        make(tiny, tmp_path, engine="ray")
