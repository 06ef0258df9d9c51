"""Train the bundled diffusion model: python -m baselines.experiments.repaint.train_ddpm

A small unconditional DDPM (Ho et al. 2020) with a cosine schedule (Nichol and Dhariwal 2021) that
predicts the noise, trained on procedural scenes of seeds from 1,000,000 on (those below are held
out). A killed training goes on from its last checkpoint.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.pipelines.ddpm.pipeline_ddpm import DDPMPipeline
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.training_utils import EMAModel
from diffusers.utils.pil_utils import make_image_grid
from joblib import Parallel, delayed
from PIL import Image
from rich.progress import Progress

from aigc_market._files import read_arrays
from aigc_market.ssim.scenes import scene
from baselines import figures
from baselines.runs.files import write_atomically, write_csv, write_json

FIRST_TRAINING_SEED = 1_000_000
KEEP_EVERY = 250
"""Updates between checkpoints."""
SAMPLE_CALLS = 250
"""Network calls of each sample that is drawn at the end."""


@dataclass(frozen=True)
class Recipe:
    """What the model depends on."""

    size: int = 32
    """Pixels of a side."""
    channels: tuple[int, ...] = (32, 64, 96)
    """Channels at each resolution; the last one attends."""
    scenes: int = 16_000
    """Scenes in the training set; each is also seen mirrored."""
    steps: int = 4_000
    """Updates."""
    batch_size: int = 64
    """Scenes an update."""
    learning_rate: float = 8e-4
    """At its top; it warms up over 2 % of the updates and falls along a cosine."""
    ema: float = 0.995
    """Decay of the averaged weights, which are the ones kept."""
    seed: int = 0
    """Of every random choice."""


def make_model(recipe: Recipe) -> UNet2DModel:
    """The untrained network."""
    depth = len(recipe.channels)
    return UNet2DModel(
        sample_size=recipe.size,
        in_channels=3,
        out_channels=3,
        layers_per_block=1,
        block_out_channels=recipe.channels,
        down_block_types=("DownBlock2D",) * (depth - 1) + ("AttnDownBlock2D",),
        up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * (depth - 1),
        norm_num_groups=8,
        attention_head_dim=32,
    )


def training_set(recipe: Recipe, folder: Path) -> torch.Tensor:
    """(scenes, 3, size, size) uint8, drawn once and kept in the folder."""
    path = folder / f"scenes-{recipe.size}-{recipe.scenes}.npy"
    if not path.exists():
        seeds = range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + recipe.scenes)
        draw: Any = Parallel(n_jobs=-1)
        images = draw(delayed(_pixels)(seed, recipe.size) for seed in seeds)
        write_atomically(path, lambda file: np.save(file, np.stack(images)))
    return torch.from_numpy(read_arrays(path))


def _pixels(seed: int, size: int) -> np.ndarray:
    return np.round(scene(seed, size).image * 255).astype(np.uint8).transpose(2, 0, 1)


class _Training:
    """The network, what updates it, and how far it has come."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        self.model = make_model(recipe)
        weights = self.model.parameters
        self.optimizer = torch.optim.AdamW(weights(), recipe.learning_rate, weight_decay=1e-4)
        self.average = EMAModel(weights(), decay=recipe.ema, use_ema_warmup=True, power=0.75)
        self.done, self.seconds = 0, 0.0
        self.losses: list[float] = []

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            SystemExit: it is of another recipe, or no checkpoint.
        """
        try:
            kept = torch.load(path, weights_only=True)
        except Exception as error:  # of many kinds, by what is wrong with the file
            raise SystemExit(f"{path} must be a checkpoint of this training: {error}") from None
        if kept["recipe"] != json.dumps(asdict(self.recipe)):
            raise SystemExit(f"{path} belongs to another recipe: {kept['recipe']}")
        self.model.load_state_dict(kept["model"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.average.load_state_dict(kept["average"])
        self.done, self.seconds, self.losses = kept["step"], kept["seconds"], kept["losses"]

    def keep(self, path: Path) -> None:
        """Write a checkpoint."""
        content = {
            "recipe": json.dumps(asdict(self.recipe)),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict(),
            "step": self.done,
            "seconds": self.seconds,
            "losses": self.losses,
        }
        write_atomically(path, lambda file: torch.save(content, file))

    def update(self, images: torch.Tensor, noise_schedule: DDPMScheduler, bfloat16: bool) -> None:
        """One step of the optimizer, on scenes, times and noise that its number decides."""
        began, recipe, step = time.perf_counter(), self.recipe, self.done
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate * _schedule(step / recipe.steps)
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
        chosen = torch.randint(len(images), (recipe.batch_size,), generator=generator)
        clean = images[chosen].float() / 127.5 - 1.0
        mirrored = torch.rand(recipe.batch_size, generator=generator) < 0.5
        clean[mirrored] = clean[mirrored].flip(-1)
        noise = torch.randn(clean.shape, generator=generator)
        times = torch.randint(1000, (recipe.batch_size,), generator=generator)
        noisy = noise_schedule.add_noise(clean, noise, times)  # type: ignore[arg-type] (any integers)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            predicted = self.model(noisy, times).sample
        loss = (predicted.float() - noise).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.average.step(self.model.parameters())
        self.losses.append(float(loss.detach()))
        self.done += 1
        self.seconds += time.perf_counter() - began


def train(
    recipe: Recipe = Recipe(),
    out: Path = Path("results/ddpm"),
    threads: int = 0,
    bfloat16: bool = True,
) -> None:
    """Train, and write weights (fp16 safetensors), configurations, the loss curve and samples.

    Args:
        recipe: what the model depends on.
        out: folder of the checkpoints and of the result.
        threads: of torch; all cores by default.
        bfloat16: multiply in bfloat16, which halves the time on recent processors.

    Raises:
        SystemExit: the folder holds the checkpoint of another recipe.
    """
    if threads:
        torch.set_num_threads(threads)
    training, checkpoint = _Training(recipe), out / "checkpoint.pt"
    if checkpoint.exists():
        training.restore(checkpoint)
    images = training_set(recipe, out)
    noise_schedule = DDPMScheduler(1000, beta_schedule="squaredcos_cap_v2", clip_sample=True)
    training.model.train()
    with Progress() as progress:
        task = progress.add_task("training", total=recipe.steps, completed=training.done)
        while training.done < recipe.steps:
            training.update(images, noise_schedule, bfloat16)
            progress.advance(task)
            if training.done % KEEP_EVERY == 0 or training.done == recipe.steps:
                training.keep(checkpoint)
                loss, seconds = np.mean(training.losses[-250:]), training.seconds
                progress.console.print(f"{training.done} updates, {seconds:.0f} s, loss {loss:.4f}")
    model = training.model
    training.average.copy_to(model.parameters())
    model.eval()
    model.half().save_pretrained(out, safe_serialization=True)
    noise_schedule.save_config(out)
    _report(out, training)
    sheet = _samples(model.float(), noise_schedule)
    write_atomically(out / "samples.png", lambda file: sheet.save(file, "png"))


def _schedule(done: float) -> float:
    if done < 0.02:
        return done / 0.02
    return 0.02 + 0.49 * (1 + math.cos(math.pi * (done - 0.02) / 0.98))


def _report(out: Path, training: _Training) -> None:
    losses = training.losses
    rows = ({"update": i, "loss": loss} for i, loss in enumerate(losses, start=1))
    write_csv(out / "losses.csv", ("update", "loss"), rows)
    spent = {"seconds": round(training.seconds), "loss": float(np.mean(losses[-250:]))}
    write_json(out / "recipe.json", {**asdict(training.recipe), **spent})
    figure, [axes] = figures.panels(1, height=4.0)
    smooth = np.convolve(losses, np.ones(50) / 50, mode="valid")
    axes.semilogy(np.arange(len(smooth)) + 50, smooth)
    axes.set(xlabel="Update", ylabel="Loss, mean of 50 updates")
    figures.save(figure, out / "loss.png")


def _samples(model: UNet2DModel, schedule: DDPMScheduler) -> Image.Image:
    """A sheet of 6 × 8 scenes drawn from the model, four times enlarged."""
    draw: Any = DDPMPipeline(model, schedule)
    draw.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(1)
    drawn = draw(48, generator, num_inference_steps=SAMPLE_CALLS).images
    return make_image_grid(drawn, 6, 8, resize=4 * drawn[0].width)


if __name__ == "__main__":
    tyro.cli(train)
