"""What a person does in Prefect's UI, in a headless Chromium."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Locator, Page, expect, sync_playwright

PATIENCE = 60_000
"""Milliseconds that a page may take on a busy machine."""


def chromium() -> str:
    """The system's Chromium or Chrome; empty if there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), "")


class Person:
    """Somebody in front of the UI at an address, as http://127.0.0.1:4200."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address + "/v2"

    def _open(self, path: str, shows: str | re.Pattern[str]) -> None:
        self.page.goto(self.address + path, timeout=PATIENCE)
        expect(self.page.get_by_text(shows).first).to_be_visible(timeout=PATIENCE)

    def picture(self, file: Path | None) -> None:
        """Keep what is on the screen."""
        if file:
            self.page.wait_for_timeout(1_500)
            self.page.screenshot(path=file)

    def open_dashboard(self) -> None:
        self._open("/dashboard", re.compile("Flow Runs|Run a task or flow to get started"))

    def see_on_dashboard(self, text: str) -> None:
        """Open it again and again until it shows a text: its figures are a minute late."""
        for _ in range(30):
            self.open_dashboard()
            self.page.wait_for_timeout(4_000)
            if self.page.get_by_text(text).first.is_visible():
                return
        raise AssertionError(f"the dashboard never showed {text!r}")

    def open_deployments(self) -> None:
        self._open("/deployments", "publish-approved")

    def open_automations(self) -> None:
        self._open("/automations", "daily-pipeline: a run died")

    def open_form(self, deployment_id: object) -> None:
        self._open(f"/deployments/deployment/{deployment_id}/run", "Only collect")

    def _field(self, title: str) -> Locator:
        """Where a field's value is set, by the title that stands above it."""
        label = self.page.get_by_text(f"{title} (Optional)", exact=True)
        return label.locator("xpath=ancestor::div[contains(@class, 'group')][1]//fieldset").first

    def switch_on(self, title: str) -> None:
        """A switch of the form."""
        self._field(title).get_by_role("switch").click()

    def choose(self, title: str, choice: str) -> None:
        """One of a field's choices."""
        self._field(title).get_by_role("button").click()
        self.page.get_by_role("option", name=choice, exact=True).click()

    def add_channel(self, text: str) -> None:
        """An item in the list of channels."""
        channels = self._field("Channels")
        channels.get_by_role("button", name="Add item").click()
        channels.locator("textarea, input").first.fill(text)

    def submit(self) -> None:
        self.page.get_by_role("button", name="Submit", exact=True).click()

    def open_run(self, run_id: object, tab: str = "Artifacts") -> None:
        self._open(f"/runs/flow-run/{run_id}?tab={tab}", "Task runs")

    def wait_until_over(self) -> str:
        """Watch the run's page until the run is over. Gives how it ended."""
        over = self.page.get_by_text(re.compile(r"^(Completed|Failed|Crashed|Cancelled|Skipped)$")).first
        expect(over).to_be_visible(timeout=3 * PATIENCE)
        return over.inner_text()

    def read(self, artifact_id: object, shows: str) -> str:
        """An artifact's page, as words."""
        self._open(f"/artifacts/artifact/{artifact_id}", shows)
        return self.page.locator("body").inner_text()

    def width_of_picture(self, artifact_id: object) -> int:
        """How wide the picture of an image artifact is, as the browser shows it; 0 if it is broken."""
        self._open(f"/artifacts/artifact/{artifact_id}", "thirty-days")
        image = self.page.locator("img[src^='data:image/svg']").first
        expect(image).to_be_visible(timeout=PATIENCE)
        return int(image.evaluate("image => image.naturalWidth"))

    def make_outbox_block(self, name: str, folder: str) -> None:
        """Blocks, +, Outbox: a block with a name and a folder."""
        self._open("/blocks/catalog/outbox/create", "Folder")
        self.page.get_by_label("Name", exact=True).fill(name)
        self._field("Folder").locator("textarea").fill(folder)
        self.page.get_by_role("button", name=re.compile("^(Save|Create)$")).click()
        self.page.wait_for_url(re.compile(r"/blocks/block/"), timeout=PATIENCE)


@contextmanager
def person(address: str, height: int = 1000) -> Iterator[Person]:
    """Somebody in front of a window of 1280 pixels' width."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": height})
        page.set_default_timeout(PATIENCE)
        yield Person(page, address)
        browser.close()
