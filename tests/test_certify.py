"""Certification on a small world: honest metrics pass, planted faults are caught, an interrupted run goes on."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from fiducial.certification import _row, certify
from fiducial.certify_lenses import Measured
from fiducial.certify_measure import Newcomer
from fiducial.certify_plot import plot
from fiducial.certify_population import Trained
from fiducial.certify_result import CHECKS, Certificate
from fiducial.metrics import METRICS, coverage, recovery
from fiducial.metrics.score import Score
from fiducial.models.controls import LinearDictionary
from fiducial.models.ladder import Rung
from fiducial.testbed_catalogue import testbed as make_testbed

ASKED = [
    "coverage",
    "recovery_score",
    "mcc_score",
    "explained_variance_score",
    "dead_latents_error",
    "absorbed_error",
    "l0",
]


def reader(world, error, seed=0):
    """A dictionary that reads noisy copies of the true directions: better the smaller the error."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.nn.functional.normalize(torch.randn(world.directions.shape, generator=generator), dim=1)
    rows = torch.nn.functional.normalize(world.directions + error * noise, dim=1)
    return LinearDictionary(f"error {error:g}", rows.T.contiguous(), rows, world.bias, world.bias, k=4)


@pytest.fixture(scope="module")
def bed():
    return make_testbed("independent", n_games=24)


@pytest.fixture(scope="module")
def trained(bed):
    runs = [(f"run {seed}", error) for seed in range(6) for error in (2.0, 1.3, 1.0, 0.8)]
    return [
        Trained(
            f"{run} error {error}",
            run,
            None if error == 0.8 else round(10 / error),
            f"{run} {error}",
            lambda run=run, error=error: reader(bed.world, error, int(run[-1])),
        )
        for run, error in runs
    ] + [
        Trained(f"final {e}", f"final {e}", None, f"final {e}", lambda e=e: reader(bed.world, e, 7))
        for e in (1.2, 0.8, 0.5, 0.1)
    ]


@pytest.fixture(scope="module")
def certificate(bed, trained):
    return certify(
        bed, metrics=ASKED, trained=trained, n_samples=3, n_resamples=100, edits=["append coordinates", "duplicate"]
    )


def caught(bed, trained, name, record, measure):
    found = certify(
        bed, metrics=[], newcomers={name: Newcomer(record, measure)}, trained=trained, n_samples=2, edits=[]
    )
    return found.row(name)


def test_every_metric_asked_has_a_row_with_all_checks(certificate):
    assert [row.metric for row in certificate.rows] == ASKED
    for row in certificate.rows:
        assert tuple(row.checks()) == CHECKS
        assert row.advice()
        assert all(row.cell(check) for check in CHECKS)


def test_honest_metrics_pass(certificate):
    row = certificate.row("recovery_score")
    assert row.verdict == "trusted", row.cell(row.failed[0])
    assert row.ceiling == pytest.approx(1, abs=1e-6)
    assert abs(row.floor) < 0.05
    assert row.truth is None  # it is the truth
    assert row.training.low > 0.5
    assert certificate.row("mcc_score").truth.low > 0.3
    assert certificate.row("dead_latents_error").verdict == "trusted as a diagnosis"
    assert certificate.row("l0").verdict == "not a score"


def test_a_damage_that_a_world_cannot_have_is_not_held_against_a_metric(certificate):
    row = certificate.row("absorbed_error")  # nothing implies anything here
    assert row.verdict == "not asked here"
    assert set(row.checks().values()) == {None}


def test_a_score_that_no_dictionary_of_a_ladder_has_is_not_asked():
    rungs = [Rung(name, name, float(name == "random"), None) for name in ("none", "random")]
    nan = float("nan")

    def row(right, random):
        labels = dict.fromkeys(("tampered", "astray", "unread"), nan)
        climbed = [Measured(right), Measured(random)]
        return _row("fuzzing_score", METRICS["fuzzing_score"], "here", rungs, climbed, labels, [], [], [], [], 0)

    # rows of a world do not follow each other, and have no stretches to mark
    assert row(nan, nan).verdict == "not asked here"
    # but a metric that has nothing to say of the right dictionary only is not excused
    assert "top" in row(nan, 0.5).failed
    assert not row(0.9, 0.5).failed


def test_what_was_not_asked_is_said(bed):
    row = certify(bed, metrics=["coverage"], trained=[]).row("coverage")
    assert row.verdict == "passes; not asked: noise, truth, training, gaming"


def test_what_a_metric_is_blind_to_is_said(certificate):
    assert {"permuted decoder", "permuted encoder"} <= set(certificate.row("coverage").order.blind)
    assert "Blind to: permuted decoder" in certificate.row("coverage").advice()
    assert "dead" in certificate.row("mcc_score").order.blind
    assert "gaming" in certificate.row("explained_variance_score").failed  # raw coordinates explain everything


def test_a_flipped_sign_is_caught(bed, trained):
    def flipped(about):
        score = coverage(
            about.codes, about.labels, game_id=about.game_id, train=about.train, features=about.features, null=False,
            n_resamples=about.n_resamples,
        )  # fmt: skip
        return replace(score, metric="flipped", value=-score.value, replicates=-score.replicates)

    row = caught(bed, trained, "flipped", replace(METRICS["coverage"], low=-1.0), flipped)
    assert {"top", "order", "range", "truth", "training"} <= set(row.failed)
    assert row.order.right < 0.2
    assert row.training.high < 0


def test_a_metric_that_ignores_dead_latents_is_caught(bed, trained):
    def alive_only(about):
        codes = about.codes
        alive = np.bincount(codes.indices, minlength=codes.n_latents) > 0
        truth = about.directions @ about.true_directions.T
        norms = np.linalg.norm(about.directions, axis=1, keepdims=True)
        best = (truth / np.where(norms > 0, norms, 1)).max(1)
        value = float(best[alive].mean()) if alive.any() else 0.0
        return Score("alive only", value, value, value)

    record = replace(METRICS["recovery_score"], notices=("random", "dead"), needs=("latents", "directions"))
    row = caught(bed, trained, "alive only", record, alive_only)
    assert "order" in row.failed
    assert row.order.missed == ("dead",)
    assert not caught(bed, trained, "alive only", replace(record, notices=("random",)), alive_only).order.missed


@pytest.mark.slow
def test_a_score_that_a_testbed_cannot_give_has_no_row(bed):
    found = certify(bed, metrics=["ravel"], trained=[], edits=[], n_resamples=20)
    assert "ravel_score" in [row.metric for row in found.rows]
    assert "ravel_model_score" not in [row.metric for row in found.rows]


def test_a_claim_that_does_not_hold_is_seen(bed, trained):
    def alive_only(about):
        value = float(len(about.codes.indices) > 0)
        return Score("alive only", value, value, value)

    record = replace(METRICS["recovery_score"], notices=(), needs=("latents", "directions"))
    assert caught(bed, trained, "alive only", record, alive_only).role == "not asked"
    claimed = caught(bed, trained, "alive only", replace(record, claims=("random",)), alive_only)
    assert claimed.role == "quality"
    assert claimed.order.missed == ("random",)
    assert "order" in claimed.failed


def test_a_metric_that_chooses_on_the_reported_labels_is_caught(bed, trained):
    def in_sample(about):
        rows = np.flatnonzero(~about.train)
        games = about.game_id[rows]
        sides = np.concatenate([rows, rows])  # the same rows choose and report, under other names
        return replace(
            coverage(
                about.codes.take(sides),
                np.asarray(about.labels)[sides],
                game_id=np.concatenate([games, games + 10_000]),
                train=np.arange(len(sides)) < len(rows),
                features=about.features,
                null=False,
                n_resamples=about.n_resamples,
            ),
            metric="in sample",
        )

    row = caught(bed, trained, "in sample", METRICS["coverage"], in_sample)
    assert "labels" in row.failed
    assert row.leak.kept > 0.9
    held_out = certify(bed, metrics=["coverage"], trained=trained, n_samples=2, edits=[]).row("coverage")
    assert held_out.leak.kept < 0.2


def test_a_metric_that_matches_on_the_reported_labels_is_caught(bed, trained):
    """It reads directions as well, so that it finds its latents without labels too."""

    def in_sample(about):
        scores = recovery(
            about.codes,
            about.labels,
            game_id=about.game_id,
            train=~about.train,  # chooses on what is reported, and reports on what was to choose by
            directions=about.directions,
            true_directions=about.true_directions,
            n_resamples=about.n_resamples,
        )
        reported = np.flatnonzero(~about.train)
        best = scores["recovery_score"].details["feature_of_latent"]
        held = np.unpackbits(np.asarray(about.labels)[reported], axis=1, bitorder="little")
        dense = about.codes.take(reported).to_dense() > 0
        value = float(
            np.mean([(dense[:, i] == held[:, f]).mean() for i, f in enumerate(best) if f is not None and f >= 0])
        )
        return Score("matched in sample", value, value, value)

    row = caught(bed, trained, "matched in sample", METRICS["recovery_f1_score"], in_sample)
    assert row.leak.kept == 1
    assert "labels" in row.failed


def test_a_metric_that_asks_the_testbed_behind_its_back_is_caught(bed, trained):
    def peeks(about):
        value = float(np.unpackbits(np.asarray(about.bed.activations.labels)[~about.train][:200]).sum())
        return Score("behind its back", value, value, value)

    record = replace(METRICS["mcc_score"], needs=("directions", "true_directions"), high=np.inf)
    assert "labels" in caught(bed, trained, "behind its back", record, peeks).failed


def test_a_metric_that_reads_labels_without_saying_so_is_caught(bed, trained):
    def peeks(about):
        value = float(np.unpackbits(np.asarray(about.labels)[~about.train][:200]).sum())
        return Score("peeks", value, value, value)

    record = replace(METRICS["mcc_score"], needs=("directions", "true_directions"), high=np.inf)
    row = caught(bed, trained, "peeks", record, peeks)
    assert "labels" in row.failed
    assert row.leak.moved > 0


def test_a_gamed_metric_is_caught(bed, trained):
    def width(about):
        value = float(about.codes.n_latents)
        return Score("width", value, value, value)

    row = caught(bed, trained, "width", replace(METRICS["mcc_score"], high=np.inf), width)
    assert {"range", "order"} <= set(row.failed)


def test_an_interrupted_run_goes_on_and_ends_the_same(bed, trained, tmp_path, certificate):
    calls = []

    def counted(sae):
        def load():
            calls.append(sae.name)
            return sae.load()

        return replace(sae, load=load)

    counting = [counted(sae) for sae in trained]
    first = certify(
        bed,
        metrics=["recovery_score"],
        trained=counting,
        n_samples=2,
        n_resamples=20,
        edits=["duplicate"],
        folder=tmp_path,
    )
    made = len(calls)
    assert made > len(trained)
    kept = sorted(tmp_path.iterdir())
    assert not [path for path in kept if "partial" in path.name]
    kept[0].unlink()  # what was not finished is measured again
    again = certify(
        bed,
        metrics=["recovery_score"],
        trained=counting,
        n_samples=2,
        n_resamples=20,
        edits=["duplicate"],
        folder=tmp_path,
    )
    assert len(calls) <= made + 1
    assert [row.checks() for row in again.rows] == [row.checks() for row in first.rows]
    assert again.rows[0].cell("truth") == first.rows[0].cell("truth")
    assert again.rows[0].ceiling == first.rows[0].ceiling


def test_a_certificate_survives_the_disk(certificate, tmp_path):
    certificate.to_json(tmp_path / "c.json")
    back = Certificate.from_json(tmp_path / "c.json")
    json.loads((tmp_path / "c.json").read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert [row.verdict for row in back.rows] == [row.verdict for row in certificate.rows]
    assert back.row("coverage").order == certificate.row("coverage").order
    (tmp_path / "bad.json").write_text(json.dumps({"schema": 99}))
    with pytest.raises(ValueError, match="schema 1 was expected, got 99"):
        Certificate.from_json(tmp_path / "bad.json")
    (tmp_path / "worse.json").write_text("{")
    with pytest.raises(ValueError, match="not a certificate"):
        Certificate.from_json(tmp_path / "worse.json")


def test_table_frame_and_plot(certificate, tmp_path):
    frame = certificate.to_frame()
    assert set(CHECKS) <= set(frame.columns)
    assert len(frame) == len(ASKED)
    assert certificate.table().row_count == len(ASKED)
    plot(certificate, tmp_path / "c.svg")
    first = (tmp_path / "c.svg").read_text()
    assert ">coverage<" in first
    plot(certificate, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == first
    with pytest.raises(ValueError, match=r"must end in one of .*svg"):
        plot(certificate, tmp_path / "c.txt")


def test_another_world_has_other_measurements(tmp_path):
    from fiducial.certify_measure import Bench
    from fiducial.games import Synthetic
    from fiducial.synthetic_testbed import SyntheticTestbed

    keys = {
        Bench(bed, ["coverage"], {}, folder=tmp_path)._key("rung none", "oracle")
        for bed in (
            SyntheticTestbed(Synthetic("independent"), n_games=10),
            SyntheticTestbed(Synthetic("independent", seed=7), n_games=10),
            SyntheticTestbed(Synthetic("independent"), n_games=10, rows_per_game=50),
            SyntheticTestbed(Synthetic("independent"), n_games=11),
        )
    }
    assert len(keys) == 4


def test_what_a_newcomer_returns_is_held_to_its_record(bed):
    record = METRICS["mcc_score"]
    wrong = {"a float": lambda about: 0.5, "too high": lambda about: Score("x", 5.0, 5.0, 5.0)}
    with pytest.raises(TypeError, match=r"'a float'.*expected a Score, got float"):
        certify(bed, metrics=(), newcomers={"a float": Newcomer(record, wrong["a float"])})
    with pytest.raises(ValueError, match=r"'too high'.*expected -inf to 1 as declared, got 5.0"):
        certify(bed, metrics=(), newcomers={"too high": Newcomer(record, wrong["too high"])})
    with pytest.raises(TypeError, match="must be a Newcomer"):
        certify(bed, newcomers={"bare": wrong["a float"]})


def test_unknown_names_and_doubled_ones_are_refused(bed):
    with pytest.raises(KeyError, match="did you mean coverage"):
        certify(bed, metrics=["coverge"])
    with pytest.raises(KeyError, match="did you mean independent"):
        certify("independant")
    with pytest.raises(ValueError, match="'coverage' is in the catalogue"):
        certify(bed, newcomers={"coverage": Newcomer(METRICS["coverage"], lambda about: None)})
