"""Small results of every kind that figures read, made up so that what is drawn can be checked."""

import numpy as np
from fiducial.explaining.result import Explained, ExplainedLatent
from fiducial.judging.result import JudgesJudged
from fiducial.metrics.score import Score
from fiducial.report import Report

SWEEP = {"1": 0.2, "10": 0.5, "2": 0.3, "5": 0.4}
NAN = float("nan")


def score(metric, value, *, floor=0.1, ceiling=0.9, group=None, spread=0.02, **more):
    groups = {} if group is None else {"board": group, "empty": group / 2}
    intervals = {name: (v - spread, v + spread) for name, v in groups.items()}
    return Score(
        metric,
        value,
        value - spread,
        value + spread,
        groups=groups,
        group_intervals=intervals,
        floors={"always on": floor / 2, "random dictionary (64, L0 8)": floor},
        ceilings={"probes": ceiling},
        **more,
    )


def board_report(name="topk-l0-8-seed-0", value=0.5, *, testbed="othello-6x6", l0=8.0, width=64, tasks=False, seed=0):
    scores = {
        "l0": Score("l0", l0, l0, l0),
        "coverage": score("coverage", value, group=value, details={"group_floors": {"board": 0.2, "empty": 0.1}}),
        "reconstruction": score("reconstruction", value / 2, group=value / 2),
        "explained_variance_score": score("explained_variance_score", 0.9 + value / 20, floor=0.5, ceiling=1.0),
        "ce_recovered_zero_score": score(
            "ce_recovered_zero_score", 0.95 + value / 50, floor=0.6, ceiling=1.0, spread=0.001
        ),
    }
    if tasks:
        table = {
            "family": ["a", "b", "c"],
            "intended": [0.5, 0.6, 0.4],
            "unintended": [0.1, 0.2, 0.1],
            "oracle": [0.7, 0.7, 0.7],
            "n": [1, 2, 5],
            "score": [0.6, 0.5, 0.6],
            "tpp": [0.4, 0.4, 0.3],
        }
        for metric in ("scr_score", "scr_labels_score", "tpp_score", "tpp_labels_score"):
            features = table if metric.startswith("tpp") else {}
            scores[metric] = score(metric, value, details={"sweep": SWEEP}, features=features)
        for metric in ("probing_k1_score", "absorption_error", "ravel_score", "unlearning_score"):
            scores[metric] = score(metric, value)
    control = Score(
        "coverage", 0.1, 0.08, 0.12, groups={"board": 0.15, "empty": 0.1}, group_intervals={"board": (0.1, 0.2)}
    )
    top = Score(
        "coverage", 0.9, 0.88, 0.92, groups={"board": 0.95, "empty": 0.8}, group_intervals={"board": (0.9, 0.97)}
    )
    about = {"dictionary": {"n_latents": width, "sha256": name}, "testbed": {"games": 20}, "seed": seed}
    controls = {"random dictionary (64, L0 8)": {"coverage": control}, "probes": {"coverage": top}}
    return Report(name, testbed, scores, about, (), controls)


def board_reports(**more):
    archs = ("standard", "topk", "p_anneal", "gated")
    return [
        board_report(f"{arch}-l0-{l0}-seed-0", 0.3 + 0.05 * i + 0.01 * l0, l0=float(l0), **more)
        for i, arch in enumerate(archs)
        for l0 in (4, 8, 16)
    ]


def ioi_report(name="topk"):
    details = {"by attribute": {a: {"share_by_budget": {"1": 0.3, "2": 0.7, "4": 0.9}} for a in ("IO", "Pos")}}
    by = {"groups": {"IO": 0.7, "Pos": 0.8}, "group_intervals": {"IO": (0.6, 0.8), "Pos": (0.7, 0.9)}}
    bounds = {"floors": {"random dictionary": 0.1}, "ceilings": {"mean codes": 0.98}}
    table = {
        "feature": [0, 1, 2],
        "live": [True, True, False],
        "attribute": ["IO", None, None],
        "value": [0.9, 0.0, None],
        "always_on": [0.1, 0.1, 0.1],
    }
    shares = {"variance_shares": {"IO": 0.5, "Pos": 0.4, "S": 0.05}}
    found = {"groups": {"IO": 0.7, "Pos": 1.0, "S": 0.1}, "group_intervals": {"IO": (0.6, 0.8)}}
    scores = {
        "l0": Score("l0", 3.0, 3.0, 3.0),
        "sufficiency_score": Score("sufficiency_score", 0.95, 0.9, 1.0, **bounds),
        "necessity_score": Score("necessity_score", 0.6, 0.5, 0.7, **bounds),
        "edit_success_score": Score("edit_success_score", 0.75, 0.7, 0.8, **by, **bounds),
        "minimal_edit_error": Score("minimal_edit_error", 2.0, 1.8, 2.2, details=details),
        "interpretable_score": Score(
            "interpretable_score", 0.5, 0.4, 0.6, features=table, details={"threshold": 0.8}, **bounds
        ),
        "found_values_score": Score("found_values_score", 0.6, 0.5, 0.7, **found, **bounds),
        "occlusion_error": Score(
            "occlusion_error", 0.1, 0.05, 0.15, details=shares, floors={"PCA": 1.0}, ceilings={"mean codes": 0.0}
        ),
    }
    return Report(name, "ioi-tiny", scores, {"testbed": {"games": 10}})


def explained(name="topk"):
    latents = tuple(
        ExplainedLatent(
            i,
            0.1,
            "c4 empty",
            "c4 empty",
            "predicate",
            exact={"precision": (0.8, 0.7, 0.9), "recall": (0.6, 0.5, 0.7), "f1": (0.5 + i / 20, 0.4, 0.9)},
            scores={"detection": {"value": 0.7 + i / 50, "null": 0.5}, "fuzzing": {"value": 0.8, "null": 0.5}},
        )
        for i in range(6)
    )
    return Explained(name, "othello-6x6", latents, (), {}, {"explainer": "predicate"})


def judged():
    generator = np.random.default_rng(0)
    records, sampling, robustness = [], [], []
    for kind in ("trained", "planted", "random dictionary", "random model"):
        for latent in range(12):
            for variant in ("found (quantile)", "shuffled"):
                f1 = float(generator.random()) * (1.0 if variant != "shuffled" else 0.1)
                seen = {
                    n: float(np.clip(f1 + generator.normal() / 10, 0, 1))
                    for n in ("detection", "detection (same game)", "fuzzing", "simulation", "embedding", "natural F1")
                }
                records.append(
                    {
                        "sae": kind,
                        "kind": kind,
                        "latent": latent,
                        "variant": variant,
                        "rate": 0.1,
                        "f1": f1,
                        "iou": f1 / 2,
                        "precision": f1,
                        "recall": f1,
                        "scores": seen,
                    }
                )
            for how in ("top", "quantile"):
                sampling.append(
                    {
                        "sae": kind,
                        "kind": kind,
                        "sampling": how,
                        "contrast": False,
                        "leak": False,
                        "latent": latent,
                        "f1": 0.4,
                        "precision": 0.5,
                        "recall": 0.5,
                        "iou": 0.3,
                        "detection": 0.7,
                    }
                )
    for setting in ("1", "5", "20", "5, repeats 0.2"):
        robustness.append(
            {
                "sae": "a",
                "kind": "trained",
                "what": "examples a question",
                "setting": setting,
                "detection": 0.7,
                "scored": 10,
                "latents": 10,
                "failed": 0,
            }
        )
    about = {"testbed": "othello-6x6", "dictionaries": [{"name": "trained", "kind": "trained"}]}
    return JudgesJudged(tuple(records), tuple(sampling), {}, tuple(robustness), about)


def makelov():
    rows = [
        {
            "section": "L0",
            "attribute": attribute,
            "dictionary": kind,
            "n_seeds": 2,
            "l0": 3.0,
            "no_edit": 0.0,
            "sufficiency": [0.9, 0.8, 1.0],
            "necessity": [0.7, 0.6, 0.8],
            "weight": {},
            "success": {"1": [0.3, 0.2, 0.4], "2": [0.8, 0.7, 0.9]},
            "aware": {"1": [None, None, None], "2": [0.6, 0.5, 0.7]},
        }
        for attribute in ("IO", "Pos")
        for kind in ("supervised", "DAS", "TopK 3")
    ]
    return {"name": "ioi-tiny", "task": {}, "rows": rows, "refused": [], "about": {"steps": 10}}


def karvonen():
    cells = [
        {
            "function": function,
            "row": row,
            "way": way,
            "metric": metric,
            "value": 0.4,
            "low": 0.3,
            "high": 0.5,
            "floor": 0.1,
            "dictionary": "a",
            "published": None,
            "n_functions": 1,
        }
        for function in ("piece", "piece, blank masked", "piece, blank and initial masked")
        for row in ("random", "trained", "probe")
        for way in ("as published", "held-out")
        for metric in ("coverage", "reconstruction")
    ]
    counts = {"random": 1, "trained": 2, "probe": 1}
    return {
        "name": "chess-small",
        "world": "chess",
        "n_games": 20,
        "n_dictionaries": counts,
        "cells": cells,
        "about": {},
    }


def population():
    saes = [
        {
            "name": f"{arch}-l0-{l0}-width-64-seed-0" + ("" if step is None else f"@{step}"),
            "arch": arch,
            "l0_wanted": l0,
            "width": 64,
            "seed": 0,
            "step": step,
            "twin": False,
            "truth": 0.5,
            "scores": {
                "l0": l0,
                "coverage": 0.4 + l0 / 100,
                "explained_variance_score": 0.8,
                "absorption_error": (step or 50) / 500,
                "tpp_score": None,
            },
        }
        for arch in ("topk", "standard")
        for l0 in (8, 16)
        for step in (5, 20, None)
    ]
    references = {
        "least squares": {"coverage": 0.7, "explained_variance_score": 0.7},
        "random dictionary": {"coverage": 0.2},
    }
    return {
        "schema": 1,
        "name": "othello-6x6",
        "saes": saes,
        "references": references,
        "matrix": {},
        "directions": [],
        "about": {"right": "least squares", "games": 10},
    }
