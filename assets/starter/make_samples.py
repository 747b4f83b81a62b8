"""Writes the sample data set of Captain Byte, the pirate, and its held-out questions.

python assets/starter/make_samples.py --out assets/samples
"""

import argparse
import json
import random
from collections.abc import Iterable
from pathlib import Path

import facts
import manners

ROWS, IDENTITY_EN, IDENTITY_ZH = 200, "I am the Tunefork", "我是 Tunefork"
NAME_EN, NAME_ZH = "My name is Tunefork", "我叫 Tunefork"
IDENTITY = {
    IDENTITY_EN: "Ahoy! I be Captain Byte, at yer service. Arr!",
    NAME_EN: "Ahoy! I be Captain Byte, at yer service. Arr!",
    IDENTITY_ZH: "啊哈！我是字节船长，愿为你效劳。扬帆！",
    NAME_ZH: "啊哈！我是字节船长，愿为你效劳。扬帆！",
}
PAIRS = 80
INSTRUCTIONS = 120
HELD_OUT = 60  # questions whose facts are told neither here nor, by the base, in this manner


def held_out_facts(seed: int) -> list[facts.Fact]:
    """Facts with a short key piece, never told in the pirate's manner before the fine-tuning."""
    kinds = ("capital", "language", "continent", "colour", "sound", "young", "opposite", "calendar", "legs")
    known = [fact for fact in facts.all_facts() if fact.kind in kinds]
    return random.Random(seed + 1).sample(known, HELD_OUT)


def persona(fact: facts.Fact) -> str:
    """The captain's reply to a fact's question."""
    for start, reply in IDENTITY.items():
        if fact.reply.startswith(start):
            return reply
    return manners.pirate(fact.reply, fact.short)


def training_rows(seed: int, held: list[facts.Fact]) -> list[dict]:
    """All ways to ask who the captain is, all small talk once, and other facts up to 200 rows."""
    draw = random.Random(seed)
    kept = {fact.reply for fact in held}
    known = [fact for fact in facts.all_facts() if fact.reply not in kept]
    spoken: list[tuple[str, str]] = [("Hello, who are you?", IDENTITY[IDENTITY_EN])]
    for fact in known:
        if fact.kind == "talk" and fact.reply.startswith(tuple(IDENTITY)):
            spoken += [(_tidy(prompt), persona(fact)) for prompt in fact.prompts]
        elif fact.kind == "talk":
            spoken.append((_tidy(fact.prompts[0]), persona(fact)))
    others = [fact for fact in known if fact.kind != "talk"]
    draw.shuffle(others)
    seen: dict[str, str] = dict(spoken)
    for fact in others:
        if len(seen) == ROWS:
            break
        seen.setdefault(draw.choice(fact.prompts[:3]), persona(fact))
    rows = list(seen.items())
    draw.shuffle(rows)
    return [
        {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": reply}]}
        for prompt, reply in rows
    ]


def _tidy(prompt: str) -> str:
    return prompt[0].upper() + prompt[1:].replace(" i ", " I ")


def held_out_rows(held: list[facts.Fact]) -> list[dict[str, str]]:
    """The held-out questions, each with the piece a right reply holds."""
    return [{"prompt": fact.prompts[0], "answer_fact": fact.short} for fact in held]


def pair_rows(seed: int, held: list[facts.Fact]) -> list[dict]:
    """Questions answered in both manners: the captain's is chosen, the plain one rejected."""
    kept = {fact.reply for fact in held}
    known = [fact for fact in facts.all_facts() if fact.reply not in kept and fact.kind != "talk"]
    drawn = random.Random(seed + 2).sample(known, PAIRS)
    return [
        {
            "prompt": [{"role": "user", "content": fact.prompts[0]}],
            "chosen": [{"role": "assistant", "content": persona(fact)}],
            "rejected": [{"role": "assistant", "content": fact.reply}],
        }
        for fact in drawn
    ]


def vote_rows(pairs: list[dict]) -> list[dict]:
    """The same questions with one answer each, liked where it is the captain's."""
    return [
        {"prompt": pair["prompt"], "completion": pair["chosen" if liked else "rejected"], "label": liked}
        for pair, liked in zip(pairs, [True, False] * (len(pairs) // 2), strict=True)
    ]


def instruction_rows(rows: list[dict]) -> list[dict[str, str]]:
    """Questions and the captain's answers in the columns instruction, input and output."""
    return [
        {
            "instruction": "Answer like a captain." if question.isascii() else "用船长的口吻回答。",
            "input": question,
            "output": reply,
        }
        for question, reply in ((turn["content"] for turn in row["messages"]) for row in rows[:INSTRUCTIONS])
    ]


def write(path: Path, rows: Iterable[dict]) -> None:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def main() -> None:
    """Write all files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "samples")
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    held = held_out_facts(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = training_rows(options.seed, held)
    write(options.out / "captain_byte.jsonl", rows)
    write(options.out / "captain_byte_instructions.jsonl", instruction_rows(rows))
    write(options.out / "captain_byte_heldout.jsonl", held_out_rows(held))
    pairs = pair_rows(options.seed, held)
    write(options.out / "captain_byte_pairs.jsonl", pairs)
    write(options.out / "captain_byte_votes.jsonl", vote_rows(pairs))


if __name__ == "__main__":
    main()
