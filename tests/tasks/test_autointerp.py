"""Named latents on a world, a board and prompts: truth on top, chance at the floor, what cannot be asked says so."""

from math import isnan

import pytest
import torch
from fiducial.models.controls import random_dictionary
from fiducial.references import Candidate
from fiducial.subject import subject
from fiducial.tasks import autointerp
from fiducial.tasks.facts import facts_of
from fiducial.testbed_catalogue import testbed

JUDGED = ("explanation_f1_score", "detection_score")
RELATED = ("fuzzing_score", "simulation_score")


def about(dictionary, bed):
    return subject(Candidate(dictionary.name, "tested", dictionary, bed.x), bed, n_resamples=50)


def rival(bed, n_latents=64, k=4):
    return random_dictionary(bed.x[torch.from_numpy(bed.train)], n_latents, k, seed=3)


def test_the_oracle_is_on_top_of_a_world():
    bed = testbed("synthsaebench-64", n_games=32)
    assert autointerp.offered(bed)
    truth, chance = autointerp.measure(about(bed.oracle, bed)), autointerp.measure(about(rival(bed), bed))
    assert truth["explanation_f1_score"].value > 0.95
    for name in (*JUDGED, "autointerp_saebench_score"):
        assert truth[name].low > chance[name].high
    for name in RELATED:
        assert isnan(truth[name].value)
        assert truth[name].details["undefined"] == "positions of this sample do not follow each other"


def test_a_board_has_stretches_and_a_ply():
    bed = testbed("othello-6x6", n_games=24)
    one = about(rival(bed), bed)
    facts = facts_of(one.bed, one.labels)
    assert facts is facts_of(one.bed, one.labels)
    assert facts.counters["ply"].min() >= 1
    assert "mine on c3" in facts.names
    found = autointerp.measure(one)
    assert set(found) == {*JUDGED, *RELATED, "autointerp_saebench_score"}
    assert all(0 < score.value < 1 for score in found.values())
    assert "undefined" not in found["fuzzing_score"].details
    published = autointerp.published(one)
    assert list(published) == ["autointerp_score", "autointerp_std_dev"]
    assert published["autointerp_score"].value == found["autointerp_saebench_score"].value


def test_prompts_do_not_follow_each_other():
    bed = testbed("ioi-tiny", n_games=16)
    found = autointerp.measure(about(rival(bed), bed))
    assert all(found[name].details["undefined"] for name in RELATED)
    assert found["explanation_f1_score"].value > found["explanation_f1_score"].floors["matched prevalence"]


def test_counters_are_true_of_their_rows():
    bed = testbed("othello-6x6", n_games=16)
    facts = facts_of(bed)
    games, ply = bed.transcripts, facts.counters["ply"]
    for row in (0, 100, len(ply) - 1):
        assert ply[row] == games.ply[facts.game_id[row], facts.position[row]]
    assert pytest.approx(ply.mean(), abs=4) == 17
