"""Files of a model on the Hugging Face hub, or from its local cache."""

from pathlib import Path, PurePosixPath

PUBLISHED_GPTS = {
    "8-layer chess GPT": "adamkarvonen/8LayerChessGPT2",
    "8-layer chess GPT, random weights": "adamkarvonen/RandomWeights8LayerChessGPT2",
    "8-layer Othello GPT": "Baidicoot/Othello-GPT-Transformer-Lens",
    "8-layer Othello GPT, random weights": "adamkarvonen/RandomWeights8LayerOthelloGPT2",
}
"""What Karvonen et al. 2024 (arXiv 2408.00113) evaluated, by name on the hub."""

_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")


def fetch_model(name: str) -> Path:
    """Download a model, or find it in the cache.

    Args:
        name: `owner/repository`, or `owner/repository/file` where a repository holds several models.

    Returns:
        A folder with config.json beside its weights, or one file.

    Raises:
        FileNotFoundError: no weights there.
        ValueError: several files of weights, or not such a name.
        ConnectionError: not in the cache, and the hub cannot be reached or has no such repository.
    """
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    owner, _, rest = name.partition("/")
    repository, _, file = rest.partition("/")
    if not owner or not repository:
        raise ValueError(f"a model on the Hugging Face hub is owner/repository or owner/repository/file, got {name!r}")
    repository = f"{owner}/{repository}"
    try:
        try:
            files = HfApi().list_repo_files(repository)
        except Exception:  # offline, or no such repository: the cache may have it
            cached = Path(snapshot_download(repository, local_files_only=True))
            files = [path.relative_to(cached).as_posix() for path in cached.rglob("*") if path.is_file()]
        chosen = [file] if file else _choose(files, name)
        found = [Path(hf_hub_download(repository, each)) for each in chosen]
    except (FileNotFoundError, ValueError) as error:
        if type(error) in (FileNotFoundError, ValueError):  # ours, not one of the hub's own subclasses
            raise
        raise _unreachable(name, error) from error
    except Exception as error:  # the hub's errors come from requests, httpx or its own classes, by version
        raise _unreachable(name, error) from error
    return found[0].parent if found[0].name == "config.json" else found[0]


def _choose(files: list[str], name: str) -> list[str]:
    """The files to fetch: config.json and its weights, or the only weights."""
    weights = sorted(file for file in files if PurePosixPath(file).suffix in _WEIGHTS)
    for usual in ("model.safetensors", "pytorch_model.bin"):
        if "config.json" in files and usual in weights:
            return ["config.json", usual]
    if not weights:
        raise FileNotFoundError(f"{name} holds no weights: {', '.join(sorted(files)[:8]) or 'nothing'}")
    if len(weights) > 1:
        raise ValueError(
            f"{name} holds several models; name one, such as {name}/{weights[0]}: {', '.join(weights[:8])}"
        )
    return weights


def _unreachable(name: str, error: Exception) -> ConnectionError:
    reason = (" ".join(str(error).split()) or type(error).__name__)[:200]
    return ConnectionError(
        f"{name}: no such file or folder here, not in the local cache, and the Hugging Face hub cannot be reached or "
        f"has no such model ({reason})"
    )
