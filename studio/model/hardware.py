"""The one seam that decides what runs where: device, dtype, quantization. Knows nothing of files or models.

Every decision takes a `Device`, so that a decision about a GPU can be tested on a machine without one.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from studio.errors import ModelError

if TYPE_CHECKING:
    from studio.config import ModelConfig

# It reports at import that an optional package is missing, and at each 8-bit product that it casts.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

Kind = Literal["cpu", "cuda", "mps"]
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
WORTH_THREADS = 10_000_000  # parameters; below, a second thread costs more than it brings
WORTH_BFLOAT16 = 50_000_000  # parameters; below, a CPU spends its time elsewhere and float32 learns better


@dataclass(frozen=True)
class Device:
    """What computes here. `memory` in bytes, of one device; `bfloat16` means in hardware; `names` one per device."""

    kind: Kind
    memory: int
    bfloat16: bool
    names: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.names)


@functools.cache
def detect() -> Device:
    """The machine this process runs on: its CUDA devices, else Apple's GPU, else the CPU."""
    import psutil
    import torch

    if torch.cuda.is_available():
        names = tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
        memory = torch.cuda.get_device_properties(0).total_memory
        return Device("cuda", memory, torch.cuda.is_bf16_supported(including_emulation=False), names)
    memory = psutil.virtual_memory().total
    if torch.backends.mps.is_available():
        return Device(
            "mps", memory, torch.backends.mps.is_macos_or_newer(14, 0), (platform.processor() or "Apple GPU",)
        )
    return Device("cpu", memory, _cpu_has_bfloat16(), (_cpu_name(),))


def _cpu_has_bfloat16() -> bool:
    """True where the CPU multiplies bfloat16 itself, rather than by way of float32."""
    import torch

    abilities = torch.cpu.get_capabilities()
    return any(bool(abilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16", "arm_bf16"))


def _cpu_name() -> str:
    import torch

    return str(torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine() or "CPU")


@contextmanager
def threads_for(parameters: int, kind: Kind) -> Iterator[None]:
    """Compute a tiny model in one thread: on a CPU its matrices are too small to share, and threads that wait
    for one another take the cores from the page (on two busy cores it was ten times slower)."""
    import torch

    before = torch.get_num_threads()
    if kind == "cpu" and parameters < WORTH_THREADS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@functools.cache
def matmul_rate(kind: Kind, dtype: str) -> float:
    """Floating-point operations a second in large products of matrices, as measured here in some milliseconds."""
    import torch

    def wait() -> None:
        if kind == "cuda":
            torch.cuda.synchronize()
        elif kind == "mps":
            torch.mps.synchronize()

    size = 512 if kind == "cpu" else 4096
    one = torch.ones(size, size, dtype=getattr(torch, dtype), device=kind)
    best = float("inf")  # the fastest of some: the others had to share the machine
    for _ in range(12):
        began = time.perf_counter()
        one @ one
        wait()
        best = min(best, time.perf_counter() - began)
    return 2.0 * size**3 / best


def describe_device(device: Device | None = None) -> str:
    """One line for the page: "NVIDIA H100, 80 GB" or "CPU (AMD EPYC), 24 GB"."""
    device = device or detect()
    memory = f"{device.memory / 1e9:.0f} GB"
    if device.kind == "cpu":
        return f"CPU ({device.names[0]}), {memory}"
    times = f"{device.count} x " if device.count > 1 else ""
    return f"{times}{device.names[0]}, {memory}"


def target_device(device_map: str, device: Device) -> Device:
    """The device that a `device_map` leads to, or a sentence where it leads nowhere here."""
    if device_map in ("auto", "balanced"):
        return device
    if device_map == "cpu":
        return device if device.kind == "cpu" else Device("cpu", device.memory, _cpu_has_bfloat16(), ("CPU",))
    kind, _, index = device_map.partition(":")
    if kind != device.kind or int(index or 0) >= device.count:
        raise ModelError(
            "model.device_map is {value}, but this machine has {device}. Set model.device_map to auto.",
            value=device_map,
            device=describe_device(device),
        )
    return device


def placement(device_map: str, device: Device) -> str | dict[str, str | int] | None:
    """What `from_pretrained` takes as `device_map`. None is the plain CPU, without accelerate's hooks."""
    target = target_device(device_map, device)
    if target.kind == "cpu":
        return None
    if target.kind == "mps":
        return {"": "mps"}
    if device_map == "balanced" or (device_map == "auto" and target.count > 1):
        return device_map
    return {"": int(device_map.partition(":")[2] or 0)}


def choose_dtype(requested: str, device: Device, stored: str | None = None, *, parameters: int = 0) -> str:
    """The dtype that weights are held in. `stored` is what the files hold, `parameters` the size of the model."""
    if requested == "float16" and device.kind == "cpu":
        raise ModelError(
            "model.dtype is float16, which does not train on a CPU (its small gradients become 0). "
            "Set model.dtype to auto, bfloat16 or float32."
        )
    if requested != "auto":
        return requested
    if device.kind == "cpu":
        return "bfloat16" if device.bfloat16 and parameters > WORTH_BFLOAT16 else "float32"
    if device.bfloat16:
        return "bfloat16"
    # bfloat16 weights reach beyond float16's range; Apple's older systems hold them in float32 instead.
    return "float32" if device.kind == "mps" and stored == "bfloat16" else "float16"


def quantizations(device: Device | None = None) -> dict[str, str | None]:
    """Each form of quantization, with None where it runs here, else the reason why not."""
    device = device or detect()
    reason = None
    if importlib.util.find_spec("bitsandbytes") is None:
        reason = "bitsandbytes is not installed here; run `pip install bitsandbytes`."
    elif device.kind == "mps":
        reason = "bitsandbytes does not run on Apple's GPUs."
    elif device.kind == "cpu" and platform.machine().lower() not in ("x86_64", "amd64"):
        reason = "bitsandbytes has no fast kernels for this CPU."
    return {"none": None, "8-bit": reason, "4-bit": reason}


def quantization_config(config: ModelConfig, device: Device, dtype: str) -> object | None:
    """What `from_pretrained` takes as `quantization_config`; None for plain weights."""
    if config.quantization == "none":
        return None
    reason = quantizations(device)[config.quantization]
    if reason:
        raise ModelError(
            "model.quantization is {value}, which does not run here: {reason} Set model.quantization to none.",
            value=config.quantization,
            reason=reason,
        )
    import torch
    from transformers import BitsAndBytesConfig

    if config.quantization == "8-bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, dtype),
    )
