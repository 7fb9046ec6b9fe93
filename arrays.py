"""Latents and labels made elsewhere: read a .npz or .h5 file and score it without a testbed."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from .suggestions import no_such_file

if TYPE_CHECKING:
    from .games.features import FeatureSet
    from .report import Report

KEYS = ("latents", "labels", "game_id")


def evaluate_arrays(file: str | Path, *, seed: int = 0) -> "Report":
    """Coverage, reconstruction and sparsity of latents against labels.

    Args:
        file: .npz or .h5 with `latents` float [N, L], `labels` bool or 0/1 [N, F] and `game_id` integer [N] (what may
            not be split: a game, a document, a prompt); optionally `feature_names` [F] and `feature_groups` [F].
        seed: of the split and the bootstrap.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another format, a missing array, shapes that do not fit, labels that are not 0 or 1.
    """
    path = Path(file)
    arrays = read_arrays(path)  # before the imports, which take seconds
    from .data.activations import split_by_game
    from .metrics import core_sparsity, coverage, reconstruction
    from .models.dictionary import Codes
    from .provenance import provenance
    from .report import Report

    labels = as_bool(arrays["labels"], path)
    codes = Codes.from_dense(arrays["latents"])
    features = features_of(arrays, labels.shape[1], path)
    game_id = arrays["game_id"]
    if game_id.shape != (len(labels),) or codes.n_rows != len(labels):
        shapes = {key: list(arrays[key].shape) for key in KEYS}
        raise ValueError(f"{path}: latents, labels and game_id must have one row a position each, got {shapes}")
    if not np.issubdtype(game_id.dtype, np.integer):
        raise ValueError(f"{path}: game_id must be integer, got {game_id.dtype}")
    train = split_by_game(game_id, 0.5, seed)
    shared = {"game_id": game_id, "train": train, "features": features, "seed": seed}
    scores = {
        "coverage": coverage(codes, labels, **shared),
        "reconstruction": reconstruction(codes, labels, **shared),
        **core_sparsity(codes.take(np.flatnonzero(~train)), game_id=game_id[~train], seed=seed),
    }
    about = provenance(seed=seed, file=path.name, positions=len(labels), games=len(np.unique(game_id)))
    return Report(path.stem, f"arrays in {path.name}", scores, about)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a .npz or .h5 file; pickled objects are refused.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another format, a damaged file, or a missing array.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file at {path}{no_such_file(path)}")
    try:
        if path.suffix == ".npz":
            if not zipfile.is_zipfile(path):
                raise zipfile.BadZipFile("no zip archive")
            with np.load(path, allow_pickle=False) as stored:
                arrays = {key: stored[key] for key in stored.files}
        elif path.suffix in (".h5", ".hdf5"):
            with h5py.File(path, "r") as stored:
                arrays = {key: value[()] for key, value in stored.items() if isinstance(value, h5py.Dataset)}
        else:
            raise ValueError(f"{path}: expected a .npz or .h5 file, got {path.suffix or 'no ending'}")
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is truncated or not a {path.suffix} file: {error}") from error
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise ValueError(
                f"{path} holds Python objects (a pickle), which are refused; store plain arrays"
            ) from error
        raise
    missing = [key for key in KEYS if key not in arrays]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}; it holds {', '.join(sorted(arrays)) or 'nothing'}")
    return arrays


def as_bool(labels: NDArray[Any], path: Path) -> NDArray[np.bool_]:
    """Labels given as bool or as 0 and 1.

    Raises:
        ValueError: another shape or other values.
    """
    if labels.ndim != 2:
        raise ValueError(f"{path}: labels must be [N, F], got {list(labels.shape)}")
    if labels.dtype == np.bool_:
        return labels
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"{path}: labels must be bool or 0/1, got {labels.dtype} with other values")
    return labels.astype(np.bool_)


def features_of(arrays: Mapping[str, NDArray[Any]], n: int, path: Path) -> "FeatureSet":
    """What the file says of its label columns; numbers where it says nothing.

    Raises:
        ValueError: not one name or group a column.
    """
    from .games.features import Feature, FeatureSet

    def texts(key: str, default: list[str]) -> list[str]:
        if key not in arrays:
            return default
        if arrays[key].shape != (n,):
            raise ValueError(f"{path}: {key} must be [{n}], one text a label column, got {list(arrays[key].shape)}")
        return [v.decode() if isinstance(v, bytes) else str(v) for v in arrays[key].tolist()]

    names = texts("feature_names", [f"feature {i}" for i in range(n)])
    groups = texts("feature_groups", ["labels"] * n)
    return FeatureSet(
        Feature(name=name, group=group, rung=0, definition="column of the labels given")
        for name, group in zip(names, groups, strict=True)
    )
