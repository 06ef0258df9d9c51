"""Model cards say what the files beside them are; tests/test_numbers.py checks their tables."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import yaml

from baselines.arena import policies

ROOT = Path(__file__).resolve().parents[1]
WRITE = runpy.run_path(str(ROOT / "docs/write_numbers.py"))
POLICIES = ROOT / "baselines/weights/README.md"
DIFFUSION = ROOT / "aigc_market/ssim/repaint/bundled/README.md"
cards = pytest.mark.parametrize("card", [POLICIES, DIFFUSION], ids=["policies", "diffusion"])


@cards
def test_a_card_is_of_the_form_that_hubs_read(card):
    _, front, text = card.read_text("utf-8").split("---\n", 2)
    said = yaml.safe_load(front)
    assert said["license"] == "mit"
    assert said["tags"]
    assert said["pipeline_tag"]
    assert {"## Use", "## Evaluation", "## Limits"} <= set(text.splitlines())


@cards
def test_the_tables_of_a_card_are_checked(card):
    assert card in WRITE["pages"]()


def test_the_code_of_the_card_of_policies_runs():
    [code] = re.findall(r"^```python\n(.*?)^```", POLICIES.read_text("utf-8"), re.M | re.S)
    names = {}
    exec(code, names)
    assert names["policy"].path.stem in policies.index()
    assert names["prices"].shape == (1,)


def test_every_kept_method_is_described_with_what_it_plays():
    rows = re.findall(r"^\| (`.*?) \|.*\| (.*?) \|$", POLICIES.read_text("utf-8"), re.MULTILINE)
    rows = [row for row in rows if row[1].endswith(" K") or row[1].startswith("K =")]
    plays = {name: said for names, said in rows for name in re.findall(r"`(\w+)`", names)}
    assert set(plays) == {record["method"] for record in policies.index().values()}
    for method, said in plays.items():
        [stem, *_] = [s for s, of in policies.index().items() if of["method"] == method]
        policy = policies.load_policy(stem)
        K = policy.task.settings().market.K
        assert said == ("any K" if policy.any_K else f"K = {K}")


@pytest.mark.parametrize(("column", "value"), [("train_rounds", "1"), ("train_seconds", "0.1")])
def test_a_share_of_another_training_is_refused(column, value, monkeypatch):
    only = WRITE["measurements"].only

    def other(name, **where):
        return {**only(name, **where), column: value}

    monkeypatch.setitem(WRITE["REGIONS"]["weights"].__globals__, "only", other)
    with pytest.raises(ValueError, match=r"capacity-a2c-seed0: rounds and CPU seconds .* must be"):
        WRITE["made"]("weights")


def test_seeds_without_a_file_are_told(monkeypatch):
    names = WRITE["REGIONS"]["weights"].__globals__
    standing = names["standing"]
    monkeypatch.setitem(names, "standing", lambda *of: {**standing(*of), "seeds": "0 1 2 3 4 5"})
    with pytest.raises(ValueError, match=r"capacity-a2c: files of seeds .* a share of 0 1 2 3 4 5"):
        WRITE["made"]("weights")


def test_the_diffusion_models_card_has_the_curve_that_comes_with_it():
    [path] = (DIFFUSION.parent / "curves").glob("*.npy")
    ssim = np.load(path, allow_pickle=False)
    pictures, chains, calls = ssim.shape
    assert (chains, calls) == (1, 251)
    last = WRITE["made"]("bundled").splitlines()[2].split(" | ")[-1]
    assert float(last.rstrip(" |")) == pytest.approx(ssim[..., -1].mean(), abs=5e-4)
    assert f"over {pictures} held-out scenes" in WRITE["made"]("bundled")
