"""Dictionaries on another device: where one is, and a copy of it elsewhere."""

import copy
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch

from .dictionary import Dictionary
from .sae_dictionary import SAEDictionary

DeviceLike = str | torch.device


def device_of(dictionary: Dictionary) -> torch.device:
    """Where a dictionary computes: the device of its directions."""
    return dictionary.directions.device


def checked_device(device: DeviceLike) -> torch.device:
    """A device that this machine has.

    Raises:
        ValueError: no device, or CUDA where there is none.
    """
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device must be one that torch knows, such as 'cpu' or 'cuda', got {device!r}") from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {device!r} was asked for, but torch finds no CUDA device here; use 'cpu'")
    return found


def on_device(dictionary: Dictionary, device: DeviceLike) -> Dictionary:
    """The same dictionary computing on a device; itself where it is there already.

    SAEs and dictionaries that are dataclasses of tensors are copied. Others, such as edited ones, stay where they are:
    `rebuilt` takes rows to them and back.

    Args:
        dictionary: what to move; it is left as it is.
        device: such as "cuda".
    """
    wanted = torch.device(device)
    if _same_place(device_of(dictionary), wanted):
        return dictionary
    if isinstance(dictionary, SAEDictionary):
        return _sae_on(dictionary, wanted)
    if not is_dataclass(dictionary) or isinstance(dictionary, type) or not _only_tensors(dictionary):
        return dictionary
    moved = {
        field.name: value.to(wanted)
        for field in fields(dictionary)
        if isinstance(value := getattr(dictionary, field.name), torch.Tensor)
    }
    return replace(dictionary, **moved)  # type: ignore[return-value] - a dataclass of the same class


def encoded(dictionary: Dictionary, x: torch.Tensor) -> torch.Tensor:
    """Latents [N, L] of activations [N, d] on whatever device, where the dictionary computes."""
    return dictionary.encode(x.to(device_of(dictionary)))


def rebuilt(dictionary: Dictionary, x: torch.Tensor) -> torch.Tensor:
    """Reconstruction of activations [N, d], on their own device."""
    return dictionary.decode(encoded(dictionary, x)).to(x.device)


def decoder_of(dictionary: Dictionary) -> Callable[[torch.Tensor], torch.Tensor]:
    """What decodes latents [N, L] on whatever device to activations [N, d] on the same."""

    def decode(latents: torch.Tensor) -> torch.Tensor:
        return dictionary.decode(latents.to(device_of(dictionary))).to(latents.device)

    return decode


def _same_place(here: torch.device, there: torch.device) -> bool:
    """Whether two devices are one; "cuda" without a number means whichever CUDA device it is."""
    return here.type == there.type and (there.index is None or here.index is None or here.index == there.index)


def _only_tensors(dictionary: Any) -> bool:
    """Whether a dataclass computes with its own tensors alone, so that moving these moves it."""
    plain = (torch.Tensor, str, int, float, bool, tuple, type(None))
    return all(isinstance(getattr(dictionary, field.name), plain) for field in fields(dictionary))


def _sae_on(dictionary: SAEDictionary, device: torch.device) -> SAEDictionary:
    moved = copy.copy(dictionary)
    moved.sae = copy.deepcopy(dictionary.sae).to(device)
    moved.sae._setup_activation_normalization()  # its closures still point at the SAE that was copied
    moved.sae.turn_off_forward_pass_hook_z_reshaping()
    moved._row_statistics = {}  # pyright: ignore[reportPrivateUsage] - of rows encoded elsewhere
    return moved
