"""What every test shares: a workspace of its own, and the starter model trained once for a session."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from studio.cli import QUIET  # noqa: E402

for _name, _value in QUIET.items():
    os.environ.setdefault(_name, _value)
if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a core: threads of both, waiting for one another, take thrice
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from studio.settings import Settings  # noqa: E402


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Local mode, in a fresh workspace; the cache of fetched models is the user's own."""
    cache = Path(os.environ.get("TUNEFORK_CACHE") or Path.home() / ".cache" / "tunefork")
    made = Settings(mode="local", workspace=tmp_path / "workspace", cache=cache)
    made.prepare_workspace()
    return made


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def find_chromium() -> str | None:
    """A Chromium of the system, else the one that `playwright install chromium` fetched."""
    named = os.environ.get("TUNEFORK_CHROMIUM")
    found = named or next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found:
        return found
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        own = play.chromium.executable_path
    return own if Path(own).exists() else None


LONG = (
    "test_smollm2", "test_resume", "test_cli", "test_kill", "test_kinds_train", "test_losses", "test_run_goes_on",
    "test_zombie", "test_every_pair", "test_quantized_kinds", "test_preview_is_what_trains", "test_judge",
    "test_browser_queue", "test_browser_live", "test_ui_browser", "test_ui_keeps", "test_browser_data",
)  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a Chromium the page's tests are skipped, unless TUNEFORK_BROWSER=required (CI): then they fail.

    Files that take minutes come first, so that of two workers none is left alone with them at the end. What is marked
    thorough runs only where -m names it.
    """
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))
    if "thorough" not in config.option.markexpr:
        left = [item for item in items if item.get_closest_marker("thorough")]
        items[:] = [item for item in items if not item.get_closest_marker("thorough")]
        config.hook.pytest_deselected(items=left)
    driving = [item for item in items if item.get_closest_marker("browser")]
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if driving and worker:  # two servers that look for a free port at once may find the same one
        from studio.ui import app

        app.FIRST_PORT += app.PORTS * (1 + int(worker.removeprefix("gw")))
    if not driving or os.environ.get("TUNEFORK_BROWSER") == "required" or find_chromium():
        return
    for item in driving:
        item.add_marker(pytest.mark.skip(reason="no Chromium: install one, or run `playwright install chromium`"))


_browsers: list = []


@pytest.fixture(autouse=True)
def no_page_is_left_open():
    """A page that outlives its server would go on asking the next one, on the same port."""
    yield
    for browser in _browsers:
        for context in browser.contexts:
            context.close()


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium for the whole session."""
    from playwright.sync_api import sync_playwright

    path = find_chromium()
    assert path, "TUNEFORK_BROWSER=required, but there is no Chromium"
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=BROWSER_FLAGS)
        _browsers.append(browser)
        yield browser
        _browsers.remove(browser)
        browser.close()
