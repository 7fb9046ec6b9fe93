"""Where a result comes from: versions, seeds, device, checksums; nothing that changes between two equal runs."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

LIBRARIES = ("torch", "numpy", "transformer_lens", "sae_lens", "scikit-learn", "numba")


def provenance(*, seed: int, **facts: Any) -> dict[str, Any]:
    """Versions of the software and the given facts, as JSON types.

    Args:
        seed: of the run.
        facts: whatever else identifies it.
    """
    return {"seed": seed, "python": platform.python_version(), "versions": _versions(), **facts}


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in ("fiducial", *LIBRARIES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a package"
    return found
