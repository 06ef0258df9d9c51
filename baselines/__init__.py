"""Baselines of the pricing game: `python -m baselines --help`; `load_policy` reads a leader.

Where what stands; each folder imports only from those below it:

- `experiments/`: what is run to learn something: `paper/` (its figures), `leaderboard/` (every
  method on the same episodes), `calvano/` and `compete/` (sellers that learn),
  `repaint/` (the bundled diffusion model).
- `methods/`: one file or folder a method, or a family: what posts prices, and how it is trained.
- `followers/`: VMUs that learn too.
- `report.py`, `figures.py`: the one writer of tables and the one style of figures.
- `arena/`: what methods share: `registry.py` (every method by name: **begin here**), `protocol.py`
  (what a method is), `task.py` (what is played), `rollout.py` (the evaluation loop), `seeds.py`,
  `policies.py` (trained ones in files).
- `runs/`: the runner, files, digests and checkpoints.
- `weights/`: trained policies that come along.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from baselines.arena.policies import load_policy

__all__ = ["load_policy"]


def __getattr__(name: str) -> Any:
    if name != "load_policy":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from baselines.arena.policies import load_policy  # only now: it imports torch

    return load_policy
