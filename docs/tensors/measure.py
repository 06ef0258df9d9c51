"""Measures how fast games on tensors are played, and what memory they take, by their number and K.

Run with `OMP_NUM_THREADS=1 python docs/tensors/measure.py`. It writes `speed.csv` and `memory.csv`
beside itself, a row at a time: what is there already is kept, so that a run which was broken off
goes on, and a file that is removed is measured anew. `plot.py` draws them.

Rounds are of random play, drawn by each library itself, and times are CPU seconds of the process on
one thread, so that other work on the machine counts little. Each is the median of five.
"""

import gc
import platform
import statistics
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchrl.envs import PettingZooWrapper

import aigc_market
from aigc_market.envs.pages.vector import PricingVectorEnv
from aigc_market.torchrl import MarketEnv

DOCS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(DOCS), str(DOCS.parent / "tests/benchmarks")]

from measure import processor, repeat  # noqa: E402
from measurements import measure  # noqa: E402

SEED = 0
ENOUGH = 0.3
"""CPU seconds of each of the five measurements, at least."""

GAMES = [4**i for i in range(2, 10)]
VMUS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
VMUS_ONE_BY_ONE = [K for K in VMUS if K <= 100]
"""Of PettingZoo's wrapper, which makes specs agent by agent."""

SPEED = [
    *(("tensors", games, 2) for games in GAMES),
    *(("vector", games, 2) for games in GAMES),
    *(("competition", games, 2) for games in GAMES),
    *(("wrapper", 1, K) for K in VMUS_ONE_BY_ONE),
    *(("tensors", 1024, K) for K in VMUS if K != 2),
    *(("vector", 1024, K) for K in VMUS if K != 2),
]
"""View, games and K of each row."""
MEMORY = [
    (game, K, state) for game in ("stackelberg", "competition") for K in (2, 10) for state in (1, 0)
]

Play = Callable[[], object]


def player(view: str, games: int, K: int) -> Play:
    """A round of random play of all games; an episode ends after a hundred."""
    if view == "vector":
        envs = PricingVectorEnv(num_envs=games, K=K, judged=False)
        envs.reset(seed=SEED)
        envs.action_space.seed(SEED)
        return lambda: envs.step(envs.action_space.sample())
    if view == "wrapper":
        with warnings.catch_warnings():  # it is tried on an older PettingZoo
            warnings.filterwarnings("ignore", "PettingZoo in TorchRL is tested")
            env: Any = PettingZooWrapper(aigc_market.parallel_env(K=K), seed=SEED)
    else:
        env = MarketEnv(games, game=_GAMES[view], K=K, seed=SEED)
    torch.manual_seed(SEED)
    tensors, played = env.reset(), 0

    def play() -> None:
        nonlocal tensors, played
        if played == 100:
            tensors, played = env.reset(), 0
        tensors, played = env.rand_step(tensors), played + 1

    return play


_GAMES = {"tensors": "stackelberg", "competition": "competition"}


def speed(view: str, games: int, K: int) -> dict[str, Any]:
    """Rounds a second, of all games together."""
    seconds = repeat(player(view, games, K))
    spent = statistics.median(seconds(ENOUGH) for _ in range(5))
    made_by = {"machine": processor(), "python": platform.python_version()}
    made_by |= {"numpy": np.__version__, "torch": torch.__version__}
    return {"rounds_per_second": f"{games / spent:.4g}", "seed": SEED, **made_by}


def memory(game: str, K: int, state: int) -> dict[str, Any]:
    """Bytes a game: of an environment after a step, and of a step that a rollout keeps."""
    more, fewer = (_bytes(game, K, bool(state), games) for games in (4096, 2048))
    of_env, of_step = ((a - b) / 2048 for a, b in zip(more, fewer, strict=True))
    return {"env": f"{of_env:g}", "step": f"{of_step:g}"}


def _bytes(game: str, K: int, state: bool, games: int) -> tuple[int, int]:
    """Of all tensors that an environment has added, and of a step of its rollout."""
    before = _live()
    env = MarketEnv(games, game=game, K=K, state=state, seed=SEED)
    rollout = env.rollout(8)
    kept: int = rollout.bytes() // 8
    del rollout
    return _live() - before, kept


def _live() -> int:
    """Bytes of all tensors, those that share their memory counted once."""
    gc.collect()
    with warnings.catch_warnings():  # asking what an object is wakes what torch has deprecated
        warnings.simplefilter("ignore")
        tensors = [item for item in gc.get_objects() if isinstance(item, torch.Tensor)]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


def main() -> None:
    """Measure what is missing."""
    torch.set_num_threads(1)
    measure("tensors/memory", ("game", "K", "state"), MEMORY, memory)
    measure("tensors/speed", ("view", "games", "K"), SPEED, speed)


if __name__ == "__main__":
    main()
