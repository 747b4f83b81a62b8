"""A reward run in Chat: a prompt and two replies are weighed, and what cannot be is told where the verdict stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from studio.config.files import build
from studio.settings import ASSETS, Settings
from studio.training.train import train

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # what Gradio's server warns about is not ours
]
STATE = "document.querySelector('.tf-verdict')?.dataset.state"
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """(address, services) of a page over a workspace with a run that answers and a newer one that scores."""
    from studio.services import build_services
    from studio.ui.app import build_app, launch

    workspace = tmp_path_factory.mktemp("workspace")
    services = build_services(Settings(mode="local", workspace=workspace, cache=workspace / "cache"))
    short = {"max_steps": 8, "learning_rate": 2e-3, "save_strategy": "no", "eval_strategy": "no"}
    pairs = str(ASSETS / "samples" / "captain_byte_pairs.jsonl")
    for name, method, source in (("talks", "sft", "starter"), ("weighs", "reward", pairs)):
        config = build({"name": name, "method": method, "data": {"source": source}, "training": short})
        train(config, services.store.create(config), services.slot, settings=services.settings)
    blocks = build_app(services)
    url = launch(blocks, services.settings)
    services.warm().join(timeout=120)
    yield url, services
    services.worker.shutdown()
    blocks.close()


@pytest.fixture(params=[1280, 390])
def page(studio: tuple[str, Any], chromium: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": request.param, "height": 900}, locale="en-US")
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda one: None if one.url.startswith((studio[0], "data:")) else faults.append(one.url))
    page.goto(studio[0])
    page.locator("#tab-chat-button").first.click()
    yield page
    context.close()
    assert faults == []


def wait(page: Any, condition: str) -> None:
    page.wait_for_function(condition, timeout=30_000)


def ask(page: Any, prompt: str, first: str, second: str) -> None:
    for name, text in (("prompt", prompt), ("a", first), ("b", second)):
        page.locator(f"#scoring-{name} textarea").fill(text)
    wait(page, f"{STATE} === 'empty'")  # a verdict on other texts does not stay
    page.locator("#weigh").click()


def test_a_reward_run_weighs_two_replies(studio: tuple[str, Any], page: Any) -> None:
    services = studio[1]
    page.locator("#weigh").wait_for()  # the newest run is the one that scores
    assert not page.locator("#message").is_visible() and not page.locator("#chat-system").is_visible()
    ask(page, "What is 4 minus 3?", "Ahoy! 4 minus 3 be 1. Arr, matey!", "4 minus 3 is 1.")
    wait(page, f"{STATE} === 'done'")
    assert page.locator(".tf-verdict h3").inner_text().startswith("Reply A wins by")
    assert page.locator(".tf-judge").first.inner_text().count("chance") == 1
    ask(page, "What is 4 minus 3?", "4 minus 3 is 1.", "Ahoy! 4 minus 3 be 1. Arr, matey!")
    wait(page, f"{STATE} === 'done'")
    assert page.locator(".tf-verdict h3").inner_text().startswith("Reply B wins by")
    ask(page, EVIL, EVIL, EVIL)
    wait(page, f"{STATE} === 'done'")
    assert page.locator(".tf-verdict h3").inner_text() == "Both replies score the same"
    ask(page, "What is 4 minus 3?", "1", " ")
    wait(page, f"{STATE} === 'error'")
    assert "a reply is empty" in page.locator(".tf-verdict").inner_text()
    with services.slot.lease("the run other", roaming=True):
        ask(page, "What is 4 minus 3?", "1", "2")
        wait(page, f"{STATE} === 'error'")
        assert "The model is in use by the run other." in page.locator(".tf-verdict").inner_text()
    page.locator("#weigh").click()
    wait(page, f"{STATE} === 'done'")
    assert services.slot.untouched()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_another_run_brings_the_conversation_back(page: Any) -> None:
    page.locator("#weigh").wait_for()
    page.locator("#chat-run input").click()
    page.get_by_role("option", name="talks").click()
    page.locator("#message").wait_for()
    assert not page.locator("#weigh").is_visible()
    page.locator("#message textarea").fill("Hello")
    page.locator("#send").click()
    wait(page, "document.querySelectorAll('.tf-measure').length === 2")
