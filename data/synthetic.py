"""Frozen samples of synthetic worlds on disk, with the magnitudes and the true dictionary beside them.

A file is HDF5: `/activations` float32 [N, d], `/labels` uint8 [N, ceil(F / 8)], `/game_id` int32 [N]; the magnitudes as
compressed sparse rows, `/magnitudes_indptr` int64 [N + 1], `/magnitudes_indices` int32 and `/magnitudes_data` float32;
`/directions` float32 [A, d], `/bias` float32 [d], `/owner` int64 [A]; the features and the configuration as JSON
attributes. Activations stay float32, since the oracle knows rows by their bytes. Written whole or not at all.
"""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from scipy import sparse

from ..games.synthetic import Synthetic, SyntheticConfig, SyntheticSample
from .hdf5 import check_padding_bits, dataset, feature_attribute, open_checked, partial_file, stamp, text_attribute

KIND = "synthetic-sample"


def save_sample(sample: SyntheticSample, world: Synthetic, path: str | Path) -> None:
    """Write a sample and its world to a file.

    Args:
        sample: what is frozen.
        world: where it is from.
        path: file to write; replaced if it exists.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: the sample is of another world.
    """
    if sample.version != world.version:
        raise ValueError(f"the sample is of {sample.world} {sample.version}, the world is {world.name} {world.version}")
    magnitudes = sparse.csr_array(sample.magnitudes)
    arrays = {
        "activations": sample.activations.numpy(),
        "labels": sample.labels,
        "game_id": sample.game_id,
        "magnitudes_indptr": magnitudes.indptr.astype(np.int64),
        "magnitudes_indices": magnitudes.indices.astype(np.int32),
        "magnitudes_data": magnitudes.data.astype(np.float32),
        "directions": world.directions.numpy(),
        "bias": world.bias.numpy(),
        "owner": world.owner,
    }
    with partial_file(path) as partial, h5py.File(partial, "w") as file:
        file.attrs["features"] = sample.features.to_json()
        file.attrs["world"] = sample.world
        file.attrs["version"] = sample.version
        file.attrs["seed"] = str(sample.seed)  # text: a seed may exceed 64 bits
        file.attrs["config"] = json.dumps(world.config.to_dict(), sort_keys=True)
        for name, values in arrays.items():
            packed = {"compression": "lzf"} if name == "labels" else {}  # of rare features, nearly all zeros
            file.create_dataset(name, data=values, **packed)
        stamp(file, KIND)


def load_sample(path: str | Path) -> SyntheticSample:
    """Read a sample that `save_sample` wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: truncated, foreign, of another version, or its parts disagree.
    """
    with open_checked(path, KIND) as file:
        features = feature_attribute(file)
        activations = _read(file, "activations", "float32", 2)
        labels = _read(file, "labels", "uint8", 2)
        game_id = _read(file, "game_id", "int32", 1)
        indptr = _read(file, "magnitudes_indptr", "int64", 1)
        indices = _read(file, "magnitudes_indices", "int32", 1)
        values = _read(file, "magnitudes_data", "float32", 1)
        n_axes = len(dataset(file, "owner", "int64", 1))
        n = len(game_id)
        if len(activations) != n or labels.shape != (n, features.n_bytes) or len(indptr) != n + 1:
            raise ValueError(
                f"{path}: {n} game ids, activations {list(activations.shape)}, labels {list(labels.shape)} of "
                f"{len(features)} features and {len(indptr) - 1} rows of magnitudes do not fit together"
            )
        check_padding_bits(labels, len(features), str(path))
        if not np.isfinite(activations).all() or not np.isfinite(values).all():
            raise ValueError(f"{path}: activations or magnitudes hold NaN or infinity")
        try:
            magnitudes = sparse.csr_array((values, indices, indptr), shape=(n, n_axes))
            magnitudes.check_format()
        except ValueError as error:
            raise ValueError(f"{path}: the magnitudes are no sparse matrix of {n} x {n_axes} ({error})") from error
        return SyntheticSample(
            activations=torch.from_numpy(activations),
            magnitudes=magnitudes,
            labels=labels,
            game_id=game_id,
            features=features,
            world=text_attribute(file, "world"),
            version=text_attribute(file, "version"),
            seed=int(text_attribute(file, "seed")),
        )


def load_world(path: str | Path) -> Synthetic:
    """The world of a saved sample, with the directions as stored rather than made again.

    Raises:
        FileNotFoundError: no such file.
        ValueError: truncated, foreign, or made by other rules than these.
    """
    with open_checked(path, KIND) as file:
        try:
            world = Synthetic(SyntheticConfig.from_dict(json.loads(text_attribute(file, "config"))))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path}: cannot read its configuration ({error!r})") from error
        stored = text_attribute(file, "version")
        if stored != world.version:
            raise ValueError(
                f"{path} holds rows of {world.name} version {stored}, but this fiducial makes version {world.version} "
                "from the same configuration; the sample can be read, its world cannot be drawn from again"
            )
        directions = torch.from_numpy(_read(file, "directions", "float32", 2))
        bias = torch.from_numpy(_read(file, "bias", "float32", 1))
        owner = _read(file, "owner", "int64", 1)
    world.use_dictionary(directions, bias, owner)
    return world


def _read(file: h5py.File, name: str, dtype: str, axes: int) -> Any:
    return dataset(file, name, dtype, axes)[:]
