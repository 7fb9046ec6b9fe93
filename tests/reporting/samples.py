"""Reports for the tests of the page: two testbeds, several architectures, floors, ceilings, groups and squares."""

import math

from fiducial.metrics.score import Score
from fiducial.report import Report

NASTY = "<script>alert('x')</script>\"&<b></style>]]>--><!-- é 漢字 ☃ \x00\ud800‮"


def squares_table(size, templates, groups, shift=0.0):
    names = [
        (template.format(f"{chr(ord('a') + file)}{rank + 1}"), group)
        for template, group in zip(templates, groups, strict=True)
        for rank in range(size)
        for file in range(size)
    ]
    return {
        "feature": [name for name, _ in names],
        "group": [group for _, group in names],
        "value": [shift + (i % 97) / 200 for i in range(len(names))],
        "floor": [0.1] * len(names),
        "rare": [i == 5 for i in range(len(names))],
    }


def some_report(name="topk-l0-32-seed-0", testbed="othello-small", l0=31.0, value=0.5, size=8, width=1024, **more):
    """One report; `value` moves its coverage, `l0` its sparsity."""
    table = squares_table(size, ["mine on {}", "yours on {}", "legal move at {}"], ["board", "board", "legal moves"])
    groups = {
        "groups": {"board": value + 0.1, "legal moves": value - 0.1},
        "group_intervals": {"board": (value + 0.05, value + 0.15), "legal moves": (value - 0.12, value - 0.08)},
    }
    over = {"over_floor": {"difference": value - 0.2, "low": value - 0.25, "high": value - 0.15, "floor": "random"}}
    score = Score("coverage", value, value - 0.03, value + 0.03, features=table, details=over, **groups)
    floor = Score("coverage", 0.2, 0.15, 0.25, groups={"board": 0.1, "legal moves": 0.15})
    ceiling = Score("coverage", 0.9, 0.85, 0.95, groups={"board": 0.9, "legal moves": 0.9})
    return Report(
        name,
        testbed,
        {
            "coverage": score.beside(floors={"random": 0.2, "PCA": 0.1}, ceilings={"probes": 0.9}),
            "mse_error": Score("mse_error", 3.0, 2.9, 3.1, floors={"random": 9.0}, ceilings={"probes": 1.0}),
            "explained_variance_score": Score(
                "explained_variance_score", 0.8 + value / 10, math.nan, math.nan, floors={"random": -80.0}
            ),
            "l0": Score("l0", l0, l0 - 1, l0 + 1),
        },
        {
            "seed": 0,
            "dictionary": {"name": name, "n_latents": width, "sha256": f"sha of {name}"},
            "testbed": {"name": testbed, "game": testbed, "games": 100, "seed": 0, "hook": "blocks.1.hook_out"},
            **more.pop("provenance", {}),
        },
        ("mind the gap",),
        {"random": {"coverage": floor}, "probes": {"coverage": ceiling}},
        **more,
    )


def many(n, testbed="othello-small"):
    """So many reports of all architectures, half of them checkpoints of training."""
    archs = ["topk", "gated", "jumprelu", "standard", "matryoshka", "batchtopk", "p_anneal"]
    return [
        some_report(
            f"{archs[i % 7]}-l0-{8 * 2 ** (i % 4)}-seed-{i}" + (f"@{10 * i}" if i % 5 == 4 else ""),
            testbed,
            l0=8.0 * 2 ** (i % 4) + i / 50,
            value=0.25 + 0.5 * ((i * 37) % 101) / 101,
            width=[256, 1024][i % 2],
            size=4,
        )
        for i in range(n)
    ]
