"""Profiles of prices, in the game of one round on a grid.

A profile names one of L prices for each of M providers. It is numbered as NumPy numbers the cells
of an array (L, …, L): the last provider's price moves fastest.
"""

from __future__ import annotations

import numpy as np


def levels_of(payoffs: np.ndarray) -> int:
    """L, of payoffs (L^M, M)."""
    count, M = payoffs.shape
    levels = round(count ** (1 / M))
    if levels**M != count:
        raise ValueError(f"payoffs must have L^M rows and M columns, got shape {payoffs.shape}")
    return levels


def strides(levels: int, M: int) -> np.ndarray:
    """(M,) by how much a profile's number rises with one step of each provider's price."""
    return levels ** np.arange(M - 1, -1, -1)


def best_of_a_round(payoffs: np.ndarray) -> np.ndarray:
    """(L^M, M) what a provider's best price pays against the others' prices in a profile."""
    levels, M = levels_of(payoffs), payoffs.shape[1]
    cells = payoffs.reshape((levels,) * M + (M,))
    best = [
        np.broadcast_to(cells[..., i].max(axis=i, keepdims=True), cells.shape[:-1])
        for i in range(M)
    ]
    return np.stack(best, axis=-1).reshape(payoffs.shape)
