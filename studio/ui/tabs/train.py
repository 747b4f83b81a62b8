"""The Train tab: settings on the left, the run as it goes on the right. The thread that trains is the server's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import gradio as gr
from gradio.components import Component

from studio.config import RunConfig
from studio.config.evaluation import EvaluationConfig
from studio.config.tracking import TrackingConfig
from studio.config.training import TrainingConfig
from studio.errors import StudioError
from studio.evaluation import EVALUATORS
from studio.section import details
from studio.ui import ready
from studio.ui.draft import Values
from studio.ui.going_on import GoingOn, ends, goes_on, state_of, tell_place, wire_going_on
from studio.ui.guard import guard, here
from studio.ui.live import LiveRuns
from studio.ui.page import Page
from studio.ui.plots import live_plot, watch
from studio.ui.preview import method_name
from studio.ui.queue import Starter, others_of, queue_card, wire_queue
from studio.ui.sweeps import sweep_fold
from studio.ui.words import say

SIMPLE = (
    (("", "name"),),
    (("training", "learning_rate"), ("training", "num_train_epochs")),
    (("training", "per_device_train_batch_size"), ("training", "gradient_accumulation_steps")),
    (("training", "max_steps"), ("training", "seed")),
)
# The settings behind Advanced by what they are about; those that no group names follow in the last one.
GROUPS = {
    "learning": ("lr_scheduler_type", "lr_scheduler_kwargs", "optim", "warmup_steps", "weight_decay", "max_grad_norm"),
    "evaluations": ("eval_strategy", "eval_steps", "per_device_eval_batch_size"),
    "checkpoints": ("save_strategy", "save_steps", "save_total_limit"),
    "best": ("load_best_model_at_end", "metric_for_best_model", "early_stopping_patience", "early_stopping_threshold"),
    "rest": (),
}
ELSEWHERE = frozenset({"max_length", "truncation_mode"})  # their one widget stands in the Data tab
SHOW_LEVEL = "level => document.getElementById('train-more').classList.toggle('tf-gone', level !== 'advanced')"


def build(page: Page) -> None:
    """Lay the tab out and wire it once every tab is there."""
    with page.halves():
        with page.choices():
            with page.card(elem_id="train-settings", classes=("folds",)):
                knobs = _settings(page)
                effect = gr.HTML("", elem_classes=["tf-effect"], apply_default_css=False)
            with page.card(elem_id="train-ready"):
                card = ready.ready_card()
                with gr.Column(elem_id="train-bar"), gr.Row(elem_classes=["actions"]):
                    start = gr.Button(page.i18n("train.start"), variant="primary", elem_id="start")
                    buttons = ends(page)
                going_on = goes_on(page, **buttons)
            sweep_fold(page)
            queue = queue_card(page.services)
        with page.living():
            runs = LiveRuns(
                page.services.store,
                lambda: page.services.worker.current,
                others=lambda: others_of(page.services),
            )
            plot = live_plot(runs, elem_id="train-plot")
    page.refs["live-runs"] = runs
    page.refs["start"] = start
    parts = {"effect": effect, "card": card, "start": start, "going-on": going_on, "plot": plot, "queue": queue}
    page.later(lambda: _wire(page, knobs, parts=parts))


def _settings(page: Page) -> list[Component]:
    """The widgets of the settings: those people reach for first, the rest behind Advanced."""
    i18n, found = page.i18n, []

    def knob(section: str, name: str, **changes: Any) -> None:
        found.append(page.draft.add(section, name, page.form.widget(section, name, **changes)))

    with gr.Row(elem_classes=["card-head"]):
        gr.Markdown(i18n("train.settings"), elem_classes=["card-title"])
        choices = [(i18n("train.simple"), "simple"), (i18n("train.advanced"), "advanced")]
        level = gr.Radio(
            choices,
            value="simple",
            label=i18n("train.level"),
            show_label=False,
            container=False,
            elem_id="train-level",
            elem_classes=["seg"],
        )
    gr.Checkbox(False, label=i18n("train.unfold"), container=False, elem_classes=["fold-toggle"])
    for group in SIMPLE:
        with page.pair() if len(group) > 1 else nullcontext():
            for section, name in group:
                knob(section, name, min_width=0)
    method = page.refs["method-form"]
    with gr.Column(elem_id="train-method", elem_classes=["two"]):
        found.extend(method.render(advanced=False))
    with gr.Column(elem_id="train-more", elem_classes=["tf-gone", "two"]):
        gr.Markdown(i18n("train.of_method"), elem_classes=["card-title", "wide", *method.with_advanced])
        found.extend(method.render(advanced=True))
        for title, names in _grouped():
            gr.Markdown(i18n(f"train.groups.{title}"), elem_classes=["card-title", "wide"])
            for name in names:
                knob("training", name)
        gr.Markdown(i18n("train.answers"), elem_classes=["card-title", "wide"])
        for name in EvaluationConfig.knobs():
            knob("evaluation", name, names=tuple(EVALUATORS) if name == "metrics" else ())
        gr.Markdown(i18n("train.groups.tracking"), elem_classes=["card-title", "wide"])
        for name in TrackingConfig.knobs():
            knob("tracking", name)
    level.change(None, level, None, js=SHOW_LEVEL)
    return found


def _grouped() -> Iterator[tuple[str, list[str]]]:
    """Title and settings of each group."""
    shown = [name for name, field in TrainingConfig.knobs().items() if details(field).advanced]
    shown = [name for name in shown if name not in ELSEWHERE and not details(TrainingConfig.knobs()[name]).hidden]
    named = {name for names in GROUPS.values() for name in names}
    for title, names in GROUPS.items():
        yield title, list(names) or [name for name in shown if name not in named]


def _wire(page: Page, knobs: list[Component], *, parts: dict[str, Any]) -> None:
    services, quiet = page.services, {"show_progress": "hidden", "api_visibility": "private"}
    card, start, plot = parts["card"], parts["start"], parts["plot"]
    going_on: GoingOn = parts["going-on"]
    starter = Starter(services)
    wire_queue(services, parts["queue"])

    @guard
    def check(values: Values) -> Iterator[dict[Component, Any]]:
        lang = here()
        if not services.warmed.is_set():
            yield {card: ready.waiting(lang, "waking")}
            services.warmed.wait(timeout=120)
        yield _checked(page, values, parts=parts)

    @guard
    def begin(values: Values, request: gr.Request) -> dict[Component, Any]:
        config = page.draft.read(values)
        _refuse_changed(config, page)
        run_id, _ = starter.start(str(request.session_hash), config)
        tell_place(services, run_id)
        return {plot: watch("current"), **_state(page, parts)}

    @guard
    def sync() -> dict[Component, Any]:
        return _state(page, parts)

    form = page.draft.components()
    buttons = [start, *going_on.all()]
    changes = [getattr(one, "blur", None) or one.change for one in knobs]
    changes += [one.submit for one in knobs if hasattr(one, "submit")]
    gr.on(
        [page.refs["tab-train"].select, page.draft.filled.change, *changes],
        check, form, [card, parts["effect"], start], trigger_mode="always_last", **quiet,
    )  # fmt: skip
    start.click(begin, form, [plot, *buttons], show_progress="hidden", api_name="train_start")
    gr.on([plot.change, page.refs["tab-train"].select], sync, None, buttons, queue=False, **quiet)
    plot.select(page.refs["open-tick"], None, page.refs["open-run-outputs"], **quiet)
    wire_going_on(page, going_on, plot=plot, state=lambda: _state(page, parts), outputs=buttons)


def _refuse_changed(config: RunConfig, page: Page) -> None:
    """A DataError where the rows are no longer those of the preview; whatever else is wrong the run says itself."""
    from studio.data.corpus import open_corpus

    services = page.services
    try:
        corpus = open_corpus(config, services.settings)
    except StudioError:
        return
    services.previewed.refuse_changed(config, corpus)


def _checked(page: Page, values: Values, *, parts: dict[str, Any]) -> dict[Component, Any]:
    """The Ready card and the effect line for the form as it stands. Fetches nothing."""
    lang = here()
    from studio.training.plan import plan

    try:
        config = page.draft.read(values)
        found = plan(config, page.services.settings, fetch=False)
    except StudioError as error:
        return {parts["card"]: ready.of_error(lang, error), parts["start"]: gr.update(interactive=False)}
    training = config.training
    batch = training.per_device_train_batch_size * training.gradient_accumulation_steps
    key, limit = ("train.length", training.max_length) if training.max_length else ("train.length_none", "")
    method = say(lang, "train.method", method=method_name(config.method.type, short=True))
    parts_of_it = (method, ready.effect(lang, batch, found), say(lang, key, length=limit))
    text = ("" if lang == "zh" else " ").join(parts_of_it)
    start = gr.update(interactive=not found.errors)  # a run that would fail at once is not offered
    return {parts["card"]: ready.of_plan(lang, found), parts["effect"]: text, parts["start"]: start}


def _state(page: Page, parts: dict[str, Any]) -> dict[Component, Any]:
    """What can be pressed now, and how the last run ended."""
    lang, services = here(), page.services
    run_id = services.worker.current
    running = run_id is not None and services.store.open(run_id).status == "running"
    return {
        parts["start"]: gr.update(
            value=say(lang, "train.queue.add" if running else "train.start"),
            variant="secondary" if running else "primary",
        ),
        **state_of(services, parts["going-on"]),
    }
