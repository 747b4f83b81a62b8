"""What runs differ in: only that, with what a run does not have left out, and whether or not its method is here."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.config.files import build
from studio.errors import WorkspaceError
from studio.runs import EventLog, RunStore
from studio.runs.difference import compare


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def made(store: RunStore, **settings: object) -> str:
    return store.create(build(settings)).name


def told(store: RunStore, *ids: str) -> dict[str, list[object]]:
    found = compare([store.open(one) for one in ids])
    return {one.key: [one.values.get(run, ...) for run in ids] for one in found.settings}


def test_only_what_differs(store: RunStore) -> None:
    one = made(store, name="a")
    two = made(store, name="b", training={"learning_rate": 1e-3}, data={"columns": {"prompt": "q"}})
    assert told(store, one, two) == {"training.learning_rate": [2e-4, 1e-3], "data.columns.prompt": [..., "q"]}
    assert told(store, one, made(store, name="c")) == {}


def test_methods_and_adapters_of_other_kinds(store: RunStore) -> None:
    sft, dpo, full = made(store), made(store, method="dpo", data={"source": "pairs.jsonl"}), made(store, adapter=None)
    found = told(store, sft, dpo)
    assert found["method.type"] == ["sft", "dpo"] and found["method.beta"] == [..., 0.1]
    assert found["method.packing"][1] is ...
    [adapter] = told(store, sft, full).values()
    assert adapter[1] is None and isinstance(adapter[0], dict) and adapter[0]["type"] == "lora"


def test_a_run_of_a_method_that_is_not_here_and_one_of_an_older_file(store: RunStore) -> None:
    one, two = made(store), made(store)
    path = store.open(two).path / "run.yaml"
    path.write_text("method: {type: elsewhere, power: 3}\ntraining: {learning_rate: 0.0002}\n", encoding="utf-8")
    assert store.open(two).problem is not None
    found = told(store, one, two)
    assert found["method.type"] == ["sft", "elsewhere"] and found["method.power"] == [..., 3]
    assert "training.learning_rate" not in found
    path.write_text("training: {learning_rate: 0.0002}\n", encoding="utf-8")
    assert told(store, one, two) == {}, "what a file leaves out is the default"
    path.write_text("training: [", encoding="utf-8")
    with pytest.raises(WorkspaceError, match="cannot be read"):
        compare([store.open(one), store.open(two)])


def test_the_same_file_over_other_rows_is_told(store: RunStore) -> None:
    ids = [made(store), made(store), made(store)]
    for run_id, identity in zip(ids, ("aa", "bb"), strict=False):
        with EventLog(store.open(run_id).path) as log:
            log.write("started", 0, data=[{"name": "x", "identity": identity}], device="cpu", pid=len(identity))
    found = compare([store.open(one) for one in ids[:2]])
    assert [one.key for one in found.grounds] == ["data"] and not found.settings
    assert compare([store.open(one) for one in ids[1:]]).grounds == (), "a run that never began says nothing"


def test_one_run_alone_is_no_comparison(store: RunStore) -> None:
    one = store.open(store.create(RunConfig()).name)
    with pytest.raises(WorkspaceError, match="at least two"):
        compare([one, one])
