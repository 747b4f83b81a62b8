"""The CUDA seam of the trainers, with stand-ins: which device is asked for, and that one GPU stays one."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from studio.methods.base import pin, pinned

NAME = "ACCELERATE_TORCH_DEVICE"


def test_accelerate_is_told_the_gpu_and_forgets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME, raising=False)
    with pinned("cuda:1"):
        assert os.environ[NAME] == "cuda:1"
    assert NAME not in os.environ
    monkeypatch.setenv(NAME, "xpu:0")
    with pytest.raises(RuntimeError), pinned("cuda:0"):
        raise RuntimeError
    assert os.environ[NAME] == "xpu:0"


def test_a_cpu_run_leaves_accelerate_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME, raising=False)
    with pinned("cpu"):
        assert NAME not in os.environ


def test_one_gpu_of_several_is_never_replicated() -> None:
    import torch

    arguments = SimpleNamespace(_n_gpu=4)
    pin(arguments, "cuda:2")  # type: ignore[arg-type]
    assert arguments._n_gpu == 1 and arguments._setup_devices == torch.device("cuda:2")
    untouched = SimpleNamespace(_n_gpu=0)
    pin(untouched, "cpu")  # type: ignore[arg-type]
    assert vars(untouched) == {"_n_gpu": 0}
