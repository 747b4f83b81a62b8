"""Makes questions with their one right answer from the tables. Knows no manners and no chat."""

from dataclasses import dataclass

import phrases
import tables
import talk

CALENDAR = ("after", "before", "length")


@dataclass(frozen=True)
class Fact:
    """A question in several phrasings (the first is the plainest), its reply and the key piece.

    With a topic, "what about <topic>?" asks the same right after a fact of the same kind.
    """

    kind: str
    prompts: tuple[str, ...]
    reply: str
    short: str
    topic: str = ""


def _rows(table: str) -> list[list[str]]:
    return [line.split("|") for line in table.strip().splitlines()]


def _cells(table: str) -> list[str]:
    return table.strip().replace("\n", "|").split("|")


def _told(pattern: str, **cells: object) -> Fact:
    """The fact that a pattern of `phrases` tells about these cells."""
    form, kind = phrases.PHRASES[pattern], pattern.removesuffix(" zh")
    thing = str(cells.get("thing", ""))
    cells["Thing"] = thing[:1].upper() + thing[1:]
    return Fact(
        "calendar" if kind in CALENDAR else kind,
        tuple(asked.format(**cells) for asked in form.asked),
        form.reply.format(**cells),
        form.short.format(**cells),
        form.topic.format(**cells),
    )


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def _bare(term: str) -> str:
    return term.removeprefix("an ").removeprefix("a ").removeprefix("the ")


def countries() -> list[Fact]:
    """Capitals, languages and continents."""
    facts = []
    for row in _rows(tables.COUNTRIES):
        english = dict(zip(("land", "city", "tongue", "part"), row[:4], strict=True))
        chinese = dict(zip(("land", "city", "tongue", "part"), row[4:], strict=True))
        for kind in ("capital", "language", "continent"):
            facts += [_told(kind, **english), _told(f"{kind} zh", **chinese)]
        facts.append(_told("city", **english))
    return facts


def opposites() -> list[Fact]:
    """Pairs of opposites, asked from both sides."""
    facts = []
    for pattern, table in (
        ("opposite", tables.OPPOSITES_EN),
        ("opposite zh", tables.OPPOSITES_ZH),
    ):
        for pair in _cells(table):
            one, other = pair.split()
            facts += [_told(pattern, one=one, other=other), _told(pattern, one=other, other=one)]
    return facts


def colours() -> list[Fact]:
    """Colours of everyday things."""
    facts = []
    for thing, colour, zh_thing, zh_colour in _rows(tables.COLOURS):
        facts.append(_told("colour", thing=thing, colour=colour))
        facts.append(_told("colour zh", thing=zh_thing, colour=zh_colour))
    return facts


def animals() -> list[Fact]:
    """Sounds, young and legs of animals."""
    facts = []
    for name, sound, young, legs, zh_name, zh_sound, zh_young in _rows(tables.ANIMALS):
        thing = _article(name)
        facts += [
            _told("sound", thing=thing, sound=sound),
            _told("sound zh", thing=zh_name, sound=zh_sound),
            _told("young", thing=thing, name=name, young=young, a_young=_article(young)),
            _told("young zh", thing=zh_name, young=zh_young),
            _told("legs", thing=thing, legs=legs),
        ]
    return facts


def things() -> list[Fact]:
    """What everyday things are, the words of fine-tuning, and small translations."""
    facts = []
    for thing, meaning in _rows(tables.THINGS_EN):
        bare = thing.removeprefix("an ").removeprefix("a ")
        facts.append(_told("thing", thing=thing, bare=bare, meaning=meaning))
    for thing, meaning in _rows(tables.THINGS_ZH):
        facts.append(_told("thing zh", thing=thing, meaning=meaning))
    for term, zh_term, meaning, zh_meaning in _rows(tables.TERMS):
        facts.append(_told("term", thing=term, bare=_bare(term), meaning=meaning))
        facts.append(_told("term zh", thing=zh_term, meaning=zh_meaning))
    words = _cells(tables.WORDS)
    for word, zh_word in zip(words[::2], words[1::2], strict=True):
        facts.append(_told("word", word=word, other=zh_word))
        facts.append(_told("word zh", word=zh_word, other=word))
    return facts


def calendar() -> list[Fact]:
    """Days and months, before and after, and how long a month is."""
    facts = []
    days, months = _cells(tables.DAYS), _cells(tables.MONTHS)
    circles = (
        (("day", days[::2]), ("天", days[1::2])),
        (("month", months[::3]), ("个月", months[1::3])),
    )
    for circle in circles:
        for at in range(len(circle[0][1])):
            for (unit, names), end in zip(circle, ("", " zh"), strict=True):
                name, after = names[at], names[(at + 1) % len(names)]
                facts.append(_told(f"after{end}", unit=unit, name=name, other=after))
                facts.append(_told(f"before{end}", unit=unit, name=name, other=names[at - 1]))
    for name, zh_name, length in zip(months[::3], months[1::3], months[2::3], strict=True):
        facts.append(_told("length", name=name, days=length))
        facts.append(_told("length zh", name=zh_name, days=length))
    return facts


def sums() -> list[Fact]:
    """Plus and minus up to ten, and small products."""
    facts = []
    for a in range(11):
        for b in range(11):
            facts += _sum(a, b, a + b, ("plus", "+", "加"))
            if b <= a:
                facts += _sum(a, b, a - b, ("minus", "-", "减"))
            if 1 <= a <= 5 and 1 <= b <= 5:
                facts += _sum(a, b, a * b, ("times", "×", "乘"))
    return facts


def _sum(a: int, b: int, result: int, names: tuple[str, str, str]) -> list[Fact]:
    word, sign, zh_word = names
    return [
        _told("sum", a=a, b=b, word=word, sign=sign, result=result),
        _told("sum zh", a=a, b=b, word=zh_word, result=result),
    ]


def small_talk() -> list[Fact]:
    """Greetings, feelings, jokes and the like."""
    facts = []
    for line in (talk.TALK_EN + talk.TALK_ZH).strip().splitlines():
        if line:
            prompts, reply = line.split(" => ")
            facts.append(Fact("talk", tuple(prompts.split("|")), reply, reply))
    return facts


def all_facts() -> list[Fact]:
    """Every fact the starter model knows."""
    makers = (small_talk, countries, opposites, colours, animals, things, calendar, sums)
    return [fact for maker in makers for fact in maker()]
