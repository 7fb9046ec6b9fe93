"""Chess: random or given games, as moves or as characters, and the truth about every position.

The parts: chess_board.py, chess_targets.py, chess_moves.py and chess_play.py are the batched engine; chess_features.py
and chess_scalars.py say what is known and chess_labels.py computes it; chess_tokens.py and chess_characters.py are the
two tokenizations, chess_forms.py writes games in them; chess_pgn.py and chess_engine.py bring games from files and from
engines; chess_published.py keeps the published board-state properties for comparison.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import chess
import numpy as np
from numpy.typing import NDArray

from .blocks import feature_set
from .chess_bits import SQUARES
from .chess_characters import CharacterTokens, sans_of
from .chess_counterfactuals import content_pairs
from .chess_edits import KINDS, content_name, edited_labels, piece_edits, recomputed
from .chess_forms import CharacterForm, Form, Games, MoveForm, Written
from .chess_labels import Layout, blocks, label_record
from .chess_moves import Moves
from .chess_play import play_random
from .chess_published import PUBLISHED, published_features, published_labels
from .chess_render import as_svg, as_text
from .chess_tokens import UciTokens
from .features import Feature, FeatureSet
from .square_edits import SquareEdits, check_request, cut_after, merge_labels
from .transcripts import Counterfactuals, Transcripts

VERSION = "1"
FORMS = {"moves": (MoveForm, 64), "characters": (CharacterForm, 256)}
SCORED = ("all", "published")


@dataclass(frozen=True)
class Chess:
    """Chess games written as tokens.

    With `tokens="moves"` a game is a start token and one token a move in UCI notation; position p is the board after p
    moves, and every position with a move is scored. With `tokens="characters"` it is the published text
    `;1.e4 e5 2.Nf3 `, in which the letters of a move carry the board before it; the first twenty dots are scored, the
    boards before White's first twenty moves.

    Args:
        tokens: "moves" or "characters".
        positions: tokens of a game, 64 moves or 256 characters by default; longer games are cut.
        scored: "all" positions or the "published" ones (the first twenty with White to move); by default all moves,
            or the published characters.

    Raises:
        ValueError: an unknown form or selection, or fewer than 2 positions.
    """

    tokens: str = "moves"
    positions: int | None = None
    scored: str | None = None

    def __post_init__(self) -> None:
        if self.tokens not in FORMS:
            raise ValueError(f"chess tokens must be one of {tuple(FORMS)}, got {self.tokens!r}")
        if self.scored not in (None, *SCORED):
            raise ValueError(f"scored must be one of {SCORED}, got {self.scored!r}")
        if self.positions is not None and self.positions < 2:
            raise ValueError(f"a chess transcript needs at least 2 positions, got {self.positions}")

    @property
    def name(self) -> str:
        """Either "chess" or "chess-characters"."""
        return "chess" if self.tokens == "moves" else f"chess-{self.tokens}"

    @property
    def version(self) -> str:
        """Changes with the rules and the definitions of features."""
        return VERSION

    @cached_property
    def _form(self) -> Form:
        form, positions = FORMS[self.tokens]
        return form(self.positions or positions)

    @cached_property
    def _layout(self) -> Layout:
        return Layout(blocks(self.plies), self.plies)

    @property
    def features(self) -> FeatureSet:
        """Everything that is known about a position."""
        return self._features

    @cached_property
    def _features(self) -> FeatureSet:
        return feature_set(self._layout.blocks)

    @cached_property
    def squares(self) -> dict[str, int]:
        """Square (a1 = 0, h8 = 63) of every feature that belongs to one."""
        named = (b for b in self._layout.blocks if b.squares is not None)
        return {f.name: s for b in named for f, s in zip(b.features, b.squares or (), strict=True)}

    def square_of(self, feature: Feature | str) -> int | None:
        """Square of a feature, a1 = 0 to h8 = 63; None if it belongs to no single square."""
        return self.squares.get(feature if isinstance(feature, str) else feature.name)

    @property
    def tokenizer(self) -> UciTokens | CharacterTokens:
        """Moves or text to tokens."""
        return self._tokenizer

    @cached_property
    def _tokenizer(self) -> UciTokens | CharacterTokens:
        return self._form.tokenizer

    @property
    def n_positions(self) -> int:
        """Tokens of a transcript."""
        return self.positions or FORMS[self.tokens][1]

    @property
    def plies(self) -> int:
        """Moves of a game that its row of tokens can hold."""
        return self._form.plies

    def from_uci(self, games: Sequence[Sequence[str]]) -> list[list[str]]:
        """Games in UCI notation, as PGN files and engines bring them, in the notation that `label` takes.

        Raises:
            ValueError: an illegal move; names game and ply.
        """
        return [list(game) for game in games] if self.tokens == "moves" else sans_of(games)

    def sample(self, n_games: int, seed: int) -> Transcripts:
        """Random games, every move uniform over the legal ones, with labels.

        Raises:
            ValueError: fewer than 1 game.
        """
        return self._transcripts(self._random(n_games, seed), seed)

    def label(self, games: Games) -> Transcripts:
        """Replay given games, checking every move, and label them.

        Args:
            games: one entry a game. As moves: UCI texts such as `["e2e4", "e7e5"]`, one text of them apart by spaces,
                or token ids. As characters: texts such as ";1.e4 e5 ", lists of SAN moves, or token ids; a text may be
                cut in the middle of a move. Or an integer array of token ids [games, positions], padded.

        Raises:
            ValueError: an illegal move or text; names game and ply.
        """
        return self._transcripts(self._read(games), None)

    def next_moves(self, n_games: int, seed: int | list[int]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Random games without labels.

        Returns:
            Tokens int64 [n, positions] and the tokens allowed after each, bool [n, positions, d_vocab].
        """
        tokens, counts = self.next_counts(n_games, seed)
        return tokens, counts > 0

    def next_counts(
        self, n_games: int, seed: int | list[int]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8] | NDArray[np.bool_]]:
        """As `next_moves`, with the number of legal moves that go on with each token instead of a truth.

        A row divided by its sum is the exact distribution of the next token in random legal play.
        """
        written = self._random(n_games, seed)
        return written.tokens, self._form.counts(written)

    def allowed(self, tokens: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tokens allowed after every position of given games, none after the end of a game.

        Args:
            tokens: int [games, positions], padded.

        Returns:
            Bool [games, positions, d_vocab].
        """
        return self._form.counts(self._read(tokens))[:, : tokens.shape[1]] > 0

    def published(self, name: str, games: Games) -> Transcripts:
        """Given games with a published board-state function instead of the vocabulary, for comparison only.

        Args:
            name: one of `published_names`, such as "piece, blank and initial masked".
            games: as for `label`; for sampled games, their tokens.

        Raises:
            KeyError: unknown name.
            ValueError: an illegal move.
        """
        features = published_features(name)
        written = self._read(games)
        scored = self._scored(written)
        by_ply = features.pack(published_labels(written.record, name))
        labels = by_ply[np.arange(len(scored))[:, None], np.minimum(written.ply, by_ply.shape[1] - 1)]
        labels[~scored] = 0
        return self._with_labels(written, None, features, labels, scored)

    @property
    def published_names(self) -> tuple[str, ...]:
        """Names that `published` knows."""
        return PUBLISHED

    def render(self, game: Sequence[str] | Sequence[int], ply: int, format: Literal["text", "svg"] = "text") -> str:
        """The board after `ply` moves.

        Args:
            game: one game as for `label`.
            ply: moves to make, from 0 to the length of the game.
            format: "text" or "svg".

        Raises:
            ValueError: an illegal move, a ply that the game does not have, or another format.
        """
        if format not in ("text", "svg"):
            raise ValueError(f"format must be 'text' or 'svg', got {format!r}")
        moves = self._form.uci(game)
        if not 0 <= ply <= len(moves):
            raise ValueError(f"ply must be from 0 to {len(moves)}, the length of this game, got {ply}")
        board = chess.Board()
        for move in moves[:ply]:
            board.push_uci(move)
        return as_text(board, ply=ply) if format == "text" else as_svg(board, ply=ply)

    def counterfactuals(self, n: int, seed: int) -> Counterfactuals:
        """Pairs of positions in which one square holds another piece.

        The feature is `white knight on f3` and the like: false in the base and true in the source, which has made
        equally many moves. `allowed_after` are the legal moves on the base board with only that square's content
        replaced by the source's; they differ from `allowed_before`, and there is at least one. See
        chess_counterfactuals.py.

        Raises:
            ValueError: fewer than 1 pair, or characters: the edited boards have no text that leads to them.
        """
        if n < 1:
            raise ValueError(f"the number of pairs must be at least 1, got {n}")
        form = self._form
        if not isinstance(form, MoveForm):
            raise ValueError('chess counterfactuals are made for tokens="moves", got tokens="characters"')
        pairs = content_pairs(n, form.plies, np.random.default_rng(seed))
        names = (
            f"{'white' if white else 'black'} {chess.piece_name(int(kind))} on {SQUARES[square]}"
            for white, kind, square in zip(pairs.white, pairs.kind, pairs.square, strict=True)
        )
        return Counterfactuals(
            base=self._row(form, pairs.base),
            source=self._row(form, pairs.source),
            base_position=pairs.ply,
            source_position=pairs.ply.copy(),
            feature=np.array([self.features.index(name) for name in names], dtype=np.int64),
            allowed_before=_as_tokens(form.tokenizer, pairs.moves_before, n),
            allowed_after=_as_tokens(form.tokenizer, pairs.moves_after, n),
        )

    def square_edits(self, n: int, seed: int, *, kinds: Sequence[str] | str | None = None) -> SquareEdits:
        """Positions of random games with a piece changed, and the legal moves of the edited position.

        Args:
            n: number of edits, >= 1, each of a game of its own.
            seed: the same seed gives the same edits, and a longer draw begins with a shorter.
            kinds: any of "remove", "move" (to an empty square), "swap" (two pieces change places), "replace" (by
                another piece) and "place" (on an empty square); all by default, about equally often.

        Raises:
            ValueError: fewer than 1 edit, an unknown kind, or characters: the edited boards have no text that leads to
                them.
        """
        wanted = check_request(n, kinds, KINDS)
        form = self._form
        if not isinstance(form, MoveForm):
            raise ValueError('square edits of chess are made for tokens="moves", got tokens="characters"')
        edits = piece_edits(n, form.plies, wanted, form.tokenizer, np.random.default_rng(seed))
        features = [
            [[self.features.index(content_name(c, s)) if s >= 0 else -1 for s, c in zip(*row, strict=True)]
             for row in zip(edits.squares.tolist(), codes.tolist(), strict=True)]
            for codes in (edits.old, edits.new)
        ]  # fmt: skip
        removed, added = np.array(features, dtype=np.int64)
        before, after = edited_labels(edits, self._layout)
        known = recomputed(self._layout)
        moves = np.stack([a.T for a in (edits.record.origin, edits.record.target, edits.record.promotion)])
        return SquareEdits(
            tokens=cut_after(self._row(form, moves), edits.ply, form.tokenizer.pad_id),
            position=edits.ply,
            square=edits.squares[:, 0],
            removed=removed[:, 0],
            added=added[:, 0],
            other_square=edits.squares[:, 1],
            other_removed=removed[:, 1],
            other_added=added[:, 1],
            labels_before=before,
            labels_after=merge_labels(self.features, before, after, known),
            recomputed=known,
            allowed_before=edits.allowed_before,
            allowed_after=edits.allowed_after,
            kind=np.array(KINDS)[edits.kind],
        )

    @staticmethod
    def _row(form: MoveForm, moves: NDArray[np.int8]) -> NDArray[np.int64]:
        tokens = np.full((moves.shape[1], form.n_positions), form.tokenizer.pad_id, np.int64)
        tokens[:, 0] = form.tokenizer.start_id
        tokens[:, 1 : 1 + moves.shape[2]] = form.tokenizer.id_of_move(*moves)
        return tokens

    def _random(self, n_games: int, seed: int | list[int]) -> Written:
        if n_games < 1:
            raise ValueError(f"the number of games must be at least 1, got {n_games}")
        return self._form.write(play_random(n_games, self._form.plies, np.random.default_rng(seed)))

    def _read(self, games: Games) -> Written:
        if isinstance(games, np.ndarray) and games.ndim != 2:
            raise ValueError(f"an array of games must be [games, positions], got {list(games.shape)}")
        if isinstance(games, str):
            raise ValueError("games must be a sequence of games, got one text; put a single game in a list")
        if len(games) == 0:
            raise ValueError("no games were given")
        return self._form.read(games)

    def _scored(self, written: Written) -> NDArray[np.bool_]:
        return self._form.scored(written, self.scored or ("all" if self.tokens == "moves" else "published"))

    def _transcripts(self, written: Written, seed: int | None) -> Transcripts:
        scored = self._scored(written)
        labels = label_record(written.record, self._layout, np.where(scored, written.ply, -1))
        return self._with_labels(written, seed, self.features, labels, scored)

    def _with_labels(
        self,
        written: Written,
        seed: int | None,
        features: FeatureSet,
        labels: NDArray[np.uint8],
        scored: NDArray[np.bool_],
    ) -> Transcripts:
        return Transcripts(
            tokens=written.tokens,
            labels=labels,
            scored=scored,
            ply=written.ply,
            features=features,
            game=self.name,
            version=self.version,
            seed=seed,
        )


def _as_tokens(tokenizer: UciTokens, moves: Moves, n: int) -> NDArray[np.bool_]:
    allowed = np.zeros((n, tokenizer.d_vocab), np.bool_)
    allowed[moves.board, tokenizer.id_of_move(moves.origin, moves.target, moves.promotion)] = True
    return allowed
