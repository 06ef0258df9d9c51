"""The code of every tutorial runs, as the docs run it, and what its asserts claim holds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.myst import CodeBlockParser

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "tutorials"
NOTEBOOKS = sorted(path for path in FOLDER.glob("*.md") if path.stem != "index")


def cells(notebook):
    sources = []
    parser = CodeBlockParser(language="python", evaluator=lambda cell: sources.append(cell.parsed))
    for cell in Sybil(parsers=[parser]).parse(notebook).examples():
        cell.evaluate()
    assert len(sources) == notebook.read_text().count("{code-cell}")
    return sources


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_code_runs(notebook, tmp_path):
    script = tmp_path / "cells.py"
    script.write_text("\n\n".join(cells(notebook)))
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_makes_claims_and_can_be_downloaded(notebook):
    text = notebook.read_text()
    assert any(line.startswith("assert ") for cell in cells(notebook) for line in cell.splitlines())
    assert f"<{notebook.stem}.ipynb>`" in text
    assert f"]({notebook.name})" in (FOLDER / "index.md").read_text()
