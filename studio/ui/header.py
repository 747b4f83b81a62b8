"""The header: logo, the model in memory, what is running, language and theme. Its poll only reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.errors import StudioError
from studio.runs.events import EVENTS, last_events
from studio.settings import ASSETS
from studio.ui.guard import here, visitor
from studio.ui.loader import Loader
from studio.ui.plots import script
from studio.ui.queue import mark_of, others_of
from studio.ui.viewers import Remembered, Viewers
from studio.ui.words import spoken, translate

if TYPE_CHECKING:
    from studio.services import Services

KNOWN = {"starter": "Starter", "smollm2": "SmolLM2-135M"}
SHORT = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}
TEMPLATE = """
<div class="tf-header" data-state="new">
  <span class="tf-logo" aria-hidden="true">LOGO</span><h1>Tunefork</h1>
  <span class="tf-chips" role="status"><span class="tf-chip tf-model"></span><span class="tf-chip tf-running"></span></span>
  <span class="tf-push"></span>
  <button type="button" class="tf-chip tf-button tf-notify" hidden></button>
  <button type="button" class="tf-chip tf-button tf-lang"></button>
  <button type="button" class="tf-chip tf-button tf-theme">◐</button>
</div>
<p class="tf-notices" role="alert"></p>"""  # noqa: E501

TICK = "const draw = () => window.TUNEFORK.tick('NAME', props.value === 'yes'); watch('value', draw); draw();"


def short_name(name: str) -> str:
    """What the page calls a model: `HuggingFaceTB/SmolLM2-135M` -> `SmolLM2-135M`."""
    return KNOWN.get(name) or name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def model_name(model: Any) -> str:
    """A model's name with its quantization, if it has one."""
    name = short_name(model.config.model_name_or_path)
    return f"{name} {model.config.quantization}" if model.quantized else name


def status_of(services: Services, loader: Loader, *, training: dict[str, Any] | None = None) -> dict[str, Any]:
    """What is in memory and what is running now, for the header and the Model tab; `training` as of `training_of`."""
    loaded, slot = services.slot.loaded, services.slot
    state: dict[str, Any] = {
        "warm": services.warmed.is_set(),
        "model": None,
        "holder": slot.holder,
        "training": training,
        "waiting": len(services.worker.queue.entries()),
        "queue": mark_of(services),
        "notices": [translate(here(), one) for one in services.notices],
        **loader.state(here(), visitor()),
    }
    if loaded is not None:
        state["model"] = {
            "source": loaded.config.model_name_or_path,
            "name": model_name(loaded),
            "dtype": SHORT.get(loaded.dtype, loaded.dtype),
            "device": "CPU" if str(loaded.device) == "cpu" else str(loaded.device),
            "parameters": loaded.parameters,
            "bytes": loaded.weight_bytes,
            "adapters": len(slot.adapters),
        }
    return state


def training_of(services: Services) -> dict[str, Any] | None:
    """{run, percent, steps, total} of the run in training, here or (`elsewhere`) in another process; percent is None
    before its first step."""
    here_now = services.worker.current
    run_id = here_now or next(iter(others_of(services)), None)
    if run_id is None:
        return None
    try:
        record = services.store.open(run_id)
    except StudioError:  # its directory was removed by hand while it trains
        return {"run": run_id, "percent": None, "steps": 0, "total": None, "elsewhere": not here_now}
    whole = record.total_steps
    percent = min(100, round(100 * record.steps / whole)) if whole else None
    return {"run": run_id, "percent": percent, "steps": record.steps, "total": whole, "elsewhere": not here_now}


def ending_of(services: Services, run_id: object) -> dict[str, Any]:
    """{name, status, message} of a run that has ended, for the notification; {} of one that has not. Read-only."""
    try:
        record = services.store.open(str(run_id))
        events = last_events(record.path / EVENTS)
    except StudioError:
        return {}
    if record.status in ("running", "queued"):
        return {}
    last = next((event for event in reversed(events) if event["kind"] == record.status), {})
    said = spoken(here(), last["message"], last.get("template"), last.get("details")) if "message" in last else ""
    return {"name": record.name, "status": record.status, "message": f"{record.name}: {said}" if said else ""}


def build_header(services: Services, loader: Loader) -> gr.HTML:
    """The header's component. Its script dispatches `tunefork:status`, to which other cards listen."""

    viewers, training = Viewers(), Remembered()

    def status(page: object = None) -> dict[str, Any]:
        progress = training.get(services.worker.current, lambda: training_of(services))
        state, pause = status_of(services, loader, training=progress), viewers.pause(page)
        return {**state, "pause": pause} if pause else state

    def ended(run_id: object = None) -> dict[str, Any]:
        return ending_of(services, run_id)

    logo = (ASSETS / "logo.svg").read_text(encoding="utf-8").replace('stroke="#1f6f54"', 'stroke="currentColor"')
    return gr.HTML(
        "",
        elem_id="header",
        html_template=TEMPLATE.replace("LOGO", logo),
        js_on_load=script("header.js").replace("/*NOTIFY*/", script("notify.js")),
        server_functions=[status, ended],
        apply_default_css=False,
    )


def build_tick(name: str) -> gr.HTML:
    """Whether a step is satisfied ("yes" or ""). Lives in the header, for a tab not yet opened is not on the page."""
    return gr.HTML(
        "",
        elem_id=f"tick-{name}",
        elem_classes=["tf-tick"],
        html_template="<i></i>",
        js_on_load=TICK.replace("NAME", name),
        apply_default_css=False,
    )
