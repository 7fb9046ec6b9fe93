"""Checks of exercises 5 to 8: the right answer passes, foreseen wrong ones get their hint."""

import importlib
import sys
from pathlib import Path

import fiducial
import numpy as np
import pytest

FOLDER = Path(fiducial.__file__).parent / "examples" / "exercises"


@pytest.fixture(scope="module", autouse=True)
def _beside_the_notebooks():
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))


def module(name):
    return importlib.import_module(name)


def unit(a):
    return a / np.linalg.norm(a, axis=1, keepdims=True)


def slope(z, x):
    c = z - z.mean()
    return c @ (x - x.mean(0)) / (c @ c)


def ridge(x, y, penalty):
    c = x - x.mean(0)
    w = np.linalg.solve(c.T @ c + penalty * np.eye(x.shape[1]), c.T @ (y - y.mean(0)))
    return w, y.mean(0) - x.mean(0) @ w


def f1(p, y):
    return 2 * (p & y).sum(0) / np.maximum(p.sum(0) + y.sum(0), 1)


def table(f, y):
    return 2 * (f.T.astype(float) @ y) / (f.sum(0)[:, None] + y.sum(0))


def answers(z, y):
    return np.argsort(np.argsort(-z, axis=1), axis=1) < y.sum(1)[:, None]


def directions(x, s):
    n = s.sum(0)[:, None]
    return np.where(n > 0, s.T.astype(float) @ x / np.maximum(n, 1) - x.mean(0), 0)


def edit(z, d, u, a, b):
    rows = np.arange(len(z))
    return (u[b] - z[rows, b])[:, None] * d[b] - z[rows, a][:, None] * d[a]


def kept(b, a, s):
    others = np.arange(b.shape[1]) != s[:, None]
    return (b == a)[others].mean()


def ranks(a, b):
    return np.corrcoef(np.argsort(np.argsort(a)), np.argsort(np.argsort(b)))[0, 1]


def natural(t, n, s):
    return 2 * s * t / (s * t + (1 - s) * (1 - n) + s)


# module, check, a right answer, wrong answers with a piece of the hint that they should get
FUNCTIONS = [
    ("checks_boards", "check_silenced", lambda f, p, c: f[p & ~c].mean() - f[p & c].mean(), [
        (lambda f, p, c: f[p & c].mean() - f[p & ~c].mean(), "sign"),
        (lambda f, p, c: f[~c].mean() - f[c].mean(), "where the parent holds"),
        (lambda f, p, c: 0.5, "on which share"),
        (lambda f, p, c: f[p & ~c], "one number"),
    ]),
    ("checks_boards", "check_cosines", lambda a, b: unit(a) @ unit(b).T, [
        (lambda a, b: a @ b.T, "inner products"),
        (lambda a, b: unit(b) @ unit(a).T, "shape"),
        (lambda a, b: a / 0 @ b.T, "NaN"),
    ]),
    ("checks_boards", "check_best_direction", slope, [
        (lambda z, x: z @ x / (z @ z), "offset"),
        (lambda z, x: x[z > 0].mean(0), "per unit"),
        (lambda z, x: np.linalg.lstsq(z, x), "raised LinAlgError"),
    ]),
    ("checks_boards", "check_fit", ridge, [
        (lambda x, y, p: ridge(x, y, 0.0), "penalty"),
        (lambda x, y, p: (ridge(x, y, p)[0], y.mean(0)), "prediction at the mean"),
        (lambda x, y, p: ridge(x, y, p)[0], "two things"),
    ]),
    ("checks_boards", "check_f1", f1, [
        (lambda p, y: (p == y).mean(0), "accuracy"),
        (lambda p, y: (p & y).sum(0) / np.maximum(p.sum(0), 1), "precision"),
        (lambda p, y: (p & y).sum(0) / y.sum(0), "recall"),
        (lambda p, y: f1(p, y).mean(), "shape"),
    ]),
    ("checks_boards", "check_best_latents", lambda f, y: table(f, y).argmax(0), [
        (lambda f, y: (f.T.astype(float) @ y).argmax(0), "always fires"),
        (lambda f, y: table(f, y).argmax(1), "shape"),
        (lambda f, y: table(f, y).max(0), "which latent"),
    ]),
    ("checks_boards", "check_errors", lambda z, y: (answers(z, y) ^ y).sum(1), [
        (lambda z, y: (answers(z, y) & ~y).sum(1), "both kinds"),
        (lambda z, y: (answers(z, y) ^ y).sum(1).mean(), "shape"),
        (lambda z, y: ((z > 0) ^ y).sum(1), "logit above 0"),
    ]),
    ("checks_boards", "check_directions", directions, [
        (lambda x, s: directions(x, s) + x.mean(0), "mean of all positions"),
        (lambda x, s: s.T @ x / np.maximum(s.sum(0), 1)[:, None] - x.mean(0), "never holds"),
    ]),
    ("checks_boards", "check_success", lambda e, n, f: (n - e) / (n - f), [
        (lambda e, n, f: (e - f) / (n - f), "0 should stand"),
        (lambda e, n, f: (n - e) / n, "perfect edit"),
    ]),
    ("checks_boards", "check_latent_edit", edit, [
        (lambda z, d, u, a, b: -edit(z, d, u, a, b), "signs"),
        (lambda z, d, u, a, b: u[b][:, None] * d[b] - u[a][:, None] * d[a], "Change of a latent"),
    ]),
    ("checks_boards", "check_isolation", kept, [
        (lambda b, a, s: (b == a).mean(), "edited square itself"),
        (lambda b, a, s: 1 - kept(b, a, s), "before == after"),
    ]),
    ("checks_judges", "check_explained", lambda x, h: 1 - ((x - h) ** 2).sum() / ((x - x.mean(0)) ** 2).sum(), [
        (lambda x, h: ((x - h) ** 2).sum() / ((x - x.mean(0)) ** 2).sum(), "not\\* explained"),
        (lambda x, h: 1 - ((x - h) ** 2).sum() / (x**2).sum(), "about the mean"),
    ]),
    ("checks_judges", "check_mmcs", lambda a, b: (unit(a) @ unit(b).T).max(0).mean(), [
        (lambda a, b: (unit(a) @ unit(b).T).max(1).mean(), "missed features"),
        (lambda a, b: (a @ b.T).max(0).mean(), "lengths"),
    ]),
    ("checks_judges", "check_in_order", lambda s, p: np.mean([s[a] > s[b] for a, b in p]), [
        (lambda s, p: np.mean([s[a] >= s[b] for a, b in p]), "tie"),
        (lambda s, p: sum(s[a] > s[b] for a, b in p), "share"),
    ]),
    ("checks_judges", "check_rank_correlation", ranks, [
        (lambda a, b: np.corrcoef(a, b)[0, 1], "values"),
        (lambda a, b: np.corrcoef(np.argsort(a), np.argsort(b))[0, 1], "twice"),
    ]),
    ("checks_judges", "check_natural_f1", natural, [
        (lambda t, n, s: natural(t, n, 0.5), "of the exam"),
        (lambda t, n, s: s * t / (s * t + (1 - s) * (1 - n)), "precision"),
    ]),
]  # fmt: skip
IDS = [check for _, check, _, _ in FUNCTIONS]


@pytest.mark.parametrize(("where", "check", "answer", "wrong"), FUNCTIONS, ids=IDS)
def test_a_function_is_right_wrong_with_a_hint_or_not_written(where, check, answer, wrong, capsys):
    checked, Wrong = getattr(module(where), check), module("checks").Wrong
    checked(answer)
    assert capsys.readouterr().out.startswith("right: ")
    for other, hint in wrong:
        with np.errstate(all="ignore"), pytest.raises(Wrong, match=hint):
            checked(other)

    def untouched(*_arguments):
        raise NotImplementedError("your turn: ...")

    with pytest.raises(NotImplementedError, match="your turn"):
        checked(untouched)
    with pytest.raises(NotImplementedError, match="your turn"):
        checked(lambda *_arguments: None)


def test_a_function_that_changes_its_arguments_is_told_so():
    def shifts(x, h):
        x -= x.mean(0)
        return 1 - ((x - h) ** 2).sum() / (x**2).sum()

    with pytest.raises(module("checks").Wrong, match="work on a copy"):
        module("checks_judges").check_explained(shifts)


def test_codes_of_the_penguin():
    boards, Wrong = module("checks_boards"), module("checks").Wrong
    boards.check_codes("codes", np.array([[0, 0], [1, 0], [0, np.sqrt(2)]]), boards.ABSORBED)
    with pytest.raises(Wrong, match="penguin"):
        boards.check_codes("codes", np.array([[0, 0], [1, 0], [0, 1]]), boards.ABSORBED)
    with pytest.raises(Wrong, match="never negative"):
        boards.check_codes("codes", np.array([[0, 0], [1, 0], [-1, 2]]), boards.ABSORBED)
    with pytest.raises(NotImplementedError):
        boards.check_codes("codes", ..., boards.ABSORBED)


@pytest.mark.parametrize(
    ("turn", "hint"),
    [(lambda b: -b, "wrong way round"), (lambda b: b.T, "on its side"), (lambda b: b[::-1], "first row"),
     (lambda b: np.abs(b), "wrong player"), (lambda b: b * 0, "mixed up on 3"), (lambda b: b + 5, "only -1, 0 and 1")],
)  # fmt: skip
def test_a_board_that_is_turned_is_told_how(turn, hint):
    board = np.zeros((6, 6), int)
    board[0, 1], board[0, 2], board[4, 5] = 1, -1, -1
    holds = np.zeros((2, 3), bool)
    module("checks_boards").check_board(lambda _: board, holds, 1, board)
    with pytest.raises(module("checks").Wrong, match=hint):
        module("checks_boards").check_board(lambda _: turn(board), holds, 1, board)


def test_a_push_at_every_move_or_at_none_is_told():
    boards, Wrong = module("checks_boards"), module("checks").Wrong
    right, clean, everywhere = np.arange(4.0), np.arange(4.0) + 1, np.arange(4.0) + 2
    boards.check_steered(right, right, clean, everywhere)
    with pytest.raises(Wrong, match="nothing has changed"):
        boards.check_steered(clean, right, clean, everywhere)
    with pytest.raises(Wrong, match="at every move"):
        boards.check_steered(everywhere, right, clean, everywhere)
    with pytest.raises(Wrong, match="logits\\[0, position\\]"):
        boards.check_steered(right + 9, right, clean, everywhere)


def test_explanations_that_are_too_broad_or_too_narrow():
    judges, Wrong = module("checks_judges"), module("checks").Wrong
    judges.check_explanation("c4 empty", 0.9, 0.8, 0.85, 0.8)
    with pytest.raises(Wrong, match="too broad"):
        judges.check_explanation("c4 empty", 0.2, 1.0, 0.33, 0.8)
    with pytest.raises(Wrong, match="too narrow"):
        judges.check_explanation("c4 empty", 1.0, 0.2, 0.33, 0.8)
    with pytest.raises(Wrong, match="never holds"):
        judges.check_explanation("c4 empty", 0.0, 0.0, 0.0, 0.8)
    with pytest.raises(NotImplementedError):
        judges.check_explanation(..., 0.0, 0.0, 0.0, 0.8)
