"""Checks of exercises 05 to 07: a student's function is called on small made-up arrays and compared with ours.

Wrong ways that one can foresee are written down as functions too; an answer that does what one of them does gets its
hint. Reading this file spoils the exercises.
"""

from typing import Any

import numpy as np
from checks import Wrong, as_array, given, require, right
from checks_compare import Function, called, compare

# 05: absorption and hedging

TOY_ROWS = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])  # none, bird, penguin (which is a bird too)
ABSORBED = np.array([[1.0, 0.0], [1.0, 1.0] / np.sqrt(2)])


def check_codes(name: str, codes: Any, directions: np.ndarray) -> None:
    """Codes of the three rows of the toy: they must rebuild the rows, and never be negative."""
    array = as_array(name, codes, (3, 2))
    require(bool((array >= 0).all()), f"{name}: an SAE's latents are never negative")
    error = np.abs(array @ directions - TOY_ROWS).max(1)
    rows = ("nothing", "a bird", "a penguin")
    for row, off in zip(rows, error, strict=True):
        require(off < 1e-3, f"{name}: the row of {row} comes out wrong by {off:.2f}; how long is each direction?")
    right(name)


def check_silenced(function: Function) -> None:
    """Recall without a child less recall with one."""
    rng = np.random.default_rng(0)
    cases = []
    for _ in range(3):
        parent = rng.random(200) < 0.5
        child = parent & (rng.random(200) < 0.4)
        cases.append(
            (np.where(child, rng.random(200) < 0.3, rng.random(200) < 0.8) & (rng.random(200) < 0.9), parent, child)
        )

    def ours(fires: np.ndarray, parent: np.ndarray, child: np.ndarray) -> float:
        return fires[parent & ~child].mean() - fires[parent & child].mean()

    compare(
        "silenced",
        function,
        ours,
        cases,
        wrong={
            "the sign is turned round: an absorbed parent should score above 0": lambda f, p, c: -ours(f, p, c),
            "recall looks only at rows where the parent holds; rows without the parent do not count":
                lambda f, p, c: f[~c].mean() - f[c].mean(),
            "that is the recall with a child alone; it is compared with the recall without one":
                lambda f, p, c: f[p & c].mean(),
            "that is the recall without a child alone; the recall with one is to be taken off":
                lambda f, p, c: f[p & ~c].mean(),
            "compare with the rows of the parent without any child, not with all of its rows":
                lambda f, p, c: f[p].mean() - f[p & c].mean(),
        },
        hint="Of the rows where the parent holds, on which share does the latent fire? Without a child, and with one.",
    )  # fmt: skip


def check_cosines(function: Function) -> None:
    """Cosines of all latents with all features."""
    rng = np.random.default_rng(1)
    case = (rng.standard_normal((5, 7)) * 3, rng.standard_normal((4, 7)))

    def units(a: np.ndarray) -> np.ndarray:
        return a / np.linalg.norm(a, axis=1, keepdims=True)

    compare(
        "cosines",
        function,
        lambda a, b: units(a) @ units(b).T,
        [case],
        wrong={
            "these are inner products; both sides have to be divided by their lengths": lambda a, b: a @ b.T,
            "divide the features' directions by their lengths too, for a user's need not be 1": lambda a, b: (
                units(a) @ b.T
            ),
            "divide the latents' directions by their lengths too": lambda a, b: a @ units(b).T,
        },
        hint="A latent a row, a feature a column; a cosine is the inner product of two vectors of length 1.",
    )


def check_best_direction(function: Function) -> None:
    """Least squares of activations on one latent."""
    rng = np.random.default_rng(2)
    latent = np.maximum(rng.standard_normal(60), 0)
    x = latent[:, None] * np.array([1.0, 0.5, -0.2]) + 0.1 * rng.standard_normal((60, 3)) + np.array([2.0, 0.0, 1.0])

    def ours(z: np.ndarray, x: np.ndarray) -> np.ndarray:
        zc = z - z.mean()
        return zc @ (x - x.mean(0)) / (zc @ zc)

    compare(
        "best_direction",
        function,
        ours,
        [(latent, x)],
        wrong={
            "the offset is missing: take the means off the latent and off the activations first":
                lambda z, x: z @ x / (z @ z),
            "that is the mean activation where the latent fires; how much comes *per unit* of the latent?":
                lambda z, x: x[z > 0].mean(0),
            "divide by the sum of squares of the centred latent, not by the number of rows":
                lambda z, x: (z - z.mean()) @ (x - x.mean(0)) / len(z),
        },
        hint="The slope of a regression through centred data: sum of products over sum of squares.",
    )  # fmt: skip


# 06: reading a board


def check_board(function: Function, holds: np.ndarray, row: int, expected: np.ndarray) -> None:
    """The board of one position: +1 mine, -1 yours, 0 empty; `expected` comes from the game engine."""
    found = called("board_of", function, (holds[row],), (6, 6))
    require(set(np.unique(found)) <= {-1, 0, 1}, "board_of: only -1, 0 and 1 should be on the board")
    if np.array_equal(found, expected):
        right("board_of")
        return
    require(not np.array_equal(found, -expected), "board_of: mine and yours are the wrong way round")
    require(
        not np.array_equal(found, expected.T),
        "board_of: the board lies on its side: the letter is the column, the digit the row",
    )
    require(not np.array_equal(found, expected[::-1]), "board_of: the first row of the array is that of a1, b1, ...")
    require(
        np.array_equal(np.abs(found), np.abs(expected)),
        f"board_of: discs and empty squares are mixed up on {int((np.abs(found) != np.abs(expected)).sum())} squares",
    )
    raise Wrong("board_of: the discs lie right, but some belong to the wrong player")


def check_fit(function: Function) -> None:
    """Ridge regression with a free offset."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((50, 4)) + np.array([3.0, 0.0, -1.0, 0.5])
    y = (x @ rng.standard_normal((4, 2)) > 1).astype(float)

    def ours(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
        c = x - x.mean(0)
        w = np.linalg.solve(c.T @ c + penalty * np.eye(x.shape[1]), c.T @ (y - y.mean(0)))
        return np.vstack([w, y.mean(0) - x.mean(0) @ w])

    def uncentred(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
        w = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
        return np.vstack([w, np.zeros((1, y.shape[1]))])

    def joined(*arguments: Any) -> np.ndarray:
        found = given("what fit returns", function(*arguments))
        require(isinstance(found, tuple) and len(found) == 2, "fit should return two things: weights and offsets")
        w, b = as_array("weights", found[0], (4, 2)), as_array("offsets", found[1], (2,))
        return np.vstack([w, b])

    compare(
        "fit",
        joined,
        ours,
        [(x, y, 5.0), (x, y, 0.1)],
        wrong={
            "there is no offset: centre x and y, and get the offset from their means": uncentred,
            "the penalty is not there: add penalty times the identity to x'x": lambda x, y, p: ours(x, y, 0.0),
            "the offset should make the prediction at the mean of x the mean of y":
                lambda x, y, p: np.vstack([ours(x, y, p)[:-1], y.mean(0)[None]]),
        },
        hint="weights = (x'x + penalty I)^-1 x'y of centred x and y; offset = mean y - mean x @ weights.",
    )  # fmt: skip


def check_f1(function: Function) -> None:
    """F1 of every column."""
    rng = np.random.default_rng(4)
    holds = rng.random((80, 3)) < 0.3
    says = np.where(rng.random((80, 3)) < 0.2, ~holds, holds)
    silent = says.copy()
    silent[:, 0] = False

    def ours(p: np.ndarray, y: np.ndarray) -> np.ndarray:
        return 2 * (p & y).sum(0) / np.maximum(p.sum(0) + y.sum(0), 1)

    compare(
        "f1",
        function,
        ours,
        [(says, holds), (silent, holds)],
        wrong={
            "that is the accuracy, most of which always saying no gets, where a feature is rare":
                lambda p, y: (p == y).mean(0),
            "that is the precision": lambda p, y: (p & y).sum(0) / np.maximum(p.sum(0), 1),
            "that is the recall": lambda p, y: (p & y).sum(0) / y.sum(0),
            "the hits count twice above the line": lambda p, y: ours(p, y) / 2,
            "one number a column: sum over rows only": lambda p, y: np.full(3, ours(p.ravel(), y.ravel())),
        },
        hint="2 * hits / (times it says yes + times it holds), column by column; 0 for a column that never says yes.",
    )  # fmt: skip


def check_best_latents(function: Function) -> None:
    """The latent of the best F1 for every feature."""
    rng = np.random.default_rng(5)
    fires, holds = rng.random((200, 6)) < 0.3, rng.random((200, 4)) < 0.3
    for feature, latent in enumerate((3, 0, 5, 0)):
        fires[:, latent] |= holds[:, feature]
    dense = np.hstack([np.ones((200, 1), bool), fires])

    def table(fires: np.ndarray, holds: np.ndarray) -> np.ndarray:
        hits = fires.T.astype(float) @ holds
        return 2 * hits / (fires.sum(0)[:, None] + holds.sum(0))

    compare(
        "best_latents",
        function,
        lambda f, h: table(f, h).argmax(0),
        [(fires, holds), (dense, holds)],
        wrong={
            "that is the latent with the most hits; one that always fires has them all":
                lambda f, h: (f.T.astype(float) @ h).argmax(0),
            "that is the best feature of every latent; wanted is the best latent of every feature":
                lambda f, h: table(f, h).argmax(1),
            "that is the best F1 itself; wanted is which latent has it":
                lambda f, h: table(f, h).max(0),
        },
        hint="A table of F1, latents by features, from one matrix product; then argmax over the latents.",
    )  # fmt: skip


# 07: steering


def check_errors(function: Function) -> None:
    """Moves that are wrong among the likely ones, on either side."""
    rng = np.random.default_rng(6)
    logits = rng.standard_normal((20, 12))
    legal = rng.random((20, 12)) < 0.35
    legal[:, 0] |= ~legal.any(1)

    def top(logits: np.ndarray, n: np.ndarray) -> np.ndarray:
        rank = np.argsort(np.argsort(-logits, axis=1, kind="stable"), axis=1)
        return rank < n[:, None]

    compare(
        "errors",
        function,
        lambda z, y: (top(z, y.sum(1)) ^ y).sum(1),
        [(logits, legal)],
        wrong={
            "both kinds count: moves that are likely and illegal, and moves that are legal and not likely":
                lambda z, y: (top(z, y.sum(1)) & ~y).sum(1),
            "one number a position: do not average": lambda z, y: np.full(len(z), (top(z, y.sum(1)) ^ y).sum(1).mean()),
            "likely are as many moves as are legal in *that* position, not those with a logit above 0":
                lambda z, y: ((z > 0) ^ y).sum(1),
        },
        hint="For each position: the n most probable tokens, n its number of legal moves; then count the differences.",
    )  # fmt: skip


def check_directions(function: Function) -> None:
    """Mean activation with a state less the mean of all."""
    rng = np.random.default_rng(7)
    x, states = rng.standard_normal((60, 5)) + 2, rng.random((60, 4)) < 0.4
    empty = states.copy()
    empty[:, 2] = False

    def ours(x: np.ndarray, s: np.ndarray) -> np.ndarray:
        return s.T @ x / np.maximum(s.sum(0), 1)[:, None] - x.mean(0) * s.any(0)[:, None]

    compare(
        "state_directions",
        function,
        ours,
        [(x, states), (x, empty)],
        wrong={
            "take the mean of all positions off, or every direction will hold it": lambda x, s: ours(x, s) + x.mean(0),
            "a state that never holds has no mean; give it a direction of 0":
                lambda x, s: s.T @ x / np.maximum(s.sum(0), 1)[:, None] - x.mean(0),
            "compare with the mean of all positions, not with that of the positions without the state":
                lambda x, s: ours(x, s) - (ours(x, ~s) if s.any(0).all() else 0),
        },
        hint="For every column of `states`: the mean of x over its rows, less the mean of x over all rows.",
    )  # fmt: skip


def check_steered(logits: Any, expected: np.ndarray, untouched: np.ndarray, everywhere: np.ndarray) -> None:
    """Logits of one position with a direction added at its last move."""
    found = as_array("what steered returns", logits, expected.shape).astype(float)
    if np.abs(found - expected).max() < 1e-3:
        right("steered")
        return
    require(
        np.abs(found - untouched).max() > 1e-3, "steered: nothing has changed; does the hook return the activations?"
    )
    require(
        np.abs(found - everywhere).max() > 1e-3,
        "steered: the direction was added at every move; only the activations at `position` are to be changed",
    )
    raise Wrong("steered: these logits are not those of the last move; the result should be logits[0, position]")


def check_success(function: Function) -> None:
    """Where an error stands between doing nothing and what the model achieves on real boards."""
    compare(
        "success",
        function,
        lambda e, n, f: (n - e) / (n - f),
        [(1.5, 2.0, 0.5), (2.5, 2.0, 0.5), (0.5, 2.0, 0.5)],
        wrong={
            "0 should stand for no change and 1 for the floor": lambda e, n, f: (e - f) / (n - f),
            "a perfect edit cannot be expected: the model errs on real boards too. Take its floor into account":
                lambda e, n, f: (n - e) / n,
        },
        hint="How much of the way from the error of doing nothing down to the floor has been gone?",
    )  # fmt: skip


def check_latent_edit(function: Function) -> None:
    """What is added when one latent is put out and another set to its usual size."""
    rng = np.random.default_rng(8)
    latents, directions = np.maximum(rng.standard_normal((6, 5)), 0), rng.standard_normal((5, 3))
    usual = rng.random(5) + 0.5
    out, put = np.array([0, 1, 2, 3, 4, 0]), np.array([1, 2, 3, 4, 0, 2])
    rows = np.arange(6)

    def ours(z: np.ndarray, d: np.ndarray, u: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (u[b] - z[rows, b])[:, None] * d[b] - z[rows, a][:, None] * d[a]

    compare(
        "latent_edit",
        function,
        ours,
        [(latents, directions, usual, out, put)],
        wrong={
            "the latent that is put in may be on already: add what is missing to its usual size":
                lambda z, d, u, a, b: u[b][:, None] * d[b] - z[rows, a][:, None] * d[a],
            "putting a latent out takes away what it writes *here*, which is its value in this row, not its usual size":
                lambda z, d, u, a, b: (u[b] - z[rows, b])[:, None] * d[b] - u[a][:, None] * d[a],
            "the signs are the wrong way round": lambda z, d, u, a, b: -ours(z, d, u, a, b),
            "that only puts a latent in; the other one has to be put out": lambda z, d, u, a, b:
                (u[b] - z[rows, b])[:, None] * d[b],
        },
        hint="Change of a latent's value times its direction, for both latents; z[rows, out] picks one latent a row.",
    )  # fmt: skip


def check_isolation(function: Function) -> None:
    """Share of the other squares that read as before."""
    rng = np.random.default_rng(9)
    before = rng.integers(0, 3, (10, 9))
    after = np.where(rng.random((10, 9)) < 0.2, rng.integers(0, 3, (10, 9)), before)
    square = rng.integers(0, 9, 10)
    after[np.arange(10), square] = (before[np.arange(10), square] + 1) % 3

    def ours(b: np.ndarray, a: np.ndarray, s: np.ndarray) -> float:
        kept = b == a
        kept[np.arange(len(s)), s] = False
        return kept.sum() / (len(s) * (b.shape[1] - 1))

    compare(
        "isolation",
        function,
        ours,
        [(before, after, square)],
        wrong={
            "the edited square itself should not count, neither above nor below the line": lambda b, a, s: (
                b == a
            ).mean(),
            "divide by the number of *other* squares": lambda b, a, s: ours(b, a, s) * 8 / 9,
        },
        hint="before == after, without the column of the edited square in each row; then the mean of what is left.",
    )
