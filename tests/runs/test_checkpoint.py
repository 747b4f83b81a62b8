"""Checkpoints are the old ones or the new ones, wherever a write, a rename or a deletion is cut short."""

from __future__ import annotations

import builtins
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from studio.errors import WorkspaceError
from studio.runs.checkpoint import broken, drop_after, latest, link, read, rotate, tidy, verify, whole, write
from studio.runs.disk import put_folder, settle, write_whole, writing_whole

CUT = ("fsync", "rename", "replace", "unlink", "rmdir", "mkdir", "link")


class PowerGone(BaseException):
    """From here on this process does nothing more, not even tidy up."""


class Crash:
    """Counts what changes the disk. From number `last` on nothing is done; what was not forced to the disk is lost."""

    def __init__(self, last: int | None) -> None:
        self.last, self.done, self.unsynced = last, 0, set[int]()

    def __call__(self) -> None:
        self.done += 1
        if self.last is not None and self.done >= self.last:
            raise PowerGone


@contextmanager
def crashing(last: int | None, below: Path) -> Iterator[Crash]:
    """Whatever changes a file or folder is counted; files that were written and not forced end as half of them."""
    crash = Crash(last)
    with pytest.MonkeyPatch.context() as patch:
        for name in CUT:
            patch.setattr(os, name, _counted(crash, getattr(os, name), syncs=name == "fsync"))
        opened = io.open

        def opening(file: Any, mode: str = "r", *given: Any, **named: Any) -> Any:
            if not set(mode) & set("wxa"):
                return opened(file, mode, *given, **named)
            crash()
            found = opened(file, mode, *given, **named)
            crash.unsynced.add(os.fstat(found.fileno()).st_ino)
            return found

        patch.setattr(io, "open", opening)
        patch.setattr(builtins, "open", opening)
        with suppress(PowerGone):
            yield crash
    for one in below.rglob("*"):
        if one.is_file() and one.stat().st_ino in crash.unsynced and last is not None:
            os.truncate(one, one.stat().st_size // 2)


def _counted(crash: Crash, real: Callable[..., Any], *, syncs: bool) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        crash()
        done = real(*given, **named)
        if syncs:
            crash.unsynced.discard(os.fstat(given[0]).st_ino)
        return done

    return call


def every_crash(tmp_path: Path, before: Callable[[Path], None], act: Callable[[Path], None]) -> Iterator[Path]:
    """A folder for each place where `act` can be cut short, after it was; the last one is not cut."""
    at = 0
    while True:
        at += 1
        folder = tmp_path / f"{at}"
        folder.mkdir()
        before(folder)
        with crashing(at, folder) as crash:
            act(folder)
        yield folder
        if crash.done < at:
            assert at > 3, "nothing was counted"
            return


def filled(words: str) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        (folder / "trained.safetensors").write_text(words * 100)
        (folder / "adapter").mkdir()
        (folder / "adapter" / "adapter_config.json").write_text(words)

    return fill


def made(run: Path, *steps: int, words: str = "old") -> None:
    for step in steps:
        write(run, step, filled(words), facts={"words": words})


def content(run: Path) -> dict[int, str]:
    """Step and words of every checkpoint that can be used; each is what its manifest says."""
    found = {}
    for one in whole(run):
        verify(one)
        words = (one.path / "adapter" / "adapter_config.json").read_text()
        assert one.facts == {"words": words} and (one.path / "trained.safetensors").read_text() == words * 100
        found[one.step] = words
    return found


def leftovers(run: Path) -> list[str]:
    return sorted(one.name for one in (run / "checkpoints").iterdir() if not one.name.startswith("checkpoint-"))


def test_a_new_checkpoint_is_there_or_not(tmp_path: Path) -> None:
    seen = set()
    for run in every_crash(tmp_path, lambda run: made(run, 1), lambda run: made(run, 2, words="new")):
        found = content(run)
        assert found in ({1: "old"}, {1: "old", 2: "new"}) and not broken(run)
        seen.add(len(found))
        tidy(run)
        assert content(run) == found and leftovers(run) == []
    assert seen == {1, 2}


def test_the_first_checkpoint_is_there_or_not(tmp_path: Path) -> None:
    for run in every_crash(tmp_path, lambda run: None, lambda run: made(run, 2)):
        assert content(run) in ({}, {2: "old"}) and not broken(run)
        tidy(run)
        made(run, 2, words="again")
        assert content(run) == {2: "again"} and leftovers(run) == []


def test_one_of_the_same_step_is_the_old_or_the_new(tmp_path: Path) -> None:
    seen = set()
    for run in every_crash(tmp_path, lambda run: made(run, 1, 2), lambda run: made(run, 2, words="new")):
        assert content(run).get(2) in (None, "old", "new") and not broken(run)
        tidy(run)
        seen.add(content(run)[2])
        assert content(run)[1] == "old" and leftovers(run) == []
    assert seen == {"old", "new"}


def test_a_deletion_takes_all_of_it_or_nothing(tmp_path: Path) -> None:
    allowed = [{1: "old", 2: "old", 3: "old"}, {2: "old", 3: "old"}, {3: "old"}]
    for run in every_crash(tmp_path, lambda run: made(run, 1, 2, 3), lambda run: rotate(run, keep=1) and None):
        assert content(run) in allowed and not broken(run)
        tidy(run)
        assert content(run) in allowed and leftovers(run) == []
        rotate(run, keep=1)
        assert content(run) == {3: "old"}


def test_a_branch_has_the_checkpoint_or_not(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    made(parent.parent, 5)
    source = latest(tmp_path)
    for run in every_crash(tmp_path, lambda run: None, lambda run: link(source, run) and None):
        assert content(run) in ({}, {5: "old"}) and not broken(run)
        assert content(tmp_path) == {5: "old"}


def test_a_tidying_that_is_cut_short_is_made_good_by_the_next(tmp_path: Path) -> None:
    def before(run: Path) -> None:
        made(run, 1, 2)
        with crashing(24, run):
            made(run, 2, words="new")
        (run / "checkpoints" / "checkpoint-2").exists()

    for run in every_crash(tmp_path, before, tidy):
        tidy(run)
        assert content(run)[1] == "old" and content(run)[2] in ("old", "new") and leftovers(run) == []


def test_an_adapter_is_the_old_or_the_new(tmp_path: Path) -> None:
    def folder(run: Path, name: str, words: str) -> Path:
        place = run / name
        place.mkdir()
        for file in ("adapter_model.safetensors", "adapter_config.json"):
            (place / file).write_text(words)
        return place

    def act(run: Path) -> None:
        put_folder(folder(run, ".adapter-new", "new"), run / "adapter")

    seen = set()
    for run in every_crash(tmp_path, lambda run: folder(run, "adapter", "old") and None, act):
        tidy(run)
        words = {file.read_text() for file in (run / "adapter").iterdir()}
        assert len(words) == 1 and len(list((run / "adapter").iterdir())) == 2
        assert [one.name for one in run.iterdir()] == ["adapter"]
        seen |= words
    assert seen == {"old", "new"}


@pytest.mark.parametrize("piecewise", [False, True])
def test_a_file_is_the_old_or_the_new(tmp_path: Path, piecewise: bool) -> None:
    def act(run: Path) -> None:
        if piecewise:
            with writing_whole(run / "run.yaml") as file:
                file.write("ne")
                file.write("w")
        else:
            write_whole(run / "run.yaml", "new")

    seen = set()
    for run in every_crash(tmp_path, lambda run: (run / "run.yaml").write_text("old") and None, act):
        seen.add((run / "run.yaml").read_text())
    assert seen == {"old", "new"}


def test_settle_is_harmless_where_nothing_happened(tmp_path: Path) -> None:
    settle(tmp_path / "adapter")
    (tmp_path / "adapter").mkdir()
    settle(tmp_path / "adapter")
    tidy(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["adapter"]


def test_a_failed_write_leaves_those_before_and_no_litter(tmp_path: Path) -> None:
    made(tmp_path, 1, 2)

    def fill(folder: Path) -> None:
        (folder / "trained.safetensors").write_text("half")
        raise OSError(28, "No space left on device")

    for step in (2, 3):
        with pytest.raises(OSError, match="No space"):
            write(tmp_path, step, fill, facts={})
    assert content(tmp_path) == {1: "old", 2: "old"} and leftovers(tmp_path) == []


def test_rotation_goes_by_step_and_leaves_what_is_not_ours(tmp_path: Path) -> None:
    made(tmp_path, 30, 4, 100, 20)
    for age, step in enumerate((100, 30, 20, 4)):  # the newest file is of the smallest step
        os.utime(tmp_path / "checkpoints" / f"checkpoint-{step}", (1e9 + age, 1e9 + age))
    foreign = tmp_path / "checkpoints" / "checkpoint-99"
    foreign.mkdir()
    (foreign / "optimizer.pt").write_bytes(b"not ours")
    assert [one.step for one in whole(tmp_path)] == [4, 20, 30, 100]
    assert rotate(tmp_path, keep=None) == []
    assert rotate(tmp_path, keep=3, also={4}) == [20]
    assert rotate(tmp_path, keep=2, also={4}) == [30]
    assert rotate(tmp_path, keep=1, also={4, 100}) == []
    assert list(content(tmp_path)) == [4, 100]
    assert drop_after(tmp_path, 50) == [100]
    assert (foreign / "optimizer.pt").read_bytes() == b"not ours"
    assert list(broken(tmp_path)) == ["checkpoint-99"]


def test_what_is_wrong_with_a_checkpoint_is_said(tmp_path: Path) -> None:
    def spoil(step: int, act: Callable[[Path], Any], words: str) -> None:
        made(tmp_path, step)
        act(tmp_path / "checkpoints" / f"checkpoint-{step}")
        with pytest.raises(WorkspaceError, match=words):
            verify(latest(tmp_path, step=step))

    made(tmp_path, 1)
    spoil(2, lambda one: (one / "manifest.json").unlink(), "not complete")
    spoil(3, lambda one: (one / "trained.safetensors").unlink(), "trained.safetensors is missing")
    spoil(4, lambda one: os.truncate(one / "trained.safetensors", 7), "not as long as it was written")
    spoil(
        5,
        lambda one: (one / "trained.safetensors").write_text("bad" * 100),
        "trained.safetensors is not what was written",
    )
    spoil(6, lambda one: (one / "optimizer.pt").write_text("x"), "optimizer.pt, which Tunefork did not write")
    spoil(7, lambda one: (one / "manifest.json").write_text('{"files": {"a": 3}}'), "not complete")
    spoil(8, lambda one: shutil.rmtree(one), "has no checkpoint of step 8; there are those of steps 1, 5")
    assert latest(tmp_path).step == 5 and latest(tmp_path, step=1).step == 1

    def leads_away(one: Path) -> None:
        shutil.move(one / "trained.safetensors", tmp_path / "elsewhere")
        (one / "trained.safetensors").symlink_to(tmp_path / "elsewhere")

    spoil(9, leads_away, "trained.safetensors is")


def test_a_manifest_names_no_file_outside_its_folder(tmp_path: Path) -> None:
    made(tmp_path, 1)
    (tmp_path / "secret").write_text("x")
    manifest = tmp_path / "checkpoints" / "checkpoint-1" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"trained.safetensors"', '"../../secret"'))
    with pytest.raises(WorkspaceError):
        read(manifest.parent)


def test_a_link_shares_its_content_and_outlives_its_parent(tmp_path: Path) -> None:
    made(tmp_path, 3)
    child = tmp_path / "child"
    child.mkdir()
    linked = link(latest(tmp_path), child)
    before = latest(tmp_path).path / "trained.safetensors"
    assert before.samefile(linked.path / "trained.safetensors")
    drop_after(tmp_path, -1)
    assert content(child) == {3: "old"} and content(tmp_path) == {}
