import time

import fiducial.supervised_dicts.least_squares_codes as module
import numpy as np
import pytest
import torch
from fiducial.supervised_dicts.attribute_fitting import gather
from fiducial.supervised_dicts.attribute_probes import fit_attribute_probes
from fiducial.supervised_dicts.attribute_references import REFERENCES
from fiducial.supervised_dicts.attributes import AttributeDictionary
from fiducial.supervised_dicts.difference import fit_difference_of_means
from fiducial.supervised_dicts.least_squares_codes import fit_mse
from fiducial.supervised_dicts.mean import fit_mean
from planted_attributes import MEAN, TRUE, VALUES, D, activations, crossed, drawn, one_hot
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

ATTRIBUTES = drawn(300)
X = activations(ATTRIBUTES, noise=0.5)
FITS = list(REFERENCES)


def explained(made, x, attributes):
    error = (x - made.reconstruct(attributes)).square().sum()
    return float(1 - error / (x - x.mean(0)).square().sum())


def test_means_are_the_plain_ones():
    made = fit_mean(X, ATTRIBUTES, VALUES)
    np.testing.assert_allclose(made.offset, X.mean(0), atol=1e-5)
    for h, name in enumerate(made.latent_names):
        attribute, value = name.split("=")
        rows = ATTRIBUTES[attribute] == VALUES[attribute].index(value)
        np.testing.assert_allclose(made.directions[h], X[rows].mean(0) - X.mean(0), atol=1e-5)


def test_means_do_not_depend_on_the_other_attributes():
    alone = fit_mean(X, ATTRIBUTES, VALUES, which=("S",))
    torch.testing.assert_close(alone.directions, fit_mean(X, ATTRIBUTES, VALUES).directions[5:10])


@pytest.mark.parametrize("fit", [fit_mean, fit_mse, fit_difference_of_means])
def test_independent_attributes_give_the_planted_directions(fit):
    attributes = crossed()
    made = fit(activations(attributes), attributes, VALUES)
    expected = torch.cat([TRUE[name] for name in VALUES]).float()
    torch.testing.assert_close(made.directions, expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(made.offset, MEAN.float(), atol=1e-4, rtol=0)


def test_mse_equals_means_where_attributes_are_independent_and_not_elsewhere():
    attributes = crossed()
    x = activations(attributes, noise=1.0)
    torch.testing.assert_close(
        fit_mse(x, attributes, VALUES).directions, fit_mean(x, attributes, VALUES).directions, atol=1e-5, rtol=0
    )
    assert (fit_mse(X, ATTRIBUTES, VALUES).directions - fit_mean(X, ATTRIBUTES, VALUES).directions).abs().max() > 0.05


def check_against_numpy(fit):
    """Reconstructions and rank of the float64 pseudo-inverse; directions of the optimum's own equation."""
    codes = one_hot(ATTRIBUTES, VALUES)
    centred = X.double().numpy() - X.double().numpy().mean(0)
    made = fit(X, ATTRIBUTES, VALUES)
    oracle = codes @ (np.linalg.pinv(codes) @ centred)
    np.testing.assert_allclose(codes @ made.directions.double().numpy(), oracle, atol=1e-5)
    assert made.rank == np.linalg.matrix_rank(codes) == 10
    # A direction is the mean over its prompts of what the other attributes leave, up to the block's constant.
    residual = centred - codes @ made.directions.double().numpy()
    for h in range(12):
        np.testing.assert_allclose(residual[codes[:, h] > 0].mean(0), 0, atol=1e-5)
    # Every block averages to zero over the rows.
    for block in (slice(0, 5), slice(5, 10), slice(10, 12)):
        np.testing.assert_allclose((codes[:, block] @ made.directions[block].double().numpy()).mean(0), 0, atol=1e-5)


def test_mse_is_numpys_least_squares():
    check_against_numpy(fit_mse)


@pytest.mark.parametrize("broken", ["sign", "shuffled", "mean", "ridge"])
def test_broken_least_squares_would_be_noticed(monkeypatch, broken):
    good = module.assemble
    if broken == "sign":
        monkeypatch.setattr(module, "assemble", lambda n, s, u, r: good(n, s, -u, r))
    elif broken == "shuffled":
        monkeypatch.setattr(module, "assemble", lambda n, s, u, r: good(n, s, u.roll(1, 0), r))
    fit = {"mean": fit_mean, "ridge": lambda *a: fit_mse(*a, ridge=0.1)}.get(broken, fit_mse)
    with pytest.raises(AssertionError):
        check_against_numpy(fit)


def test_rank_deficient_codes_and_ridge():
    rng = np.random.default_rng(0)
    sizes = {"a": 18, "b": 18, "c": 2, "d": 5}
    attributes = {name: rng.integers(0, size, 3000) for name, size in sizes.items()}
    values = {name: tuple(map(str, range(size))) for name, size in sizes.items()}
    codes = one_hot(attributes, sizes, values)
    x = torch.from_numpy(codes @ rng.normal(size=(43, 16)) + 3).float()
    made = fit_mse(x, attributes, values, which=tuple(sizes))
    assert codes.shape[1] == 43
    assert made.rank == np.linalg.matrix_rank(codes) == 40
    torch.testing.assert_close(made.reconstruct(attributes), x, atol=1e-3, rtol=0)
    assert made.directions.norm(dim=1).max() < 20
    norms = [
        float(fit_mse(x, attributes, values, which=tuple(sizes), ridge=r).directions.norm()) for r in (0, 0.1, 1, 10)
    ]
    assert norms == sorted(norms, reverse=True)
    assert norms[-1] < 0.2 * norms[0]
    twin = {**attributes, "e": attributes["d"]}
    again = fit_mse(x, twin, {**values, "e": values["d"]}, which=(*sizes, "e"))
    assert again.rank == 40
    torch.testing.assert_close(again.reconstruct(twin), x, atol=1e-3, rtol=0)
    torch.testing.assert_close(again.directions[38:43], again.directions[43:48], atol=1e-4, rtol=0)


def test_ridge_is_the_plain_penalised_optimum():
    codes = one_hot(ATTRIBUTES, VALUES)
    centred = X.double().numpy() - X.double().numpy().mean(0)
    plain = np.linalg.solve(codes.T @ codes + 0.3 * codes.sum(0).mean() * np.eye(12), codes.T @ centred)
    made = fit_mse(X, ATTRIBUTES, VALUES, ridge=0.3).directions.double().numpy()
    for block in (slice(0, 5), slice(5, 10), slice(10, 12)):  # up to the shift of every block
        np.testing.assert_allclose(made[block] - made[block][0], plain[block] - plain[block][0], atol=1e-5)


def test_coupled_latents_can_say_all_that_independent_ones_can_and_slots_cannot():
    attributes = drawn(2000)
    x = activations(attributes)
    assert explained(fit_mse(x, attributes, VALUES), x, attributes) > 1 - 1e-6
    assert explained(fit_mse(x, attributes, VALUES, parametrisation="coupled"), x, attributes) > 1 - 1e-6
    assert explained(fit_mse(x, attributes, VALUES, parametrisation="slots"), x, attributes) < 0.9


def test_slots_are_right_where_names_stand_in_slots():
    attributes = drawn(500)
    generator = torch.Generator().manual_seed(5)
    first, second, third = torch.randn(3, 5, D, generator=generator)
    io, s = torch.from_numpy(attributes["IO"]), torch.from_numpy(attributes["S"])
    io_first = torch.from_numpy(attributes["Pos"] == 0)
    x = first[torch.where(io_first, io, s)] + second[torch.where(io_first, s, io)] + third[s]
    made = fit_mse(x, attributes, VALUES, parametrisation="slots")
    assert explained(made, x, attributes) > 1 - 1e-6
    assert explained(fit_mse(x, attributes, VALUES), x, attributes) < 0.9


def test_difference_of_means_by_hand():
    made = fit_difference_of_means(X, ATTRIBUTES, VALUES, strength=1.0)
    for h, name in enumerate(made.latent_names):
        attribute, value = name.split("=")
        rows = ATTRIBUTES[attribute] == VALUES[attribute].index(value)
        np.testing.assert_allclose(made.directions[h], X[rows].mean(0) - X[~rows].mean(0), atol=1e-5)
    fitted = fit_difference_of_means(X, ATTRIBUTES, VALUES)
    ratios = fitted.directions.norm(dim=1) / made.directions.norm(dim=1)
    predicted = np.stack([made.directions.numpy()[b][ATTRIBUTES[n]] for n, b in BLOCKS.items()], -1).reshape(-1, 3)
    oracle = np.linalg.lstsq(predicted, (X - X.mean(0)).numpy().ravel(), rcond=None)[0]
    for s, block in zip(oracle, BLOCKS.values(), strict=True):
        np.testing.assert_allclose(ratios[block], s, atol=1e-4)


BLOCKS = {"IO": slice(0, 5), "S": slice(5, 10), "Pos": slice(10, 12)}


def test_logistic_probes_are_sklearns():
    made = fit_attribute_probes(X, ATTRIBUTES, VALUES, l2=1.0)
    x = X.numpy()
    scaled = (x - x.mean(0)) / x.std(0)
    for h in (0, 7, 10):
        truth = made.codes(ATTRIBUTES)[:, h].numpy()
        oracle = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(scaled, truth)
        ours = (X - made.offset) @ made.reads[h] + made.read_biases[h]
        np.testing.assert_allclose(ours, oracle.decision_function(scaled), atol=0.15)


def test_multinomial_probes_are_sklearns():
    made = fit_attribute_probes(X, ATTRIBUTES, VALUES, kind="multinomial", l2=1.0)
    x = X.numpy()
    scaled = (x - x.mean(0)) / x.std(0)
    oracle = LogisticRegression(C=1.0, tol=1e-8, max_iter=2000).fit(scaled, ATTRIBUTES["IO"])
    ours = ((X - made.offset) @ made.reads[:5].T + made.read_biases[:5]).softmax(1)
    np.testing.assert_allclose(ours, oracle.predict_proba(scaled), atol=0.01)


def test_probe_directions_lie_along_the_probes_and_carry_the_means():
    made = fit_attribute_probes(X, ATTRIBUTES, VALUES)
    means = fit_mean(X, ATTRIBUTES, VALUES).directions
    unit = torch.nn.functional.normalize(made.reads[:12], dim=1)
    torch.testing.assert_close((made.directions * unit).sum(1), (means * unit).sum(1), atol=1e-4, rtol=0)
    torch.testing.assert_close(made.directions.norm(dim=1), (means * unit).sum(1).abs(), atol=1e-4, rtol=0)


def test_the_read_out_is_sklearns_discriminant_analysis():
    noisy = activations(ATTRIBUTES, noise=2.0)
    made = fit_mean(noisy, ATTRIBUTES, VALUES)
    oracle = LinearDiscriminantAnalysis().fit(noisy.numpy(), ATTRIBUTES["IO"])
    ours = made.encode(noisy)[:, :5].argmax(1).numpy()
    assert (ours == oracle.predict(noisy.numpy())).mean() > 0.99
    assert 0.3 < (ours == ATTRIBUTES["IO"]).mean() < 0.99


@pytest.mark.parametrize("name", FITS)
def test_every_reference_behind_one_interface(name):
    made = REFERENCES[name](X, ATTRIBUTES, VALUES)
    assert isinstance(made, AttributeDictionary)
    assert made.name == name
    assert explained(made, X, ATTRIBUTES) > 0.4
    assert (made.encode(X) * made.codes(ATTRIBUTES)).sum(1).mean() > 2.7
    again = REFERENCES[name](X.double(), {k: torch.from_numpy(v) for k, v in ATTRIBUTES.items()}, VALUES)
    torch.testing.assert_close(made.directions, again.directions, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", FITS)
def test_permuted_values_explain_nothing_on_held_out_rows(name):
    order = np.random.default_rng(3).permutation(300)
    attributes = {k: v[order] for k, v in ATTRIBUTES.items()}
    made = REFERENCES[name](X[:200], {k: v[:200] for k, v in attributes.items()}, VALUES)
    assert explained(made, X[200:], {k: v[200:] for k, v in attributes.items()}) < 0.05


@pytest.mark.parametrize("name", FITS)
def test_activations_that_never_vary_and_attributes_of_one_value(name):
    made = REFERENCES[name](torch.ones(50, 4), drawn(50), VALUES)
    assert torch.isfinite(made.directions).all()
    assert made.directions.abs().max() < 1e-6
    single = {k: np.zeros(300, np.int64) for k in VALUES}
    made = REFERENCES[name](X, single, VALUES)
    assert made.directions.abs().max() < 1e-5
    assert torch.equal(made.encode(X), made.codes(single))


@pytest.mark.parametrize("name", FITS)
def test_wrong_inputs_are_named(name):
    fit = REFERENCES[name]
    with pytest.raises(TypeError, match="must be a torch tensor, got ndarray"):
        fit(X.numpy(), ATTRIBUTES, VALUES)
    with pytest.raises(ValueError, match="row 3 are not finite"):
        fit(torch.where(torch.arange(300)[:, None] == 3, torch.nan, X), ATTRIBUTES, VALUES)
    with pytest.raises(ValueError, match="299 activations and 300 values"):
        fit(X[1:], ATTRIBUTES, VALUES)
    with pytest.raises(KeyError, match="no attribute 'IO'"):
        fit(X, {"S": ATTRIBUTES["S"]}, VALUES)


def test_parameters_out_of_range_are_named():
    for call in (
        lambda: fit_mse(X, ATTRIBUTES, VALUES, ridge=-1.0),
        lambda: fit_attribute_probes(X, ATTRIBUTES, VALUES, l2=0.0),
        lambda: fit_attribute_probes(X, ATTRIBUTES, VALUES, kind="svm"),
    ):
        with pytest.raises(ValueError, match=r"got (-1.0|0.0|'svm')"):
            call()


def test_sums_in_chunks_cover_the_last_rows(monkeypatch):
    whole = gather(X, ATTRIBUTES, VALUES, tuple(VALUES), "independent")
    monkeypatch.setattr("fiducial.supervised_dicts.attribute_fitting._ROWS", 77)
    parts = gather(X, ATTRIBUTES, VALUES, tuple(VALUES), "independent")
    for name in ("gram", "cross", "scatter"):
        torch.testing.assert_close(getattr(whole, name), getattr(parts, name))


def test_the_squares_of_a_board_take_under_a_second():
    rng = np.random.default_rng(0)
    squares = {f"s{i}": rng.integers(0, 3, 20_000) for i in range(64)}
    values = dict.fromkeys(squares, ("empty", "mine", "yours"))
    x = torch.randn(20_000, 128, generator=torch.Generator().manual_seed(0))
    start = time.process_time()
    made = fit_mse(x, squares, values, which=tuple(squares))
    assert time.process_time() - start < 5  # .2 s on one free core; process time here may count several threads
    assert made.rank == 129
    assert len(made.directions) == 192
