"""What one core does, by the size of the problem: tables of docs/scale.md and several-providers.md.

Run with `OMP_NUM_THREADS=1 python tests/benchmarks/scale.py`. Times are CPU seconds of the process,
so that other work on the machine counts little.
"""

import statistics

import numpy as np
import torch
from games import rounds, turns
from live import requests
from measure import Side, repeat

import aigc_market
from aigc_market import competition
from aigc_market.ssim import RePaintSSIM


def seconds(side: Side) -> float:
    """CPU seconds of a unit of work: the median of three measurements."""
    return statistics.median(side(0.4) for _ in range(3))


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


def row(*cells: object) -> None:
    """Print a line of a table, numbers in three digits."""
    shown = (f"{cell:,.3g}" if isinstance(cell, float) else str(cell) for cell in cells)
    print("|", " | ".join(shown), "|", flush=True)


def main() -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    print("| K | AEC rounds/s | turns/s | solve, ms |\n|---|---|---|---|")
    rng = np.random.default_rng(0)
    for K in (2, 100, 10**4, 10**5, 10**6):
        market = aigc_market.Market(K=K, satisfaction=10 ** rng.uniform(1, 3, K))
        solved = 1e3 * seconds(repeat(lambda market=market: aigc_market.solve(market)))
        speed = ("–", "–")
        if K <= 10**5:
            spent = seconds(turns(aigc_market.env(K=K, max_cycles=max(10**5 // K, 5))))
            speed = 1 / spent / (1 + K), f"{1 / spent:,.0f}"
        row(K, *speed, solved)

    print("\n| games | K | rounds/s, all games | purchases/s |\n|---|---|---|---|")
    for games, K in ((1, 2), (64, 2), (4096, 2), (1024, 100), (10, 10**4), (1, 10**6)):
        spent = seconds(rounds(games, K=K, normalize=False, scale_rewards=False))
        row(games, K, 1 / spent, K / spent)

    print("\n| three providers | K | ms |\n|---|---|---|")
    solvers = {
        "best deviation": lambda market: competition.best_deviation(market, 0, [3.0, 4.0, 5.0]),
        "Nash equilibrium, with its certificate": competition.nash,
        "cartel": competition.cartel,
    }
    for name, solve in solvers.items():
        for K in (2, 100, 10**5) if solve is competition.nash else (2, 100):
            market = providers(K)
            spent = seconds(repeat(lambda solve=solve, market=market: solve(market)))
            row(name, K, 1e3 * spent)

    service = RePaintSSIM()
    size = service.pool[0].image.shape[0]
    print("\n| pictures in a call | ms a call | pictures × calls/s |\n|---|---|---|")
    for batch in (1, 2, 4, 8, 16, 32, 64):
        noisy, times = torch.zeros(batch, 3, size, size), torch.zeros(batch, dtype=torch.int64)
        spent = seconds(repeat(lambda n=noisy, t=times: service.painter.network(n, t)))
        row(batch, 1e3 * spent, batch / spent)

    print("\n| round | max S | ΣS | s | ms a picture × call |\n|---|---|---|---|---|")
    for steps in ([20] * 8, [40] * 8, [80] * 8, [80] + [10] * 7):
        batch = requests(service, steps)
        spent = seconds(repeat(lambda batch=batch: service.serve(batch)))
        name = f"K = {len(steps)}, S = {', '.join(map(str, sorted(set(steps), reverse=True)))}"
        row(name, max(steps), sum(steps), spent, 1e3 * spent / sum(steps))

    print("\n| pixels | noise, ms a picture × call | SSIM, ms a picture |\n|---|---|---|")
    for size in (32, 256):  # what a picture costs beside its network calls, wherever these are made
        image = np.zeros((size, size, 3), "f4")
        noise = seconds(repeat(lambda size=size: torch.randn(3, size, size)))
        ssim = seconds(
            repeat(lambda image=image: service.quality(image, image, image[..., 0] == 0))
        )
        row(f"{size} × {size}", 1e3 * noise, 1e3 * ssim)


if __name__ == "__main__":
    main()
