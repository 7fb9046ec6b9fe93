"""The table of results in the README, from the result files of `fiducial demo`.

fiducial demo && python examples/results_table.py fiducial-demo
"""

import sys
from pathlib import Path

import fiducial as fd

COLUMNS = {
    "coverage, all groups": ("coverage", None),
    "coverage, board": ("coverage", "board"),
    "reconstruction, board": ("reconstruction", "board"),
    "explained variance": ("explained_variance_score", None),
    "legal moves with it in place": ("legal_top1_score", None),
}
AXES = {
    "edits of 2 latents, IO": ("edit_success_score", "IO"),
    "edits of 2 latents, Pos": ("edit_success_score", "Pos"),
    "necessity": ("necessity_score", None),
    "sufficiency": ("sufficiency_score", None),
    "values found": ("found_values_score", None),
    "explained variance": ("explained_variance_score", None),
}


def cell(scores, metric, group):
    """Value with its interval, or nothing."""
    if metric not in scores or (group and group not in scores[metric].groups):
        return ""
    score = scores[metric]
    value = score.groups[group] if group else score.value
    low, high = score.group_intervals[group] if group else (score.low, score.high)
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def row(name, scores, columns):
    """One line of the table."""
    return f"| {name} | " + " | ".join(cell(scores, *column) for column in columns.values()) + " |"


def table(reports):
    """Ceilings, SAEs and floors of one testbed, in Markdown."""
    first = reports[0]
    columns = AXES if "edit_success_score" in first.scores else COLUMNS
    metric, group = next(iter(columns.values())) if columns is AXES else columns["coverage, board"]
    ceilings = [name for name in first.controls if name in first.scores[metric].ceilings]
    floors = [name for name in first.controls if name in first.scores[metric].floors]
    lines = [f"| {first.testbed} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += [row(f"*{name}* (ceiling)", first.controls[name], columns) for name in ceilings]
    ranked = sorted(reports, key=lambda report: -report.scores[metric].groups[group])
    lines += [row(f"**{report.dictionary}**", report.scores, columns) for report in ranked]
    lines += [row(f"*{name}* (floor)", first.controls[name], columns) for name in floors]
    return "\n".join(lines)


def main(folder: Path) -> None:
    """Print one table a testbed."""
    reports = [fd.Report.from_json(path) for path in sorted(folder.glob("*.json"))]
    for name in sorted({report.testbed for report in reports}):
        print(table([report for report in reports if report.testbed == name]) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "fiducial-demo"))
