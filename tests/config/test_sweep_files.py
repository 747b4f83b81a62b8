"""Sweeps: which runs a grid or a list stands for, what they are called, and what is told before one begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.config.sweep import Sweep, grid_of, make_sweep, read_sweep
from studio.errors import ConfigError
from studio.settings import ASSETS

EXAMPLES = sorted((ASSETS / "sweeps").glob("*.yaml"))


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rates.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def sweep_of(base: dict, grid: dict, **more) -> Sweep:
    return make_sweep(base, grid=grid, name="s", where="the sweep", **more)


def test_a_grid_is_every_combination(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("name: base\ntraining: {max_steps: 7}\n", encoding="utf-8")
    text = "run: base.yaml\nsweep:\n  training.learning_rate: [1e-4, 2e-4]\n  adapter.r: [4, 8, 16]\n"
    sweep = read_sweep(written(tmp_path, text))
    found = [(point.config.training.learning_rate, point.config.adapter.r) for point in sweep.points]
    assert found == [(rate, r) for rate in (1e-4, 2e-4) for r in (4, 8, 16)]
    assert {point.config.training.max_steps for point in sweep.points} == {7}
    assert sweep.points[1].config.name == "base learning_rate=0.0001 r=8"
    assert sweep.points[1].changes == {"training.learning_rate": 1e-4, "adapter.r": 8}
    assert len({point.config.name for point in sweep.points}) == 6


def test_a_list_is_its_runs_alone_and_within_a_grid_each_of_them(tmp_path: Path) -> None:
    text = "list:\n  - {learning_rate: 1e-4, adapter.r: 4}\n  - {learning_rate: 2e-4, adapter.r: 8}\n"
    alone = read_sweep(written(tmp_path, text))
    assert [point.changes for point in alone.points] == [
        {"training.learning_rate": 1e-4, "adapter.r": 4}, {"training.learning_rate": 2e-4, "adapter.r": 8},
    ]  # fmt: skip
    both = read_sweep(written(tmp_path, text + "sweep: {training.seed: [1, 2]}\n"))
    assert len(both.points) == 4


def test_the_id_is_that_of_the_runs_not_of_the_words(tmp_path: Path) -> None:
    text = "run: {name: a}\nsweep: {training.learning_rate: [1e-4, 2e-4]}\n"
    one = read_sweep(written(tmp_path, text)).sweep_id
    assert read_sweep(written(tmp_path, f"# a remark\n{text}")).sweep_id == one
    assert read_sweep(written(tmp_path, text.replace("2e-4", "3e-4"))).sweep_id != one
    assert read_sweep(written(tmp_path, text.replace("name: a", "training: {seed: 1}"))).sweep_id != one


def test_every_run_that_cannot_be_is_named() -> None:
    with pytest.raises(ConfigError) as told:
        sweep_of({}, {"training.learning_rate": [1e-4, 5, -1]})
    said = str(told.value)
    assert "2 of 3 runs cannot be" in said
    assert "learning_rate=5: training.learning_rate must be at most 1" in said
    assert "learning_rate=-1: training.learning_rate must be more than 0" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sweep: {training.learning_rate: 1e-4}", "needs a list of values"),
        ("sweep: {training.learning_rate: []}", "nothing to sweep over"),
        ("run: {name: a}", "nothing to sweep over"),
        ("grid: {training.seed: [1]}", "grid is not part of a sweep"),
        ("run: [1]\nsweep: {training.seed: [1]}", "run is the name of a run file"),
        ("run: nowhere.yaml\nsweep: {training.seed: [1]}", "Cannot read nowhere.yaml"),
        ("list: {training.seed: 1}", "list needs settings for each run"),
        ("sweep: {training.lerning_rate: [1e-4, 2e-4]}", "did you mean learning_rate"),
        ("sweep: {training.seed: [" + ", ".join(map(str, range(201))) + "]}", "a sweep of 201 runs; there may be 200"),
    ],
)
def test_a_file_that_is_no_sweep_is_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_sweep(written(tmp_path, text))


def test_equal_runs_are_one() -> None:
    assert len(sweep_of({}, {"training.seed": [1, 1, 2]}).points) == 2


def test_methods_can_be_swept_over_a_whole_form() -> None:
    from studio.config import RunConfig

    base = RunConfig().model_dump(mode="json")
    sweep = sweep_of(base, {"method.type": ["sft", "orpo"], "adapter.type": ["lora", "ia3"]})
    assert [point.config.method.type for point in sweep.points] == ["sft", "sft", "orpo", "orpo"]
    assert [point.config.adapter.type for point in sweep.points] == ["lora", "ia3", "lora", "ia3"]


def test_lines_are_a_grid() -> None:
    assert grid_of("learning_rate = 1e-4, 2e-4\n\n adapter.r=8\nadapter.target_modules = [a, b], [a]") == {
        "training.learning_rate": [1e-4, 2e-4], "adapter.r": [8], "adapter.target_modules": [["a", "b"], ["a"]],
    }  # fmt: skip
    with pytest.raises(ConfigError, match="seed is none"):
        grid_of("seed")


def test_a_page_reads_no_file_of_the_machine(tmp_path: Path) -> None:
    """`reward_json_schema` may name a file, whose text takes its place: for who owns the machine, not for a visitor."""
    path = tmp_path / "schema.json"
    path.write_text('{"type": "object", "title": "s3cret"}', encoding="utf-8")
    base = {"method": {"type": "grpo", "reward_funcs": ["json_schema"]}}
    grid = {"method.reward_json_schema": [str(path)]}
    assert "s3cret" in sweep_of(base, grid).points[0].config.method.reward_json_schema
    with pytest.raises(ConfigError) as told:
        sweep_of(base, grid, owner=False)
    assert "s3cret" not in str(told.value)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_shipped_sweep_loads(path: Path) -> None:
    assert len(read_sweep(path).points) >= 2
