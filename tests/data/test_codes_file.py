import json

import h5py
import numpy as np
import pytest
from fiducial.data.codes_file import CHUNK_ROWS, LabelledCodes, write_codes
from fiducial.games.features import Feature, FeatureSet
from hypothesis import given
from hypothesis import strategies as st

FEATURES = FeatureSet(Feature(name=f"f{i}", group="g", rung=0, definition="holds") for i in range(11))
ABOUT = {"game": "toy", "version": "1", "model": "m", "hook": "h", "seed": 3, "model_sha256": "00", "dictionary": "d"}
WIDTH = 30


def dense_codes(n, seed=0, width=WIDTH):
    rng = np.random.default_rng(seed)
    dense = np.maximum(rng.normal(size=(n, width)) - 1, 0).astype(np.float16).astype(np.float32)
    dense[n // 2] = 0  # a row in which nothing fires
    return dense


def sparse(dense):
    rows, columns = np.nonzero(dense)
    indptr = np.r_[0, np.cumsum(np.bincount(rows, minlength=len(dense)))]
    return indptr, columns, dense[rows, columns]


def columns(n, seed=0):
    labels = FEATURES.pack(np.random.default_rng(seed).random((n, len(FEATURES))) < 0.3)
    return labels, np.arange(n) // 7, np.arange(n) % 7


def write(path, dense, size=20, **options):
    labels, games, position = columns(len(dense))
    with write_codes(path, dense.shape[1], FEATURES, ABOUT, **options) as writer:
        for first in range(0, len(dense), size):
            rows = slice(first, first + size)
            writer.append(*sparse(dense[rows]), labels[rows], games[rows], position[rows])


def read_back(file, size):
    dense, first = np.zeros((len(file), file.n_latents), np.float32), 0
    rest = ([], [], [])
    for block in file.batches(size):
        n = len(block.game_id)
        dense[first + np.repeat(np.arange(n), np.diff(block.indptr)), block.indices] = block.values
        for parts, part in zip(rest, (block.labels, block.game_id, block.position), strict=True):
            parts.append(part)
        first += n
    return dense, *(np.concatenate(parts) for parts in rest)


def test_file_layout_is_the_documented_one(tmp_path):
    write(tmp_path / "c.h5", dense_codes(50))
    nnz = np.count_nonzero(dense_codes(50))
    with h5py.File(tmp_path / "c.h5") as file:
        assert {name: (stored.dtype, stored.shape) for name, stored in file.items()} == {
            "indptr": (np.int64, (51,)),
            "indices": (np.uint16, (nnz,)),
            "values": (np.float32, (nnz,)),
            "labels": (np.uint8, (50, 2)),
            "game_id": (np.int32, (50,)),
            "position": (np.int16, (50,)),
        }
        assert json.loads(file.attrs["attributes"]) == ABOUT
        assert FeatureSet.from_json(file.attrs["features"]) == FEATURES
        assert file.attrs["n_latents"] == WIDTH


@given(n=st.integers(1, 60), size=st.integers(1, 70), step=st.integers(1, 70), half=st.booleans())
def test_what_is_read_is_what_was_written(tmp_path_factory, n, size, step, half):
    path, dense = tmp_path_factory.mktemp("codes") / "c.h5", dense_codes(n)
    write(path, dense, step, values="float16" if half else "float32")
    file = LabelledCodes.open(path)
    assert (len(file), file.n_latents, file.n_entries) == (n, WIDTH, np.count_nonzero(dense))
    for found, expected in zip(read_back(file, size), (dense, *columns(n)), strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.concatenate(list(file.game_ids(size))), columns(n)[1])


def test_more_than_65536_latents_take_wider_indices(tmp_path):
    labels, games, position = columns(1)
    for width, dtype in ((65_536, np.uint16), (65_537, np.int32)):
        with write_codes(tmp_path / "c.h5", width, FEATURES, ABOUT) as writer:
            writer.append(np.array([0, 2]), np.array([0, width - 1]), np.ones(2), labels, games, position)
        with h5py.File(tmp_path / "c.h5") as file:
            assert file["indices"].dtype == dtype
        (block,) = LabelledCodes.open(tmp_path / "c.h5").batches()
        assert block.indices.tolist() == [0, width - 1]


def test_an_error_or_ctrl_c_leaves_nothing(tmp_path):
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), write_codes(tmp_path / "c.h5", WIDTH, FEATURES, ABOUT):
            raise error
    with pytest.raises(ValueError, match="no rows"), write_codes(tmp_path / "c.h5", WIDTH, FEATURES, ABOUT):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"indptr": np.array([0, 2, 1, 3])}, "indptr falls after row 4"),
        ({"indptr": np.array([0, 1, 3])}, "3 rows with 3 values need an indptr of 4"),
        ({"indptr": np.array([1, 1, 2, 3])}, "from 0 to 3"),
        ({"indices": np.array([0, 5, WIDTH])}, "indices must lie in 0 to 29, got 0 to 30"),
        ({"indices": np.array([-1, 5, 6])}, "got -1 to 6"),
        ({"indices": np.array([0, 5, 5])}, "latents of row 4 must increase"),
        ({"indices": np.array([0.0, 5, 6])}, "indices integer"),
        ({"values": np.array([1, np.nan, 1])}, "value nan in row 4"),
        ({"values": np.array([1.0, 1, 0])}, "becomes 0.0"),
        ({"values": np.array([1, 2, 3])}, "values must be floating"),
        ({"labels": np.zeros((3, 3), np.uint8)}, r"packed uint8 \[3, 2\]"),
        ({"labels": np.full((3, 2), 255, np.uint8)}, "beyond the 11 features"),
        ({"game_id": np.array([0, 0, -1])}, "game_id must lie in"),
        ({"position": np.array([0.0, 1, 2])}, "position must be integer"),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path, change, says):
    labels, games, position = columns(3)
    good = {
        **{"indptr": np.array([0, 1, 3, 3]), "indices": np.array([0, 5, 6]), "values": np.ones(3)},
        **{"labels": labels, "game_id": games, "position": position},
    }
    with write_codes(tmp_path / "c.h5", WIDTH, FEATURES, ABOUT) as writer:
        writer.append(**good)
        with pytest.raises(ValueError, match=says):
            writer.append(**{**good, **change})


def test_float16_refuses_what_it_would_lose(tmp_path):
    labels, games, position = columns(1)
    for value, becomes in ((1e-9, "0.0"), (1e9, "inf")):
        with (
            pytest.raises(ValueError, match=f"becomes {becomes} in float16.*values='float32'"),
            write_codes(tmp_path / "c.h5", WIDTH, FEATURES, ABOUT, values="float16") as writer,
        ):
            writer.append(np.array([0, 1]), np.array([3]), np.array([value]), labels, games, position)


def test_bad_arguments_are_refused(tmp_path):
    path = tmp_path / "c.h5"
    for width, about, options, says in (
        (0, ABOUT, {}, "at least 1 latent"),
        (5, {}, {}, "attributes lack"),
        (5, {k: v for k, v in ABOUT.items() if k != "dictionary"}, {}, r"lack \['dictionary'\]"),
        (5, ABOUT, {"values": "int8"}, "float32 or float16"),
    ):
        with pytest.raises(ValueError, match=says), write_codes(path, width, FEATURES, about, **options):
            pass
    write(path, dense_codes(50))
    with pytest.raises(ValueError, match="batch_size"):
        next(LabelledCodes.open(path).batches(0))
    with pytest.raises(FileNotFoundError):
        LabelledCodes.open(tmp_path / "none.h5")


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("indptr", lambda a: a[:-1], "one row a position"),
        ("indptr", lambda a: a + 1, "/indptr must run from 0"),
        ("indptr", lambda a: np.r_[a[:5], a[5] + 10**6, a[6:]], "/indptr falls"),
        ("values", lambda a: a[:-1], "one length"),
        ("values", lambda a: a.astype(np.float64), "/values must be float32"),
        ("values", lambda a: np.r_[a[:-1], np.float32(0)], "stored 0"),
        ("values", lambda a: np.r_[a[:-1], np.float32("nan")], "value nan in row 49"),
        ("indices", lambda a: np.r_[a[:-1], np.uint16(WIDTH)], "indices must lie in"),
        ("labels", lambda a: a[:, :1], "need 2 bytes"),
        ("labels", lambda a: a | 128, "beyond the 11 features"),
        ("position", lambda a: a[:-1], "one row a position"),
    ],
)
def test_damaged_files_are_refused(tmp_path, name, change, says):
    write(tmp_path / "c.h5", dense_codes(50))
    with h5py.File(tmp_path / "c.h5", "r+") as file:
        column = change(file[name][:])
        del file[name]
        file[name] = column
    with pytest.raises(ValueError, match=says):
        list(LabelledCodes.open(tmp_path / "c.h5").batches(8))


def test_foreign_and_truncated_files_are_refused(tmp_path):
    path = tmp_path / "c.h5"
    write(path, dense_codes(3000))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="truncated"):
        LabelledCodes.open(path)
    with h5py.File(path, "w") as file:
        file["indptr"] = np.arange(3)
    with pytest.raises(ValueError, match="not one that fiducial wrote"):
        LabelledCodes.open(path)


def test_a_file_that_changed_since_is_noticed(tmp_path):
    write(tmp_path / "c.h5", dense_codes(50))
    file = LabelledCodes.open(tmp_path / "c.h5")
    write(tmp_path / "c.h5", dense_codes(40))
    with pytest.raises(ValueError, match="changed since it was opened: 40 rows, were 50"):
        next(file.batches())


def test_chunks_do_not_show(tmp_path):
    dense = dense_codes(2 * CHUNK_ROWS + 3)
    write(tmp_path / "c.h5", dense, 5000)
    np.testing.assert_array_equal(read_back(LabelledCodes.open(tmp_path / "c.h5"), 7001)[0], dense)
