"""The matrix of docs/certification.md, from the files of `fiducial certify`.

fiducial certify -o out && python examples/certification_page.py out
"""

import sys
from pathlib import Path

from fiducial.certify_result import CHECKS, Certificate

MARK = {True: "", False: "**✗** ", None: ""}


def table(certificate):
    """One line a metric, failed checks marked, in Markdown."""
    lines = ["| metric | " + " | ".join(CHECKS) + " | verdict |", "|---" * (len(CHECKS) + 2) + "|"]
    for row in certificate.rows:
        passed = row.checks()
        cells = [MARK[passed[check]] + row.cell(check) for check in CHECKS]
        lines.append(f"| `{row.metric}` | " + " | ".join(cells) + f" | {row.verdict} |")
    return "\n".join(lines)


def main(folder: Path) -> None:
    """Print one table a testbed, then the advice."""
    found = [Certificate.from_json(path) for path in sorted(folder.glob("*.json"))]
    for certificate in found:
        print(f"### {certificate.provenance['testbed']} (on top should be: {certificate.provenance['base']})\n")
        print(table(certificate) + "\n")
    print("### Advice\n")
    for row in found[0].rows:
        print(f"- `{row.metric}`: {row.advice()}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "fiducial-certificate"))
