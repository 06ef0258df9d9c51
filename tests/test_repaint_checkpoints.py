"""Diffusion models from files: what is loaded, and what is refused and named."""

import json
import os
import shutil

import huggingface_hub.constants
import pytest
import safetensors.torch
import torch
from diffusers import DDPMScheduler, UNet2DModel

from aigc_market.ssim.repaint import CheckpointError, diffusion

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def copied(tiny, tmp_path):
    """A checkpoint to be tampered with."""
    return shutil.copytree(tiny, tmp_path / "copied")


# -- ways to spoil a folder -------------------------------------------------------------------


def without(name):
    return lambda folder: (folder / name).unlink()


def changed(name, **settings):
    """Other settings in a file; `...` takes one away."""

    def change(folder):
        config = {**json.loads((folder / name).read_text()), **settings}
        kept = {key: value for key, value in config.items() if value is not ...}
        (folder / name).write_text(json.dumps(kept))

    return change


def reweighed(function):
    def reweigh(folder):
        weights = safetensors.torch.load_file(folder / WEIGHTS)
        metadata = {"format": "pt"}
        safetensors.torch.save_file(function(weights), folder / WEIGHTS, metadata=metadata)

    return reweigh


CONFIG, SCHEDULER = "config.json", "scheduler_config.json"
UNREADABLE = r"config\.json: must be (a JSON object|text in UTF-8)"
UNLOADABLE = "could not be loaded as a UNet2DModel"
NAMED = {
    CONFIG: ("sample_size", "block_out_channels", "in_channels"),
    SCHEDULER: ("beta_schedule", "num_train_timesteps"),
}
SPOILED = {
    "no weights": (without(WEIGHTS), r"must hold .*safetensors: it is not there"),
    "no config": (without(CONFIG), r"must hold config\.json: it is not there"),
    "no scheduler": (without(SCHEDULER), r"must hold scheduler_config\.json: it is not there"),
    "empty": (lambda folder: (folder / WEIGHTS).write_bytes(b""), UNLOADABLE),
    "half": (lambda folder: os.truncate(folder / WEIGHTS, 5000), UNLOADABLE),
    "half a config": (lambda folder: (folder / CONFIG).write_bytes(b"{"), UNREADABLE),
    "a config in another code": (lambda folder: (folder / CONFIG).write_bytes(b"\xff"), UNREADABLE),
    **{
        f"no {key}": (changed(name, **{key: ...}), rf"{name} must name {key}")
        for name, keys in NAMED.items()
        for key in keys
    },
    "predicts something else": (
        changed(SCHEDULER, prediction_type="v_prediction"),
        r"must predict epsilon \(noise\), not v_prediction",
    ),
    "unknown betas": (changed(SCHEDULER, beta_schedule="wavy"), "could not be loaded.*wavy"),
    **{
        f"{number}": (
            reweighed(lambda w, n=number: {**w, "conv_out.bias": torch.tensor([0.0, n, 0.0])}),
            r"finite weights.*conv_out\.bias and 0 more",
        )
        for number in (float("nan"), -float("inf"))
    },
    "some missing": (  # which diffusers would make up
        reweighed(lambda weights: {k: v for k, v in weights.items() if "conv_in" not in k}),
        r"got missing keys conv_in\.(bias|weight) and 1",
    ),
    "some too many": (
        reweighed(lambda weights: {**weights, "extra.weight": torch.zeros(2)}),
        r"got unexpected keys extra\.weight and 0 more",
    ),
    "of another shape": (
        reweighed(lambda _: {"conv_in.weight": torch.zeros(8, 3, 5, 5)}),
        UNLOADABLE,
    ),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_folder_that_is_spoiled_is_refused(copied, how):
    spoil, complaint = SPOILED[how]
    spoil(copied)
    with pytest.raises(CheckpointError, match=complaint):
        diffusion.load(str(copied))


def test_the_digest_is_of_the_weights_and_all_settings(copied, tiny):
    digests = [diffusion.load(str(tiny)).digest]
    assert diffusion.load(str(copied)).digest == digests[0]
    for change in (
        changed(SCHEDULER, clip_sample=False),
        changed(SCHEDULER, clip_sample=True, beta_schedule="linear"),
        changed(CONFIG, norm_eps=1e-3),
        reweighed(lambda weights: {name: value * 1.001 for name, value in weights.items()}),
    ):
        change(copied)
        digests.append(diffusion.load(str(copied)).digest)
    assert len(set(digests)) == 5


# -- pickles ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["diffusion_pytorch_model.bin", "model.ckpt"])
@pytest.mark.parametrize("nested", [False, True], ids=["a model", "a pipeline"])
def test_pickles_are_refused(copied, tmp_path, nested, name):
    folder = tmp_path / "pipeline" if nested else copied
    if nested:
        for part in ("unet", "scheduler"):
            shutil.copytree(copied, folder / part)
        assert diffusion.load(str(folder)).digest == diffusion.load(str(copied)).digest
    weights = (folder / "unet" if nested else folder) / WEIGHTS
    weights.rename(weights.with_name(name))
    with pytest.raises(CheckpointError, match=rf"{name}: unpickling a file can run any code"):
        diffusion.load(str(folder))


def test_pickles_beside_safetensors_are_not_touched(copied, tiny):
    (copied / "diffusion_pytorch_model.bin").write_bytes(b"\x80")
    assert diffusion.load(str(copied)).digest == diffusion.load(str(tiny)).digest


def test_pickles_are_not_asked_of_the_hub_either(monkeypatch):
    asked = {}

    def from_pretrained(source, **options):
        asked.update(options, source=source)
        raise OSError("nothing in safetensors there")

    monkeypatch.setattr(UNet2DModel, "from_pretrained", from_pretrained)
    with pytest.raises(CheckpointError, match="nothing in safetensors there"):
        diffusion.load("nobody/pickles")
    assert asked["source"] == "nobody/pickles"
    assert asked["use_safetensors"] is True  # None would fall back on pickles


# -- other places and other models ------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The `local_dir_use_symlinks` argument")  # diffusers' own
@pytest.mark.parametrize("name", ["google/ddpm-ema-celebahq-256", "nothing"])
def test_a_hub_id_without_a_network(monkeypatch, tmp_path, name):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match=f"checkpoint '{name}' could not be loaded"):
        diffusion.load(name)


def test_a_package_without_its_model_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(diffusion, "BUNDLED", tmp_path / "bundled")
    with pytest.raises(CheckpointError, match=r"checkpoint 'bundled' must be the folder .*bundled"):
        diffusion.load("bundled")


def test_old_names_of_attention_weights_are_known(copied, tiny):
    """Those of google/ddpm-ema-celebahq-256."""
    names = {"to_q.": "query.", "to_k.": "key.", "to_v.": "value.", "to_out.0.": "proj_attn."}

    def rename(weights):
        for new, old in names.items():
            weights = {name.replace(new, old): value for name, value in weights.items()}
        return weights

    reweighed(rename)(copied)
    assert diffusion.load(str(copied)).digest == diffusion.load(str(tiny)).digest


def made(folder, half=False, **settings):
    small = {"block_out_channels": (4, 4), "norm_num_groups": 2, "layers_per_block": 1}
    small["attention_head_dim"] = None
    plain = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    network = UNet2DModel(**{**small, **plain, **settings})
    (network.half() if half else network).save_pretrained(folder)
    DDPMScheduler(1000).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"in_channels": 1, "out_channels": 1}, "must take and give 3 channels"),
        ({"out_channels": 6}, "must take and give 3 channels"),
        ({"sample_size": 8}, "sample_size of at least 11 pixels, .*got 8"),
        ({"sample_size": [16, 16]}, r"sample_size of at least 11 pixels, .*got \[16, 16\]"),
    ],
)
def test_pictures_that_cannot_be_painted_or_measured(tmp_path, settings, complaint):
    folder = made(tmp_path, **{"sample_size": 16, **settings})
    with pytest.raises(CheckpointError, match=complaint):
        diffusion.load(folder)


@pytest.mark.slow  # 113 million weights
def test_a_model_of_the_size_of_celebahqs_is_accepted(tmp_path):
    """The architecture of google/ddpm-ema-celebahq-256, with random weights."""
    folder = made(
        tmp_path,
        half=True,  # half the file
        sample_size=256,
        block_out_channels=(128, 128, 256, 256, 512, 512),
        layers_per_block=2,
        norm_num_groups=32,
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
        norm_eps=1e-6,
        down_block_types=("DownBlock2D",) * 4 + ("AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D") + ("UpBlock2D",) * 4,
    )
    loaded = diffusion.load(folder)
    shutil.rmtree(folder)  # 230 MB
    assert loaded.size == 256
    assert loaded.alphas_cumprod.shape == (1000,)
    assert sum(p.numel() for p in loaded.network.parameters()) == 113_673_219
    assert {p.dtype for p in loaded.network.parameters()} == {torch.float32}
