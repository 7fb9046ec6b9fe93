"""Othello: random or given games, tokens as in OthelloGPT, and the truth about every position.

The parts: othello_board.py plays, othello_features.py and othello_scalars.py say what is known, othello_labels.py
computes it, othello_tokens.py, othello_render.py and othello_counterfactuals.py do what their names say, and
othello_published.py keeps the published board-state properties for comparison.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .blocks import Block, feature_set
from .features import Feature, FeatureSet
from .othello_board import Geometry, Record, play_random, replay
from .othello_counterfactuals import disc_flips
from .othello_edits import KINDS, edited_labels, recomputed, state_edits
from .othello_features import VOCABULARIES, planes
from .othello_labels import Layout, label_record
from .othello_published import PUBLISHED, published_features, published_labels
from .othello_render import as_svg, as_text, view_of
from .othello_scalars import scalars
from .othello_tokens import OthelloTokens
from .square_edits import SquareEdits, check_request, cut_after, merge_labels
from .transcripts import Counterfactuals, Transcripts

VERSION = "1"
Games = Sequence[Sequence[str] | Sequence[int]] | NDArray[np.int64]


@dataclass(frozen=True)
class Othello:
    """Othello on a `size` x `size` board.

    A position is the board after a move, seen from the player to move next (after a forced pass). The last move of a
    game that fills the board is not in the transcript, because nothing is left to predict after it: 59 positions on
    the 8 x 8 board, 31 on 6 x 6, 11 on 4 x 4. Every position with a move is scored.

    Args:
        size: 4, 6 or 8.
        transpose: read token ids as the public OthelloGPT code does (see othello_tokens.py).
        vocabulary: "standard", or "full" with the lines by length as well (8 x 8: 3,072 more features).
    """

    size: int = 8
    transpose: bool = False
    vocabulary: str = "standard"

    def __post_init__(self) -> None:
        Geometry(self.size)
        if self.vocabulary not in VOCABULARIES:
            raise ValueError(f"Othello vocabulary must be one of {VOCABULARIES}, got {self.vocabulary!r}")

    @property
    def name(self) -> str:
        """Such as "othello-8x8"."""
        return f"othello-{self.size}x{self.size}"

    @property
    def version(self) -> str:
        """Changes with the rules and the definitions of features."""
        return VERSION

    @cached_property
    def geometry(self) -> Geometry:
        """The board."""
        return Geometry(self.size)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Features by how they are computed."""
        return (*planes(self.geometry, self.vocabulary), *scalars(self.geometry))

    @property
    def features(self) -> FeatureSet:
        """Everything that is known about a position."""
        return self._features

    @cached_property
    def _features(self) -> FeatureSet:
        return feature_set(self.blocks)

    @cached_property
    def _layout(self) -> Layout:
        return Layout(self.geometry, self.blocks)

    @cached_property
    def squares(self) -> dict[str, int]:
        """Row-major square of every feature that belongs to one."""
        return {
            f.name: s for b in self.blocks if b.squares is not None for f, s in zip(b.features, b.squares, strict=True)
        }

    def square_of(self, feature: Feature | str) -> int | None:
        """Row-major square of a feature, None if it belongs to no single square."""
        return self.squares.get(feature if isinstance(feature, str) else feature.name)

    @property
    def tokenizer(self) -> OthelloTokens:
        """Moves to tokens."""
        return self._tokenizer

    @cached_property
    def _tokenizer(self) -> OthelloTokens:
        return OthelloTokens(self.size, self.transpose)

    @property
    def n_positions(self) -> int:
        """Tokens of a transcript."""
        return self.geometry.max_plies - 1

    def sample(self, n_games: int, seed: int) -> Transcripts:
        """Random games, every move uniform over the legal ones, with labels.

        Raises:
            ValueError: fewer than 1 game.
        """
        return self._transcripts(self._random(n_games, seed), seed)

    def label(self, games: Games, *, integers: Literal["tokens", "squares"] = "tokens") -> Transcripts:
        """Replay given games, checking every move, and label them.

        Args:
            games: one entry a game: square names such as `["f5", "d6"]`, one text such as "f5d6", or integers; or an
                integer array [games, positions], padded after the end of a game. A move past `n_positions` is checked
                and left out.
            integers: what integers are: token ids (padding 0), or row-major squares from 0 (padding -1).

        Raises:
            ValueError: an illegal move or a bad square; names game and ply.
        """
        return self._transcripts(self._replay(games, integers), None)

    def next_moves(self, n_games: int, seed: int | list[int]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Random games without labels.

        Returns:
            Tokens int64 [n, positions] and the moves allowed after each, bool [n, positions, d_vocab].
        """
        record = self._random(n_games, seed)
        return self._tokens(record), self._allowed(record)

    def allowed(self, tokens: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Moves allowed after every position of given games, none after the end of a game.

        Args:
            tokens: int [games, positions], padded.

        Returns:
            Bool [games, positions, d_vocab].
        """
        return self._allowed(self._replay(tokens, "tokens"))[:, : tokens.shape[1]]

    def published(self, name: str, games: Games) -> Transcripts:
        """Given games with a published board-state function instead of the vocabulary, for comparison only.

        Args:
            name: one of `othello_published.PUBLISHED`, such as "mine/yours, blank masked".
            games: as for `label`; for sampled games, their tokens.

        Raises:
            KeyError: unknown name.
            ValueError: an illegal move.
        """
        features = published_features(self.geometry, name)
        record = self._replay(games, "tokens")
        labels = features.pack(published_labels(record, name, self.n_positions))
        return self._transcripts(record, None, features, labels)

    @property
    def published_names(self) -> tuple[str, ...]:
        """Names that `published` knows."""
        return PUBLISHED

    def render(self, game: Sequence[str] | Sequence[int], ply: int, format: Literal["text", "svg"] = "text") -> str:
        """The board after `ply` moves.

        Args:
            game: square names, one text, or token ids.
            ply: moves to make, from 0 to the length of the game.
            format: "text" or "svg".

        Raises:
            ValueError: an illegal move, a ply that the game does not have, or another format.
        """
        if format not in ("text", "svg"):
            raise ValueError(f"format must be 'text' or 'svg', got {format!r}")
        record = self._replay([game], "tokens")
        length = int(record.lengths[0])
        if not 0 <= ply <= length:
            raise ValueError(f"ply must be from 0 to {length}, the length of this game, got {ply}")
        view = view_of(record, ply)
        return as_text(view) if format == "text" else as_svg(view)

    def counterfactuals(self, n: int, seed: int) -> Counterfactuals:
        """Pairs of positions in which one square has a disc of the other player.

        The feature is `mine on c4` or `yours on c4`: false in the base, where the other one of the two holds, and true
        in the source. Base and source have made equally many moves. `allowed_after` are the legal moves on the base
        board with that one disc turned over and the same player to move; they always differ from `allowed_before`, and
        there is at least one. See othello_counterfactuals.py.

        Raises:
            ValueError: fewer than 1 pair.
        """
        pairs = disc_flips(self.geometry, n, self.n_positions, np.random.default_rng(seed))
        names = self.geometry.names
        return Counterfactuals(
            base=self.tokenizer.from_squares(pairs.base[:, : self.n_positions]),
            source=self.tokenizer.from_squares(pairs.source[:, : self.n_positions]),
            base_position=pairs.position,
            source_position=pairs.position.copy(),
            feature=np.array(
                [
                    self.features.index(f"{'mine' if mine else 'yours'} on {names[square]}")
                    for square, mine in zip(pairs.square, pairs.becomes_mine, strict=True)
                ],
                dtype=np.int64,
            ),
            allowed_before=self._as_tokens(pairs.before),
            allowed_after=self._as_tokens(pairs.after),
        )

    def square_edits(self, n: int, seed: int, *, kinds: Sequence[str] | str | None = None) -> SquareEdits:
        """Positions of random games with one square set to another state, and the legal moves of the edited board.

        Args:
            n: number of edits, >= 1, each of a game of its own.
            seed: the same seed gives the same edits, and a longer draw begins with a shorter.
            kinds: any of "flip" (a disc turned over), "place" (one put on an empty square) and "remove"; all by
                default, in equal shares as far as a position allows.

        Raises:
            ValueError: fewer than 1 edit, or an unknown kind.
        """
        wanted = check_request(n, kinds, KINDS)
        edits = state_edits(self.geometry, n, self.n_positions, wanted, np.random.default_rng(seed))
        names = self.geometry.names
        states = np.array(
            [[self.features.index(text.format(name)) for text in ("mine on {}", "yours on {}", "{} empty")]
             for name in names]
        )  # fmt: skip
        before, after = edited_labels(edits, self._layout)
        known = recomputed(self._layout)
        none = np.full(n, -1, np.int64)
        return SquareEdits(
            tokens=cut_after(self.tokenizer.from_squares(edits.moves[:, : self.n_positions]), edits.position, 0),
            position=edits.position,
            square=edits.square,
            removed=states[edits.square, edits.old],
            added=states[edits.square, edits.new],
            other_square=none,
            other_removed=none,
            other_added=none,
            labels_before=before,
            labels_after=merge_labels(self.features, before, after, known),
            recomputed=known,
            allowed_before=self._as_tokens(edits.before.legal),
            allowed_after=self._as_tokens(edits.legal),
            kind=np.array(KINDS)[edits.kind],
        )

    def _random(self, n_games: int, seed: int | list[int]) -> Record:
        if n_games < 1:
            raise ValueError(f"the number of games must be at least 1, got {n_games}")
        return play_random(self.geometry, n_games, np.random.default_rng(seed))

    def _replay(self, games: Games, integers: str) -> Record:
        if integers not in ("tokens", "squares"):
            raise ValueError(f"integers must be 'tokens' or 'squares', got {integers!r}")
        if isinstance(games, np.ndarray):
            if games.ndim != 2:
                raise ValueError(f"an array of games must be [games, positions], got {list(games.shape)}")
            squares = self.tokenizer.to_squares(games) if integers == "tokens" else games
            return self._checked(squares)
        if isinstance(games, str):
            raise ValueError("games must be a sequence of games, got one text; put a single game in a list")
        rows = [self._squares(row, game, integers) for row, game in enumerate(games)]
        squares = np.full((len(rows), max((len(row) for row in rows), default=0)), -1, dtype=np.int64)
        for row, moves in zip(squares, rows, strict=True):
            row[: len(moves)] = moves
        return self._checked(squares)

    def _checked(self, squares: NDArray[np.int64]) -> Record:
        if len(squares) == 0:
            raise ValueError("no games were given")
        plies = self.geometry.max_plies
        if squares.shape[1] > plies and (squares[:, plies:] == -1).all():
            squares = squares[:, :plies]
        return replay(self.geometry, squares)

    def _squares(self, row: int, game: Sequence[str] | Sequence[int], integers: str) -> NDArray[np.int64]:
        """Row-major squares of one game."""
        if len(game) == 0:
            return np.empty(0, dtype=np.int64)
        try:
            if all(isinstance(move, str) for move in game):
                return self.tokenizer.square_of_id[self.tokenizer.encode(game)]  # type: ignore[arg-type]
            moves = np.asarray(game)
            return self.tokenizer.to_squares(moves) if integers == "tokens" else moves
        except ValueError as error:
            raise ValueError(f"game {row}, {error}") from error

    def _tokens(self, record: Record) -> NDArray[np.int64]:
        return np.ascontiguousarray(self.tokenizer.from_squares(record.squares[:, : self.n_positions]))

    def _allowed(self, record: Record) -> NDArray[np.bool_]:
        return self._as_tokens(record.legal[: self.n_positions].T)

    def _as_tokens(self, boards: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Bitboards [...] as booleans over token ids [..., d_vocab]."""
        legal = self.geometry.unpack(boards)
        allowed = np.zeros((*boards.shape, self.tokenizer.d_vocab), np.bool_)
        allowed[..., 1:] = legal[..., self.tokenizer.square_of_id[1:]]
        return allowed

    def _transcripts(
        self,
        record: Record,
        seed: int | None,
        features: FeatureSet | None = None,
        labels: NDArray[np.uint8] | None = None,
    ) -> Transcripts:
        scored = np.ascontiguousarray(record.played[: self.n_positions].T)
        return Transcripts(
            tokens=self._tokens(record),
            labels=label_record(record, self._layout, self.n_positions) if labels is None else labels,
            scored=scored,
            ply=scored.cumsum(axis=1),
            features=features or self.features,
            game=self.name,
            version=self.version,
            seed=seed,
        )
