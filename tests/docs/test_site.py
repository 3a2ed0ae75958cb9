"""The documentation builds without a warning, loads nothing from another host, and fits a wide and a narrow screen."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOADED = re.compile(
    r"""<(?:script|img|iframe|source)[^>]*\ssrc="(https?:)?//|<link[^>]*\shref="(https?:)?//|url\(\s*["']?(https?:)?//"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages."""
    out = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_no_page_names_a_file_of_another_host(site: Path) -> None:
    files = [f for f in site.rglob("*") if f.suffix in (".html", ".css")]
    assert len(files) > 50
    assert not [f.name for f in files if LOADED.search(f.read_text(encoding="utf-8"))]


def test_a_browser_asks_nobody_else_and_pages_fit_the_screen(site: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on PATH; on Debian: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    asked: set[str] = set()
    wide: list[str] = []
    flags = ("gpu", "quic", "background-networking", "component-update", "sync")
    with sync_playwright() as p:
        args = ["--no-sandbox", *(f"--disable-{f}" for f in flags)]
        browser = p.chromium.launch(executable_path=chromium, headless=True, args=args)
        tab = browser.new_page()
        tab.on("request", lambda request: asked.add(request.url))
        for file in sorted(site.rglob("*.html")):
            tab.goto(file.as_uri())
            for width in (1280, 390):
                tab.set_viewport_size({"width": width, "height": 900})
                if tab.evaluate("document.documentElement.scrollWidth") > width:
                    wide.append(f"{file.name} at {width}")
        browser.close()
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
    assert not wide
