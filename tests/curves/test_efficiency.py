"""Samples share no game, score as a testbed of their size does, and are summed up as the definitions say."""

import numpy as np
import pytest
from fiducial.curves.agreement import detectable
from fiducial.curves.efficiency import Efficiency, deal, sample_efficiency, score_rows
from fiducial.curves.plot import plot_efficiency, save_figure
from fiducial.metrics import coverage, reconstruction
from fiducial.models.controls import pca_dictionary, random_dictionary
from fiducial.models.dictionary import encode_in_batches
from fiducial.references import Candidate
from fiducial.testbed_catalogue import testbed as make_testbed

METRICS = ("coverage", "reconstruction", "explained_variance_score", "l0")


@pytest.fixture(scope="module")
def bed():
    return make_testbed("toy-sparse", n_games=64)


@pytest.fixture(scope="module")
def dictionaries(bed):
    made = [random_dictionary(bed.x, 12, k, seed=k, name=f"random {k}") for k in (1, 2, 4)]
    return [*made, pca_dictionary(bed.x, name="PCA")]


@pytest.fixture(scope="module")
def found(bed, dictionaries):
    return sample_efficiency(bed, dictionaries, METRICS, sizes=(8, 16, 32), repeats=4, progress=False)


def test_samples_share_no_game(bed):
    games = np.asarray(bed.activations.game_id)
    for size, expected in ((8, 4), (20, 3), (32, 2), (64, 1)):
        parts = deal(bed, size, 4, seed=0)
        assert len(parts) == expected
        seen = [set(games[rows]) for rows in parts]
        assert all(len(part) == size for part in seen)
        assert len(set.union(*seen)) == size * expected
        assert all((np.diff(rows) > 0).all() for rows in parts)
    again, other = deal(bed, 8, 4, seed=0), deal(bed, 8, 4, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(deal(bed, 8, 4, seed=0), again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(again, other, strict=True))


def test_a_sample_is_scored_as_its_rows_are(bed, dictionaries):
    """The same numbers as the functions give on the arrays of the sample alone."""
    rows = deal(bed, 16, 2, seed=3)[1]
    dictionary = dictionaries[1]
    codes = encode_in_batches(dictionary, bed.x)
    candidate = Candidate(dictionary.name, "tested", dictionary, bed.x)
    scores = score_rows(bed, candidate, codes, rows, METRICS, seed=3)
    games = np.asarray(bed.activations.game_id)[rows]
    from fiducial.data.activations import split_by_game

    train = split_by_game(games, test_fraction=0.5, seed=3)
    same = {"game_id": games, "train": train, "features": bed.features, "null": False, "n_resamples": 2, "seed": 3}
    latents, labels = encode_in_batches(dictionary, bed.x[rows]), np.asarray(bed.activations.labels)[rows]
    assert scores["coverage"].value == coverage(latents, labels, **same).value
    assert scores["reconstruction"].value == reconstruction(latents, labels, **same).value
    x = bed.x[rows][~train].numpy()
    x_hat = dictionary.decode(dictionary.encode(bed.x[rows][~train])).numpy()
    expected = 1 - np.square(x - x_hat).sum() / np.square(x - x.mean(0)).sum()
    assert scores["explained_variance_score"].value == pytest.approx(expected, abs=1e-5)
    assert scores["l0"].value == pytest.approx(np.count_nonzero(latents.to_dense()[~train]) / (~train).sum())


def test_all_games_score_as_the_testbed_does(bed, dictionaries, found):
    from fiducial.evaluation import evaluate

    report = evaluate(dictionaries[0], bed, list(METRICS))
    for metric in METRICS:
        assert found.full[metric][0] == report.scores[metric].value


def test_the_frame_says_what_the_values_do(found):
    frame = found.frame()
    assert len(frame) == 12
    row = frame[(frame["metric"] == "coverage") & (frame["games"] == 16)].iloc[0]
    samples, full = found.values("coverage", 16)
    assert samples.shape == (4, 4)
    assert row["samples"] == 4
    assert row["bias"] == pytest.approx(np.mean(samples.mean(0) - full))
    assert row["detectable"] == pytest.approx(detectable(samples))
    assert row["tau"] == found.tau("coverage", 16).value
    assert frame[frame["games"] == 32]["samples"].tolist() == [2] * 4


def test_some_of_the_dictionaries(found):
    names = found.dictionaries[:3]
    samples, full = found.values("coverage", 8, names)
    assert samples.shape == (4, 3)
    np.testing.assert_array_equal(full, found.full["coverage"][:3])
    with pytest.raises(KeyError, match="no dictionary other"):
        found.values("coverage", 8, ["other"])
    with pytest.raises(KeyError, match="at 9 games"):
        found.values("coverage", 9)


def planted(taus):
    """Samples of five dictionaries whose tau with all games is given: 10 pairs, one turned over for every 0.2."""
    ranks = {1.0: (1, 2, 3, 4, 5), 0.8: (2, 1, 3, 4, 5), 0.6: (2, 1, 4, 3, 5)}
    samples = {10 * (i + 1): (tuple(map(float, ranks[tau])),) for i, tau in enumerate(taus)}
    return Efficiency("t", {"games": 99}, tuple("abcde"), {"m": (1.0, 2.0, 3.0, 4.0, 5.0)}, {"m": samples})


@pytest.mark.parametrize(
    ("taus", "expected"),
    [((1.0, 1.0, 1.0), 10), ((0.6, 1.0, 1.0), 20), ((1.0, 0.6, 1.0), 30), ((1.0, 1.0, 0.8), None)],
)
def test_stable_means_from_there_on(taus, expected):
    assert planted(taus).stable_from("m") == expected
    assert planted(taus).stable_from("m", 0.5) == 10


def test_kept_and_read(found, tmp_path):
    found.save(tmp_path / "e.json")
    assert Efficiency.read(tmp_path / "e.json") == found
    for text in ("[]", "{", '{"fiducial_efficiency": 2}', '{"a": 1}'):
        (tmp_path / "other.json").write_text(text)
        with pytest.raises(ValueError, match="not a file of sample efficiency"):
            Efficiency.read(tmp_path / "other.json")


def test_drawn(found, tmp_path):
    fig = plot_efficiency(found, among={"all": found.dictionaries, "random": found.dictionaries[:3]})
    assert len(fig.axes) == 6
    lines = fig.axes[0].get_lines()
    tau = found.frame()
    np.testing.assert_array_equal(lines[0].get_ydata(), tau[tau["metric"] == "coverage"]["tau"])
    first = save_figure(fig, tmp_path / "e.svg").read_bytes()
    assert save_figure(fig, tmp_path / "e.svg").read_bytes() == first
    with pytest.raises(ValueError, match=r"svg or \.png"):
        save_figure(fig, tmp_path / "e.pdf")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sizes": (4,)}, ValueError, "8 to 64 games"),
        ({"sizes": (100,)}, ValueError, "8 to 64 games"),
        ({"sizes": ()}, ValueError, "8 to 64 games"),
        ({"repeats": 0}, ValueError, "at least 1 repeat"),
        ({"metrics": ("recovery_score",)}, ValueError, "do not suffice for recovery_score: ask coverage"),
        ({"metrics": ("coverag",)}, KeyError, "did you mean"),
    ],
)
def test_wrong_arguments_are_refused(bed, dictionaries, options, error, message):
    with pytest.raises(error, match=message):
        sample_efficiency(bed, dictionaries, **{"metrics": ("coverage",), "sizes": (8,), "progress": False, **options})


def test_ranks_need_two_names(bed, dictionaries):
    with pytest.raises(ValueError, match="at least two dictionaries of different names"):
        sample_efficiency(bed, dictionaries[:1], sizes=(8,))
    with pytest.raises(ValueError, match="at least two dictionaries of different names"):
        sample_efficiency(bed, [dictionaries[0]] * 2, sizes=(8,))
