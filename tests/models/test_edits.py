"""Edits: valid dictionaries that change exactly what they declare and that add no truth."""

import dataclasses

import numpy as np
import pytest
import torch
from fiducial.models.controls import LinearDictionary, identity_dictionary, random_dictionary
from fiducial.models.dictionary import Dictionary, encode_in_batches
from fiducial.models.edits import CHANGES, EDITS, edit_named
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import D, Planted, world

ORACLE, X, LABELS = world()


def learned(named=True, n=40):
    """Something like a trained SAE: overcomplete, some truth, wrong lengths, a bias that is off, a few latents dead."""
    generator = torch.Generator().manual_seed(7)
    directions = torch.cat([ORACLE.directions, torch.randn(n - 24, D, generator=generator) / D**0.5])
    directions = directions + 0.1 * torch.randn(n, D, generator=generator)
    directions = directions * (0.5 + torch.rand(n, 1, generator=generator))
    reading = directions.T / directions.square().sum(1) * 0.9
    reading[:, -2:] = 0.0
    offset = torch.full((D,), 0.9)
    names = tuple(f"latent {i}" for i in range(n)) if named else None
    return LinearDictionary("learned", reading.contiguous(), directions, offset, offset, 6, latent_names=names)


BASE = learned()
MADE = {name: edit.make(BASE, X, seed=0) for name, edit in EDITS.items()}


def unit(rows):
    return rows / rows.norm(dim=1, keepdim=True)


def offset_of(dictionary):
    return dictionary.decode(torch.zeros(5, len(dictionary.directions)))[0]


def seen_changes(base, made, x):
    """Which of CHANGES an edit touches, measured."""
    found = set()
    before, after = base.encode(x), made.encode(x)
    if before.shape != after.shape or not torch.allclose(before, after, atol=1e-5):
        found.add("codes")
    one, two = unit(base.directions), unit(made.directions)
    if one.shape != two.shape or not torch.allclose(one, two, atol=1e-5):
        found.add("directions")
    rebuilt = base.decode(before)
    if (rebuilt - made.decode(after)).norm() > 1e-3 * (rebuilt - rebuilt.mean(0)).norm():
        found.add("reconstruction")
    return found


@pytest.mark.parametrize("name", EDITS)
def test_the_record_is_complete_and_true(name):
    edit = EDITS[name]
    assert edit.name == name
    assert len(edit.description) > 20
    assert set(edit.changes) <= set(CHANGES)
    assert edit.changes == tuple(sorted(edit.changes, key=CHANGES.index))
    assert seen_changes(BASE, MADE[name], X) == set(edit.changes)


def test_a_false_record_would_be_noticed():
    """Mutation: an edit under another's record."""
    lying = dataclasses.replace(EDITS["rotate"], changes=("codes",))
    assert seen_changes(BASE, lying.make(BASE, X), X) != set(lying.changes)


@pytest.mark.parametrize("base", [BASE, learned(named=False), ORACLE], ids=["learned", "nameless", "oracle"])
@pytest.mark.parametrize("name", EDITS)
def test_every_edit_keeps_the_contract_and_leaves_the_base_alone(name, base):
    weights, before = base.directions.clone(), base.encode(X)
    made = EDITS[name].make(base, X, seed=3)
    assert isinstance(made, Dictionary)
    latents = made.encode(X)
    assert made.name == f"{base.name}, {name}"
    assert latents.shape == (len(X), len(made.directions))
    assert latents.dtype == made.directions.dtype == torch.float32
    assert torch.isfinite(latents).all()
    assert (latents >= 0).all()
    decoded = made.decode(latents)
    torch.testing.assert_close(decoded, latents @ made.directions + offset_of(made), atol=2e-4, rtol=1e-3)
    names = made.latent_names
    assert (names is None) == (base.latent_names is None)
    assert names is None or len(names) == len(made.directions)
    assert torch.equal(base.directions, weights)
    assert torch.equal(base.encode(X), before)
    with pytest.raises(ValueError, match="must be"):
        made.decode(latents[:, 1:])


@pytest.mark.parametrize("name", EDITS)
def test_the_seed_decides_and_a_row_encodes_the_same_in_any_batch(name):
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    again = EDITS[name].make(BASE, X, seed=0)
    assert torch.equal(before, torch.random.get_rng_state())
    whole = MADE[name].encode(X)
    assert torch.equal(whole, again.encode(X))
    assert torch.equal(MADE[name].directions, again.directions)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1))
    parts = torch.empty_like(whole[:300])
    parts[order] = torch.cat([again.encode(part) for part in X[:300][order].split(7)])
    torch.testing.assert_close(parts, whole[:300], atol=1e-5, rtol=1e-5)


def test_another_seed_is_another_edit_where_there_is_a_choice():
    no_choice = {
        "norms into latents",
        "binarise",
        "append components",
        "append coordinates",
        "drop rarest",
        "drop densest",
        "raise threshold",
        "correct bias",
        "lower threshold",  # the seed chooses the rows it is found on, and these are all of them
    }
    for name, edit in EDITS.items():
        other = edit.make(BASE, X, seed=1)
        alike = seen_changes(MADE[name], other, X) == set()
        alike = alike and torch.equal(other.directions, MADE[name].directions)
        assert alike == (name in no_choice), name


def test_scales_undo_each_other():
    before = BASE.encode(X)
    for name in ("rescale all", "rescale each", "norms into latents"):
        made = MADE[name]
        factors = BASE.directions.norm(dim=1) / made.directions.norm(dim=1)
        torch.testing.assert_close(made.encode(X), before * factors, atol=1e-5, rtol=1e-4)
        assert 0.09 < float(factors.min()) <= float(factors.max()) < 10.1
    assert (
        len(set((BASE.directions.norm(dim=1) / MADE["rescale all"].directions.norm(dim=1)).round(decimals=4).tolist()))
        == 1
    )
    torch.testing.assert_close(MADE["norms into latents"].directions.norm(dim=1), torch.ones(40))


def test_copies_and_parts_add_up_to_the_original():
    before = BASE.encode(X)
    for name in ("duplicate", "split"):
        made = MADE[name]
        after = made.encode(X)
        assert after.shape[1] == 60
        total = torch.zeros_like(before)
        for i, latent in enumerate(made.latent_names):
            total[:, BASE.latent_names.index(latent)] += after[:, i]
        torch.testing.assert_close(total, before)
    after = MADE["split"].encode(X)
    for copy in range(40, 60):
        original = MADE["split"].latent_names.index(MADE["split"].latent_names[copy])
        assert not ((after[:, copy] > 0) & (after[:, original] > 0)).any()


def test_what_is_appended_is_what_it_says_and_the_rest_stays():
    before = BASE.encode(X)
    counts = {
        "append always on": 2,
        "append dense random": 2,
        "append dead": 10,
        "append components": 16,
        "append coordinates": 64,
    }
    for name, n in counts.items():
        made = MADE[name]
        after = made.encode(X)
        assert after.shape[1] == 40 + n
        torch.testing.assert_close(after[:, :40], before)
        assert torch.equal(made.directions[:40], BASE.directions)
        assert made.latent_names[:40] == BASE.latent_names
        rate = (after[:, 40:] > 0).float().mean(0)
        if name == "append always on":
            assert (after[:, 40:] == after[0, 40]).all()
            assert float(after[0, 40]) > 0
        elif name == "append dead":
            assert not after[:, 40:].any()
        else:
            assert ((rate > 0.15) & (rate < 0.85)).all()
    halves = MADE["append coordinates"].encode(X)[:, 40:]
    torch.testing.assert_close(halves[:, :D] - halves[:, D:], X - X.mean(0), atol=1e-5, rtol=1e-4)


def test_components_agree_with_scikit_learn_and_help_a_base_that_shrinks():
    from sklearn.decomposition import PCA

    after = MADE["append components"].encode(X)[:, 40:]
    scores = PCA(8).fit_transform(X.double().numpy())
    np.testing.assert_allclose(np.abs((after[:, :8] - after[:, 8:]).numpy()), np.abs(scores), atol=2e-3)

    def error(made):
        return float((made.decode(made.encode(X)) - X).square().sum())

    assert error(MADE["append components"]) < error(BASE)
    assert error(MADE["append coordinates"]) < error(BASE)
    assert error(MADE["correct bias"]) < error(BASE)
    torch.testing.assert_close(
        MADE["correct bias"].decode(MADE["correct bias"].encode(X)).mean(0), X.mean(0), atol=1e-5, rtol=1e-5
    )
    exact = EDITS["append coordinates"].make(ORACLE, X)  # nothing left to write: the least there is
    assert float(exact.directions[24:].norm(dim=1).max()) == pytest.approx(1e-4, rel=1e-4)


def test_dropped_latents_are_the_rarest_and_the_densest():
    rate = (BASE.encode(X) > 0).float().mean(0)
    kept = {name: [int(n.split()[1]) for n in MADE[name].latent_names] for name in ("drop rarest", "drop densest")}
    gone = {name: sorted(set(range(40)) - set(numbers)) for name, numbers in kept.items()}
    assert len(gone["drop rarest"]) == 10
    assert len(gone["drop densest"]) == 4
    assert rate[gone["drop rarest"]].max() <= rate[kept["drop rarest"]].min()
    assert rate[gone["drop densest"]].min() >= rate[kept["drop densest"]].max()
    assert torch.equal(MADE["drop rarest"].directions, BASE.directions[kept["drop rarest"]])


def test_thresholds_move_the_rate_and_nothing_that_stays():
    before, raised, lowered = (d.encode(X) for d in (BASE, MADE["raise threshold"], MADE["lower threshold"]))
    fires = before > 0
    assert ((raised > 0) <= fires).all()
    assert torch.equal(raised[raised > 0], before[raised > 0])
    for i in fires.any(0).nonzero().flatten().tolist():
        values = before[fires[:, i], i]
        quartile = values.sort().values[len(values) // 4]
        stayed = raised[fires[:, i], i] > 0
        assert stayed[values >= quartile].all()
        assert not stayed[values < 0.9999 * quartile].any()
    assert (fires <= (lowered > 0)).all()
    assert torch.equal(lowered[fires], before[fires])
    alive = fires.any(0)
    assert float((lowered > 0).sum() / fires.sum()) > 1.1
    assert ((lowered > 0).sum(0)[alive] <= 3 * fires.sum(0)[alive] + 2).all()
    assert not lowered[:, ~alive].any()


def test_binarised_latents_have_one_value_and_the_same_mean():
    before, after = BASE.encode(X), MADE["binarise"].encode(X)
    assert torch.equal(after > 0, before > 0)
    torch.testing.assert_close(after.mean(0), before.mean(0), atol=1e-4, rtol=1e-3)
    assert all(len(column[column > 0].unique()) <= 1 for column in after.T)


def test_directions_turn_as_far_as_they_say():
    cosines = (unit(MADE["rotate"].directions) * unit(BASE.directions)).sum(1)
    assert float(cosines.mean()) == pytest.approx(np.cos(0.2), abs=0.01)
    gram = MADE["rotate"].directions @ MADE["rotate"].directions.T  # a rotation keeps all angles and lengths
    torch.testing.assert_close(gram, BASE.directions @ BASE.directions.T, atol=1e-4, rtol=1e-3)
    replaced = (MADE["replace some"].directions != BASE.directions).any(1)
    assert int(replaced.sum()) == 4
    torch.testing.assert_close(MADE["replace some"].directions.norm(dim=1), BASE.directions.norm(dim=1))
    swapped = MADE["swap neighbours"].directions
    moved = (swapped != BASE.directions).any(1).nonzero().flatten().tolist()
    assert len(moved) == 20
    for i in moved:
        j = (BASE.directions == swapped[i]).all(1).nonzero().flatten().tolist()
        assert len(j) == 1
        assert torch.equal(swapped[j[0]], BASE.directions[i])  # in pairs
    both = (unit(swapped)[moved] * unit(BASE.directions)[moved]).sum(1)
    everyone = unit(BASE.directions) @ unit(BASE.directions).T
    assert float(both.mean()) > float(everyone[~torch.eye(40, dtype=torch.bool)].mean()) + 0.1  # with near ones


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31 - 1), st.sampled_from(sorted(EDITS)))
def test_no_edit_adds_truth_to_an_oracle(seed, name):
    """The mean over true features of the best cosine times F1 of a latent is 1 for the oracle, and can only fall."""
    made = EDITS[name].make(ORACLE, X, seed)
    fires = (made.encode(X) > 0).numpy().astype(float)
    f1 = 2 * (LABELS.astype(float).T @ fires) / np.maximum(LABELS.sum(0)[:, None] + fires.sum(0)[None], 1)
    truth = ((unit(ORACLE.directions) @ unit(made.directions).T).numpy() * f1).max(1).mean()
    assert truth <= 1 + 1e-5
    if not set(EDITS[name].changes) & {"reconstruction"} and name not in ("split", "duplicate", "mix pairs"):
        assert truth == pytest.approx(1, abs=1e-5)


def test_signed_bases_are_welcome():
    signed = identity_dictionary(D, split=False)
    centred = X - X.mean(0)
    for name, edit in EDITS.items():
        made = edit.make(signed, centred, seed=0)
        latents = made.encode(centred)
        torch.testing.assert_close(
            made.decode(latents), latents @ made.directions + offset_of(made), atol=1e-3, rtol=1e-3, msg=name
        )


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("name", EDITS)
def test_one_or_two_latents_work_or_say_why_not(name, n):
    base = Planted(ORACLE.directions[:n])
    if n < EDITS[name].fewest:
        with pytest.raises(ValueError, match="at least 2 latents, 'planted' has 1"):
            EDITS[name].make(base, X)
        return
    made = EDITS[name].make(base, X)
    assert made.decode(made.encode(X[:9])).shape == (9, D)


def test_a_base_that_scales_each_row_keeps_its_scales_where_directions_stay():
    from fiducial.models.sae_dictionary import SAEDictionary
    from sae_lens import SAE

    sae = SAE.from_dict({"architecture": "standard", "d_in": D, "d_sae": 12, "normalize_activations": "layer_norm"})
    generator = torch.Generator().manual_seed(3)
    for value in sae.parameters():
        value.data = 0.3 * torch.randn(value.shape, generator=generator)
    base = SAEDictionary(sae)
    rebuilt = base.decode(base.encode(X))
    for name in ("rescale each", "duplicate", "split", "append dead"):
        made = EDITS[name].make(base, X)
        torch.testing.assert_close(made.decode(made.encode(X)), rebuilt, atol=1e-4, rtol=1e-4, msg=name)
    for edit in EDITS.values():
        made = edit.make(base, X)
        assert torch.isfinite(made.decode(made.encode(X))).all()


def test_wrong_arguments_are_refused_with_a_reason():
    with pytest.raises(KeyError, match="near: split"):
        edit_named("splitt")
    assert edit_named("split") is EDITS["split"]
    for wrong in (X[:, 1:], X[0], X[:0]):
        with pytest.raises(ValueError, match="x must be floating"):
            EDITS["split"].make(BASE, wrong)
    with pytest.raises(ValueError, match="at least 2 rows"):
        EDITS["lower threshold"].make(BASE, X[:1])
    zero = torch.zeros(D)
    with pytest.raises(ValueError, match="no latent of 'dead' fires"):
        EDITS["split"].make(LinearDictionary("dead", torch.zeros(D, 3), torch.ones(3, D), zero, zero), X)


def test_edits_stack():
    made = EDITS["append dead"].make(EDITS["duplicate"].make(BASE, X), X)
    assert made.name == "learned, duplicate, append dead"
    torch.testing.assert_close(made.decode(made.encode(X)), BASE.decode(BASE.encode(X)), atol=1e-5, rtol=1e-4)
    random = random_dictionary(X, 30, 4)
    assert encode_in_batches(EDITS["split"].make(random, X), X).l0 == pytest.approx(encode_in_batches(random, X).l0)
