"""Encoders that can be cut into pieces by latent: what a known dictionary computes, as one matrix and what follows it.

An encoder is known where each latent depends on its own column of one matrix, apart from a last step that keeps the k
largest of a row. Then a slice of the latents needs a slice of the columns, and [rows, n_latents] is never held.

| known | latents before the k largest are kept |
|---|---|
| standard SAE, and all that are saved as one | relu(x W + b) |
| topk, abstopk | relu(x W + b), or x W + b with its sign; times decoder norms where the SAE says so |
| jumprelu, batchtopk, matryoshka | relu(x W + b) where x W + b > threshold |
| gated, gated annealing | relu(x W exp(r) + b_mag) where x W + b_gate > 0 |
| random dictionary, PCA, neurons | relu((x - centre) W), or with its sign |

Others (a Switch SAE's router, matching pursuit, edited dictionaries) encode whole rows, a few at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from .controls import LinearDictionary
from .dictionary import Dictionary
from .sae_dictionary import SAEDictionary

Activate = Callable[[torch.Tensor, slice], torch.Tensor]


@dataclass(frozen=True, eq=False)
class LinearEncoder:
    """An encoder that can be cut by latent.

    Attributes:
        prepare: activations [N, d_in] to what the matrix reads, float32 [N, d].
        weight: float32 [d, L].
        activate: products [N, tile] of a slice of the columns to latents before the k largest are kept; may write into
            what it is given.
        k: how many of a row are kept, by magnitude; None for all.
    """

    prepare: Callable[[torch.Tensor], torch.Tensor]
    weight: torch.Tensor
    activate: Activate
    k: int | None = None

    @property
    def n_latents(self) -> int:
        """L."""
        return self.weight.shape[1]

    def tile(self, inputs: torch.Tensor, part: slice) -> torch.Tensor:
        """Latents of a slice, float32 [N, tile], before the k largest of the row are kept."""
        return self.activate(inputs @ self.weight[:, part], part)


def linear_encoder(dictionary: Dictionary) -> LinearEncoder | None:
    """The encoder of a dictionary of a known form, on its device; None for others."""
    if type(dictionary) is LinearDictionary:
        return _of_control(dictionary)
    if type(dictionary) is not SAEDictionary:
        return None
    sae: Any = dictionary.sae
    # A subclass from elsewhere may compute anything, and so may a hook.
    if not type(sae).__module__.startswith("sae_lens.saes.") or any(h.fwd_hooks for h in sae.hook_dict.values()):
        return None
    kinds = {"standard": _standard, "topk": _topk, "abstopk": _topk, "jumprelu": _jumprelu, "gated": _gated}
    make = kinds.get(sae.cfg.architecture())
    return None if make is None else make(dictionary, sae)


def _of_control(control: LinearDictionary) -> LinearEncoder:
    def prepare(x: torch.Tensor) -> torch.Tensor:
        _check(control.name, x, control.d_in)
        return x.float() - control.centre

    def activate(product: torch.Tensor, part: slice) -> torch.Tensor:
        del part
        return product if control.signed else product.relu_()

    return LinearEncoder(prepare, control.reading, activate, control.k)


def _prepare(dictionary: SAEDictionary, sae: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    def prepare(x: torch.Tensor) -> torch.Tensor:
        _check(dictionary.name, x, dictionary.d_in)
        return sae.process_sae_in(x.to(sae.device, torch.float32))

    return prepare


def _standard(dictionary: SAEDictionary, sae: Any) -> LinearEncoder:
    bias = sae.b_enc.detach()
    return LinearEncoder(
        _prepare(dictionary, sae), sae.W_enc.detach(), lambda product, part: product.add_(bias[part]).relu_()
    )


def _topk(dictionary: SAEDictionary, sae: Any) -> LinearEncoder:
    bias = sae.b_enc.detach()
    norms = sae.W_dec.detach().norm(dim=-1) if sae.cfg.rescale_acts_by_decoder_norm else None

    def activate(product: torch.Tensor, part: slice) -> torch.Tensor:
        product.add_(bias[part])
        if norms is not None:
            product.mul_(norms[part])
        return product if dictionary.signed else product.relu_()

    return LinearEncoder(_prepare(dictionary, sae), sae.W_enc.detach(), activate, int(sae.cfg.k))


def _jumprelu(dictionary: SAEDictionary, sae: Any) -> LinearEncoder:
    bias, threshold = sae.b_enc.detach(), sae.threshold.detach()

    def activate(product: torch.Tensor, part: slice) -> torch.Tensor:
        product.add_(bias[part])
        return product.relu().mul_(product > threshold[part])

    return LinearEncoder(_prepare(dictionary, sae), sae.W_enc.detach(), activate)


def _gated(dictionary: SAEDictionary, sae: Any) -> LinearEncoder:
    gate, bias, scale = sae.b_gate.detach(), sae.b_mag.detach(), sae.r_mag.detach().exp()

    def activate(product: torch.Tensor, part: slice) -> torch.Tensor:
        open_ = product + gate[part] > 0
        return product.mul_(scale[part]).add_(bias[part]).relu_().mul_(open_)

    return LinearEncoder(_prepare(dictionary, sae), sae.W_enc.detach(), activate)


def _check(name: str, x: torch.Tensor, d_in: int) -> None:
    if x.ndim != 2 or x.shape[1] != d_in:
        raise ValueError(f"{name}: activations must be [N, {d_in}], got {list(x.shape)}")
    if not torch.isfinite(x).all():
        raise ValueError(f"{name}: activations hold NaN or infinity")
