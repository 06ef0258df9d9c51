"""Seeds of the environments: what is trained on, chosen by and tested on never meets.

Whatever resets an environment takes its seed from here. All are below 2³², as NumPy's old
generator wants them, which Stable-Baselines3 seeds too.
"""

from __future__ import annotations

from aigc_market import _checks

TRAINING = range(2**31)
VALIDATION = range(2**31, 2**31 + 2**29)
"""By these, hyperparameters and parameters are chosen, and which policies are kept."""
TEST = range(2**31 + 2**29, 2**31 + 3 * 2**28)
"""The leaderboard's alone. A range of these is drawn when all methods are chosen, and is looked at
once: see `baselines.experiments.leaderboard.draw`."""
OUTSIDE = range(2**31 + 3 * 2**28, 3 * 2**30)
"""The leaderboard's too: of markets out of the law that methods were trained or tuned for."""
DEMONSTRATION = range(3 * 2**30, 2**32)
"""What commands show and other experiments measure: looked at as often as one likes.

It was the leaderboard's test range while its methods were chosen, and was looked at then.
"""


def training_seed(i: int) -> int:
    """The i-th seed of episodes that a method learns from."""
    return _seed(i, TRAINING)


def validation_seed(i: int) -> int:
    """The i-th seed of episodes by which a method's settings are chosen."""
    return _seed(i, VALIDATION)


def outside_seed(i: int) -> int:
    """The i-th seed of episodes in which the leaderboard measures it out of its law."""
    return _seed(i, OUTSIDE)


def demonstration_seed(i: int) -> int:
    """The i-th seed of episodes that are neither learnt from, nor chosen by, nor the test's."""
    return _seed(i, DEMONSTRATION)


def _seed(i: int, among: range) -> int:
    if _checks.integer("seed", i, at_least=0) >= len(among):
        raise ValueError(f"seed must be below {len(among)}, got {i}")
    return among[i]
