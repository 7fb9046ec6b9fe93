"""Interventions on the latents of a testbed's model: what it writes when one of them is pushed.

A prompt is the beginning of a game up to the first position at which the latent fires. At that position and at all
later ones the activations are encoded, the latent is raised by c (or set to 0), the result is decoded, and what the
dictionary misses of the untouched activations is added back. The model then goes on, with and without the push and with
the same random numbers, for a few moves at temperature 1.

Prompts for explaining come from the games that choose, prompts for scoring from those that report; they are taken
evenly from the fifths of the latent's strength. Illegal moves are kept in the texts; positions that follow, on which
predicates are executed, end before the first one, unless only legal moves are drawn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from ..games.transcripts import Transcripts
from ..metrics.llm.facts import Facts
from ..metrics.llm.intervention import Written
from ..metrics.llm.intervention_tuning import Tuned, tuned_strength
from ..metrics.llm.nouns import Latent
from ..metrics.llm.seeds import generator_of
from ..model_testbed import Testbed
from ..models.capture import run_with_replacement
from ..models.dictionary import Dictionary
from ..tasks.facts import facts_of

FIFTHS = 5


@dataclass(frozen=True, eq=False)
class Prompts:
    """Beginnings of games at whose last position a latent fires for the first time.

    Attributes:
        games: int64 [n], numbers among the testbed's games.
        last: int64 [n], last position of each.
    """

    games: NDArray[np.int64]
    last: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.games)


@dataclass(frozen=True, eq=False)
class Continued:
    """What the model wrote after some prompts.

    Attributes:
        tokens: int64 [n, n_positions], prompt and continuation, padded.
        n_new: int64 [n], tokens written; fewer than asked for where the context ends.
        n_legal: int64 [n], of them before the first illegal one.
    """

    tokens: NDArray[np.int64]
    n_new: NDArray[np.int64]
    n_legal: NDArray[np.int64]


class Intervener:
    """Pushes latents of one dictionary in the model of a testbed.

    Args:
        bed: a testbed with games.
        dictionary: reads activations of its hook point.
        n_new: most moves that are written.
        legal: draw among legal moves only.
        seed: of prompts and continuations.
        batch_size: prompts a forward pass.

    Raises:
        ValueError: a testbed of prompts, a dictionary of another width, or options out of range.
    """

    def __init__(
        self,
        bed: Testbed,
        dictionary: Dictionary,
        *,
        n_new: int = 8,
        legal: bool = False,
        seed: int = 0,
        batch_size: int = 256,
    ) -> None:
        if bed.spec.position:
            raise ValueError(f"{bed.name} has prompts without a continuation; interventions need a testbed of games")
        if dictionary.directions.shape[1] != bed.d_in:
            raise ValueError(
                f"dictionary {dictionary.name!r} has width {dictionary.directions.shape[1]}, {bed.name} {bed.d_in}"
            )
        if n_new < 1 or batch_size < 1:
            raise ValueError(f"n_new and batch_size must be at least 1, got {n_new} and {batch_size}")
        self.bed, self.dictionary, self.n_new, self.legal = bed, dictionary, n_new, legal
        self.seed, self.batch_size = seed, batch_size

    def __repr__(self) -> str:
        return f"Intervener({self.bed.name!r}, {self.dictionary.name!r}, n_new={self.n_new})"

    @cached_property
    def _special(self) -> NDArray[np.bool_]:
        """Tokens that are no moves, bool [d_vocab]: never written."""
        names = self.bed.game.tokenizer.vocabulary
        return np.array([name.startswith("<") for name in names], np.bool_)

    def prompts(self, latent: Latent, *, n: int = 30, train: bool = False) -> Prompts:
        """Prompts of a latent, evenly from the fifths of its strongest activation in a game.

        Args:
            latent: on the testbed's scored positions.
            n: most prompts.
            train: from the games that choose, for explaining; else from those that report.

        Returns:
            As many as there are, at most n, in the order of the games.
        """
        facts = facts_of(self.bed)
        keep = facts.train[latent.rows] == train
        rows, values = latent.rows[keep], latent.values[keep]
        games = facts.game_id[rows]
        found, first = np.unique(games, return_index=True)  # rows rise, so this is a game's first firing
        last = facts.position[rows[first]]
        strongest = np.zeros(len(found), np.float32)
        np.maximum.at(strongest, np.searchsorted(found, games), values)
        usable = np.flatnonzero(last < self._length[found] - 1)  # something can follow
        generator = generator_of(self.seed, self.dictionary.name, latent.number, f"prompts {train}")
        order = usable[np.lexsort((generator.permutation(len(usable)), -strongest[usable]))]
        parts = [generator.permutation(part) for part in np.array_split(order, FIFTHS)]
        # one of each fifth in turn, so that a shortage in one is filled from the others
        turns = [int(part[i]) for i in range(max(map(len, parts), default=0)) for part in parts if i < len(part)]
        chosen = np.sort(np.array(turns[:n], np.int64))
        return Prompts(found[chosen].astype(np.int64), last[chosen].astype(np.int64))

    def next_log_probs(self, latent: int, prompts: Prompts, c: float | None) -> NDArray[np.float32]:
        """Log-probabilities of the next token, float32 [n, d_vocab].

        Args:
            latent: its number.
            prompts: whose last positions are read.
            c: what is added to the latent; 0 for the untouched model, None to set the latent to 0.
        """
        tokens = self._cut(prompts)
        return self._log_probs(latent, tokens, prompts.last, prompts.last, c)

    def tune(self, latent: int, prompts: Prompts, target: float) -> Tuned:
        """The strength at which the next token changes by a given KL, nats.

        Raises:
            ValueError: no prompts.
        """
        if not len(prompts):
            raise ValueError(f"latent {latent} has no prompts to be tuned on")
        clean = self.next_log_probs(latent, prompts, 0.0)
        return tuned_strength(lambda c: self.next_log_probs(latent, prompts, c), clean, target)

    def continued(self, latent: int, prompts: Prompts, c: float | None, *, draw: int = 0) -> Continued:
        """What the model writes at temperature 1; the same random numbers for every c.

        Args:
            latent: its number.
            prompts: what it continues.
            c: as in `next_log_probs`.
            draw: tells repeated continuations apart.
        """
        tokens, last = self._cut(prompts), prompts.last.copy()
        n, n_positions = tokens.shape
        n_new, n_legal = np.zeros(n, np.int64), np.zeros(n, np.int64)
        keep_legal = np.ones(n, np.bool_)
        generator = generator_of(self.seed, self.dictionary.name, latent, "continuation", draw)
        for _ in range(self.n_new):
            noise = generator.gumbel(size=(n, len(self._special))).astype(np.float32)
            here = np.flatnonzero(last < n_positions - 1)
            allowed = self._allowed(tokens, last, keep_legal)
            if self.legal:
                here = here[allowed[here].any(1)]  # a game that is over stays as it is
            if not len(here):
                break
            log_probs = self._log_probs(latent, tokens[here], prompts.last[here], last[here], c)
            barred = self._special[None] | ~allowed[here] if self.legal else self._special[None]
            chosen = np.where(barred, -np.inf, log_probs + noise[here]).argmax(1)
            keep_legal[here] &= allowed[here, chosen]
            last[here] += 1
            tokens[here, last[here]] = chosen
            n_new[here] += 1
            n_legal[here] += keep_legal[here]
        return Continued(tokens, n_new, n_legal)

    def texts(self, continued: Continued) -> tuple[str, ...]:
        """Prompt and continuation as moves, one text a prompt."""
        decode = self.bed.game.tokenizer.decode
        return tuple(" ".join(move for move in decode(row.tolist()) if move[0] != "<") for row in continued.tokens)

    def following(self, prompts: Prompts, continued: Continued) -> Facts:
        """What holds at the positions that follow, up to the first illegal move; a game is the number of a prompt."""
        tokens = continued.tokens.copy()
        end = prompts.last + continued.n_legal
        tokens[np.arange(tokens.shape[1])[None] > end[:, None]] = self.bed.game.tokenizer.pad_id
        found: Transcripts = self.bed.game.label(tokens)
        place = np.arange(tokens.shape[1])[None]
        game, position = np.nonzero((place > prompts.last[:, None]) & (place <= end[:, None]))
        names = facts_of(self.bed).names
        held = found.features.unpack_columns(found.labels[game, position], self._columns)
        return Facts(
            names,
            np.packbits(held, axis=1, bitorder="little"),
            game.astype(np.int64),
            position.astype(np.int64),
            np.zeros(len(game), np.bool_),
            {"ply": found.ply[game, position].astype(np.int64)},
        )

    def written(self, latent: int, prompts: Prompts, target: float | None, *, draw: int = 0) -> "Pushed":
        """Clean and pushed continuations of one latent at one strength.

        Args:
            latent: its number.
            prompts: for scoring; the strength is tuned on them too, as published.
            target: KL at the next token, nats; None sets the latent to 0 instead.
            draw: tells repeated continuations apart.
        """
        if not len(prompts):
            nothing = Written(latent, (), (), failure="it fires in no game with a position to follow")
            return Pushed(nothing, prompts, None, None)
        if target is None:
            c, tuned = None, None
        else:
            tuned = self.tune(latent, prompts, target)
            c = tuned.c
        clean, pushed = (self.continued(latent, prompts, strength, draw=draw) for strength in (0.0, c))
        nan = float("nan")
        text = Written(
            latent,
            self.texts(clean),
            self.texts(pushed),
            nan if tuned is None else tuned.target,
            nan if tuned is None else tuned.kl,
            nan if tuned is None else tuned.c,
            "" if tuned is None else tuned.failure,
        )
        return Pushed(text, prompts, clean, pushed)

    def raised(self, latent: int, prompts: Prompts, c: float | None, *, n: int = 5) -> list[tuple[str, float]]:
        """The tokens whose probability a push raises most, on average over prompts for explaining.

        Returns:
            (move, rise of probability) of the n largest rises, largest first.
        """
        rise = np.zeros(len(self._special))
        for strength, sign in ((c, 1), (0.0, -1)):
            rise += sign * np.exp(self.next_log_probs(latent, prompts, strength).astype(np.float64)).mean(0)
        rise[self._special] = -np.inf
        names = self.bed.game.tokenizer.vocabulary
        return [(names[i], float(rise[i])) for i in np.argsort(-rise, kind="stable")[:n]]

    @cached_property
    def _columns(self) -> NDArray[np.int64]:
        """Features that the facts name, int64 [F]."""
        return np.asarray(self.bed.features.where(reachable=True, counterpart=False), np.int64)

    @cached_property
    def _length(self) -> NDArray[np.int64]:
        """Tokens of every game of the testbed, int64 [games]."""
        return (self.bed.transcripts.tokens != self.bed.game.tokenizer.pad_id).sum(1)

    def _cut(self, prompts: Prompts) -> NDArray[np.int64]:
        """Tokens of the prompts, padded after their last position."""
        tokens = self.bed.transcripts.tokens[prompts.games].copy()
        tokens[np.arange(tokens.shape[1])[None] > prompts.last[:, None]] = self.bed.game.tokenizer.pad_id
        return tokens

    def _allowed(
        self, tokens: NDArray[np.int64], last: NDArray[np.int64], legal: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Legal next moves of every game that has been legal so far, bool [n, d_vocab]; none of the others."""
        found = np.zeros((len(tokens), len(self._special)), np.bool_)
        whole = np.flatnonzero(legal)
        if len(whole):
            found[whole] = self.bed.game.allowed(tokens[whole])[np.arange(len(whole)), last[whole]]
        return found

    def _log_probs(
        self,
        latent: int,
        tokens: NDArray[np.int64],
        start: NDArray[np.int64],
        last: NDArray[np.int64],
        c: float | None,
    ) -> NDArray[np.float32]:
        """Log-probabilities after position `last`, the latent edited from position `start` to it."""
        width = int(last.max()) + 1  # what is padded at the right is never looked at
        found: list[NDArray[np.float32]] = []
        for begin in range(0, len(tokens), self.batch_size):
            part = slice(begin, begin + self.batch_size)
            place = np.arange(width)[None]
            edited = torch.from_numpy((place >= start[part, None]) & (place <= last[part, None]))
            replace = _unchanged if c == 0 else self._edit(latent, edited, c)
            logits = run_with_replacement(self.bed.model, tokens[part, :width], self.bed.hook, replace)
            at = logits[torch.arange(len(logits)), torch.from_numpy(last[part])]
            found.append(torch.log_softmax(at.float(), -1).cpu().numpy())
        return np.concatenate(found)

    def _edit(self, latent: int, edited: torch.Tensor, c: float | None) -> Callable[[torch.Tensor], torch.Tensor]:
        """Replacement of activations [batch, positions, d] where `edited`, bool [batch, positions]."""

        def replace(x: torch.Tensor) -> torch.Tensor:
            mask = edited.to(x.device)
            rows = x[mask]
            latents = self.dictionary.encode(rows)
            missed = rows - self.dictionary.decode(latents)
            pushed = latents.clone()
            pushed[:, latent] = 0.0 if c is None else pushed[:, latent] + c
            new = x.clone()
            new[mask] = (self.dictionary.decode(pushed) + missed).to(x.dtype)
            return new

        return replace


@dataclass(frozen=True, eq=False)
class Pushed:
    """Everything written under a push on one latent.

    Attributes:
        written: the texts, and how strong the push was.
        prompts: what was continued.
        clean: continuations of the untouched model; None if nothing was written.
        pushed: continuations under the push.
    """

    written: Written
    prompts: Prompts
    clean: Continued | None
    pushed: Continued | None

    def illegal(self) -> tuple[float, float]:
        """Share of continuations with an illegal move, untouched and pushed; NaN if nothing was written."""
        parts = [self.clean, self.pushed]
        shares = [float("nan") if p is None else float((p.n_legal < p.n_new).mean()) for p in parts]
        return shares[0], shares[1]


def output_text(raised: Sequence[tuple[str, float]]) -> str:
    """An explanation of what a latent does to the next move, without any language model; empty if it raises none.

    Examples:
        >>> output_text([("c4", 0.31), ("d3", 0.02), ("e1", -0.1)])
        'makes the moves c4, d3 more likely'
    """
    moves = [move for move, rise in raised if rise > 0]
    return f"makes the move{'s' if len(moves) > 1 else ''} {', '.join(moves)} more likely" if moves else ""


def _unchanged(x: torch.Tensor) -> torch.Tensor:
    return x
