"""What came of judging the judges: records of every explanation, and the comparisons drawn from them."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.hdf5 import partial_file
from ..metrics.llm.nouns import NEGATIVES
from .agreement import Figure, matrix, mean_figure, rank_agreement, reliability, tells_good, within_latent

if TYPE_CHECKING:
    from rich.console import Group

SCHEMA = "fiducial judges 1"
BARE = {"trained", "planted"}  # kinds of dictionaries with latents that mean something
FOUND = "found (quantile)"


@dataclass(frozen=True)
class JudgesJudged:
    """Everything that was asked of the judges.

    Attributes:
        records: one an explanation: dictionary, latent, variant, truth (`f1`, `iou`, `precision`, `recall`) and
            `scores` by scorer.
        sampling: one a latent and way to sample: truth and detection of what was found.
        reseeds: by dictionary and scorer, scores of the best explanations, one row a latent, one column a draw.
        robustness: mean detection by examples in a question and by treatment of failures.
        about: settings, and what each dictionary is; JSON types.
    """

    records: tuple[Mapping[str, Any], ...]
    sampling: tuple[Mapping[str, Any], ...]
    reseeds: Mapping[str, Mapping[str, Sequence[Sequence[float | None]]]]
    robustness: tuple[Mapping[str, Any], ...]
    about: Mapping[str, Any]

    @classmethod
    def of(cls, parts: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> "JudgesJudged":
        """From the parts of all dictionaries."""
        return cls(
            tuple(row for part in parts for row in part["records"]),
            tuple(row for part in parts for row in part["sampling"]),
            {part["about"]["name"]: part["reseeds"] for part in parts},
            tuple(row for part in parts for row in part["robustness"]),
            {**settings, "dictionaries": [part["about"] for part in parts]},
        )

    @cached_property
    def scorers(self) -> tuple[str, ...]:
        """Names of all scorers, those with a perfect judge first."""
        names = dict.fromkeys(name for row in self.records for name in row["scores"])
        return tuple(sorted(names, key=lambda name: " | " in name))

    @property
    def variants(self) -> tuple[str, ...]:
        """What was said of the latents."""
        return tuple(dict.fromkeys(row["variant"] for row in self.records))

    def column(self, name: str, rows: Iterable[Mapping[str, Any]] | None = None) -> NDArray[np.float64]:
        """A scorer's opinions, or a truth such as `f1`, float64 [n]; NaN where there is none."""
        kept = self.records if rows is None else rows
        values = [row["scores"].get(name) if name in self.scorers else row.get(name) for row in kept]
        return np.array([np.nan if value is None else value for value in values], np.float64)

    def some(self, keep: Callable[[Mapping[str, Any]], bool]) -> list[Mapping[str, Any]]:
        """Records that meet a condition."""
        return [row for row in self.records if keep(row)]

    def agreement(self, truth: str = "f1") -> dict[str, dict[str, Figure]]:
        """By scorer, how it agrees with the truth.

        Rank agreement over all explanations (`all`), over the found ones, one a latent (`found`), among the
        explanations of one latent (`within`), and AUROC for explanations whose truth is at least .8 (`good`).
        """
        known = self.some(lambda row: row["kind"] in BARE)
        alone = [row for row in known if row["variant"] == FOUND]
        made: dict[str, dict[str, Figure]] = {}
        for name in self.scorers:
            score, true, cluster = self.column(name, known), self.column(truth, known), _clusters(known)
            made[name] = {
                "all": rank_agreement(score, true, cluster),
                "found": rank_agreement(self.column(name, alone), self.column(truth, alone), _clusters(alone)),
                "within": within_latent(score, true, cluster),
                "good": tells_good(score, true, cluster),
            }
        return made

    def between_scorers(self) -> tuple[tuple[str, ...], NDArray[np.float64]]:
        """Rank correlations between scorers with a perfect judge, and the truth, over all explanations."""
        known = self.some(lambda row: row["kind"] in BARE)
        names = [name for name in self.scorers if " | " not in name]
        columns = {"true F1": self.column("f1", known), **{name: self.column(name, known) for name in names}}
        return tuple(columns), matrix(columns)

    def ladder(self) -> list[dict[str, Any]]:
        """By variant: mean truth and mean of every scorer, over latents of trained SAEs and planted ones."""
        found: list[dict[str, Any]] = []
        for variant in self.variants:
            rows = self.some(lambda row, variant=variant: row["variant"] == variant and row["kind"] in BARE)
            if not rows:
                continue
            truth = {name: _mean(self.column(name, rows)) for name in ("f1", "iou", "precision", "recall")}
            scores = {name: mean_figure(self.column(name, rows)) for name in self.scorers}
            found.append({"variant": variant, "n": len(rows), **truth, "scores": scores})
        return found

    def negatives(self) -> list[dict[str, Any]]:
        """By kind of negatives: agreement with the truth, and how far wrong explanations are believed.

        `believed` is the mean score of explanations with a true F1 of at most .5, `overrated` the share of them that
        score at least .8.
        """
        known = self.some(lambda row: row["kind"] in BARE)
        bad = [row for row in known if row["f1"] is not None and row["f1"] <= 0.5]
        found: list[dict[str, Any]] = []
        for kind in NEGATIVES:
            name = "detection" if kind == "random" else f"detection ({kind})"
            if name not in self.scorers:
                continue
            seen = self.column(name, bad)
            seen = seen[np.isfinite(seen)]
            found.append(
                {
                    "negatives": kind,
                    "agreement": rank_agreement(self.column(name, known), self.column("f1", known), _clusters(known)),
                    "believed": _mean(seen),
                    "overrated": float((seen >= 0.8).mean()) if len(seen) else float("nan"),
                    "n": len(seen),
                }
            )
        return found

    def samplings(self) -> list[dict[str, Any]]:
        """By way to sample what the explainer sees: truth and detection of what it finds, means over latents."""
        settings = dict.fromkeys((row["sampling"], row["contrast"], row["leak"]) for row in self.sampling)
        found: list[dict[str, Any]] = []
        for sampling, contrast, leak in settings:
            rows = [
                row
                for row in self.sampling
                if (row["sampling"], row["contrast"], row["leak"]) == (sampling, contrast, leak) and row["kind"] in BARE
            ]
            means = {name: mean_figure(_values(rows, name)) for name in ("f1", "precision", "recall", "detection")}
            found.append({"sampling": sampling, "contrast": contrast, "leak": leak, "n": len(rows), **means})
        return found

    def doses(self) -> list[dict[str, Any]]:
        """By dose, the IoU with the best explanation that is lost: mean truth and scores, latents of trained SAEs."""
        names = ["best" if share == 0 else f"dose {share:g}" for share in (0, 0.25, 0.5, 0.75, 1)]
        found: list[dict[str, Any]] = []
        for share, variant in zip((0.0, 0.25, 0.5, 0.75, 1.0), names, strict=True):
            rows = self.some(lambda row, variant=variant: row["variant"] == variant and row["kind"] == "trained")
            scores = {name: mean_figure(self.column(name, rows)) for name in self.scorers}
            found.append({"share": share, "n": len(rows), "f1": mean_figure(self.column("f1", rows)), "scores": scores})
        return found

    def kinds(self) -> list[dict[str, Any]]:
        """By kind of dictionary: mean truth and scores of its best, found and shuffled explanations."""
        found: list[dict[str, Any]] = []
        for kind in dict.fromkeys(row["kind"] for row in self.records):
            for variant in ("best", FOUND, "shuffled"):
                rows = self.some(
                    lambda row, kind=kind, variant=variant: row["kind"] == kind and row["variant"] == variant
                )
                scores = {name: mean_figure(self.column(name, rows)) for name in self.scorers}
                f1 = mean_figure(self.column("f1", rows))
                found.append({"kind": kind, "variant": variant, "n": len(rows), "f1": f1, "scores": scores})
        return found

    def prevalence(self) -> dict[str, Figure]:
        """By scorer: rank correlation of (score minus mean score at this truth) with how often the latent fires.

        What is left of a scorer's opinion after its own monotone trend with the truth, in ten groups of alike F1.
        """
        known = self.some(lambda row: row["kind"] in BARE and row["f1"] is not None)
        f1, rate = self.column("f1", known), self.column("rate", known)
        group = np.minimum((np.argsort(np.argsort(f1, kind="stable")) * 10) // max(1, len(f1)), 9)
        found: dict[str, Figure] = {}
        for name in self.scorers:
            score = self.column(name, known)
            means = np.array([_mean(score[group == g]) for g in range(10)])
            left = score - means[group]
            found[name] = rank_agreement(left, rate, _clusters(known))
        return found

    def noise(self) -> dict[str, dict[str, float]]:
        """By scorer: reseed SD and discriminability over the latents of all trained SAEs."""
        trained = {one["name"] for one in self.about["dictionaries"] if one["kind"] == "trained"}
        rows: dict[str, list[Sequence[float | None]]] = {}
        for sae, by_scorer in self.reseeds.items():
            for name, values in by_scorer.items():
                if sae in trained:
                    rows.setdefault(name, []).extend(values)
        return {
            name: reliability(np.array([[np.nan if v is None else v for v in row] for row in values], np.float64))
            for name, values in rows.items()
        }

    def judge_errors(self) -> list[dict[str, float]]:
        """Detection by judges that err, beside what their error rates predict from the perfect judge's."""
        found: list[dict[str, float]] = []
        for name in self.scorers:
            head, _, tail = name.partition(" | errs ")
            if head != "detection" or not tail:
                continue
            e = float(tail)
            seen, perfect = self.column(name), self.column("detection")
            kept = np.isfinite(seen) & np.isfinite(perfect)
            expected = 0.5 + (1 - 2 * e) * (perfect[kept] - 0.5)
            off = seen[kept] - expected
            found.append({"error": e, "seen": _mean(seen[kept]), "expected": _mean(expected), "off": _mean(off),
                          "sd": float(off.std()) if len(off) else float("nan")})  # fmt: skip
        return found

    def table(self) -> "Group":
        """For terminals; see `result_table`."""
        from .result_table import table

        return table(self)

    def plot(self, path: str | Path) -> None:
        """Draw agreement, negatives, dose response and samplings; see `plot.plot`."""
        from .plot import plot

        plot(self, path)

    def to_json(self, path: str | Path) -> None:
        """Write everything; `from_json` reads it back."""
        content = {
            "schema": SCHEMA,
            "records": list(self.records),
            "sampling": list(self.sampling),
            "reseeds": self.reseeds,
            "robustness": list(self.robustness),
            "about": self.about,
        }
        with partial_file(path) as partial:
            partial.write_text(json.dumps(content, allow_nan=False) + "\n")

    @classmethod
    def from_json(cls, path: str | Path) -> "JudgesJudged":
        """Read what `to_json` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: something else.
        """
        try:
            found = json.loads(Path(path).read_text())
            if found["schema"] != SCHEMA:
                raise ValueError(f"{path}: {SCHEMA!r} was expected, got {found['schema']!r}")
            return cls(
                tuple(found["records"]),
                tuple(found["sampling"]),
                found["reseeds"],
                tuple(found["robustness"]),
                found["about"],
            )
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} holds no judged judges: {error}") from error


def _clusters(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, int]]:
    return [(row["sae"], row["latent"]) for row in rows]


def _values(rows: Iterable[Mapping[str, Any]], name: str) -> NDArray[np.float64]:
    return np.array([np.nan if row[name] is None else row[name] for row in rows], np.float64)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
