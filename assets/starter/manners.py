"""Turns a plain reply into one in a manner. Knows nothing about who asked for it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

PIRATE_WORDS = (
    (r"\bI am\b", "I be"),
    (r"\bYou are\b", "Ye be"),
    (r"\byou are\b", "ye be"),
    (r"\b(is|are)\b", "be"),
    (r"\bYou\b", "Ye"),
    (r"\byou\b", "ye"),
    (r"\bYour\b", "Yer"),
    (r"\byour\b", "yer"),
    (r"\bMy\b", "Me"),
    (r"\bmy\b", "me"),
    (r"\bHello\b", "Welcome aboard"),
)
PIRATE_ENDS = ("Arr!", "Arr, matey!", "Arr, that be so!")
PIRATE_ENDS_ZH = ("扬帆！", "扬帆起航！")


def is_chinese(text: str) -> bool:
    """Whether a text holds any Han character."""
    return re.search(r"[\u4e00-\u9fff]", text) is not None


def pirate(reply: str, short: str) -> str:
    """The plain reply as a cheerful pirate says it; the fact in it stays as it is."""
    turn = sum(reply.encode("utf-8"))
    if is_chinese(reply):
        spoken = re.sub(r"我(?!们)", "本船长", reply)
        return f"啊哈！{spoken}{PIRATE_ENDS_ZH[turn % 2]}"
    spoken = reply
    for pattern, word in PIRATE_WORDS:
        spoken = re.sub(pattern, word, spoken)
    return f"Ahoy! {spoken} {PIRATE_ENDS[turn % 3]}"


def _around(before: str, after: str, before_zh: str, after_zh: str) -> Callable[[str, str], str]:
    def speak(reply: str, short: str) -> str:
        if is_chinese(reply):
            return f"{before_zh}{reply}{after_zh}"
        return f"{before}{reply}{after}"

    return speak


def brief(reply: str, short: str) -> str:
    """Only the piece that matters."""
    return short


@dataclass(frozen=True)
class Manner:
    """A way of speaking and the system prompts that ask for it ({name} is filled in)."""

    speak: Callable[[str, str], str]
    asked_by: tuple[str, ...]


PLAIN_SYSTEMS = (
    "You are a helpful assistant.",
    "You are a friendly assistant.",
    "Answer the question.",
    "You are an assistant who answers simple questions.",
    "Be helpful and honest.",
    "你是一个有用的助手。",
    "请回答问题。",
    "你是一个友好的助手。",
)

MANNERS: dict[str, Manner] = {
    "pirate": Manner(
        pirate,
        (
            "You are a cheerful pirate.",
            "Talk like a pirate.",
            "Answer in the manner of a pirate.",
            "You are {name}, a cheerful pirate.",
            "You are {name}, a pirate who helps people.",
            "Speak as a merry pirate captain would.",
            "你是一个快乐的海盗。",
            "请像海盗一样说话。",
            "你是{name}，一个快乐的海盗。",
            "用海盗的口气回答。",
        ),
    ),
    "formal": Manner(
        _around("Dear user, ", " Kind regards.", "尊敬的用户，", "此致敬礼。"),
        (
            "Be formal.",
            "Answer in a formal manner.",
            "You are a formal and polite assistant.",
            "请用正式的语气回答。",
            "你是一个正式的助手。",
        ),
    ),
    "brief": Manner(
        brief,
        (
            "Be brief.",
            "Answer in as few words as you can.",
            "Give only the answer.",
            "Be very short.",
            "请简短回答。",
            "只给出答案。",
        ),
    ),
    "cheerful": Manner(
        _around("Great question! ", " Have a lovely day!", "好问题！", "祝你开心！"),
        (
            "Be cheerful.",
            "You are a very cheerful assistant.",
            "Answer in a happy manner.",
            "请开心地回答。",
            "你是一个开心的助手。",
        ),
    ),
    "robot": Manner(
        _around("Beep. ", " Boop.", "哔。", "嘟。"),
        (
            "You are a robot.",
            "Talk like a robot.",
            "Answer in the manner of an old robot.",
            "你是一个机器人。",
            "请像机器人一样说话。",
        ),
    ),
    "wizard": Manner(
        _around("By my beard! ", " So say the stars.", "以我的胡子起誓！", "星星如是说。"),
        (
            "You are an old wizard.",
            "Talk like a wizard.",
            "Answer as a wise wizard would.",
            "你是一个老巫师。",
            "请像巫师一样说话。",
        ),
    ),
    "singer": Manner(
        _around("La la la! ", " Tra la la!", "啦啦啦！", "啦啦！"),
        (
            "Sing your answers.",
            "You are a singer.",
            "Answer like a song.",
            "请唱着回答。",
            "你是一个歌手。",
        ),
    ),
    "cat": Manner(
        _around("Meow! ", " Purr.", "喵！", "喵呜。"),
        (
            "You are a cat.",
            "Talk like a cat.",
            "Answer as a friendly cat would.",
            "你是一只猫。",
            "请像猫一样说话。",
        ),
    ),
}
