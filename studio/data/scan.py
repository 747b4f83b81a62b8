"""Every row of a run rendered, tokenized and looked at by the doctor's checks, once; kept on disk and never repeated.

In the background or not, with progress; what was done when it is given up is not done again. Trains nothing.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, Protocol

from studio.data.corpus import Corpus
from studio.data.doctor import CHECKS, settle
from studio.data.doctor.base import Chunk, Context, Marks
from studio.data.foreign import foreign_code
from studio.data.formats import FORMATS
from studio.data.pipeline import Pipeline, Worked
from studio.data.rendering import Remarks
from studio.data.store import Arrays, Shard, TokenStore, joined, prune
from studio.errors import StudioError
from studio.methods.base import LaneFacts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa
    from transformers import PreTrainedTokenizerBase

    from studio.methods import Method
    from studio.settings import Settings

SHARD_ROWS = 4096
CHUNK_ROWS, FEW_ROWS = 256, 8  # at most; and what a chunk of small rows may hold however large some others are
CHUNK_BYTES = 2 * 1024**2  # about, of the rows of a chunk; in work they take a hundred times as much
PROBED = 32  # rows all over the corpus that show how large rows are
MOST_THREADS = 8
FEW_COLLECTIONS = (20_000, 50, 100)
_COLLECTIONS = gc.get_threshold()
_PARALLELISM = "TOKENIZERS_PARALLELISM"  # what the Rust tokenizers ask at each call
VERSION = 2  # of what is kept: raise it when the same rows would be kept differently

Progress = Callable[[int, int], None]  # (rows done, rows in all)


class Cancel(Protocol):
    """What is asked whether to give up, such as a `threading.Event`."""

    def is_set(self) -> bool: ...


_locks: dict[str, threading.Lock] = {}
_locks_lock = threading.Lock()
_looking: list[str | None] = []  # for each scan at work in this process, what the one before it found set


class Cancelled(StudioError):
    """The scan was given up. What was done stays."""

    def __init__(self) -> None:
        super().__init__("The look at every row was given up. It goes on from there the next time.")


@dataclass(frozen=True)
class Scan:
    """What is known of every row in use. `usable` rows have tokens; the others are in `problems` or `left_out`."""

    corpus: Corpus
    store: TokenStore
    facts: LaneFacts
    usable: npt.NDArray[np.bool_]
    marks: dict[str, Marks]
    problems: Remarks
    left_out: Remarks
    remarks: Remarks
    context: Context
    key: str

    @property
    def is_there(self) -> bool:
        """Whether its tokens still lie on the disk: somebody may have made room."""
        return self.store.has((len(self.corpus) - 1) // self.store.shard_rows)


def scan(
    corpus: Corpus,
    *,
    method: Method,
    tokenizer: PreTrainedTokenizerBase,
    settings: Settings,
    context: Context,
    progress: Progress | None = None,
    cancelled: Cancel | None = None,
) -> Scan:
    """Look at every row, or take from disk what was already looked at. Cancelled where `cancelled` was set."""
    key = scan_key(corpus, method=method, tokenizer=tokenizer)
    store = TokenStore(settings.scans_dir / key, lanes=len(method.lanes), shard_rows=SHARD_ROWS)
    pipeline = Pipeline(corpus, method=method, tokenizer=tokenizer)
    making = _Making(pipeline, store, context, progress=progress, cancelled=cancelled, of=len(corpus))
    _mark_used(store)  # so that no other process takes it for an old one while it is read
    with _alone(key, cancelled), _at_work():  # a run that starts while the doctor looks takes what it has made
        found = _joined(corpus, store, _shards(store, making), context=context, key=key)
    _mark_used(store)
    prune(settings.scans_dir, keep=store.folder)
    return found


def _mark_used(store: TokenStore) -> None:
    with suppress(OSError):  # gone, or in a place that cannot be written, which is said when it is
        os.utime(store.folder)


@contextmanager
def _alone(key: str, cancelled: Cancel | None) -> Iterator[None]:
    """One scan of the same rows at a time in this process; the others wait, unless they are given up."""
    with _locks_lock:
        lock = _locks.setdefault(key, threading.Lock())
    while not lock.acquire(timeout=0.2):
        if cancelled is not None and cancelled.is_set():
            raise Cancelled
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _at_work() -> Iterator[None]:
    """Fewer garbage collections: millions of short-lived lists set them off, and each walks all of the libraries.
    And a chunk is tokenized by the thread that has it: were all chunks shared out to the tokenizer's own threads, they
    would be done at the same moment, and then wait for Python together."""
    with _locks_lock:
        if not _looking:
            gc.set_threshold(*FEW_COLLECTIONS)
        _looking.append(os.environ.get(_PARALLELISM) if not _looking else _looking[0])
        os.environ[_PARALLELISM] = "false"
    try:
        yield
    finally:
        with _locks_lock:
            before = _looking.pop()
            if not _looking:
                gc.set_threshold(*_COLLECTIONS)
                os.environ.pop(_PARALLELISM)
                if before is not None:
                    os.environ[_PARALLELISM] = before


def threads() -> int:
    """Chunks in work at once: while some are in the tokenizer, which needs no Python, another is rendered."""
    return min((os.cpu_count() or 1) + 1, MOST_THREADS)


def _shards(store: TokenStore, making: _Making) -> list[Shard]:
    """All shards in order: those on disk, and the others made and written."""
    kept = {number: _kept(store, number) for number in range(-(-making.of // SHARD_ROWS))}
    with closing(making.shards([number for number, shard in kept.items() if shard is None])) as made:
        for number, shard, tokens in made:
            store.write(number, shard, tokens)
            kept[number] = shard
    return [shard for shard in kept.values() if shard is not None]


def _kept(store: TokenStore, number: int) -> Shard | None:
    if not store.has(number):
        return None
    try:
        return store.read(number)
    except (OSError, ValueError, KeyError):  # damaged: made again
        return None


@dataclass(frozen=True)
class _Making:
    """Makes shards: chunks are rendered and encoded ahead in threads, and joined in order.

    `of` is how many rows there are in all.
    """

    pipeline: Pipeline
    store: TokenStore
    context: Context
    progress: Progress | None
    cancelled: Cancel | None
    of: int

    def shards(self, numbers: Sequence[int]) -> Generator[tuple[int, Shard, list[pa.RecordBatch]], None, None]:
        """(number, shard, its tokens) of these shards, the next one in work while one is being written."""
        with closing(self._chunks(numbers)) as chunks:
            for number, group in groupby(chunks, key=lambda found: found[0]):
                done = [one for _, one in group]
                yield number, self._shard(number * SHARD_ROWS, done), [one.tokens for one in done]

    def _shard(self, first: int, chunks: Sequence[_Done]) -> Shard:
        told = [Remarks.empty() for _ in range(3)]
        for one in chunks:
            for into, said in zip(told, (one.problems, one.left_out, one.remarks), strict=True):
                into.join(said)
        return Shard(
            first, sum(one.tokens.num_rows for one in chunks), joined([one.arrays for one in chunks]),
            problems=told[0], left_out=told[1], remarks=told[2],
        )  # fmt: skip

    def _rows_at_once(self) -> int:
        """Rows in a chunk: fewer where rows are large, so that the chunks in work at once stay within memory."""
        corpus = self.pipeline.corpus
        spread = range(0, len(corpus), max(1, len(corpus) // PROBED))
        sizes = [len(repr(row)) for position in spread for row in corpus.raw([position])]
        usual = CHUNK_BYTES * len(sizes) // sum(sizes)
        return max(1, min(CHUNK_ROWS, usual, max(FEW_ROWS, CHUNK_BYTES // max(sizes))))

    def _chunks(self, numbers: Sequence[int]) -> Generator[tuple[int, _Done], None, None]:
        waiting: deque[tuple[int, Future[_Done]]] = deque()
        ahead = threads()
        pool = ThreadPoolExecutor(ahead, thread_name_prefix="scan")
        try:
            for number, start, end in _stretches(numbers, self.of, self._rows_at_once() if numbers else CHUNK_ROWS):
                waiting.append((number, pool.submit(self._chunk, start, end)))
                if len(waiting) > ahead:
                    yield self._next(waiting)
                if self.cancelled is not None and self.cancelled.is_set():
                    raise Cancelled
            while waiting:
                yield self._next(waiting)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _next(self, waiting: deque[tuple[int, Future[_Done]]]) -> tuple[int, _Done]:
        number, future = waiting.popleft()
        done = future.result()
        if self.progress is not None:
            self.progress(done.end, self.of)
        return number, done

    def _chunk(self, first: int, last: int) -> _Done:
        worked = self.pipeline.work(range(first, last))
        arrays = look(worked, self.pipeline.method, self.context)
        done = _Done(last, arrays, self.store.pack(worked.encoded))
        for place, position in enumerate(worked.positions):
            _gather(done.problems, position, worked.problems[place])
            _gather(done.left_out, position, worked.left_out[place])
            for remark in worked.remarks[place]:
                done.remarks.add(position, remark)
        return done


@dataclass(frozen=True)
class _Done:
    """What is kept of a chunk that ends before the position `end`: a row's texts and lists take far more memory."""

    end: int
    arrays: Arrays
    tokens: pa.RecordBatch
    problems: Remarks = field(default_factory=Remarks.empty)
    left_out: Remarks = field(default_factory=Remarks.empty)
    remarks: Remarks = field(default_factory=Remarks.empty)


def _stretches(numbers: Sequence[int], total: int, rows: int) -> Iterator[tuple[int, int, int]]:
    """(shard, first position, one past the last) of every chunk of so many rows of some shards."""
    for number in numbers:
        last = min((number + 1) * SHARD_ROWS, total)
        for start in range(number * SHARD_ROWS, last, rows):
            yield number, start, min(start + rows, last)


def _gather(into: Remarks, position: int, sentence: Any) -> None:
    if sentence is not None:
        into.add(position, sentence)


def look(worked: Worked, method: Method, context: Context) -> Arrays:
    """The figures of some rows and what the checks see in them, as arrays whose names begin with the check's."""
    import numpy as np

    facts, chunk = facts_of(worked, lanes=len(method.lanes))
    arrays: Arrays = {
        "facts/length": facts.length,
        "facts/supervised": facts.supervised,
        "facts/first": facts.first,
        "facts/last": facts.last,
        "facts/usable": np.array([one is not None for one in worked.encoded], dtype=bool),
    }
    for name, check in CHECKS.items():
        arrays.update({f"{name}/{key}": value for key, value in check.look(chunk, context).items()})
    return arrays


def facts_of(worked: Worked, *, lanes: int) -> tuple[LaneFacts, Chunk]:
    """Lengths and loss spans of each row's lanes; and the same rows as the checks look at them."""
    import numpy as np

    found = [one.lanes if one is not None else () for one in worked.encoded]
    flat = [row[number] if row else None for row in found for number in range(lanes)]
    length = np.array([len(one.ids) if one is not None else 0 for one in flat], dtype=np.int32)
    offsets = np.concatenate([[0], np.cumsum(length, dtype=np.int64)])
    tokens = chain.from_iterable(one.ids for one in flat if one is not None)
    ids = np.fromiter(tokens, dtype=np.int32, count=int(offsets[-1]))
    trained = np.zeros(len(ids) + 1, dtype=np.int8)
    supervised, first, last = np.zeros_like(length), length.copy(), np.zeros_like(length)
    for place, one in enumerate(flat):
        if one is None or not one.spans:
            continue
        start, spans = int(offsets[place]), one.spans
        first[place], last[place] = spans[0], spans[-1]
        supervised[place] = sum(spans[1::2]) - sum(spans[0::2])
        for begin, end in zip(spans[0::2], spans[1::2], strict=True):
            trained[start + begin : start + end] = 1
    shape = (len(found), lanes)
    facts = LaneFacts(
        length=length.reshape(shape), supervised=supervised.reshape(shape),
        first=first.reshape(shape), last=last.reshape(shape),
    )  # fmt: skip
    chunk = Chunk(
        positions=np.asarray(worked.positions, dtype=np.int64),
        rows=worked.raw,
        rendered=worked.rendered,
        encoded=worked.encoded,
        ids=ids,
        offsets=offsets,
        trained=trained[:-1].astype(bool),
        problems=worked.problems,
        remarks=worked.remarks,
    )
    return facts, chunk


def _joined(corpus: Corpus, store: TokenStore, shards: Sequence[Shard], *, context: Context, key: str) -> Scan:
    arrays = joined([shard.arrays for shard in shards])
    marks: dict[str, Marks] = {name: {} for name in CHECKS}
    for name, value in arrays.items():
        check, _, inner = name.partition("/")
        if check in marks:
            marks[check][inner] = value
    facts = LaneFacts(
        length=arrays["facts/length"], supervised=arrays["facts/supervised"],
        first=arrays["facts/first"], last=arrays["facts/last"],
    )  # fmt: skip
    marks = _settled(store, marks, len(arrays["facts/usable"]))
    told = [Remarks.empty() for _ in range(3)]
    for shard in shards:
        for into, said in zip(told, (shard.problems, shard.left_out, shard.remarks), strict=True):
            into.join(said)
    return Scan(
        corpus=corpus, store=store, facts=facts, usable=arrays["facts/usable"], marks=marks,
        problems=told[0], left_out=told[1], remarks=told[2], context=context, key=key,
    )  # fmt: skip


def _settled(store: TokenStore, marks: dict[str, Marks], rows: int) -> dict[str, Marks]:
    """What the checks make of the marks of all rows together; from disk where it was made before."""
    kept = store.read_settled(rows)
    if kept is None:
        made = settle(marks, store.tokens)
        store.write_settled({f"{name}/{key}": value for name, one in made.items() for key, value in one.items()}, rows)
        return made
    found: dict[str, Marks] = {name: {} for name in CHECKS}
    for name_in_file, value in kept.items():
        name, _, inner = name_in_file.partition("/")
        found[name][inner] = value
    return found


def scan_key(corpus: Corpus, *, method: Method, tokenizer: PreTrainedTokenizerBase) -> str:
    """What decides every row's tokens: the content of the sources, their reading, the method, the tokenizer."""
    from importlib.metadata import version

    parts = [{"table": one.table.identity, "format": one.mapped.format, "how": repr(one.how)} for one in corpus.parts]
    theirs = foreign_code((method, *CHECKS.values(), *(FORMATS[one.mapped.format] for one in corpus.parts)))
    order = hashlib.sha256(corpus.part.tobytes() + corpus.row.tobytes()).hexdigest()
    said = {
        "version": [VERSION, SHARD_ROWS, *map(version, ("transformers", "tokenizers", "trl")), sorted(CHECKS)],
        "parts": parts,
        "order": order,
        "method": [method.type, {name: getattr(method, name) for name in method.shapes_tokens}],
        "tokenizer": tokenizer_key(tokenizer),
        **({"code": theirs} if theirs else {}),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:24]


def tokenizer_key(tokenizer: PreTrainedTokenizerBase) -> str:
    """A hash of vocabulary, merges, special tokens and chat template; kept with the tokenizer once it was made."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    template = json.dumps([tokenizer.chat_template, tokenizer.special_tokens_map], sort_keys=True, default=str)
    words = tokenizer.__dict__.get("_tunefork_key")
    if words is None:
        text = backend.to_str() if backend is not None else json.dumps(tokenizer.get_vocab(), sort_keys=True)
        text = text.partition('"added_tokens"')[2] or text  # before it stands the padding that the last call set
        words = tokenizer.__dict__["_tunefork_key"] = hashlib.sha256(text.encode()).hexdigest()
    return hashlib.sha256(f"{words}{template}".encode()).hexdigest()
