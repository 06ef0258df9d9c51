"""Progress of a training, kept on disk so that a killed one goes on where it was."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer


class Checkpoint:
    """A file with weights, the optimizer's state and the number of updates done.

    Args:
        path: of the file; None keeps nothing.
        every: updates between two writes.
    """

    def __init__(self, path: Path | None = None, every: int = 50) -> None:
        self._path, self._every = path, every
        self.seconds = 0.0
        """Spent by the trainings that were cut short, up to what was kept."""
        self._began = time.perf_counter()

    def restore(self, network: nn.Module, optimizer: Optimizer) -> int:
        """Put back what was kept. Returns the number of updates done."""
        if self._path is None or not self._path.is_file():
            return 0
        kept = torch.load(self._path, weights_only=True)
        network.load_state_dict(kept["network"])
        optimizer.load_state_dict(kept["optimizer"])
        self.seconds = kept["seconds"]
        return kept["updates"]

    def keep(self, updates: int, network: nn.Module, optimizer: Optimizer) -> None:
        """Write, if it is time; the file is replaced as a whole."""
        if self._path is None or updates % self._every:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_name(self._path.name + ".tmp")
        state = {
            "updates": updates,
            "seconds": self.seconds + time.perf_counter() - self._began,
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
        }
        torch.save(state, partial)
        os.replace(partial, self._path)

    def discard(self) -> None:
        """Remove the file: the training is finished."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
