"""Keeps the form and the open tab over a reload and a switch of language. Knows nothing of any single setting.

The browser's tab holds them (sessionStorage), so two tabs never mix. A page opened in mid-run that keeps none shows
the run's settings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component
from pydantic import ValidationError

from studio.config import RunConfig
from studio.errors import StudioError
from studio.ui.form import edited
from studio.ui.guard import guard
from studio.ui.page import Page

FORM, TAB = "tunefork_form", "tunefork_tab"
# A private window may refuse to store: then a reload begins anew, as it would without this.
STORE = "value => { try { sessionStorage.setItem('NAME', value) } catch (refused) { console.debug(refused) } }"
RECALL = "() => { try { return sessionStorage.getItem('NAME') || '' } catch (refused) { return '' } }"
REOPEN = "() => document.getElementById(`tab-${window.TUNEFORK.lastTab}-button`)?.click()"
LONGEST = 100_000  # characters of a kept form that are looked at


def keep_form(page: Page, tabs: Mapping[str, Any]) -> None:
    """Wire it; called when every tab is built. `tabs` is name -> gr.Tab."""
    draft, blocks = page.draft, page.refs["page"]
    form = draft.components()
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    kept = gr.Textbox("", visible="hidden", elem_id="draft-kept")

    @guard
    def remember(values: Mapping[Component, Any]) -> Any:
        try:
            return draft.read(values).model_dump_json()
        except StudioError:  # the card where it arose says so; the last good form stays kept
            return gr.skip()

    @guard
    def restore(said: str) -> dict[Component, Any]:
        config = recalled(said) or _training(page)
        return draft.fill(config) if config else {draft.rest: gr.skip()}

    events = [edited(one) for one in form if one is not draft.rest] + [draft.filled.change]
    gr.on(events, remember, form, kept, trigger_mode="always_last", **quiet)
    kept.change(None, kept, None, js=STORE.replace("NAME", FORM))
    blocks.load(restore, kept, form, js=RECALL.replace("NAME", FORM), queue=False, **quiet)
    blocks.load(None, None, None, js=REOPEN)
    for name, tab in tabs.items():
        tab.select(None, None, None, js=f"() => ({STORE.replace('NAME', TAB)})('{name}')")


def recalled(said: str) -> RunConfig | None:
    """The kept form; None where there is none, or another version wrote it."""
    try:
        return RunConfig.model_validate(json.loads(said)) if said and len(said) <= LONGEST else None
    except (ValueError, ValidationError):
        return None


def _training(page: Page) -> RunConfig | None:
    run_id = page.services.worker.current
    return page.services.store.open(run_id).config() if run_id else None
