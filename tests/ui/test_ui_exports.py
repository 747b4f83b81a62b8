"""Export model in the Runs tab: into the workspace alone, numbered where a name is taken, none while a run trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.config.files import build
from studio.export import EXPORTERS
from studio.services import Services, build_services
from studio.settings import Settings
from studio.training.train import train
from studio.ui.exports import offered


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    folder = tmp_path_factory.mktemp("exports")
    return build_services(Settings(mode="shared", workspace=folder, cache=folder / "cache"))


@pytest.fixture(scope="module")
def run_id(services: Services) -> str:
    training = {"max_steps": 2, "save_strategy": "no", "eval_strategy": "no"}
    config = build({"training": training, "data": {"max_train_rows": 16}})
    run_dir = services.store.create(config)
    train(config, run_dir, services.slot, settings=services.settings)
    return run_dir.name


@pytest.fixture(scope="module")
def handlers(services: Services) -> dict[str, Any]:
    from studio.ui.app import build_page

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", "")
        blocks, _ = build_page(services)
    found = [one for one in blocks.fns.values() if one.fn and one.fn.__module__ == "studio.ui.exports"]
    assert {one.fn.__name__: one.concurrency_limit for one in found if one.fn}["write"] == 1
    return {one.fn.__name__: one.fn for one in found if one.fn}


def test_it_writes_into_the_workspace_under_a_free_name(
    services: Services, run_id: str, handlers: dict[str, Any]
) -> None:
    for name in (f"{run_id}-adapter", f"{run_id}-adapter-2"):
        told = handlers["write"](run_id, "adapter")
        assert told["visible"] and f"exports/{name} in the workspace" in told["value"]
        assert str(services.settings.workspace) not in told["value"]
        assert (services.settings.exports_dir / name / "adapter_model.safetensors").is_file()
    assert "exports/" in handlers["write"](run_id, "merged")["value"]


def test_no_model_is_loaded_while_a_run_holds_it(services: Services, run_id: str, handlers: dict[str, Any]) -> None:
    import threading

    told: list[str] = []

    def ask() -> None:
        for form in ("merged", "adapter"):
            try:
                told.append(handlers["write"](run_id, form)["value"])
            except gr.Error as error:
                told.append(str(error))

    with services.slot.lease("the run x"):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert "The model is in use by the run x" in told[0] and "exports/" in told[1]


def test_what_the_page_sends_is_checked(
    services: Services, run_id: str, handlers: dict[str, Any], tmp_path: Path
) -> None:
    bare = services.store.create(build({"name": "bare"})).name
    for sent in (("../../x", "adapter"), (run_id, "../x"), (run_id, ""), (bare, "merged")):
        with pytest.raises(gr.Error):
            handlers["write"](*sent)
    assert not [one for one in services.settings.exports_dir.iterdir() if not one.name.startswith(run_id)]


def test_only_what_fits_a_run_is_offered(services: Services, run_id: str, handlers: dict[str, Any]) -> None:
    assert offered(services, run_id) == offered(services, "gone") == list(EXPORTERS)
    form, said = handlers["offer"](run_id)
    assert form["choices"] == [("Adapter alone", "adapter"), ("Merged model", "merged")]
    assert form["value"] == "adapter" and said["visible"] is False
