"""Measures what the solvers of several providers find, in markets drawn at random.

Run with `OMP_NUM_THREADS=1 python docs/solvers/measure.py`. It writes `nash.csv` and `cartels.csv`
beside itself, a row a market: rows that are there already are kept, so that a run which was broken
off goes on, and a file that is removed is measured anew. Seconds are CPU seconds of the process.

Markets are those of the tests (`tests/competition_by_hand.py`), and so is the computation that the
answers are compared with, which has no line in common with the solvers.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import differential_evolution

DOCS = Path(__file__).parents[1]
sys.path[:0] = [str(DOCS), str(DOCS.parent / "tests")]

import competition_by_hand as by_hand  # noqa: E402
from measurements import measure  # noqa: E402
from test_competition_game import made  # noqa: E402

from aigc_market import competition  # noqa: E402

POINTS = 2_500
"""Prices of each seat at which a certificate is tried."""
POPULATION, RESTARTS = 100, 3
"""Of differential evolution: candidates for each price, and runs, of which the best counts."""
NASH = [("random", seed) for seed in range(1_000)] + [("hard", seed) for seed in range(600)]
CARTELS = [(drawn, seed) for drawn in ("random", "scarce") for seed in range(150)]

Plain = dict[str, Any]


def market(drawn: str, seed: int) -> Plain:
    """A market of some kind.

    "random": 1 to 5 providers, 1 to 50 VMUs, temperature 5 to 160. "hard", for searches of an
    equilibrium: 2 to 6 providers, 1 to 6 VMUs, temperature 3 to 60, SSIM a table for most.
    """
    rng = np.random.default_rng([seed, drawn == "hard"])
    if drawn == "random":
        return by_hand.draw(rng, kinds=by_hand.OLD + by_hand.NEW)
    temperature = float(10 ** rng.uniform(np.log10(3), np.log10(60)))
    M, K = int(rng.integers(2, 7)), int(rng.integers(1, 7))
    return by_hand.draw(rng, temperature, M, K, kinds=("table", "table", "both", "all"))


def small_market(drawn: str, seed: int) -> Plain:
    """A market of 2 or 3 providers and up to 9 VMUs.

    "scarce": temperature 3 to 10, and capacities of .2 to .6 of what the cartel would sell without.
    """
    rng = np.random.default_rng([seed, 2 + (drawn == "scarce")])
    M, K = 2 + seed % 2, int(rng.integers(1, 10))
    kinds = by_hand.OLD + by_hand.NEW
    if drawn == "random":
        return by_hand.draw(rng, providers=M, followers=K, kinds=kinds)
    plain = by_hand.draw(rng, float(rng.uniform(3, 10)), M, K, kinds) | {"capacity": None}
    unlimited = competition.cartel(made(plain))
    sold = unlimited.asp_utility / np.maximum(unlimited.prices - plain["cost"], 1e-9)
    plain["capacity"] = np.maximum(rng.uniform(0.2, 0.6, M) * sold, plain["min_steps"] * K + 1e-3)
    return plain


def nash(drawn: str, seed: int) -> Plain:
    """Whether an equilibrium is found, and what a seat gains on a grid beyond its certificate."""
    plain = market(drawn, seed)
    began = time.process_time()
    found = competition.nash(made(plain))
    spent = time.process_time() - began
    earned, beyond = by_hand.utilities(plain, found.prices), -np.inf
    for m in range(plain["M"]):
        grid = np.linspace(plain["cost"][m], plain["max_price"][m], POINTS)
        best = by_hand.utility(plain, m, found.prices, grid).max()
        beyond = max(beyond, (best - earned[m] - found.gap[m]) / max(earned[m], 1e-9))
    return {
        "M": plain["M"],
        "K": plain["K"],
        "temperature": f"{plain['temperature']:.4g}",
        "converged": int(found.converged),
        "beyond": f"{beyond:.3g}",
        "seconds": f"{spent:.4g}",
    }


def cartel(drawn: str, seed: int) -> Plain:
    """What the cartel earns, by our search and by SciPy's differential evolution."""
    plain = small_market(drawn, seed)
    began = time.process_time()
    ours = by_hand.total(plain, competition.cartel(made(plain)).prices)
    middle = time.process_time()
    theirs = max(evolution(plain, start) for start in range(RESTARTS))
    return {
        "M": plain["M"],
        "K": plain["K"],
        "temperature": f"{plain['temperature']:.4g}",
        "ours": f"{ours:.12g}",
        "evolution": f"{theirs:.12g}",
        "seconds": f"{middle - began:.4g}",
        "evolution_seconds": f"{time.process_time() - middle:.4g}",
    }


def evolution(plain: Plain, seed: int) -> float:
    """The largest total utility that differential evolution finds."""
    found = differential_evolution(
        lambda prices: -by_hand.total(plain, prices.T),
        list(zip(plain["cost"], plain["max_price"], strict=True)),
        vectorized=True,
        updating="deferred",
        popsize=POPULATION,
        tol=1e-10,
        rng=seed,
    )
    return -float(found.fun)


def main() -> None:
    """Measure what is missing."""
    measure("solvers/nash", ("markets", "seed"), NASH, nash)
    measure("solvers/cartels", ("markets", "seed"), CARTELS, cartel)


if __name__ == "__main__":
    main()
