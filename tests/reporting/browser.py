"""A headless browser for the tests of the page; they are skipped, and say so, where there is none."""

import shutil
from contextlib import contextmanager

import pytest

_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


def executable():
    """The browser, or a skip that says what is missing."""
    pytest.importorskip(
        "playwright.sync_api", reason="tests of the page need playwright: pip install fiducial[browser]"
    )
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("tests of the page need Chromium: chromium, chromium-browser or google-chrome in the PATH")
    return found


@contextmanager
def browser():
    """A browser without network."""
    path = executable()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=path, args=_ARGUMENTS)
        try:
            yield running
        finally:
            running.close()


class Visit:
    """One page in one window, with all that went wrong in it."""

    def __init__(self, running, path, *, width=1200, height=900, hash_="", scheme="light", scripts=True):
        self.wrong, self.requests = [], []
        context = running.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            java_script_enabled=scripts,
            reduced_motion="reduce",
            accept_downloads=True,
        )
        self.page = context.new_page()
        self.page.on("console", lambda message: message.type == "error" and self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.resolve().as_uri() + hash_)
        if scripts:
            self.page.wait_for_selector("html[data-ready]")

    def field(self, label):
        """One of the fields that say what is shown."""
        return self.page.locator(f".filters [aria-label='{label}']")

    def count(self, selector):
        return self.page.locator(selector).count()

    def text(self, selector):
        return self.page.locator(selector).first.evaluate("(one) => one.innerText ?? one.textContent")

    def sideways(self):
        """Pixels by which the page is wider than its window."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def focused(self, what):
        return self.page.evaluate(f"document.activeElement.{what}")

    def close(self):
        self.page.context.close()
