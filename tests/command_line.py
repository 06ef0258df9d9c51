"""Commands of `aigc-market`, run in this process or in one of their own; words split at spaces."""

import json
import signal
import subprocess
import sys

import pytest

from aigc_market import cli

CYCLE = "--M 2 --temperature 10 --satisfaction 150 250 --access-cost 0 30 30 0"
"""A market in which best replies go round."""


def run(capsys, *words):
    """What a command prints."""
    cli.main(_split(words))
    told = capsys.readouterr()
    assert told.err == ""
    return told.out


def numbers(capsys, *words):
    """What a command tells as JSON."""
    return json.loads(run(capsys, *words, "--json"))


def refused(capsys, *words):
    """The one line in which a command says what is wrong; it ends with status 2."""
    told = _told(capsys, words)
    assert told.startswith("aigc-market: ")
    assert told.count("\n") == 1
    assert told.endswith("\n")
    return told


def misread(capsys, *words):
    """What tyro tells of words that it cannot read, as one line; it ends with status 2."""
    return " ".join(_told(capsys, words).replace("│", " ").split())


def process(words, **options):
    """The command in a process of its own."""
    command = [sys.executable, "-m", "aigc_market.cli", *words.split()]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    # Whoever runs tests in the background may have made them, and their children, deaf to Ctrl-C.
    return subprocess.Popen(command, preexec_fn=_heed_ctrl_c, **pipes)


def _heed_ctrl_c():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _told(capsys, words):
    with pytest.raises(SystemExit) as end:
        cli.main(_split(words))
    assert end.value.code == 2
    return capsys.readouterr().err


def _split(words):
    return [part for word in words for part in str(word).split()]
