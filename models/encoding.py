"""Latents of a sample as sparse codes, without the dense matrix [N, n_latents] ever being held.

Conventions   A batch is cut into rows so that rows x n_latents stays within `elements`, its zeros are dropped on the
              device that encodes, and only what is left comes back. Where the encoder is of a known form
              (`encoders.py`) and `tiled` allows it, latents are cut too: thresholds are applied slice by slice, and the
              k largest of a row are kept running over the slices.
              Slices change the order of a sum, so latents agree with `dictionary.encode` to float32 rounding, and one
              within rounding of its threshold, or of the k-th largest, may fall on the other side. Of equal values at
              the k-th place any may be kept, as with torch.topk.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from .devices import DeviceLike, checked_device, device_of, on_device
from .dictionary import Codes, Dictionary
from .encoders import LinearEncoder, linear_encoder

ELEMENTS = 1 << 24  # 64 megabytes of float32
FEWEST_ROWS = 256  # below which products of matrices are slow, so that latents are cut instead


def encode_sparse(
    dictionary: Dictionary,
    batches: torch.Tensor | Iterable[torch.Tensor],
    *,
    device: DeviceLike | None = None,
    elements: int = ELEMENTS,
    tiled: bool | None = None,
) -> Codes:
    """Codes of a whole sample; `encoded_batches` one after another.

    Args:
        dictionary: what encodes.
        batches: float [N, d_in], or batches of it, on any device.
        device: where to encode; None for where the dictionary is.
        elements: latents held at a time, at least 1.
        tiled: cut latents as well as rows. None: on a device other than the CPU, and where a few rows of all latents
            would not fit.

    Returns:
        Codes of all rows, in order.

    Raises:
        ValueError: no rows, latents that are NaN or infinite, or a device that is not there.

    Examples:
        >>> from fiducial.models.controls import identity_dictionary
        >>> encode_sparse(identity_dictionary(2), torch.tensor([[1.0, 0.0], [0.0, -3.0]])).to_dense().tolist()
        [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 3.0]]
    """
    parts = list(encoded_batches(dictionary, batches, device=device, elements=elements, tiled=tiled))
    if not parts:
        raise ValueError("there is nothing to encode: no batch of activations came")
    return Codes.concatenate(parts)


@torch.no_grad()
def encoded_batches(
    dictionary: Dictionary,
    batches: torch.Tensor | Iterable[torch.Tensor],
    *,
    device: DeviceLike | None = None,
    elements: int = ELEMENTS,
    tiled: bool | None = None,
) -> Iterator[Codes]:
    """Codes of a sample, a few rows at a time; the arguments of `encode_sparse`.

    Raises:
        ValueError: latents that are NaN or infinite, elements below 1, or a device that is not there.
    """
    if elements < 1:
        raise ValueError(f"elements must be at least 1, got {elements}")
    here = on_device(dictionary, checked_device(device)) if device is not None else dictionary
    n_latents, home = len(here.directions), device_of(here)
    rows = max(1, elements // max(1, n_latents))
    encoder = None
    if tiled or (tiled is None and (home.type != "cpu" or rows < FEWEST_ROWS)):
        encoder = linear_encoder(here)
    if encoder is not None and rows < FEWEST_ROWS:
        rows = max(1, min(FEWEST_ROWS, elements))
    done = 0
    for batch in [batches] if isinstance(batches, torch.Tensor) else batches:
        for part in batch.split(rows):
            x = part.to(home)
            if encoder is None:
                yield compact(here.encode(x), done)
            else:
                yield encode_tiles(encoder, x, max(1, elements // rows), done)
            done += len(part)


def compact(latents: torch.Tensor, first_row: int = 0) -> Codes:
    """Codes of dense latents [N, L]; zeros are dropped on their device.

    Args:
        latents: floating [N, L].
        first_row: number of the first row, for the message of an error.

    Raises:
        ValueError: another shape or dtype, or a latent that is NaN or infinite (as float32).
    """
    if latents.ndim != 2 or not latents.is_floating_point():
        raise ValueError(f"latents must be floating [N, n_latents], got {latents.dtype} {list(latents.shape)}")
    dense = latents.detach().float()
    rows, columns = dense.nonzero(as_tuple=True)  # a NaN differs from 0
    return _codes(rows, columns, dense[rows, columns], len(dense), dense.shape[1], first_row)


def encode_tiles(encoder: LinearEncoder, x: torch.Tensor, width: int, first_row: int = 0) -> Codes:
    """Codes of activations [N, d_in] on the encoder's device, `width` latents at a time.

    Raises:
        ValueError: activations that the encoder refuses, or a latent that is NaN or infinite.
    """
    inputs = encoder.prepare(x)
    tiles = [slice(a, min(a + width, encoder.n_latents)) for a in range(0, encoder.n_latents, width)]
    if encoder.k is not None:
        return _largest(encoder, inputs, tiles, encoder.k, first_row)
    rows: list[torch.Tensor] = []
    columns: list[torch.Tensor] = []
    values: list[torch.Tensor] = []
    for part in tiles:
        dense = encoder.tile(inputs, part)
        row, column = dense.nonzero(as_tuple=True)
        rows.append(row)
        columns.append(column + part.start)
        values.append(dense[row, column])
    row, column, value = torch.cat(rows), torch.cat(columns), torch.cat(values)
    if len(tiles) > 1:
        order = row.sort(stable=True).indices  # slices come in order of their latents, so these keep it in a row
        row, column, value = row[order], column[order], value[order]
    return _codes(row, column, value, len(x), encoder.n_latents, first_row)


def _largest(encoder: LinearEncoder, inputs: torch.Tensor, tiles: list[slice], k: int, first_row: int) -> Codes:
    """Codes of the k latents of a row that are largest by magnitude, kept running over the tiles."""
    best_value = inputs.new_zeros(len(inputs), 0)
    best_column = torch.zeros(len(inputs), 0, dtype=torch.int64, device=inputs.device)
    for part in tiles:
        dense = encoder.tile(inputs, part)
        found = dense.abs().topk(min(k, dense.shape[1]), dim=1, sorted=False).indices
        value = torch.cat([best_value, dense.gather(1, found)], 1)
        column = torch.cat([best_column, found + part.start], 1)
        if value.shape[1] > k:
            kept = value.abs().topk(k, dim=1, sorted=False).indices
            value, column = value.gather(1, kept), column.gather(1, kept)
        best_value, best_column = value, column
    column, order = best_column.sort(dim=1)
    value = best_value.gather(1, order)
    row, place = value.nonzero(as_tuple=True)
    return _codes(row, column[row, place], value[row, place], len(inputs), encoder.n_latents, first_row)


def _codes(
    rows: torch.Tensor, columns: torch.Tensor, values: torch.Tensor, n_rows: int, n_latents: int, first_row: int
) -> Codes:
    """Codes of entries in order of row and column, checked and brought to the CPU."""
    if not bool(values.isfinite().all()):
        bad = int((~values.isfinite()).nonzero()[0])
        where = f"row {first_row + int(rows[bad])}, latent {int(columns[bad])}"
        raise ValueError(f"latents hold {float(values[bad])} at {where}; expected finite values")
    indptr: NDArray[np.int64] = np.zeros(n_rows + 1, np.int64)
    counts = torch.zeros(n_rows, dtype=torch.int64, device=rows.device).index_add_(0, rows, torch.ones_like(rows))
    np.cumsum(counts.cpu().numpy(), out=indptr[1:])
    return Codes(indptr, columns.int().cpu().numpy(), values.cpu().numpy(), n_latents)
