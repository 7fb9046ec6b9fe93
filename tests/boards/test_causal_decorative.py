"""What is decodable, represented and used."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from fiducial import causal_decorative as module
from fiducial.boards.causal_decorative import CausalDecorative, causal_decorative, feature_directions, use_of_features
from fiducial.boards.scores import Estimate
from fiducial.testbed_catalogue import testbed as open_testbed
from tiny import tiny_testbed

BED = {}


def small():
    if "bed" not in BED:
        BED["bed"] = open_testbed("othello-6x6", n_games=40)
    return BED["bed"]


def test_the_board_is_used_and_corners_taken_together_are_not():
    found = causal_decorative(small(), groups=["board", "empty", "stable counts"], per_group=4, n_positions=16)
    board, empty = found.groups["board"], found.groups["empty"]
    assert board["used"].low > 1
    assert empty["used"].low > 1.5
    assert found.verdict("empty") == "used"
    assert empty["moves"].value > empty["random_moves"].value
    assert found.groups["stable counts"]["used"].low < 1.5
    assert empty["decodable"].value > 0.6 > empty["represented"].value
    assert found.dictionary == "topk"
    assert found.n_features == {"board": 4, "empty": 4, "stable counts": 4}
    assert found.table().count("\n") == 4
    assert json.loads(json.dumps(found.to_dict()))["groups"]["empty"]["verdict"] == "used"


def test_random_directions_are_not_used_more_than_random_directions(monkeypatch):
    """Mutation: with the directions replaced by noise, nothing may look used."""
    bed = small()
    features = {"empty": bed.features.where(group="empty")[:6]}

    def noise(bed, wanted):
        made = torch.randn(2, len(wanted), bed.d_in, generator=torch.Generator().manual_seed(5))
        return made[0], made[1]

    truth = use_of_features(bed, features, 24, 200)["empty"]["used"]
    monkeypatch.setattr(module, "feature_directions", noise)
    mutant = use_of_features(bed, features, 24, 200)["empty"]["used"]
    assert truth.low > mutant.high
    assert mutant.value == pytest.approx(1, abs=0.5)


def test_own_directions_are_found_where_they_are_planted():
    bed = tiny_testbed()
    features = bed.features
    squares = np.concatenate([features.where(group="board"), features.where(group="empty")])
    extra = features.index("black to move")
    labels = features.unpack(np.asarray(bed.activations.labels)).astype(np.float32)
    generator = torch.Generator().manual_seed(0)
    truth = torch.zeros(len(features), 16)
    truth[squares] = torch.randn(len(squares), 16, generator=generator)
    truth[extra] = torch.randn(16, generator=generator)
    bed.__dict__["x"] = torch.from_numpy(labels) @ truth
    own, means = feature_directions(bed, np.array([extra]))
    torch.testing.assert_close(own[0], truth[extra], rtol=0.02, atol=0.02)
    assert float((means[0] - truth[extra]).norm()) > 0.1  # what goes along with it is in the difference of means
    # a state of a square: against the mean of the other two
    names = [f"{kind}" for kind in ("mine on a1", "yours on a1", "a1 empty")]
    mine, yours, empty = (features.index(name) for name in names)
    seen = labels[bed.train][:, [mine, yours, empty]].any(0)
    assert seen.all()
    own, _ = feature_directions(bed, np.array([empty]))
    wanted = truth[empty] - (truth[mine] + truth[yours]) / 2
    assert float(torch.cosine_similarity(own[0], wanted, dim=0)) > 0.8


def result(**bounds):
    def estimate(low, value=None, high=None):
        return Estimate(low + 0.5 if value is None else value, low, low + 1 if high is None else high, np.empty(0))

    row = {key: estimate(bounds.get(key, 0.1)) for key in module.COLUMNS}
    return CausalDecorative("t", "d", {"g": row, "h": row}, {"g": 3, "h": 3}, {})


@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [
        ({"used": 1.1, "natural": 1.1}, "used"),
        ({"used": 1.1}, "weakly used"),
        ({"company": 1.1}, "used in company"),
        ({}, "decorative"),
        ({"decodable": -0.1}, "not decodable"),
    ],
)
def test_verdicts(bounds, verdict):
    assert result(**bounds).verdict("g") == verdict


def test_the_picture_is_the_same_bytes_each_time(tmp_path):
    found = result(used=1.1)
    for name in ("a.svg", "b.svg", "c.png"):
        found.plot(tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b">" in (tmp_path / "a.svg").read_bytes()
    assert "decodable" in (tmp_path / "a.svg").read_text()
    with pytest.raises(ValueError, match="must end in one of"):
        found.plot(tmp_path / "a.doc")


def test_a_testbed_without_a_dictionary_asks_for_one():
    bed = tiny_testbed()
    bed.spec = replace(bed.spec, dictionaries={})
    with pytest.raises(ValueError, match="give one"):
        causal_decorative(bed)
