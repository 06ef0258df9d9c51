"""What a stranger does in five minutes: install, follow the README, copy an example.

Nothing here knows what the README says: commands and blocks are taken from it as they stand.
"""

import re
import shlex
import shutil
import venv

import pytest
from shipping import ROOT, built, install, run

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```([^\n]*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
CODE = [text for language, text in BLOCKS if language == "python"]
EXTRA = re.compile(r"^(?:Needs|.* needs) the extra `(\w+)`", re.MULTILINE)
NEEDS = {
    path: EXTRA.search(path.read_text()).group(1)
    for path in sorted((ROOT / "examples").glob("*.py"))
    if EXTRA.search(path.read_text())
}
"""Examples that need an extra at most, and which."""


def play(python, folder, script):
    """What a script prints in a folder where nothing but it is."""
    return run(python, script, cwd=folder, OMP_NUM_THREADS="1")


@pytest.mark.slow
def test_a_stranger_trains_by_the_readme_and_by_copied_examples(tmp_path):
    """All in one test, since installing takes most of its time."""
    (tmp_path / "dist").mkdir()
    built(tmp_path / "dist")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    (command,) = re.findall(r"^pip (install .*--find-links .*)$", README, re.MULTILINE)
    install(python, *shlex.split(command), cwd=tmp_path)

    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "readme.py").write_text("\n".join(CODE))
    (empty / "where.py").write_text("import aigc_market; print(aigc_market.__file__)")
    assert str(tmp_path / "venv") in play(python, empty, "where.py")
    printed = play(python, empty, "readme.py")
    assert 0 <= float(re.search(r"regret: ([\d.]+)%", printed).group(1)) <= 1

    for example, extra in NEEDS.items():
        install(python, "install", f"aigc-market[{extra}]", "--find-links", "dist", cwd=tmp_path)
        folder = tmp_path / example.stem
        folder.mkdir()
        shutil.copy(example, folder)
        shares = re.findall(r"leader's share ([\d.]+)", play(python, folder, example.name))
        assert shares, example
        assert min(map(float, shares)) > 0.98, example


def test_blocks_and_examples_are_found():
    assert "PPO" in CODE[0]
    assert {"train_sb3", "cleanrl_ppo", "tensors_ppo"} <= {path.stem for path in NEEDS}
