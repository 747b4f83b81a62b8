"""A reply is what transformers' own `generate` gives, piece by piece, repeatable, and stops when told."""

import threading

import pytest

from studio.chat.engine import Reply, _Text, stream
from studio.chat.prompt import encode, end_tokens, prompt_note
from studio.config import GenerationConfig, ModelConfig
from studio.errors import ModelError
from studio.model.load import load_model
from studio.settings import Settings

QUESTIONS = ("What is the capital of France?", "你好", "Tell me a joke.", "What sound does a cow make?")


def ask(text, system=None):
    return [*([{"role": "system", "content": system}] if system else []), {"role": "user", "content": text}]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    base = tmp_path_factory.mktemp("chat")
    return load_model(ModelConfig(dtype="float32"), Settings(mode="local", workspace=base, cache=base))


def reply(loaded, messages, **options):
    return "".join(stream(loaded.model, loaded.tokenizer, messages, generation=GenerationConfig(**options)))


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_greedy_equals_generate(loaded, question, penalty):
    import torch

    prompt = encode(loaded.tokenizer, ask(question))
    with torch.inference_mode():
        out = loaded.model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            do_sample=False,
            max_new_tokens=48,
            repetition_penalty=penalty,
            eos_token_id=sorted(end_tokens(loaded.model, loaded.tokenizer)),
        )
    expected = loaded.tokenizer.decode(out[0, prompt.shape[1] :], skip_special_tokens=True)
    assert expected
    assert reply(loaded, ask(question), temperature=0, max_new_tokens=48, repetition_penalty=penalty) == expected


def test_the_same_seed_gives_the_same_reply(loaded):
    options = {"temperature": 3.0, "top_p": 1.0, "max_new_tokens": 24}
    first = reply(loaded, ask("Hello"), seed=1, **options)
    assert reply(loaded, ask("Hello"), seed=1, **options) == first
    assert len({reply(loaded, ask("Hello"), seed=seed, **options) for seed in range(5)}) > 1


def test_a_reply_leaves_the_global_random_state_alone(loaded):
    import torch

    before = torch.get_rng_state()
    reply(loaded, ask("Hello"), temperature=2.0, max_new_tokens=5)
    assert torch.equal(torch.get_rng_state(), before)


def test_sampling_settings_narrow_the_choice(loaded):
    greedy = reply(loaded, ask("Hello"), temperature=0, max_new_tokens=24)
    assert reply(loaded, ask("Hello"), temperature=5.0, top_k=1, top_p=1.0, max_new_tokens=24) == greedy
    assert reply(loaded, ask("Hello"), temperature=5.0, top_p=1e-6, max_new_tokens=24) == greedy


def test_stop_is_heard_within_one_token(loaded):
    stop = threading.Event()
    pieces = stream(
        loaded.model,
        loaded.tokenizer,
        ask("Hello"),
        generation=GenerationConfig(temperature=5.0, top_p=1.0, max_new_tokens=500),
        stop=stop,
    )
    next(pieces)
    stop.set()
    assert len(list(pieces)) <= 1


def test_length_and_end_are_told_apart(loaded):
    short = Reply(loaded.model, loaded.tokenizer, ask(QUESTIONS[0]), generation=GenerationConfig(max_new_tokens=2))
    short.step(), short.step()
    assert (short.ended, short.tokens) == ("length", 2)
    whole = Reply(loaded.model, loaded.tokenizer, ask(QUESTIONS[0]), generation=GenerationConfig(temperature=0))
    while not whole.ended:
        whole.step()
    assert whole.ended == "end"
    assert whole.seconds > 0


def test_a_reply_ends_where_the_context_does(loaded):
    limit = loaded.model.config.max_position_embeddings
    loaded.model.config.max_position_embeddings = encode(loaded.tokenizer, ask("Hello")).shape[1] + 3
    try:
        options = GenerationConfig(temperature=5.0, top_p=1.0, max_new_tokens=50, seed=3)
        here = Reply(loaded.model, loaded.tokenizer, ask("Hello"), generation=options)
        while not here.ended:
            here.step()
        assert here.ended == "context"
        assert here.tokens == 3
        with pytest.raises(ModelError, match="reads"):
            Reply(loaded.model, loaded.tokenizer, ask("Hello " * 50), generation=options)
    finally:
        loaded.model.config.max_position_embeddings = limit


def test_a_reply_can_go_on_in_another_thread(loaded):
    """Gradio resumes a generator in whichever thread is free."""
    expected = reply(loaded, ask(QUESTIONS[0]), temperature=0)
    pieces = stream(loaded.model, loaded.tokenizer, ask(QUESTIONS[0]), generation=GenerationConfig(temperature=0))
    got = [next(pieces)]
    thread = threading.Thread(target=lambda: got.extend(pieces))
    thread.start()
    thread.join()
    assert "".join(got) == expected


def test_characters_are_never_cut(loaded):
    text = "naïve 你好，世界 🦜🏴‍☠️ done"
    pieces = _Text(loaded.tokenizer)
    out = [pieces.add(token) for token in loaded.tokenizer(text, add_special_tokens=False)["input_ids"]]
    assert "".join(out) + pieces.rest() == text
    assert not any("\ufffd" in piece for piece in out)
    half = _Text(loaded.tokenizer)
    for token in loaded.tokenizer("🦜", add_special_tokens=False)["input_ids"][:1]:
        assert half.add(token) == ""
    assert half.rest() == "\ufffd", "what is left at the end is shown as what it is"


def test_without_a_chat_template_the_text_itself_is_the_prompt(loaded):
    import copy

    bare = copy.deepcopy(loaded.tokenizer)
    bare.chat_template = None
    assert bare.decode(encode(bare, ask("Once upon"))[0]).endswith("Once upon")
    assert prompt_note(bare)
    assert prompt_note(loaded.tokenizer) is None


def test_the_end_of_turn_is_read_from_the_template(loaded):
    import copy

    other = copy.deepcopy(loaded.tokenizer)
    other.add_special_tokens({"additional_special_tokens": ["<|over|>"]})
    other.chat_template = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '<|over|>' }}{% endfor %}"
    assert other.convert_tokens_to_ids("<|over|>") in end_tokens(loaded.model, other)
    assert other.convert_tokens_to_ids("<|over|>") not in end_tokens(loaded.model, loaded.tokenizer)


def test_a_template_that_refuses_says_why(loaded):
    import copy

    strict = copy.deepcopy(loaded.tokenizer)
    strict.chat_template = "{{ raise_exception('no system role, please') }}"
    with pytest.raises(ModelError, match="no system role, please"):
        encode(strict, ask("Hi", system="Be kind"))


@pytest.mark.parametrize("messages", [[], ask(""), ask("  ")])
def test_nothing_to_answer(loaded, messages):
    with pytest.raises(ModelError, match="empty"):
        encode(loaded.tokenizer, messages)
