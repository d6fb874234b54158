"""How fast the page is, measured in Chromium: `python -m benchmarks.page --out page.json`.

Four parts: the first load of the real program; 600 tokens at 30 per second on both sides, streamed as the program
streams them; pointing and scrubbing at 144, 576 and 2,880 image tokens; the heap over 50 runs in one tab. The last
three show made-up runs, so that no model is timed along. Browser and server share the processor.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import gradio as gr
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from benchmarks.made_up import made_up_run, up_to
from benchmarks.start import free_port, wait_for_page
from elastic import __version__
from elastic.command_line import Options
from elastic.files import one_sentence, out_file, write
from elastic.record.messages import of_run
from page.trace_view import TraceView

ROOT = Path(__file__).parent.parent
CHROMIUM = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run")
PER_SECOND, UPDATES_PER_SECOND = 30, 8
SIZES = {144: (12, 12), 576: (24, 24), 2880: (48, 60)}  # image tokens: rows and columns

# Times every frame's drawing, counts frames, and notes long tasks; runs before the page's own scripts. All there is to
# be drawn is open.
WATCH = """
localStorage.setItem('elastic-levels', '3');
window.watched = {draws: [], frames: 0, long: []};
const ask = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (draw) => ask((now) => {
  const began = performance.now();
  draw(now);
  window.watched.draws.push(performance.now() - began);
});
const count = () => { window.watched.frames++; ask(count); };
ask(count);
new PerformanceObserver((list) => list.getEntries().forEach((task) => window.watched.long.push(task.duration)))
  .observe({type: 'longtask', buffered: true});
"""

# One interaction after the other: milliseconds of handling and drawing, and until the frame after it was begun.
INTERACT = """
async ({kind, times}) => {
  const canvas = document.querySelector('canvas.tv-patches[data-side="b"]');
  const slider = document.querySelector('.tv-step');
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const busy = [], seen = [];
  for (let i = 0; i < times; i++) {
    await frame(); await frame();
    window.watched.draws.length = 0;
    const began = performance.now();
    if (kind === 'hover') {
      const box = canvas.getBoundingClientRect();
      const clientX = box.left + box.width * ((i * 37 % 97) + 0.5) / 97;
      const clientY = box.top + box.height * ((i * 53 % 89) + 0.5) / 89;
      canvas.dispatchEvent(new PointerEvent('pointermove', {clientX, clientY, bubbles: true}));
    } else {
      slider.value = (i * 13) % (Number(slider.max) + 1);
      slider.dispatchEvent(new Event('input', {bubbles: true}));
    }
    const handled = performance.now() - began;
    await frame();
    seen.push(performance.now() - began);
    busy.push(handled + Math.max(0, ...window.watched.draws));
  }
  return {busy, seen};
}
"""


@contextmanager
def made_up_page(steps: int) -> Iterator[str]:
    """A page with the view alone, which shows made-up runs: `stream N`, `whole TOKENS`, `short NUMBER`."""
    runs = {tokens: made_up_run(*grid, layers=32 if tokens > 144 else 6, steps=64) for tokens, grid in SIZES.items()}
    long = made_up_run(16, 16, layers=6, steps=steps)

    def send(order: str) -> Iterator[dict]:
        kind, number = order.split()
        if kind == "whole":
            yield of_run(replace(runs[int(number)], name=order), 1, 0, done=True)
        elif kind == "short":
            yield from stream(replace(up_to(long, 64), name=order), 8, pause=0.02)
        else:
            yield from stream(replace(long, name=order), PER_SECOND / UPDATES_PER_SECOND, 1 / UPDATES_PER_SECOND)

    with gr.Blocks(fill_width=True) as page:
        order, shown = gr.Textbox(elem_id="order"), TraceView(elem_id="view")
        order.submit(send, order, shown, show_progress="hidden")
    url = page.queue().launch(prevent_thread_lock=True, quiet=True)[1]
    try:
        yield url
    finally:
        page.close()


def stream(run: object, per_message: float, pause: float) -> Iterator[dict]:
    """Messages of a run as it grows, `per_message` steps in each, one every `pause` seconds on average."""
    began, sent, number = time.monotonic(), 0, 0
    total = run.sides[0].steps
    while sent < total:
        now = min(total, int((number + 1) * per_message))
        yield of_run(up_to(run, now), number, sent, status=f"Writing: token {now} of at most {total}")
        sent, number = now, number + 1
        time.sleep(max(0, began + number * pause - time.monotonic()))
    yield of_run(run, number, 0, status="finished", done=True)


def order(page: Page, text: str, timeout: float = 120_000) -> float:
    """Have the made-up page show something; seconds until it is complete."""
    began = time.perf_counter()
    page.fill("#order textarea, #order input", text)
    page.press("#order textarea, #order input", "Enter")
    page.wait_for_selector(f'.trace-view[data-run="{text}"][data-done="true"]', timeout=timeout)
    return time.perf_counter() - began


class Arrived:
    """Bytes of everything that arrives from now on, as they are on the wire."""

    def __init__(self, session: CDPSession) -> None:
        self._session, self._of_request = session, {}
        session.on("Network.dataReceived", self._data)
        session.on("Network.loadingFinished", self._finished)
        session.send("Network.enable")

    def _data(self, event: dict) -> None:
        # What an open stream has sent; of other requests the end tells how much it was before unpacking.
        request = event["requestId"]
        self._of_request[request] = self._of_request.get(request, 0) + event["dataLength"]

    def _finished(self, event: dict) -> None:
        self._of_request[event["requestId"]] = event["encodedDataLength"]

    @property
    def kilobytes(self) -> float:
        return sum(self._of_request.values()) / 1000


def first_load(browser: Browser, times: int) -> dict[str, float]:
    """First contentful paint and bytes of the real program's page, once the server answers; medians."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    environment = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False"}
    command = [sys.executable, "app.py", "--port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    paints, sizes, views = [], [], []
    try:
        wait_for_page(url)
        time.sleep(8)  # the model has been loaded by then
        for _ in range(times):
            context = browser.new_context(viewport={"width": 1366, "height": 768})
            page = context.new_page()
            arrived = Arrived(context.new_cdp_session(page))
            began = time.perf_counter()
            page.goto(url)
            page.wait_for_selector('.trace-view[data-done="true"]', timeout=60_000)
            views.append(time.perf_counter() - began)
            page.wait_for_timeout(1500)  # an event stream stays open: the network is never idle
            paints.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            sizes.append(arrived.kilobytes)
            context.close()
    finally:
        server.terminate()
        server.wait()
    median = statistics.median
    return {"paint_s": median(paints) / 1000, "first_run_shown_s": median(views), "first_load_kb": median(sizes)}


def streaming(page: Page, steps: int) -> dict[str, float]:
    """A long answer: wall time over the ideal, frames per second, long tasks, bytes."""
    order(page, "short 0")
    page.evaluate("Object.assign(window.watched, {frames: 0, long: []})")
    arrived = Arrived(page.context.new_cdp_session(page))
    seconds = order(page, f"stream {steps}")
    watched = page.evaluate("window.watched")
    return {
        "stream_over_ideal": seconds / (steps / PER_SECOND),
        "stream_fps": watched["frames"] / seconds,
        "long_tasks_over_100_ms": sum(task > 100 for task in watched["long"]),
        "longest_task_ms": max(watched["long"], default=0),
        "stream_kb": arrived.kilobytes,
    }


def interaction(page: Page, times: int) -> dict[str, float]:
    """Pointing and scrubbing at every size: milliseconds of handling and drawing, and until the next frame."""
    found = {}
    for tokens in SIZES:
        order(page, f"whole {tokens}")
        for kind in ("hover", "scrub"):
            measured = page.evaluate(INTERACT, {"kind": kind, "times": times})
            name = f"{kind}_{tokens}"
            found[f"{name}_ms"] = statistics.median(measured["busy"])
            found[f"{name}_p95_ms"] = statistics.quantiles(measured["busy"], n=20)[-1]
            found[f"{name}_next_frame_ms"] = statistics.median(measured["seen"])
    return found


def heap(page: Page, runs: int) -> dict[str, float]:
    """The heap after that many runs in one tab over that after the tenth."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    sizes = []
    for number in range(1, runs + 1):
        order(page, f"short {number}")
        if number in (10, runs):
            session.send("HeapProfiler.collectGarbage")
            metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
            sizes.append(metrics["JSHeapUsedSize"])
    return {"heap_mb_at_10": sizes[0] / 1e6, f"heap_growth_10_to_{runs}": sizes[-1] / sizes[0] - 1}


GOALS = {  # what is to be reached, as an upper bound unless the name says otherwise
    **{"paint_s": 1.0, "stream_over_ideal": 1.05, "stream_fps": 50, "long_tasks_over_100_ms": 0},
    **{"hover_576_ms": 16, "scrub_576_ms": 16, "hover_2880_ms": 50, "scrub_2880_ms": 50, "heap_growth_10_to_50": 0.2},
}
AT_LEAST = {"stream_fps"}


def measure(quick: bool) -> dict[str, float]:
    """All figures by name."""
    # With windows where there are any: visitors have them.
    names = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        raise SystemExit("The page is measured in Chromium, which was not found: apt-get install chromium.")
    steps, runs, times, loads = (90, 12, 30, 2) if quick else (600, 50, 120, 5)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=CHROMIUM)
        figures = first_load(browser, loads)
        with made_up_page(steps) as url:
            page = browser.new_page(viewport={"width": 1366, "height": 768})
            page.add_init_script(WATCH)
            page.goto(url)
            page.wait_for_selector("#view .trace-view", state="attached")
            figures |= streaming(page, steps) | interaction(page, times) | heap(page, runs)
        browser.close()
    return figures


def main() -> None:
    """Print the table and write the JSON."""
    parser = Options(__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer tokens, runs and repetitions: under a minute")
    parser.add_argument("--out", type=out_file, help="JSON file to write")
    args = parser.parse_args()
    rows = []
    for name, value in measure(args.quick).items():
        goal = GOALS.get(name)
        met = None if goal is None else (value >= goal if name in AT_LEAST else value <= goal)
        rows.append({"name": name, "value": round(value, 4), "goal": goal, "met": met})
        verdict = (
            "" if goal is None else f"{'>=' if name in AT_LEAST else '<='} {goal:g}  {'reached' if met else 'MISSED'}"
        )
        print(f"{name:<28}{value:10.3f}  {verdict}")
    if args.out:
        processor = platform.processor() or platform.machine()
        machine = {"processor": processor, "cores": os.cpu_count(), "date": str(date.today())}
        machine |= {"elastic": __version__, "gradio": gr.__version__}
        with one_sentence():
            write(args.out, json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
