"""Encoder and dictionary apart: learnt directions with the best code that can be found, learnt codes with true ones.

| what is made | codes | directions |
|---|---|---|
| `with_oracle_encoder` | non-negative sparse coding of the activation | those of the dictionary |
| `with_oracle_directions` | those of the dictionary | projected onto the true features they are matched to |

The oracle encoder knows the directions and the activation, not the truth: it is the code of a solver instead of that
of one linear map and a threshold, so what it cannot detect is the fault of the directions (or of their overlap).

Sources: matching pursuit, Mallat and Zhang 1993, IEEE Transactions on Signal Processing 41; LASSO by
sklearn.decomposition.sparse_encode.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from .dictionary import Dictionary

Method = Literal["matching pursuit", "lasso"]


@dataclass(eq=False)
class SparseCodingDictionary:
    """Directions with latents found by sparse coding; latents are >= 0, for directions of length 1.

    Attributes:
        name: a column of the report.
        directions: float32 [n_latents, d], of length 1; a direction of 0 stays and never fires.
        offset: float32 [d], what no latent explains: what the dictionary writes when all latents are 0.
        method: how rows are encoded.
        l0: latents a row at most (matching pursuit).
        alpha: weight of the L1 penalty (lasso), as in 0.5 |x - x'|^2 + alpha |latents|_1.
        tolerance: matching pursuit of a row ends where no latent takes off this share of its squared length.
        latent_names: those of the dictionary.
    """

    name: str
    directions: torch.Tensor
    offset: torch.Tensor
    method: Method
    l0: int = 0
    alpha: float = 0.0
    tolerance: float = 0.01
    latent_names: tuple[str, ...] | None = field(default=None)

    @torch.no_grad()
    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Activations [N, d] to latents float32 [N, n_latents].

        Raises:
            ValueError: another shape, or NaN or infinity.
        """
        d = self.directions.shape[1]
        if x.ndim != 2 or x.shape[1] != d:
            raise ValueError(f"{self.name}: activations must be [N, {d}], got {list(x.shape)}")
        if not torch.isfinite(x).all():
            raise ValueError(f"{self.name}: activations hold NaN or infinity")
        centred = x.float() - self.offset
        if self.method == "lasso":
            return self._lasso(centred)
        return torch.cat([_matching_pursuit(b, self.directions, self.l0, self.tolerance) for b in centred.split(4096)])

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [N, n_latents] to activations float32 [N, d].

        Raises:
            ValueError: another shape.
        """
        if latents.ndim != 2 or latents.shape[1] != len(self.directions):
            expected = f"[N, {len(self.directions)}]"
            raise ValueError(f"{self.name}: latents must be {expected}, got {list(latents.shape)}")
        return latents.float() @ self.directions + self.offset

    def _lasso(self, centred: torch.Tensor) -> torch.Tensor:
        from sklearn.decomposition import sparse_encode

        codes: Any = sparse_encode(
            centred.double().numpy(),
            self.directions.double().numpy(),
            algorithm="lasso_cd",
            alpha=self.alpha,
            positive=True,
            check_input=True,
            max_iter=1000,
        )
        return torch.from_numpy(np.asarray(codes, np.float32))


class ProjectedDictionary:
    """A dictionary's own latents, whose directions are projected onto the true features that they are matched to.

    Attributes:
        name: a column of the report.
        directions: float32 [n_latents, d]; 0 for a latent without a feature, which is silent too.
        latent_names: those of the base.
    """

    def __init__(self, base: Dictionary, directions: torch.Tensor, offset: torch.Tensor, name: str) -> None:
        self.base, self.name = base, name
        self.directions, self.offset = directions, offset
        self.latent_names = base.latent_names
        self._kept = (directions != 0).any(1)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Activations [N, d] to latents [N, n_latents]; those without a feature are 0."""
        return self.base.encode(x) * self._kept

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [N, n_latents] to activations [N, d]."""
        return latents.float() @ self.directions + self.offset


def with_oracle_encoder(
    dictionary: Dictionary,
    *,
    method: Method = "matching pursuit",
    l0: int | None = None,
    alpha: float | None = None,
    tolerance: float = 0.01,
    name: str | None = None,
) -> SparseCodingDictionary:
    """The dictionary's directions with a sparse coder for an encoder.

    Args:
        dictionary: whose directions are taken, at length 1; what it writes for silent latents is the offset.
        method: "matching pursuit" takes latents one by one, each the one that explains most of what is left, and fits
            the sizes of all taken again by non-negative least squares; "lasso" minimises
            0.5 |x - x'|^2 + alpha |latents|_1 over latents >= 0 (slower: for some thousands of rows).
        l0: latents a row at most, from 1 (matching pursuit).
        alpha: weight of the penalty, > 0, in the unit of the activations (lasso).
        tolerance: a row ends where no further latent takes off this share of its squared length (matching pursuit).
        name: by default that of the dictionary with the method.

    Raises:
        ValueError: an unknown method, or the number that it needs is missing or out of range.
    """
    directions = dictionary.directions.detach().cpu().float()
    lengths = directions.norm(dim=1, keepdim=True)
    units = directions / torch.where(lengths > 0, lengths, torch.ones_like(lengths))
    if method == "matching pursuit":
        if l0 is None or alpha is not None or not 1 <= l0 <= len(units):
            raise ValueError(f"matching pursuit needs l0 from 1 to {len(units)} and no alpha, got {l0} and {alpha}")
    elif method == "lasso":
        if alpha is None or l0 is not None or not alpha > 0:
            raise ValueError(f"lasso needs alpha > 0 and no l0, got {alpha} and {l0}")
    else:
        raise ValueError(f"method must be 'matching pursuit' or 'lasso', got {method!r}")
    offset = _silence(dictionary)
    title = name or f"{dictionary.name}, {method}"
    return SparseCodingDictionary(
        title, units, offset, method, l0 or 0, alpha or 0.0, tolerance, dictionary.latent_names
    )


def with_oracle_directions(
    dictionary: Dictionary,
    true_directions: torch.Tensor,
    assignment: NDArray[np.integer],
    *,
    owner: NDArray[np.integer] | None = None,
    offset: torch.Tensor | None = None,
    name: str | None = None,
) -> ProjectedDictionary:
    """The dictionary's latents, writing true directions: each direction is projected onto its feature's span.

    The projection keeps how far along the true direction a latent wrote. A latent that writes against the direction of
    its feature, or that has none, is silent.

    Args:
        dictionary: whose encoder is taken.
        true_directions: float [A, d].
        assignment: int [n_latents], feature of each latent; -1 for none.
        owner: int [A], feature of each true direction; None where direction a is that of feature a.
        offset: float [d], what silent latents write; None takes that of the dictionary.
        name: by default that of the dictionary with a remark.

    Raises:
        ValueError: shapes that do not fit, or a feature without a direction.
    """
    learned = dictionary.directions.detach().cpu().float()
    true = torch.as_tensor(true_directions).detach().cpu().float()
    owners = np.arange(len(true)) if owner is None else np.asarray(owner)
    wanted = np.asarray(assignment)
    if wanted.shape != (len(learned),) or owners.shape != (len(true),) or true.shape[1] != learned.shape[1]:
        raise ValueError(
            f"assignment must be [{len(learned)}], owner [{len(true)}], true_directions [A, {learned.shape[1]}]; "
            f"got {list(wanted.shape)}, {list(owners.shape)}, {list(true.shape)}"
        )
    if unknown := sorted({int(f) for f in wanted if f >= 0} - {int(f) for f in owners}):
        raise ValueError(f"assignment names features {unknown[:5]}, which own no true direction")
    projected = torch.zeros_like(learned)
    for latent, feature in enumerate(wanted.tolist()):
        if feature < 0:
            continue
        axes = true[torch.from_numpy(np.flatnonzero(owners == feature))]
        basis = torch.linalg.qr(axes.T).Q
        along = learned[latent] @ basis
        if len(axes) == 1 and float(learned[latent] @ axes[0]) <= 0:
            continue
        projected[latent] = basis @ along
    rest = _silence(dictionary) if offset is None else torch.as_tensor(offset).float()
    return ProjectedDictionary(dictionary, projected, rest, name or f"{dictionary.name}, true directions")


def _silence(dictionary: Dictionary) -> torch.Tensor:
    """What a dictionary writes when all of its latents are 0, float32 [d]."""
    with torch.no_grad():
        return dictionary.decode(torch.zeros(1, len(dictionary.directions)))[0].detach().cpu().float()


def _matching_pursuit(x: torch.Tensor, directions: torch.Tensor, l0: int, tolerance: float) -> torch.Tensor:
    """Latents [N, n_latents] >= 0 of at most l0 a row, for directions of length 1 or 0."""
    n = len(x)
    chosen = torch.zeros(n, l0, dtype=torch.long)
    sizes = torch.zeros(n, l0)
    residual = x.clone()
    enough = tolerance * x.square().sum(1)
    taken = torch.zeros(n, len(directions), dtype=torch.bool)
    rows = torch.arange(n)
    running = torch.ones(n, dtype=torch.bool)
    for step in range(l0):
        scores = (residual @ directions.T).masked_fill(taken, 0.0)
        best, latent = scores.max(1)
        running &= best.square() > enough  # a row that once ends stays so: its latents would only repeat
        if not running.any():
            break
        chosen[:, step] = latent
        sizes[:, step] = torch.where(running, best, torch.zeros_like(best))
        taken[rows[running], latent[running]] = True
        # Overlapping directions: sizes of the latents taken so far are fitted again, each in turn, never below 0.
        atoms = directions[chosen[:, : step + 1]]  # [N, step + 1, d]
        used = sizes[:, : step + 1] > 0
        used[:, step] = running
        residual = x - torch.einsum("nk,nkd->nd", sizes[:, : step + 1], atoms)
        for _ in range(3):
            for k in range(step + 1):
                old = sizes[:, k]
                new = (old + (residual * atoms[:, k]).sum(1)).clamp(min=0) * used[:, k]
                residual = residual - (new - old)[:, None] * atoms[:, k]
                sizes[:, k] = new
    return torch.zeros(n, len(directions)).scatter_add(1, chosen, sizes)
