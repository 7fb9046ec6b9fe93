"""What Karvonen et al. 2024 (arXiv 2408.00113) published for chess and Othello, as (coverage, reconstruction).

Rows: `random` is the best SAE of a model with random weights, `trained` the best SAE of the trained model, `probe`
linear probes on the trained model. The best of a row's two numbers come from different SAEs of a sweep of over 500 a
game. All are in the released protocol: selected on the games that are scored, divided by all declared properties.
"""

from dataclasses import dataclass

Pair = tuple[float | None, float | None]
ROWS = ("random", "trained", "probe")
STRATEGY_MEAN = "strategy"


@dataclass(frozen=True)
class Published:
    """Published numbers of one function.

    Attributes:
        random: SAE on the model with random weights, (coverage, reconstruction); None where nothing was published.
        trained: SAE on the trained model.
        probe: linear probe on the trained model; by a procedure that was not released.
        source: table of the paper, or how it was computed from the released results.
    """

    random: Pair = (None, None)
    trained: Pair = (None, None)
    probe: Pair = (None, None)
    source: str = ""

    def row(self, row: str) -> Pair:
        """The numbers of one of `ROWS`."""
        return {"random": self.random, "trained": self.trained, "probe": self.probe}[row]


_TABLES = "paper, Tables 4 and 5"
_SHEETS = "released result sheets, best SAE of the random and of the all-layer sweep"


def _concept(trained: tuple[float, float, float], random: tuple[float, float]) -> Published:
    """A line of Tables 4 and 5: probe, reconstruction, coverage of the trained model; the last two of the random."""
    probe, reconstruction, coverage = trained
    return Published((random[1], random[0]), (coverage, reconstruction), (None, probe), _TABLES)


CHESS: dict[str, Published] = {
    "piece, blank and initial masked": Published((0.11, 0.01), (0.48, 0.85), (0.98, 0.98), "paper, Table 1"),
    "piece": Published((None, 0.482), (None, 0.786), source=_SHEETS),
    "piece, blank masked": Published((None, 0.444), (None, 0.829), source=_SHEETS),
    "check": _concept((1.00, 1.00, 1.00), (0.00, 0.13)),
    "can check next": _concept((0.93, 0.27, 0.54), (0.03, 0.52)),
    "can capture queen": _concept((0.66, 0.62, 0.48), (0.00, 0.09)),
    "has queen": _concept((1.00, 0.97, 0.96), (0.95, 0.93)),
    "bishop pair": _concept((1.00, 0.83, 0.86), (0.74, 0.81)),
    "castling rights": _concept((1.00, 0.98, 0.82), (0.75, 0.65)),
    "kingside castling rights": _concept((1.00, 0.98, 0.81), (0.75, 0.65)),
    "queenside castling rights": _concept((1.00, 0.97, 0.81), (0.75, 0.64)),
    "any fork": _concept((0.68, 0.13, 0.38), (0.00, 0.07)),
    "pin": _concept((0.67, 0.20, 0.33), (0.00, 0.25)),
    "legal en passant": _concept((0.96, 0.92, 0.90), (0.00, 0.06)),
    "ambiguous moves": _concept((0.72, 0.25, 0.57), (0.00, 0.52)),
    "threat": _concept((0.96, 0.93, 0.71), (0.73, 0.60)),
    "legal moves": _concept((0.92, 0.66, 0.63), (0.36, 0.45)),
    "connected rooks": Published((0.38, None), (0.77, None), source=_SHEETS),
    "specific fork": Published((0.25, None), (0.40, None), source=_SHEETS),
    "mate threat": Published((0.40, None), (0.50, None), source=_SHEETS),
    STRATEGY_MEAN: Published(trained=(0.617, 0.650), source="released result sheets, one p-anneal SAE of layer 5"),
}
OTHELLO: dict[str, Published] = {
    "mine/yours, blank masked": Published((0.27, 0.08), (0.52, 0.95), (0.99, 0.99), "paper, Table 1"),
    "valid moves": Published((0.340, 0.054), (0.812, 0.939), source=_SHEETS),
}
PUBLISHED_NUMBERS: dict[str, dict[str, Published]] = {"chess": CHESS, "othello": OTHELLO}
"""By world and published function."""


def published_numbers(world: str, function: str) -> Published:
    """What was published about a function; empty where nothing was."""
    return PUBLISHED_NUMBERS.get(world, {}).get(function, Published())
