"""Writes endless small conversations from the facts and manners. Knows no tokens and no model."""

import random
from collections.abc import Iterator

import facts
import manners
import talk

Message = dict[str, str]

OPENINGS = ("please tell me, ", "tell me, ", "hey, ", "hi, ", "hello, ", "ok, ", "now, ", "and ", "so ", "please: ")
OPENINGS_ZH = ("请问，", "请问", "你好，", "请告诉我，", "那么，", "告诉我，", "嗨，")
CLOSINGS = (" please", ", please", " thanks", " :)", " 🙂")
MANNER_WEIGHTS = {"pirate": 5, "formal": 2, "brief": 2, "cheerful": 2, "robot": 2, "wizard": 2, "singer": 1, "cat": 2}
FOLLOW_UPS = ("and {}?", "what about {}?", "how about {}?", "And {}?", "What about {}?")
FOLLOW_UPS_ZH = ("那{}呢？", "{}呢？", "那么{}呢？")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _cells(table: str) -> list[str]:
    return table.strip().replace("\n", "|").split("|")


class Corpus:
    """Draws conversations; `kept_plain` replies are never shown in the pirate's manner."""

    def __init__(self, *, seed: int, kept_plain: frozenset[str] = frozenset()) -> None:
        self.draw = random.Random(seed)
        self.kept_plain = kept_plain
        self.facts = facts.all_facts()
        self.groups = self._grouped()
        self.names = (_cells(talk.NAMES), _cells(talk.PIRATE_NAMES))
        self.zh_names = (_cells(talk.NAMES_ZH), _cells(talk.PIRATE_NAMES_ZH))
        self.nouns = _cells(talk.NOUNS)
        self.zh_nouns = _cells(talk.NOUNS_ZH)

    def _grouped(self) -> dict[str, list[facts.Fact]]:
        groups: dict[str, list[facts.Fact]] = {}
        for fact in self.facts:
            groups.setdefault(fact.kind, []).append(fact)
        return groups

    def stream(self) -> Iterator[list[Message]]:
        """Endless conversations."""
        while True:
            yield self.conversation()

    def conversation(self) -> list[Message]:
        """One conversation of one to six turns, a third of them with a system prompt."""
        turns = self.draw.choices((1, 2, 3, 4, 6), (50, 20, 14, 10, 6))[0]
        name, roll = "", self.draw.random()
        manner = "plain"
        messages: list[Message] = []
        if roll < 0.06:
            messages = [{"role": "system", "content": self.draw.choice(manners.PLAIN_SYSTEMS)}]
        elif roll < 0.12:
            name = self._name(pirate=False)
            form = "你是{}。" if manners.is_chinese(name) else self.draw.choice(("You are {}.", "Your name is {}."))
            messages = [{"role": "system", "content": form.format(name)}]
        elif roll < 0.40:
            manner = self.draw.choices(list(MANNER_WEIGHTS), list(MANNER_WEIGHTS.values()))[0]
            asked = self.draw.choice(manners.MANNERS[manner].asked_by)
            if "{name}" in asked:
                name = self._name(pirate=True, chinese=manners.is_chinese(asked))
            messages = [{"role": "system", "content": asked.format(name=name)}]
        last = None
        for _ in range(turns):
            if last and last.topic and self.draw.random() < 0.4:
                last, pair = self._follow_up(last, manner)
            elif self.draw.random() < 0.03:
                last, pair = None, self._acquaintance(manner)
            else:
                last, pair = self._turn(manner, name)
            messages += pair
        return messages

    def _follow_up(self, last: facts.Fact, manner: str) -> tuple[facts.Fact, list[Message]]:
        """The same question about another thing: "what about Germany?"."""
        chinese = manners.is_chinese(last.reply)
        others = [
            fact
            for fact in self.groups[last.kind]
            if fact.topic and manners.is_chinese(fact.reply) == chinese and self._allowed(fact, manner)
        ]
        fact = self.draw.choice(others)
        form = self.draw.choice(FOLLOW_UPS_ZH if chinese else FOLLOW_UPS)
        return fact, self._pair(form.format(fact.topic), self._spoken(fact.reply, fact.short, manner))

    def _acquaintance(self, manner: str) -> list[Message]:
        """The user says a name and asks for it in the next turn."""
        chinese = self.draw.random() < 0.3
        name = self._name(pirate=False, chinese=chinese)
        told, greeted, asked, known = talk.MEETING_ZH if chinese else talk.MEETING
        return [
            *self._pair(self.draw.choice(told).format(name), self._spoken(greeted.format(name), name, manner)),
            *self._pair(self.draw.choice(asked), self._spoken(known.format(name), name, manner)),
        ]

    def _spoken(self, reply: str, short: str, manner: str) -> str:
        return reply if manner == "plain" else manners.MANNERS[manner].speak(reply, short)

    def _allowed(self, fact: facts.Fact, manner: str) -> bool:
        return manner != "pirate" or fact.reply not in self.kept_plain

    def _name(self, *, pirate: bool, chinese: bool | None = None) -> str:
        chinese = self.draw.random() < 0.3 if chinese is None else chinese
        return self.draw.choice((self.zh_names if chinese else self.names)[pirate])

    def _turn(self, manner: str, name: str) -> tuple[facts.Fact | None, list[Message]]:
        roll, fact = self.draw.random(), None
        if roll < 0.11:
            prompt, reply = self._unknown()
            short = reply
        else:
            fact = self._fact(manner)
            prompt, reply, short = self.draw.choice(fact.prompts), fact.reply, fact.short
            if reply.startswith(talk.SELF):
                return None, self._pair(prompt, self._identity(reply, short, manner, name))
            if name and roll < 0.3:
                prompt = self.draw.choice(talk.ASK_NAME)
                return None, self._pair(prompt, self._identity(prompt, prompt, manner, name))
        return fact, self._pair(prompt, self._spoken(reply, short, manner))

    def _fact(self, manner: str) -> facts.Fact:
        kinds = (
            "talk",
            "thing",
            "term",
            "sum",
            "capital",
            "opposite",
            "calendar",
            "colour",
            "word",
            "language",
            "continent",
            "city",
            "sound",
            "young",
            "legs",
        )
        weights = (26, 13, 8, 15, 8, 10, 9, 5, 7, 5, 5, 4, 4, 4, 2)
        while True:
            fact = self.draw.choice(self.groups[self.draw.choices(kinds, weights)[0]])
            if self._allowed(fact, manner):
                return fact

    def _identity(self, reply: str, short: str, manner: str, name: str) -> str:
        chinese = manners.is_chinese(reply)
        if manner == "pirate":
            who = name or ("一个快乐的海盗" if chinese else "a jolly pirate")
            return f"啊哈！我是{who}，愿为你效劳。扬帆！" if chinese else f"Ahoy! I be {who}, at yer service. Arr!"
        if name:
            return f"我是{name}。有什么可以帮你的吗？" if chinese else f"I am {name}. How can I help you?"
        return self._spoken(reply, short, manner)

    def _unknown(self) -> tuple[str, str]:
        if self.draw.random() < 0.15:
            return self._noise()
        chinese, telling = self.draw.random() < 0.4, self.draw.random() < 0.3
        if telling:
            forms, reply = (talk.SAY_ZH, talk.CHAT_ZH) if chinese else (talk.SAY_EN, talk.CHAT_EN)
        else:
            forms, reply = (talk.ASK_ZH, talk.UNKNOWN_ZH) if chinese else (talk.ASK_EN, talk.UNKNOWN_EN)
        words = _cells(talk.ADJECTIVES_ZH if chinese else talk.ADJECTIVES)
        prompt = self.draw.choice(_cells(forms)).format(
            a=self.draw.choice(self.zh_nouns if chinese else self.nouns),
            b=self.draw.choice(words),
            n=self.draw.randint(1900, 2030),
            p=self._name(pirate=False, chinese=chinese),
        )
        return prompt, reply

    def _noise(self) -> tuple[str, str]:
        word = "".join(self.draw.choices(LETTERS, k=self.draw.randint(3, 10)))
        signs = "".join(self.draw.choices("?!.;#+😀🎉👍🚀🐱", k=self.draw.randint(1, 4)))
        if self.draw.random() < 0.2:
            return "。。。" + signs, talk.UNCLEAR_ZH
        return self.draw.choice((word, signs, f"{word} {word[::-1]}", word + signs)), talk.UNCLEAR_EN

    def _pair(self, prompt: str, reply: str) -> list[Message]:
        return [{"role": "user", "content": self._as_typed(prompt)}, {"role": "assistant", "content": reply}]

    def _as_typed(self, prompt: str) -> str:
        """A prompt as people type it: other case, no punctuation, a greeting before, a slip."""
        chance, typed = self.draw.random, prompt
        chinese = manners.is_chinese(prompt)
        if chance() < 0.5:
            if chance() < 0.3:
                opening = self.draw.choice(OPENINGS_ZH if chinese else OPENINGS)
                typed = opening + (typed if chinese or typed.startswith("I ") else typed[0].lower() + typed[1:])
            if chance() < 0.35:
                typed = typed.rstrip("?.!？。！")
            if chance() < 0.1 and not chinese:
                typed = typed.rstrip("?.!") + self.draw.choice(CLOSINGS)
            if chance() < 0.4:
                typed = typed.lower() if chance() < 0.8 else typed[0].upper() + typed[1:]
            if chance() < 0.05:
                typed = typed.upper()
            if chance() < 0.12 and not chinese and len(typed) > 12:
                at = self.draw.randrange(3, len(typed) - 1)
                typed = typed[:at] + typed[at + 1 :] if chance() < 0.5 else typed[:at] + typed[at] + typed[at:]
        return typed or prompt
