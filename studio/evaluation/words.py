"""The words of a text in English, Chinese and mixed text. Chinese is cut into words by `jieba`."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable
from functools import cache

# Han characters and the marks among them, which no space divides.
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+")
_UNSPACED = re.compile(r"[\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003134f]+")
_WORD = re.compile(r"[a-z0-9]+")


def spaced(text: str) -> str:
    """The text with spaces between the words and marks of its Chinese parts; the rest as it is."""
    return _UNSPACED.sub(lambda part: f" {' '.join(_cut(part[0]))} ", text)


def words(text: str) -> list[str]:
    """Words alone, in lower case: of Latin text as rouge_score has them, of Chinese jieba's."""
    return [word for piece in spaced(text).lower().split() for word in _HAN.findall(piece) + _WORD.findall(piece)]


def _cut(text: str) -> list[str]:
    return [word for word in _jieba()(text) if not word.isspace()]


@cache
def _jieba() -> Callable[[str], list[str]]:
    """jieba's cut; its dictionary takes a second, once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pkg_resources, and of the package's own source on a newer Python
        import jieba
    jieba.setLogLevel(logging.WARNING)
    cut: Callable[[str], list[str]] = jieba.lcut
    return cut
