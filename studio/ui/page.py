"""What every tab is given: the services, the draft, the form and the texts. Tabs never import one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.ui.draft import Draft
from studio.ui.form import Form
from studio.ui.loader import Loader

if TYPE_CHECKING:
    from studio.services import Services


@dataclass
class Page:
    """Built once by `app.build_app` and handed to each tab's `build`.

    `refs` holds the few components that another tab must reach, by name: "page" is the Blocks, "tabs" the tab bar,
    "model" a component whose `.change` says that the chosen model was described anew.
    """

    services: Services
    draft: Draft
    form: Form
    i18n: gr.I18n
    loader: Loader
    refs: dict[str, Any] = field(default_factory=dict)
    _later: list[Callable[[], None]] = field(default_factory=list)

    def later(self, wire: Callable[[], None]) -> None:
        """Run `wire` when every tab is built: only then are all components of the draft and all refs there."""
        self._later.append(wire)

    def wire(self) -> None:
        """Run what the tabs left for later. Called once, inside the Blocks."""
        for one in self._later:
            one()

    @contextmanager
    def choices(self) -> Iterator[None]:
        """The left half: what is chosen."""
        with gr.Column(elem_classes=["choices"], scale=0, min_width=0):
            yield

    @contextmanager
    def living(self) -> Iterator[None]:
        """The right half: what answers."""
        with gr.Column(elem_classes=["living"], scale=1, min_width=0):
            yield

    @contextmanager
    def halves(self, *, living_first: bool = True) -> Iterator[None]:
        """The row that holds both; on a narrow screen one column, the living half first unless told otherwise."""
        order = "living-first" if living_first else "choices-first"
        with gr.Row(elem_classes=["halves", order], equal_height=False):
            yield

    @contextmanager
    def card(
        self, title: str | None = None, *, elem_id: str | None = None, classes: Sequence[str] = ()
    ) -> Iterator[gr.Column]:
        """A card; `title` is a key of the texts. Blocks inside have no border or padding of their own."""
        with gr.Column(elem_id=elem_id, elem_classes=["card", *classes], min_width=0) as made:
            if title:
                gr.Markdown(self.i18n(title), elem_classes=["card-title"])
            yield made

    @contextmanager
    def pair(self) -> Iterator[None]:
        """Two widgets side by side inside a card."""
        with gr.Row(elem_classes=["pair"]):
            yield
