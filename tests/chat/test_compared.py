"""A checkpoint answers as its own: of an adapter, of all weights, of some of them; that of a reward model scores."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from studio.chat.compared import Compared, compared, named
from studio.chat.verdict import judge
from studio.cli import main
from studio.config import ModelConfig
from studio.config.files import build
from studio.errors import ModelError, WorkspaceError
from studio.model.attach import answering
from studio.model.slot import ModelSlot
from studio.runs import RunRecord, RunStore
from studio.runs.checkpoint import whole
from studio.settings import Settings
from studio.training.train import train

TRAINING: dict[str, Any] = {
    "max_steps": 4, "learning_rate": 5e-3, "save_strategy": "steps", "save_steps": 2, "eval_strategy": "no",
}  # fmt: skip


def a_run(settings: Settings, **sections: Any) -> RunRecord:
    config = build({"training": TRAINING, **sections})
    store = RunStore(settings.runs_dir)
    run_dir = store.create(config)
    train(config, run_dir, ModelSlot(settings), settings=settings)
    return store.open(run_dir.name)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    workspace = tmp_path_factory.mktemp("workspace")
    made = Settings(mode="local", workspace=workspace, cache=workspace)
    made.prepare_workspace()
    return made


@pytest.fixture(scope="module")
def lora(settings: Settings) -> RunRecord:
    return a_run(settings)


def logits(model: Any) -> Any:
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.arange(3, 40).unsqueeze(0), use_cache=False).logits.float()


def steps_of(record: RunRecord) -> list[int]:
    return [one.step for one in whole(record.path)]


@pytest.mark.parametrize("adapter", ["lora", "none", "freeze"])
def test_each_checkpoint_answers_as_its_own(settings: Settings, lora: RunRecord, adapter: str) -> None:
    import torch

    kind: Any = {"adapter": None} if adapter == "none" else {"adapter": {"type": adapter}}
    record = lora if adapter == "lora" else a_run(settings, **kind)
    assert steps_of(record)[-1] == 4 and len(steps_of(record)) >= 2
    slot = ModelSlot(settings)
    slot.load(record.config().model)
    found = {}
    for step in (None, *steps_of(record)):
        chosen = Compared(record, step)
        slot.attach(chosen.adapter_id, chosen.weights())
        found[step] = logits(slot.adapted_model(chosen.adapter_id))
    assert torch.equal(found[4], found[None]), "the last checkpoint is what the run has saved"
    assert not torch.equal(found[steps_of(record)[0]], found[4]), "an earlier one is another"
    assert not torch.equal(found[4], logits(slot.base_model()))
    assert slot.untouched(), "and the base stays as it is"


def test_what_is_damaged_or_gone_is_named_before_anything_is_loaded(
    settings: Settings, lora: RunRecord, tmp_path: Path
) -> None:
    store = RunStore(tmp_path / "runs")
    shutil.copytree(lora.path, store.runs_dir / lora.run_id)
    record = store.open(lora.run_id)
    chosen = Compared(record, 4)
    file = whole(record.path)[-1].path / "adapter" / "adapter_model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(WorkspaceError, match=r"damaged: adapter/adapter_model\.safetensors is not what was written"):
        chosen.weights()
    with pytest.raises(WorkspaceError, match=r"no checkpoint of step 3"):
        Compared(record, 3).weights()
    for name in (f"{lora.run_id}@", f"{lora.run_id}@-1", f"{lora.run_id}@../..", "../x@1", f"{lora.run_id}@4@4"):
        with pytest.raises(WorkspaceError):
            compared(store, name)
    assert compared(store, named(lora.run_id, 4)).step == 4


def test_a_step_trained_anew_is_another_adapter(lora: RunRecord, tmp_path: Path) -> None:
    copied = tmp_path / lora.run_id
    shutil.copytree(lora.path, copied)
    record = RunStore(tmp_path).open(lora.run_id)
    before = Compared(record, 4).adapter_id
    manifest = whole(copied)[-1].path / "manifest.json"
    told = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps({**told, "time": told["time"] + 5}), encoding="utf-8")
    assert Compared(record, 4).adapter_id != before


def test_weights_of_another_base_are_refused(settings: Settings, lora: RunRecord, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    slot = ModelSlot(settings)
    loaded = slot.load(ModelConfig())
    for number, values in enumerate(({"model.norm.weight": torch.zeros(3)}, {"model.other": torch.zeros(3)}, {})):
        folder = tmp_path / str(number)
        folder.mkdir()
        save_file(values, folder / "trained.safetensors")
        with pytest.raises(ModelError, match="does not fit starter"):
            answering(loaded, folder, settings)
    (tmp_path / "0" / "trained.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ModelError, match="is damaged"):
        answering(loaded, tmp_path / "0", settings)


@pytest.mark.parametrize("adapter", [{"type": "lora"}, None])
def test_a_checkpoint_of_a_reward_run_scores(settings: Settings, adapter: Any, tmp_path: Path) -> None:
    rows = tmp_path / "pairs.jsonl"
    pairs = [{"question": f"Is it {n}?", "response_chosen": f" Ahoy {n}", "response_rejected": " No"} for n in range(8)]
    rows.write_text("".join(json.dumps(row) + "\n" for row in pairs), encoding="utf-8")
    record = a_run(settings, method="reward", data={"source": str(rows)}, adapter=adapter)
    slot, asked = ModelSlot(settings), {"prompt": "Who is 3?", "replies": [" Ahoy 3", " No"]}
    ended, last, first = (judge(slot, record, step=step, **asked) for step in (None, 4, steps_of(record)[0]))
    assert ended.scores == last.scores != first.scores


def test_the_command_line_asks_a_checkpoint(
    settings: Settings, lora: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["chat", lora.run_id, "--workspace", str(settings.workspace), "--json", "--prompt", "Hello?"]
    limits = ["--max-new-tokens", "8", "--temperature", "0"]
    replies = []
    for step in (str(steps_of(lora)[0]), "4"):
        assert main([*asked, *limits, "--step", step]) == 0
        replies.append(json.loads(capsys.readouterr().out))
    assert replies[0]["base"] == replies[1]["base"] and replies[0]["adapter"] != replies[1]["adapter"]
    assert main([*asked, *limits, "--step", "3"]) == 2
    assert "has no checkpoint of step 3" in capsys.readouterr().err
