"""Every block of Python in the README and the docs runs; every local link leads somewhere."""

import contextlib
import dataclasses
import importlib
import inspect
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from unittest import SkipTest

import pettingzoo
import pytest
from gymnasium.vector import AutoresetMode
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
from sybil.parsers.myst import CodeBlockParser

pytestmark = [
    # TorchRL is tested using an older PettingZoo, and makes classes of its own that it deprecates.
    pytest.mark.filterwarnings("ignore:PettingZoo in TorchRL is tested using"),
    pytest.mark.filterwarnings(r"ignore:Creating \w+ which inherits from WeightUpdaterBase"),
]
ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    if not {"_build", "environments", ".jupyter_cache", "jupyter_execute"} & set(path.parts)
)
ENVIRONMENTS = runpy.run_path(str(ROOT / "docs/environment_pages.py"))["PAGES"]
MADE = {ROOT / "docs" / "environments" / f"{name}.md" for name in ENVIRONMENTS}
ORDER = ["Usage", "Description", "Arguments", "Actions", "Observations", "Rewards"]
ORDER += ["Infos", "Start", "End", "Version history"]
SYBIL = Sybil(parsers=[PythonCodeBlockParser(), SkipParser()])
CARDS = "baselines/weights/README.md", "aigc_market/ssim/repaint/bundled/README.md"
LINKED = [*PAGES, *ROOT.glob("*.md"), *(ROOT / card for card in CARDS)]
WITH_CODE = [page for page in PAGES if "```python" in page.read_text()]


def name(page):
    return str(page.relative_to(ROOT))


def skip_what_is_not_there(text):
    if "pettingzoo.make" in text and not hasattr(pettingzoo, "make"):
        pytest.skip("PettingZoo makes games by name from version 1.27 on")


@pytest.mark.parametrize("page", WITH_CODE, ids=name)
def test_code_runs(page, tmp_path, monkeypatch):
    skip_what_is_not_there(page.read_text())
    monkeypatch.chdir(tmp_path)
    document = SYBIL.parse(page)
    examples = list(document.examples())
    assert sum("```python" in line for line in page.read_text().splitlines()) <= len(examples)
    for example in examples:
        with contextlib.suppress(SkipTest):  # of one block: those that follow it run
            example.evaluate()


@pytest.mark.parametrize("page", ENVIRONMENTS)
def test_an_environment_has_its_page(page, tmp_path):
    """In Farama's order, with what the environment says of itself, and code that runs."""
    skip_what_is_not_there(ENVIRONMENTS[page].make)
    text = ENVIRONMENTS[page].text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ORDER
    rows = dict(re.findall(r"^\| ([^|]+) \| (.+) \|$", text, re.MULTILINE))
    assert rows["Make"] == f"`{ENVIRONMENTS[page].make}`"
    assert rows["Rounds of an episode"] == "`max_cycles=100`"
    by_id = page in ("pricing", "vector", "rival", "rival-vector", "menu", "menu-vector")
    assert ("as most learners want them. Tables" in text) is by_id
    assert ("`Box(-1, 1, (" in rows.get("Action space", "")) is by_id
    assert rows["`normalize`"].startswith(f"`{by_id}`")
    assert not re.search(r"\b(Those (of|that)|As for|As `)", text)
    for image in re.findall(r"\.\./(images/\S+)", text):
        assert (ROOT / "docs" / image).exists()
    for linked in re.findall(r"\]\((\w+[\w-]*)\.md", text):
        assert linked in ENVIRONMENTS
    (tmp_path / "page.md").write_text(text)
    [example] = SYBIL.parse(tmp_path / "page.md").examples()
    example.evaluate()


def below(text, heading):
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("page", ENVIRONMENTS)
def test_its_tables_hold_for_other_sizes(page):
    """M, K and L are told apart, so that shapes in symbols are compared with what is there."""
    known = ENVIRONMENTS[page]
    skip_what_is_not_there(known.make)
    make = known.make.replace("M=2", "M=4").replace("K=2", "K=5").replace("4096", "3")
    text = dataclasses.replace(known, make=make).text()
    for name in known.tables:
        assert below(text, name).startswith("\n| ")
    names = re.findall(r"^\| `(\w+)`", below(text, "Arguments"), re.MULTILINE)
    assert {"K", "judged", "scenario"} <= set(names)


@pytest.mark.parametrize("page", ["vector", "rival-vector", "menu-vector"])
def test_vector_pages_say_what_each_autoreset_mode_does(page):
    modes = re.findall(r"^\| `(\w+)` \|", below(ENVIRONMENTS[page].text(), "End"), re.MULTILINE)
    assert modes == [mode.name for mode in AutoresetMode]


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ("| `history` | 5 |", "| `history` | 6 |"),
        ("each round | `steps` | K |", "each round | `steps` | 1 |"),
        ("| leader | price | 1 |", "| leader | price | 2 |"),
        ("| `demand` | (K,) |", "| `demand` | |"),
        ("| leader | `utility` |", "| leader | `usefulness` |"),
        ("| follower | `surplus` | | money | U_k(S_k) − U_k(0) |\n", ""),
    ],
)
def test_a_docstring_that_is_wrong_makes_no_page(said, instead, monkeypatch):
    skip_what_is_not_there(ENVIRONMENTS["aec"].make)
    documented = ENVIRONMENTS["aec"].described
    docstring = inspect.getdoc(documented)
    assert said in docstring
    monkeypatch.setattr(documented, "__doc__", docstring.replace(said, instead))
    with pytest.raises(ValueError, match=r"is said to|no docstring describes"):
        ENVIRONMENTS["aec"].text()


def test_the_pages_are_found():
    assert ROOT / "README.md" in WITH_CODE
    assert len(WITH_CODE) >= 10


def test_local_links_lead_somewhere():
    for page in LINKED:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for target in re.findall(r"\]\((?![a-z]+:|#)([^)\s#]+)", text):
            path = (page.parent / target).resolve()
            found = path in MADE if path.parent.name == "environments" else path.exists()
            assert found, f"{name(page)}: {target}"


@pytest.mark.parametrize(
    "name",
    [
        "aigc_market",
        "aigc_market.ssim",
        "aigc_market.competition",
        "aigc_market.sb3",
        "aigc_market.torchrl",
        pytest.param("aigc_market.benchmarl", marks=pytest.mark.benchmarl),
    ],
)
def test_the_reference_has_every_public_name(name):
    reference = (ROOT / "docs" / "api.md").read_text()
    for public in importlib.import_module(name).__all__:
        assert re.search(rf"\b{public}\b", reference), public


# Tutorials


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
def test_tutorials_run(notebook, tmp_path):
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
