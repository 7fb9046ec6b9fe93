"""The ladder: every rung a valid dictionary, its damage as large as it says, its order that of an independent truth."""

import itertools

import numpy as np
import pytest
import torch
from fiducial.games.features import Feature, FeatureSet
from fiducial.models import ladder as ladder_module
from fiducial.models.controls import LinearDictionary, identity_dictionary
from fiducial.models.dictionary import Dictionary, encode_in_batches
from fiducial.models.edited_dictionary import EditedDictionary, row_uniforms, same
from fiducial.models.ladder import DAMAGES, NOISE_LEVELS, SHARES, SHARES_LOST, Rung, kept, known_order, ladder
from fiducial.models.ladder_base import implied_pairs, measured, parent_pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import PAIRS, Planted, world
from scipy.optimize import linear_sum_assignment
from scipy.stats import kstest
from sklearn.metrics import f1_score

BASE, X, LABELS = world()
RUNGS = ladder(BASE, X, parents=PAIRS, seed=0)
BY_NAME = {rung.name: rung.dictionary for rung in RUNGS}


def unit(rows):
    return rows / rows.norm(dim=1, keepdim=True)


def truth(dictionary, x=X, labels=LABELS, base=BASE):
    """Mean over true features of cosine times F1 of a one-to-one partner (scipy); .01 for leanness."""
    fires = (dictionary.encode(x) > 0).numpy().astype(float)
    both = labels.astype(float).T @ fires
    f1 = 2 * both / np.maximum(labels.sum(0)[:, None] + fires.sum(0)[None], 1)
    cosines = (unit(base.directions) @ unit(dictionary.directions).T).numpy()
    joint = np.maximum(cosines, 0) * f1
    rows, columns = linear_sum_assignment(-joint)
    matched = (joint[rows, columns] > 0.2).sum() / max(1, (fires.sum(0) > 0).sum())
    return joint[rows, columns].sum() / labels.shape[1] + 0.01 * matched


def explained(dictionary, x=X):
    error = (dictionary.decode(dictionary.encode(x)) - x).square().sum()
    return 1 - float(error / (x - x.mean(0)).square().sum())


def test_the_planted_base_is_exact():
    assert ((BASE.encode(X) > 0).numpy() == LABELS).all()
    assert explained(BASE) == pytest.approx(1, abs=1e-6)
    assert truth(BASE) == pytest.approx(1.01, abs=1e-5)


def test_all_damages_are_there_in_order_with_their_levels():
    assert [rung.damage for rung in RUNGS] == sorted((r.damage for r in RUNGS), key=DAMAGES.index)
    assert {rung.damage for rung in RUNGS} == set(DAMAGES)
    assert len(BY_NAME) == len(RUNGS)
    levels = {d: tuple(r.level for r in RUNGS if r.damage == d) for d in DAMAGES}
    assert levels["noise"] == NOISE_LEVELS
    assert all(levels[d] == SHARES for d in ("duplicated", "split", "merged", "absorbed"))
    assert levels["half"] == levels["dead"] == SHARES_LOST
    assert {"noise 0.5", "split 100%", "random", "random 4x L0", "half 25%"} <= set(BY_NAME)


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.name)
def test_every_rung_keeps_the_contract(rung):
    made = rung.dictionary
    assert isinstance(made, Dictionary)
    n_latents = len(made.directions)
    latents = made.encode(X[:200])
    assert latents.dtype == torch.float32
    assert latents.shape == (200, n_latents)
    assert torch.isfinite(latents).all()
    assert (latents >= 0).all()
    assert made.directions.shape == (n_latents, X.shape[1])
    assert torch.isfinite(made.directions).all()
    assert made.latent_names is None or len(made.latent_names) == n_latents
    decoded = made.decode(latents)
    assert decoded.shape == (200, X.shape[1])
    if "permuted encoder" not in rung.name:  # which keeps its directions for the report and writes as the base does
        offset = made.decode(torch.zeros(200, n_latents))
        torch.testing.assert_close(decoded, latents @ made.directions + offset, atol=1e-4, rtol=1e-4)
    with pytest.raises((ValueError, RuntimeError, IndexError)):
        made.decode(latents[:, 1:])


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.name)
def test_a_row_encodes_the_same_in_any_batch(rung):
    whole = rung.dictionary.encode(X[:257])
    order = torch.randperm(257, generator=torch.Generator().manual_seed(1))
    shuffled = torch.empty_like(whole)
    shuffled[order] = torch.cat([rung.dictionary.encode(part) for part in X[:257][order].split(10)])
    assert torch.equal(whole > 0, shuffled > 0)
    torch.testing.assert_close(whole, shuffled, atol=1e-5, rtol=1e-5)


def test_the_same_seed_gives_the_same_ladder_and_another_another():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    again, other = ladder(BASE, X, parents=PAIRS, seed=0), ladder(BASE, X, parents=PAIRS, seed=1)
    assert torch.equal(before, torch.random.get_rng_state())  # the global generator is left alone
    for one, two in zip(RUNGS, again, strict=True):
        assert torch.equal(one.dictionary.directions, two.dictionary.directions)
        assert torch.equal(one.dictionary.encode(X), two.dictionary.encode(X))
    differ = [
        one.dictionary.encode(X).shape != two.dictionary.encode(X).shape
        or not torch.equal(one.dictionary.encode(X), two.dictionary.encode(X))
        or not torch.equal(one.dictionary.directions, two.dictionary.directions)
        for one, two in zip(RUNGS, other, strict=True)
    ]
    # everything except the base and the levels that leave no choice
    assert {r.name for r, d in zip(RUNGS, differ, strict=True) if not d} <= {"none", "absorbed 100%", "duplicated 100%"}


def test_noise_turns_and_flips_as_much_as_it_says():
    for level in NOISE_LEVELS:
        made, cosine = BY_NAME[f"noise {level:g}"], 1 / np.sqrt(1 + level**2)
        cosines = (unit(made.directions) * unit(BASE.directions)).sum(1)
        torch.testing.assert_close(cosines, torch.full_like(cosines, cosine), atol=1e-5, rtol=0)
        latents = made.encode(X)
        f1 = f1_score(LABELS, (latents > 0).numpy(), average=None)
        assert f1.mean() == pytest.approx(cosine, abs=0.02)
        assert float((latents > 0).float().mean()) == pytest.approx(LABELS.mean(), rel=0.05)  # L0 stays
        assert float(latents.sum() / (latents > 0).sum()) == pytest.approx(1.25, abs=0.05)  # and so do the sizes
        assert not latents[~LABELS.any(1)].any()  # empty rows are all alike and stay empty


def test_damage_is_nested_level_in_level():
    flipped = [(BY_NAME[f"noise {v:g}"].encode(X) > 0).numpy() != LABELS for v in NOISE_LEVELS]
    for less, more in itertools.pairwise(flipped):
        assert (less <= more).all()
        assert less.sum() < more.sum()
    for damage, levels in (("dead", SHARES_LOST), ("absorbed", SHARES)):
        silent = [(BY_NAME[f"{damage} {v:.0%}"].encode(X) > 0).numpy() < LABELS for v in levels]
        assert all((less <= more).all() for less, more in itertools.pairwise(silent))
    names = [set(BY_NAME[f"half {v:.0%}"].latent_names) for v in SHARES_LOST]
    assert names[0] > names[1] > names[2]


def test_half_and_dead():
    for level in SHARES_LOST:
        half, dead = BY_NAME[f"half {level:.0%}"], BY_NAME[f"dead {level:.0%}"]
        assert len(half.directions) == round((1 - level) * 24)
        numbers = [int(name.split()[1]) for name in half.latent_names]
        assert numbers == sorted(numbers)
        assert torch.equal(half.directions, BASE.directions[numbers])
        torch.testing.assert_close(half.encode(X), BASE.encode(X)[:, numbers])
        assert int((dead.encode(X) > 0).any(0).sum()) == 24 - round(level * 24)
        assert torch.equal(dead.directions, BASE.directions)


def test_copies_write_what_the_original_did():
    for level in SHARES:
        made = BY_NAME[f"duplicated {level:.0%}"]
        assert len(made.directions) == 24 + round(level * 24)
        assert explained(made) == pytest.approx(1, abs=1e-6)
        latents = made.encode(X)
        for copy in range(24, latents.shape[1]):
            original = made.latent_names.index(made.latent_names[copy])
            assert torch.equal(latents[:, copy], latents[:, original])
            assert torch.equal(made.directions[copy], made.directions[original])
            torch.testing.assert_close(2 * latents[:, copy], BASE.encode(X)[:, original])


def test_halves_of_a_split_take_turns():
    made = BY_NAME["split 100%"]
    latents = made.encode(X)
    for copy in range(24, 48):
        original = made.latent_names.index(made.latent_names[copy])
        one, two = latents[:, original], latents[:, copy]
        assert not ((one > 0) & (two > 0)).any()
        torch.testing.assert_close(one + two, BASE.encode(X)[:, original])
        positives = int(LABELS[:, original].sum())
        assert abs(int((one > 0).sum()) - positives / 2) < 4 * np.sqrt(positives / 4)  # a fair coin
    cosines = (unit(made.directions) @ unit(BASE.directions).T).max(1).values
    torch.testing.assert_close(cosines, torch.full_like(cosines, 1 / np.sqrt(1.04)), atol=1e-5, rtol=0)
    assert explained(made) == pytest.approx(1 - 0.04 / 1.04, abs=0.02)


def test_merged_latents_fire_for_either_and_point_between():
    made = BY_NAME["merged 100%"]
    assert len(made.directions) == 12
    latents, base = made.encode(X), BASE.encode(X)
    seen = []
    for i, name in enumerate(made.latent_names):
        one, two = (int(part.split()[1]) for part in name.split(" + "))
        seen += [one, two]
        assert ((latents[:, i] > 0).numpy() == (LABELS[:, one] | LABELS[:, two])).all()
        torch.testing.assert_close(unit(BASE.directions[[one, two]].sum(0, keepdim=True))[0], made.directions[i])
        torch.testing.assert_close(latents[:, i], (base[:, one] + base[:, two]) / np.sqrt(2), atol=1e-5, rtol=1e-4)
    assert sorted(seen) == list(range(24))
    assert len(BY_NAME["merged 25%"].directions) == 24 - 3


def test_absorption_silences_parents_and_feeds_children():
    made = BY_NAME["absorbed 100%"]
    fires = (made.encode(X) > 0).numpy()
    for feature in range(24):
        children = [child for parent, child in PAIRS if parent == feature]
        expected = LABELS[:, feature] & ~LABELS[:, children].any(1)
        assert (fires[:, feature] == expected).all()
    chain = unit(BASE.directions[[0, 1, 3]].sum(0, keepdim=True))[0]  # 3 has taken up 1, and 1's parent 0
    torch.testing.assert_close(made.directions[3], chain)
    torch.testing.assert_close(made.directions[5], unit(BASE.directions[[4, 5]].sum(0, keepdim=True))[0])
    assert torch.equal(made.directions[0], BASE.directions[0])
    assert explained(made) > 0.85  # it costs little to rebuild with, which is why SAEs do it
    first = BY_NAME["absorbed 25%"]
    assert int((first.directions - BASE.directions).norm(dim=1).gt(1e-6).sum()) == 2


def test_a_circle_of_pairs_ends():
    made = ladder(BASE, X, parents=[(0, 1), (1, 0)], seed=0)
    latents = next(r for r in made if r.name == "absorbed 100%").dictionary.encode(X)
    assert torch.isfinite(latents).all()


def test_frozen_decoder_keeps_the_activity_and_has_the_best_lengths():
    made = BY_NAME["frozen decoder"]
    assert torch.equal(made.encode(X), BASE.encode(X))
    # an independent fit: scipy's non-negative least squares over all rows and coordinates
    from scipy.optimize import nnls

    rows = unit(made.directions).double().numpy()
    latents = BASE.encode(X).double().numpy()
    gram, target = (latents.T @ latents) * (rows @ rows.T), (latents * ((X.numpy() - 1.0) @ rows.T)).sum(0)
    root = np.linalg.cholesky(gram)
    lengths, _ = nnls(root.T, np.linalg.solve(root, target))
    np.testing.assert_allclose(made.directions.norm(dim=1).numpy(), np.maximum(lengths, 1e-3), atol=5e-3)
    error = (made.decode(made.encode(X)) - X).square().sum()
    assert 0.7 < float(error / (X - 1.0).square().sum()) < 1  # a little better than nothing at all


def test_random_rungs_have_the_l0_they_should():
    l0 = encode_in_batches(BASE, X).l0
    assert encode_in_batches(BY_NAME["random"], X).l0 == pytest.approx(round(l0), abs=0.6)
    # of 14 of 24 projections some are negative, and those do not fire
    assert 3 * l0 < encode_in_batches(BY_NAME["random 4x L0"], X).l0 <= round(4 * l0)
    assert BY_NAME["random"].directions.shape == BASE.directions.shape


def disorder(rungs, order):
    values = [truth(rung.dictionary) for rung in rungs]
    return [(rungs[i].name, rungs[j].name) for i, j in order if not values[i] > values[j]]


def test_the_known_order_is_that_of_an_independent_truth():
    order = known_order(RUNGS)
    assert not disorder(RUNGS, order)
    assert {(0, j) for j in range(1, len(RUNGS))} <= set(order)
    assert not any((j, i) in set(order) for i, j in order)
    # every rung, broken ones too, is the worse of some pair
    assert {j for _, j in order} == set(range(1, len(RUNGS)))


@pytest.mark.parametrize("name", ["hierarchical-exclusive", "superposition-2"])
def test_the_known_order_holds_for_the_oracle_of_a_superposed_world(name):
    from fiducial.games.synthetic import Synthetic
    from fiducial.models.oracle import oracle_dictionary

    made = Synthetic(name)
    sample = made.sample(6000, seed=0)
    oracle = oracle_dictionary(sample, made)
    labels = sample.features.unpack(sample.labels)
    rungs = ladder(oracle, sample.activations[:3000], parents=sample.features, seed=2)
    assert ("absorbed" in {rung.damage for rung in rungs}) == (name == "hierarchical-exclusive")
    values = [truth(rung.dictionary, sample.activations[3000:], labels[3000:], oracle) for rung in rungs]
    order = known_order(rungs)
    assert [(rungs[i].name, rungs[j].name) for i, j in order if not values[i] > values[j]] == []
    l0 = [encode_in_batches(rung.dictionary, sample.activations).l0 for rung in rungs if rung.damage == "noise"]
    np.testing.assert_allclose(l0, encode_in_batches(oracle, sample.activations).l0, rtol=0.05)


@pytest.mark.parametrize("damage", ["half", "split", "noise", "duplicated"])
def test_a_damage_that_does_nothing_is_noticed(damage, monkeypatch):
    """Mutation: with the base in place of a damaged copy the order no longer holds."""
    monkeypatch.setattr(ladder_module.make, damage, lambda facts, level, seed: facts.dictionary)
    broken = ladder(BASE, X, parents=PAIRS, seed=0)
    assert {worse for _, worse in disorder(broken, known_order(broken))} >= {
        rung.name for rung in broken if rung.damage == damage
    }


def test_known_order_can_be_limited_to_what_a_metric_must_notice():
    order = known_order(RUNGS, notices=("dead", "random"))
    assert {RUNGS[j].damage for _, j in order} == {"dead", "random"}
    assert set(order) < set(known_order(RUNGS))
    assert known_order(RUNGS, notices=()) == []
    two = [Rung("random", "random", 1.0, BASE), Rung("random 4x L0", "random", 4.0, BASE)]
    assert known_order(two) == []
    assert kept("none", 0) == kept("duplicated", 1) == 1
    assert kept("half", 0.75) == 0.25
    assert kept("noise", 1.0) == pytest.approx(np.sqrt(0.5))
    with pytest.raises(KeyError, match="merged"):
        kept("fused", 0.5)


def test_parents_from_a_feature_set_from_the_codes_and_as_pairs():
    facts = measured(BASE, X)
    parents = {child: parent for parent, child in PAIRS}
    features = FeatureSet(
        Feature(
            name=f"feature {i}",
            group="all",
            rung=0,
            definition="planted",
            parents=(f"feature {parents[i]}",) if i in parents else (),
        )
        for i in range(24)
    )
    assert parent_pairs(facts, features) == sorted(PAIRS)
    assert parent_pairs(facts, None) == sorted(PAIRS)  # found by implication, each child's rarest parent
    nameless = world(named=False)[0]
    assert parent_pairs(measured(nameless, X), features) == sorted(PAIRS)
    with pytest.raises(ValueError, match="give pairs of latents"):
        parent_pairs(measured(nameless, X), features.take(range(20)))
    for wrong in ([(0, 24)], [(3, 3)], [(-1, 2)]):
        with pytest.raises(ValueError, match="two different ones of 0 to 23"):
            parent_pairs(facts, wrong)
    assert not [rung for rung in ladder(BASE, X, parents=[]) if rung.damage == "absorbed"]


def test_nothing_is_implied_by_independent_latents_nor_by_one_that_is_always_on():
    rng = np.random.default_rng(0)
    latents = (rng.random((2000, 6)) < 0.2).astype(np.float32)
    latents[:, 0] = 1.0
    from fiducial.models.dictionary import Codes

    assert implied_pairs(Codes.from_dense(latents)) == []


def test_a_ladder_leaves_its_base_alone_and_needs_no_names():
    directions = BASE.directions.clone()
    base = Planted(directions.clone(), named=False)
    rungs = ladder(base, X, parents=PAIRS)
    for rung in rungs:
        rung.dictionary.decode(rung.dictionary.encode(X[:50]))
        assert rung.dictionary.latent_names is None
    assert torch.equal(base.directions, directions)
    assert [r.name for r in rungs] == [r.name for r in RUNGS]


def test_small_bases_make_fewer_rungs_and_tiny_ones_are_refused():
    small = Planted(BASE.directions[:4])
    rungs = ladder(small, X, parents=[(0, 1)])
    assert [r.name for r in rungs if r.damage == "merged"] == ["merged 25%", "merged 100%"]
    assert [r.name for r in rungs if r.damage == "absorbed"] == ["absorbed 25%"]  # one pair, one level
    for n in (1, 2, 3):
        with pytest.raises(ValueError, match=f"at least 4 latents.* has {n}"):
            ladder(Planted(BASE.directions[:n]), X)


def test_bases_and_samples_that_do_not_fit_are_refused_with_a_reason():
    signed = identity_dictionary(X.shape[1], split=False)
    with pytest.raises(ValueError, match="positive and negative half"):
        ladder(signed, X - X.mean(0))
    zero = torch.zeros(X.shape[1])
    dead = LinearDictionary("dead", torch.zeros(X.shape[1], 5), torch.ones(5, X.shape[1]), zero, zero)
    with pytest.raises(ValueError, match="no latent of 'dead' fires"):
        ladder(dead, X)
    for wrong in (X[:, 1:], X[0], X[:0], X.long()):
        with pytest.raises(ValueError, match="x must be floating"):
            ladder(BASE, wrong)
    facts = measured(BASE, X)
    with pytest.raises(ValueError, match="level of noise"):
        ladder_module.make.noise(facts, -1.0, 0)
    for level in (0.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match="above 0 and up to 1"):
            ladder_module.make.half(facts, level, 0)
    with pytest.raises(ValueError, match="at least one pair"):
        ladder_module.make.absorbed(facts, 0.5, 0, [])


def test_an_edited_dictionary_checks_its_parts():
    source, gain = torch.arange(24), torch.ones(24)
    with pytest.raises(ValueError, match="24 directions need as many entries"):
        EditedDictionary(BASE, "x", BASE.directions, same, source[1:], gain)
    with pytest.raises(ValueError, match="-1 to 23"):
        EditedDictionary(BASE, "x", BASE.directions, same, source + 1, gain)
    with pytest.raises(ValueError, match="but 1 names"):
        EditedDictionary(BASE, "x", BASE.directions, same, source, gain, latent_names=("a",))


def plain_uniform(row, column, seed):
    """The same numbers by the definition, in Python's whole numbers."""
    m = (1 << 64) - 1

    def mix(z):
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & m
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & m
        return z ^ (z >> 31)

    golden = 0x9E3779B97F4A7C15
    start = mix((seed * golden + 0x94D049BB133111EB) & m)
    bits = [int(b) & m for b in np.asarray(row, np.float32).view(np.int32).astype(np.int64)]
    key = sum(b * (mix((start + (i + 1) * golden) & m) | 1) for i, b in enumerate(bits))
    return (mix((mix((key + start) & m) + (column + 1) * golden) & m) >> 40) / 2**24


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=6))
def test_row_uniforms_follow_their_definition(seed, row):
    row = [value + 0.0 for value in row]
    found = row_uniforms(torch.tensor([row]), 3, seed)
    assert found[0].tolist() == [plain_uniform(row, column, seed) for column in range(3)]


def test_row_uniforms_are_uniform_and_independent():
    x = torch.randn(10_000, 6, generator=torch.Generator().manual_seed(0))
    dice = row_uniforms(x, 8, 5).numpy()
    assert dice.min() >= 0
    assert dice.max() < 1
    assert kstest(dice.ravel(), "uniform").pvalue > 0.001
    assert np.abs(np.corrcoef(dice.T) - np.eye(8)).max() < 0.04  # four standard errors
    assert np.abs(np.corrcoef(dice[1:, 0], dice[:-1, 0])[0, 1]) < 0.04
    assert not np.array_equal(dice, row_uniforms(x, 8, 6).numpy())
    close = np.stack([row_uniforms(x * (1 + 2.0**-23 * i), 1, 5)[:, 0] for i in range(2)])  # one last bit
    assert np.abs(np.corrcoef(close)[0, 1]) < 0.04
    assert torch.equal(row_uniforms(torch.tensor([[0.0, 1.0]]), 4, 0), row_uniforms(torch.tensor([[-0.0, 1.0]]), 4, 0))
