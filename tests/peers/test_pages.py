"""The report and the dashboard in Debian's Chromium: nothing overflows, everything can be read, no script is needed, and
what models write stays text. And the files for other viewers, as TensorBoard reads them."""
import csv
import datetime
import json
import pathlib
import shutil
import subprocess
import urllib.parse

import peer
import pytest
from playwright.sync_api import expect, sync_playwright
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event

CHROMIUM = shutil.which("chromium")
HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>\x1b[31m\u202ered\u202c"
SIZES = {"phone": 390, "desk": 1400}

# The least contrast of a visible text with what lies behind it (WCAG 2: 4.5 for text this small), and where.
CONTRAST = """() => {
  const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const numbers = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = numbers(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour.slice(0, 3);
    }
    return matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0] : [255, 255, 255];
  };
  let least = [99, ""];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !element.getClientRects().length || element.closest(".skip")) continue;
    const style = getComputedStyle(element);
    const drawn = element.closest("svg") ? style.fill : style.color;
    const [a, b] = [light(numbers(drawn)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < least[0]) least = [ratio, node.textContent.trim().slice(0, 60)];
  }
  return least;
}"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of the smallest recipe, with what models and people could have written put into its files."""
    folder = tmp_path_factory.mktemp("runs")
    config = json.loads((peer.NANO_BASE / "config.json").read_text())
    config.update(hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1)
    (folder / "base").mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        if (peer.NANO_BASE / name).exists():
            shutil.copy(peer.NANO_BASE / name, folder / "base" / name)
    (folder / "config.json").write_text(json.dumps(config))
    peer.run("init", "--config", folder / "config.json", "--tokenizer", peer.NANO_BASE, "--out", folder / "random",
             "--quiet")
    peer.run("run", peer.REPOSITORY / "recipes" / "tiny.toml", "--set", f"base={folder / 'random'}", "--out",
             folder / "runs" / "tiny", "--quiet")
    with (folder / "runs" / "tiny" / "log.jsonl").open("a") as log:
        log.write(json.dumps({"time": "2026-11-29T00:00:00Z", "event": "warning", "text": HOSTILE}) + "\n")
    rows = [{"id": f"p{n}<b>", "question": f"{n}? {HOSTILE}", "answer": str(n), "responses": [
        f"<think>\n{HOSTILE}\n</think>\n\nThe answer is \\boxed{{{n}}}. {HOSTILE}"]} for n in range(3)]
    peer.run("pool", "import", folder / "runs" / "hostile", peer.write_rows(folder / "rows.jsonl", rows), "--quiet")
    return folder / "runs"


@pytest.fixture(scope="module")
def dashboard(run):
    process = subprocess.Popen([peer.PONDER, "dash", run, "--json"], stdout=subprocess.PIPE, text=True)
    yield json.loads(process.stdout.readline())["url"]
    process.terminate()
    assert process.wait(10) == 0


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("Debian's chromium is not installed: nothing looked at")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(browser, **options):
    """A page, and what it complains about: console errors, violations of its policy, exceptions."""
    page = browser.new_context(**options).new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page, complaints


def check_looks(page, where):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{where} is wider than the window"
    ratio, words = page.evaluate(CONTRAST)
    assert ratio >= 4.5, f"{where}: contrast {ratio:.2f} of {words!r}"


def places(url):
    base = url.split("/?")[0]
    key = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["key"][0]
    return base, key


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_report(run, browser, scheme, size):
    page, complaints = opened(browser, color_scheme=scheme, viewport={"width": SIZES[size], "height": 844})
    page.goto((run / "tiny" / "report.html").as_uri())
    check_looks(page, f"report, {size}, {scheme}")
    assert page.locator("header svg").first.bounding_box()["y"] < 844, "the first screen shows a chart"
    # Every benchmark's score is within the window, also on a phone.
    for score in page.locator("main table.stack").first.locator("td.score").all():
        box = score.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= SIZES[size]
    assert page.locator(".side pre.thought").first.is_visible()
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 794, "height": 1123})  # A4
    check_looks(page, f"report, {size}, {scheme}, printed")
    assert complaints == []


PAGES = ["/", "/run/tiny/overview", "/run/tiny/curves", "/run/tiny/rollouts", "/run/tiny/pool", "/run/tiny/fleet",
         "/run/tiny/log",
         "/run/hostile/overview", "/run/hostile/rollouts", "/run/hostile/pool", "/compare?run=tiny&run=hostile"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_dashboard_looks(dashboard, browser, scheme, size):
    base, _ = places(dashboard)
    page, complaints = opened(browser, color_scheme=scheme, viewport={"width": SIZES[size], "height": 844})
    page.goto(dashboard)
    assert "key=" not in page.url
    to_see = list(PAGES)
    # One row of everything: what the pages above lead to.
    for first in ("/run/tiny/rollouts", "/run/hostile/rollouts", "/run/tiny/pool"):
        page.goto(base + first)
        for href in page.eval_on_selector_all("main a", "all => all.map((a) => a.getAttribute('href'))"):
            path = href.split("?")[0]
            if path.endswith(".csv") or any(seen.split("?")[0] == path for seen in to_see):
                continue
            to_see.append(href)
    assert len(to_see) >= len(PAGES) + 4
    for place in to_see:
        answer = page.goto(base + place)
        assert answer.status == 200, place
        check_looks(page, f"{place}, {size}, {scheme}")
        assert page.evaluate("window.hacked") is None
    assert complaints == []


def test_dashboard_keeps_text_text(dashboard, browser):
    base, _ = places(dashboard)
    page, complaints = opened(browser)
    page.goto(dashboard)
    for place in ("/run/hostile/rollouts", "/run/tiny/log"):
        page.goto(base + place)
        shown = page.locator("main").inner_text()
        assert "<script>window.hacked" in shown and "\x1b" not in shown and "\u202e" not in shown
        assert "␛[31m" in shown and "⟨U+202E⟩" in shown
        assert page.locator("main script, main img").count() == 0
    assert complaints == []


def test_dashboard_by_keyboard_alone(dashboard, browser):
    base, _ = places(dashboard)
    page, complaints = opened(browser)
    page.goto(dashboard)

    def follow(words):
        for _ in range(200):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == words:
                break
        else:
            raise AssertionError(f"no way to {words!r} by Tab on {page.url}")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", f"{words!r} does not show that it is chosen"
        with page.expect_navigation():
            page.keyboard.press("Enter")

    follow("tiny")
    follow("Rollouts")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    wanted = page.locator(".rollout .open").first.get_attribute("href")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.url == base + wanted
    assert page.locator(".tokens .t").count() > 0
    assert complaints == []


def test_dashboard_without_scripts(dashboard, browser):
    page, _ = opened(browser, java_script_enabled=False)
    page.goto(dashboard)
    page.get_by_role("link", name="tiny").first.click()
    page.get_by_role("link", name="Rollouts").click()
    page.locator("select[name=verdict]").select_option("incorrect")
    page.get_by_role("button", name="show").click()
    assert "verdict=incorrect" in page.url
    assert page.locator(".rollout").count() > 0 and page.locator(".verdict.correct").count() == 0


def test_dashboard_is_live(dashboard, browser, run):
    base, _ = places(dashboard)
    page, complaints = opened(browser)
    page.goto(dashboard)
    page.goto(base + "/run/tiny/log")
    expect(page.locator("#now")).to_have_text("done")  # wait_for_function would need eval, which the policy forbids
    with (run / "tiny" / "log.jsonl").open("a") as log:
        log.write(json.dumps({"time": "2026-11-29T00:00:01Z", "event": "info", "text": "something new"}) + "\n")
    page.get_by_text("something new").wait_for(timeout=10_000)
    assert complaints == []


def test_charts_as_files(dashboard, browser, tmp_path):
    base, key = places(dashboard)
    page, complaints = opened(browser)
    page.goto(dashboard)
    page.goto(base + "/run/tiny/curves")
    hrefs = page.eval_on_selector_all("main figcaption a", "all => all.map((a) => a.getAttribute('href'))")
    assert len(hrefs) > 4
    for n, href in enumerate(hrefs):
        answer = page.request.get(base + href, headers={"Authorization": "Bearer " + key})
        assert answer.headers["content-type"] == "image/svg+xml" and "attachment" in answer.headers["content-disposition"]
        (tmp_path / f"{n}.svg").write_bytes(answer.body())
        page.goto((tmp_path / f"{n}.svg").as_uri())  # as a file of its own, drawn without the page's style
        assert page.evaluate("getComputedStyle(document.querySelector('.title')).fontWeight") == "600"
        assert page.evaluate("getComputedStyle(document.querySelector('.line, .dot')).stroke") != "none"
    assert complaints == []


def test_dashboard_asks_for_its_key(dashboard, browser):
    base, key = places(dashboard)
    request = browser.new_context().request
    assert request.get(base + "/").status == 401
    assert request.get(base + "/?key=" + "0" * len(key)).status == 401
    assert request.get(base + "/", headers={"Authorization": "Bearer " + key}).status == 200
    assert request.get(base + "/", headers={"Authorization": "Bearer " + key, "Origin": "http://evil.example"}).status >= 400
    assert request.get(base + "/", headers={"Authorization": "Bearer " + key, "Host": "evil.example"}).status >= 400
    assert request.post(base + "/", headers={"Authorization": "Bearer " + key}).status == 405
    moved = request.get(base + "//evil.example/?key=" + key, max_redirects=0)
    assert moved.status == 303 and not moved.headers["location"].startswith("//")


def test_files_for_other_viewers(run, tmp_path, figure):
    peer.run("report", run / "tiny", "--out", tmp_path / "report.html", "--tensorboard", tmp_path / "events", "--csv",
             tmp_path / "csv", "--quiet")
    records = 0
    for log in sorted((run / "tiny" / "training").glob("*.jsonl")):
        rows = peer.read_rows(log)
        file, = (tmp_path / "events" / log.stem).iterdir()
        events = [Event.FromString(record) for record in RawEventFileLoader(str(file)).Load()]
        assert events[0].file_version == "brain.Event:2"
        assert [event.step for event in events[1:]] == [row["step"] for row in rows]
        for event, row in zip(events[1:], rows):
            values = {value.tag: value.simple_value for value in event.summary.value}
            for name in ("loss", "lr", "grad_norm", "tokens_per_second"):
                assert values[name] == pytest.approx(row[name], rel=1e-6)
        records += len(events)
        with (tmp_path / "csv" / f"{log.stem}.csv").open() as lines:
            table = list(csv.DictReader(lines))
        assert [int(row["step"]) for row in table] == [row["step"] for row in rows]
        assert [float(row["loss"]) for row in table] == [row["loss"] for row in rows]
        # Both say the same time of a step.
        times = [datetime.datetime.fromisoformat(row["timestamp"].replace("Z", "+00:00")).timestamp() for row in table]
        assert times == pytest.approx([event.wall_time for event in events[1:]], abs=2e-3)
    assert records > 50
    figure("event files of a run's training", "tensorboard", f"{records} records read back, every figure equal")
