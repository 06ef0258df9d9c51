"""How a release is built, and installed where nothing else is."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command, cwd=ROOT, status=0, **variables):
    """What a command prints, on both streams; more environment variables may be set."""
    command = [str(word) for word in command]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    done = subprocess.run(command, cwd=cwd, env=env, text=True, check=False, **streams)
    assert done.returncode == status, done.stdout
    return done.stdout


def built(folder):
    """The sdist and the wheel, which is built from the sdist."""
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def installed(what, folder):
    """The interpreter of a new environment with a wheel in it."""
    venv.create(folder, with_pip=True)
    interpreter = folder / "bin" / "python"
    install(interpreter, "install", what)
    return interpreter


def install(python, *words, cwd=ROOT):
    """Let an environment's pip do something; where it reaches no index, the test is skipped."""
    pip = [str(word) for word in (python, "-m", "pip", "--quiet", *words)]
    done = subprocess.run(pip, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        probe = [sys.executable, "-m", "pip", "index", "versions", "numpy"]
        if subprocess.run(probe, capture_output=True, check=False).returncode:
            pytest.skip(f"pip reaches no index: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
