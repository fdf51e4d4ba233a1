"""A headless Chromium that may reach this machine alone, for the tests of pages; they are skipped where it is missing."""

import os
import shutil
from urllib.parse import urlsplit

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
LOCAL = {"127.0.0.1", "localhost"}


def chromium_path():
    named = os.environ.get("UNBLUR_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="module")
def chromium():
    """The browser itself."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: `pip install playwright`")
    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium is installed: `apt-get install chromium`, or name one by UNBLUR_CHROMIUM")
    with api.sync_playwright() as playwright:
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if is_root else [])
        yield browser
        browser.close()


class Visit:
    """A page, and what it asked for and complained of."""

    def __init__(self, page):
        self.page, self.errors, self.foreign = page, [], []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.context.route("**/*", self._route)

    def _route(self, route):
        address = urlsplit(route.request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.hostname not in LOCAL:
            self.foreign.append(route.request.url)
            route.abort()
        else:
            route.continue_()


@pytest.fixture
def visit(chromium):
    """Opens a new window, as another person would; every request to another host, and every error of a script, fails the test."""
    visits = []

    def open_window(width=1280, height=900, **options):
        context = chromium.new_context(viewport={"width": width, "height": height}, accept_downloads=True, **options)
        context.set_default_timeout(180_000)  # a busy machine is no fault of the page
        visits.append(Visit(context.new_page()))
        return visits[-1].page

    yield open_window
    for each in visits:
        each.page.context.close()
        assert each.foreign == []
        assert each.errors == []
