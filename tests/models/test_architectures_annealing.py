"""p-annealing: the published schedule step for step, against a twin that is written as the paper is."""

import numpy as np
import pytest
import torch
from fiducial.models import architectures
from fiducial.models.architectures.annealing import PAnnealing, power_sum, update_steps
from hypothesis import given, settings
from hypothesis import strategies as st

D, L, N, C = 6, 10, 32, 0.3


class PlainSchedule:
    """The schedule of arXiv 2408.00113 with floats and a list, as its trainer keeps it."""

    def __init__(self, p_start, p_end, n, start, end, mode, queue_length=10):
        self.grid, self.p_end = np.linspace(p_start, p_end, n), p_end
        self.updates = [int(step) for step in np.linspace(start, end, n) + 1e-9]
        self.p, self.next_p, self.a, self.count = p_start, None, 1.0, 0
        self.queue, self.mode, self.length = [], mode, queue_length

    def s(self, f, p):
        total = (f.astype(np.float64) ** p * (f > 0)).sum(1)
        return (total if self.mode == "Lp^p" else total ** (1 / p)).mean()

    def penalty(self, f, step):
        value = self.a * self.s(f, self.p)
        if self.next_p is not None:
            self.queue = [*self.queue, (self.s(f, self.p), self.s(f, self.next_p))][-self.length :]
        if step in self.updates and step >= self.updates[self.count]:
            if self.next_p is not None:
                self.a *= np.mean([old for old, _ in self.queue]) / np.mean([new for _, new in self.queue])
            self.p = self.grid[self.count]
            self.next_p = self.grid[self.count + 1] if self.count < len(self.grid) - 1 else self.p_end
            self.count += 1
        return value


@pytest.mark.parametrize("mode", ["Lp^p", "Lp"])
@pytest.mark.parametrize(("start", "end"), [(100, 400), (0, 399), (37, 398)])
def test_every_step_is_that_of_the_plain_twin(mode, start, end):
    generator = np.random.default_rng(0)
    ours, twin = PAnnealing(start=start, end=end, mode=mode), PlainSchedule(1.0, 0.2, 10, start, end, mode)
    seen = set()
    for step in range(400):
        latents = generator.gamma(1.0, size=(16, 12)).astype(np.float32) * (generator.random((16, 12)) < 0.4)
        value = float(ours.penalty(torch.from_numpy(latents.astype(np.float32)), step))
        assert value == pytest.approx(twin.penalty(latents, step), rel=2e-6)
        assert ours.p == pytest.approx(twin.p, abs=1e-12)
        assert float(ours.multiplier) == pytest.approx(twin.a, rel=1e-6)
        seen.add(round(ours.p, 6))
    assert len(seen) == (9 if end == 400 else 10)  # the last update falls on the end of the run, which never comes


def test_the_final_p_is_the_last_but_one_of_the_grid():
    schedule = PAnnealing(start=10, end=50)
    for step in range(50):
        schedule.penalty(torch.ones(2, 3), step)
    assert schedule.p == pytest.approx(1 - 0.8 * 8 / 9, abs=1e-15)
    assert schedule.p == pytest.approx(0.289, abs=1e-3)
    assert schedule.next_p == pytest.approx(0.2, abs=1e-15)


@pytest.mark.parametrize("mode", ["Lp^p", "Lp"])
def test_the_penalty_is_continuous_at_every_update(mode):
    """On one batch for ever, as if the queue were exact, its value never changes, whatever p does."""
    latents = torch.rand(8, 5, generator=torch.Generator().manual_seed(0)) * 3
    schedule = PAnnealing(start=5, end=60, mode=mode)  # updates closer than the queue is long
    values = [float(schedule.penalty(latents, step)) for step in range(60)]
    assert values == pytest.approx([values[0]] * 60, rel=1e-5)
    assert schedule.p < 0.3
    assert float(schedule.multiplier) != pytest.approx(1.0, abs=0.1)


def test_a_schedule_that_forgets_the_multiplier_is_noticed():
    schedule = PAnnealing(start=5, end=60)
    latents = torch.rand(8, 5, generator=torch.Generator().manual_seed(0)) * 3
    values = []
    for step in range(60):
        values.append(float(schedule.penalty(latents, step)))
        schedule.multiplier.fill_(1.0)
    assert values != pytest.approx([values[0]] * 60, rel=1e-2)


@pytest.mark.parametrize("mode", ["Lp^p", "Lp"])
@pytest.mark.parametrize("p", [1.0, 0.5, 0.2, 0.05])
def test_the_gradient_is_finite_where_nothing_fires(mode, p):
    latents = torch.tensor([[0.0, 0.0, 0.0], [0.0, 2.0, 1e-30], [1.0, 0.0, 1e-40]], requires_grad=True)
    norms = torch.ones(3, requires_grad=True)
    (power_sum(latents * norms, p, mode)).backward()
    assert torch.isfinite(latents.grad).all()
    assert torch.isfinite(norms.grad).all()
    assert float(latents.grad[0].abs().sum()) == 0
    plain = torch.tensor(2.0, requires_grad=True)
    ((plain**p + 1e-30**p) ** (1 if mode == "Lp^p" else 1 / p) / 3).backward()
    assert float(latents.grad[1, 1]) == pytest.approx(float(plain.grad), rel=1e-5)


def test_without_the_mask_the_gradient_would_not_be_finite():
    latents, norms = torch.zeros(1, 2, requires_grad=True), torch.ones(2, requires_grad=True)
    (latents * norms).pow(0.5).sum().backward()
    assert torch.isnan(norms.grad).all()


@given(st.integers(0, 50), st.integers(0, 400), st.integers(2, 15))
@settings(max_examples=60, deadline=None)
def test_update_steps_are_the_whole_part_of_a_line(start, length, n):
    line = [start + length * j / (n - 1) for j in range(n)]
    assert update_steps(start, start + length, n) == [int(value + 1e-9) for value in line]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"p_end": 0.0}, "p_end must be more than 0 and at most 1, got 0.0"),
        ({"p_start": 1.5}, "p_start must be more than 0"),
        ({"n_updates": 1}, "n_updates must be at least 2 and queue_length 1, got 1 and 10"),
        ({"start": 20, "end": 10}, "annealing must start at step 0 or later and end after, got 20 to 10"),
        ({"mode": "L2"}, "sparsity_mode must be 'Lp\\^p' or 'Lp', got 'L2'"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        PAnnealing(**changes)


def test_a_window_shorter_than_its_grid_is_worked_off_one_value_a_step():
    schedule = PAnnealing(start=2, end=4, n_updates=10)
    seen = []
    for step in range(20):
        schedule.penalty(torch.ones(2, 3), step)
        seen.append(schedule.p)
    assert seen[-1] == pytest.approx(0.2)
    assert len(set(seen)) == 10


def test_batches_without_any_activity_do_not_break_the_multiplier():
    schedule = PAnnealing(start=2, end=20, n_updates=4)
    for step in range(25):
        assert float(schedule.penalty(torch.zeros(4, 3), step)) == 0.0
    assert float(schedule.multiplier) == 1.0


def new_trainer(architecture, steps, lr=0.01, **fields):
    from sae_lens import LoggingConfig, SAETrainer, TrainingSAE
    from sae_lens.config import SAETrainerConfig

    architectures.register()
    sae = TrainingSAE.from_dict(
        {"architecture": architecture, "d_in": D, "d_sae": L, "lp_coefficient": C, "anneal_end": steps} | fields
    )
    config = SAETrainerConfig(
        total_training_samples=steps * N,
        train_batch_size_samples=N,
        lr=lr,
        lr_end=lr,
        logger=LoggingConfig(log_to_wandb=False),
    )
    return sae, SAETrainer(config, sae, iter(()))


def test_the_whole_run_is_that_of_a_plain_twin_with_sphere_and_clipping():
    """Adam on the constrained problem, written out, against the registered class in sae_lens's trainer."""
    torch.manual_seed(0)
    steps, warm_up = 60, 20
    sae, trainer = new_trainer("p_anneal", steps, anneal_start=15, lp_warm_up_steps=warm_up, sparsity_queue_length=4)
    weights = {key: value.detach().clone().requires_grad_() for key, value in sae.named_parameters()}
    optimizer = torch.optim.Adam(list(weights.values()), lr=0.01, betas=(0.9, 0.999))
    twin = PlainSchedule(1.0, 0.2, 10, 15, steps, "Lp^p", queue_length=4)
    generator = torch.Generator().manual_seed(1)
    for step in range(steps):
        x = torch.randn(N, D, generator=generator)
        output = trainer.step(x)
        trainer.n_training_steps += 1
        with torch.no_grad():
            weights["W_dec"] /= weights["W_dec"].norm(dim=1, keepdim=True)
        f = torch.relu((x - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"])
        mse = (f @ weights["W_dec"] + weights["b_dec"] - x).square().sum(1).mean()
        s_p = torch.where(f > 0, torch.where(f > 0, f, 1.0) ** twin.p, 0.0).sum(1).mean()
        loss = mse + C * min(step / warm_up, 1) * twin.a * s_p
        assert output.loss.item() == pytest.approx(loss.item(), rel=1e-4)
        assert output.metrics["p"] == pytest.approx(twin.p, abs=1e-12)
        optimizer.zero_grad()
        loss.backward()
        rows, gradient = weights["W_dec"].detach(), weights["W_dec"].grad
        gradient -= (gradient * rows).sum(1, keepdim=True) * rows
        torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
        optimizer.step()
        twin.penalty(f.detach().numpy(), step)
    for key, value in weights.items():
        torch.testing.assert_close(dict(sae.named_parameters())[key], value, rtol=1e-3, atol=1e-4)
    assert sae.annealing.p == pytest.approx(twin.p) == pytest.approx(1 - 0.8 * 8 / 9)


def test_gated_anneal_is_its_equation_and_holds_the_decoder_of_the_gate_fixed():
    torch.manual_seed(0)
    from sae_lens.saes.sae import TrainStepInput

    sae, _ = new_trainer("gated_anneal", 40, anneal_start=0)
    with torch.no_grad():
        sae.b_gate += 0.1 * torch.randn(L)
        sae.b_mag += 0.1 * torch.randn(L)
        sae.r_mag += 0.1 * torch.randn(L)
        sae.b_dec += torch.randn(D)
    x = torch.randn(N, D)
    for step in range(8):  # far enough for p to be below 1
        output = sae.training_forward_pass(TrainStepInput(x, {"lp": C}, None, step, False))
        sae.zero_grad()
    p, a = sae.annealing.p, float(sae.annealing.multiplier)
    assert p < 0.95
    output = sae.training_forward_pass(TrainStepInput(x, {"lp": C}, None, 8, False))
    output.loss.backward()
    rows, centred = sae.W_dec.detach().clone().requires_grad_(), x - sae.b_dec.detach()
    pi = centred @ sae.W_enc.detach() + sae.b_gate.detach()
    f = (pi > 0) * torch.relu(sae.r_mag.detach().exp() * (centred @ sae.W_enc.detach()) + sae.b_mag.detach())
    mse = (f @ rows + sae.b_dec.detach() - x).square().sum(1).mean()
    via_gate = (torch.relu(pi) @ rows.detach() + sae.b_dec.detach() - x).square().sum(1).mean()
    penalty = C * a * torch.relu(pi).pow(p).sum(1).mean()
    torch.testing.assert_close(output.loss, mse + via_gate + penalty, rtol=1e-5, atol=1e-5)
    mse.backward()
    expected = rows.grad - (rows.grad * rows.detach()).sum(1, keepdim=True) * rows.detach()
    torch.testing.assert_close(sae.W_dec.grad, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ["p_anneal", "gated_anneal"])
def test_a_run_that_was_saved_halfway_goes_on_as_if_it_had_not_been(tmp_path, architecture):
    from sae_lens import TrainingSAE
    from sae_lens.saes.sae import TrainStepInput

    torch.manual_seed(0)
    sae, _ = new_trainer(architecture, 40, anneal_start=2)
    x = torch.randn(N, D)
    for step in range(20):
        sae.training_forward_pass(TrainStepInput(x, {"lp": C}, None, step, False))
    sae.save_model(str(tmp_path))
    again = TrainingSAE.load_from_disk(tmp_path)
    for step in range(20, 40):
        one, two = (s.training_forward_pass(TrainStepInput(x, {"lp": C}, None, step, False)) for s in (sae, again))
        assert one.loss.item() == pytest.approx(two.loss.item(), rel=1e-6)
    assert again.annealing.p == sae.annealing.p < 0.3
    two.loss.backward()
    inner = (again.W_dec.grad * again.W_dec).sum(1)
    assert float(inner.detach().abs().max()) < 1e-4  # the sphere is kept after loading too


def test_without_unit_rows_latents_are_weighed_by_decoder_norms():
    from sae_lens.saes.sae import TrainStepInput

    torch.manual_seed(0)
    sae, _ = new_trainer("p_anneal", 40, anneal_start=0, unit_norm_decoder=False)
    with torch.no_grad():
        sae.W_dec *= 5
    x = torch.randn(N, D)
    output = sae.training_forward_pass(TrainStepInput(x, {"lp": C}, None, 0, False))
    expected = C * (output.feature_acts * sae.W_dec.norm(dim=1)).sum(1).mean()
    torch.testing.assert_close(output.losses["lp_loss"], expected)
    assert float(sae.W_dec.norm(dim=1).mean()) == pytest.approx(0.5)
