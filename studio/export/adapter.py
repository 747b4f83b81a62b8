"""The run's adapter by itself, as PEFT reads it. Loads no model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from studio.config import ModelConfig
from studio.config.model import SMOLLM2, STARTER
from studio.errors import ModelError, StudioError
from studio.export.base import Exporter, copy_files
from studio.model.adapter_file import CONFIG, WEIGHTS, read_adapter
from studio.model.fetch import HUB_ID
from studio.model.folder import explained, read_json
from studio.model.locate import local_folder
from studio.runs.store import ADAPTER, RunRecord
from studio.settings import Settings


class AdapterAlone(Exporter):
    """`PeftModel.from_pretrained(base, folder)`. Where the base is one of the Hub's, the folder says which."""

    name: ClassVar[str] = "adapter"
    loads: ClassVar[bool] = False

    def refusal(self, record: RunRecord) -> StudioError | None:
        if not record.has_adapter:
            return ModelError(
                "The run {run} trained weights of the model itself, so it has no adapter. Export it as merged.",
                run=record.run_id,
            )
        if record.config().model.merged_adapters:
            return ModelError(
                "The adapter of {run} stands on a base with other adapters merged into it, and would answer otherwise "
                "on the base alone. Export it as merged.",
                run=record.run_id,
            )
        return None

    def write(self, record: RunRecord, folder: Path, settings: Settings) -> None:
        copy_files(record.path / ADAPTER, folder)
        config, model = read_json(folder / CONFIG), record.config().model
        hub = _hub_id(model, settings)
        if hub is not None:
            config.update(base_model_name_or_path=hub, revision=model.revision)
            (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8", newline="\n")

    def prove(self, record: RunRecord, folder: Path, settings: Settings) -> dict[str, Any]:
        """PEFT reads both files, and the weights are the run's."""
        import torch
        from peft import PeftConfig
        from peft.utils.save_and_load import load_peft_weights

        with explained("adapter", name=folder.name):
            PeftConfig.from_pretrained(str(folder))
            written = load_peft_weights(str(folder), device="cpu")
            saved = load_peft_weights(str(record.path / ADAPTER), device="cpu")
        if written.keys() != saved.keys() or not all(torch.equal(saved[name], one) for name, one in written.items()):
            raise ModelError("{file} is not what the run has saved.", file=WEIGHTS)
        return {"parameters": read_adapter(folder).parameters}


def _hub_id(model: ModelConfig, settings: Settings) -> str | None:
    """What others call the base; None where it is a folder of this machine."""
    name = model.model_name_or_path
    if name == SMOLLM2:
        return HUB_ID
    return None if name == STARTER or local_folder(name, settings) is not None else name
