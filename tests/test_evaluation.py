"""One dictionary on one testbed, from its parts to the report."""

import json

import numpy as np
import pytest
import torch
from fiducial.evaluation import evaluate
from fiducial.metrics.catalogue import TASKS
from fiducial.models.controls import random_dictionary
from fiducial.models.loading import load_dictionary
from fiducial.references import References
from fiducial.report import Report
from fiducial.scoring import FAMILIES, check_metrics
from fiducial.testbed_catalogue import testbed as make_testbed
from fiducial.testbed_catalogue import testbeds as testbed_names
from tiny import tiny_testbed


@pytest.fixture(scope="module")
def bed():
    return tiny_testbed()


@pytest.fixture(scope="module")
def random_sae(bed):
    return random_dictionary(bed.x, 40, 6, seed=7, name="candidate")  # no two latents tie where they choose


@pytest.fixture(scope="module")
def report(bed, random_sae):
    return evaluate(random_sae, bed, seed=1)


class Permuted:
    """The same dictionary with its latents in another order."""

    latent_names = None

    def __init__(self, base, seed):
        self.base, self.name = base, base.name
        self.order = torch.randperm(base.directions.shape[0], generator=torch.Generator().manual_seed(seed))

    @property
    def directions(self):
        return self.base.directions[self.order]

    def encode(self, x):
        return self.base.encode(x)[:, self.order]

    def decode(self, latents):
        return self.base.decode(latents[:, self.order.argsort()])


def test_every_metric_is_reported_between_its_bounds(report):
    elsewhere = {name for family in ("recovery", "axes") for name in FAMILIES[family].metrics}
    assert set(report.scores) == set(check_metrics(None)) - elsewhere
    for name, score in report.scores.items():
        assert score.low <= score.value <= score.high or np.isnan(score.value), name
    for name in ("coverage", "reconstruction"):
        score = report.scores[name]
        assert {"probes", "least squares"} <= set(score.ceilings)
        assert {"neurons", "PCA"} <= set(score.floors)
        assert any(floor.startswith("random dictionary") for floor in score.floors)
    assert report.scores["explained_variance_score"].ceilings["identity"] == pytest.approx(1.0, abs=1e-6)
    assert report.scores["legal_top1_score"].ceilings


def test_probes_are_above_every_floor_on_the_board(bed, report):
    board = {
        name: scores["coverage"].groups["board"] for name, scores in report.controls.items() if "coverage" in scores
    }
    floors = [value for name, value in board.items() if name not in ("probes", "least squares")]
    assert board["probes"] > max(floors)


def test_same_seed_gives_the_same_json_but_for_times(random_sae, report, tmp_path):
    again = evaluate(random_sae, tiny_testbed(), seed=1)
    texts = []
    for i, one in enumerate((report, again)):
        stored = json.loads(one.to_json(tmp_path / f"{i}.json").read_text())
        assert stored.pop("times")
        texts.append(json.dumps(stored, sort_keys=True))
    assert texts[0] == texts[1]


def test_another_seed_moves_the_interval_and_not_the_value(bed, random_sae, report):
    other = evaluate(random_sae, bed, ["coverage"], seed=2).scores["coverage"]
    assert other.value == report.scores["coverage"].value
    assert (other.low, other.high) != (report.scores["coverage"].low, report.scores["coverage"].high)


def test_the_order_of_latents_does_not_matter(bed, random_sae, report):
    permuted = evaluate(Permuted(random_sae, 0), bed, seed=1)
    for name in ("coverage", "reconstruction", "l0", "explained_variance_score"):
        assert permuted.scores[name].value == pytest.approx(report.scores[name].value, rel=1e-6), name


def test_a_broken_decoder_is_noticed(bed, random_sae, report):
    class Broken(Permuted):
        def decode(self, latents):
            return self.base.decode(latents)  # the order is not undone

    broken = evaluate(Broken(random_sae, 0), bed, ["explained_variance_score", "coverage"], seed=1)
    assert broken.scores["coverage"].value == pytest.approx(report.scores["coverage"].value, rel=1e-6)
    assert broken.scores["explained_variance_score"].value < report.scores["explained_variance_score"].value - 0.1


def test_report_survives_the_disk(report, tmp_path):
    path = report.to_json(tmp_path / "r.json")
    back = Report.from_json(path)
    assert back.scores["coverage"].value == report.scores["coverage"].value
    assert back.scores["coverage"].floors == dict(report.scores["coverage"].floors)
    assert 'id="data"' in report.to_html(tmp_path / "r.html").read_text()


def test_a_dictionary_of_another_width_is_refused(bed):
    wrong = random_dictionary(torch.randn(50, 8, generator=torch.Generator().manual_seed(0)), 20, 4, seed=0)
    with pytest.raises(ValueError, match=r"width 8.*tiny has width 16"):
        evaluate(wrong, bed)


def test_a_path_is_no_dictionary(bed):
    with pytest.raises(TypeError, match="read one with load_dictionary"):
        evaluate("path/to/sae", bed)


def test_one_metric_may_be_named_alone():
    assert check_metrics("coverage") == ["coverage"]


def test_unknown_metrics_are_refused_with_a_hint():
    with pytest.raises(KeyError, match="did you mean coverage"):
        check_metrics(["coverag"])
    with pytest.raises(ValueError, match="no metric named"):
        check_metrics([])


def test_testbeds_have_names_and_teach():
    assert set(testbed_names()) >= {"othello-small", "othello-6x6"}
    with pytest.raises(KeyError, match="did you mean othello-small"):
        make_testbed("othello-smal")
    with pytest.raises(ValueError, match="at least 8 games"):
        tiny_testbed(n_games=4)


def test_choosing_and_reporting_games_are_disjoint(bed):
    games = np.asarray(bed.activations.game_id)
    assert not set(games[bed.train]) & set(games[~bed.train])


def test_twin_sees_the_same_games_with_another_model(bed):
    assert bed.twin.transcripts is bed.transcripts
    assert bed.twin.x.shape == bed.x.shape
    assert not torch.allclose(bed.twin.x, bed.x)


def test_references_are_computed_once(bed):
    first, second = References(bed, 40, 6).floors(), References(bed, 40, 6).floors()
    assert all(a is b for a, b in zip(first, second, strict=True))


def sae_lens_sae(d_in, n_latents):
    from sae_lens import StandardSAE, StandardSAEConfig

    sae = StandardSAE(StandardSAEConfig(d_in=d_in, d_sae=n_latents, apply_b_dec_to_input=False))
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for parameter in sae.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
    return sae


def test_folders_score_as_the_sae_in_memory(bed, tmp_path):
    from fiducial.models.sae_dictionary import SAEDictionary

    sae = sae_lens_sae(16, 30)
    sae.save_model(tmp_path / "lens")
    dictionary_learning = tmp_path / "dl"
    dictionary_learning.mkdir()
    state = {
        "encoder.weight": sae.W_enc.detach().T.contiguous(),
        "encoder.bias": sae.b_enc.detach(),
        "decoder.weight": sae.W_dec.detach().T.contiguous(),
        "decoder.bias": sae.b_dec.detach(),
    }
    torch.save(state, dictionary_learning / "ae.pt")
    trainer = {"dict_class": "AutoEncoderNew", "trainer_class": "StandardTrainerAprilUpdate", "activation_dim": 16}
    trainer |= {"dict_size": 30, "layer": 1, "lm_name": "tiny", "l1_penalty": 0.1}
    (dictionary_learning / "config.json").write_text(json.dumps({"trainer": trainer, "buffer": {"ctx_len": 11}}))
    candidates = [
        SAEDictionary(sae, "one"),
        load_dictionary(tmp_path / "lens", name="one"),
        load_dictionary(dictionary_learning, name="one"),
    ]
    reports = [evaluate(candidate, bed, seed=0) for candidate in candidates]
    for name in reports[0].scores:
        values = [one.scores[name].value for one in reports]
        assert values[1] == pytest.approx(values[0], rel=1e-5, abs=1e-6, nan_ok=True), name
        assert values[2] == pytest.approx(values[0], rel=1e-5, abs=1e-6, nan_ok=True), name


def test_families_and_tasks_are_asked_by_name():
    assert not set(check_metrics(None)) & set(TASKS)
    assert check_metrics(["tpp", "l0", "tpp_score"]) == [*FAMILIES["tpp"].metrics, "l0"]
    assert set(check_metrics("tasks")) == set(TASKS)
    with pytest.raises(KeyError, match="did you mean tpp"):
        check_metrics(["tppp"])


class KeptByName:
    """Scores that outlive a testbed, by the name of the floor or ceiling."""

    def __init__(self):
        self.scored = {}

    def order(self, names):
        return names

    def scores(self, name, asked, seed, make):
        missing = [metric for metric in asked if (name, metric, seed) not in self.scored]
        self.scored |= {(name, metric, seed): score for metric, score in make(missing).items()} if missing else {}
        return {metric: self.scored[name, metric, seed] for metric in asked if (name, metric, seed) in self.scored}


def test_a_floor_of_ones_own_is_not_known_by_its_name_alone(random_sae):
    kept, found = KeptByName(), []
    for seed in (1, 2):
        mine = random_dictionary(tiny_testbed().x, 40, 6, seed=seed, name="mine")
        report = evaluate(random_sae, tiny_testbed(), ["coverage"], kept=kept, floors=[mine])
        found.append(report.score("coverage").floors["mine"])
    assert found[0] != found[1]
    assert {name for name, _, _ in kept.scored} & {"PCA", "mine"} == {"PCA"}
