"""Measures two readings of S: `OMP_NUM_THREADS=1 python docs/repaint/measure.py` writes modes.csv.

SSIM of the first five pictures of the bundled model's pool, right half repainted, by the steps
bought, where S calls of one chain are executed and where a whole chain is respaced to S calls. The
same seeds in both; about a minute.
"""

from pathlib import Path

import numpy as np
import torch

from aigc_market.ssim import RePaintSSIM
from aigc_market.ssim.repaint import Request, pictures
from baselines.runs.files import write_csv

STEPS = (10, 20, 40, 60, 80, 120, 160, 200, 250)
PICTURES = 5


def main() -> None:
    """Measure and write."""
    torch.set_num_threads(1)
    rows = []
    for mode in ("executed", "respaced"):
        service = RePaintSSIM(mode=mode)
        scenes = list(enumerate(service.pool[:PICTURES]))
        for steps in STEPS:
            asked = [
                Request(scene.image, pictures.mask("half", scene, i), steps, i)
                for i, scene in scenes
            ]
            values = [result.ssim for result in service.serve(asked)]
            mean, std = f"{np.mean(values):.4f}", f"{np.std(values, ddof=1):.4f}"
            row = {"mode": mode, "steps": steps, "mean": mean, "std": std, "pictures": PICTURES}
            rows.append(row)
            print(*row.values(), flush=True)
    write_csv(Path(__file__).with_name("modes.csv"), list(rows[0]), rows)


if __name__ == "__main__":
    main()
