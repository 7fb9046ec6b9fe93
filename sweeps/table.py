"""Where a sweep stands, as a table that is drawn anew, and what it came to."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ..metrics.score import Score
from ..report import Report
from ..report_compare import number, printable
from .dispatch import Failed, Progress
from .task import Place, Task

if TYPE_CHECKING:
    from rich.table import Table


MOST_PLACES = 16  # lines of the live table; those that are done share one


class Watch:
    """Tells how far a sweep is.

    Args:
        live: draw a table, once a second at most; else a line for every task that ends.
        say: takes lines.
        clock: seconds that only rise.
    """

    def __init__(self, live: bool, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = Progress()
        self._say, self._clock, self._begun = say, clock, clock()
        self._before = self._ended = 0
        self._drawn = _Drawn(self.table) if live else None

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn is not None:
            self._drawn.stop()

    def started(self, progress: Progress) -> None:
        """The sweep is about to begin."""
        self._progress, self._begun = progress, self._clock()
        self._before = sum(progress.done.values())
        for path in progress.damaged:
            self._say(f"{path} is damaged or of another version: computed anew")
        if progress.older:
            self._say(
                f"{len(progress.older)} results were made with other versions of fiducial or its libraries and are "
                f"kept, since no metric has changed; delete them to have them anew, such as {progress.older[0]}"
            )
        if self._drawn is not None:
            self._drawn.start()
        else:
            self._say(f"{self._before} of {sum(progress.total.values())} results are there already")

    def told(self, task: Task, outcome: Report | Failed) -> None:
        """A task has ended."""
        self._ended += 1
        if self._drawn is None:
            total, there = sum(self._progress.total.values()), self._before + self._ended
            what = f"failed: {outcome.reason}" if isinstance(outcome, Failed) else headline(outcome)
            self._say(f"{there}/{total} {task.name} on {task.place.testbed}, seed {task.place.seed}: {what}")

    def _ended_at(self, place: Place) -> int:
        return self._progress.done[place] + self._progress.failed[place]

    def remaining(self) -> float:
        """Seconds until the end, by what was done so far; NaN at the beginning."""
        left = sum(self._progress.total.values()) - self._before - self._ended
        return (self._clock() - self._begun) / self._ended * left if self._ended else float("nan")

    def table(self) -> "Table":
        """Places, what is done of them and what is being done."""
        from rich import box
        from rich.table import Table

        made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for heading in ("testbed", "games", "seed", "done", "failed", "now"):
            made.add_column(heading, justify="right" if heading in ("games", "seed", "failed") else "left")
        places = self._progress.total
        ended = [place for place, total in places.items() if self._ended_at(place) == total]
        at_work = {task.place for task in self._progress.running.values()}
        if len(places) > MOST_PLACES:
            places = dict(sorted(places.items(), key=lambda item: item[0] not in at_work))
        if len(places) > MOST_PLACES and ended:  # a screen has only so many lines
            done, failed = (sum(of[place] for place in ended) for of in (self._progress.done, self._progress.failed))
            made.add_row(f"{len(ended)} places", "", "", f"{done} of {done + failed}", str(failed or ""), "")
            places = {place: total for place, total in places.items() if place not in ended}
        for place, total in list(places.items())[:MOST_PLACES]:
            now = [task.name for task in self._progress.running.values() if task.place == place]
            made.add_row(
                printable(place.testbed),
                str(place.games),
                str(place.seed),
                f"{self._progress.done[place]} of {total}",
                str(self._progress.failed[place] or ""),
                printable(", ".join(now)),
            )
        if len(places) > MOST_PLACES:
            rest = list(places.items())[MOST_PLACES:]
            done = sum(self._progress.done[place] for place, _ in rest)
            made.add_row(f"{len(rest)} more", "", "", f"{done} of {sum(total for _, total in rest)}", "", "")
        lost = f"; {self._progress.lost} lost workers" if self._progress.lost else ""
        made.caption = f"{_clock(self._clock() - self._begun)} so far, {_clock(self.remaining())} to go{lost}"
        return made


def headline(report: Report) -> str:
    """One score of a report, for a line."""
    for name in ("coverage", "recovery_score", *report.scores):
        if name in report.scores:
            score = report.scores[name]
            return f"{name} {number(score.value)} [{number(score.low)}, {number(score.high)}]"
    return "no score"


def by_place(reports: Mapping[Task, Report]) -> list[Report]:
    """Reports for a page: those on other games of one testbed stand apart there, each beside its own floors."""
    places = {task.place for task in reports}
    several = {one.testbed for one in places if sum(one.testbed == other.testbed for other in places) > 1}
    return [
        replace(report, testbed=str(task.place)) if task.place.testbed in several else report
        for task, report in reports.items()
    ]


def compared(reports: Mapping[Task, Report], metrics: list[str] | None = None) -> "Table":
    """Mean of each metric over seeds, and its spread, one row an SAE, testbed and number of games."""
    import numpy as np
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    shown = metrics or list(dict.fromkeys(name for report in reports.values() for name in report.scores))[:6]
    for heading in ("testbed", "SAE", "seeds", *(name.replace("_", " ") for name in shown)):
        made.add_column(heading, justify="left" if heading in ("testbed", "SAE") else "right")
    rows: dict[tuple[str, str, int], dict[int, dict[str, Score]]] = {}  # of each seed, perhaps from several reports
    sizes = {(task.place.testbed, task.place.games) for task in reports}
    several = {testbed for testbed, _ in sizes if sum(testbed == other for other, _ in sizes) > 1}
    for task, report in reports.items():
        mine = rows.setdefault((task.place.testbed, task.name, task.place.games), {})
        mine.setdefault(task.place.seed, {}).update(report.scores)
    for (testbed, name, games), mine in rows.items():
        where = f"{testbed}, {games} games" if testbed in several else testbed
        cells: list[str] = []
        for metric in shown:
            scores = [found[metric] for found in mine.values() if metric in found]
            values = np.array([score.value for score in scores])
            if not len(values):
                cells.append("-")
            elif len(values) == 1:
                cells.append(f"{number(values[0])} [{number(scores[0].low)}, {number(scores[0].high)}]")
            else:
                cells.append(f"{number(values.mean())} ({number(values.min())}, {number(values.max())})")
        made.add_row(printable(where), printable(name), str(len(mine)), *cells)
    if any(len(mine) > 1 for mine in rows.values()):
        made.caption = "mean (lowest, highest) over seeds"
    return made


class _Drawn:
    """A table on a terminal that is drawn anew once a second."""

    def __init__(self, make: "Callable[[], Table]") -> None:
        from rich.live import Live

        self._live = Live(get_renderable=make, refresh_per_second=1, transient=True)
        self._on = False

    def start(self) -> None:
        self._live.start()
        self._on = True

    def stop(self) -> None:
        if self._on:
            self._live.stop()
            self._on = False


def _clock(seconds: float) -> str:
    if seconds != seconds:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
