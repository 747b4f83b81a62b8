"""The Data tab in Chromium: mapping, lanes, the doctor's rows and levers, the line one drags, search, markup."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.settings import Settings

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore")]  # Gradio's server warns of its own
EVIL = "<img src=x onerror=alert(1)> ${alert(2)} {{alert(3)}} </script><script>alert(4)</script>"
LENGTH = "#training-max_length input, #training-max_length textarea"
STATE = "document.querySelector('.tf-tokens')?.dataset.state"
DOCTOR = "document.querySelector('.tf-doctor')?.dataset.state === 'done'"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page over a fresh workspace, its libraries warmed."""
    from studio.services import build_services
    from studio.ui.app import build_app, launch

    workspace = tmp_path_factory.mktemp("workspace")
    services = build_services(Settings(mode="local", workspace=workspace, cache=workspace / "cache"))
    blocks = build_app(services)
    url = launch(blocks, services.settings)
    services.warm().join(timeout=120)
    yield url
    services.worker.shutdown()
    blocks.close()


@pytest.fixture
def page(address: str, chromium: Any) -> Iterator[Any]:
    """The Data tab of a fresh visitor; script errors, dialogs and requests to elsewhere fail the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000}, locale="en-US")
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda one: None if one.url.startswith((address, "data:")) else faults.append(one.url))
    page.goto(address)
    page.locator("#tab-data-button").first.click()
    page.wait_for_function(f"{STATE} === 'ok'", timeout=60_000)
    yield page
    context.close()
    assert faults == []


def choose(page: Any, path: Path) -> None:
    page.locator("#data-kind label").nth(1).click()
    box = page.locator("#data-path input, #data-path textarea").first
    box.fill(str(path))
    box.press("Enter")


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """60 rows; the fifth is much longer, the eighth holds markup, the ninth is the first again."""
    made = [{"instruction": f"Say {n}", "output": f"It is {n}."} for n in range(60)]
    made[4]["output"] = "A long answer goes on and on. " * 40
    made[7]["output"] = EVIL
    made[8] = dict(made[0])
    return written(tmp_path / "rows.jsonl", made)


def length(page: Any) -> str:
    return str(page.locator(LENGTH).first.input_value())


def wait(page: Any, condition: str) -> None:
    page.wait_for_function(condition, timeout=30_000)


def looked(page: Any, path: Path) -> None:
    """Choose a file and wait until every row of it was looked at."""
    choose(page, path)
    wait(page, f"document.querySelector('.tf-where')?.parentElement.textContent.includes('of 60') && {STATE} === 'ok'")
    wait(page, f"{DOCTOR} && document.querySelector('.tf-doctor-head').textContent.includes('all 60 rows')")


def test_a_lever_sets_the_form_and_is_taken_back(page: Any, rows: Path) -> None:
    looked(page, rows)
    page.locator(LENGTH).first.fill("64")
    cut = page.locator(".tf-finding[data-check='cut']")
    cut.wait_for()
    raised = cut.locator(".tf-levers button").nth(1)
    raised.click()
    wait(page, "!document.querySelector(\".tf-finding[data-check='cut']\")")
    assert int(length(page)) > 200
    page.locator(".tf-undo button").click()
    cut.wait_for()
    assert length(page) == "64"
    cut.get_by_role("button", name="Leave out").click()
    page.locator("#data-filters .token").first.wait_for()
    wait(page, "document.querySelector(\".tf-finding[data-check='cut']\")?.textContent.includes('left out')")
    page.locator("#data-filters .token-remove").first.click()
    cut.get_by_role("button", name="Leave out").wait_for()


def test_show_brings_the_row_and_the_picks_find_it_too(page: Any, rows: Path) -> None:
    looked(page, rows)
    page.locator(LENGTH).first.fill("64")
    page.locator(".tf-finding[data-check='cut'] .tf-levers button").first.click()
    wait(page, "document.querySelector('#row-number').value === '5'")
    assert page.locator(".tf-row i.x").count() > 10  # what is cut is struck through
    page.locator("#row-next").click()
    wait(page, "document.querySelector('#row-number').value === '6'")
    page.locator("#row-most_cut").click()
    wait(page, "document.querySelector('#row-number').value === '5'")
    page.locator("#row-number").fill("33")
    page.locator("#row-number").press("Enter")
    wait(page, "document.querySelector('.tf-row').textContent.includes('It is 32.')")
    page.locator("#row-shortest").click()
    wait(page, "document.querySelector('.tf-told').textContent.startsWith('shortest')")
    page.locator(".tf-finding[data-check='cut'] .tf-rest button").first.click()  # a row that the finding names
    wait(page, "document.querySelector('#row-number').value === '5'")


def test_a_long_row_shows_what_is_trained_and_the_rest_when_asked(page: Any, rows: Path) -> None:
    made = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    made[32]["instruction"] = "Say hello. " * 400
    looked(page, written(rows, made))
    page.locator(LENGTH).first.fill("8000")
    page.locator("#row-number").fill("33")
    page.locator("#row-number").press("Enter")
    wait(page, "document.querySelector('.tf-row').textContent.includes('It is 32.')")  # the last of thousands
    before = page.locator(".tf-row i").count()
    page.locator(".tf-row button.tf-more").first.click()
    wait(page, f"document.querySelectorAll('.tf-row i').length > {before + 500}")
    page.locator("#row-next").click()
    wait(page, "document.querySelector('.tf-row').textContent.includes('It is 33.')")


def test_the_line_is_dragged_and_the_length_is_set(page: Any, rows: Path) -> None:
    looked(page, rows)
    line = page.locator(".tf-limit")
    assert line.get_attribute("role") == "slider" and length(page) == "1024"
    line.scroll_into_view_if_needed()
    box, plot = line.bounding_box(), page.locator(".tf-hist").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(plot["x"] + plot["width"] / 5, box["y"] + 30, steps=6)
    assert "1 cut" in page.locator(".tf-cost").inner_text() and length(page) == "1024"  # told, not yet set
    page.mouse.up()
    wait(page, "Number(document.querySelector('#training-max_length :is(input, textarea)').value) < 1000")
    assert length(page) == line.get_attribute("aria-valuenow")
    page.locator(".tf-finding[data-check='cut']").wait_for()
    before = int(length(page))
    line.focus()
    page.keyboard.press("ArrowRight")
    wait(page, f"Number(document.querySelector('#training-max_length :is(input, textarea)').value) > {before}")


def test_a_search_finds_marks_and_says_where_there_is_nothing(page: Any, rows: Path) -> None:
    looked(page, rows)
    page.locator("#view-raw").click()
    search = page.locator("#row-search")
    search.fill("ANSWER GOES ON")
    search.press("Enter")
    wait(page, "document.querySelector('.tf-told').textContent === 'found in row 5'")
    assert page.locator(".tf-raw mark").first.inner_text() == "answer goes on"
    search.fill("zzz")
    search.press("Enter")
    wait(page, "document.querySelector('.tf-told').textContent === 'in no row'")
    search.fill("onerror")
    search.press("Enter")
    wait(page, "document.querySelector('#row-number').value === '8'")
    for view in ("tokens", "text", "raw", "all"):
        page.locator(f"#view-{view}").click()
        assert "alert(4)" in page.locator(".tf-rows").text_content()
    assert page.locator(".tf-rows img, .tf-rows script").count() == 0
    assert page.locator(".tf-side > section").count() == 3


def test_pairs_offer_their_method_and_stand_side_by_side(page: Any, tmp_path: Path) -> None:
    pairs = [{"prompt": f"Say {n}", "chosen": f"It is {n}.", "rejected": EVIL if n == 0 else "No."} for n in range(20)]
    choose(page, written(tmp_path / "pairs.jsonl", pairs))
    offer = page.locator(".tf-offer").first
    offer.wait_for()
    assert "DPO" in offer.inner_text() and "preference" in page.locator(".tf-tokens .tf-error").inner_text()
    offer.click()
    wait(page, f"{STATE} === 'ok' && document.querySelectorAll('.tf-lane').length === 2")
    assert page.locator("#method-type input").input_value().startswith("DPO")
    chosen, rejected = (page.locator(f".tf-lane-{name}") for name in ("chosen", "rejected"))
    assert "Say 0" in page.locator(".tf-shared").inner_text() and "Say 0" not in chosen.inner_text()
    assert "It is 0." in chosen.inner_text() and "alert(4)" in rejected.inner_text()
    left, right = chosen.bounding_box(), rejected.bounding_box()
    assert abs(left["y"] - right["y"]) < 2 and left["x"] + left["width"] <= right["x"] + 1
    assert not page.locator("#data-loss").is_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    left, right = chosen.bounding_box(), rejected.bounding_box()
    assert left["y"] + left["height"] <= right["y"] + 1


def test_another_column_repaints_the_tokens(page: Any, tmp_path: Path) -> None:
    made = [
        {"wording": f"Say {n}", "reaction": f"It is {n}.", "deep": {"answers": [{"text": f"Deep {n}"}]}}
        for n in range(20)
    ]
    choose(page, written(tmp_path / "renamed.jsonl", made))
    page.locator("#data-format input").click()
    page.get_by_role("option", name="prompt-completion", exact=True).click()
    for role, column in (("prompt", "wording"), ("completion", "deep.answers[0].text")):
        page.locator(f"#data-role-{role} input").click()
        page.locator(f"#data-role-{role}").get_by_role("option", name=column, exact=True).click()
    wait(page, f"{STATE} === 'ok' && document.querySelector('.tf-row').textContent.includes('Deep 0')")
    page.locator("#data-role-completion input").click()
    page.locator("#data-role-completion").get_by_role("option", name="reaction", exact=True).click()
    wait(page, "document.querySelector('.tf-row').textContent.includes('It is 0.')")


def test_a_mix_is_filled_in_and_its_rows_are_named(page: Any, rows: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "other.jsonl", [{"instruction": "Other", "output": f"Other {n}"} for n in range(30)])
    looked(page, rows)
    page.locator("#data-kind label").nth(3).click()
    sources = page.locator("#data-mix .tf-cell-source")
    wait(page, "document.querySelectorAll('#data-mix .tf-record').length === 2")
    assert sources.first.input_value() == str(rows)
    sources.nth(1).fill(str(other))
    sources.nth(1).press("Tab")
    wait(page, "/(rows|other)\\.jsonl/.test(document.querySelector('.tf-rowname')?.textContent)")
    assert page.locator("#data-source-card").get_attribute("data-note").startswith("90 rows")


def test_a_template_of_ones_own_is_followed_at_each_change(page: Any) -> None:
    page.locator("#data-more > button").click()
    page.locator("#template-edit").click()
    text = page.locator("#model-template-text textarea")
    wait(page, "document.querySelector('#model-template-text textarea').value.includes('{')")
    text.fill("{% for one in messages %}[{{ one.role }}] {{ one.content }}\n{% endfor %}")
    wait(page, f"{STATE} === 'ok' && document.querySelector('.tf-row').textContent.includes('[user]')")
    text.fill("{% for one in messages %}")
    wait(page, f"{STATE} === 'error'")
    page.locator("#template-back").click()
    wait(page, f"{STATE} === 'ok' && !document.querySelector('.tf-row').textContent.includes('[user]')")


def test_ids_are_copied_or_shown_to_be_copied(page: Any, rows: Path) -> None:
    looked(page, rows)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true})")
    page.locator(".tf-copy").first.click()
    shown = page.locator(".tf-ids")
    shown.wait_for()
    ids = json.loads(shown.input_value())
    assert len(ids) == page.locator(".tf-row i").count() and all(isinstance(one, int) for one in ids)
    page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', "
        "{value: {writeText: async (text) => { window.copied = text }}, configurable: true})"
    )
    page.locator(".tf-copy").first.click()
    wait(page, "window.copied")
    assert json.loads(page.evaluate("window.copied")) == ids
