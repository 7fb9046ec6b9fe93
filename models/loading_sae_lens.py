"""sae_lens's own folders (inference or training) and its releases on the Hugging Face hub."""

from pathlib import Path
from typing import Any

from .loading_files import check_shapes, read_json, read_safetensors
from .sae_dictionary import CONFIG_FILE, WEIGHTS_FILE, SAEDictionary, read_sae_folder


def load_sae_lens_folder(folder: Path, name: str) -> SAEDictionary:
    """The dictionary of a folder written by `save_model` or `save_inference_model`.

    Raises:
        FileNotFoundError: cfg.json or sae_weights.safetensors is missing.
        ValueError: damaged, contradictory, or an architecture that sae_lens does not know.
    """
    from sae_lens import TrainingSAE
    from sae_lens.registry import SAE_CLASS_REGISTRY, SAE_TRAINING_CLASS_REGISTRY

    from . import architectures

    architectures.register()
    config_file, weights_file = folder / CONFIG_FILE, folder / WEIGHTS_FILE
    config = read_json(config_file)
    weights, _ = read_safetensors(weights_file)
    architecture = config.get("architecture", "standard")  # sae_lens before version 4 wrote none
    if architecture not in {*SAE_CLASS_REGISTRY, *SAE_TRAINING_CLASS_REGISTRY}:
        known = ", ".join(sorted(SAE_CLASS_REGISTRY))
        raise ValueError(f"{config_file}: unknown architecture {architecture!r}, expected one of {known}")
    sizes = [config.get(key) for key in ("d_in", "d_sae")]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ValueError(f"{config_file}: d_in and d_sae must be positive integers, got {sizes}")
    if "transcoder" not in architecture:
        check_shapes(weights, int(config["d_in"]), int(config["d_sae"]), weights_file, "the sizes in cfg.json")
    try:
        if architecture in SAE_CLASS_REGISTRY:
            sae: Any = read_sae_folder(folder)
        else:
            sae = TrainingSAE.load_from_disk(folder, device="cpu", dtype="float32")
        return SAEDictionary(sae, name)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{folder} is not a whole sae_lens dictionary: {reason}") from error


def load_release(text: str, name: str | None) -> SAEDictionary:
    """A pretrained SAE of sae_lens, fetched from the Hugging Face hub or its local cache.

    Args:
        text: `release/sae_id`, with a release that sae_lens lists, or `owner/repository/folder` on the hub.
        name: of the dictionary; by default `text`.

    Raises:
        FileNotFoundError: no such release.
        ValueError: the release has no such id, or its files are not a dictionary.
        ConnectionError: the hub cannot be reached and the files are not in the cache.
    """
    from sae_lens import SAE
    from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory

    listed = get_pretrained_saes_directory()
    release, _, sae_id = text.partition("/")
    if release not in listed:
        owner, repository, *rest = [*text.split("/", 2), ""][:3]
        release, sae_id = f"{owner}/{repository}", rest[0]
        if not sae_id:
            raise FileNotFoundError(
                f"{text}: no such file or folder, and sae_lens lists no release {owner!r} "
                "(release/sae_id, or owner/repository/folder on the Hugging Face hub)"
            )
    elif sae_id not in listed[release].saes_map:
        ids = list(listed[release].saes_map)
        raise ValueError(
            f"release {release!r} has no SAE {sae_id!r}; it has {', '.join(ids[:5])} and so on, {len(ids)}"
        )
    try:
        sae = SAE.from_pretrained(release, sae_id, device="cpu", dtype="float32")
    except (OSError, RuntimeError) as error:  # requests, httpx and the hub's offline errors
        reason = " ".join(str(error).split())[:200]
        raise ConnectionError(
            f"{text}: not in the local cache, and the Hugging Face hub cannot be reached or has no such file ({reason})"
        ) from error
    return SAEDictionary(sae, name or text)
