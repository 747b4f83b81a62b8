"""How each kind of fact is asked and answered, as patterns. Knows no facts."""

from typing import NamedTuple


class Phrases(NamedTuple):
    """Ways to ask (the plainest first), the reply, its key piece, and what a follow-up names."""

    asked: tuple[str, ...]
    reply: str
    short: str
    topic: str = ""


# block: kind, then the ways to ask, then reply | key piece | topic
TABLE = """
capital
What is the capital of {land}?|What's the capital of {land}?|{land} capital?|Which city is the capital of {land}?
Name the capital of {land}.|Do you know the capital of {land}?|Tell me the capital of {land}.|capital of {land}
> The capital of {land} is {city}.|{city}|{land}

capital zh
{land}的首都是哪里？|{land}的首都是什么？|{land}首都|{land}的首都在哪？|哪个城市是{land}的首都？|你知道{land}的首都吗？
> {land}的首都是{city}。|{city}|{land}

language
Which language do people speak in {land}?|What language is spoken in {land}?|What do they speak in {land}?
Which language is spoken in {land}?
> People in {land} speak {tongue}.|{tongue}|{land}

language zh
{land}人说什么语言？|{land}说什么语言？|在{land}说什么话？
> {land}人说{tongue}。|{tongue}|{land}

continent
Where is {land}?|On which continent is {land}?|Which continent is {land} in?|Where does {land} lie?
What continent is {land} in?
> {land} is in {part}.|{part}|{land}

continent zh
{land}在哪里？|{land}在哪个洲？|{land}位于哪个大洲？
> {land}在{part}。|{part}|{land}

city
Which country has the capital {city}?|{city} is the capital of which country?|Of which country is {city} the capital?
> {city} is the capital of {land}.|{land}

opposite
What is the opposite of {one}?|opposite of {one}|What's the opposite of {one}?|Tell me the opposite of {one}.
Which word is the opposite of {one}?
> The opposite of {one} is {other}.|{other}|{one}

opposite zh
{one}的反义词是什么？|“{one}”的反义词是什么？|{one}的反义词|{one}的相反是什么？
> {one}的反义词是{other}。|{other}|{one}

colour
What colour is {thing}?|What color is {thing}?|Which colour does {thing} have?|Tell me the colour of {thing}.
What is the colour of {thing}?|colour of {thing}
> {Thing} is {colour}.|{colour}|{thing}

colour zh
{thing}是什么颜色的？|{thing}是什么颜色？|{thing}的颜色是什么？|{thing}什么颜色
> {thing}是{colour}的。|{colour}|{thing}

sound
What does {thing} say?|What sound does {thing} make?|Which sound does {thing} make?|What noise does {thing} make?
How does {thing} sound?
> {Thing} says {sound}.|{sound}|{thing}

sound zh
{thing}怎么叫？|{thing}的叫声是什么？|{thing}是怎么叫的？
> {thing}的叫声是{sound}。|{sound}|{thing}

young
What is a young {name} called?|What is a baby {name} called?|What do you call a baby {name}?
What's the name of a young {name}?
> A young {name} is called {a_young}.|{young}|{thing}

young zh
{thing}的宝宝叫什么？|{thing}的孩子叫什么？
> {thing}的宝宝叫{young}。|{young}|{thing}

legs
How many legs does {thing} have?|How many legs has {thing}?|Count the legs of {thing}.
> {Thing} has {legs} legs.|{legs}

thing
What is {thing}?|What's {thing}?|Explain {thing}.|Tell me what {thing} is.|What does the word {bare} mean?
Tell me about {thing}.|what is {bare}
> {Thing} is {meaning}.|{meaning}|{thing}

thing zh
什么是{thing}？|{thing}是什么？|解释一下{thing}|告诉我{thing}是什么
> {thing}是{meaning}。|{meaning}|{thing}

term
What is {thing}?|What's {thing}?|Explain {thing}.|What does {bare} mean?|Define {bare}.|what is {bare}
Tell me about {bare}.|What is {bare} in training?|Can you explain {bare}?
> {meaning}|{meaning}|{thing}

term zh
什么是{thing}？|{thing}是什么？|解释一下{thing}|{thing}是什么意思？
> {meaning}|{meaning}|{thing}

word
How do you say {word} in Chinese?|What is {word} in Chinese?|Translate {word} into Chinese.|{word} in Chinese
> In Chinese, {word} is {other}.|{other}

word zh
{word}用英语怎么说？|“{word}”的英语是什么？|{word}的英文是什么？
> {word}的英语是 {other}。|{other}

after
What {unit} comes after {name}?|Which {unit} is after {name}?|What comes after {name}?|Which {unit} follows {name}?
after {name}?
> After {name} comes {other}.|{other}

before
What {unit} comes before {name}?|Which {unit} is before {name}?|What comes before {name}?|before {name}?
> Before {name} comes {other}.|{other}

after zh
{name}的后一{unit}是什么？|{name}之后是什么？|{name}后面是什么？
> {name}之后是{other}。|{other}

before zh
{name}的前一{unit}是什么？|{name}之前是什么？|{name}前面是什么？
> {name}之前是{other}。|{other}

length
How many days are in {name}?|How many days has {name}?|How long is {name}?
> {name} has {days} days.|{days}

length zh
{name}有几天？|{name}有多少天？
> {name}有{days}天。|{days}

sum
What is {a} {word} {b}?|{a} {sign} {b}|{a}{sign}{b}=?|How much is {a} {word} {b}?|What is {a} {sign} {b}?
{a} {word} {b}|Calculate {a} {sign} {b}.|{a} {sign} {b} =
> {a} {word} {b} is {result}.|{result}

sum zh
{a}{word}{b}等于几？|{a}{word}{b}等于多少？|{a}{word}{b}是多少？|{a}{word}{b}
> {a}{word}{b}等于{result}。|{result}
"""


def _read(table: str) -> dict[str, Phrases]:
    read = {}
    for block in table.strip().split("\n\n"):
        kind, *asked, told = block.splitlines()
        read[kind] = Phrases(tuple("|".join(asked).split("|")), *told.removeprefix("> ").split("|"))
    return read


PHRASES = _read(TABLE)
