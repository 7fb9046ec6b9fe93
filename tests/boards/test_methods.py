"""Each way to edit, on activations whose directions are known."""

import numpy as np
import pytest
import torch
from fiducial.boards.das import Sources, das_methods, fit_board_das, swap_delta
from fiducial.boards.edits import BoardEdits, Squares, board_edits
from fiducial.boards.last_move import LastMove
from fiducial.boards.latents import aware_methods, dictionary_editor, greedy_method
from fiducial.boards.methods import (
    FitRows,
    View,
    mean_directions,
    square_methods,
    square_probes,
    supervised_directions,
)
from fiducial.models.controls import LinearDictionary
from tiny import tiny_testbed

S, C, D, N = 5, 3, 24, 600
SQUARES = Squares(tuple(f"state of {i}" for i in range(S)), np.arange(S * C).reshape(S, C))


def planted(noise=0.0):
    """Activations that are a mean and one known direction for the state of every square."""
    generator = np.random.default_rng(0)
    truth = torch.from_numpy(np.linalg.qr(generator.normal(size=(D, D)))[0][: S * C].astype(np.float32)) * 2
    states = generator.integers(0, C, (N, S))
    one_hot = states[..., None] == np.arange(C)
    flat = torch.from_numpy(one_hot.reshape(N, -1)).float()
    x = flat @ truth + 0.7 + noise * torch.from_numpy(generator.normal(size=(N, D)).astype(np.float32))
    return FitRows(x, one_hot, np.arange(N) // 10, SQUARES), truth, states


def edits_of(states, n=40, n_changed=1):
    generator = np.random.default_rng(1)
    before = states[:n]
    after = before.copy()
    for row in range(n):
        for square in generator.permutation(S)[:n_changed]:
            after[row, square] = (before[row, square] + generator.integers(1, C)) % C
    moves = np.ones((n, 4), np.bool_)
    tokens = np.arange(n)[:, None]
    return BoardEdits(tokens, np.zeros(n, np.int64), before, after, moves, moves, np.full(n, "test"), SQUARES)


def by_name(rows, **kwargs):
    supervised = supervised_directions(rows)
    made = square_methods(supervised, mean_directions(rows), square_probes(rows), SQUARES, **kwargs)
    return {method.name: method for method in made}


@pytest.mark.parametrize("n_changed", [1, 2])
def test_the_supervised_edit_is_exact_where_the_board_is_written_linearly(n_changed):
    rows, truth, states = planted()
    edits = edits_of(states, n_changed=n_changed)
    want = edits.change @ truth
    found = supervised_directions(rows, ridges=(0.0,))
    torch.testing.assert_close(found.delta(edits), want, rtol=1e-3, atol=1e-3)
    assert found.held_out == pytest.approx(1, abs=1e-4)
    assert found.rank == S * (C - 1)


def test_weights_of_all_squares_sum_to_1():
    rows, _, states = planted(0.3)
    found = supervised_directions(rows)
    every = edits_of(states)
    every = BoardEdits(*(getattr(every, f) for f in ("tokens", "position", "before")), (every.before + 1) % C,
                       every.allowed_before, every.allowed_after, every.kind, SQUARES)  # fmt: skip
    torch.testing.assert_close(found.weight_removed(every), torch.ones(len(every)), rtol=1e-4, atol=1e-4)
    one = found.weight_removed(edits_of(states))
    assert 0 < float(one.mean()) < 0.5


def test_means_agree_with_least_squares_where_squares_are_independent():
    rows, _, states = planted()
    edits = edits_of(states)
    exact, means = supervised_directions(rows).delta(edits), mean_directions(rows).delta(edits)
    assert float((exact - means).norm() / exact.norm()) < 0.25  # what 600 positions leave of chance
    assert float((exact - means).norm() / exact.norm()) > 1e-3


def test_a_probe_flip_mirrors_the_margin_and_the_published_flip_the_coordinate():
    rows, _, states = planted(1.0)
    probes = square_probes(rows)
    methods = by_name(rows)
    edits = edits_of(states)
    x = rows.x[: len(edits)]
    weight, bias = probes.difference(edits)
    for strength in (0.0, 1.0, 4.0):
        after = x + methods["probe flip"].delta(View(x, edits), (strength,))
        margin = (x * weight).sum(1) + bias
        torch.testing.assert_close((after * weight).sum(1) + bias, -strength * margin, rtol=1e-3, atol=1e-3)
        after = x + methods["linear flip (published)"].delta(View(x, edits), (strength,))
        torch.testing.assert_close((after * weight).sum(1), -strength * (x * weight).sum(1), rtol=1e-3, atol=1e-3)


def test_probes_read_the_squares_and_follow_the_edit():
    rows, truth, states = planted(0.3)
    probes = square_probes(rows)
    assert (probes.states(rows.x, SQUARES) == states).mean() > 0.99
    edits = edits_of(states)
    moved = probes.states(rows.x[: len(edits)] + edits.change @ truth, SQUARES)
    assert (moved == edits.after).mean() > 0.99


def test_random_directions_have_the_size_asked_for_and_nothing_else_moves():
    rows, _, states = planted(0.3)
    methods = by_name(rows, seed=3)
    view = View(rows.x[:40], edits_of(states))
    random = methods["random direction"].delta(view, (2.0,))
    probe = methods["probe direction"].delta(view, (2.0,))
    torch.testing.assert_close(random.norm(dim=1), probe.norm(dim=1))
    assert float(torch.cosine_similarity(random, probe).abs().mean()) < 0.4
    assert float(methods["null"].delta(view, (1.0,)).abs().max()) == 0


def perfect_dictionary(rows, truth):
    """A latent for every state, that fires at 1 where it holds."""
    reading = truth.T / truth.square().sum(1)
    offset = torch.full((D,), 0.7)
    return LinearDictionary("perfect", reading.contiguous(), truth, offset, offset)


@pytest.mark.parametrize("n_changed", [1, 2])
def test_a_perfect_dictionary_edits_like_the_supervised_one(n_changed):
    rows, truth, states = planted()
    clean = perfect_dictionary(rows, truth)
    made = LinearDictionary("perfect", clean.reading, clean.directions, clean.centre, clean.offset, k=S)
    editor = dictionary_editor(made, rows)
    edits = edits_of(states, n_changed=n_changed)
    view = View(rows.x[: len(edits)], edits)
    want = edits.change @ truth
    plain, sized = aware_methods(editor)
    torch.testing.assert_close(plain.delta(view, (1.0,)), want, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(sized.delta(view, (1.0, 3.0)), 3 * want, rtol=1e-3, atol=3e-2)
    torch.testing.assert_close(
        plain.removed(view, (1.0,)), torch.full((len(edits),), n_changed / S), rtol=1e-2, atol=1e-3
    )
    greedy = greedy_method(editor, made, supervised_directions(rows, ridges=(0.0,)), 1.0)
    torch.testing.assert_close(greedy.delta(view, (2.0,)), want, rtol=1e-3, atol=1e-2)
    half = (greedy.delta(view, (1.0,)) - want).norm(dim=1)  # one latent of the two that change
    torch.testing.assert_close(half, torch.full_like(half, 2 * n_changed**0.5), rtol=1e-2, atol=1e-2)


def test_latents_of_other_squares_do_not_help():
    """Mutation: a dictionary whose directions are dealt out wrongly must miss the edit."""
    rows, truth, states = planted()
    rolled = LinearDictionary("rolled", truth.T / 4, truth.roll(C, 0), torch.full((D,), 0.7), torch.full((D,), 0.7), S)
    edits = edits_of(states)
    view = View(rows.x[: len(edits)], edits)
    found = aware_methods(dictionary_editor(rolled, rows))[0].delta(view, (1.0,))
    assert float(((found - edits.change @ truth).norm(dim=1) > 1).float().mean()) == 1


def test_a_dead_dictionary_edits_nothing():
    rows, truth, states = planted()
    dead = LinearDictionary("dead", torch.zeros(D, 7), truth[:7], torch.zeros(D), torch.zeros(D))
    editor = dictionary_editor(dead, rows)
    view = View(rows.x[:40], edits_of(states))
    for method in (*aware_methods(editor), greedy_method(editor, dead, supervised_directions(rows), 1.0)):
        assert float(method.delta(view, method.settings[-1]).abs().max()) == 0
        assert float(method.removed(view, method.settings[-1]).abs().max()) == 0


def test_exchanging_everything_gives_the_source_and_exchanging_the_span_gives_the_edit():
    rows, truth, states = planted()
    edits = edits_of(states)
    x = rows.x[: len(edits)]
    sources = Sources(rows.x, rows.flat, np.zeros(N, np.int64), 0)
    shown = sources.of(edits)
    everything = torch.eye(D).expand(S, D, D)
    torch.testing.assert_close(x + swap_delta(everything, x, shown, edits), shown[:, 0], rtol=1e-4, atol=1e-4)
    spans = torch.linalg.qr(truth.reshape(S, C, D).transpose(1, 2)).Q
    torch.testing.assert_close(swap_delta(spans, x, shown, edits), edits.change @ truth, rtol=1e-3, atol=1e-3)


def test_sources_show_the_new_state_as_near_in_the_game_as_there_is():
    rows, _, states = planted(0.3)
    position = np.random.default_rng(2).integers(0, 20, N)
    edits = edits_of(states)
    sources = Sources(rows.x, rows.flat, position, 0)
    assert torch.equal(sources.of(edits), sources.of(edits))
    for row, shown in enumerate(sources.of(edits)[:, 0]):
        index = int((rows.x - shown).norm(dim=1).argmin())
        square = int(edits.put[row, 0]) // C
        assert states[index, square] == edits.after[row, square]
        fits = states[:, square] == edits.after[row, square]
        assert abs(position[index] - edits.position[row]) <= max(2, np.abs(position[fits] - edits.position[row]).min())


def das_inputs():
    bed = tiny_testbed()
    edits = board_edits(bed.game, 200, 5)
    squares = Squares.of(bed.features)
    states = squares.one_hot(np.asarray(bed.activations.labels), bed.features)
    rows = FitRows(bed.x, states, np.asarray(bed.activations.game_id), squares)
    sources = Sources(bed.x, rows.flat, np.asarray(bed.activations.position), 0)
    run = LastMove(bed.model, edits.tokens, edits.position, bed.spec.layer)
    return run, edits, sources, supervised_directions(rows)


def test_das_trains_orthonormal_subspaces_and_lowers_its_loss():
    run, edits, sources, supervised = das_inputs()
    made = fit_board_das(run, edits, sources, supervised, steps=100, lr=3e-2, seed=0)
    assert made.bases.shape == (16, 16, 2)
    torch.testing.assert_close(
        made.bases.transpose(1, 2) @ made.bases, torch.eye(2).expand(16, 2, 2), rtol=1e-4, atol=1e-4
    )
    assert min(made.losses) < made.losses[0] - 0.001
    again, twice = (fit_board_das(run, edits, sources, supervised, steps=2, seed=0) for _ in range(2))
    assert torch.equal(again.bases, twice.bases)
    assert again.losses == twice.losses
    plain, sized = das_methods(made, sources)
    view = View(run.x, edits)
    torch.testing.assert_close(sized.delta(view, (2.0,)), 2 * plain.delta(view, (1.0,)))


def test_das_stops_and_keeps_what_was_best_on_edits_held_out():
    run, edits, sources, supervised = das_inputs()
    made = fit_board_das(run, edits, sources, supervised, steps=2000, lr=1.0, batch_size=16, seed=0)  # far too large
    assert made.steps < 2000
    assert len(made.losses) == made.steps // 50 + 1
    start = fit_board_das(run, edits, sources, supervised, steps=1, lr=1e-9, seed=0)
    assert start.losses[0] == made.losses[0] >= min(made.losses)
