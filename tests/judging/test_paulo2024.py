"""Paulo et al. 2024 beside judged judges: figures by hand, and published ones as they stand in the paper."""

import json

import numpy as np
import pytest
from fiducial.judging import against_truth
from fiducial.judging.paulo2024 import SCORERS, TRUTH, Paulo, published, reproduce_paulo2024
from fiducial.judging.result import FOUND, JudgesJudged
from rich.console import Console
from scipy.stats import spearmanr


def record(latent, kind, variant, f1, **scores):
    return {"sae": kind, "kind": kind, "latent": latent, "variant": variant, "rate": 0.1, "f1": f1, "scores": scores}


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(0)
    rows = []
    for kind in ("trained", "random dictionary"):
        for variant in (FOUND, "shuffled", "best"):
            for latent in range(20):
                f1 = rng.random() * (0.2 if variant == "shuffled" else 1)
                rows.append(record(latent, kind, variant, f1, **{name: f1 + rng.normal(0, 0.3) for name in SCORERS}))
    return Paulo("small", JudgesJudged(tuple(rows), (), {}, (), {"dictionaries": []}))


def test_agreement_is_over_trained_latents_and_symmetric(made):
    rows = [r for r in made.made.records if r["kind"] == "trained" and r["variant"] == FOUND]
    columns = [[r["scores"][name] for r in rows] for name in ("detection", "fuzzing")]
    got = made.agreement("detection", "fuzzing", found=True)
    assert got.value == pytest.approx(spearmanr(*columns).statistic)
    assert got.n == 20
    assert made.agreement("fuzzing", "detection", found=True).value == pytest.approx(got.value)
    assert made.agreement("detection", "fuzzing").n == 60
    truth = made.agreement(TRUTH, "detection")
    assert truth.low < truth.value < truth.high


def test_medians_are_of_their_case(made):
    rows = [r["f1"] for r in made.made.records if r["kind"] == "random dictionary" and r["variant"] == FOUND]
    assert made.median("random dictionary", TRUTH)[0] == pytest.approx(np.median(rows))
    assert made.median("shuffled explanations", TRUTH)[0] < 0.2


def test_published_figures_stand_beside(made, tmp_path):
    assert published("simulation", "surprisal") == published("surprisal", "simulation") == 0.15
    assert np.isnan(published(TRUTH, "fuzzing"))
    assert -1 <= made.order() <= 1
    content = json.loads(made.to_json(tmp_path / "p.json").read_text())
    pair = next(one for one in content["agreement"] if set(one["scorers"]) == {"detection", "fuzzing"})
    assert pair["published"] == 0.73
    assert content["medians"]["explanations found"]["fuzzing"]["published"] == [0.76, 0.67, 0.86]
    assert content["medians"]["random dictionary"]["fuzzing"]["published"] == [0.55, None, None]
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(made.table())
    text = console.export_text()
    assert "(0.73)" in text
    assert "- (0.79)" in text  # surprisal, which is not measured


def test_testbeds_are_asked_in_turn(made, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        against_truth, "judge_the_judges", lambda bed, **more: asked.append((bed.name, more["out"])) or made.made
    )
    found = reproduce_paulo2024(["othello-6x6"], n_games=20, out=tmp_path)
    assert [one.name for one in found] == ["othello-6x6"]
    assert asked == [("othello-6x6", tmp_path / "othello-6x6")]
    with pytest.raises(KeyError):
        reproduce_paulo2024(["othello-7x7"])
