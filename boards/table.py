"""The result of board control: rows, as a table for people and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .scores import Estimate, as_json

COLUMNS = {
    "error": "error",
    "ratio": "null/error",
    "success": "success",
    "legal": "1st legal",
    "gained": "1st gained",
    "changed": "changed right",
    "kept": "kept",
    "isolation": "isolation",
    "read": "read",
    "size": "size",
    "weight": "removed",
}
NARROW = ("error", "ratio", "success", "legal", "kept", "isolation", "size")  # unless everything is asked for
WITH_INTERVAL = ("error", "success", "isolation")
ROOM = 0.25  # of the null's error; with less, success is a ratio of small numbers
PUBLISHED = {
    "Li et al. 2022, nonlinear probes, natural boards": (2.68, 0.12),
    "Li et al. 2022, nonlinear probes, unnatural boards": (2.59, 0.06),
    "Nanda et al. 2023, linear flip": (2.72, 0.10),
}  # error of the null and of the edit, on a model of 8 layers and 512 dimensions; second-hand


@dataclass(frozen=True)
class ControlRow:
    """One method.

    Attributes:
        name: of the method.
        role: "floor", "supervised" or "unsupervised".
        setting: chosen on other edits; empty if there was no choice.
        estimates: by the names in `COLUMNS`.
        kinds: error and success of every kind of edit.
        tried: mean error of every setting on the choosing edits.
    """

    name: str
    role: str
    setting: str
    estimates: Mapping[str, Estimate]
    kinds: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    tried: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON."""
        return {
            "name": self.name,
            "role": self.role,
            "setting": self.setting,
            **as_json(self.estimates),
            "kinds": {kind: as_json(found) for kind, found in self.kinds.items()},
            "tried": dict(self.tried),
        }


@dataclass(frozen=True)
class BoardControl:
    """Every method on the same edits of one testbed.

    Attributes:
        testbed: name.
        protocol: "one" or "from".
        blocks: that were edited.
        n_edits: reported on.
        n_choosing: on which settings were chosen.
        seed: of all.
        rows: the null first.
        floor: the model's own error on the boards as they were played.
        floor_legal: how often its first choice is legal there.
        room: share of the null's error that a perfect edit would take away: (null - floor) / null.
        details: explained variance and rank of the supervised directions, accuracy of the judging probes, kinds.
    """

    testbed: str
    protocol: str
    blocks: tuple[int, ...]
    n_edits: int
    n_choosing: int
    seed: int
    rows: tuple[ControlRow, ...]
    floor: Estimate
    floor_legal: Estimate
    room: Estimate
    details: Mapping[str, Any]

    def row(self, name: str) -> ControlRow:
        """A method's row.

        Raises:
            KeyError: no such method.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"no method named {name!r} here; there are {[row.name for row in self.rows]}")

    @property
    def good_enough(self) -> bool:
        """Whether the model plays well enough to judge edits by its moves: at least a quarter of room."""
        return self.room.low >= ROOM

    @property
    def verdict(self) -> str:
        """What `good_enough` says, with its figures."""
        null = self.row("null").estimates["error"]
        told = (
            f"without an edit the moves miss the edited board's by {null}, the model's own error is {self.floor}, so "
            f"that a perfect edit would take away {self.room} of the error (wanted: {ROOM:g})"
        )
        plays = "plays well enough" if self.good_enough else "does not play well enough"
        return f"the model {plays} to judge edits by its moves: {told}"

    def table(self, *, kinds: bool = False, everything: bool = False) -> str:
        """The rows as text.

        Args:
            kinds: one column more for the success on each kind of edit.
            everything: all columns, in lines of some 170 characters.
        """
        shown = list(COLUMNS) if everything else list(NARROW)
        names = sorted({kind for row in self.rows for kind in row.kinds}) if kinds else []
        lines = [["method", "setting", *(COLUMNS[key] for key in shown), *names]]
        for row in self.rows:
            cells = [cell(row.estimates[key], key in WITH_INTERVAL) for key in shown]
            extra = [cell(row.kinds[kind]["success"], True) if kind in row.kinds else "-" for kind in names]
            lines.append([row.name, row.setting, *cells, *extra])
        played = {"error": cell(self.floor, True), "success": "1", "legal": cell(self.floor_legal, False)}
        lines.append(["model, boards as played", "", *(played.get(key, "") for key in shown), *([""] * len(names))])
        where = f"block {self.blocks[0]}" if len(self.blocks) == 1 else f"blocks {self.blocks[0]} to {self.blocks[-1]}"
        title = f"{self.testbed}: {self.n_edits} edited boards, residual stream after {where}, seed {self.seed}"
        published = [f"  {name}: {null:.2f} -> {edit:.2f}" for name, (null, edit) in PUBLISHED.items()]
        return "\n".join([title, as_text(lines), self.verdict, "published, other models (null -> edit):", *published])

    def to_dict(self) -> dict[str, Any]:
        """JSON."""
        return {
            "testbed": self.testbed,
            "protocol": self.protocol,
            "blocks": list(self.blocks),
            "n_edits": self.n_edits,
            "n_choosing": self.n_choosing,
            "seed": self.seed,
            "good_enough": self.good_enough,
            "floor": self.floor.to_dict(),
            "floor_legal": self.floor_legal.to_dict(),
            "room": self.room.to_dict(),
            "details": dict(self.details),
            "rows": [row.to_dict() for row in self.rows],
        }


def cell(estimate: Estimate, with_interval: bool = True) -> str:
    """An estimate in a table, to two digits."""
    if not np.isfinite(estimate.value):
        return "-"
    return (
        f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]" if with_interval else f"{estimate.value:.2f}"
    )


def as_text(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells with their columns aligned; the first is the header."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)
