"""Run the examples with third-party libraries, each in an environment of its own.

`nox -s examples` runs all, `nox -s "examples(rllib_aec)"` one. What they print last is recorded in
docs/libraries.json; `python docs/write_numbers.py` then writes docs/libraries.md. An argument after
`--` shortens the training, and nothing is recorded.

`nox -s peers` holds our answers against those of other packages and writes docs/peers.csv and
docs/how-we-know.md.

`nox -s beside` measures steps a second of this package and of others of the field, all in one
environment, and writes docs/beside.csv and docs/benchmarks.md. `-- --quick` prints few rows.
"""

import json
import os
import time
import tomllib
from pathlib import Path

import nox

ROOT = Path(__file__).parent
TABLE = tomllib.loads((ROOT / "examples" / "libraries.toml").read_text())
RECORDS = ROOT / "docs" / "libraries.json"
BESIDE = (
    *("algocomp", "econgym", "envpool", "jax", "jaxmarl", "mpe2", "pettingzoo[classic]", "pgx"),
    "vmas",
)
"""What is measured beside this package, in its newest release."""


@nox.session(venv_backend="venv")
@nox.parametrize("name", [nox.param(name, id=name) for name in TABLE])
def examples(session: nox.Session, name: str) -> None:
    """Install an example's lower bounds, run it, and record its last line."""
    entry = TABLE[name]
    session.install("-e", ".", *entry["requires"])
    ask = "from importlib.metadata import version; "
    ask += f"print(version({entry['package']!r}), version('aigc-market'))"
    versions = session.run("python", "-c", ask, silent=True)
    if versions is None:  # nox --install-only
        return
    library, ours = versions.split()
    # Not in create_tmp(), which would become TMPDIR: Ray's sockets have no room for long paths.
    output = Path(session.virtualenv.location) / "output.txt"
    start, before = time.perf_counter(), os.times()
    with output.open("w") as handle:
        script = ROOT / "examples" / f"{name}.py"
        one_thread = {"OMP_NUM_THREADS": "1"}
        session.run("python", script, *session.posargs, stdout=handle, env=one_thread)
    seconds, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    line = output.read_text().strip().splitlines()[-1]
    session.log(line)
    if not session.posargs:  # a short training proves nothing
        records = json.loads(RECORDS.read_text()) if RECORDS.exists() else {}
        record = {"version": library.partition("+")[0], "aigc_market": ours, "line": line}
        record |= {"seconds": round(seconds), "cpu_seconds": round(cpu)}
        records[name] = record
        RECORDS.write_text(json.dumps(records, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


@nox.session(name="tests-tensors", venv_backend="venv")
@nox.parametrize(
    "torchrl", [nox.param("torchrl==0.11.*", id="oldest"), nox.param("torchrl", id="newest")]
)
def tests_tensors(session: nox.Session, torchrl: str) -> None:
    """Test games on tensors with the oldest TorchRL that is supported, and the newest."""
    session.install("-e", ".[torchrl]", torchrl, "hypothesis", "pytest", "scipy")
    files = sorted((ROOT / "tests").glob("test_tensor_*.py"))
    session.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, *session.posargs)


@nox.session(venv_backend="venv")
def beside(session: nox.Session) -> None:
    """Measure this package beside others of the field."""
    session.install("-e", ".[baselines,repaint]", *BESIDE)  # numbers of docs/ need both
    session.run("python", ROOT / "tests" / "benchmarks" / "beside.py", *session.posargs)


@nox.session(venv_backend="venv")
def peers(session: nox.Session) -> None:
    """Hold our answers against those of other packages."""
    session.install("-e", ".[peers]")
    folder, record = ROOT / "tests" / "peers", ROOT / "docs" / "peers.csv"
    session.run("python", "-m", "pytest", "-n", "auto", folder, "--record", record)
    session.run("python", ROOT / "docs" / "write_numbers.py")
