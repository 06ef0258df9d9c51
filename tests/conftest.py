"""What has to happen before any test module is imported."""

import os
import warnings

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # windows without a display

with warnings.catch_warnings():
    # PettingZoo 1.27's test tools import its own classic games in its own deprecated way.
    warnings.filterwarnings("ignore", "The old environment creation API has been deprecated")
    import pettingzoo.test  # noqa: F401

import pytest


@pytest.fixture(scope="module")
def one_thread():
    """Tiny networks are slower on many threads than on one."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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
