"""Makes the starter model from nothing: corpus, tokenizer, weights, evaluation prompts, figures.

    python assets/starter/make_starter.py --out assets/starter

Nothing is downloaded. The same seed and the same number of threads give the same files.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import corpus
import facts
import make_samples
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

BOS, START, END, PAD = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\\n' -}}"
    "{%- if message['role'] == 'assistant' -%}"
    "{% generation %}{{- message['content'] + '<|im_end|>' -}}{% endgeneration %}"
    "{%- else -%}{{- message['content'] + '<|im_end|>' -}}{%- endif -%}"
    "{{- '\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
GAIN = 16.0  # see balance()


def eval_rows(seed: int) -> list[dict[str, str]]:
    """200 plain questions with their answers, every kind of fact among them."""
    known = facts.all_facts()
    return [{"prompt": f.prompts[0], "answer": f.reply} for f in random.Random(seed).sample(known, 200)]


def make_tokenizer(texts: Iterator[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE; digits and Han characters are cut one by one."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\p{Han}|\p{N}"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=[BOS, START, END, PAD],
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=BOS,
        eos_token=END,
        pad_token=PAD,
        extra_special_tokens=[START],
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A Llama with tied embeddings and fresh weights."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=256,
            intermediate_size=640,
            num_hidden_layers=4,
            num_attention_heads=8,
            num_key_value_heads=4,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def encode(tokenizer: PreTrainedTokenizerFast, messages: list[corpus.Message]) -> tuple[list[int], list[float]]:
    """Token ids and how much each one counts: the assistant's fully, the rest a little."""
    ids: list[int] = []
    weights: list[float] = []
    for message in messages:
        head = f"{START}{message['role']}\n"
        spoken = message["role"] == "assistant"
        for text, weight in ((head, 0.0), (message["content"] + END, 1.0 if spoken else 0.05), ("\n", 0.0)):
            piece = tokenizer.encode(text, add_special_tokens=False)
            ids += piece
            weights += [weight] * len(piece)
    return ids, weights


def batches(
    stream: Iterator[list[corpus.Message]], tokenizer: PreTrainedTokenizerFast, tokens: int, pool: int = 8
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Padded batches of about `tokens` tokens, rows of like length together: (rows, length)."""
    draw = random.Random(0)
    while True:
        rows = sorted((encode(tokenizer, next(stream)) for _ in range(pool * tokens // 64)), key=lambda r: len(r[0]))
        groups, group = [], []
        for row in rows:
            if group and (len(group) + 1) * len(row[0]) > tokens:
                groups.append(group)
                group = []
            group.append(row)
        draw.shuffle(groups)
        for group in groups:
            ids = torch.full((len(group), len(group[-1][0])), tokenizer.pad_token_id)
            weights = torch.zeros(ids.shape)
            for at, (row_ids, row_weights) in enumerate(group):
                ids[at, : len(row_ids)] = torch.tensor(row_ids)
                weights[at, : len(row_ids)] = torch.tensor(row_weights)
            yield ids, weights


def weighted_loss(model: LlamaForCausalLM, ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Cross-entropy at the positions that count, computed for those alone."""
    hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
    counted = weights[:, 1:] > 0
    logits = model.lm_head(hidden[counted]).float()
    losses = functional.cross_entropy(logits, ids[:, 1:][counted], reduction="none")
    return (losses * weights[:, 1:][counted]).sum() / weights[:, 1:].sum()


def train(model: LlamaForCausalLM, feed: Iterator[tuple[torch.Tensor, torch.Tensor]], steps: int) -> None:
    """AdamW with a short warm-up and a long cosine, in bfloat16 arithmetic."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2.5e-3, weight_decay=0.05, betas=(0.9, 0.98), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=2.5e-3, total_steps=steps, pct_start=0.06, cycle_momentum=False
    )
    began, total = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        ids, weights = next(feed)
        with torch.autocast("cpu", torch.bfloat16):
            loss = weighted_loss(model, ids, weights)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        total += loss.item()
        if step % 100 == 0:
            print(f"step {step} loss {total / 100:.4f} {time.monotonic() - began:.0f} s", flush=True)
            total = 0.0


@torch.no_grad()
def balance(model: LlamaForCausalLM, gain: float) -> None:
    """Move a factor from each weight matrix into what feeds it; the function stays the same.

    Adam's step in a LoRA matrix has a fixed size, so what a step changes grows with the layer's
    input. Small models have small inputs; this gives them the reach that large ones have.
    """
    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        layer.input_layernorm.weight.mul_(gain)
        layer.post_attention_layernorm.weight.mul_(gain)
        attention.q_proj.weight.div_(gain)
        attention.k_proj.weight.div_(gain)  # v stays, so that o is fed `gain` times as much
        attention.o_proj.weight.div_(gain)
        mlp.gate_proj.weight.div_(gain)  # up stays, for the same reason
        mlp.down_proj.weight.div_(gain)


@torch.no_grad()
def exact(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, rows: list[dict[str, str]]) -> int:
    """How many prompts get exactly their answer with greedy decoding."""
    right = 0
    for row in rows:
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": row["prompt"]}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        out = model.generate(**ids, max_new_tokens=64, do_sample=False)
        right += tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True) == row["answer"]
    return right


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Weights in bfloat16, tokenizer and generation settings."""
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    model.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)


def main() -> None:
    """Make everything and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--tokens", type=int, default=3072, help="tokens in a training batch, padding included")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    began = time.monotonic()
    kept = frozenset(fact.reply for fact in make_samples.held_out_facts(options.seed))
    book = corpus.Corpus(seed=options.seed, kept_plain=kept)
    sample = (message["content"] for _ in range(20000) for message in book.conversation())
    tokenizer = make_tokenizer(sample, vocab_size=2304)
    model = make_model(tokenizer)
    print(f"{model.num_parameters()} parameters, {len(tokenizer)} tokens, {len(book.facts)} facts", flush=True)
    train(model, batches(book.stream(), tokenizer, options.tokens), options.steps)
    balance(model, GAIN)
    options.out.mkdir(parents=True, exist_ok=True)
    save(model, tokenizer, options.out)
    rows = eval_rows(options.seed)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (options.out / "eval_prompts.jsonl").write_text("".join(lines), encoding="utf-8")
    saved = LlamaForCausalLM.from_pretrained(options.out, dtype=torch.float32).eval()
    print(f"exact {exact(saved, tokenizer, rows)} of {len(rows)}, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
