"""Train the bundled diffusion model: python -m baselines.experiments.repaint.train_ddpm

A small unconditional DDPM (Ho et al. 2020) with a cosine schedule (Nichol and Dhariwal 2021) that
predicts the noise, trained on procedural scenes of seeds from 1,000,000 on (those below are held
out). A killed training goes on from its last checkpoint.
"""

from __future__ import annotations

import csv
import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.training_utils import EMAModel
from joblib import Parallel, delayed
from matplotlib.figure import Figure
from PIL import Image
from rich.progress import Progress

from aigc_market.ssim.scenes import scene

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
        partial = path.with_suffix(".tmp")
        with open(partial, "wb") as file:
            np.save(file, np.stack(images))
        os.replace(partial, path)
    return torch.from_numpy(np.load(path))


def _pixels(seed: int, size: int) -> np.ndarray:
    return np.round(scene(seed, size).image * 255).astype(np.uint8).transpose(2, 0, 1)


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
    """
    if threads:
        torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    images = training_set(recipe, out)
    torch.manual_seed(recipe.seed)
    model = make_model(recipe)
    noise_schedule = DDPMScheduler(1000, beta_schedule="squaredcos_cap_v2", clip_sample=True)
    optimizer = torch.optim.AdamW(model.parameters(), recipe.learning_rate, weight_decay=1e-4)
    average = EMAModel(model.parameters(), decay=recipe.ema, use_ema_warmup=True, power=0.75)
    checkpoint = out / "checkpoint.pt"
    first, seconds, losses = 0, 0.0, []
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        if kept["recipe"] != json.dumps(asdict(recipe)):
            raise SystemExit(f"{checkpoint} belongs to another recipe: {kept['recipe']}")
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        average.load_state_dict(kept["average"])
        first, seconds, losses = kept["step"], kept["seconds"], kept["losses"]

    def keep(step: int) -> None:
        content = {
            "recipe": json.dumps(asdict(recipe)),
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "average": average.state_dict(),
            "step": step,
            "seconds": seconds,
            "losses": losses,
        }
        torch.save(content, out / "checkpoint.tmp")
        os.replace(out / "checkpoint.tmp", checkpoint)

    model.train()
    with Progress() as progress:
        task = progress.add_task("training", total=recipe.steps, completed=first)
        for step in range(first, recipe.steps):
            began = time.perf_counter()
            for group in optimizer.param_groups:
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
                predicted = model(noisy, times).sample
            loss = (predicted.float() - noise).square().mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            average.step(model.parameters())
            losses.append(float(loss.detach()))
            seconds += time.perf_counter() - began
            progress.advance(task)
            if (step + 1) % KEEP_EVERY == 0 or step + 1 == recipe.steps:
                keep(step + 1)
                recent = np.mean(losses[-250:])
                progress.console.print(f"{step + 1} updates, {seconds:.0f} s, loss {recent:.4f}")
    average.copy_to(model.parameters())
    model.eval()
    model.half().save_pretrained(out, safe_serialization=True)
    noise_schedule.save_config(out)
    _report(out, recipe, losses, seconds)
    _samples(model.float(), noise_schedule, recipe.size).save(out / "samples.png")


def _schedule(done: float) -> float:
    if done < 0.02:
        return done / 0.02
    return 0.02 + 0.49 * (1 + math.cos(math.pi * (done - 0.02) / 0.98))


def _report(out: Path, recipe: Recipe, losses: list[float], seconds: float) -> None:
    with open(out / "losses.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["update", "loss"])
        writer.writerows(enumerate(losses, start=1))
    summary = {**asdict(recipe), "seconds": round(seconds), "loss": float(np.mean(losses[-250:]))}
    (out / "recipe.json").write_text(json.dumps(summary, indent=1) + "\n")
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    smooth = np.convolve(losses, np.ones(50) / 50, mode="valid")
    axes.semilogy(np.arange(len(smooth)) + 50, smooth)
    axes.set_xlabel("Update")
    axes.set_ylabel("Loss, mean of 50 updates")
    axes.grid(alpha=0.3, which="both")
    figure.savefig(out / "loss.png", dpi=150)


def _samples(model: UNet2DModel, schedule: DDPMScheduler, size: int) -> Image.Image:
    """A sheet of 4 × 12 scenes drawn from the model, three times enlarged."""
    generator = torch.Generator().manual_seed(1)
    pictures = torch.randn(48, 3, size, size, generator=generator)
    schedule.set_timesteps(SAMPLE_CALLS)
    with torch.no_grad():
        for t in schedule.timesteps:
            predicted = model(pictures, t).sample
            step: Any = schedule.step(predicted, int(t), pictures, generator=generator)
            pictures = step.prev_sample
    pixels = ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    sheet = np.concatenate(
        [np.concatenate(list(row), axis=1) for row in pixels.reshape(4, 12, *pixels.shape[1:])]
    )
    return Image.fromarray(sheet).resize((12 * size * 3, 4 * size * 3), Image.Resampling.NEAREST)


if __name__ == "__main__":
    tyro.cli(train)
