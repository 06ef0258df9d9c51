"""What has to happen before any test module is imported."""

import os
import shutil
import warnings

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # windows without a display
os.environ["OMP_NUM_THREADS"] = "1"  # the cores are for tests side by side, here and in processes

with warnings.catch_warnings():
    # PettingZoo 1.27's test tools import its own classic games in its own deprecated way.
    warnings.filterwarnings("ignore", "The old environment creation API has been deprecated")
    import pettingzoo.test  # noqa: F401

import hypothesis
import pytest

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile(
    "tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tests")

MARKS = ("slow", "ray", "browser", "benchmarl", "peers")
_left_out = dict.fromkeys(MARKS, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """As many as there are cores for this process, of which containers may have a few of many."""
    import joblib

    return min(joblib.cpu_count(), 8)


def pytest_deselected(items):
    """Count the marked tests that `-m` left out."""
    for item in items:
        for mark in MARKS:
            _left_out[mark] += item.get_closest_marker(mark) is not None


def pytest_sessionfinish(session):
    """Tell xdist's controller, which collects nothing itself."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = _left_out


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """All of xdist's workers collect the same tests."""
    _left_out.update(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_terminal_summary(terminalreporter):
    """Say what `-m` left out, and how it runs."""
    counts = ", ".join(f"{count} {mark}" for mark, count in _left_out.items() if count)
    if counts and terminalreporter.config.option.markexpr:
        terminalreporter.write_line(f"Left out: {counts}. `make test-all` runs them too.")


@pytest.fixture(scope="session", autouse=True)
def logs_of_sb3(tmp_path_factory):
    """Not a folder of the machine's for each training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SB3_LOGDIR", str(tmp_path_factory.mktemp("sb3")))
        yield


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window."""
    sync_api = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        # Containers have no user namespaces for Chromium's sandbox; what it opens is ours.
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of Ray, for tests that leave them alive."""
    from ray_nodes import two_nodes

    with two_nodes() as nodes:
        yield nodes


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A checkpoint of random weights for pictures of 16 × 16, of the shape of real ones."""
    import torch
    from diffusers import DDPMScheduler, UNet2DModel

    folder = tmp_path_factory.mktemp("tiny")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UNet2DModel(
            sample_size=16,
            block_out_channels=(8, 16),
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            norm_num_groups=4,
            attention_head_dim=8,
            layers_per_block=1,
        )
    network.save_pretrained(folder)
    DDPMScheduler(1000, beta_schedule="squaredcos_cap_v2").save_pretrained(folder)
    return folder
