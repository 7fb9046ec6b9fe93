"""What a sweep tells while it runs: a live table on a terminal, lines elsewhere."""

import io

from fiducial.metrics.score import Score
from fiducial.report import Report
from fiducial.sweeps.dispatch import Failed, Progress
from fiducial.sweeps.table import MOST_PLACES, Watch, by_place, compared, headline
from fiducial.sweeps.task import Place, Task
from rich.console import Console


def task(seed, name="topk"):
    return Task(Place("othello-6x6", 200, seed), "/nowhere", name, None, None, ("coverage",))


def text(watch):
    console = Console(file=io.StringIO(), width=120)
    console.print(watch.table())
    return console.file.getvalue()


def report():
    return Report("topk", "othello-6x6", {"coverage": Score("coverage", 0.5, 0.4, 0.6)})


def test_the_table_says_what_is_done_and_what_is_being_done():
    now = [0.0]
    watch = Watch(False, lambda line: None, clock=lambda: now[0])
    progress = Progress({task(0).place: 4, task(1).place: 4})
    progress.done[task(0).place] = 1
    watch.started(progress)
    assert "0:00:00 so far, ? to go" in text(watch)
    progress.running[0] = task(0, "gated")
    progress.done[task(0).place] += 1
    progress.failed[task(1).place] += 1
    progress.lost = 2
    now[0] = 60.0
    watch.told(task(0), report())
    watch.told(task(1), Failed("bad"))
    shown = text(watch)
    assert "2 of 4" in shown
    assert "gated" in shown
    assert "0:01:00 so far, 0:02:30 to go; 2 lost workers" in shown  # 2 of 7 in a minute


def test_many_places_fit_a_screen():
    progress = Progress({task(seed).place: 2 for seed in range(60)})
    for seed in range(20):
        progress.done[task(seed).place] = 1 + (seed > 0)
        progress.failed[task(seed).place] = int(seed == 0)
    progress.running[0] = task(59, "one at work")
    watch = Watch(False, lambda line: None)
    watch.started(progress)
    shown = text(watch)
    assert len(shown.splitlines()) < MOST_PLACES + 8
    assert "20 places" in shown
    assert "39 of 40" in shown
    assert "one at work" in shown
    assert "24 more" in shown


def test_lines_where_nobody_watches():
    lines = []
    with Watch(False, lines.append) as watch:
        progress = Progress({task(0).place: 3}, damaged=("results/torn.json",))
        progress.done[task(0).place] = 1
        watch.started(progress)
        watch.told(task(0), report())
        watch.told(task(0, "bad"), Failed("ValueError: torn"))
    assert lines == [
        "results/torn.json is damaged or of another version: computed anew",
        "1 of 3 results are there already",
        "2/3 topk on othello-6x6, seed 0: coverage 0.500 [0.400, 0.600]",
        "3/3 bad on othello-6x6, seed 0: failed: ValueError: torn",
    ]
    assert headline(Report("a", "b", {})) == "no score"


def test_a_live_table_is_drawn_and_ends():
    with Watch(True, lambda line: None) as watch:
        watch.started(Progress({task(0).place: 1}))
        watch.told(task(0), report())


def test_seeds_are_averaged_in_the_table_and_apart_on_the_page():
    one = {task(0): report()}
    assert by_place(one) == [report()]
    made = by_place({**one, task(1): report()})
    assert [page.testbed for page in made] == ["othello-6x6, 200 games of seed 0", "othello-6x6, 200 games of seed 1"]
    assert compared({**one, task(1): report()}).caption == "mean (lowest, highest) over seeds"
    assert compared(one).caption is None
