"""What a text file's first bytes show: its encoding, or that it is something else. Guesses nothing.

UTF-8 with or without a byte order mark, UTF-16 and UTF-32 with one.
"""

from __future__ import annotations

import codecs
import re

from studio.data.sources.steady import SteadyFile
from studio.errors import DataError

# UTF-32's little-endian mark begins with UTF-16's, so it is asked for first.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
LOOKED_AT = 1024  # bytes in which a NUL shows that a file is not text
_OTHER_KINDS = (
    (b"\x1f\x8b", "gzip", ".gz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard", ".zst"),
    (b"PAR1", "Parquet", ".parquet"),
    (b"ARROW1", "Arrow", ".arrow"),
)
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")  # .xlsx (and any ZIP), .xls
# How web pages begin, and what storage services answer in place of a file.
_PAGE = re.compile(rb"<(?:!doctype|!--|(?:html|head|body|title|meta|script|div|center|h1)\b)", re.IGNORECASE)
_XML = re.compile(rb"<(?:\?xml|error\b|listbucketresult\b)", re.IGNORECASE)


def encoding_of(head: bytes) -> str:
    return next((encoding for mark, encoding in MARKS if head.startswith(mark)), "utf-8")


def check_text(file: SteadyFile, *, may_be_markup: bool = False) -> int:
    """Where a UTF-8 file's text begins, after a byte order mark; a DataError where it is no text at all."""
    head = file.read(0, LOOKED_AT)
    for magic, kind, suffix in _OTHER_KINDS:
        if head.startswith(magic):
            raise DataError(
                "{file} is not UTF-8 text but a {kind} file. Rename it so that its name ends in {suffix}.",
                file=file.name,
                kind=kind,
                suffix=suffix,
            )
    if head.startswith(_WORKBOOKS):
        raise DataError(
            "{file} is a ZIP archive or an Excel workbook, not text. Unpack it, or save the sheet as CSV.",
            file=file.name,
        )
    if b"\0" in head:
        raise DataError(
            "{file} is not UTF-8 text: it holds NUL bytes, as compressed files and UTF-16 without a mark do. "
            "Save it as UTF-8.",
            file=file.name,
        )
    refuse_stand_in(file, may_be_markup=may_be_markup)
    return len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0


def refuse_stand_in(file: SteadyFile, *, may_be_markup: bool = False) -> None:
    """DataError where a download left a Git LFS pointer or a web page in the place of a file, whatever its kind."""
    begin = file.read(0, LOOKED_AT).removeprefix(codecs.BOM_UTF8).lstrip()
    if begin.startswith(b"version https://git-lfs.github.com/spec/"):
        raise DataError(
            "{file} is a Git LFS pointer: a note that stands for the file, not the file itself. "
            "Run `git lfs pull` where it lies, or download it from its page.",
            file=file.name,
        )
    kind = "HTML" if _PAGE.match(begin) else "XML" if _XML.match(begin) else None
    if kind and not may_be_markup:
        raise DataError(
            "{file} is a web page ({kind}), not data: the download gave an error or login page. "
            "Download the file itself, from the page's download link.",
            file=file.name,
            kind=kind,
        )


def no_utf8(error: UnicodeDecodeError, *, name: str, line: int) -> DataError:
    """The sentence for bytes that begin on `line`."""
    return DataError(
        "{file}, line {line}: the byte {byte} is not UTF-8 text. Save the file as UTF-8.",
        file=name,
        line=line + error.object.count(b"\n", 0, error.start),
        byte=f"0x{error.object[error.start]:02X}",
    )
