"""Training the diffusion model: what was cut short ends as if it had not been."""

import json

import joblib
import pytest

pytest.importorskip("diffusers", reason="needs the extra 'repaint'")

from baselines.experiments.repaint import train_ddpm
from baselines.experiments.repaint.train_ddpm import Recipe, train

TINY = Recipe(size=16, channels=(8, 32), scenes=12, steps=7, batch_size=4)
RESULTS = ("diffusion_pytorch_model.safetensors", "config.json", "losses.csv")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Checkpoints every three updates, few samples at the end, and no processes to be started."""
    monkeypatch.setattr(train_ddpm, "KEEP_EVERY", 3)
    monkeypatch.setattr(train_ddpm, "SAMPLE_CALLS", 2)
    with joblib.parallel_config("threading"):
        yield


def results(out):
    return [(out / name).read_bytes() for name in RESULTS]


@pytest.mark.parametrize(("bfloat16", "last"), [(False, 2), (True, 5)])
def test_a_training_cut_short_ends_with_the_same_weights(tmp_path, monkeypatch, bfloat16, last):
    train(TINY, tmp_path / "whole", bfloat16=bfloat16)
    step, updates = train_ddpm.EMAModel.step, []

    def cut_short(average, parameters):
        updates.append(None)
        if len(updates) > last:
            raise KeyboardInterrupt
        step(average, parameters)

    with monkeypatch.context() as patch:
        patch.setattr(train_ddpm.EMAModel, "step", cut_short)
        with pytest.raises(KeyboardInterrupt):
            train(TINY, tmp_path / "cut", bfloat16=bfloat16)
    assert (tmp_path / "cut" / "checkpoint.pt").exists() == (last >= 3)
    done = []
    monkeypatch.setattr(
        train_ddpm.EMAModel, "step", lambda *arguments: done.append(step(*arguments))
    )
    train(TINY, tmp_path / "cut", bfloat16=bfloat16)
    assert len(done) == 7 - 3 * (last // 3)  # those after the last checkpoint
    assert results(tmp_path / "cut") == results(tmp_path / "whole")
    assert (tmp_path / "cut" / "samples.png").read_bytes() == (
        tmp_path / "whole" / "samples.png"
    ).read_bytes()


def test_what_is_trained_can_be_painted_with_and_trained_no_further_nor_otherwise(tmp_path):
    from aigc_market.ssim import RePaintSSIM

    train(TINY, tmp_path)
    before = results(tmp_path)
    assert json.loads((tmp_path / "recipe.json").read_text())["steps"] == 7
    service = RePaintSSIM(tmp_path, schedule_calls=5, samples=1, cache_dir=tmp_path / "cache")
    assert service.calibrate().max_steps == 5
    train(TINY, tmp_path)  # nothing is left to do
    assert results(tmp_path) == before
    with pytest.raises(SystemExit, match="belongs to another recipe"):
        train(Recipe(**{**vars(TINY), "learning_rate": 1e-4}), tmp_path)
