"""What stands around the package: workflows, forms, the citation, versions of the docs."""

import ast
import functools
import http.server
import json
import re
import runpy
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import check_jsonschema
import pytest
import yaml
from click.testing import CliRunner

import aigc_market

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = ["ci", "newest", "lowest", "release", "docs"]
SCHEMAS = {
    "github-workflows": sorted((GITHUB / "workflows").glob("*")),
    "github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
    "github-issue-forms": sorted(set(GITHUB.glob("ISSUE_TEMPLATE/*")) - {*GITHUB.rglob("config*")}),
    "citation-file-format": [ROOT / "CITATION.cff"],
}


def steps(workflow):
    """All steps of a workflow."""
    jobs = yaml.safe_load((GITHUB / "workflows" / f"{workflow}.yml").read_text())["jobs"]
    return [step for job in jobs.values() for step in job.get("steps", [])]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_for_the_hosting_site_keep_their_schemas(schema):
    assert SCHEMAS[schema]
    words = ["--builtin-schema", f"vendor.{schema}", *map(str, SCHEMAS[schema])]
    done = CliRunner().invoke(check_jsonschema.main, words)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_what_workflows_run_is_there(workflow):
    commands = "\n".join(step.get("run", "") for step in steps(workflow))
    goals = set(re.findall(r"^([\w/.]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for asked in re.findall(r"^make (.+)$", commands, re.MULTILINE):
        assert set(asked.split()) <= goals
    for file in re.findall(r"[\w/]+\.py\b", commands):
        assert (ROOT / file).is_file(), file


def test_all_pythons_that_are_promised_are_tested():
    promised = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if " :: 3." in text]
    tests = yaml.safe_load((GITHUB / "workflows" / "ci.yml").read_text())["jobs"]["tests"]
    assert tests["strategy"]["matrix"]["python"] == promised


def test_exact_versions_stand_in_the_constraints_alone():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)  # and no addresses
    required = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    assert not [each for extra in required for each in extra if "==" in each]


def test_each_package_has_one_lower_bound_and_no_other():
    """`make lowest` reads them from the text, and installs all of them side by side."""
    text = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = text["build-system"]["requires"], PROJECT["dependencies"]
    extras = PROJECT["optional-dependencies"].values()
    required = {each for group in (*groups, *extras) for each in group}
    bounds = {each for each in required if not each.startswith("aigc-market[")}
    assert all(re.fullmatch(r"[a-z0-9_-]+>=[0-9.]+", each) for each in bounds)
    names = [each.partition(">=")[0].replace("_", "-") for each in bounds]
    assert len(names) == len(set(names))


def test_actions_are_pinned_by_their_major_version():
    used = [step["uses"] for name in WORKFLOWS for step in steps(name) if "uses" in step]
    assert all(re.search(r"@(release/)?v\d+$", action) for action in used)


@pytest.mark.parametrize(("tag", "status"), [("v{}", 0), ("{}", 1), ("v{}.1", 1)])
def test_a_release_needs_a_tag_that_is_the_version(tag, status):
    (check,) = (
        step["run"] for step in steps("release") if step.get("name", "").startswith("The tag")
    )
    check = check.replace("python ", f"{sys.executable} ")
    name = {"GITHUB_REF_NAME": tag.format(aigc_market.__version__)}
    done = subprocess.run(["bash", "-c", check], env=name, cwd=ROOT, check=False)
    assert done.returncode == status


def test_the_citation_is_of_this_package_and_of_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["authors"] == PROJECT["authors"]
    assert citation["license"] == PROJECT["license"]
    assert citation["keywords"] == PROJECT["keywords"]
    (paper,) = citation["references"]
    assert PROJECT["urls"]["Paper"] == f"https://doi.org/{paper['doi']}"
    bibtex = (ROOT / "docs" / "project.md").read_text()
    assert paper["doi"] in bibtex
    assert paper["title"] in re.sub("[{}]", "", bibtex)
    names = [f"{author['family-names']}, {author['given-names']}" for author in paper["authors"]]
    assert " and ".join(names) in bibtex


def test_what_a_build_of_the_docs_leaves_is_no_page_of_the_next():
    settings = ast.parse((ROOT / "docs" / "conf.py").read_text()).body
    [excluded] = [
        ast.literal_eval(node.value)
        for node in settings
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "exclude_patterns"
    ]
    cleaned = re.search(r"^clean:\n\trm -rf (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    left = {*cleaned[1].split(), *(line.strip("/") for line in ignored)}
    folders = {path.removeprefix("docs/") for path in left if path.startswith("docs/")}
    assert folders >= {"_build", "jupyter_execute"}
    assert folders - {"environments"} <= set(excluded)  # which are pages, written by each build


publish = runpy.run_path(str(ROOT / "docs" / "publish.py"))["publish"]


@pytest.fixture
def built(tmp_path):
    """Docs, as Sphinx leaves them."""
    folder = tmp_path / "built"
    (folder / ".doctrees").mkdir(parents=True)
    (folder / "index.html").write_text("new")
    return folder


def test_docs_of_all_versions_stand_side_by_side(built, tmp_path):
    site = tmp_path / "site"
    (site / ".git").mkdir(parents=True)
    for name in ("main", "v0.9.0", "v0.10.0", "v0.2.1"):
        publish(built, site, name)
    listed = json.loads((site / "versions.json").read_text())
    names = ["v0.10.0", "v0.9.0", "v0.2.1", "main"]
    assert listed == [{"name": name, "url": f"{name}/"} for name in names]
    assert all((site / each["url"] / "index.html").is_file() for each in listed)
    assert "url=v0.10.0/" in (site / "index.html").read_text()
    assert not list(site.rglob(".doctrees"))


def test_docs_of_a_version_are_replaced_as_a_whole(built, tmp_path):
    site = tmp_path / "site"
    (site / "main").mkdir(parents=True)
    (site / "main" / "gone.html").touch()
    publish(built, site, "main")
    assert [path.name for path in (site / "main").iterdir()] == ["index.html"]
    with pytest.raises(ValueError, match=r"main or vX\.Y\.Z, got 'v0\.3\.0rc1'"):
        publish(built, site, "v0.3.0rc1")


@pytest.mark.browser
def test_the_sidebar_leads_to_other_versions(built, tmp_path, browser):
    """The template alone, as Sphinx fills it in for a page that is one folder deep."""
    template = (ROOT / "docs" / "_templates" / "versions.html").read_text()
    (built / "deep").mkdir()
    (built / "deep" / "page.html").write_text(template.replace("{{ content_root }}", "../"))
    site = tmp_path / "site"
    site.mkdir()
    for name in ("main", "v0.2.0"):
        publish(built, site, name)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/main/deep/page.html")
        choice = page.wait_for_selector("#versions select:visible")
        assert choice.inner_text().split() == ["v0.2.0", "main"]
        assert choice.evaluate("choice => choice.selectedOptions[0].text") == "main"
        choice.select_option(label="v0.2.0")
        page.wait_for_url("**/v0.2.0/")
        assert page.inner_text("body") == "new"
        page.close()
        server.shutdown()
