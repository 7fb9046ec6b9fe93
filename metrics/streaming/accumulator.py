"""The contract of streaming metrics, and the loop that feeds them."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Protocol

from ..score import Score
from .batch import Batch


class Accumulator(Protocol):
    """A metric, or several that share their counts, over a sample that passes batch by batch.

    The scores equal those of the function on whole arrays: counts to the last integer, sums of floats to rounding.
    Closing it gives back what it keeps on disk; it is a context manager that does so.

    Attributes:
        names: of the scores that `compute` gives.
        needs: fields of `Batch` that must be there, besides `start`, `game_id` and `train`.
        passes: how often the sample has to pass.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Of the scores."""
        ...

    @property
    def needs(self) -> frozenset[str]:
        """Fields of a batch that are read."""
        ...

    @property
    def passes(self) -> int:
        """How often the sample has to pass."""
        ...

    def accumulate(self, batch: Batch) -> None:
        """Take the next positions of the sample.

        Raises:
            ValueError: a batch that lacks something, does not follow the last one, or holds NaN.
        """
        ...

    def end_pass(self) -> None:
        """The sample has passed once."""
        ...

    def compute(self) -> dict[str, Score]:
        """The scores, after all passes.

        Raises:
            ValueError: passes are missing, or there is too little to score.
        """
        ...

    def close(self) -> None:
        """Give back files and memory; may be called twice."""
        ...

    def __enter__(self) -> "Accumulator": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None: ...


def stream(accumulators: Sequence[Accumulator], batches: Callable[[], Iterable[Batch]]) -> dict[str, Score]:
    """Feed accumulators with a sample as often as the neediest of them asks, and compute.

    Args:
        accumulators: closed at the end, whatever happens.
        batches: starts a pass over the sample.

    Returns:
        The scores of all, by name.

    Raises:
        ValueError: as `Accumulator.accumulate` and `Accumulator.compute`.
    """
    with ExitStack() as stack:
        for one in accumulators:
            stack.enter_context(one)
        for turn in range(max((one.passes for one in accumulators), default=0)):
            awake = [one for one in accumulators if turn < one.passes]
            with closing(iterate(batches())) as passing:  # a reader must not outlive an error in a metric
                for batch in passing:
                    for one in awake:
                        one.accumulate(batch)
            for one in awake:
                one.end_pass()
        return {name: score for one in accumulators for name, score in one.compute().items()}


def iterate(batches: Iterable[Batch]) -> Generator[Batch, None, None]:
    """The same batches; closing this closes what makes them, where that can be closed."""
    passing = iter(batches)
    try:
        yield from passing
    finally:
        close = getattr(passing, "close", None)
        if close is not None:
            close()
