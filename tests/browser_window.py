"""Debian's Chromium without a window, driven through its ChromeDriver, and what the tests of pages do with it."""

from __future__ import annotations

import base64
import shutil
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.options import ArgOptions

SCREENSHOTS = Path(__file__).parents[1] / "browser-screenshots"
PHONE, DESK = (390, 844), (1280, 900)
# No sandbox, since it cannot be had as root; the others keep Chromium from calling home.
FLAGS = (
    "headless",
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
    "no-first-run",
    "hide-scrollbars",
)


@contextmanager
def opened():
    """Chromium without a window; it fails, and does not skip, where Chromium or its driver is missing."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in programs.items() if path is None]
    assert not missing, f"{', '.join(missing)} not found: apt-get install chromium chromium-driver"
    options: ArgOptions = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    for flag in FLAGS:
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(programs["chromedriver"]))
    try:
        yield driver
    finally:
        driver.quit()


def show(browser, page, size=DESK, scheme="light"):
    """Load a page, a file or an address, in a window of that size and colour scheme; its height."""
    width, height = size
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE},
    )
    media = {"media": "", "features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(page if isinstance(page, str) else page.as_uri())
    return browser.execute_script("return document.documentElement.scrollHeight")


def keep(browser, name, size, height):
    """A picture of the whole page."""
    SCREENSHOTS.mkdir(exist_ok=True)
    clip = {"x": 0, "y": 0, "width": size[0], "height": height, "scale": 1}
    shot = browser.execute_cdp_cmd(
        "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True, "clip": clip}
    )
    picture = base64.b64decode(shot["data"])
    (SCREENSHOTS / f"{name}.png").write_bytes(picture)
    assert picture.startswith(b"\x89PNG")


def luminance(color: str) -> float:
    """Relative luminance of ``rgb(r, g, b)`` (WCAG 2.1)."""
    parts = [float(c) / 255 for c in color[color.index("(") + 1 : -1].split(",")[:3]]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
