"""The architectures registered here: read back they encode the same, keep their constraint, and are their equations."""

import copy

import pytest
import torch
from fiducial.models import architectures
from fiducial.models.loading import load_dictionary
from fiducial.models.sae_dictionary import SAEDictionary
from fiducial.models.training import ARCHITECTURES, train_sae

D, L, K = 12, 32, 3
OWN = ("standard-unit-norm", "p_anneal", "gated_anneal", "switch")
QUICK = {"n_latents": L, "k": K, "samples": 3000, "batch_size": 100, "progress": False}


def easy(n=4000, seed=0):
    """Orthogonal features, two of twelve at a time: nothing is in superposition."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.linalg.qr(torch.randn(D, D, generator=generator))[0]
    active = torch.rand(n, D, generator=generator) < 2 / D
    return (active * (2 + 0.3 * torch.randn(n, D, generator=generator))) @ directions + 3.0


ROWS = easy()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("saes")
    return {arch: (train_sae(arch, ROWS, out_dir=place / arch, **QUICK), place / arch) for arch in ARCHITECTURES}


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_saved_and_read_it_encodes_the_same(folders, arch):
    from sae_lens import SAE

    dictionary, folder = folders[arch]
    again = load_dictionary(folder)
    expected = dictionary.encode(ROWS[:200])
    assert torch.equal(again.encode(ROWS[:200]), expected)
    assert torch.equal(again.decode(expected), dictionary.decode(expected))
    assert again.architecture == {"matryoshka": "matryoshka_batchtopk"}.get(arch, arch)
    assert again.training == dictionary.training
    plain = SAE.load_from_disk(folder)  # sae_lens by itself, once the architectures are registered
    torch.testing.assert_close(plain.encode(ROWS[:200]), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_one_row_is_encoded_as_in_a_batch(folders, arch):
    dictionary, _ = folders[arch]
    together = dictionary.encode(ROWS[:30])
    alone = torch.cat([dictionary.encode(row[None]) for row in ROWS[:30]])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-4)
    assert together.shape == (30, L)
    if not dictionary.signed:
        assert float(together.min()) >= 0


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_dead_latent_stays_dead_and_harms_nothing(folders, arch):
    dictionary = SAEDictionary(copy.deepcopy(folders[arch][0].sae))
    with torch.no_grad():
        dictionary.sae.W_dec[5] = 0 if arch == "matching_pursuit" else dictionary.sae.W_dec[5]
        if arch != "matching_pursuit":  # tied
            dictionary.sae.W_enc[:, 5] = 0
            for bias in ("b_enc", "b_gate", "b_mag"):
                if getattr(dictionary.sae, bias, None) is not None:
                    getattr(dictionary.sae, bias)[5] = 0 if arch == "abstopk" else -1
    latents = dictionary.encode(ROWS[:500])
    assert int(latents[:, 5].count_nonzero()) == 0
    assert torch.isfinite(dictionary.decode(latents)).all()
    assert int(latents.count_nonzero()) > 0


@pytest.mark.parametrize("arch", OWN)
def test_batches_of_one_row_can_be_trained_on(arch):
    dictionary = train_sae(arch, ROWS, **QUICK | {"samples": 30, "batch_size": 1})
    assert dictionary.training["samples"] == 30
    assert torch.isfinite(dictionary.directions).all()


@pytest.mark.parametrize("arch", OWN)
def test_an_easy_world_is_rebuilt(arch):
    record = train_sae(arch, ROWS, **QUICK | {"samples": 40_000, "k": 4}).training
    assert record["explained_variance"] > 0.8
    assert record["l0"] < 5


@pytest.mark.parametrize("arch", OWN)
def test_rows_stay_on_the_sphere_and_only_gradients_along_it_are_followed(arch, monkeypatch):
    from sae_lens import SAETrainer

    norms, inner = [], []
    step, clip = SAETrainer.step, torch.nn.utils.clip_grad_norm_
    saes = []

    def watching(self, batch):
        saes[:] = [self.sae]
        return step(self, batch)

    def looking(parameters, limit):
        rows = saes[0].W_dec
        norms.append(rows.detach().norm(dim=1))
        inner.append(float((rows.grad * rows.detach()).sum(1).abs().max() / rows.grad.abs().max()))
        return clip(parameters, limit)

    monkeypatch.setattr(SAETrainer, "step", watching)
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", looking)
    train_sae(arch, ROWS, **QUICK | {"samples": 3000})
    assert len(norms) == 30
    torch.testing.assert_close(torch.stack(norms), torch.ones(30, L), rtol=1e-5, atol=1e-5)
    assert max(inner) < 2e-4  # relative to the largest entry, in float32


def test_without_the_constraint_the_old_standard_cheats_its_penalty(monkeypatch):
    """The penalty of an unweighed L1 falls when decoder rows grow: the sphere is what makes it mean something."""
    from fiducial.models.architectures import unit_norm

    kept = train_sae("standard-unit-norm", ROWS, coefficient=1.0, **QUICK | {"samples": 20_000}).training
    monkeypatch.setattr(unit_norm, "constrain", lambda sae: None)
    monkeypatch.setattr(unit_norm, "renormalise", lambda sae: None)
    free = train_sae("standard-unit-norm", ROWS, coefficient=1.0, **QUICK | {"samples": 20_000}).training
    assert abs(free["explained_variance"] - kept["explained_variance"]) > 1e-3


def new_switch(**fields):
    from sae_lens import TrainingSAE

    architectures.register()
    torch.manual_seed(0)
    sae = TrainingSAE.from_dict(
        {"architecture": "switch", "d_in": D, "d_sae": L, "k": K, "n_experts": 4, "decoder_init_norm": 1.0} | fields
    )
    with torch.no_grad():
        sae.b_dec += torch.randn(D)
        sae.b_router += torch.randn(D)
    return sae


@pytest.mark.parametrize("heaviside", [False, True])
def test_switch_row_by_row(heaviside):
    sae = new_switch(heaviside=heaviside)
    rows = torch.randn(50, D, generator=torch.Generator().manual_seed(1)) * 2
    latents = sae.encode(rows).detach()
    chosen = set()
    for x, got in zip(rows, latents, strict=True):
        logits = [float(((x - sae.b_router) * sae.W_router[:, e]).sum().detach()) for e in range(4)]
        shares = torch.tensor(logits).softmax(0)
        expert = max(range(4), key=lambda e: logits[e])
        chosen.add(expert)
        values = {}
        for i in range(expert * 8, expert * 8 + 8):
            z = max(0.0, float(((x - sae.b_dec) * sae.W_enc[:, i]).sum().detach()))
            values[i] = z * (1.0 if heaviside else float(shares[expert]))
        kept = sorted(values, key=values.get, reverse=True)[:K]
        expected = torch.zeros(L)
        for i in kept:
            expected[i] = values[i]
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    assert len(chosen) > 1


def test_switch_balance_is_alpha_d_when_experts_are_used_alike_and_e_times_it_when_one_is():
    from sae_lens.saes.sae import TrainStepInput

    sae = new_switch(balance_coefficient=0.5)
    with torch.no_grad():
        sae.b_router.zero_()
        sae.W_router.zero_()
        sae.W_router[:4, :4] = 50 * torch.eye(4)
    alike = torch.eye(D)[:4].repeat(5, 1)
    for rows, expected in ((alike, 0.5 * D), (alike[[0] * 20], 4 * 0.5 * D)):
        losses = sae.training_forward_pass(TrainStepInput(rows, {}, None, 0, False)).losses
        assert float(losses["balance_loss"].detach()) == pytest.approx(expected, rel=1e-4)


def test_the_router_learns_through_the_share_it_gives():
    from sae_lens.saes.sae import TrainStepInput

    x = torch.randn(40, D, generator=torch.Generator().manual_seed(2))
    for heaviside, learns in ((False, True), (True, False)):
        sae = new_switch(heaviside=heaviside, balance_coefficient=0.0)
        sae.training_forward_pass(TrainStepInput(x, {}, None, 0, False)).loss.backward()
        assert bool(sae.W_router.grad.abs().max() > 1e-6) == learns


def test_the_two_biases_of_switch_are_two(folders):
    sae = folders["switch"][0].sae
    assert sae.b_dec.data_ptr() != sae.b_router.data_ptr()
    assert not torch.equal(sae.b_dec, sae.b_router)
    assert int((folders["switch"][0].encode(ROWS) != 0).sum(1).max()) <= K


def test_switch_routes_in_the_activations_own_units_as_it_did_in_training(monkeypatch):
    """The rows lie off centre: a router whose bias was left behind would send them all to one expert."""
    from fiducial.models.architectures.switch import SwitchTrainingSAE

    arguments = QUICK | {"samples": 20_000, "options": {"n_experts": 2}}
    rows = easy() + 20.0

    def used(dictionary):
        return (dictionary.encode(rows)[:, : L // 2].sum(1) > 0).float().mean()

    assert 0.2 < float(used(train_sae("switch", rows, **arguments))) < 0.8
    monkeypatch.setattr(SwitchTrainingSAE, "input_biases", ("b_dec",))
    assert not 0.2 < float(used(train_sae("switch", rows, **arguments))) < 0.8


def test_switch_experts_have_to_fit():
    with pytest.raises(ValueError, match="n_experts must divide the number of latents 32, got 5"):
        new_switch(n_experts=5)
    with pytest.raises(ValueError, match="k must be 1 to 8, the latents of one of 4 experts, got 9"):
        new_switch(k=9)


def test_decoder_norms_of_switch_are_folded_only_if_that_changes_nothing(folders):
    dictionary = SAEDictionary(copy.deepcopy(folders["switch"][0].sae))
    before = dictionary.encode(ROWS[:50])
    dictionary.sae.W_dec.data *= 2
    dictionary.sae.fold_W_dec_norm()
    torch.testing.assert_close(dictionary.encode(ROWS[:50]), 2 * before, rtol=1e-5, atol=1e-5)
    dictionary.sae.W_dec.data[0] *= 3
    with pytest.raises(NotImplementedError, match="decoder rows differ in norm"):
        dictionary.sae.fold_W_dec_norm()


@pytest.mark.parametrize("arch", OWN)
def test_a_training_object_is_saved_and_read(tmp_path, arch):
    """Folders of save_model, not yet turned into inference SAEs, are scored through the inference class."""
    from sae_lens import TrainingSAE

    architectures.register()
    sizes = {"d_in": D, "d_sae": L} | ({"k": K} if arch == "switch" else {})
    sae = TrainingSAE.from_dict({"architecture": arch} | sizes)
    sae.save_model(str(tmp_path))
    expected = sae.encode(ROWS[:50])
    torch.testing.assert_close(TrainingSAE.load_from_disk(tmp_path).encode(ROWS[:50]), expected)
    dictionary = load_dictionary(tmp_path)
    assert dictionary.architecture == arch
    torch.testing.assert_close(
        dictionary.decode(dictionary.encode(ROWS[:50])), sae.decode(expected), rtol=1e-5, atol=1e-4
    )


def test_registering_twice_is_harmless_and_every_recipe_says_where_it_is_from():
    from sae_lens.registry import SAE_TRAINING_CLASS_REGISTRY

    architectures.register()
    architectures.register()
    for arch, recipe in ARCHITECTURES.items():
        assert recipe.trainer in SAE_TRAINING_CLASS_REGISTRY, arch
        assert recipe.paper
        assert recipe.how
