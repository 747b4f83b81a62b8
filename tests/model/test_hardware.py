"""Device decisions, for machines that are not here."""

import pytest

from studio.config import ModelConfig
from studio.errors import ModelError
from studio.model.hardware import (
    Device,
    choose_dtype,
    describe_device,
    detect,
    placement,
    quantization_config,
    quantizations,
    threads_for,
)

H100 = Device("cuda", 80_000_000_000, True, ("H100",))
PAIR = Device("cuda", 80_000_000_000, True, ("H100", "H100"))
T4 = Device("cuda", 16_000_000_000, False, ("T4",))
MAC = Device("mps", 16_000_000_000, True, ("M3",))
OLD_MAC = Device("mps", 16_000_000_000, False, ("M1",))
CPU = Device("cpu", 16_000_000_000, False, ("Old",))
NEW_CPU = Device("cpu", 16_000_000_000, True, ("New",))


@pytest.mark.parametrize(
    ("device", "parameters", "stored", "dtype"),
    [
        (H100, 3_000_000, "float32", "bfloat16"),
        (T4, 10**9, "bfloat16", "float16"),
        (MAC, 10**9, "bfloat16", "bfloat16"),
        (OLD_MAC, 10**9, "bfloat16", "float32"),
        (OLD_MAC, 10**9, "float16", "float16"),
        (CPU, 10**9, "bfloat16", "float32"),
        (NEW_CPU, 134_515_008, "float32", "bfloat16"),
        (NEW_CPU, 3_000_000, "bfloat16", "float32"),
    ],
)
def test_auto_dtype(device, parameters, stored, dtype):
    assert choose_dtype("auto", device, stored, parameters=parameters) == dtype


@pytest.mark.parametrize("requested", ["float32", "bfloat16"])
@pytest.mark.parametrize("device", [H100, T4, MAC, CPU])
def test_a_request_is_honoured(requested, device):
    assert choose_dtype(requested, device, "float16") == requested


def test_float16_is_refused_on_a_cpu():
    with pytest.raises(ModelError, match="float16"):
        choose_dtype("float16", CPU)
    assert choose_dtype("float16", T4) == "float16"


def test_placement():
    assert placement("auto", CPU) is None
    assert placement("cpu", H100) is None
    assert placement("auto", H100) == {"": 0}
    assert placement("auto", PAIR) == "auto"
    assert placement("balanced", PAIR) == "balanced"
    assert placement("cuda:1", PAIR) == {"": 1}
    assert placement("auto", MAC) == {"": "mps"}


@pytest.mark.parametrize(("device_map", "device"), [("cuda:1", H100), ("cuda", CPU), ("mps", PAIR)])
def test_a_device_that_is_not_here(device_map, device):
    with pytest.raises(ModelError, match="device_map"):
        placement(device_map, device)


def test_quantization_is_offered_where_it_runs():
    assert quantizations(H100) == {"none": None, "8-bit": None, "4-bit": None}
    assert quantizations(MAC)["4-bit"]
    with pytest.raises(ModelError, match="4-bit"):
        quantization_config(ModelConfig(quantization="4-bit"), MAC, "bfloat16")


def test_four_bit_is_nf4_with_double_quantization():
    config = quantization_config(ModelConfig(quantization="4-bit"), H100, "bfloat16")
    assert config.load_in_4bit
    assert config.bnb_4bit_quant_type == "nf4"
    assert config.bnb_4bit_use_double_quant
    assert quantization_config(ModelConfig(quantization="8-bit"), H100, "bfloat16").load_in_8bit
    assert quantization_config(ModelConfig(), H100, "bfloat16") is None


def test_this_machine():
    device = detect()
    assert device.memory > 0
    assert device.count >= 1
    assert "GB" in describe_device(device)


def test_a_tiny_model_computes_in_one_thread():
    import torch

    before = torch.get_num_threads()
    with threads_for(3_000_000, "cpu"):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    with threads_for(134_515_008, "cpu"):
        assert torch.get_num_threads() == before


def test_the_rate_of_products_is_this_machines_and_positive() -> None:
    from studio.model.hardware import matmul_rate

    rate = matmul_rate("cpu", "float32")
    assert 1e8 < rate < 1e15 and matmul_rate("cpu", "float32") == rate, "measured once"
