"""A comparison of SAEs as a picture: one row a pair, labels' likeness beyond chance with intervals."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..data.hdf5 import partial_file

if TYPE_CHECKING:
    from .similar_result import SaesCompared

LOOKS = {  # colour-blind safe; marker differs too
    "overlap within prevalence": ("#0072b2", "o", "labels hold at the same positions"),
    "cosine within prevalence": ("#d55e00", "s", "labels read alike (embeddings)"),
    "same concept": ("#009e73", "^", "same true feature"),
}


def plot(made: "SaesCompared", path: str | Path, *, how: str | None = None) -> None:
    """Write the picture.

    Args:
        made: the comparison.
        path: file to write; its ending says the format (.svg, .png, .pdf).
        how: only pairs matched so; by default all.

    Raises:
        ValueError: an ending that matplotlib does not know, or nothing to draw.
        FileNotFoundError: no such folder.
    """
    import numpy as np
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path = Path(path)
    known = FigureCanvasAgg.get_supported_filetypes()
    kind = path.suffix.lstrip(".")
    if kind not in known:
        raise ValueError(f"a plot's name must end in one of {', '.join(sorted(known))}, got {path.name!r}")
    pairs = [one for one in made.pairs if how is None or one.how == how]
    if not pairs:
        raise ValueError(f"no pairs matched by {how!r} to draw" if how else "no pairs to draw")
    pairs.sort(key=lambda one: (one.how, one.differs))
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "fiducial", "font.size": 8}):
        figure = Figure(figsize=(9.5, 1.5 + 0.27 * len(pairs)), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1, 2.2))
        y = np.arange(len(pairs))
        left.barh(y, [one.directions for one in pairs], color="#b0b0b0", height=0.6)
        left.set(xlim=(0, 1), xlabel="similarity matched on")
        left.set_yticks(y, [f"{one.a} - {one.b}  [{one.differs or 'nothing'}; {one.how}]" for one in pairs], fontsize=7)
        left.set_ylim(len(pairs) - 0.4, -0.6)
        for step, (name, (colour, marker, label)) in enumerate(LOOKS.items()):
            at = [i for i, one in enumerate(pairs) if name in one.labels and np.isfinite(one.labels[name].score)]
            found = [pairs[i].labels[name] for i in at]
            if not found:
                continue
            where = np.array(at) + 0.2 * (step - 1)
            right.hlines(where, [one.low for one in found], [one.high for one in found], color=colour, linewidth=1)
            right.plot([one.score for one in found], where, marker, color=colour, markersize=4, label=label)
        right.axvline(0, color="black", linewidth=0.8)
        right.set(xlabel="labels of matched latents: (observed - null) / (1 - null)")
        right.grid(axis="x", color="#e6e6e6", linewidth=0.6)
        right.set_axisbelow(True)
        figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=8)
        for axes in (left, right):
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
        metadata = {"Date": None} if kind == "svg" else {"Software": None} if kind == "png" else None
        with partial_file(path) as partial:
            figure.savefig(partial, format=kind, metadata=metadata, dpi=130)
