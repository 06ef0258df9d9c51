"""What one core does, by the size of the problem: `python tests/benchmarks/scale.py`.

Writes docs/scale.csv, one row a measurement; `docs/write_numbers.py` makes tables of it. Times are
CPU seconds of the process on one thread, so that other work on the machine counts little; each is
the median of three. It takes about two minutes.
"""

import datetime
import os
import platform
import statistics
from collections.abc import Iterator
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from games import rounds, turns
from live import requests
from measure import Side, processor, repeat

import aigc_market
from aigc_market import competition
from aigc_market.ssim import RePaintSSIM
from baselines.runs.files import write_csv

DOCS = Path(__file__).parents[2] / "docs"

Measured = tuple[str, int | str, int | str, float]
"""What, how many at once ("" where that says nothing), K or another size, and seconds."""


def seconds(side: Side) -> float:
    """CPU seconds of a unit of work: the median of three measurements."""
    return statistics.median(side(0.4) for _ in range(3))


def one_provider() -> Iterator[Measured]:
    """A turn of the AEC game, and an equilibrium."""
    rng = np.random.default_rng(0)
    for K in (2, 100, 10**4, 10**5, 10**6):
        market = aigc_market.Market(K=K, satisfaction=10 ** rng.uniform(1, 3, K))
        yield "solve", 1, K, seconds(repeat(lambda market=market: aigc_market.solve(market)))
        if K <= 10**5:
            env = aigc_market.env(K=K, max_cycles=max(10**5 // K, 5))
            yield "turn", 1, K, seconds(turns(env))


def vector() -> Iterator[Measured]:
    """A round of all games of the vector environment, in physical units."""
    for games, K in ((1, 2), (64, 2), (4096, 2), (1024, 100), (10, 10**4), (1, 10**6)):
        side = rounds(games, K=K, normalize=False, scale_rewards=False)
        yield "round", games, K, games * seconds(side)


def several_providers() -> Iterator[Measured]:
    """Solvers of three providers, and many equilibria of two at once."""
    solvers = {
        "best deviation": lambda market: competition.best_deviation(market, 0, [3.0, 4.0, 5.0]),
        "nash": competition.nash,
        "cartel": competition.cartel,
    }
    for name, solve in solvers.items():
        for K in (2, 100, 10**5) if name == "nash" else (2, 100):
            rng = np.random.default_rng(0)
            market = competition.Competition(
                M=3,
                K=K,
                cost=[1.0, 1.5, 2.0],
                satisfaction=rng.uniform(100, 300, K),
                access_cost=rng.uniform(0, 50, (3, K)),
            )
            spent = seconds(repeat(lambda solve=solve, market=market: solve(market)))
            yield name, 1, K, spent
    rng = np.random.default_rng(0)
    many = competition.Competition(
        M=2,
        K=2,
        satisfaction=rng.uniform(100, 300, (10_000, 2)),
        cost=rng.uniform(1, 2, (10_000, 2)),
        temperature=rng.uniform(20, 100, 10_000),
    )
    yield "nash", 10_000, 2, seconds(repeat(lambda: competition.nash(many)))


def live() -> Iterator[Measured]:
    """Calls of the bundled network, whole rounds by the steps bought, and what a picture costs."""
    service = RePaintSSIM()
    pixels = service.pool[0].image.shape[0]
    for batch in (1, 2, 4, 8, 16, 32, 64):
        noisy, times = torch.zeros(batch, 3, pixels, pixels), torch.zeros(batch, dtype=torch.int64)
        spent = seconds(repeat(lambda n=noisy, t=times: service.painter.network(n, t)))
        yield "call", batch, pixels, spent
    for steps in ([20] * 8, [40] * 8, [80] * 8, [80] + [10] * 7):
        asked = requests(service, steps)
        spent = seconds(repeat(lambda asked=asked: service.serve(asked)))
        yield " ".join(map(str, steps)), len(steps), pixels, spent
    for pixels in (32, 256):  # beside the calls, and on the CPU wherever these are made
        image = np.zeros((pixels, pixels, 3), "f4")
        yield "noise", 1, pixels, seconds(repeat(lambda n=pixels: torch.randn(3, n, n)))
        quality = repeat(lambda image=image: service.quality(image, image, image[..., 0] == 0))
        yield "ssim", 1, pixels, seconds(quality)


TABLES = {
    "one provider": one_provider,
    "vector": vector,
    "several providers": several_providers,
    "live": live,
}


def main() -> None:
    """Measure, print and write."""
    torch.set_num_threads(1)
    machine = {
        "machine": processor(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__.partition("+")[0],
        "date": datetime.date.today().isoformat(),
    }
    rows = []
    for table, measured in TABLES.items():
        for what, batch, size, spent in measured():
            row = {"table": table, "what": what, "batch": batch, "size": size}
            row["seconds"] = f"{spent:.4g}"
            print(*row.values(), flush=True)
            rows.append(row | machine)
    write_csv(DOCS / "scale.csv", list(rows[0]), rows)


if __name__ == "__main__":
    main()
