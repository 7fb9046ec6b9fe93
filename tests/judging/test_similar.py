"""Comparisons of dictionaries: planted copies are found, strangers are at chance, files come back."""

import dataclasses
import json

import numpy as np
import pytest
from fiducial.judging.similar import Entrant, compare_saes, concepts
from fiducial.judging.similar_result import SaesCompared
from fiducial.metrics.llm.embedders import hashing_encoder
from fiducial.metrics.llm.facts import Facts
from fiducial.metrics.llm.nouns import Explanation
from fiducial.metrics.llm.predicate import Atom
from fiducial.models.dictionary import Codes

N, F, D = 3000, 24, 40


@pytest.fixture(scope="module")
def facts() -> Facts:
    rng = np.random.default_rng(0)
    holds = rng.random((N, F)) < rng.uniform(0.03, 0.4, F)
    return Facts(
        names=tuple(f"fact {word}" for word in "abcdefghijklmnopqrstuvwx"),
        labels=np.packbits(holds, axis=1, bitorder="little"),
        game_id=np.repeat(np.arange(N // 30), 30),
        position=np.tile(np.arange(30), N // 30),
        train=np.repeat(np.arange(N // 30) % 2 == 0, 30),
    )


def reading(facts: Facts, chosen: list[int], seed: int, flip: float = 0.02) -> Entrant:
    """A dictionary whose latents fire on facts, with noise, and write noisy copies of the facts' directions."""
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(99).normal(size=(F, D))
    holds = np.stack([facts.column(facts.names[f]) for f in chosen], axis=1)
    fires = holds ^ (rng.random(holds.shape) < flip * holds.mean(0))
    values = (fires * rng.uniform(0.5, 2, holds.shape)).astype(np.float32)
    directions = (truth[chosen] + 0.3 * rng.normal(size=(len(chosen), D))).astype(np.float32)
    return Entrant(f"seed {seed}", Codes.from_dense(values), directions, "model", {"seed": seed})


def explain_by(facts: Facts):
    """The best single fact by F1 on the choosing games."""

    def explain(latents):
        found = {}
        rows = facts.rows_of(True)
        for number, latent in latents.items():
            on = latent.active()[rows]
            f1 = [2 * (on & c).sum() / (on.sum() + c.sum()) for c in (facts.column(n, rows) for n in facts.names)]
            name = facts.names[int(np.argmax(f1))]
            found[number] = Explanation(number, name, Atom(name))
        return found

    return explain


def test_copies_are_found_and_strangers_are_not(facts):
    order = np.random.default_rng(5).permutation(F).tolist()
    first, second = reading(facts, list(range(F)), 1), reading(facts, order, 2)
    rng = np.random.default_rng(3)
    noise = Codes.from_dense((rng.random((N, F)) * (rng.random((N, F)) < 0.1)).astype(np.float32))
    stranger = Entrant("stranger", noise, rng.normal(size=(F, D)).astype(np.float32), "model", {"seed": 3})
    made = compare_saes(
        [first, second, stranger], facts, encoder=hashing_encoder(), explain=explain_by(facts), n_resamples=200
    )
    assert len(made.pairs) == 6  # three pairs, two ways each
    for how in ("decoder", "activation"):
        copies, chance = made.of("seed 1", "seed 2", how), made.of("seed 1", "stranger", how)
        assert copies.n_matched == F
        assert copies.differs == "seed"
        assert copies.labels["same concept"].observed == 1.0
        assert copies.labels["overlap"].score == pytest.approx(1.0)
        assert copies.labels["cosine"].score == pytest.approx(1.0)
        for name in ("overlap", "overlap within prevalence", "same concept"):
            assert chance.labels[name].low <= 0.05, (how, name)
            assert abs(chance.labels[name].score) < 0.2, (how, name)
        assert chance.directions < copies.directions - 0.3


def test_directions_of_different_streams_are_not_compared(facts):
    first, second = reading(facts, list(range(F)), 1), reading(facts, list(range(F)), 2)
    other = dataclasses.replace(second, stream="another model")
    made = compare_saes([first, other], facts, explain=explain_by(facts), n_resamples=20)
    assert [one.how for one in made.pairs] == ["activation"]


def test_labels_are_kept_and_asked_once(facts, tmp_path):
    first, second = reading(facts, list(range(F)), 1), reading(facts, list(range(F)), 2)
    calls: list[int] = []

    def counting(latents):
        calls.append(len(latents))
        return explain_by(facts)(latents)

    kept = {"keep": tmp_path, "n_resamples": 20, "explain": counting}
    made = compare_saes([first, second], facts, **kept)
    assert sum(calls) == 2 * F
    file = sorted(tmp_path.glob("labels-*.jsonl"))[0]
    file.write_text(file.read_text()[:-10])  # interrupted while the last label was written
    again = compare_saes([first, second], facts, **kept)
    assert sum(calls) == 2 * F + 1
    assert repr(again) == repr(made)  # equal, and NaN where NaN was
    compare_saes([first, second], facts, **kept)
    assert sum(calls) == 2 * F + 1
    changed = dataclasses.replace(facts, train=~facts.train)
    compare_saes([first, second], changed, **kept)
    assert sum(calls) == 4 * F + 1  # another split, other labels


def test_concepts_by_hand():
    labels = np.array([[1, 0], [1, 0], [0, 1], [0, 0]] * 2, bool)
    facts = Facts(
        ("a", "b"),
        np.packbits(labels, axis=1, bitorder="little"),
        np.repeat([0, 1], 4),
        np.tile(np.arange(4), 2),
        np.repeat([True, False], 4),
    )
    values = np.array([[1, 0], [1, 0], [0, 0], [0, 1]] * 2, np.float32)  # the first fires on a, the second on nothing
    found, f1 = concepts(Codes.from_dense(values), facts)
    assert found.tolist() == [0, -1]
    assert f1.tolist() == [1.0, 0.0]


def test_result_round_trips_and_draws(facts, tmp_path):
    entrants = [reading(facts, list(range(F)), 1), reading(facts, list(range(F)), 2)]
    made = compare_saes(entrants, facts, encoder=hashing_encoder(), explain=explain_by(facts), n_resamples=20)
    made.to_json(tmp_path / "found.json")
    assert SaesCompared.from_json(tmp_path / "found.json").rows()[0]["overlap score"] == pytest.approx(1.0)
    again = SaesCompared.from_json(tmp_path / "found.json")
    again.to_json(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == (tmp_path / "found.json").read_text()
    made.plot(tmp_path / "found.png")
    assert (tmp_path / "found.png").stat().st_size > 5000
    made.table()
    with pytest.raises(ValueError, match="must end in one of"):
        made.plot(tmp_path / "found.nothing")
    (tmp_path / "bad.json").write_text(json.dumps({"schema": "else"}))
    with pytest.raises(ValueError, match="was expected"):
        SaesCompared.from_json(tmp_path / "bad.json")


def test_errors_teach(facts):
    one = reading(facts, [0, 1], 1)
    with pytest.raises(ValueError, match="different names"):
        compare_saes([one, one], facts)
    with pytest.raises(KeyError, match="no dictionary named 'x'"):
        compare_saes([one, reading(facts, [0, 1], 2)], facts, pairs=[("x", "seed 1")])
    with pytest.raises(KeyError, match="decoder or activation"):
        compare_saes([one, reading(facts, [0, 1], 2)], facts, hows=["encoder"])
    with pytest.raises(ValueError, match="positions"):
        compare_saes([one, Entrant("short", one.codes.take(np.arange(5)))], facts)
