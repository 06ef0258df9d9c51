"""Seeds of the environments: what is trained on, chosen by and tested on never meets.

Whatever resets an environment takes its seed from here. All are below 2³², as NumPy's old
generator wants them, which Stable-Baselines3 seeds too.
"""

from __future__ import annotations

from aigc_market import _checks

TRAINING = range(2**31)
VALIDATION = range(2**31, 3 * 2**30)
"""By these, hyperparameters and parameters are chosen."""
TEST = range(3 * 2**30, 2**32)


def training_seed(i: int) -> int:
    """The i-th seed of episodes that a method learns from."""
    return _seed(i, TRAINING)


def validation_seed(i: int) -> int:
    """The i-th seed of episodes by which a method's settings are chosen."""
    return _seed(i, VALIDATION)


def test_seed(i: int) -> int:
    """The i-th seed of episodes in which a method is measured."""
    return _seed(i, TEST)


def _seed(i: int, among: range) -> int:
    if _checks.integer("seed", i, at_least=0) >= len(among):
        raise ValueError(f"seed must be below {len(among)}, got {i}")
    return among[i]
