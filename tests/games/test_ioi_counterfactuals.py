import fiducial.games.ioi_counterfactuals as module
import numpy as np
import pytest
from fiducial.games.ioi import IOI
from fiducial.games.ioi_counterfactuals import CHANGEABLE, name_pools

from .plain_ioi import attributes_of, read

TINY, FULL = IOI(), IOI(vocabulary="full")
CHANGES = {  # what else follows from an attribute
    "IO": {"IO", "first name", "second name"},
    "S": {"S", "first name", "second name", "third name"},
    "Pos": {"Pos", "first name", "second name"},
    "object": {"object"},
    "place": {"place"},
    "template": {"template"},
    "task": {"task"},
    "duplicate": {"duplicate", "third name", "IO", "S", "Pos"},
}


@pytest.mark.parametrize("game", [TINY, FULL], ids=["tiny", "full"])
@pytest.mark.parametrize("attribute", CHANGEABLE)
def test_exactly_that_attribute_changes_in_every_row(game, attribute):
    prompts = game.prompts(400, seed=1, templates=(2, 3))
    other = game.counterfactuals_of(prompts, attribute, seed=5)
    vocabulary = game.tokenizer.vocabulary
    for row in range(len(prompts)):
        before = read([vocabulary[token] for token in prompts.tokens[row]][1:])
        after = read([vocabulary[token] for token in other.tokens[row]][1:])
        assert attributes_of(other, row) == {name: after[name] for name in other.attributes}
        changed = {name for name in other.attributes if before[name] != after[name]}
        assert attribute in changed
        assert changed <= CHANGES[attribute]
    n_tokens = (prompts.tokens != other.tokens).sum(1)
    expected = {"IO": 1, "S": 2, "Pos": 2, "object": 1, "place": 1, "task": 1, "duplicate": 1}
    if attribute in expected:
        assert (n_tokens == expected[attribute]).all()


def test_template_1_keeps_its_length_in_the_other_changes():
    prompts = TINY.prompts(100, seed=1, templates=(1,))
    for attribute in ("IO", "S", "Pos", "task", "duplicate"):
        assert (TINY.counterfactuals_of(prompts, attribute, 0).attributes["template"] == 0).all()


def test_pools_of_the_full_vocabulary_are_disjoint_and_used():
    pools = FULL.name_pools
    every = np.concatenate(list(pools.values()))
    assert len(set(every)) == len(every) == len(FULL.words.names)
    prompts = FULL.prompts(3000, seed=0, names="base")
    assert set(prompts.attributes["IO"]) | set(prompts.attributes["S"]) == set(pools["base"])
    for attribute, column in (("IO", "IO"), ("S", "S"), ("duplicate", "third name")):
        new = FULL.counterfactuals_of(prompts, attribute, 0).attributes[column]
        assert set(new) == set(pools[attribute])


def test_new_names_are_uniform_over_those_not_in_the_row():
    prompts = TINY.prompts(60_000, seed=0, names=("Alice", "Brian"))
    new = TINY.counterfactuals_of(prompts, "IO", 1).attributes["IO"]
    counts = np.bincount(new, minlength=120)
    assert counts[:2].tolist() == [0, 0]
    expected = 60_000 / 118
    assert ((counts[2:] - expected) ** 2 / expected).sum() < 118 + 6 * np.sqrt(2 * 118)


def test_the_new_io_and_the_new_s_of_one_seed_are_independent():
    prompts = FULL.prompts(20_000, seed=0, names="base")
    drawn = {}
    for attribute in ("IO", "S"):
        new = FULL.counterfactuals_of(prompts, attribute, 3).attributes[attribute]
        drawn[attribute] = np.searchsorted(FULL.name_pools[attribute], new)
    n = len(FULL.name_pools["IO"])
    assert abs(np.corrcoef(drawn["IO"], drawn["S"])[0, 1]) < 0.03
    assert (drawn["IO"] == drawn["S"]).mean() == pytest.approx(1 / n, abs=0.01)


def test_one_stream_for_both_would_be_noticed(monkeypatch):
    monkeypatch.setattr(module, "stream", lambda seed, purpose: np.random.default_rng(seed))
    prompts = FULL.prompts(2000, seed=0, names="base")
    ranks = [
        np.searchsorted(FULL.name_pools[a], FULL.counterfactuals_of(prompts, a, 3).attributes[a]) for a in ("IO", "S")
    ]
    assert np.corrcoef(*ranks)[0, 1] > 0.9


def test_the_seed_decides():
    prompts = TINY.prompts(50, seed=0)
    one, again, two = (TINY.counterfactuals_of(prompts, "S", seed).tokens for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, two)


def test_changing_the_order_twice_gives_the_prompt_back():
    prompts = TINY.prompts(50, seed=0)
    twice = TINY.counterfactuals_of(TINY.counterfactuals_of(prompts, "Pos", 0), "Pos", 0)
    assert np.array_equal(twice.tokens, prompts.tokens)


def test_abc_prompts_are_seeded_and_keep_the_answers_of_their_source():
    plain, abc = TINY.prompts(40, seed=6), TINY.prompts(40, seed=6, abc=True)
    assert np.array_equal(abc.tokens, TINY.prompts(40, seed=6, abc=True).tokens)
    assert ((plain.tokens != abc.tokens).sum(1) == 1).all()
    assert np.array_equal(plain.target, abc.target)
    assert np.array_equal(plain.positions["s2"], abc.positions["s2"])
    assert (abc.attributes["IO"] == -1).all()
    assert not TINY.transcripts(abc).bool_labels()[:, 18, TINY.features.where(group=["IO", "answer"])].any()


def test_what_cannot_be_changed_is_refused():
    prompts = TINY.prompts(30, seed=0)
    with pytest.raises(KeyError, match="no counterfactual of 'Position'"):
        TINY.counterfactuals_of(prompts, "Position", 0)
    with pytest.raises(KeyError, match="did you mean place"):
        TINY.counterfactuals_of(prompts, "places", 0)
    with pytest.raises(ValueError, match="template 1, which has no object and place, so object alone cannot change"):
        TINY.counterfactuals_of(prompts, "object", 0)
    with pytest.raises(ValueError, match="row 0 is an ABC prompt"):
        TINY.counterfactuals_of(TINY.prompts(3, 0, abc=True), "IO", 0)
    with pytest.raises(ValueError, match="leaves none for row 0"):
        module.counterfactuals_of(
            TINY.prompts(3, 0, names=("Alice", "Brian")), TINY.words, {"IO": np.array([0, 1])}, "IO", 0
        )


def test_pools_of_a_small_vocabulary_are_everybody():
    assert all(len(pool) == 120 for pool in TINY.name_pools.values())
    assert [len(pool) for pool in name_pools(12, disjoint=True).values()] == [6, 2, 2, 2]


@pytest.mark.parametrize("task", ["plain", "ordinal", "mixed"])
def test_pairs_for_patching_differ_in_the_answer_and_in_one_attribute(task):
    game = IOI(task=task)
    pairs = game.counterfactuals(60, seed=2)
    base, source = game.parse(pairs.base), game.parse(pairs.source)
    for row in range(60):
        one, two = attributes_of(base, row), attributes_of(source, row)
        name = game.features[pairs.feature[row]].name
        key = "IO" if one["task"] == "plain" else "Pos"
        assert {n for n in one if one[n] != two[n]} <= CHANGES[key]
        assert name == (
            f"IO is {two['IO']}" if key == "IO" else f"IO stands {'first' if two['Pos'] == 'IO first' else 'second'}"
        )
    assert (base.target != source.target).all()
