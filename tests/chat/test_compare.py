"""Base and adapter side by side: in turns, each on its own, from one set of weights."""

import threading
from collections import defaultdict

import pytest

from studio.chat.compare import compare
from studio.chat.engine import stream
from studio.config import GenerationConfig, LoraAdapter, ModelConfig
from studio.errors import BusyError, ModelError
from studio.model.adapter import peft_config
from studio.model.slot import ModelSlot
from studio.settings import Settings

HELLO = [{"role": "user", "content": "What is the capital of France?"}]
GREEDY = GenerationConfig(temperature=0, max_new_tokens=24)


@pytest.fixture(scope="module")
def slot(tmp_path_factory):
    """The starter with an adapter whose every reply is another: random, but a real one in a file."""
    import torch
    from peft import get_peft_model

    base = tmp_path_factory.mktemp("compare")
    slot = ModelSlot(Settings(mode="local", workspace=base, cache=base))
    slot.load(ModelConfig(dtype="float32"))
    torch.manual_seed(5)
    model = slot.trainee()
    model = get_peft_model(model, peft_config(LoraAdapter(r=4), model))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
    model.save_pretrained(base / "adapter")
    slot.attach("run", base / "adapter")
    return slot


def collect(turns):
    texts, last = defaultdict(str), {}
    order = []
    for turn in turns:
        texts[turn.side] += turn.text
        last[turn.side] = turn
        order.append(turn.side)
    return texts, last, order


def alone(model, slot, generation=GREEDY):
    return "".join(stream(model, slot.loaded.tokenizer, HELLO, generation=generation))


def test_each_side_answers_as_if_it_were_alone(slot):
    for generation in (GREEDY, GenerationConfig(temperature=0.9, seed=7, max_new_tokens=24)):
        texts, last, _ = collect(compare(slot, HELLO, HELLO, adapter_id="run", generation=generation))
        assert texts["base"] == alone(slot.base_model(), slot, generation)
        assert texts["adapter"] == alone(slot.adapted_model("run"), slot, generation)
        assert texts["base"] != texts["adapter"]
        assert all(turn.done and turn.ended for turn in last.values())


def test_they_take_turns_and_the_longer_one_goes_on(slot):
    _, last, order = collect(compare(slot, HELLO, HELLO, adapter_id="run", generation=GREEDY))
    assert order[:2] == ["base", "adapter"]
    assert {order[0], order[-1]} <= {"base", "adapter"}
    assert last["base"].tokens != last["adapter"].tokens
    assert all(turn.tokens > 0 and turn.seconds > 0 for turn in last.values())


def test_the_base_alone(slot):
    texts, _, order = collect(compare(slot, HELLO, [], adapter_id=None, generation=GREEDY))
    assert set(order) == {"base"}
    assert texts["base"] == alone(slot.base_model(), slot)


def test_histories_are_each_sides_own(slot):
    longer = [*HELLO, {"role": "assistant", "content": "Arr, Paris!"}, {"role": "user", "content": "And of Spain?"}]
    texts, _, _ = collect(compare(slot, HELLO, longer, adapter_id="run", generation=GREEDY))
    assert texts["base"] == alone(slot.base_model(), slot)


def test_stop_ends_both(slot):
    stop = threading.Event()
    turns = compare(
        slot,
        HELLO,
        HELLO,
        adapter_id="run",
        generation=GenerationConfig(temperature=5.0, top_p=1.0, max_new_tokens=900),
        stop=stop,
    )
    next(turns)
    stop.set()
    _, last, _ = collect(turns)
    assert {turn.ended for turn in last.values()} == {"stopped"}
    assert all(turn.tokens <= 2 for turn in last.values())


def test_the_slot_is_held_while_they_answer_and_given_back(slot):
    turns = compare(slot, HELLO, HELLO, adapter_id="run", generation=GREEDY)
    next(turns)
    assert slot.holder == "chat"
    with pytest.raises(BusyError):
        next(compare(slot, HELLO, HELLO, adapter_id="run", generation=GREEDY))
    turns.close()  # a page that is gone
    assert slot.holder is None


def test_the_base_is_untouched(slot):
    before = slot.fingerprint()
    collect(compare(slot, HELLO, HELLO, adapter_id="run", generation=GREEDY))
    assert slot.fingerprint() == before


def test_what_is_not_loaded(slot, tmp_path):
    with pytest.raises(ModelError, match="not loaded"):
        next(compare(slot, HELLO, HELLO, adapter_id="another", generation=GREEDY))
    assert slot.holder is None
    empty = ModelSlot(Settings(mode="local", workspace=tmp_path, cache=tmp_path))
    with pytest.raises(ModelError, match="No model"):
        next(compare(empty, HELLO, HELLO, adapter_id=None, generation=GREEDY))
