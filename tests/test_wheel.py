"""What is shipped: the sdist and the wheel, installed where nothing else is."""

import json
import re
import shlex
import shutil
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import gymnasium
import pytest
from shipping import ROOT, built, install, installed, run

import aigc_market

VERSION = aigc_market.__version__
LARGEST = 1_000_000  # bytes, of any file but the bundled network


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """The sdist and the wheel, which is built from the sdist."""
    return built(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def sdist(shipped):
    """Names of the files in the sdist, below its one folder."""
    with tarfile.open(shipped[0]) as archive:
        names = [member.name for member in archive.getmembers() if member.isfile()]
    prefix = f"aigc_market-{VERSION}/"
    assert all(name.startswith(prefix) for name in names)
    return [name.removeprefix(prefix) for name in names]


@pytest.fixture(scope="module")
def wheel(shipped):
    """Names of the files in the wheel."""
    with zipfile.ZipFile(shipped[1]) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def python(shipped, tmp_path_factory):
    """An interpreter with the wheel and what it requires, and nothing else."""
    return installed(shipped[1], tmp_path_factory.mktemp("venv"))


def tracked(folder):
    """Files of a folder that git knows."""
    return run("git", "ls-files", folder).splitlines()


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    metadata = [name for name in wheel if name.startswith(f"aigc_market-{VERSION}.dist-info/")]
    assert sorted(set(wheel) - set(metadata)) == sorted(tracked("aigc_market"))
    assert "aigc_market/py.typed" in wheel
    assert f"aigc_market-{VERSION}.dist-info/entry_points.txt" in metadata
    assert any(name.endswith("LICENSE") for name in metadata)


def test_the_sdist_holds_what_the_wheel_is_built_from_and_the_docs(sdist):
    own = ["CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", ".gitignore"]
    assert sorted(sdist) == sorted(own + tracked("aigc_market") + tracked("docs"))


def test_nothing_is_big_but_the_bundled_network(shipped):
    sdist, wheel = shipped
    with tarfile.open(sdist) as archive:
        sizes = {member.name: member.size for member in archive.getmembers()}
    big = [name for name, size in sizes.items() if size > LARGEST]
    assert [Path(name).suffix for name in big] == [".safetensors"]
    network = sizes[big[0]]
    assert wheel.stat().st_size < network + LARGEST
    assert sdist.stat().st_size < network + 5 * LARGEST  # the docs have pictures


def test_twine_finds_no_fault(shipped):
    assert run(sys.executable, "-m", "twine", "check", "--strict", *shipped).count("PASSED") == 2


def test_an_index_shows_the_readme_without_links_into_the_repository(shipped):
    with zipfile.ZipFile(shipped[1]) as archive:
        metadata = archive.read(f"aigc_market-{VERSION}.dist-info/METADATA").decode()
    shown = metadata.partition("\n\n")[2]
    readme = (ROOT / "README.md").read_text()
    headings = re.compile("^#.*$", re.M)
    assert headings.findall(shown) == headings.findall(readme)
    targets = re.compile(r"\]\(([^)\s]*)|^\[.*\]: *(\S+)|(?:src|href)=\"([^\"]*)", re.M)
    assert targets.findall(readme)  # there are some to be left out
    assert not [t for found in targets.findall(shown) for t in found if t and "://" not in t]
    assert "<!--" not in shown


@pytest.mark.slow
def test_the_readmes_oracle_runs_where_nothing_else_is_installed(python, tmp_path):
    block = r"<!-- oracle -->\n```python\n(.*?)```"
    code = re.search(block, (ROOT / "README.md").read_text(), re.S).group(1)
    (tmp_path / "oracle.py").write_text(code)
    printed = run(python, "-W", "error", "oracle.py", cwd=tmp_path).split()
    assert [float(number) for number in printed] == pytest.approx([8.0, 1408.05, 28.74], abs=0.01)


GAMES = """\
import gymnasium

from aigc_market import competition_v0, menus_v0, stackelberg_v0

for game in (stackelberg_v0, competition_v0, menus_v0):
    by_turns = game.env(max_cycles=3)
    by_turns.reset(seed=0)
    for agent in by_turns.agent_iter():
        *_, truncated, _ = by_turns.last()
        by_turns.step(None if truncated else by_turns.action_space(agent).sample())

    at_once = game.parallel_env(max_cycles=3)
    at_once.reset(seed=0)
    while at_once.agents:
        at_once.step({agent: at_once.action_space(agent).sample() for agent in at_once.agents})

ids = sorted(name for name in gymnasium.registry if name.startswith("aigc_market/"))
for name in ids:
    single = gymnasium.make(name, max_cycles=3)
    vector = gymnasium.make_vec(name, num_envs=2, max_cycles=3)
    for env in (single, vector):
        env.reset(seed=0)
        for _ in range(3):
            over = env.step(env.action_space.sample())[3]
        assert over if env is single else over.all(), name
print(*ids)
"""


@pytest.mark.slow
def test_games_of_each_kind_are_played_where_nothing_else_is_installed(python, tmp_path):
    (tmp_path / "games.py").write_text(GAMES)
    ids = {name for name in gymnasium.registry if name.startswith("aigc_market/")}
    assert set(run(python, "-W", "error", "games.py", cwd=tmp_path).split()) == ids


@pytest.mark.slow
def test_nothing_is_installed_that_the_core_does_not_need(python):
    run(python, "-m", "pip", "check")
    listed = json.loads(run(python, "-m", "pip", "list", "--format", "json"))
    names = {each["name"].lower().replace("_", "-") for each in listed}
    assert {"aigc-market", "numpy", "gymnasium", "pettingzoo", "array-api-compat"} <= names
    assert not names & {"torch", "tyro", "rich", "pygame", "pygame-ce", "matplotlib", "marimo"}


@pytest.mark.slow
def test_the_console_command_says_what_it_needs(python, tmp_path):
    told = run(python.with_name("aigc-market"), "info", cwd=tmp_path, status=2)
    assert told.count("\n") == 1
    assert "pip install 'aigc-market[cli]'" in told


@pytest.mark.slow
def test_the_console_command_is_installed(shipped, tmp_path):
    command = installed(f"{shipped[1]}[cli]", tmp_path).with_name("aigc-market")
    found = json.loads(run(command, "info", "--json", cwd=tmp_path))
    assert found["aigc-market"] == VERSION
    assert found["extras"]["cli"] == []
    assert "marimo" in found["extras"]["app"]
    assert found["devices"] == []
    assert json.loads(run(command, "solve", "--json", cwd=tmp_path))["price"] == pytest.approx(8)
    told = run(command, "explore", cwd=tmp_path, status=2)
    assert "pip install 'aigc-market[app]'" in told


USER = """\
import aigc_market

market = aigc_market.Market(K=3, cost=2.0)
equilibrium = aigc_market.solve(market)
reveal_type(equilibrium)
reveal_type(equilibrium.binding)
env = aigc_market.parallel_env(K=2)
aigc_market.solve("a market")
aigc_market.Market(K="three")
aigc_market.Market(costs=2.0)
equilibrium.prize
"""


@pytest.mark.slow
def test_a_users_type_checker_sees_the_types(python, tmp_path):
    (tmp_path / "project.py").write_text(USER)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard"}')
    pyright = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", python]
    found = json.loads(run(*pyright, "project.py", cwd=tmp_path, status=1))["generalDiagnostics"]
    said = {
        each["range"]["start"]["line"] + 1: (each["severity"], each["message"]) for each in found
    }
    assert "Equilibrium" in said[5][1]
    assert "Binding" in said[6][1]
    errors = {line for line, (severity, _) in said.items() if severity == "error"}
    assert errors == {8, 9, 10, 11}
    assert '"market"' in said[8][1]
    assert '"prize"' in said[11][1]


# What a stranger does in five minutes: install, follow the README, copy an example. Commands and
# blocks are taken from it as they stand.


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
    page = (ROOT / "docs" / "quickstart.md").read_text()
    (command,) = re.findall(r"^pip (install .*--find-links .*)$", page, re.MULTILINE)
    install(python, *shlex.split(command), cwd=tmp_path)

    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "readme.py").write_text("\n".join(CODE))
    (empty / "where.py").write_text("import aigc_market; print(aigc_market.__file__)")
    assert str(tmp_path / "venv") in play(python, empty, "where.py")
    printed = play(python, empty, "readme.py")
    assert 0 <= float(re.search(r"regret ([\d.]+)%", printed).group(1)) <= 1

    for example, extra in NEEDS.items():
        install(python, "install", f"aigc-market[{extra}]", "--find-links", "dist", cwd=tmp_path)
        folder = tmp_path / example.stem
        folder.mkdir()
        shutil.copy(example, folder)
        shares = re.findall(r"leader's share ([\d.]+)", play(python, folder, example.name))
        assert shares, example
        assert min(map(float, shares)) > 0.98, example


def test_blocks_and_examples_are_found():
    assert "env.reset" in CODE[0]
    assert "PPO" in CODE[1]
    assert {"train_sb3", "cleanrl_ppo", "tensors_ppo"} <= {path.stem for path in NEEDS}
