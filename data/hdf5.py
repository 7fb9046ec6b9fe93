"""HDF5 files that are either whole or absent, and refused with one clear error otherwise."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from ..games.features import FeatureSet
from ..suggestions import no_such_file

FORMAT_VERSION = 1


@contextmanager
def partial_file(path: str | Path) -> Iterator[Path]:
    """A temporary name beside `path`: renamed to it when the block ends, removed when anything is raised in it.

    Raises:
        FileNotFoundError: the folder does not exist.
        IsADirectoryError: `path` is a folder.
        FileExistsError: `path` is a device or a pipe.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {path.parent} to write {path.name} in")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, expected a file name")
    if path.exists() and not path.is_file():
        raise FileExistsError(f"{path} is no ordinary file, and is not replaced; expected a file name")
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:  # Ctrl-C too
        partial.unlink(missing_ok=True)
        raise


def stamp(file: h5py.File, kind: str) -> None:
    """Mark a file as whole and ours; the last thing that a writer does."""
    file.attrs["fiducial_format"] = kind
    file.attrs["format_version"] = FORMAT_VERSION


def kind_of(path: str | Path) -> str | None:
    """What a file of fiducial holds; None for any other file, which `open_checked` then says more about."""
    try:
        with h5py.File(path, "r") as file:
            found = file.attrs.get("fiducial_format")
    except OSError:
        return None
    return None if found is None else str(found)


@contextmanager
def open_checked(path: str | Path, kind: str) -> Iterator[h5py.File]:
    """Open a file of one kind for reading.

    Args:
        path: the file.
        kind: what it must hold, such as `labelled-activations`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: truncated, not HDF5, of another program or kind, or of another format version.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}{no_such_file(path)}")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path} is truncated or not an HDF5 file ({error})") from error
    with file:
        found = file.attrs.get("fiducial_format")
        if found is None:
            raise ValueError(f"{path} is an HDF5 file, but not one that fiducial wrote whole; expected {kind}")
        if found != kind:
            raise ValueError(f"{path} holds {found}, expected {kind}")
        version = file.attrs.get("format_version")
        if version != FORMAT_VERSION:
            raise ValueError(f"{path} has format version {version}, this fiducial reads version {FORMAT_VERSION}")
        yield file


def dataset(file: h5py.File, name: str, dtype: str, axes: int) -> h5py.Dataset:
    """One dataset of a checked file.

    Raises:
        ValueError: missing, or of another type or number of axes.
    """
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise ValueError(f"{file.filename} has no dataset /{name}; it has {sorted(file)}")
    if found.dtype != np.dtype(dtype) or found.ndim != axes:
        raise ValueError(
            f"{file.filename}: /{name} must be {dtype} with {axes} axes, got {found.dtype} {list(found.shape)}"
        )
    return found


def text_attribute(file: h5py.File, name: str) -> str:
    """One text attribute of a checked file.

    Raises:
        ValueError: missing, or not text.
    """
    found = file.attrs.get(name)
    if not isinstance(found, str):
        raise ValueError(f"{file.filename}: attribute {name} must be text, got {found!r}")
    return found


def feature_attribute(file: h5py.File) -> FeatureSet:
    """The features that a checked file is labelled with.

    Raises:
        ValueError: missing, or not features.
    """
    try:
        return FeatureSet.from_json(text_attribute(file, "features"))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file.filename}: cannot read its features ({error!r})") from error


def check_padding_bits(labels: NDArray[np.uint8], n_features: int, where: str) -> None:
    """Refuse packed labels whose unused bits are set: they were made for other features.

    Raises:
        ValueError: a bit beyond the last feature is set; names the first row.
    """
    unused = -n_features % 8
    if unused and labels.size:
        rows = np.flatnonzero(labels[..., -1].reshape(-1) >> (8 - unused))
        if rows.size:
            raise ValueError(f"{where}: labels of row {rows[0]} set bits beyond the {n_features} features")
