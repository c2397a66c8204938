"""The clock of a page in a browser, where a test must not depend on how fast this machine is."""

from datetime import UTC, datetime, timedelta

from playwright.sync_api import Page


def stop_the_clock(page: Page) -> None:
    """In all that it opens from now on nothing happens by time alone, until `page.clock` runs again."""
    now = datetime.now(UTC)
    page.clock.install(time=now)
    page.clock.pause_at(now + timedelta(seconds=1))
