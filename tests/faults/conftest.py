"""A user at the command line and one at the page, for the tests of faults; and where each case of faults is tested.

 1 kill in save          faults/test_kill.py::test_killed_while_checkpoint_2_is_written_it_goes_on_from_checkpoint_1
                         faults/test_kill.py::test_killed_at_any_moment_it_has_the_curve_of_the_unbroken_run
 2 zombie run            faults/test_zombie.py::test_a_run_killed_in_mid_step_is_interrupted_everywhere
 3 disk full             faults/test_run_faults.py::test_a_full_disk_is_a_failed_run_with_its_sentence
                         faults/test_run_faults.py::test_a_full_disk_leaves_the_server_alive
                         faults/test_run_faults.py::test_a_checkpoint_from_before_the_disk_was_full_goes_on
 4 truncated adapter     faults/test_model_faults.py::test_a_cut_adapter_is_named_by_file_and_the_next_reply_works
 5 pickle adapter        faults/test_model_faults.py::test_a_pickled_adapter_is_refused_unread
                         faults/test_model_faults.py::test_a_pickled_adapter_is_no_beginning_either
 6 pickle resume         faults/test_kill.py::test_a_pickle_in_a_checkpoint_is_refused_unread
 7 remote code           faults/test_model_faults.py::test_a_models_own_code_is_not_run_and_nobody_is_asked
                         faults/test_model_faults.py::test_a_yes_on_stdin_changes_nothing
                         faults/test_model_faults.py::test_a_models_own_code_is_not_run_from_the_page
 8 run-name traversal    faults/test_hostile_names.py::test_a_name_stays_inside_the_folder_of_runs
                         faults/test_hostile_names.py::test_an_id_on_the_command_line_is_never_a_path
                         faults/test_hostile_names.py::test_an_id_from_the_page_is_never_a_path
                         faults/test_hostile_names.py::test_an_id_from_the_pages_scripts_is_never_a_path
 9 upload name markup    ui/test_ui_browser.py::test_an_upload_is_mapped_and_nothing_in_it_runs
10 markup in a cell      ui/test_ui_browser.py::test_an_upload_is_mapped_and_nothing_in_it_runs
11 markup in a reply     ui/test_ui_replies.py::test_markup_is_carried_as_text
                         browser/test_browser_hostile_reply.py::test_a_models_reply_is_shown_and_executes_nothing
12 cross-site upload     ui/test_ui_app.py::test_other_hosts_and_other_sites_are_refused
13 oversized upload      ui/test_ui_app.py::test_an_upload_over_the_limit_is_refused
14 gzip bomb             faults/test_data_faults.py::test_a_gzip_bomb_is_refused_in_little_memory
15 Parquet bomb          faults/test_data_faults.py::test_a_parquet_bomb_is_refused_by_its_footer
16 truncated JSONL       faults/test_data_faults.py::test_a_broken_row_is_named_and_the_others_kept_by_choice
17 UTF-16                faults/test_data_faults.py::test_marks_and_line_ends_change_no_row
                         faults/test_data_fault_kinds.py::test_marks_and_line_ends_change_no_row_of_csv
18 BOM, CRLF, blanks     faults/test_data_faults.py::test_marks_and_line_ends_change_no_row
19 no rows               faults/test_data_faults.py::test_a_file_that_cannot_be_read_is_one_sentence
20 mixed types late      faults/test_data_fault_kinds.py::test_row_400_001_is_found
21 duplicate header      faults/test_data_faults.py::test_a_file_that_cannot_be_read_is_one_sentence
22 missing content       faults/test_data_faults.py::test_a_broken_row_is_named_and_the_others_kept_by_choice
23 all rows too long     faults/test_data_faults.py::test_all_rows_too_long_stops_check_and_train
                         faults/test_data_faults.py::test_train_is_not_offered_where_no_row_is_left
24 one row               faults/test_data_faults.py::test_one_row_trains
                         faults/test_data_faults.py::test_one_row_with_a_share_held_out_trains
25 tokenizer gaps        faults/test_data_fault_kinds.py::test_a_tokenizer_that_cannot_pad_trains_plain_text
                         faults/test_data_fault_kinds.py::test_a_tokenizer_without_template_trains_conversations
                         faults/test_model_faults.py::test_a_gap_of_the_tokenizer_is_told_on_the_page
26 vocabulary too small  faults/test_model_faults.py::test_ids_beyond_the_embeddings_stop_before_the_first_step
27 wrong-base adapter    faults/test_model_faults.py::test_an_adapter_of_another_base_names_both
28 reload and two tabs   ui/test_ui_live.py::test_a_page_that_attaches_gets_the_whole_run_and_then_only_what_is_new
                         browser/test_browser_live.py::test_two_pages_follow_a_run_as_it_grows
29 two users             faults/test_two_users.py::test_neither_sees_what_the_other_writes
30 out of memory         faults/test_run_faults.py::test_out_of_memory_is_explained_and_the_memory_given_back
"""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.cli import main
from studio.config.files import build
from studio.services import Services, build_services
from studio.settings import Settings


class Told:
    """What the command line said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.err = code, err.strip()
        self.face: Any = json.loads(out) if out.strip() else None

    @property
    def sentence(self) -> str:
        return self.err.splitlines()[-1]


@pytest.fixture
def say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """`say("check", path, "--max_length", 64)`; `--json` and a workspace of its own are added."""

    def run(verb: str, path: Path, *more: object) -> Told:
        workspace = tmp_path / "workspace"
        code = main([verb, "--source", str(path), "--workspace", str(workspace), *map(str, more), "--json"])
        out = capsys.readouterr()
        assert "Traceback" not in out.err
        return Told(code, out.out, out.err)

    return run


class Desk:
    """The page's own handlers over real services, called as a click would; nothing is served."""

    def __init__(self, services: Services) -> None:
        from studio.ui.app import build_page

        self.services = services
        self.blocks, self.page = build_page(services)

    def handler(self, name: str, module: str) -> Any:
        """The first handler of that name in `studio.ui.<module>`, and what it takes."""
        return next(
            one
            for one in self.blocks.fns.values()
            if one.fn is not None and one.fn.__name__ == name and one.fn.__module__ == f"studio.ui.{module}"
        )

    def values(self, fn: Any, changes: dict[str, Any], config: dict[str, Any]) -> list[Any]:
        """What a browser sends: the form of `config`, every other widget as it begins, and `changes` by elem_id."""
        shown = {one: update["value"] for one, update in self.page.draft.fill(build(config)).items()}
        names = [getattr(one, "elem_id", None) for one in fn.inputs]
        return [
            changes[name] if name in changes else shown.get(one, copy.deepcopy(getattr(one, "value", None)))
            for name, one in zip(names, fn.inputs, strict=True)
        ]

    def press(
        self, name: str, module: str, changes: dict[str, Any] | None = None, *, visitor: str = "one", **config: Any
    ) -> list[Any]:
        """What the handler answers, each yield; an error of it is its sentence, as the page would show it."""
        import gradio as gr

        fn = self.handler(name, module)
        values = self.values(fn, changes or {}, config)
        given: list[Any] = [dict(zip(fn.inputs, values, strict=True))] if fn.inputs_as_dict else values
        if "request" in inspect.signature(fn.fn).parameters:
            given.append(SimpleNamespace(session_hash=visitor, cookies={}, headers={}))
        try:
            answer = fn.fn(*given)
            return list(answer) if inspect.isgenerator(answer) else [answer]
        except gr.Error as error:
            return [str(error)]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A page over the workspace that `say` uses."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    folder = tmp_path / "workspace"
    made = Desk(build_services(Settings(mode="local", workspace=folder, cache=tmp_path / "cache")))
    made.services.warmed.set()
    yield made
    made.services.worker.shutdown()
