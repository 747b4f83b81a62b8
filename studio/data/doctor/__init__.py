"""Checks that look at every row of a data set; CHECKS is all a scan and a config need to know. Changes no row."""

from __future__ import annotations

from studio.data.doctor.base import Check, Marks, Rows
from studio.data.doctor.control_tokens import ControlTokens
from studio.data.doctor.cut import Cut
from studio.data.doctor.double_ends import DoubleEnds
from studio.data.doctor.dropped import Dropped
from studio.data.doctor.duplicates import Duplicates
from studio.data.doctor.empty_turns import EmptyTurns
from studio.data.doctor.encoding import Encoding
from studio.data.doctor.end_of_turn import EndOfTurn
from studio.data.doctor.label_balance import LabelBalance
from studio.data.doctor.lengths import Lengths
from studio.data.doctor.misaligned_labels import MisalignedLabels
from studio.data.doctor.near_duplicates import NearDuplicates
from studio.data.doctor.overlap import Overlap
from studio.data.doctor.personal import Personal
from studio.data.doctor.placeholders import Placeholders
from studio.data.doctor.reasoning_ignored import ReasoningIgnored
from studio.data.doctor.roles import RoleOrder
from studio.data.doctor.same_pair import SamePair
from studio.data.doctor.scripts import Scripts
from studio.data.doctor.secrets import Secrets
from studio.data.doctor.template_tokens import TemplateTokens
from studio.data.doctor.tool_calls import ToolCalls
from studio.data.doctor.tools_ignored import ToolsIgnored
from studio.data.doctor.untrained import Untrained
from studio.data.doctor.unusable import Unusable
from studio.data.doctor.vocabulary import Vocabulary

# In the order in which findings of one severity are told.
CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        Unusable(), Vocabulary(), MisalignedLabels(), Untrained(), Dropped(), Cut(), EndOfTurn(), DoubleEnds(),
        TemplateTokens(), ToolsIgnored(), ToolCalls(), ReasoningIgnored(), RoleOrder(), EmptyTurns(), SamePair(),
        LabelBalance(), ControlTokens(), Placeholders(), Overlap(), Duplicates(), NearDuplicates(), Secrets(),
        Personal(), Encoding(), Lengths(), Scripts(),
    )
}  # fmt: skip


def settle(marks: dict[str, Marks], rows: Rows) -> dict[str, Marks]:
    """Once, when all rows have been looked at: what needs all of them. `rows` gives the tokens of positions."""
    return {name: CHECKS[name].settle(mine, rows) if name in CHECKS else mine for name, mine in marks.items()}
