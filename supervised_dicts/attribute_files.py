"""Attribute dictionaries at rest: one safetensors file each, with the attributes and the names of their values."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from .attribute_blocks import Block
from .attributes import AttributeDictionary

FORMAT = "attributes-1"
_TENSORS = ("directions", "offset", "reads", "read_biases", "counts")


def save_attributes(dictionary: AttributeDictionary, path: Path) -> None:
    """Write a dictionary, whole or not at all."""
    from safetensors.torch import save_file

    tensors: dict[str, torch.Tensor] = {n: getattr(dictionary, n).detach().contiguous() for n in _TENSORS}
    header = {
        "fiducial_format": FORMAT,
        "name": dictionary.name,
        "rank": str(dictionary.rank),
        "blocks": json.dumps([asdict(block) for block in dictionary.blocks]),
    }
    partial = path.with_suffix(path.suffix + ".partial")
    save_file(tensors, partial, metadata=header)
    partial.chmod(0o644)
    partial.replace(path)


def load_attributes(path: Path) -> AttributeDictionary:
    """Read a file of `save_attributes`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a safetensors file or not one of `save_attributes`.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(f"no attribute dictionary at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, Any] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except SafetensorError as error:
        raise ValueError(f"{path} is truncated or not a safetensors file: {error}") from error
    if header.get("fiducial_format") != FORMAT or set(tensors) != set(_TENSORS):
        raise ValueError(f"{path} holds no attribute dictionary saved by fiducial (header {sorted(header)})")
    blocks = tuple(
        Block(b["name"], tuple(b["sources"]), tuple(b["sizes"]), b["selector"], tuple(b["latent_names"]))
        for b in json.loads(header["blocks"])
    )
    return AttributeDictionary(name=header["name"], blocks=blocks, rank=int(header["rank"]), **tensors)
