"""Read IOI prompts back from words or tokens, say what may follow each token, and show them to people."""

from collections.abc import Sequence
from html import escape
from typing import cast

import numpy as np
from numpy.typing import NDArray

from .ioi_prompts import Ints, Prompts, Slots, Words, build
from .ioi_templates import END, FIRST_TOKEN, HAS_PLACE, N_TOKENS, SECOND_TOKEN, TEMPLATES, THIRD_TOKEN
from .ioi_tokens import WordTokens


def parse_prompts(
    games: Sequence[Sequence[str] | Sequence[int]] | Ints, tokenizer: WordTokens, words: Words, tasks: Sequence[int]
) -> Prompts:
    """Prompts from words, texts or token ids.

    Raises:
        ValueError: not a prompt; names game and ply.
    """
    return build(words, _slots(_token_matrix(games, tokenizer), words, tasks, tokenizer))


def _token_matrix(games: Sequence[Sequence[str] | Sequence[int]] | Ints, tokenizer: WordTokens) -> Ints:
    if isinstance(games, str):
        raise ValueError("games must be a sequence of prompts, got one text; put a single prompt in a list")
    if len(games) == 0:
        raise ValueError("no prompts were given")
    if isinstance(games, np.ndarray):
        tokens = games
    else:
        rows = [_row(game, number, tokenizer) for number, game in enumerate(games)]
        if wrong := [number for number, row in enumerate(rows) if len(row) != N_TOKENS]:
            raise ValueError(
                f"game {wrong[0]}: a prompt has {N_TOKENS - 1} words after the start, got {len(rows[wrong[0]]) - 1}"
            )
        tokens = np.array(rows, dtype=np.int64)
    if tokens.ndim != 2 or tokens.shape[1] != N_TOKENS or tokens.dtype.kind not in "iu":
        raise ValueError(f"prompts must be integers [prompts, {N_TOKENS}], got {tokens.dtype} {list(tokens.shape)}")
    return tokens.astype(np.int64)


def _row(game: Sequence[str] | Sequence[int], number: int, tokenizer: WordTokens) -> list[int]:
    if isinstance(game, str) or all(isinstance(word, str) for word in game):
        try:
            return tokenizer.encode(cast("Sequence[str]", game))
        except ValueError as error:
            raise ValueError(f"game {number}, {error}") from error
    return [int(token) for token in game]


def _index_of(ids: Ints, tokens: Ints) -> Ints:
    """Place of each token in `ids`; -1 where it is none of them."""
    order = np.argsort(ids)
    place = np.minimum(np.searchsorted(ids[order], tokens), len(ids) - 1)
    found = order[place]
    return np.where(ids[found] == tokens, found, -1)


def _slots(tokens: Ints, words: Words, tasks: Sequence[int], tokenizer: WordTokens) -> Slots:
    rows = np.arange(len(tokens))
    third_word = SECOND_TOKEN + 1
    template = _index_of(words.template_ids[:, third_word], tokens[:, third_word])
    _refuse(template < 0, np.full(len(tokens), third_word), tokens, tokenizer, "begins no template")
    first, second = (_index_of(words.name_ids, tokens[:, token]) for token in (FIRST_TOKEN, SECOND_TOKEN))
    third = _index_of(words.name_ids, tokens[rows, THIRD_TOKEN[template]])
    for name, token in ((first, FIRST_TOKEN), (second, SECOND_TOKEN), (third, THIRD_TOKEN[template])):
        _refuse(name < 0, np.broadcast_to(token, len(tokens)), tokens, tokenizer, "is no name")
    _refuse(first == second, np.full(len(tokens), SECOND_TOKEN), tokens, tokenizer, "stands twice in a row of names")
    neither = (third != first) & (third != second)
    _refuse(neither, THIRD_TOKEN[template], tokens, tokenizer, "repeats neither of the first two names")
    thing, place = np.full(len(tokens), -1), np.full(len(tokens), -1)
    for index, shape in enumerate(TEMPLATES):
        if shape.place is None or shape.object is None:
            continue
        here = template == index
        for column, token, ids, what in (
            (place, shape.place, words.place_ids, "is no place"),
            (thing, shape.object, words.object_ids, "is no object"),
        ):
            column[here] = _index_of(ids, tokens[here, token])
            _refuse(here & (column < 0), np.full(len(tokens), token), tokens, tokenizer, what)
    task = np.full(len(tokens), -1)
    for index in tasks:
        task[tokens[:, END] == words.last_ids[index]] = index
    _refuse(task < 0, np.full(len(tokens), END), tokens, tokenizer, "is no last word of this world's prompts")
    s_first = third == first
    slots = Slots(
        io=np.where(s_first, second, first),
        s=third,
        pos=s_first.astype(np.int64),
        third=third,
        template=template,
        object=thing,
        place=place,
        task=task,
    )
    wrong = build(words, slots).tokens != tokens  # what is left to differ is a fixed word
    _refuse(wrong.any(1), wrong.argmax(1), tokens, tokenizer, "is not the word of the template there")
    return slots


def _refuse(bad: NDArray[np.bool_], token: Ints, tokens: Ints, tokenizer: WordTokens, why: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        ply = int(token[row])
        value = int(tokens[row, ply])
        text = tokenizer.vocabulary[value] if 0 <= value < tokenizer.d_vocab else f"token id {value}"
        raise ValueError(f"game {row}, ply {ply}: {text!r} {why}")


def allowed_after(prompts: Prompts, words: Words, d_vocab: int, tasks: Sequence[int]) -> NDArray[np.bool_]:
    """Words that may follow each token, bool [N, 19, d_vocab]; after the last one the right answer alone.

    A word may follow if some prompt of the world goes on with it: until the templates differ, that of any template.
    """
    n = len(prompts)
    rows = np.arange(n)
    allowed = np.zeros((n, N_TOKENS, d_vocab), dtype=np.bool_)
    template = prompts.attributes["template"]
    fixed = words.template_ids
    for token in range(1, N_TOKENS):
        # the words so far are those of every template up to the second name, later those of the row's own
        options = fixed[:, token][None].repeat(n, 0) if token <= SECOND_TOKEN + 1 else fixed[template, token][:, None]
        for column in options.T:
            is_word = column > 0
            allowed[rows[is_word], token - 1, column[is_word]] = True
    allowed[:, FIRST_TOKEN - 1, words.name_ids] = True
    allowed[:, SECOND_TOKEN - 1, words.name_ids] = True
    allowed[rows, SECOND_TOKEN - 1, prompts.tokens[:, FIRST_TOKEN]] = False
    third = THIRD_TOKEN[template]
    for token in (FIRST_TOKEN, SECOND_TOKEN):
        allowed[rows, third - 1, prompts.tokens[:, token]] = True
    for index, shape in enumerate(TEMPLATES):
        if HAS_PLACE[index] and shape.place is not None and shape.object is not None:
            here = np.flatnonzero(template == index)[:, None]
            allowed[here, shape.place - 1, words.place_ids] = True
            allowed[here, shape.object - 1, words.object_ids] = True
    allowed[:, END - 1, words.last_ids[list(tasks)]] = True
    repeated = prompts.attributes["duplicate"] == 1
    allowed[rows[repeated], END, prompts.target[repeated]] = True
    return allowed


def render_prompt(prompt: Prompts, tokenizer: WordTokens, ply: int, format: str) -> str:
    """The first words of one prompt and what is known about all of it, for people.

    Raises:
        ValueError: a ply that the prompt does not have, or another format.
    """
    if format not in ("text", "svg"):
        raise ValueError(f"format must be 'text' or 'svg', got {format!r}")
    if not 0 <= ply < N_TOKENS:
        raise ValueError(f"ply must be from 0 to {N_TOKENS - 1}, the length of a prompt, got {ply}")
    shown = tokenizer.decode(prompt.tokens[0].tolist())[:ply]
    text = " ".join(shown).replace(" ,", ",") or "(start)"
    values = {name: prompt.values[name][int(column[0])] for name, column in prompt.attributes.items() if column[0] >= 0}
    third = int(prompt.positions["s2"][0])
    known = [f"{name} {values[name]}" for name in ("IO", "S", "Pos") if ply >= third]
    if ply == END:
        known.append(f"answer {tokenizer.decode([int(prompt.target[0])])[0]}")
    if format == "text":
        return text + (f"\n[{', '.join(known)}]" if known else "")
    width = 20 + 8 * max(len(text), 24)
    notes = escape(", ".join(known))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 60" width="{width}" height="60" '
        f'font-family="monospace" font-size="13"><title>{escape(text)}</title>'
        '<rect width="100%" height="100%" fill="#fff"/>'  # black text needs it on a dark page
        f'<text x="10" y="24">{escape(text)}</text><text x="10" y="46" fill="#555">{notes}</text></svg>\n'
    )
