"""What one core does, by the size of the problem: tables of docs/scale.md and several-providers.md.

Run with `OMP_NUM_THREADS=1 python tests/benchmarks/scale.py`. Times are CPU seconds of the process,
so that other work on the machine counts little.
"""

import statistics
import time
from collections.abc import Callable, Sequence

import gymnasium
import numpy as np
import torch

import aigc_market
from aigc_market import competition
from aigc_market.ssim import RePaintSSIM
from aigc_market.ssim.repaint import Request, pictures

ENOUGH = 0.4
"""CPU seconds of a measurement, at least, and of each of its three repetitions."""


def seconds(function: Callable[[], object]) -> float:
    """CPU seconds of a call: the median of three measurements, after a first call."""
    function()
    measured = []
    for _ in range(3):
        calls, began = 0, time.process_time()
        while time.process_time() - began < ENOUGH or not calls:
            function()
            calls += 1
        measured.append((time.process_time() - began) / calls)
    return statistics.median(measured)


def aec_round(K: int) -> Callable[[], None]:
    """A round of the AEC game: 1 + K turns by `agent_iter`, `last` and `step`."""
    env = aigc_market.env(K=K, max_cycles=10**9)
    env.reset(seed=0)
    price, steps = np.array([8.0], "f4"), np.array([100.0], "f4")

    def play() -> None:
        for agent in env.agent_iter(1 + K):
            env.last()
            env.step(price if agent == "asp_0" else steps)

    return play


def vector_round(games: int, K: int) -> Callable[[], object]:
    """A round of every game of the vector environment, in physical units."""
    physical = {"normalize": False, "scale_rewards": False, "K": K}
    how = {"num_envs": games, "vectorization_mode": "vector_entry_point"}
    envs = gymnasium.make_vec("aigc_market/Pricing-v0", **how, **physical)
    envs.reset(seed=0)
    actions = np.random.default_rng(0).uniform(1, 20, (games, 1)).astype("f4")
    return lambda: envs.step(actions)


def providers(K: int) -> competition.Competition:
    """A market of three providers."""
    rng = np.random.default_rng(0)
    return competition.Competition(
        M=3,
        K=K,
        cost=[1.0, 1.5, 2.0],
        satisfaction=rng.uniform(100, 300, K),
        access_cost=rng.uniform(0, 50, (3, K)),
    )


def requests(service: RePaintSSIM, steps: Sequence[int]) -> list[Request]:
    """Requests of the service's own pictures."""
    made = []
    for i, calls in enumerate(steps):
        scene = service.pool[i % len(service.pool)]
        made.append(Request(scene.image, pictures.mask("half", scene, i), calls, i))
    return made


def main() -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    print("| K | AEC rounds/s | turns/s | solve, ms |\n|---|---|---|---|")
    rng = np.random.default_rng(0)
    for K in (2, 100, 10**4, 10**5, 10**6):
        market = aigc_market.Market(K=K, satisfaction=10 ** rng.uniform(1, 3, K))
        solved = 1e3 * seconds(lambda market=market: aigc_market.solve(market))
        if K <= 10**5:
            spent = seconds(aec_round(K))
            played = f"{1 / spent:.3g} | {(1 + K) / spent:,.0f}"
        else:
            played = "– | –"
        print(f"| {K} | {played} | {solved:.3g} |", flush=True)

    print("\n| games | K | rounds/s, all games | purchases/s |\n|---|---|---|---|")
    for games, K in ((1, 2), (64, 2), (4096, 2), (1024, 100), (10, 10**4), (1, 10**6)):
        rounds = games / seconds(vector_round(games, K))
        print(f"| {games} | {K} | {rounds:,.3g} | {rounds * K:,.3g} |", flush=True)

    print("\n| three providers | K | ms |\n|---|---|---|")
    solvers = {
        "best deviation": lambda market: competition.best_deviation(market, 0, [3.0, 4.0, 5.0]),
        "Nash equilibrium, with its certificate": competition.nash,
        "cartel": competition.cartel,
    }
    for name, solve in solvers.items():
        for K in (2, 100, 10**5) if solve is competition.nash else (2, 100):
            market = providers(K)
            spent = seconds(lambda solve=solve, market=market: solve(market))
            print(f"| {name} | {K} | {1e3 * spent:.3g} |", flush=True)

    service = RePaintSSIM()
    size = service.pool[0].image.shape[0]
    print("\n| pictures in a call | ms a call | pictures × calls/s |\n|---|---|---|")
    for batch in (1, 2, 4, 8, 16, 32, 64):
        noisy, times = torch.zeros(batch, 3, size, size), torch.zeros(batch, dtype=torch.int64)
        spent = seconds(lambda n=noisy, t=times: service.painter.network(n, t))
        print(f"| {batch} | {1e3 * spent:.3g} | {batch / spent:.3g} |", flush=True)

    print("\n| round | max S | ΣS | s | ms a picture × call |\n|---|---|---|---|---|")
    for steps in ([20] * 8, [40] * 8, [80] * 8, [80] + [10] * 7):
        batch = requests(service, steps)
        spent = seconds(lambda batch=batch: service.serve(batch))
        name = f"K = {len(steps)}, S = {', '.join(map(str, sorted(set(steps), reverse=True)))}"
        row = [name, max(steps), sum(steps), f"{spent:.3g}", f"{1e3 * spent / sum(steps):.3g}"]
        print("|", " | ".join(map(str, row)), "|", flush=True)

    on_the_host(service)


def on_the_host(service: RePaintSSIM) -> None:
    """What a picture costs beside its network calls, wherever those are made."""
    print("\n| pixels | noise, ms a picture × call | SSIM, ms a picture |\n|---|---|---|")
    for size in (32, 256):
        image = np.zeros((size, size, 3), "f4")
        noise = seconds(lambda size=size: torch.randn(3, size, size))
        ssim = seconds(lambda image=image: service.quality(image, image, image[..., 0] == 0))
        print(f"| {size} × {size} | {1e3 * noise:.3g} | {1e3 * ssim:.3g} |", flush=True)


if __name__ == "__main__":
    main()
