"""What every accumulator does the same way: check that batches follow each other and bring what is needed."""

from collections.abc import Iterable
from types import TracebackType

from ..score import Score
from .accumulator import Accumulator
from .batch import Batch
from .rows import n_rows_of, value_of


class Passing:
    """An accumulator without a metric; subclasses fill in `_take`, `_scores` and, with several passes, `_passed`.

    Args:
        names: of the scores.
        needs: fields of a batch, or names of what is measured in it, that must be there.
        passes: how often the sample has to pass.
    """

    def __init__(self, names: tuple[str, ...], needs: frozenset[str], passes: int = 1) -> None:
        self._names, self._needs, self._passes = names, needs, passes
        self._turn = 0
        self._next: int | None = None
        self._extent: tuple[int, int] | None = None
        self._first = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Of the scores."""
        return self._names

    @property
    def needs(self) -> frozenset[str]:
        """Fields of a batch that are read."""
        return self._needs

    @property
    def passes(self) -> int:
        """How often the sample has to pass."""
        return self._passes

    def accumulate(self, batch: Batch) -> None:
        """Take the next positions of the sample.

        Raises:
            ValueError: a batch that lacks something, does not follow the last one, or holds NaN.
        """
        who = ", ".join(self._names[:3]) + (", ..." if len(self._names) > 3 else "")
        if self._turn >= self._passes:
            raise ValueError(f"{who}: all {self._passes} passes are over; make a new accumulator for another sample")
        if self._next is not None and batch.start != self._next:
            raise ValueError(
                f"{who}: the next batch must start at row {self._next}, got one that starts at {batch.start}"
            )
        missing = sorted(name for name in self.needs if value_of(batch, name) is None)
        if missing:
            raise ValueError(f"{who}: batches must hold {', '.join(missing)}; the one at row {batch.start} does not")
        lengths = {name: n_rows_of(value_of(batch, name)) for name in sorted(self.needs)} | {"train": len(batch.train)}
        if wrong := {name: n for name, n in lengths.items() if n != len(batch)}:
            raise ValueError(f"{who}: a batch of {len(batch)} positions must have as many rows everywhere, got {wrong}")
        if self._next is None:
            self._first = batch.start
        self._next = batch.start + len(batch)
        if len(batch):
            self._take(batch)

    def end_pass(self) -> None:
        """The sample has passed once.

        Raises:
            ValueError: nothing passed, or another number of rows than in the pass before.
        """
        if self._next is None:
            raise ValueError(f"{', '.join(self._names[:3])}: no batch has passed")
        extent = (self._first, self._next)
        if self._extent is not None and extent != self._extent:
            raise ValueError(f"every pass must bring the same rows; rows {self._extent} passed first, now {extent}")
        self._extent, self._next = extent, None
        self._turn += 1
        self._passed()

    def compute(self) -> dict[str, Score]:
        """The scores, after all passes.

        Raises:
            ValueError: passes are missing, or there is too little to score.
        """
        if self._turn < self._passes:
            raise ValueError(f"{', '.join(self._names[:3])}: {self._turn} of {self._passes} passes are over")
        found = self._scores()
        return {name: found[name] for name in self._names}

    def close(self) -> None:
        """Nothing to give back unless a subclass keeps files."""

    def __enter__(self) -> "Passing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, batch: Batch) -> None:
        raise NotImplementedError

    def _passed(self) -> None:
        """A pass is over; `_turn` counts it already."""

    def _scores(self) -> dict[str, Score]:
        raise NotImplementedError


class Narrowed:
    """An accumulator that gives some of its scores only.

    Args:
        whole: the accumulator.
        names: of the scores to give, all among its own.
    """

    def __init__(self, whole: Accumulator, names: Iterable[str]) -> None:
        self._whole, self._names = whole, tuple(names)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the scores."""
        return self._names

    @property
    def needs(self) -> frozenset[str]:
        """Fields of a batch that are read."""
        return self._whole.needs

    @property
    def passes(self) -> int:
        """How often the sample has to pass."""
        return self._whole.passes

    def accumulate(self, batch: Batch) -> None:
        """As the whole accumulator does."""
        self._whole.accumulate(batch)

    def end_pass(self) -> None:
        """As the whole accumulator does."""
        self._whole.end_pass()

    def compute(self) -> dict[str, Score]:
        """The scores by these names."""
        found = self._whole.compute()
        return {name: found[name] for name in self._names}

    def close(self) -> None:
        """Close the whole accumulator."""
        self._whole.close()

    def __enter__(self) -> "Narrowed":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()
