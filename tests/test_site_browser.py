"""The documentation site in a real browser, opened as files and served; ``make test-browser`` builds it first."""

from __future__ import annotations

import functools
import http.server
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("selenium")

from browser_window import DESK, PHONE, keep, luminance, show

pytestmark = pytest.mark.browser

SITE = Path(__file__).parents[1] / "site"
# Pages of which pictures are kept, to be looked at.
LOOKED_AT = ("index", "first-hour", "step", "studies", "reference/api", "notebooks/rule", "notebooks/sweeps")


@pytest.fixture(scope="module")
def pages():
    """All pages; where there are none it fails, and does not skip."""
    found = sorted(SITE.rglob("*.html"))
    assert found, f"{SITE} is not built: make docs"
    return found


@pytest.fixture(scope="module")
def address(pages):
    """Where the site is served."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(SITE))
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_scrolls_sideways_on_a_phone(browser, pages, scheme):
    wide = []
    for page in pages:
        height = show(browser, page, PHONE, scheme)
        # An emulated phone widens its viewport for what does not fit, so that the width of the page alone says nothing.
        widths = browser.execute_script(
            "return [document.documentElement.scrollWidth, innerWidth, visualViewport.width]"
        )
        if widths != [PHONE[0]] * 3:
            wide.append((page.relative_to(SITE).as_posix(), widths))
        name = page.relative_to(SITE).with_suffix("").as_posix()
        if name in LOOKED_AT:
            keep(browser, f"site-{name.replace('/', '-')}-{PHONE[0]}-{scheme}", PHONE, min(height, 4000))
    assert wide == []


def test_a_page_that_is_too_wide_is_seen(browser, tmp_path):
    """The test above can fail."""
    page = tmp_path / "wide.html"
    head = '<!doctype html><meta name="viewport" content="width=device-width,initial-scale=1">'
    page.write_text(head + "<div style='width:500px'>wide</div>", encoding="utf-8")
    show(browser, page, PHONE)
    assert browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]") != [PHONE[0]] * 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_has_the_colours_of_the_system(browser, pages, scheme):
    for name in LOOKED_AT:
        height = show(browser, SITE / f"{name}.html", DESK, scheme)
        paper, text = browser.execute_script(
            "const of = (s, p) => getComputedStyle(document.querySelector(s))[p];"
            "return [of('body', 'backgroundColor'), of('.md-typeset', 'color')]"
        )
        assert (luminance(paper) > 0.5) == (scheme == "light"), name
        assert (luminance(text) < 0.5) == (scheme == "light"), name
        keep(browser, f"site-{name.replace('/', '-')}-{DESK[0]}-{scheme}", DESK, min(height, 4000))


def found(browser, words):
    """The addresses that a search of the site finds, best first."""
    browser.execute_script(
        "const box = document.querySelector('#__search'); box.checked = true; box.dispatchEvent(new Event('change'))"
    )
    browser.find_element("css selector", "input.md-search__input").send_keys(words)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        addresses = browser.execute_script(
            "return [...document.querySelectorAll('.md-search-result__item a')].map(a => a.href)"
        )
        if addresses:
            return addresses
        time.sleep(0.1)
    raise AssertionError(browser.find_element("css selector", ".md-search-result__meta").text)


@pytest.mark.parametrize("place", ["opened as a file", "served"])
@pytest.mark.parametrize(("words", "page"), [("cheapest bits", "sweeps.html"), ("astrocyte", "rules.html")])
def test_the_search_finds_pages_without_a_network(browser, pages, address, place, words, page):
    start = SITE.as_uri() if place == "opened as a file" else address
    browser.get_log("browser")
    show(browser, f"{start}/index.html")
    addresses = [link.partition("#")[0].partition("?")[0] for link in found(browser, words)]
    assert f"{start}/{page}" in addresses
    keep(browser, f"site-search-{page.partition('.')[0]}-{place.split()[0]}", DESK, DESK[1])
    browser.get(addresses[0])
    assert browser.find_elements("tag name", "h1")
    # A served site has no icon of its own in its root.
    assert [entry for entry in browser.get_log("browser") if "favicon" not in entry["message"]] == []
