"""SAEBench's tasks of one dictionary on one testbed: a report, and the published figures under their own names."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from .evaluation import evaluate
from .metrics.llm.shift_judge import Rated
from .metrics.score import Score
from .models.dictionary import Dictionary
from .references import Candidate
from .report import Report, plain, write_atomically
from .saebench_files import SAEBenchResult, write_saebench
from .subject import Subject, subject
from .tasks import core, scr
from .tasks.families import TASKS
from .testbed_catalogue import AnyTestbed

CORE = "core"  # its scores are scored everywhere; here they get SAEBench's names


@dataclass(frozen=True)
class TaskRun:
    """What the tasks say of one dictionary.

    Attributes:
        report: the ground-truth forms, and the published headline figures, beside floors and ceilings.
        published: the published formulas: evaluation -> SAEBench's output name -> score.
    """

    report: Report
    published: Mapping[str, Mapping[str, Score]]

    def write(self, folder: str | Path) -> list[Path]:
        """Write the published figures in the flat form of SAEBench's result files.

        Returns:
            Paths of the files, one an evaluation.
        """
        about = self.report.provenance
        return write_saebench(
            self.published,
            folder,
            sae=(self.report.testbed, self.report.dictionary),
            testbed=self.report.testbed,
            provenance={key: value for key, value in about.items() if key != "times"},
        )

    def results(self) -> list[SAEBenchResult]:
        """The published figures as if they had been read from files, to be set beside those of others."""
        return [
            SAEBenchResult(
                name,
                self.report.testbed,
                self.report.dictionary,
                {name: {one: score.value for one, score in scores.items()}},
            )
            for name, scores in self.published.items()
        ]


def check_tasks(names: Sequence[str] | None, bed: AnyTestbed) -> list[str]:
    """Names of tasks, checked; for None all that can be posed on the testbed, and the core figures.

    Raises:
        KeyError: an unknown name; close names are suggested.
        ValueError: a task that cannot be posed there, or no name.
    """
    offered = [CORE, *(name for name, task in TASKS.items() if task.offered(bed))]
    if names is None:
        return offered
    if not names:
        raise ValueError(f"no task named; on {bed.name} there are {', '.join(offered)}")
    for name in names:
        if name not in (CORE, *TASKS):
            close = get_close_matches(name, [CORE, *TASKS], n=2)
            hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join((CORE, *TASKS))}"
            raise KeyError(f"no task named {name!r}; {hint}")
        if name not in offered:
            raise ValueError(f"{name} cannot be posed on {bed.name}; there are {', '.join(offered)}")
    return list(dict.fromkeys(names))


def score_tasks(
    dictionary: Dictionary,
    bed: AnyTestbed,
    tasks: Sequence[str] | None = None,
    *,
    seed: int = 0,
    sha256: str | None = None,
) -> TaskRun:
    """Pose SAEBench's tasks to a dictionary.

    Args:
        dictionary: what is scored; reads activations of the testbed's hook point, float [N, d_in].
        bed: where.
        tasks: keys of `tasks.families.TASKS`, or `core`; by default all that can be posed there.
        seed: of the bootstrap and of every choice.
        sha256: checksum of the dictionary's file, for the record.

    Raises:
        KeyError: an unknown task.
        TypeError: something that is not a dictionary, such as a path.
        ValueError: a task that cannot be posed there, or a dictionary of another width than the testbed.
    """
    wanted = check_tasks(tasks, bed)
    names = [name for task in wanted if task != CORE for name in TASKS[task].records]
    report = evaluate(dictionary, bed, names or ["l0", "explained_variance_score"], seed=seed, sha256=sha256)
    about = subject(Candidate(dictionary.name, "tested", dictionary, bed.x), bed, null=False, seed=seed)
    published = {
        (CORE if task == CORE else TASKS[task].eval_type): _published(task)(about) for task in _watched(wanted)
    }
    return TaskRun(report, {name: scores for name, scores in published.items() if scores})


@dataclass(frozen=True)
class JudgedSCR:
    """SCR with latents that a judge of meanings let through, beside SCR without one.

    Attributes:
        score: with the judge; its floors and ceilings are those of the task.
        without: every latent may be taken.
        kept: latents that the judge kept for some concept.
        rated: pairs of latent and concept that have a rating.
        failed: pairs that have none, by reason; they are not kept.
    """

    score: Score
    without: Score
    kept: int
    rated: int
    failed: Mapping[str, int]

    def sentence(self) -> str:
        """For people."""
        lost = f"; {sum(self.failed.values())} ratings failed" if self.failed else ""
        spans = [f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" for one in (self.score, self.without)]
        return f"scr_score {spans[0]} with {self.kept} latents that the judge kept, {spans[1]} with all{lost}"

    def to_json(self, path: str | Path) -> Path:
        """Write the figures."""
        scores = {
            name: {"value": one.value, "low": one.low, "high": one.high}
            for name, one in {"scr_score": self.score, "scr_score without a judge": self.without}.items()
        }
        content = {**scores, "kept": self.kept, "rated": self.rated, "failed": dict(self.failed)}
        return write_atomically(path, json.dumps(plain(content, "judged SCR"), indent=1) + "\n")


def judged_scr(
    dictionary: Dictionary, bed: AnyTestbed, judge: Callable[[Subject], Rated], *, seed: int = 0
) -> JudgedSCR:
    """SCR as SHIFT does it: only latents that a judge finds to have to do with a concept may be taken out for it.

    Args:
        dictionary: what is scored; reads activations of the testbed's hook point, float [N, d_in].
        bed: where.
        judge: rates the candidates; see `tasks.scr_judge`.
        seed: of the bootstrap and of every choice.
    """
    about = subject(Candidate(dictionary.name, "tested", dictionary, bed.x), bed, null=False, seed=seed)
    rated = judge(about)
    n_concepts = len(scr.posed(about).concepts)
    kept = len({latent for concept in range(n_concepts) for latent in rated(concept).nonzero()[0].tolist()})
    without, judged = (scr.measure(about, judge=one)["scr_score"] for one in (None, rated))
    return JudgedSCR(judged, without, kept, len(rated.ratings), dict(rated.failed))


def _published(task: str) -> Callable[[Subject], dict[str, Score]]:
    return core.published if task == CORE else TASKS[task].published


def _watched(tasks: Sequence[str]) -> Any:
    from tqdm.auto import tqdm

    return tqdm(tasks, desc="published forms", disable=None, leave=False)
