"""Sums over the positions of each game, for games that come in any order and in parts."""

import numpy as np
from numpy.typing import NDArray


class GameSums:
    """One row of sums a game; memory grows with the games, not with the positions.

    Positions are added one after the other, so that cutting a sample into other batches changes nothing, not even the
    last bit of a float sum.

    Args:
        columns: how many sums a game has.
        dtype: of the sums: int64, float64, or a smaller integer where many games have many columns.
    """

    def __init__(self, columns: int, dtype: type[np.generic] = np.float64) -> None:
        self._rows: dict[int, int] = {}
        self._sums = np.zeros((16, columns), dtype)

    def rows(self, game_id: NDArray[np.integer]) -> NDArray[np.int64]:
        """Row of each position's game in the unsorted table, int64 [n]; new games get new rows."""
        games, of_row = np.unique(game_id, return_inverse=True)
        numbers = np.array([self._rows.setdefault(game, len(self._rows)) for game in games.tolist()], np.int64)
        while len(self._rows) > len(self._sums):
            self._sums = np.concatenate([self._sums, np.zeros_like(self._sums)])
        return numbers[of_row]

    def add(self, game_id: NDArray[np.integer], values: NDArray[np.generic]) -> None:
        """Add values [n, columns] to the sums of the games of n positions."""
        rows = self.rows(game_id)  # first: it may make the table longer, which is another array then
        np.add.at(self._sums, rows, values.astype(self._sums.dtype, copy=False))

    @property
    def sums(self) -> NDArray[np.generic]:
        """The unsorted table, for kernels that add to it in place; rows as `rows` numbers them."""
        return self._sums

    @property
    def n_games(self) -> int:
        """Games so far."""
        return len(self._rows)

    @property
    def game_ids(self) -> NDArray[np.int64]:
        """Ids of the games, ascending, int64 [G]."""
        return np.sort(np.fromiter(self._rows, np.int64, len(self._rows)))

    def table(self) -> NDArray[np.generic]:
        """Sums by game, in ascending order of their ids, [G, columns]."""
        return self._sums[[self._rows[game] for game in self.game_ids.tolist()]]
