import h5py
import numpy as np
import pytest
from fiducial.data.transcripts import load_transcripts, save_transcripts
from fiducial.games.othello import Othello


@pytest.fixture(scope="module")
def games():
    return Othello(4).sample(6, seed=1)


def assert_same(a, b):
    for name in ("tokens", "labels", "scored", "ply"):
        assert getattr(a, name).dtype == getattr(b, name).dtype
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert (a.features, a.game, a.version, a.seed) == (b.features, b.game, b.version, b.seed)


def test_round_trip(games, tmp_path):
    save_transcripts(games, tmp_path / "t.h5")
    assert_same(load_transcripts(tmp_path / "t.h5"), games)
    given = Othello(4).label(games.tokens)
    save_transcripts(given, tmp_path / "t.h5")
    again = load_transcripts(tmp_path / "t.h5")
    assert again.seed is None
    assert_same(again, given)
    assert [p.name for p in tmp_path.iterdir()] == ["t.h5"]


def test_truncated_at_several_lengths(games, tmp_path):
    save_transcripts(games, tmp_path / "t.h5")
    whole = (tmp_path / "t.h5").read_bytes()
    for length in (0, 7, 512, len(whole) // 3, len(whole) - 1):
        (tmp_path / "cut.h5").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="truncated or not an HDF5 file"):
            load_transcripts(tmp_path / "cut.h5")


def test_foreign_and_inconsistent_files(games, tmp_path):
    path = tmp_path / "t.h5"
    with pytest.raises(FileNotFoundError, match="no file"):
        load_transcripts(path)
    with h5py.File(path, "w") as file:
        file["tokens"] = [1, 2]
    with pytest.raises(ValueError, match="not one that fiducial wrote"):
        load_transcripts(path)
    edits = {
        "format version 9": lambda file: file.attrs.__setitem__("format_version", 9),
        "holds labelled-activations": lambda file: file.attrs.__setitem__("fiducial_format", "labelled-activations"),
        "no dataset /ply": lambda file: file.__delitem__("ply"),
        "attribute game must be text": lambda file: file.attrs.__delitem__("game"),
        "cannot read its features": lambda file: file.attrs.__setitem__("features", "?"),
        "scored must be": lambda file: (file.__delitem__("scored"), file.__setitem__("scored", np.ones((2, 2), bool))),
    }
    for message, edit in edits.items():
        save_transcripts(games, path)
        with h5py.File(path, "r+") as file:
            edit(file)
        with pytest.raises(ValueError, match=message):
            load_transcripts(path)


def test_interrupted_save_leaves_nothing(games, tmp_path, monkeypatch):
    import fiducial.data.transcripts as module

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "stamp", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_transcripts(games, tmp_path / "t.h5")
    assert not list(tmp_path.iterdir())
