"""How the figures look: fonts that stay text, colours and shapes of architectures, bytes that repeat, captions.

Colours are those of Okabe and Ito, told apart by most colour-blind people; a shape always says the same as a colour.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ..data.hdf5 import partial_file
from ..report import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")
STYLE: Any = {  # matplotlib types its keys one by one
    "svg.fonttype": "none",
    "svg.hashsalt": "fiducial",
    "pdf.fonttype": 42,
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.4,
    "errorbar.capsize": 0,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "text.parse_math": False,  # a dollar in the name of an SAE is a dollar
}
_LONGEST = 150  # letters of the name of a file
FORMATS = ("svg", "pdf", "png")
PANEL = (2.75, 2.35)  # inches; three panels and their notes fill the width of a page
GREY, FAINT = "#555555", "#9a9a9a"
SEQUENTIAL = "cividis"  # rises evenly in lightness
DIVERGING = "RdBu"

_ARCHS: dict[str, tuple[str, str, str]] = {
    "standard": ("Standard (L1)", "#000000", "o"),
    "gated": ("Gated", "#e69f00", "s"),
    "topk": ("TopK", "#0072b2", "^"),
    "batchtopk": ("BatchTopK", "#56b4e9", "v"),
    "jumprelu": ("JumpReLU", "#d55e00", "D"),
    "p_anneal": ("P-anneal", "#009e73", "P"),
    "matryoshka": ("Matryoshka", "#cc79a7", "*"),
    "gated_anneal": ("Gated, annealed", "#7f7f7f", "X"),
}
_SPARE = ("h", "p", "<", ">", "d", "8")


def look(arch: str) -> tuple[str, str, str]:
    """Label, colour and marker of an architecture; those not known by name get a grey shape of their own.

    >>> look("topk")
    ('TopK', '#0072b2', '^')
    """
    if arch in _ARCHS:
        return _ARCHS[arch]
    place = sum(map(ord, arch))
    return arch.replace("_", " "), "#7f7f7f" if place % 2 else "#b08968", _SPARE[place % len(_SPARE)]


def ordered(archs: Iterable[str]) -> list[str]:
    """Architectures in the order of the legend, each once."""
    known = list(_ARCHS)
    return sorted(set(archs), key=lambda arch: (known.index(arch) if arch in known else len(known), arch))


@dataclass(frozen=True)
class Drawn:
    """A figure with its caption.

    Attributes:
        name: of its file, without ending.
        figure: matplotlib's.
        shows: what is drawn, from how many results; sentences.
        paper: what the paper's figure shows, and where this one differs.
        missing: panels that are empty or left out: what is missing, and the command that makes it.
    """

    name: str
    figure: "Figure"
    shows: str
    paper: str
    missing: tuple[tuple[str, str], ...] = ()


@dataclass
class Gallery:
    """The figures of a paper as they come about.

    Attributes:
        paper: name of the command.
        source: authors, title, number on arXiv.
        drawn: figures.
        missing: figures that could not be drawn: what lacks, and the command that makes it.
    """

    paper: str
    source: str
    drawn: list[Drawn] = field(default_factory=list[Drawn])
    missing: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def add(self, drawn: Drawn) -> None:
        """One more figure; a name that holds that of a testbed becomes one that every file system takes."""
        name = "".join(c if c.isalnum() or c in "-_." else "-" for c in drawn.name)[:_LONGEST].strip("-.")
        self.drawn.append(replace(drawn, name=name))

    def lacks(self, what: str, command: str) -> None:
        """One figure that cannot be drawn."""
        self.missing.append((what, command))

    def write(self, out: str | Path, kind: str, command: str, results: str) -> list[Path]:
        """Write the figures and one file of captions, each whole or not at all.

        Args:
            out: folder; made if it is not there.
            kind: one of `FORMATS`.
            command: that made them, for the captions.
            results: what they were drawn from, in words.

        Raises:
            ValueError: no figure at all, and what to do about it; or an unknown format.
        """
        if kind not in FORMATS:
            raise ValueError(f"figures are written as {', '.join(FORMATS)}, got {kind!r}")
        if not self.drawn:
            wanted = "; ".join(f"{what}: `{how}`" for what, how in self.missing)
            raise ValueError(f"no figure of {self.paper} can be drawn from {results}. Missing: {wanted}")
        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        paths = [save(one.figure, out / f"{one.name}.{kind}") for one in self.drawn]
        return [*paths, write_atomically(out / f"{self.paper}.md", self.captions(kind, command, results))]

    def captions(self, kind: str, command: str, results: str) -> str:
        """Markdown: what each figure shows, from what, what the paper has, and what is missing."""
        lines = [f"# Figures after {self.source}", "", f"Drawn from {results}, by", "", f"    {command}", ""]
        for one in self.drawn:
            lines += [f"## {one.name}", "", f"![{one.name}]({one.name}.{kind})", "", one.shows, ""]
            lines += [f"**In the paper.** {one.paper}", ""]
            lines += [f"**Missing here.** {what}: `{how}`" + "\n" for what, how in one.missing]
        if self.missing:
            lines += ["## Not drawn", ""]
            lines += [f"- {what}: `{how}`" for what, how in self.missing] + [""]
        return "\n".join(lines)


def save(figure: "Figure", path: Path) -> Path:
    """Write a figure; the same content gives the same bytes."""
    import matplotlib as mpl

    kind = path.suffix.removeprefix(".")
    metadata: dict[str, dict[str, Any]] = {
        "svg": {"Date": None, "Creator": "fiducial"},
        "pdf": {"CreationDate": None, "Creator": "fiducial", "Producer": None},
        "png": {"Software": None},
    }
    with mpl.rc_context(STYLE), partial_file(path) as partial:
        if figure.get_layout_engine() is not None:  # laid out once: layout after layout differs a bit
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
        figure.savefig(partial, format=kind, metadata=metadata[kind])
    return path


def grid(rows: int, columns: int, *, size: tuple[float, float] = PANEL, extra: float = 0.0) -> "tuple[Figure, Any]":
    """A figure and its axes [rows, columns]; call inside `styled`.

    Args:
        rows: of panels.
        columns: of panels.
        size: of a panel, inches.
        extra: height for a legend below, inches.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] * columns, size[1] * rows + extra), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """A decorator: what the function draws has the common style."""
    from functools import wraps

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib as mpl

        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return inside


def legend(figure: Any, archs: Sequence[str], *, coloured: bool = True, more: Sequence[Any] = ()) -> None:
    """One legend of architectures below all panels, and whatever else it has to explain.

    Args:
        figure: matplotlib's.
        archs: architectures drawn.
        coloured: colours say the architecture; otherwise only shapes do.
        more: further handles.
    """
    from matplotlib.lines import Line2D

    handles: list[Any] = []
    for arch in ordered(archs):
        label, colour, marker = look(arch)
        shade = colour if coloured else FAINT
        handles.append(Line2D([], [], linestyle="none", marker=marker, color=shade, label=label, markersize=5))
    below(figure, [*handles, *more])


def below(figure: Any, handles: Sequence[Any]) -> None:
    """A legend below all panels, in as few lines as fit the width."""
    width = figure.get_figwidth() - 0.2
    lengths = [0.42 + 0.061 * len(handle.get_label()) for handle in handles]  # inches: the mark, then letters

    def fits(columns: int) -> bool:
        short, longer = divmod(len(handles), columns)  # as matplotlib fills them: the first columns are the longer ones
        ends = [0]
        for column in range(columns):
            ends.append(ends[-1] + short + (column < longer))
        return sum(max(lengths[start:end]) for start, end in pairwise(ends)) <= width

    columns = next((n for n in range(len(handles), 1, -1) if fits(n)), 1)
    figure.legend(handles=list(handles), loc="outside lower center", ncols=columns)
