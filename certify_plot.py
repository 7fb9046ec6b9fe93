"""The matrix of a certification as a picture: metrics down, checks across, green passes, red fails."""

from pathlib import Path
from typing import Any

from .certify_result import CHECKS, Certificate
from .data.hdf5 import partial_file

PASS, FAIL, NOT_ASKED = "#cfe8d5", "#f3c9c4", "#f2f2f2"
ROW_HEIGHT, COLUMN_WIDTH, NAME_WIDTH = 0.3, 1.55, 2.6  # inches


def plot(certificate: Certificate, path: str | Path) -> None:
    """Write the matrix with the figure behind every cell.

    Args:
        certificate: of one testbed.
        path: file to write; its ending says the format (.svg, .png, .pdf).

    Raises:
        ValueError: an ending that matplotlib does not know.
        FileNotFoundError: no such folder.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path = Path(path)
    known = FigureCanvasAgg.get_supported_filetypes()
    kind = path.suffix.lstrip(".")
    if kind not in known:
        raise ValueError(f"a plot's name must end in one of {', '.join(sorted(known))}, got {path.name!r}")
    rows = certificate.rows
    width = NAME_WIDTH + COLUMN_WIDTH * len(CHECKS)
    figure = Figure(figsize=(width, ROW_HEIGHT * (len(rows) + 3)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for y, row in enumerate(rows):
        passed = row.checks()
        for x, check in enumerate(CHECKS):
            colour = {True: PASS, False: FAIL, None: NOT_ASKED}[passed[check]]
            axes.add_patch(_box(x, y, colour))
            axes.text(x + 0.5, y + 0.5, _short(row.cell(check)), ha="center", va="center", fontsize=6.5)
    axes.set(xlim=(0, len(CHECKS)), ylim=(len(rows), 0))
    axes.set_xticks([x + 0.5 for x in range(len(CHECKS))], CHECKS)
    axes.set_yticks([y + 0.5 for y in range(len(rows))], [row.metric for row in rows], fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    about = certificate.provenance
    axes.set_title(f"{about['testbed']}: on top should be the {about['base']}", fontsize=10, loc="left")
    metadata = {"Date": None} if kind == "svg" else None  # the same result, the same bytes
    # Text stays text, so that a page can be searched; the salt makes the ids, and so the bytes, the same.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "fiducial"}), partial_file(path) as partial:
        figure.savefig(partial, format=kind, metadata=metadata, dpi=120)


def _box(x: int, y: int, colour: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), 1, 1, facecolor=colour, edgecolor="white", linewidth=1.5)


def _short(text: str, longest: int = 30) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
