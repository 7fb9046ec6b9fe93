"""The edits of an activation that need more than adding and subtracting directions."""

import torch


def project_out(x: torch.Tensor, directions: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Set the projection of every row on the span of its directions to that of a reference.

    With one unit direction c this is a + ((reference - a) . c) c.

    Args:
        x: float [N, d].
        directions: float [N, k, d], of any length; zeros count for nothing, parallel ones count once.
        reference: float [d] or [N, d].

    Returns:
        Float [N, d].
    """
    gram = torch.einsum("nkd,nld->nkl", directions.double(), directions.double())
    inverse = torch.linalg.pinv(gram, rtol=1e-9, hermitian=True)
    along = torch.einsum("nkd,nd->nk", directions.double(), (reference - x).double())
    coefficients = torch.einsum("nkl,nl->nk", inverse, along)
    return x + torch.einsum("nk,nkd->nd", coefficients, directions.double()).to(x.dtype)


def set_projection(x: torch.Tensor, direction: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Set the projection of every row on one direction to that of a reference: a + ((reference - a) . c) c.

    Args:
        x: float [N, d].
        direction: float [d] or [N, d], of any length; a row of zeros leaves its activation as it is.
        reference: float [d] or [N, d].
    """
    return project_out(x, direction.expand_as(x)[:, None], reference)
