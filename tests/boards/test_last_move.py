"""Running only the last position gives what running everything gives."""

import numpy as np
import pytest
import torch
from fiducial.boards.last_move import LastMove
from fiducial.boards.runs import block_hook, edited_logits, read_at
from fiducial.testbed_catalogue import testbed as open_testbed
from tiny import tiny_testbed


def rows_of(bed, n=40, n_games=12):
    generator = np.random.default_rng(0)
    game = generator.integers(0, n_games, n)
    position = generator.integers(0, bed.transcripts.tokens.shape[1], n)
    position[:2] = 0, bed.transcripts.tokens.shape[1] - 1  # nothing before it, and the longest there is
    return bed.transcripts.tokens[:n_games], game, position


@pytest.mark.parametrize("make", [tiny_testbed, lambda: open_testbed("othello-6x6", n_games=12)])
@pytest.mark.parametrize("layer", [0, 1])
def test_both_ways_agree(make, layer):
    bed = make()
    tokens, game, position = rows_of(bed)
    hook = "blocks.0.mlp.hook_out"
    run = LastMove(bed.model, tokens, position, layer, game=game, hooks=[hook])
    assert run.short
    torch.testing.assert_close(run.clean, edited_logits(bed.model, tokens[game], position, {}), rtol=1e-4, atol=1e-4)
    for name, found in read_at(bed.model, tokens[game], position, [block_hook(layer), hook]).items():
        torch.testing.assert_close(run.found[name], found, rtol=1e-4, atol=1e-4)
    new = run.x + torch.randn(run.x.shape, generator=torch.Generator().manual_seed(1))
    long = edited_logits(bed.model, tokens[game], position, {block_hook(layer): lambda _, rows: new[rows]})
    torch.testing.assert_close(run.with_x(new), long, rtol=1e-4, atol=1e-4)
    assert float((long - run.clean).abs().max()) > 0.01

    def change(x, rows):
        return x * 0.5 + rows[:, None]

    blocks = range(layer, bed.config.n_layers)
    long = edited_logits(bed.model, tokens[game], position, {block_hook(b): change for b in blocks})
    torch.testing.assert_close(run.logits(dict.fromkeys(blocks, change)), long, rtol=1e-4, atol=1e-3)


def test_some_rows_are_run_by_themselves_and_can_be_differentiated():
    bed = tiny_testbed()
    tokens, game, position = rows_of(bed)
    run = LastMove(bed.model, tokens, position, 0, game=game)
    picked = torch.tensor([7, 3, 30])
    x = run.x[picked].clone().requires_grad_(True)
    logits = run.logits({0: lambda _, rows: x[rows]}, picked, gradient=True)
    torch.testing.assert_close(logits.detach(), run.clean[picked], rtol=1e-4, atol=1e-5)
    logits[1, 4].backward()
    assert float(x.grad[0].abs().max()) == float(x.grad[2].abs().max()) == 0
    at = torch.zeros_like(run.x[picked])
    at[1, 3] = 1e-2
    ends = [run.logits({0: lambda _, r, s=s: (run.x[picked] + s * at)[r]}, picked)[1, 4].double() for s in (1, -1)]
    assert float(x.grad[1, 3]) == pytest.approx(float(ends[0] - ends[1]) / 2e-2, rel=0.03, abs=1e-4)


def test_another_kind_of_block_is_run_the_long_way(monkeypatch):
    """Mutation: were the short way wrong, it would not be taken."""
    bed = tiny_testbed()
    tokens, game, position = rows_of(bed)
    monkeypatch.setattr("fiducial.boards.last_move._block", lambda block, x, *rest: x)
    run = LastMove(bed.model, tokens, position, 0, game=game)
    assert not run.short
    new = run.x + 1
    long = edited_logits(bed.model, tokens[game], position, {block_hook(0): lambda _, rows: new[rows]})
    torch.testing.assert_close(run.with_x(new), long)


def test_what_cannot_be_run_is_refused():
    bed = tiny_testbed()
    tokens, game, position = rows_of(bed)
    run = LastMove(bed.model, tokens, position, 1, game=game)
    with pytest.raises(ValueError, match="block 1 or later"):
        run.logits({0: lambda x, _: x})
    with pytest.raises(ValueError, match="must give"):
        run.logits({1: lambda x, _: x[:, :3]})
    with pytest.raises(ValueError, match="one position a row"):
        LastMove(bed.model, tokens, position, 1)
