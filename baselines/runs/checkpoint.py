"""Progress of a training, kept on disk so that a killed one goes on where it was."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from baselines.runs import policy_files


class Checkpoint:
    """A file with weights, the states of optimizers and the number of updates done.

    Args:
        path: of the file; None keeps nothing.
        of: names all that the training depends on, such as a digest of its task and recipe.
        every: updates between two writes.
    """

    def __init__(self, path: Path | None = None, of: str = "", every: int = 50) -> None:
        self._path, self._of, self._every = path, of, every
        self.seconds = 0.0
        """Spent by the trainings that were cut short, up to what was kept."""
        self.rows: list[dict[str, float]] = []
        """What was measured on the way, up to what was kept."""
        self._began = time.perf_counter()

    def restore(self, network: nn.Module, *optimizers: Optimizer) -> int:
        """Put back what was kept of this very training; another's is left alone, with a warning.

        Learning rates and the like stay as the optimizers have them.

        Returns:
            The number of updates done.

        Raises:
            ValueError: the file says that it is of this training, and is not.
        """
        if self._path is None or not self._path.is_file():
            return 0
        try:
            kept, tensors = policy_files.read(self._path)
        except ValueError:
            kept, tensors = {}, {}
        if kept.get("of") != self._of:
            warnings.warn(
                f"{self._path} is the checkpoint of another training (another recipe, task, seed "
                "or version): this one begins anew",
                stacklevel=2,
            )
            return 0
        try:
            network.load_state_dict(_under("network", tensors))
            for i, optimizer in enumerate(optimizers):
                _put_back(optimizer, _under(f"optimizer.{i}", tensors))
            self.seconds, self.rows = kept["seconds"], kept["rows"]
            return kept["updates"]
        except (KeyError, ValueError, RuntimeError) as error:  # RuntimeError: torch's for weights
            raise ValueError(
                f"{self._path} must be the checkpoint of a training that was cut short: {error} "
                "(without the file it begins anew)"
            ) from error

    def keep(self, updates: int, network: nn.Module, *optimizers: Optimizer) -> None:
        """Write, with `rows`, if it is time; the file is replaced as a whole."""
        if self._path is None or updates % self._every:
            return
        config: dict[str, Any] = {
            "of": self._of,
            "updates": updates,
            "seconds": self.seconds + time.perf_counter() - self._began,
            "rows": self.rows,
        }
        tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
        for i, optimizer in enumerate(optimizers):
            for number, state in optimizer.state_dict()["state"].items():
                for name, value in state.items():
                    tensors[f"optimizer.{i}.{number}.{name}"] = torch.as_tensor(value)
        policy_files.write(self._path, tensors, config)

    def discard(self) -> None:
        """Remove the file: the training is finished."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _put_back(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, _, of_what = name.partition(".")
        state.setdefault(int(number), {})[of_what] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name[len(start) :]: value for name, value in tensors.items() if name.startswith(start)}
