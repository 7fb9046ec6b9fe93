"""Transcripts at rest: one HDF5 file of tokens, truth and features, whole or absent."""

from pathlib import Path

import h5py
import numpy as np

from ..games.transcripts import Transcripts
from .hdf5 import check_padding_bits, dataset, feature_attribute, open_checked, partial_file, stamp, text_attribute

KIND = "transcripts"
_ARRAYS = {"tokens": ("int64", 2), "labels": ("uint8", 3), "scored": ("bool", 2), "ply": ("int64", 2)}


def save_transcripts(transcripts: Transcripts, path: str | Path) -> None:
    """Write transcripts; the same transcripts give the same content.

    Raises:
        FileNotFoundError: the folder does not exist.
    """
    with partial_file(path) as partial, h5py.File(partial, "w") as file:
        for name in _ARRAYS:
            file.create_dataset(name, data=getattr(transcripts, name), compression="lzf")
        file.attrs["features"] = transcripts.features.to_json()
        file.attrs["game"] = transcripts.game
        file.attrs["version"] = transcripts.version
        if transcripts.seed is not None:
            file.attrs["seed"] = transcripts.seed
        stamp(file, KIND)


def load_transcripts(path: str | Path) -> Transcripts:
    """Read a file of `save_transcripts`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: truncated, foreign, of another version, or its parts disagree.
    """
    with open_checked(path, KIND) as file:
        arrays = {name: dataset(file, name, *expected)[:] for name, expected in _ARRAYS.items()}
        features = feature_attribute(file)
        game, version = text_attribute(file, "game"), text_attribute(file, "version")
        seed = file.attrs.get("seed")
    try:
        transcripts = Transcripts(
            **arrays, features=features, game=game, version=version, seed=None if seed is None else int(seed)
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    check_padding_bits(np.asarray(transcripts.labels), len(features), str(path))
    return transcripts
