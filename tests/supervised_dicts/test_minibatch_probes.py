"""Probes fitted in batches, and supervised dictionaries at rest."""

import numpy as np
import pytest
import torch
from fiducial.supervised_dicts.files import load_supervised, save_supervised
from fiducial.supervised_dicts.minibatch_probes import fit_probes_in_batches
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, log_loss

NAMES = ("first", "second", "third", "never")


def planted(n=6000, d=12, seed=0):
    """Noisy linear labels of different frequency, and one that never holds."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) * np.linspace(0.1, 5, d) + 3
    scaled = (x - 3) / np.linspace(0.1, 5, d)
    logits = scaled @ rng.standard_normal((d, 3)) * 1.5 - np.array([0, 2, 3.5])
    y = np.concatenate([rng.random((n, 3)) < 1 / (1 + np.exp(-logits)), np.zeros((n, 1), bool)], axis=1)
    return torch.from_numpy(x.astype(np.float32)), y


def fit(x, y, **options):
    packed = np.packbits(y, axis=-1, bitorder="little")
    options = {"feature_names": NAMES, "batch_size": 256, "epochs": 40, "lr": 0.05, "progress": False, **options}
    return fit_probes_in_batches(x, packed, **options)


@pytest.fixture(scope="module")
def made():
    return fit(*planted())


def test_probes_come_near_scikit_learn_on_held_out_data():
    x, y = planted()
    train, test = slice(0, 4000), slice(4000, None)
    ours = fit(x[train], y[train])
    for i in range(3):
        oracle = LogisticRegression(C=1e4, max_iter=5000).fit(x[train].numpy(), y[train, i])
        best = log_loss(y[test, i], oracle.predict_proba(x[test].numpy())[:, 1])
        got = log_loss(y[test, i], ours.scores(x[test])[:, i].numpy())
        assert abs(got - best) < 0.02, i


def test_latents_fire_where_the_feature_is_predicted(made):
    x, y = planted()
    codes = made.encode(x)
    assert (codes >= 0).all()
    assert made.constant.tolist() == [False, False, False, True]
    assert not codes[:, 3].any()
    for i in range(3):
        assert f1_score(y[:, i], (codes[:, i] > 0).numpy()) > {0: 0.8, 1: 0.7, 2: 0.6}[i]
    plain = made.with_cuts(torch.zeros(4)).encode(x)
    assert codes.count_nonzero() < plain.count_nonzero()


def test_directions_rebuild_the_activations_better_than_their_mean(made):
    x, _ = planted()
    scale = x.var(0)
    error = ((made.decode(made.encode(x)) - x).pow(2).mean(0) / scale).mean()
    assert 0.2 < float(error) < 0.95


def test_columns_choose_bits_and_the_seed_fixes_the_result(made):
    x, y = planted()
    two = fit(x, y, feature_names=("third", "first"), columns=np.array([2, 0]))
    assert two.latent_names == ("third", "first")
    agree = (two.scores(x)[:, 1] - made.scores(x)[:, 0]).abs().mean()
    assert float(agree) < 0.01
    again = fit(x, y)
    assert torch.equal(again.weights, made.weights)
    assert torch.equal(again.directions, made.directions)
    assert not torch.equal(fit(x, y, seed=1).weights, made.weights)


def test_labels_of_other_rows_are_detected():
    """Mutation: the same fit on labels shifted by one row loses what it found."""
    x, y = planted()
    wrong = fit(x, np.roll(y, 1, axis=0))
    assert f1_score(y[:, 0], (wrong.encode(x)[:, 0] > 0).numpy()) < 0.75


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feature_names": ("a", "b")}, r"one column a name|for 2 names"),
        ({"columns": np.array([0, 1, 2, 99])}, r"within the 8 bits"),
        ({"batch_size": 10_000}, r"at least one batch of 10000"),
        ({"epochs": 0}, r"one epoch, got 6000 and 0"),
    ],
)
def test_refusals(change, message):
    x, y = planted()
    if "feature_names" in change:
        change = {**change, "columns": np.array([0, 1, 2])}
    with pytest.raises(ValueError, match=message):
        fit(x, y, **change)


def test_refuses_activations_that_are_not_finite():
    x, y = planted()
    x[5, 2] = torch.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        fit(x, y)


def test_a_file_keeps_everything(tmp_path, made):
    x, _ = planted()
    path = tmp_path / "probes.safetensors"
    save_supervised(made, path)
    back = load_supervised(path)
    assert (back.name, back.latent_names, back.link) == (made.name, NAMES, "logistic")
    assert torch.equal(back.encode(x), made.encode(x))
    assert torch.equal(back.decode(made.encode(x)), made.decode(made.encode(x)))
    some = load_supervised(path, names=("third", "first"))
    torch.testing.assert_close(some.encode(x), made.encode(x)[:, [2, 0]])
    save_supervised(made, path, dtype=torch.float16)
    assert load_supervised(path).weights.dtype == torch.float32
    assert [file.name for file in tmp_path.iterdir()] == ["probes.safetensors"]


def test_wrong_files_are_refused(tmp_path, made):
    path = tmp_path / "probes.safetensors"
    with pytest.raises(FileNotFoundError, match="no supervised dictionary at"):
        load_supervised(path)
    save_supervised(made, path)
    with pytest.raises(ValueError, match=r"no latent for 1 of 2 features, such as 'fourth'"):
        load_supervised(path, names=("first", "fourth"))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match="truncated or not a safetensors file"):
        load_supervised(path)
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="holds no supervised dictionary"):
        load_supervised(path)
