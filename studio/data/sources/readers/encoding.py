"""Bytes -> text: UTF-8 with or without a byte order mark, UTF-16 and UTF-32 with one. Guesses nothing else."""

from __future__ import annotations

import codecs

from studio.errors import DataError

# UTF-32's little-endian mark begins with UTF-16's, so it is asked for first.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_LOOKED_AT = 1024  # bytes in which a NUL shows that a file is not text


def decode(content: bytes, name: str) -> str:
    """The file's text, or a DataError that names the line of the first byte that is none."""
    encoding = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), "utf-8")
    if encoding.startswith("utf-8") and b"\0" in content[:_LOOKED_AT]:
        raise DataError(
            "{file} is not UTF-8 text: it holds NUL bytes, as compressed files and UTF-16 without a mark do. "
            "Save it as UTF-8.",
            file=name,
        )
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding.startswith("utf-8"):
            raise DataError(
                "{file}, line {line}: the byte {byte} is not UTF-8 text. Save the file as UTF-8.",
                file=name,
                line=error.object.count(b"\n", 0, error.start) + 1,
                byte=f"0x{error.object[error.start]:02X}",
            ) from error
        raise DataError(
            "{file} begins like {encoding} text but is damaged. Save it as UTF-8.",
            file=name,
            encoding=encoding.upper(),
        ) from error
