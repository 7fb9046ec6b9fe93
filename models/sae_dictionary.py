"""Any sae_lens SAE as a Dictionary: evaluation mode, float32, no gradients."""

import copy
import json
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from .kinds import CONFIG_FILE, WEIGHTS_FILE

if TYPE_CHECKING:
    from sae_lens import SAE

DTYPES = ("float32", "float16", "bfloat16")

_PER_ROW = ("layer_norm", "constant_norm_rescale")
_PER_DATASET = ("expected_average_only_in", "covariance_whitening")
_NOT_ONE_SPACE = ("transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder", "temporal")


class SAEDictionary:
    """A sae_lens SAE that meets the Dictionary contract.

    The SAE is copied, so the caller's object keeps its dtype, mode and gradients. An SAE that normalises every row
    (`layer_norm`, `constant_norm_rescale`) can only be undone with the statistics of the rows it encoded: `decode`
    then uses those of the last `encode`, and refuses another number of rows.

    Args:
        sae: a sae_lens SAE. A training object is scored through its inference class, because the two differ (the
            activity of a row in a batch-topk trainer depends on the rest of the batch).
        name: short and readable; by default the architecture.

    Attributes:
        name: a column of the report.
        latent_names: None; the latents of an SAE have no names.
        sae: the wrapped copy.
        signed: whether latents may be negative (`abstopk`, `matching_pursuit`), so that a latent is active where it
            is not 0, whereas "fires" means > 0.

    Raises:
        TypeError: not a sae_lens SAE.
        ValueError: reads one space and writes another, works on sequences, or has a weight that is NaN or infinite.
    """

    latent_names: tuple[str, ...] | None = None

    def __init__(self, sae: "SAE[Any]", name: str | None = None) -> None:
        from sae_lens import SAE, TrainingSAE

        if not isinstance(sae, SAE):
            raise TypeError(f"sae must be a sae_lens SAE, got {type(sae).__name__}")
        architecture = sae.cfg.architecture()
        if architecture in _NOT_ONE_SPACE:
            raise ValueError(f"a {architecture} does not rebuild the activation it reads, so it is not a dictionary")
        if isinstance(sae, TrainingSAE):
            sae = inference_class(sae)
        for key, value in sae.state_dict().items():
            if not torch.isfinite(value).all():
                raise ValueError(f"weight {key} of this {architecture} SAE holds NaN or infinity")
        self.sae = copy.deepcopy(sae).to(dtype=torch.float32).eval().requires_grad_(False)
        self.sae._setup_activation_normalization()  # its closures still point at the SAE that was copied
        self.sae.turn_off_forward_pass_hook_z_reshaping()  # activations come flat, [N, d_in]
        self._normalisation: str = self.sae.cfg.normalize_activations
        if self._normalisation in _PER_DATASET:
            warnings.warn(
                f"this SAE was trained with normalize_activations={self._normalisation!r} and the statistics are not "
                "in its file: it is applied to activations as they come",
                stacklevel=2,
            )
        self._row_statistics: dict[str, torch.Tensor] = {}
        self.name = name or self.architecture

    @property
    def architecture(self) -> str:
        """The architecture it was trained as, where the file says so; else its inference class."""
        trained = self.sae.cfg.metadata.get("training_architecture")
        return str(trained or self.sae.cfg.architecture())

    @property
    def signed(self) -> bool:
        """Whether latents may be negative."""
        return self.sae.cfg.architecture() in ("abstopk", "matching_pursuit")

    @property
    def d_in(self) -> int:
        """Width of an activation."""
        return int(self.sae.cfg.d_in)

    @property
    def n_latents(self) -> int:
        """Number of latents."""
        return int(self.sae.cfg.d_sae)

    @property
    def training(self) -> dict[str, Any]:
        """How `train_sae` made it, and its L0 and explained variance on held-out rows; empty for other SAEs."""
        return dict(self.sae.cfg.metadata.get("fiducial") or {})

    @property
    def directions(self) -> torch.Tensor:
        """What each latent writes, float32 [n_latents, d_in]."""
        rows = self.sae.W_dec.detach()
        if getattr(self.sae.cfg, "rescale_acts_by_decoder_norm", False):
            rows = rows / rows.norm(dim=-1, keepdim=True)
        return rows

    @torch.no_grad()
    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Activations [N, d_in] to latents float32 [N, n_latents].

        Raises:
            ValueError: another shape, or NaN or infinity.
        """
        if x.ndim != 2 or x.shape[1] != self.d_in:
            raise ValueError(f"{self.name}: activations must be [N, {self.d_in}], got {list(x.shape)}")
        if not torch.isfinite(x).all():
            raise ValueError(f"{self.name}: activations hold NaN or infinity")
        latents = self.sae.encode(x.to(self.sae.device, torch.float32))
        if self._normalisation in _PER_ROW:
            kept = ("ln_mu", "ln_std") if self._normalisation == "layer_norm" else ("x_norm_coeff",)
            self._row_statistics = {key: getattr(self.sae, key) for key in kept}
        return latents

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [N, n_latents] to activations float32 [N, d_in].

        Raises:
            ValueError: another shape; or the SAE normalises every row and these are not the rows encoded last.
        """
        if latents.ndim != 2 or latents.shape[1] != self.n_latents:
            raise ValueError(f"{self.name}: latents must be [N, {self.n_latents}], got {list(latents.shape)}")
        if self._normalisation in _PER_ROW:
            encoded = len(next(iter(self._row_statistics.values()), ()))
            if encoded != len(latents):
                raise ValueError(
                    f"{self.name} normalises every row ({self._normalisation}), so decode needs the rows that were "
                    f"encoded last: got {len(latents)} rows after encoding {encoded}"
                )
            for key, value in self._row_statistics.items():
                setattr(self.sae, key, value)  # sae_lens deletes them after each use
        return self.sae.decode(latents.to(self.sae.device, torch.float32))

    def __repr__(self) -> str:
        return f"SAEDictionary({self.name!r}, {self.architecture}, {self.n_latents} latents of {self.d_in} dimensions)"


def inference_class(sae: Any) -> "SAE[Any]":
    """The inference SAE of a sae_lens training object, made by saving and reloading it.

    Works on a copy: sae_lens folds decoder norms into the live object while it saves.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy.deepcopy(sae).save_inference_model(folder)
        return read_sae_folder(Path(folder))


def read_sae_folder(folder: Path, device: str = "cpu") -> "SAE[Any]":
    """The inference SAE of a sae_lens folder in float32, whatever dtype it is stored in; errors are sae_lens's own."""
    from sae_lens import SAE

    return SAE.load_from_disk(folder, device=device, dtype="float32")


def save_sae(dictionary: SAEDictionary, folder: str | Path, *, dtype: str = "float32") -> Path:
    """Write cfg.json and sae_weights.safetensors, readable by `SAE.load_from_disk`; the folder is whole or absent.

    Args:
        dictionary: what to save.
        folder: replaced if it is an SAE folder already.
        dtype: "float32", or "float16" or "bfloat16" for half the size. Plain sae_lens then computes in that dtype;
            `load_dictionary` always computes in float32.

    Returns:
        The folder.

    Raises:
        ValueError: unknown dtype, a weight too large for it, or a folder that holds something else.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be {', '.join(DTYPES[:-1])} or {DTYPES[-1]}, got {dtype!r}")
    folder = Path(folder)
    foreign = [p.name for p in folder.iterdir() if p.name not in (CONFIG_FILE, WEIGHTS_FILE)] if folder.exists() else []
    if foreign:
        raise ValueError(f"{folder} holds other files ({', '.join(sorted(foreign)[:3])}); give a folder of its own")
    from safetensors.torch import save_file

    state = {
        k: v.detach().to("cpu", getattr(torch, dtype)).contiguous() for k, v in dictionary.sae.state_dict().items()
    }
    for key, value in state.items():
        if not torch.isfinite(value).all():
            raise ValueError(f"weight {key} does not fit in {dtype}")
    config = dictionary.sae.cfg.to_dict() | {"dtype": dtype, "device": "cpu"}
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
    partial.chmod(0o755)  # mkdtemp is for the owner's eyes only
    try:
        save_file(state, partial / WEIGHTS_FILE)
        (partial / CONFIG_FILE).write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder
