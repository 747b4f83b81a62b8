"""Training speed with twenty open pages against none, in turns inside one run, and what a page costs on the wire."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.config.files import build
from studio.runs.events import EVENTS, read_events
from studio.settings import Settings

PAGES = 20
GOAL = 0.98
ROUNDS = 6
SPELL = 4.0  # seconds of one round's half
LEAD = 1.0  # seconds after a change that are not counted
pytestmark = [pytest.mark.benchmark, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

# What twenty pages do, as their scripts do it: each asks for the plot and for the header at the pace it is told, over a
# connection of its own. In a process of its own at the lowest priority: on two cores browsers would take from training
# what they take elsewhere on machines of their own. "go"/"rest" come on stdin.
PAGE = """
import http.client, json, os, random, sys, threading, time
port, header, plot, pages = map(int, sys.argv[1:5])
os.nice(19)
going, asked, received = threading.Event(), [0], [0]
kind = {"content-type": "application/json"}

def page(number):
    time.sleep(random.random())
    link, name = http.client.HTTPConnection("127.0.0.1", port), f"page{number}"
    known, due = {"run": "current", "page": name}, {"poll": 0.0, "status": 0.0}

    def call(component, function, data):
        body = {"session_hash": name, "component_id": component, "fn_name": function, "data": data}
        for attempt in range(3):
            try:
                link.request("POST", "/gradio_api/component_server", json.dumps(body), kind)
                text = link.getresponse().read()
                break
            except (http.client.HTTPException, OSError):  # the server closes what was idle for 5 s; a browser asks anew
                link.close()
        else:
            raise SystemExit("no answer")
        asked[0] += 1
        received[0] += len(text) + 250
        return json.loads(text)

    while True:
        going.wait()
        now = time.monotonic()
        if now >= due["poll"]:
            answer = call(plot, "poll", known)
            known.update({key: answer[key] for key in ("id", "offset", "status") if key in answer})
            due["poll"] = now + max(1.0, answer.get("pause", 0))
        if now >= due["status"]:
            due["status"] = now + max(0.7, call(header, "status", name).get("pause", 0))
        time.sleep(max(0.01, min(due.values()) - time.monotonic()))

for number in range(pages):
    threading.Thread(target=page, args=(number,), daemon=True).start()
for line in sys.stdin:
    going.set() if line.strip() == "go" else going.clear()
print(asked[0], received[0])
"""


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[tuple[Any, Any, int]]:
    """(services, blocks, port) of a page that serves."""
    from studio.services import build_services
    from studio.ui.app import build_app, launch

    settings = Settings(mode="local", workspace=tmp_path, cache=tmp_path / "cache")
    services = build_services(settings)
    services.warm().join()
    blocks = build_app(services)
    url = launch(blocks, settings)
    yield services, blocks, int(url.rstrip("/").rsplit(":", 1)[1])
    services.worker.shutdown()
    blocks.close()


def component(blocks: Any, elem_id: str) -> int:
    return next(one["id"] for one in blocks.config["components"] if one["props"].get("elem_id") == elem_id)


def begin(services: Any) -> Path:
    """A long run on the starter that logs every step, once it trains."""
    small = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 1}
    config = build({"training": {"max_steps": 100_000, "logging_steps": 1, "eval_strategy": "no", **small}})
    folder = services.store.open(services.worker.start(config)).path
    for _ in range(600):
        if any(event["kind"] == "log" and event["step"] > 30 for event in read_events(folder / EVENTS)[0]):
            return folder
        time.sleep(0.1)
    pytest.fail("nothing is trained")


def pace(folder: Path) -> tuple[float, float]:
    """Steps a second in one spell, and the processor seconds of this process for each."""
    time.sleep(LEAD)
    offset = (folder / EVENTS).stat().st_size
    used = time.process_time()
    time.sleep(SPELL)
    used = time.process_time() - used
    events, _ = read_events(folder / EVENTS, offset)
    times = [event["time"] for event in events if event["kind"] == "log"]
    return (len(times) - 1) / (times[-1] - times[0]), used / len(times)


@pytest.mark.thorough
def test_twenty_pages_leave_training_its_speed(studio: Any, figure: Callable[[str], None]) -> None:
    services, blocks, port = studio
    folder = begin(services)
    pages = subprocess.Popen(
        [sys.executable, "-c", PAGE, str(port), str(component(blocks, "header")), str(component(blocks, "train-plot")),
         str(PAGES)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert pages.stdin is not None and pages.stdout is not None

    def tell(word: str) -> None:
        pages.stdin.write(word + "\n")
        pages.stdin.flush()

    tell("go")  # the first answers hold the whole run, and the pages learn how many they are
    time.sleep(6)
    alone, watched = [], []
    for number in range(ROUNDS):
        for with_pages in (True, False) if number % 2 else (False, True):
            tell("go" if with_pages else "rest")
            (watched if with_pages else alone).append(pace(folder))
    tell("go")
    pages.stdin.close()
    asked, received = map(int, pages.stdout.read().split())
    pages.wait(20)
    ratios = [one[0] / other[0] for one, other in zip(watched, alone, strict=True)]
    work = statistics.median(one[1] / other[1] for one, other in zip(watched, alone, strict=True))
    rates = [statistics.median(rate for rate, _ in one) for one in (watched, alone)]
    seconds = ROUNDS * (SPELL + LEAD) + 6
    figure(
        f"{PAGES} open pages: {rates[0]:.1f} steps/s against {rates[1]:.1f} alone, "
        f"median ratio {statistics.median(ratios):.3f} ({', '.join(f'{one:.3f}' for one in ratios)}); "
        f"processor time a step {work:.3f}; {asked / seconds:.0f} answers/s, "
        f"{received / seconds / PAGES / 1e3:.1f} kB/s a page"
    )
    assert asked > ROUNDS * PAGES / 2
    assert statistics.median(ratios) >= GOAL


def test_a_page_that_stops_reading_holds_nothing_up(studio: Any, figure: Callable[[str], None]) -> None:
    """Pages that ask and never read: training goes on, and another page is answered."""
    import http.client
    import socket

    services, blocks, port = studio
    folder = begin(services)
    plot = component(blocks, "train-plot")
    body = json.dumps({"session_hash": "x", "component_id": plot, "fn_name": "poll", "data": {"run": "current"}})
    asking = (
        f"POST /gradio_api/component_server HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
    before, _ = pace(folder)
    deaf = []
    for _ in range(4):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        one.connect(("127.0.0.1", port))
        one.setblocking(False)
        try:
            for _ in range(100):
                one.send(asking)
        except BlockingIOError:
            pass  # the server takes no more of one who does not read
        deaf.append(one)
    time.sleep(3)
    after, _ = pace(folder)
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    began = time.monotonic()
    link.request("POST", "/gradio_api/component_server", body, {"content-type": "application/json"})
    assert json.loads(link.getresponse().read())["id"] == folder.name
    answered = time.monotonic() - began
    for one in deaf:
        one.close()
    figure(
        f"4 pages that never read: {after:.1f} steps/s, {before:.1f} before; another is answered in {answered:.2f} s"
    )
    assert answered < 2 and after > 0.8 * before
