"""DPO's losses and their weights, and each of the references: the base, one of one's own, one reckoned ahead."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest

from studio.config.files import build, load
from studio.errors import ConfigError, ModelError
from studio.flags import Parser, add_settings, read_config
from studio.methods.dpo import SMOOTH, LossType
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.runs.store import STOP
from studio.settings import ASSETS, Settings
from studio.training.plan import preflight
from studio.training.train import train

ASKED = ["What is the capital of France?", "Say hello.", "What sound does a cat make?", "Who are you?"] * 2


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    answers = {"chosen": " Ahoy, friend!", "rejected": " No.", "completion": " Ahoy, friend!"}
    found = [{"prompt": one, "label": at % 2 == 0, **answers} for at, one in enumerate(ASKED)]
    path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    return path


def config_of(rows: Path, method: dict[str, Any], **sections: Any) -> Any:
    names = ("prompt", "completion", "label") if method["type"] == "kto" else ("prompt", "chosen", "rejected")
    unpaired = method["type"] == "kto"
    data = {"source": str(rows), "eval_fraction": 0.25, "columns": {one: one for one in names}}
    data["format"] = "unpaired-preference" if unpaired else "preference"
    training = {"max_steps": 3, "max_length": 64, "save_strategy": "no", "learning_rate": 1e-3}
    return build({"method": method, "data": data, "training": training, **sections})


def losses(config: Any, settings: Settings) -> list[float]:
    store = RunStore(settings.runs_dir)
    run_dir = store.create(config)
    slot = ModelSlot(settings)
    assert train(config, run_dir, slot, settings=settings).status == "finished"
    assert slot.untouched()
    events = store.open(run_dir.name).events()[0]
    return [event["loss"] for event in events if event["kind"] == "log"] + [
        event["eval_loss"] for event in events if event["kind"] == "evaluated"
    ]


def test_the_losses_are_those_of_trl() -> None:
    from trl import DPOConfig

    said = DPOConfig.__dataclass_fields__["loss_type"].metadata["help"].split("If multiple")[0]
    assert set(re.findall(r"'(\w+)'", said)) == set(get_args(LossType))


def test_several_losses_add_up_with_their_weights(rows: Path, settings: Settings) -> None:
    def first(**method: Any) -> float:
        return losses(config_of(rows, {"type": "dpo", **method}, training={"max_steps": 1}), settings)[0]

    sft = first(loss_type="sft")
    both = first(loss_type=["sigmoid", "sft"], loss_weights=[0.8, 0.2])
    assert sft > 1
    assert both == pytest.approx(0.8 * math.log(2) + 0.2 * sft, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("loss", get_args(LossType))
def test_every_loss_trains(loss: str, rows: Path, settings: Settings) -> None:
    smoothing = {"label_smoothing": 0.01} if loss in SMOOTH else {}
    found = losses(config_of(rows, {"type": "dpo", "loss_type": loss, **smoothing}), settings)
    assert len(found) == 5 and all(math.isfinite(one) for one in found)


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ({"loss_type": "exo_pair"}, "exo_pair needs method.label_smoothing above 0"),
        ({"label_smoothing": 0.1}, "sigmoid knows no method.label_smoothing, which is 0.1"),
        ({"loss_weights": [1, 2]}, "has 2 numbers for 1 losses"),
        ({"loss_type": "sigmoid,ipo", "beta": 0}, "method.beta must be more than 0; it is 0"),
        ({"loss_type": ["sigmoid", "apo_zero"], "f_divergence_type": "js_divergence"}, "does not go with .*apo_zero"),
        ({"loss_type": "aot", "use_weighting": True}, "use_weighting weighs pairs"),
        ({"loss_type": ["sigmod"]}, "method.loss_type is 'sigmod'; there are: sigmoid"),
        ({"loss_type": []}, "method.loss_type is empty"),
    ],
)
def test_what_losses_cannot_do_is_told(method: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build({"method": {"type": "dpo", **method}})


def test_one_name_a_list_and_a_flag_say_the_same() -> None:
    parser = Parser()
    add_settings(parser)

    def flags(*words: str) -> Any:
        return read_config(parser.parse_args(["--method", "dpo", *words])).method

    assert load(None, {"method.type": "dpo", "method.loss_type": "ipo"}).method.loss_type == ("ipo",)
    assert flags("--loss_type", "sigmoid,sft", "--loss_weights", "0.8,0.2").loss_weights == (0.8, 0.2)
    assert flags("--loss_type", "[sigmoid, sft]", "--loss_weights", "2", "1").loss_type == ("sigmoid", "sft")
    assert flags("--loss_type", "sft", "--loss_weights", "2").loss_weights == (2.0,)
    assert read_config(parser.parse_args(["--method", "kto", "--loss_type", "kto"])).method.loss_type == "kto"


@pytest.mark.parametrize("kind", ["dpo", "kto"])
@pytest.mark.parametrize("adapter", ["lora", None])
def test_a_reference_reckoned_ahead_gives_the_same_losses(
    kind: str, adapter: str | None, rows: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = losses(config_of(rows, {"type": kind}, adapter=adapter), settings)
    capsys.readouterr()
    ahead = losses(config_of(rows, {"type": kind, "precompute_ref_log_probs": True}, adapter=adapter), settings)
    assert ahead == pytest.approx(plain, rel=1e-4)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kind", ["dpo", "kto"])
def test_a_stop_is_heard_while_the_reference_is_reckoned(kind: str, rows: Path, settings: Settings) -> None:
    config = config_of(rows, {"type": kind, "precompute_ref_log_probs": True})
    store = RunStore(settings.runs_dir)
    run_dir = store.create(config)

    def listen(event: dict[str, Any]) -> None:
        if event.get("phase") == "reference":
            (run_dir / STOP).touch()

    outcome = train(config, run_dir, ModelSlot(settings), settings=settings, listeners=[listen])
    assert (outcome.status, outcome.steps) == ("stopped", 0)
    assert store.open(run_dir.name).status == "stopped"


def another(folder: Path, *, noise: float) -> Path:
    """The starter under another name, moved a little."""
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(ASSETS / "starter", folder, ignore=shutil.ignore_patterns("*.py", "*.md", "*.jsonl"))
    weights = load_file(folder / "model.safetensors")
    generator = torch.Generator().manual_seed(1)
    for one in weights.values():
        one.add_(torch.randn(one.shape, generator=generator).to(one.dtype) * noise)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("kind", ["dpo", "kto"])
def test_a_reference_of_ones_own_is_what_answers_are_measured_against(
    kind: str, rows: Path, tmp_path: Path, settings: Settings
) -> None:
    def first(folder: Path, **more: Any) -> float:
        method = {"type": kind, "ref_model_name_or_path": str(folder), **more}
        config = config_of(rows, method)
        preflight(config, settings)
        return losses(config, settings)[0]

    same, moved = another(tmp_path / "same", noise=0.0), another(tmp_path / "moved", noise=0.02)
    equal = math.log(2) if kind == "dpo" else 0.5
    assert first(same) == pytest.approx(equal, abs=1e-4)
    apart = first(moved)
    assert abs(apart - equal) > 1e-2
    assert first(moved, precompute_ref_log_probs=True) == pytest.approx(apart, rel=1e-4)


def test_a_reference_that_cannot_be_one_is_told_before_the_run(rows: Path, tmp_path: Path, settings: Settings) -> None:
    def said(name: str) -> str:
        with pytest.raises(ModelError) as told:
            preflight(config_of(rows, {"type": "dpo", "ref_model_name_or_path": name}), settings)
        return str(told.value)

    assert "There is no folder /no/such/model" in said("/no/such/model")
    other = another(tmp_path / "other", noise=0.0)
    tokenizer = json.loads((other / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    one, two = list(vocabulary)[-2:]
    vocabulary[one], vocabulary[two] = vocabulary[two], vocabulary[one]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    assert "has other tokens than starter" in said(str(other))
