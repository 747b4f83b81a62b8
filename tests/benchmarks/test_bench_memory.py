"""Peak memory of DPO and of SFT on smollm2: with an adapter the reference is the base, not a copy of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAIRS = 2
RUN = """
import sys
sys.path.insert(0, ".")
from studio.cli import main
code = main(sys.argv[1:])
line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(line.split()[1]) * 1024, file=sys.stderr)
sys.exit(code)
"""


def peak(folder: Path, rows: list[dict[str, Any]], *flags: str) -> int:
    """Bytes, of a process of its own that trains three steps."""
    folder.mkdir()
    source = folder / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable, "-c", RUN, "train", "--model_name_or_path", "smollm2", "--dtype", "float32",
            "--source", str(source), "--eval_fraction", "0", "--max_steps", "3", "--max_length", "128",
            "--save_strategy", "no", "--workspace", str(folder / "workspace"), *flags,
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=900, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return int(done.stderr.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.benchmark
def test_dpo_holds_the_base_once(tmp_path: Path, settings: Settings, figure: Callable[[str], None]) -> None:
    """Both with as many sequences of the same length in a step: a pair is two. A copy would be as large as the base."""
    text = " ".join(["The captain says that the sea is blue."] * 40)  # cut to max_length
    asked = [f"What does the captain say, number {number}?" for number in range(8)]
    sft = [{"prompt": one, "completion": text} for one in asked]
    dpo = [{"prompt": one, "chosen": text, "rejected": f"No. {text}"} for one in asked]
    batch = "--per_device_train_batch_size"
    plain = peak(tmp_path / "sft", sft, "--method", "sft", batch, str(2 * PAIRS))
    measured = peak(tmp_path / "dpo", dpo, "--method", "dpo", batch, str(PAIRS))
    other = settings.cache / "smollm2"  # by its path, so that nobody knows it for the base
    flags = ("--method", "dpo", batch, str(PAIRS), "--ref_model_name_or_path", str(other))
    doubled = peak(tmp_path / "own", dpo, *flags)
    weights = (other / "model.safetensors").stat().st_size
    megabytes = [round(one / 2**20) for one in (weights, plain, measured, doubled, doubled - measured)]
    figure(
        "smollm2, weights of {} MB, peak with 4 sequences of 128 tokens: SFT {} MB, DPO {} MB; "
        "DPO with a reference model of its own {} MB ({:+} MB)".format(*megabytes)
    )
    assert measured < plain + weights / 2 and doubled > measured + weights / 2
