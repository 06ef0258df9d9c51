"""A process on its own cores that measures the rows of one module: `beside.py` starts it.

It reads lines {"name": …, "seconds": …} and answers {"seconds": of one step of one game}, or
{"error": …} where a package does not install or run.
"""

import importlib
import json
import logging
import os
import sys
import warnings

from beside_rows import ROWS
from measure import Side

QUIET = {"JAX_PLATFORMS": "cpu", "MPLBACKEND": "Agg", "TQDM_DISABLE": "1"}
POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
ONE_THREAD_OF_XLA = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


def restrict(cores: list[int]) -> None:
    """Keep this process to some cores, and what it is yet to import to as many threads.

    Where the system has no affinity, the libraries' own settings must do.
    """
    os.environ |= QUIET | dict.fromkeys(POOLS, str(len(cores)))
    if len(cores) == 1:
        os.environ["XLA_FLAGS"] = ONE_THREAD_OF_XLA
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def side(name: str, threads: int) -> Side:
    """What plays a row.

    Raises:
        Exception: any that a package raises when it is imported, made or played.
    """
    row = next(row for row in ROWS if row.name == name)
    module, function = row.side.split(":")
    return getattr(importlib.import_module(module), function)(threads, *row.arguments)


def main() -> None:
    """Answer until there is nothing more to read."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    cores = [int(core) for core in sys.argv[1].split(",")]
    restrict(cores)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    sides: dict[str, Side] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if asked["name"] not in sides:
                sides[asked["name"]] = side(asked["name"], len(cores))
            answer = {"seconds": sides[asked["name"]](asked["seconds"])}
        except Exception as error:  # whatever keeps another package from running
            said = " ".join(str(error).split())
            answer = {"error": f"{type(error).__name__}: {said}"[:200]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
