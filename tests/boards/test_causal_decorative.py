"""What is decodable, represented and used."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from fiducial.boards import causal_decorative as module_result
from fiducial.boards import feature_use as module
from fiducial.boards.causal_decorative import CausalDecorative, causal_decorative, holm
from fiducial.boards.feature_use import Changes, columns_of, draw_changes, feature_changes, use_of_features
from fiducial.boards.scores import Estimate
from fiducial.testbed_catalogue import testbed as open_testbed
from tiny import tiny_testbed

BED = {}


def small():
    if "bed" not in BED:
        BED["bed"] = open_testbed("othello-6x6", n_games=40)
    return BED["bed"]


def test_the_board_is_used_and_corners_taken_together_are_not():
    found = causal_decorative(small(), groups=["board", "empty", "stable counts"], per_group=8, n_positions=24)
    board, empty = found.groups["board"], found.groups["empty"]
    assert board["used"].low > 1
    assert empty["used"].low > 1.5
    assert found.verdict("board") == found.verdict("empty") == "used"
    assert found.verdict("stable counts") != "used"
    assert found.groups["stable counts"]["used"].low < 1.5
    assert empty["decodable"].value > 0.6 > empty["represented"].value
    assert found.dictionary == "topk"
    assert set(found.n_features.values()) <= set(range(1, 9))
    assert found.table().count("\n") == 5
    assert json.loads(json.dumps(found.to_dict()))["groups"]["empty"]["verdict"] == "used"


def test_random_directions_are_not_used_more_than_random_directions(monkeypatch):
    """Mutation: with the changes replaced by noise, nothing may look used."""
    bed = small()
    features = {"empty": bed.features.where(group="empty")[:8]}

    def noise(bed, changes):
        made = torch.randn(2, len(changes.row), bed.d_in, generator=torch.Generator().manual_seed(5))
        return made[0], made[1]

    truth = use_of_features(bed, features, 24, 200)["empty"]["used"]
    monkeypatch.setattr(module, "feature_changes", noise)
    mutant = use_of_features(bed, features, 24, 200)["empty"]["used"]
    assert truth.low > mutant.high
    assert mutant.value == pytest.approx(1, abs=0.5)


def test_own_changes_are_found_where_they_are_planted():
    bed = tiny_testbed()
    features = bed.features
    squares = np.concatenate([features.where(group="board"), features.where(group="empty")])
    extra, rival = features.index("black to move"), features.index("white to move")
    labels = features.unpack(np.asarray(bed.activations.labels)).astype(np.float32)
    generator = torch.Generator().manual_seed(0)
    truth = torch.zeros(len(features), 16)
    truth[squares] = torch.randn(len(squares), 16, generator=generator)
    truth[extra] = torch.randn(16, generator=generator)
    bed.__dict__["x"] = torch.from_numpy(labels) @ truth
    names = ("mine on a1", "yours on a1", "a1 empty", "a1 occupied")
    mine, yours, empty, occupied = (features.index(name) for name in names)
    assert labels[bed.train][:, [mine, yours, empty]].any(0).all()
    old, new = np.array([mine, empty, yours, extra, occupied]), np.array([yours, mine, empty, rival, -1])
    own, company = feature_changes(bed, Changes(np.arange(5), old, new))
    for row in range(4):
        want = truth[new[row]] - truth[old[row]]
        assert float((own[row] - want).norm() / want.norm()) < 0.1  # squares of so small a board tell on each other
        assert float((company[row] - want).norm() / want.norm()) > 0.5  # holds what goes along with it
    # taken away, occupied is half mine and half yours: the smallest change of squares that it takes
    want = truth[empty] - (truth[mine] + truth[yours]) / 2
    assert float((own[4] - want).norm() / want.norm()) < 0.1


def test_values_are_exchanged_for_others_of_their_variable():
    bed = small()
    wanted = np.concatenate([bed.features.where(group="board")[:5], bed.features.where(group="legal moves")[:3]])
    changes = draw_changes(bed, wanted, 10, 0)
    again = draw_changes(bed, wanted[::-1], 10, 0)
    labels = bed.features.unpack(np.asarray(bed.activations.labels)[changes.row])
    assert labels[np.arange(len(labels)), changes.feature].all()
    assert not bed.train[changes.row].any()
    for feature, other in zip(changes.feature, changes.other, strict=True):
        if other >= 0:
            assert bed.features[feature].variable == bed.features[other].variable is not None
            assert feature != other
        else:
            assert not len(columns_of(bed, feature))
    for feature in wanted:
        one, two = (c.other[c.feature == feature] for c in (changes, again))
        assert np.array_equal(one, two)


def test_p_values_are_corrected_for_how_many_there_are():
    p = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}
    assert holm(p) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})  # as in the textbook
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}
    assert holm({"a": 0.04}) == {"a": 0.04}
    assert holm({}) == {}


def test_many_groups_without_an_effect_are_hardly_ever_called_used():
    generator = np.random.default_rng(0)

    def null_ratio():
        centre = generator.normal(0, 0.2)
        draws = np.exp(centre + generator.normal(0, 0.2, 400))
        return Estimate(float(np.exp(centre)), *np.quantile(draws, [0.025, 0.975]), draws)

    wrong = uncorrected = 0
    for _ in range(60):
        groups = {str(i): dict.fromkeys((*module_result.COLUMNS, "natural company"), null_ratio()) for i in range(30)}
        found = CausalDecorative("t", "d", groups, dict.fromkeys(groups, 1), {})
        wrong += any("used" in found.verdict(group) for group in groups)
        uncorrected += any(row["used"].low > 1 for row in groups.values())
    assert wrong <= 9  # of 60 with 30 groups each, at 5 %
    assert uncorrected >= 20


def ratio(value, error=0.02):
    draws = value * np.exp(np.random.default_rng(0).normal(0, error, 200))
    return Estimate(value, *np.quantile(draws, [0.025, 0.975]), draws)


def result(n_groups=2, **values):
    row = {key: ratio(values.get(key, 0.7), values.get("error", 0.02)) for key in module_result.COLUMNS}
    row["natural company"] = row["company"]
    if "decodable" in values:
        row["decodable"] = Estimate(values["decodable"], values["decodable"] - 0.1, values["decodable"] + 0.1, None)
    names = [f"g{i}" for i in range(n_groups)]
    return CausalDecorative("t", "d", dict.fromkeys(names, row), dict.fromkeys(names, 3), {})


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({"used": 1.5, "natural": 1.5}, "used"),
        ({"used": 1.5}, "weakly used"),
        ({"company": 1.5}, "used in company"),
        ({}, "decorative"),
        ({"used": 1.3, "error": 0.3}, "undecided"),
        ({"decodable": -0.1}, "not decodable"),
        ({"used": 1.06, "natural": 1.06}, "used"),
        ({"used": 1.06, "natural": 1.06, "n_groups": 60}, "decorative"),  # no longer, among so many
    ],
)
def test_verdicts(values, verdict):
    assert result(**values).verdict("g0") == verdict


def test_the_picture_is_the_same_bytes_each_time(tmp_path):
    found = result(6, used=1.1)
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
