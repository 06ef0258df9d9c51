"""The oracles, beside what their work needs at least, and the import of the package."""

import os
import subprocess
import sys

import numpy as np
from measure import Row, repeat

import aigc_market
from aigc_market import competition

IMPORT = "import time; s = time.process_time(); import {}; print(time.process_time() - s)"


def solving():
    """The equilibrium of a million VMUs, and the order of a million numbers."""
    rng = np.random.default_rng(0)
    market = aigc_market.Market(K=10**6, satisfaction=10 ** rng.uniform(1, 3, 10**6))
    numbers = rng.random(10**6)
    return repeat(lambda: aigc_market.solve(market)), repeat(lambda: np.argsort(numbers))


def nash():
    """The equilibria of 10,000 markets at once, and of fifty of them one by one."""
    rng = np.random.default_rng(0)
    names = ("satisfaction", "cost", "temperature")
    drawn = rng.uniform(100, 300, (10_000, 2)), rng.uniform(1, 2, (10_000, 2))
    drawn += (rng.uniform(20, 100, 10_000),)

    def market(which):
        values = {name: values[which] for name, values in zip(names, drawn, strict=True)}
        return competition.Competition(M=2, K=2, **values)

    together, alone = market(slice(None)), [market(i) for i in range(50)]
    return (
        repeat(lambda: competition.nash(together), 10_000),
        repeat(lambda: [competition.nash(each) for each in alone], 50),
    )


def importing(modules):
    """The import alone, in a Python of its own."""
    command = [sys.executable, "-c", IMPORT.format(modules)]
    compiled = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # once, as users have it
    return lambda seconds: float(subprocess.check_output(command, env=compiled))


ROWS = [
    Row(
        "solve",
        "≤ 12",
        "time of `solve` for K = 10⁶ against `np.argsort` of 10⁶ numbers",
        solving,
    ),
    Row(
        "nash",
        "≥ 50",
        "`nash` of 10,000 markets (M = 2, K = 2) at once against one by one",
        nash,
    ),
    Row(
        "import",
        "≤ 1.3",
        "time of `import aigc_market` against `import gymnasium, pettingzoo`",
        lambda: (importing("aigc_market"), importing("gymnasium, pettingzoo")),
    ),
]
