"""From a sample on disk to batches: read a block, encode it, and hand it on while the next one is read."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.activation_file import CHUNK_ROWS
from ..metrics.streaming.accumulator import Accumulator
from ..metrics.streaming.batch import Batch
from ..models.devices import checked_device, device_of, on_device
from ..models.dictionary import Codes, Dictionary
from ..models.encoding import compact, encode_sparse
from .sample import GameSplit, Rows, Sample

FIELDS = frozenset({"position", "codes", "labels", "x", "x_hat"})  # that a file can bring
ELEMENTS = 1 << 23  # of the dense latents held at once: 32 MiB
MOST_ROWS = 4 * CHUNK_ROWS
LEAST_ROWS = 64
Item = TypeVar("Item")


@dataclass
class Tally:
    """What passed, counted on the way.

    Attributes:
        rows: positions of all passes.
        entries: latents that differ from 0 there, of passes that encoded.
        encoded: positions of those passes.
    """

    rows: int = 0
    entries: int = 0
    encoded: int = 0

    @property
    def l0(self) -> float:
        """Mean number of latents that differ from 0."""
        return self.entries / max(1, self.encoded)


def batches_of(
    sample: Sample,
    dictionary: Dictionary | None,
    split: GameSplit,
    needs: Callable[[int], frozenset[str]],
    *,
    batch_rows: int | None = None,
    budget_bytes: int = 1 << 28,
    elements: int = ELEMENTS,
    device: str = "cpu",
    ahead: bool = True,
    progress: str | None = None,
    tally: Tally | None = None,
) -> Callable[[], Iterator[Batch]]:
    """What `stream` wants: a function that starts a pass over the sample.

    Args:
        sample: where from.
        dictionary: what encodes the activations of the sample; None for a sample that holds latents.
        split: which games choose.
        needs: fields of a batch that are read in a pass, by its number from 0.
        batch_rows: positions a batch; by default as many as the budget allows.
        budget_bytes: what the batches in flight may take.
        elements: of dense latents held at once while encoding.
        device: where the dictionary works.
        ahead: read and encode the next batch in a thread while one is scored.
        progress: what a progress bar is called; None for no bar.
        tally: counts what passes.

    Raises:
        ValueError: a dictionary for a sample that holds latents, none for one that holds activations, one of another
            width, a field that the sample does not have, or a batch below one row.
    """
    check_fit(sample, dictionary)
    encoder = None if dictionary is None or device == "cpu" else on_device(dictionary, checked_device(device))
    encoder = encoder or dictionary
    in_flight = 3 if ahead else 1
    size = batch_rows or rows_within(budget_bytes // in_flight, sample)
    if size < 1:
        raise ValueError(f"a batch must have at least 1 row, got {size}")
    turn = -1

    def start() -> Iterator[Batch]:
        nonlocal turn
        turn += 1
        asked = needs(turn)
        if absent := sorted(asked - offered(sample)):
            raise ValueError(
                f"{sample.path} has no {', '.join(absent)}; it offers {', '.join(sorted(offered(sample)))}"
            )
        parts = asked - {"codes", "x_hat"} | ({"x"} if sample.d_in and asked & {"codes", "x_hat"} else set())
        parts |= {"codes"} if sample.n_latents and "codes" in asked else frozenset()
        read = sample.rows(size, frozenset(parts))
        made = (_batch(rows, encoder, split, asked, elements) for rows in read)
        return _counted(prefetched(made) if ahead else made, sample.n_rows, progress, tally)

    return start


def needs_of(accumulators: Sequence[Accumulator]) -> Callable[[int], frozenset[str]]:
    """What the accumulators that are still awake read in a pass, asked when it begins."""
    return lambda turn: frozenset[str]().union(*(one.needs for one in accumulators if turn < one.passes))


def check_fit(sample: Sample, dictionary: Dictionary | None) -> None:
    """Refuse a dictionary that cannot read a sample.

    Raises:
        ValueError: a dictionary for latents, none for activations, or one of another width.
    """
    if dictionary is None:
        if sample.n_latents is None:
            raise ValueError(f"{sample.path} holds activations; give the dictionary that encodes them")
        return
    if sample.d_in is None:
        raise ValueError(f"{sample.path} holds latents already; {dictionary.name!r} reads activations")
    width = dictionary.directions.shape[1]
    if width != sample.d_in:
        raise ValueError(
            f"dictionary {dictionary.name!r} reads activations of width {width}; those in {sample.path} have "
            f"width {sample.d_in}"
        )


def offered(sample: Sample) -> frozenset[str]:
    """Fields of a batch that a sample can bring."""
    return FIELDS if sample.d_in else FIELDS - {"x", "x_hat"}


def rows_within(budget_bytes: int, sample: Sample) -> int:
    """Positions of a batch that fit a budget: whole chunks of the file where several do."""
    rows = max(LEAST_ROWS, min(MOST_ROWS, budget_bytes // sample.row_bytes))
    return rows // CHUNK_ROWS * CHUNK_ROWS if rows >= CHUNK_ROWS else rows


def encoded(
    dictionary: Dictionary, x: torch.Tensor, *, rebuilt: bool, elements: int = ELEMENTS
) -> tuple[Codes, NDArray[np.float32] | None]:
    """Latents of some activations, and what they write if asked; never holds more than `elements` dense latents.

    Raises:
        ValueError: a latent that is NaN or infinite.
    """
    if not rebuilt:
        return encode_sparse(dictionary, x, elements=elements), None
    size = max(1, elements // max(1, len(dictionary.directions)))
    home = device_of(dictionary)
    codes: list[Codes] = []
    written: list[NDArray[np.float32]] = []
    with torch.no_grad():
        for piece in x.split(size):
            latents = dictionary.encode(piece.to(home))
            codes.append(compact(latents))
            written.append(dictionary.decode(latents).cpu().float().numpy())
    return Codes.concatenate(codes), np.concatenate(written)


def prefetched(items: Iterator[Item]) -> Iterator[Item]:
    """The same items, each made in a thread while the one before it is used."""
    end: Any = object()
    with ThreadPoolExecutor(1, thread_name_prefix="reader") as pool:
        coming = pool.submit(next, items, end)
        try:
            while (item := coming.result()) is not end:
                coming = pool.submit(next, items, end)
                yield item
                del item
        finally:
            coming.cancel()
            close = getattr(items, "close", None)
            if close is not None:  # in the thread that runs it
                pool.submit(close).result()


def _batch(rows: Rows, dictionary: Dictionary | None, split: GameSplit, asked: frozenset[str], elements: int) -> Batch:
    codes, x_hat = rows.codes, None
    if dictionary is not None and asked & {"codes", "x_hat"}:
        assert rows.x is not None
        codes, x_hat = encoded(dictionary, rows.x, rebuilt="x_hat" in asked, elements=elements)
    return Batch(
        rows.start,
        rows.game_id,
        split.train_rows(rows.game_id),
        _positions(rows) if "position" in asked else None,
        codes,
        rows.labels,
        rows.x.numpy() if rows.x is not None and "x" in asked else None,
        x_hat,
    )


def _positions(rows: Rows) -> NDArray[np.integer[Any]]:
    if rows.position is None:
        raise ValueError("the sample does not say where in its game a position stands")
    return rows.position


def _counted(batches: Iterator[Batch], n_rows: int, progress: str | None, tally: Tally | None) -> Iterator[Batch]:
    from tqdm.auto import tqdm

    bar = tqdm(
        total=n_rows, desc=progress, unit="row", unit_scale=True, leave=False, disable=None if progress else True
    )
    with bar:
        for batch in batches:
            yield batch
            bar.update(len(batch))
            if tally is not None:
                tally.rows += len(batch)
                if batch.codes is not None:
                    tally.entries += len(batch.codes.values)
                    tally.encoded += len(batch)
