import dataclasses

import numpy as np
import pytest
import torch
from fiducial.models.dictionary import Dictionary
from fiducial.supervised_dicts.attribute_blocks import blocks_of
from fiducial.supervised_dicts.attribute_edits import project_out, set_projection
from fiducial.supervised_dicts.attribute_files import load_attributes, save_attributes
from fiducial.supervised_dicts.least_squares_codes import fit_mse
from fiducial.supervised_dicts.mean import fit_mean
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_attributes import NAMES, TRUE, VALUES, D, activations, crossed, drawn, one_hot

FORMS = ("independent", "coupled", "slots")
ATTRIBUTES = drawn(400)
X = activations(ATTRIBUTES, noise=0.01)


@pytest.fixture(scope="module", params=FORMS)
def made(request):
    return fit_mse(X, ATTRIBUTES, VALUES, parametrisation=request.param)


def test_it_is_a_dictionary_whose_latents_have_names(made):
    assert isinstance(made, Dictionary)
    assert len(set(made.latent_names)) == len(made.directions) == len(made.attribute_of) == len(made.counts)
    assert made.directions.dtype == made.encode(X).dtype == torch.float32
    assert {made.attribute_names[i] for i in made.attribute_of} == set(made.attribute_names)
    expected = {"independent": "IO=John", "coupled": "IO=John, Pos=S first", "slots": "third name=Eve"}
    assert expected[made.name.removeprefix("mse, ") if ", " in made.name else "independent"] in made.latent_names
    assert "latents on 12" in repr(made)


def test_codes_and_reconstruction_agree_with_plain_ones(made):
    codes = made.codes(ATTRIBUTES)
    assert (codes.sum(1) == len(made.blocks)).all()
    torch.testing.assert_close(made.decode(codes), made.reconstruct(ATTRIBUTES))
    assert torch.equal(codes.sum(0).long(), made.counts)
    for n in range(30):
        io, s, pos = (ATTRIBUTES[name][n] for name in VALUES)
        a, b, p = NAMES[io], NAMES[s], VALUES["Pos"][pos]
        first, second = (a, b) if pos == 0 else (b, a)
        names = {
            3: {f"IO={a}", f"S={b}", f"Pos={p}"},
            2: {f"IO={a}, Pos={p}", f"S={b}, Pos={p}"},
        }[len(made.blocks)]
        if "first name" in made.attribute_names:
            names = {f"first name={first}", f"second name={second}", f"third name={b}"}
        assert {made.latent_names[i] for i in codes[n].nonzero()[:, 0]} == names


def test_values_are_read_off_the_activation():
    for form in ("independent", "coupled"):
        made = fit_mean(X[:300], {k: v[:300] for k, v in ATTRIBUTES.items()}, VALUES, parametrisation=form)
        held = {k: v[300:] for k, v in ATTRIBUTES.items()}
        assert torch.equal(made.encode(X[300:]), made.codes(held))
    broken = dataclasses.replace(made, reads=-made.reads)
    assert not torch.equal(broken.encode(X[300:]), made.codes(held))


@pytest.mark.parametrize("attribute", VALUES)
@pytest.mark.parametrize("how", ["swap", "project", "set"])
def test_edits_give_the_activation_of_the_edited_prompt(attribute, how):
    attributes = crossed()
    x = activations(attributes)
    new = (attributes[attribute] + 1) % len(VALUES[attribute])
    wanted = activations({**attributes, attribute: new})
    made = fit_mse(x, attributes, VALUES)
    by_value = made.edit(x, attribute, attributes[attribute], new, how=how)
    assert torch.equal(by_value, made.edit(x, attribute, attributes, {attribute: new}, how=how))
    if how == "swap":
        torch.testing.assert_close(by_value, wanted, atol=1e-4, rtol=0)
    # The forms that set a projection lose what other attributes wrote along it, and nothing else.
    u, v = TRUE[attribute][attributes[attribute]].float(), TRUE[attribute][new].float()
    line = u if how == "project" else v - u
    rest = by_value - wanted
    off = rest - (rest * line).sum(1, keepdim=True) / line.square().sum(1, keepdim=True) * line
    assert off.abs().max() < 1e-4
    if how == "set":
        centred = by_value - made.offset - v
        assert (centred * line).sum(1).abs().max() < 1e-3


@pytest.mark.parametrize("form", ["coupled", "slots"])
@pytest.mark.parametrize("attribute", VALUES)
def test_edits_of_latents_of_several_attributes_touch_them_all(form, attribute):
    made = fit_mse(X, ATTRIBUTES, VALUES, parametrisation=form)
    after = {**ATTRIBUTES, attribute: (ATTRIBUTES[attribute] + 1) % len(VALUES[attribute])}
    expected = X - made.reconstruct(ATTRIBUTES) + made.reconstruct(after)
    torch.testing.assert_close(made.edit(X, attribute, ATTRIBUTES, after), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(made.edit(X, None, ATTRIBUTES, after), expected, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="also depend on"):
        made.edit(X, attribute, ATTRIBUTES[attribute], after[attribute])


def test_only_the_named_attribute_of_after_is_read():
    made = fit_mse(X, ATTRIBUTES, VALUES)
    everything = {name: (value + 1) % len(VALUES[name]) for name, value in ATTRIBUTES.items()}
    one = {**ATTRIBUTES, "IO": everything["IO"]}
    assert torch.equal(made.edit(X, "IO", ATTRIBUTES, everything), made.edit(X, "IO", ATTRIBUTES, one))


def test_an_edit_to_the_same_value_returns_the_activation_bit_for_bit():
    for form in FORMS:
        made = fit_mean(X, ATTRIBUTES, VALUES, parametrisation=form)
        for how in ("swap", "project", "set"):
            assert torch.equal(made.edit(X, "IO", ATTRIBUTES, ATTRIBUTES, how=how), X)


def test_projections_are_set_to_the_reference_and_nothing_else_moves():
    x = torch.randn(20, D, generator=torch.Generator().manual_seed(3))
    c, reference = torch.randn(2, D, generator=torch.Generator().manual_seed(4))
    unit = c / c.norm()
    by_hand = torch.stack([row + ((reference - row) @ unit) * unit for row in x])
    torch.testing.assert_close(set_projection(x, c, reference), by_hand)
    torch.testing.assert_close(project_out(x, c.expand(20, 1, D), reference), by_hand)
    published = torch.stack([row + ((reference @ unit) * unit.sum() - row @ unit) * unit for row in x])
    assert not torch.allclose(by_hand, published)
    both = torch.stack([c, 2 * c, torch.zeros(D)]).expand(20, 3, D)
    torch.testing.assert_close(project_out(x, both, reference), by_hand)
    assert torch.equal(set_projection(x, torch.zeros(D), reference), x)


def test_ablation_takes_an_attribute_out():
    attributes = crossed()
    x = activations(attributes)
    made = fit_mean(x, attributes, VALUES)
    subtracted = made.ablate(x, "IO", attributes["IO"], how="subtract")
    again = fit_mean(subtracted, attributes, VALUES)
    assert again.directions[:5].abs().max() < 1e-4
    torch.testing.assert_close(again.directions[5:], made.directions[5:], atol=1e-4, rtol=0)
    line = made.directions[attributes["IO"]]
    centred = made.ablate(x, "IO", attributes["IO"]) - made.offset
    assert (centred * line).sum(1).abs().max() < 1e-4
    with pytest.raises(ValueError, match="how must be"):
        made.ablate(x, "IO", attributes, how="zero")


def test_no_value_and_values_never_seen():
    attributes = {name: value.copy() for name, value in ATTRIBUTES.items()}
    attributes["S"][::3] = -1
    values = {**VALUES, "IO": (*NAMES, "Zoe")}
    x = X.clone()
    x[::3] -= TRUE["S"].float()[ATTRIBUTES["S"][::3]] + 1
    for fit in (fit_mean, fit_mse):
        made = fit(x, attributes, values)
        assert made.counts[5] == 0
        assert (made.directions[5] == 0).all()
        assert torch.isfinite(made.directions).all()
        codes = made.codes(attributes)
        assert (codes[::3, 6:11] == 0).all()
        read = made.encode(x)
        assert (read[:, 5] == 0).all()
        assert (read == codes).all(1).float().mean() > 0.95
        new = np.where(np.arange(400) % 2, 5, 0)
        assert (made.editable("IO", attributes, new) == ((new == 0) | (attributes["IO"] == 5))).all()
        given = made.edit(x, "S", attributes["S"], np.zeros(400, np.int64))
        torch.testing.assert_close(given[::3], x[::3] + made.directions[6])
        taken = made.edit(x, "S", attributes["S"], np.full(400, -1))
        torch.testing.assert_close(taken[1::3], x[1::3] - made.directions[6 + attributes["S"][1::3]])


def test_blocks_of_ones_own_and_their_errors():
    blocks = blocks_of(VALUES, ("IO", "S", "Pos"), [("IO", "Pos"), ("S",)])
    assert [block.name for block in blocks] == ["IO, Pos", "S"]
    cases = {
        "at least one attribute": ((), "independent"),
        "parametrisation must be one of": (("IO",), "slot"),
        "coupled needs two": (("IO",), "coupled"),
        "exactly three": (("IO", "Pos"), "slots"),
        "same values": (("IO", "Pos", "S"), "slots"),
        "is not one of": (("IO",), [("IO", "S")]),
        "each once": (("IO",), [("IO", "IO")]),
    }
    for message, (which, form) in cases.items():
        with pytest.raises(ValueError, match=message):
            blocks_of(VALUES, which, form)
    with pytest.raises(KeyError, match="did you mean 'Pos'"):
        blocks_of(VALUES, ("IO", "Poss"))


def test_wrong_inputs_are_named():
    made = fit_mean(X, ATTRIBUTES, VALUES)
    with pytest.raises(KeyError, match="no attribute 'Io'"):
        made.edit(X, "Io", ATTRIBUTES, ATTRIBUTES)
    with pytest.raises(KeyError, match="no attribute 'S'"):
        made.codes({"IO": ATTRIBUTES["IO"]})
    with pytest.raises(ValueError, match=r"from -1 .none. to 4"):
        made.edit(X, "IO", ATTRIBUTES["IO"], ATTRIBUTES["IO"] + 1)
    with pytest.raises(ValueError, match="must be integers"):
        made.codes({**ATTRIBUTES, "S": ATTRIBUTES["S"] * 1.0})
    with pytest.raises(ValueError, match="one length"):
        made.codes({**ATTRIBUTES, "S": ATTRIBUTES["S"][:5]})
    with pytest.raises(ValueError, match="400 activations and 5 values"):
        made.edit(X, "IO", ATTRIBUTES["IO"][:5], ATTRIBUTES["IO"][:5])
    with pytest.raises(ValueError, match=r"activations must be \[N, 12\]"):
        made.encode(X[:, :3])
    with pytest.raises(ValueError, match=r"latents must be \[N, 12\]"):
        made.decode(X[:, :3])
    with pytest.raises(ValueError, match="as mappings"):
        made.edit(X, None, ATTRIBUTES["IO"], ATTRIBUTES["IO"])
    with pytest.raises(ValueError, match="how must be"):
        made.edit(X, "IO", ATTRIBUTES, {"IO": (ATTRIBUTES["IO"] + 1) % 5}, how="add")


def test_a_file_brings_back_the_same_dictionary(tmp_path, made):
    path = tmp_path / "a.safetensors"
    save_attributes(made, path)
    again = load_attributes(path)
    assert (again.name, again.blocks, again.rank) == (made.name, made.blocks, made.rank)
    assert torch.equal(again.encode(X), made.encode(X))
    assert torch.equal(again.edit(X, "IO", ATTRIBUTES, crossed(8)), made.edit(X, "IO", ATTRIBUTES, crossed(8)))
    with pytest.raises(FileNotFoundError, match="no attribute dictionary"):
        load_attributes(tmp_path / "b.safetensors")
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match="truncated"):
        load_attributes(path)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 40), st.integers(0, 10_000), st.sampled_from(["independent", "coupled"]))
def test_few_rows_with_gaps_never_fail(n, seed, form):
    rng = np.random.default_rng(seed)
    attributes = {name: rng.integers(-1, len(v), n) for name, v in VALUES.items()}
    x = torch.from_numpy(rng.normal(size=(n, D))).float()
    for fit in (fit_mean, fit_mse):
        made = fit(x, attributes, VALUES, parametrisation=form)
        assert torch.isfinite(made.directions).all()
        assert made.directions.abs().max() < 1e3
        latents = made.encode(x)
        assert torch.isfinite(latents).all()
        assert (latents[:, made.counts == 0] == 0).all()
        assert set(latents.unique().tolist()) <= {0.0, 1.0}
    if form == "independent":
        assert torch.equal(made.codes(attributes).double(), torch.from_numpy(one_hot(attributes, VALUES)))
