"""Supervised dictionaries at rest: one safetensors file each, with the names of the latents."""

import json
from pathlib import Path
from typing import Any

import torch

from .dictionary import SupervisedDictionary

FORMAT = "supervised-1"
_TENSORS = ("weights", "biases", "cuts", "directions", "offset", "constant", "converged", "l2")


def save_supervised(dictionary: SupervisedDictionary, path: Path, *, dtype: torch.dtype = torch.float32) -> None:
    """Write a dictionary, whole or not at all; floats in `dtype`."""
    from safetensors.torch import save_file

    tensors: dict[str, torch.Tensor] = {}
    for name in _TENSORS:
        value: torch.Tensor = getattr(dictionary, name)
        tensors[name] = value.detach().to(dtype if value.is_floating_point() else value.dtype).contiguous()
    header = {
        "fiducial_format": FORMAT,
        "name": dictionary.name,
        "link": dictionary.link,
        "latent_names": json.dumps(dictionary.latent_names),
    }
    partial = path.with_suffix(path.suffix + ".partial")
    save_file(tensors, partial, metadata=header)
    partial.chmod(0o644)
    partial.replace(path)


def load_supervised(path: Path, *, names: tuple[str, ...] | None = None) -> SupervisedDictionary:
    """Read a file of `save_supervised`; floats come back as float32.

    Args:
        path: the file.
        names: take these latents, in this order; all by default.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a safetensors file or not one of `save_supervised`, or a latent that it does not have.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(f"no supervised dictionary at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, Any] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except SafetensorError as error:
        raise ValueError(f"{path} is truncated or not a safetensors file: {error}") from error
    if header.get("fiducial_format") != FORMAT or set(tensors) != set(_TENSORS):
        raise ValueError(f"{path} holds no supervised dictionary saved by fiducial (header {sorted(header)})")
    known: list[str] = json.loads(header["latent_names"])
    tensors = {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    if names is not None:
        place = {name: i for i, name in enumerate(known)}
        missing = [name for name in names if name not in place]
        if missing:
            raise ValueError(
                f"{path} has no latent for {len(missing)} of {len(names)} features, such as {missing[0]!r}"
            )
        rows = torch.tensor([place[name] for name in names])
        tensors = {name: value if name == "offset" else value[rows] for name, value in tensors.items()}
        known = list(names)
    link = "logistic" if header["link"] == "logistic" else "identity"
    return SupervisedDictionary(name=header["name"], latent_names=tuple(known), link=link, **tensors)
