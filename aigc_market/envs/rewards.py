"""How rewards are scaled."""

from __future__ import annotations

import numpy as np


def reciprocals(amounts: np.ndarray) -> np.ndarray:
    """1 / amount; 1 where there is nothing to gain, so that no reward is divided by zero."""
    return 1.0 / np.where(amounts > 0, amounts, 1.0)
