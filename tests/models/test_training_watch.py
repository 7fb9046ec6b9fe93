"""Looking at a run on the way changes nothing; endless sources; aligned SAEs."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fiducial.models.feature_aligned import mmcs, train_feature_aligned
from fiducial.models.training import ARCHITECTURES, train_sae
from fiducial.models.training_rows import prepare_stream
from scipy.optimize import linear_sum_assignment

D, N_TRUE, L, K = 12, 20, 40, 3
QUICK = {"n_latents": L, "k": K, "samples": 6000, "batch_size": 100, "progress": False}


def planted(n, seed):
    directions = torch.nn.functional.normalize(
        torch.randn(N_TRUE, D, generator=torch.Generator().manual_seed(99)), dim=1
    )
    generator = torch.Generator().manual_seed(seed)
    active = torch.rand(n, N_TRUE, generator=generator) < 2 / N_TRUE
    return (active * (1 + 0.2 * torch.randn(n, N_TRUE, generator=generator))) @ directions + 2.0


ROWS = planted(5000, 0)


class Stream:
    """An endless source with the interface of a synthetic world; remembers what it was asked."""

    name = "toy stream"

    def __init__(self):
        self.asked, self.served = [], []

    def sample(self, n_rows, seed):
        self.asked.append((n_rows, seed))
        return SimpleNamespace(activations=planted(n_rows, seed))

    def batches(self, batch_size, seed):
        generator = np.random.default_rng(seed)
        while True:
            self.served.append(planted(batch_size, int(generator.integers(2**31))))
            yield self.served[-1]


@pytest.mark.parametrize("arch", ["batchtopk", "p_anneal", "switch", "jumprelu", "matching_pursuit"])
def test_watching_does_not_disturb_the_run(arch):
    plain = train_sae(arch, ROWS, seed=2, **QUICK)
    seen, figures = {}, {}
    watched = train_sae(
        arch,
        ROWS,
        seed=2,
        curve=figures.__setitem__,
        curve_every=7,
        snapshots=[0, 1, 30, 60],
        on_snapshot=seen.__setitem__,
        **QUICK,
    )
    for key, value in plain.sae.state_dict().items():
        assert torch.equal(value, watched.sae.state_dict()[key])
    assert plain.training == watched.training
    assert list(seen) == [0, 1, 30, 60]
    assert list(figures) == [7, 14, 21, 28, 35, 42, 49, 56, 60]
    for key, value in watched.sae.state_dict().items():
        assert torch.equal(value, seen[60].sae.state_dict()[key])
    assert seen[60].training == watched.training
    assert seen[30].name == f"{arch} at step 30"
    assert [one.training["samples"] for one in seen.values()] == [0, 100, 3000, 6000]
    assert not torch.allclose(seen[0].directions, seen[60].directions, atol=0.1)
    torch.testing.assert_close(seen[30].directions.norm(dim=1), torch.ones(L), rtol=1e-4, atol=1e-4)


def test_a_look_that_draws_random_numbers_is_shielded_from():
    """Even so: batches come from a generator of their own."""
    plain = train_sae("topk", ROWS, seed=2, **QUICK)
    watched = train_sae("topk", ROWS, seed=2, curve=lambda *_: torch.rand(3), curve_every=1, **QUICK)
    assert torch.equal(plain.directions, watched.directions)


def test_the_curve_says_what_it_should():
    figures = {}
    dictionary = train_sae("p_anneal", ROWS, curve=figures.__setitem__, curve_every=10, **QUICK | {"samples": 30_000})
    last = figures[300]
    assert {"loss", "mse_loss", "lp_loss", "p", "multiplier", "l0", "held_out_l0", "coefficient", "lr"} <= set(last)
    assert all(isinstance(value, float) for row in figures.values() for value in row.values())
    assert last["loss"] == pytest.approx(last["mse_loss"] + last["lp_loss"], rel=1e-5)
    ps = [row["p"] for row in figures.values()]
    assert ps == sorted(ps, reverse=True)
    assert ps[0] == 1.0
    assert ps[-1] == pytest.approx(1 - 0.8 * 8 / 9)
    record = dictionary.training  # the whole of the held-out rows, which here are fewer than the curve looks at
    assert last["held_out_l0"] == pytest.approx(record["l0"], rel=1e-3)
    assert last["explained_variance"] == pytest.approx(record["explained_variance"], abs=1e-4)
    assert 0 <= last["dead_share"] <= 1
    assert last["coefficient"] == pytest.approx(record["coefficient"])
    assert "coefficient" not in collect("topk")[60]
    assert "p" not in collect("standard")[60]


def collect(arch):
    figures = {}
    train_sae(arch, ROWS, curve=figures.__setitem__, curve_every=60, **QUICK)
    return figures


def test_snapshots_have_their_threshold_set():
    """In mid-run the running threshold of a batch-topk SAE is far too low; the snapshot's L0 is k all the same."""
    seen = {}
    train_sae("batchtopk", ROWS, snapshots=[20], on_snapshot=seen.__setitem__, **QUICK)
    assert seen[20].training["l0"] == pytest.approx(K, rel=0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"curve": print, "curve_every": 0}, "curve_every must be at least 1 step, got 0"),
        (
            {"snapshots": [61], "on_snapshot": print},
            "snapshots must be 0 to 60, the number of steps of this run; got 61",
        ),
        ({"snapshots": [3]}, "snapshots and on_snapshot go together"),
        ({"on_snapshot": print}, "snapshots and on_snapshot go together"),
    ],
)
def test_bad_ways_to_look_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        train_sae("topk", ROWS, **QUICK | changes)


def test_an_endless_source_is_trained_on_fresh_rows():
    stream = Stream()
    first = train_sae("topk", stream, seed=4, **QUICK | {"samples": 20_000})
    assert len(stream.served) == 200
    assert len({float(rows.sum()) for rows in stream.served}) == 200
    assert [n for n, _ in stream.asked] == [32_768, 8192]
    assert len({seed for _, seed in stream.asked}) == 2
    assert first.sae.cfg.metadata.world == "toy stream"
    assert first.training["explained_variance"] > 0.7
    assert first.training["held_out_rows"] == 8192
    again, other = (train_sae("topk", Stream(), seed=seed, **QUICK | {"samples": 20_000}) for seed in (4, 5))
    assert torch.equal(first.directions, again.directions)
    assert not torch.equal(first.directions, other.directions)


def test_rows_of_a_stream_are_normalised_by_another_sample():
    rows = prepare_stream(Stream(), seed=0)
    batch = next(rows.batches(4000, torch.Generator().manual_seed(0)))
    assert float(batch.square().sum(1).mean()) == pytest.approx(D, rel=0.05)
    assert float(batch.mean(0).abs().max()) < 0.15
    held_out = (rows.held_out_rows() - rows.mean) * rows.scale
    assert float(held_out.square().sum(1).mean()) == pytest.approx(D, rel=0.05)


def test_a_stream_of_rubbish_is_refused():
    stream = Stream()
    stream.sample = lambda n_rows, seed: torch.full((n_rows, D), float("nan"))
    with pytest.raises(ValueError, match="activations hold NaN or infinity"):
        train_sae("topk", stream, **QUICK)


def test_mmcs_by_hand():
    a = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    b = torch.tensor([[1.0, 0.0], [3.0, 4.0], [0.0, 0.0]])
    assert float(mmcs(a, b)) == pytest.approx(((1 + 0.8) / 2 + (1 + 0.8 + 0) / 3) / 2)
    assert float(mmcs(a, 7 * a[[1, 0]])) == pytest.approx(1.0)


def agreement(a, b):
    """Mean cosine of the best one-to-one matching."""
    cosines = (a.directions @ b.directions.T).numpy()
    rows, columns = linear_sum_assignment(-cosines)
    return float(cosines[rows, columns].mean())


def test_aligned_saes_agree_more_and_rebuild_as_well():
    longer = QUICK | {"samples": 20_000}
    alone = train_feature_aligned("topk", ROWS, penalty=0.0, seed=1, **longer)
    aligned = train_feature_aligned("topk", ROWS, penalty=0.1, seed=1, **longer)
    assert agreement(*aligned) > agreement(*alone) + 0.03
    for one, two in zip(alone, aligned, strict=True):
        assert two.training["explained_variance"] == pytest.approx(one.training["explained_variance"], abs=0.05)
    assert [one.name for one in aligned] == ["topk aligned, seed 1", "topk aligned, seed 2"]
    assert aligned[0].sae.cfg.metadata.feature_aligned == {"n_saes": 2, "penalty": 0.1}
    assert not torch.equal(aligned[0].directions, aligned[1].directions)


@pytest.mark.parametrize("arch", ["topk", "p_anneal"])
def test_without_penalty_the_first_is_what_train_sae_makes(arch):
    alone = train_sae(arch, ROWS, seed=3, **QUICK)
    first, _ = train_feature_aligned(arch, ROWS, penalty=0.0, seed=3, **QUICK)
    for key, value in alone.sae.state_dict().items():
        assert torch.equal(value, first.sae.state_dict()[key])


def test_three_aligned_saes_are_saved(tmp_path):
    from fiducial.models.loading import load_dictionary

    saes = train_feature_aligned("batchtopk", ROWS, n_saes=3, out_dir=tmp_path / "saes", **QUICK | {"samples": 1000})
    again = [load_dictionary(tmp_path / "saes" / str(i)) for i in range(3)]
    for one, two in zip(saes, again, strict=True):
        assert torch.equal(one.encode(ROWS[:50]), two.encode(ROWS[:50]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_saes": 1}, "n_saes must be at least 2"),
        ({"penalty": -1.0}, "penalty must be at least 0 and finite, got -1.0"),
    ],
)
def test_bad_arguments_of_alignment_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        train_feature_aligned("topk", ROWS, **QUICK | changes)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_architecture_can_be_aligned(arch):
    saes = train_feature_aligned(arch, ROWS, **QUICK)
    assert all(torch.isfinite(one.directions).all() for one in saes)
