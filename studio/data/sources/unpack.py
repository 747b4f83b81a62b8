"""A compressed or UTF-16 text file -> a UTF-8 file in the cache, made once for each version. Reads no rows."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import os
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, cast

from studio.data.sources.readers.encoding import encoding_of, refuse_stand_in
from studio.data.sources.steady import SteadyFile, stamp_of, unreadable
from studio.errors import DataError

if TYPE_CHECKING:
    from studio.settings import Settings

PIECE = 1 << 20  # bytes
LARGEST_UNPACKED = 20 * 1024**3  # bytes
USUAL_RATIO = 200  # unpacked to packed; text does not compress better unless it repeats itself
SMALL = 64 * 1024**2  # bytes up to which the ratio says nothing
KEPT_FREE = 512 * 1024**2  # bytes of the disk
KEPT_FOR = 14 * 24 * 3600  # seconds since it was last opened

_USED = ".used"
_lock = Lock()


def plain(file: SteadyFile, *, packed: str, settings: Settings) -> SteadyFile:
    """The file itself where it is UTF-8 already, else its copy in the cache, under the same name in sentences."""
    head = file.read(0, 4)
    if not packed and not encoding_of(head).startswith(("utf-16", "utf-32")):
        return file
    refuse_stand_in(file)
    folder = settings.cache / "sources"
    key = hashlib.sha256(repr((str(file.path), file.stamp)).encode()).hexdigest()[:32]
    with _lock:  # two clicks at once unpack once
        target = folder / key
        if not target.exists():
            _prune(folder)
            _make(file, target, packed=packed)
        try:
            target.with_name(f"{key}{_USED}").touch()  # not the copy itself: its stamp must stay
            return SteadyFile(target, file.name, stamp_of(target.stat()))
        except OSError as error:
            raise unreadable(target, error) from error


def _make(file: SteadyFile, target: Path, *, packed: str) -> None:
    """Write the copy whole or not at all."""
    staged = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with staged.open("wb") as out, _opened(file, packed) as stream:
            for piece in _utf8(_limited(file, stream, folder=target.parent, packed=packed), file):
                out.write(piece)
        if file.changed():
            file.read(0, 1)  # says so
        staged.replace(target)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(file, str(error)) from error
    except OSError as error:
        # pyarrow's word for a damaged stream is an OSError without a number
        if error.errno is None:
            raise _damaged(file, str(error)) from error
        raise DataError(
            "{file} cannot be unpacked into {folder}: {reason}. Free some space there, or set TUNEFORK_CACHE to "
            "another folder.",
            file=file.name,
            folder=target.parent,
            reason=error.strerror or error,
        ) from error
    finally:
        staged.unlink(missing_ok=True)


@contextmanager
def _opened(file: SteadyFile, packed: str) -> Iterator[IO[bytes]]:
    with file.path.open("rb") as raw:
        file.check(raw.fileno())
        if packed == ".gz":
            with gzip.GzipFile(fileobj=raw) as unzipped:
                yield cast("IO[bytes]", unzipped)
        elif packed == ".zst":
            import pyarrow as pa

            stream: Any = pa.CompressedInputStream(raw, "zstd")
            with stream:
                yield stream
        else:
            yield raw


def _limited(file: SteadyFile, stream: IO[bytes], *, folder: Path, packed: str) -> Iterator[bytes]:
    """The pieces of a stream, up to what a sound file can hold and the disk has room for."""
    total = 0
    room = shutil.disk_usage(folder).free - KEPT_FREE
    while piece := stream.read(PIECE):
        total += len(piece)
        if total > LARGEST_UNPACKED or (packed and total > SMALL and total > USUAL_RATIO * file.size):
            raise DataError(
                "{file} unpacks to more than {size} MB, {ratio} times its size; that much is not unpacked. "
                "Unpack it yourself if it is what you think it is.",
                file=file.name,
                size=total // 1024**2,
                ratio=total // max(1, file.size),
            )
        if total > room:
            raise DataError(
                "{file} unpacks to more than there is room for in {folder}. Free some space there, or set "
                "TUNEFORK_CACHE to another folder.",
                file=file.name,
                folder=folder,
            )
        yield piece


def _utf8(pieces: Iterator[bytes], file: SteadyFile) -> Iterator[bytes]:
    """The same text as UTF-8 without a byte order mark, where the mark at its beginning says UTF-16 or UTF-32."""
    first = next(pieces, b"")
    encoding = encoding_of(first)
    if encoding.startswith("utf-8"):
        yield first
        yield from pieces
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    try:
        text = decoder.decode(first)
        while True:
            yield text.encode()
            line += text.count("\n")
            piece = next(pieces, None)
            if piece is None:
                break
            text = decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise DataError(
            "{file} begins like {encoding} text but is damaged after line {line}. Save it as UTF-8.",
            file=file.name,
            encoding=encoding.upper(),
            line=line,
        ) from error


def _damaged(file: SteadyFile, problem: str) -> DataError:
    return DataError(
        "{file} is damaged or not whole: it cannot be unpacked ({problem}). Download or pack it again.",
        file=file.name,
        problem=problem.splitlines()[0][:200] if problem else "it ends early",
    )


def _prune(folder: Path) -> None:
    """Forget copies that were not opened for long."""
    if not folder.is_dir():
        return
    oldest = time.time() - KEPT_FOR
    for used in folder.glob(f"*{_USED}"):
        try:
            if used.stat().st_mtime < oldest:
                used.with_suffix("").unlink(missing_ok=True)
                used.unlink(missing_ok=True)
        except FileNotFoundError:
            continue  # another process was faster
