"""Floors and ceilings as they were seen, for the pages of metrics: from results of one SAE a testbed.

fiducial score topk -t othello-6x6 -n 200 -o out
python docs_site/bounds.py out/topk@othello-6x6.json ... > data/metric_bounds.json
"""

import json
import math
import sys
from typing import Any

from fiducial import Report


def seen(report: Report) -> dict[str, Any]:
    """One testbed: its command, and for each metric what is known of the SAE, the floors and the ceilings."""
    about = report.provenance["testbed"]
    metrics: dict[str, list[list[Any]]] = {}
    for name, score in report.scores.items():
        rows = [["scored", report.dictionary, *_numbers(score.value, score.low, score.high)]]
        for side, values in (("floor", score.floors), ("ceiling", score.ceilings)):
            for reference, value in sorted(values.items(), key=lambda one: -one[1]):
                known = report.controls.get(reference, {}).get(name)
                bracket = (None, None) if known is None else (known.low, known.high)
                rows.append([side, reference, *_numbers(value, *bracket)])
        metrics[name] = rows
    command = (
        f"fiducial score {report.dictionary} -t {report.testbed} -n {about['games']} -s {report.provenance['seed']}"
    )
    return {"games": about["games"], "seed": report.provenance["seed"], "command": command, "metrics": metrics}


def _numbers(*values: float | None) -> list[float | None]:
    return [None if value is None or not math.isfinite(value) else float(f"{value:.5g}") for value in values]


if __name__ == "__main__":
    reports = [Report.from_json(path) for path in sys.argv[1:]]
    found = {"schema": 1, "testbeds": {report.testbed: seen(report) for report in reports}}
    print(json.dumps(found, separators=(",", ":"), allow_nan=False).replace('],"', '],\n"'))
