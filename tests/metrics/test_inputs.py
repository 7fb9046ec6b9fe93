"""Bad input is refused at the door, with what came and what was expected."""

import numpy as np
import pytest
from fiducial.metrics import best_thresholds, core_behaviour, core_fidelity, core_sparsity, coverage, reconstruction
from fiducial.metrics.counts import counts_at
from fiducial.metrics.inputs import as_codes, as_games, as_label_bits, as_split
from fiducial.models.dictionary import Codes

X = np.abs(np.random.default_rng(0).normal(size=(40, 3)))
Y = np.random.default_rng(1).random((40, 5)) < 0.5
GAMES = np.repeat(np.arange(8), 5)
TRAIN = GAMES < 4


def changed(array, value, where=(3, 1)):
    array = array.copy()
    array[where] = value
    return array


@pytest.mark.parametrize(
    ("latents", "error", "says"),
    [
        ([[1.0]], TypeError, "latents must be Codes or floating .* got list"),
        (X[0], ValueError, r"got float64 \[3\]"),
        (X.astype(int), ValueError, "floating .* got int64"),
        (changed(X, np.nan), ValueError, "nan at row 3, latent 1"),
        (changed(X, np.inf), ValueError, "inf at row 3"),
        (changed(X, 1e300), ValueError, "infinity|overflow"),
        (X[:0], ValueError, "at least one row"),
        (X[:, :0], ValueError, "one latent"),
        (Codes(np.array([0, 2]), np.array([0, 9], np.int32), np.ones(2, np.float32), 3), ValueError, "0 to 2"),
        (Codes(np.array([0, 1]), np.array([0, 1], np.int32), np.ones(2, np.float32), 3), ValueError, "indptr"),
        (Codes(np.array([0, 3, 2]), np.array([0, 1], np.int32), np.ones(2, np.float32), 3), ValueError, "never falls"),
        (Codes(np.array([0, 2]), np.array([0], np.int32), np.ones(2, np.float32), 3), ValueError, "one index"),
        (Codes(np.array([0, 1]), np.array([0], np.int32), np.zeros(1, np.float32), 3), ValueError, "explicit 0"),
        (Codes(np.array([0, 1]), np.array([0], np.int32), np.ones(1), 3), ValueError, "float32"),
        (Codes(np.array([0, 1]), np.array([0], np.int32), np.full(1, np.nan, np.float32), 3), ValueError, "NaN"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
def test_latents(latents, error, says):
    with pytest.raises(error, match=says):
        as_codes(latents)


@pytest.mark.parametrize(
    ("labels", "n_features", "error", "says"),
    [
        ([[True]], None, TypeError, "labels must be bool .* got list"),
        (Y.astype(float), None, ValueError, r"got float64 .* use labels.astype\(bool\)"),
        (Y[:, 0], None, ValueError, r"got bool \[40\]"),
        (Y[:, :0], None, ValueError, r"\[40, 0\]"),
        (Y[:30], None, ValueError, "30 rows but the latents 40"),
        (Y, 6, ValueError, "6 features must have 6 columns as bool, got 5"),
        (np.packbits(Y, axis=1), 9, ValueError, "9 features must have 2 columns as uint8, got 1"),
        (as_label_bits(Y, 40), 6, ValueError, "hold 5 features, expected 6"),
    ],
)
def test_labels(labels, n_features, error, says):
    with pytest.raises(error, match=says):
        as_label_bits(labels, 40, n_features)


@pytest.mark.parametrize(
    ("games", "error", "says"),
    [(GAMES / 2, TypeError, "integers"), (GAMES[:30], ValueError, r"\[40\], .* got \[30\]")],
)
def test_games(games, error, says):
    with pytest.raises(error, match=says):
        as_games(games, 40)


@pytest.mark.parametrize(
    ("train", "says"),
    [
        (TRAIN.astype(int), "train must be bool"),
        (TRAIN[:30], r"\[40\], got bool \[30\]"),
        (np.ones(40, bool), "rows to choose on and rows to report on"),
        (np.zeros(40, bool), "rows to choose on and rows to report on"),
        (np.arange(40) % 2 == 0, "8 games stand on both sides"),
    ],
)
def test_split(train, says):
    with pytest.raises(ValueError, match=says):
        as_split(train, as_games(GAMES, 40))


@pytest.mark.parametrize("metric", [coverage, reconstruction])
def test_scores_refuse_what_they_cannot_score(metric):
    common = {"game_id": GAMES, "train": TRAIN}
    with pytest.raises(ValueError, match="no protocol 'karvonen'; there are held-out"):
        metric(X, Y, **common, protocol="karvonen")
    with pytest.raises(ValueError, match="no feature has enough positives"):
        metric(X, np.zeros((40, 2), bool), **common)
    with pytest.raises(ValueError, match="without features there are no groups"):
        metric(X, Y, **common, groups=["board"])
    with pytest.raises(ValueError, match="maxima"):
        metric(X, Y, **common, maxima=np.ones(3))
    with pytest.raises(ValueError, match=r"maxima must be finite, >= 0 and \[3\]"):
        metric(X, Y, **common, maxima=np.ones(4), protocol="karvonen2024-code")
    with pytest.raises(ValueError, match="at least 2 games"):
        metric(X, Y, game_id=np.repeat([0, 1, 2, 2], 10), train=np.arange(40) < 20, min_positives=1)
    with pytest.raises(ValueError, match="latents hold nan"):
        metric(changed(X, np.nan), Y, **common)


def test_single_doors():
    with pytest.raises(ValueError, match="train must say which games"):
        coverage(X, Y, game_id=GAMES)
    with pytest.raises(KeyError, match="denominators name"):
        coverage(X, Y, game_id=GAMES, protocol="karvonen2024", denominators={"board": 128})
    with pytest.raises(ValueError, match="must be positive, got 0"):
        coverage(X, Y, game_id=GAMES, protocol="karvonen2024", denominators={"all": 0})
    with pytest.raises(ValueError, match="at least 2 games: one to label"):
        reconstruction(X, Y, game_id=GAMES, train=GAMES == 0, min_positives=1)
    with pytest.raises(ValueError, match="implementation must be"):
        best_thresholds(X, Y, implementation="fast")
    with pytest.raises(ValueError, match=r"thresholds must be \[3, T\]"):
        counts_at(X, Y, np.ones((2, 2)), strict=True)
    with pytest.raises(ValueError, match="dense_above"):
        core_sparsity(X, GAMES, dense_above=0)


def test_core_doors():
    with pytest.raises(ValueError, match="one shape"):
        core_fidelity(X, X[:, :2], GAMES)
    with pytest.raises(ValueError, match="x_hat holds nan at row 3, column 1"):
        core_fidelity(X, changed(X, np.nan), GAMES)
    with pytest.raises(TypeError, match="x must be a floating array"):
        core_fidelity([[1.0]], X, GAMES)
    with pytest.raises(ValueError, match="the same at every position"):
        core_fidelity(np.ones((40, 3)), X, GAMES)
    logprobs = np.log(np.full((40, 4), 0.25))
    allowed = np.ones((40, 4), bool)
    four = [logprobs] * 4
    with pytest.raises(ValueError, match=r"sae_logprobs must be log-probabilities; row 0 sums to .* log_softmax"):
        core_behaviour(logprobs, logprobs + 1, logprobs, logprobs, allowed, GAMES)
    with pytest.raises(ValueError, match="must have one shape"):
        core_behaviour(*four[:3], np.log(np.full((40, 2), 0.5)), allowed, GAMES)
    with pytest.raises(ValueError, match="allowed must be bool"):
        core_behaviour(*four, allowed.astype(int), GAMES)
    with pytest.raises(ValueError, match="no token at row 3"):
        core_behaviour(*four, changed(allowed, False, 3), GAMES)
    with pytest.raises(ValueError, match="targets must be integers"):
        core_behaviour(*four, allowed, GAMES, targets=np.zeros(3, int))
    with pytest.raises(ValueError, match="lie in 0 to 3, got 0 to 4"):
        core_behaviour(*four, allowed, GAMES, targets=changed(np.zeros(40, int), 4, 2))
