"""Put built docs beside those of other versions: `python docs/publish.py SITE NAME`.

SITE is a checkout of the branch that is served as a web site. docs/_build goes to SITE/NAME, where
NAME is `main` or the tag of a release. SITE/versions.json lists what is there, newest first, for
the switch in the sidebar (docs/_templates/versions.html). SITE/index.html leads to the newest.
"""

import json
import re
import shutil
import sys
from pathlib import Path

BUILT = Path(__file__).parent / "_build"
RELEASE = re.compile(r"v(\d+)\.(\d+)\.(\d+)")


def versions(site: Path) -> list[dict[str, str]]:
    """Of the docs in a site: releases from new to old, then `main`."""
    names = [path.name for path in site.iterdir() if RELEASE.fullmatch(path.name)]
    names.sort(key=lambda name: [int(part) for part in RELEASE.fullmatch(name).groups()])
    names.reverse()
    names += ["main"] * (site / "main").is_dir()
    return [{"name": name, "url": f"{name}/"} for name in names]


def publish(built: Path, site: Path, name: str) -> None:
    """Add docs to a site, or replace those of that name."""
    if name != "main" and not RELEASE.fullmatch(name):
        raise ValueError(f"NAME must be main or vX.Y.Z, got {name!r}")
    shutil.rmtree(site / name, ignore_errors=True)
    shutil.copytree(built, site / name, ignore=shutil.ignore_patterns(".doctrees", ".buildinfo"))
    found = versions(site)
    (site / "versions.json").write_text(json.dumps(found, indent=1) + "\n")
    lead = f'<!doctype html><meta http-equiv="refresh" content="0; url={found[0]["url"]}">\n'
    (site / "index.html").write_text(lead)
    (site / ".nojekyll").touch()  # or GitHub Pages would leave out _static


if __name__ == "__main__":
    publish(BUILT, Path(sys.argv[1]), sys.argv[2])
