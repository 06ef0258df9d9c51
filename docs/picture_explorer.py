"""Takes docs/images/explorer.png and explorer-providers.png in a headless Chromium."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parent / "images"


def take(page: Page, example: str, card: str, value: str, name: str) -> None:
    """Choose an example, wait until a card shows its value, and keep what a screen holds of it."""
    page.locator("select").first.select_option(label=example)
    page.locator("marimo-stat", has_text=card).get_by_text(value, exact=True).wait_for()
    page.wait_for_timeout(2000)  # until the charts have been drawn
    path = IMAGES / name
    page.screenshot(path=path)
    few = Image.open(path).convert("RGB").quantize(255, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


command = [sys.executable, "-m", "aigc_market.cli", "explore", "--no-browser", "--port", "0"]
with (
    subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
    sync_playwright() as playwright,
):
    assert server.stdout is not None
    url = re.search(r"http\S+", server.stdout.readline())
    assert url is not None
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox"]
    )
    page = browser.new_page(viewport={"width": 1280, "height": 1140})
    page.set_default_timeout(120_000)
    page.goto(url[0])
    page.get_by_text("8.000", exact=True).first.wait_for()
    take(page, "a VMU that is priced out", "price p*", "15.500", "explorer.png")
    none = "no equilibrium: best replies go round"
    take(page, none, "Nash prices", "none found", "explorer-providers.png")
    browser.close()
    server.terminate()
