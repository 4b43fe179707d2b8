"""A report in a real browser: Debian's Chromium, driven through its ChromeDriver. ``make test-browser`` runs this.

Pictures of the page, wide and narrow, light, dark and on paper, are kept in ``browser-screenshots/``, to be looked at.
"""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.datasets import DIGITS_DT, DIGITS_MODEL

pytest.importorskip("selenium")
pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from browser_window import DESK, PHONE, SCREENSHOTS, keep, luminance, show
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.browser

FIGURES = {"accuracy", "ladder", "layer-losses", "layers", "weights", "raster", "ranges", "learning"}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report with every section, of the network that ships with the toolkit, on random images."""
    rng = np.random.default_rng(0)
    net = sh.from_nir(DIGITS_MODEL, dt=DIGITS_DT)
    spikes = sh.encode(rng.random((24, 64)), "rate", steps=32, seed=0)
    labels = rng.integers(0, 10, 24)
    fixed = sh.quantize(net, calibration=spikes)
    rule = sh.SSDP(a_plus=0.05, a_baseline=0.01, sigma=5.0, rounding="stochastic")
    learned = sh.learn(fixed, spikes, labels, rule)
    path = tmp_path_factory.mktemp("report") / "report.html"
    sh.report(path, net, spikes, labels, fixed, learned=learned, targets=["engine", "spec"])
    return path


def test_the_console_is_empty_and_nothing_is_fetched(browser, page):
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    show(browser, page)
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("data:", page.as_uri()))] == []
    assert page.as_uri() in asked


def test_a_script_that_fails_is_seen(browser, page, tmp_path):
    """The test above can fail."""
    broken = tmp_path / "broken.html"
    text = page.read_text(encoding="utf-8")
    broken.write_text(text.replace('"use strict";', '"use strict"; nothing.here();'), encoding="utf-8")
    browser.get_log("browser")
    show(browser, broken)
    assert any("nothing" in entry["message"] for entry in browser.get_log("browser"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_every_figure_is_seen_and_nothing_scrolls_sideways(browser, page, size, scheme):
    height = show(browser, page, size, scheme)
    keep(browser, f"{size[0]}-{scheme}", size, height)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0]
    boxes = browser.execute_script(
        "return [...document.querySelectorAll('figure')].map(f => {"
        "  const b = f.querySelector('svg').getBoundingClientRect();"
        "  return [f.id, b.left, b.right, b.width, b.height, f.querySelectorAll('path').length]})"
    )
    assert {name.removeprefix("figure-") for name, *_ in boxes} == FIGURES
    for name, left, right, width, tall, paths in boxes:
        assert 0 <= left < right <= size[0], name
        assert min(width, tall) > 80, name
        assert paths > 5, name
    # Labels stay as large as a reader of a phone needs.
    smallest = browser.execute_script(
        "return Math.min(...[...document.querySelectorAll('figure text')].map(t => t.getBoundingClientRect().height))"
    )
    assert smallest >= 10
    # Words of a table stay whole: it scrolls by itself instead.
    narrow = browser.execute_script(
        "return [...document.querySelectorAll('td, tbody th')].filter(c => c.scrollWidth > c.clientWidth + 1)"
        ".map(c => c.textContent)"
    )
    assert narrow == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_stand_out_from_the_paper(browser, page, scheme):
    """4.5 to 1 for text and 3 to 1 for what a figure draws (WCAG 2.1, 1.4.3 and 1.4.11)."""
    show(browser, page, DESK, scheme)
    paper, texts, drawn = browser.execute_script(
        "const of = (e, p) => getComputedStyle(e)[p];"
        "const all = s => [...document.querySelectorAll(s)];"
        "return [of(document.body, 'backgroundColor'),"
        " all('p, li, a, th, td, caption, figcaption, figure text, button').map("
        "   e => e.closest('svg') ? of(e, 'fill') : of(e, 'color')),"
        " ['--float', '--fixed', '--before', '--after', '--limit'].map(v => {"
        "   const probe = document.createElement('i'); probe.style.color = `var(${v})`; document.body.append(probe);"
        "   const found = of(probe, 'color'); probe.remove(); return found; })]"
    )
    assert (luminance(paper) > 0.5) == (scheme == "light")

    def contrast(color):
        low, high = sorted((luminance(color), luminance(paper)))
        return (high + 0.05) / (low + 0.05)

    assert {c: contrast(c) for c in set(texts) if contrast(c) < 4.5} == {}
    assert {c: contrast(c) for c in drawn if contrast(c) < 3} == {}


COLUMN = "return [...arguments[0].querySelectorAll('tbody tr')].map(r => r.cells[arguments[1]].textContent.trim())"


def test_a_table_is_sorted_by_the_keyboard_alone(browser, page):
    show(browser, page)
    table = next(
        t for t in browser.find_elements("css selector", "table") if t.text.startswith("Every layer against float")
    )
    titles = table.find_elements("css selector", "thead button")
    column = [t.text.strip() for t in titles].index("in only one of the two")
    before = browser.execute_script(COLUMN, table, column)
    # The tab key reaches the title: the keyboard needs no other way.
    browser.execute_script("arguments[0].focus()", titles[column - 1])
    browser.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.switch_to.active_element == titles[column]
    outline = browser.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"

    def numbers():
        return [int(text.replace(",", "")) for text in browser.execute_script(COLUMN, table, column)]

    browser.switch_to.active_element.send_keys(Keys.ENTER)
    rising = numbers()
    assert rising == sorted(rising)
    assert len(set(rising)) > 2
    header = titles[column].find_element("xpath", "..")
    assert header.get_attribute("aria-sort") == "ascending"
    browser.switch_to.active_element.send_keys(Keys.SPACE)
    assert numbers() == rising[::-1]
    assert header.get_attribute("aria-sort") == "descending"
    assert sorted(before) == sorted(browser.execute_script(COLUMN, table, column))
    rows = browser.execute_script(
        "return [...arguments[0].querySelectorAll('tbody tr')].map(r => r.cells.length)", table
    )
    assert set(rows) == {len(titles)}


def test_links_lead_to_their_section(browser, page):
    show(browser, page)
    for link in browser.find_elements("css selector", "nav a"):
        name = link.get_attribute("href").split("#")[1]
        assert browser.find_element("id", name).find_element("tag name", "h2").text == link.text


def test_on_paper_every_table_is_whole(browser, page):
    show(browser, page)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    # A4 without margins of 14 mm at 96 dots an inch.
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 688, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    )
    wide = browser.execute_script(
        "return [...document.querySelectorAll('table')]"
        ".map(t => [t.caption.textContent, t.getBoundingClientRect().right])"
    )
    assert [(caption, right) for caption, right in wide if right > 690] == []
    assert browser.find_element("tag name", "nav").value_of_css_property("display") == "none"
    printed = browser.execute_cdp_cmd(
        "Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": True}
    )
    SCREENSHOTS.mkdir(exist_ok=True)
    (SCREENSHOTS / "paper.pdf").write_bytes(base64.b64decode(printed["data"]))
    assert (SCREENSHOTS / "paper.pdf").read_bytes().startswith(b"%PDF")
