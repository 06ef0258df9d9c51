"""Commands of `aigc-market`, run in this process."""

import pytest

from aigc_market import cli


def run(capsys, *words):
    """What a command prints."""
    cli.main([str(word) for word in words])
    told = capsys.readouterr()
    assert told.err == ""
    return told.out


def refused(capsys, *words):
    """The one line in which a command says what is wrong; it ends with status 2."""
    with pytest.raises(SystemExit) as end:
        cli.main([str(word) for word in words])
    assert end.value.code == 2
    told = capsys.readouterr()
    assert told.err.startswith("aigc-market: ")
    assert told.err.count("\n") == 1
    assert told.err.endswith("\n")
    return told.err
