"""Pushes on a shipped SAE: what is edited and where, nothing without a push, legal replay, and runs that repeat."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from fiducial.data.assets import asset
from fiducial.explaining.intervening import Intervener, Prompts, output_text
from fiducial.explaining.intervention_run import by_strength, columns, intervene, to_json
from fiducial.metrics.llm.latents import latents_of
from fiducial.metrics.llm.nouns import Explanation
from fiducial.metrics.llm.predicate import Atom
from fiducial.models.capture import run_with_replacement
from fiducial.models.controls import random_dictionary
from fiducial.models.dictionary import encode_in_batches
from fiducial.models.loading import load_dictionary
from fiducial.tasks.facts import facts_of
from fiducial.testbed_catalogue import testbed as a_testbed

N_PROMPTS = 8


@pytest.fixture(scope="module")
def bed():
    return a_testbed("othello-6x6", n_games=80)


@pytest.fixture(scope="module")
def sae(bed):
    return load_dictionary(asset(bed.spec.dictionaries["topk"]))


@pytest.fixture(scope="module")
def latents(bed, sae):
    codes = encode_in_batches(sae, bed.x)
    rate = np.bincount(codes.indices, minlength=codes.n_latents) / codes.n_rows
    return latents_of(codes, np.flatnonzero((rate > 0.05) & (rate < 0.2))[:3].tolist())


@pytest.fixture(scope="module")
def intervener(bed, sae):
    return Intervener(bed, sae, n_new=4)


def test_prompts_end_at_the_first_firing_of_reporting_games(bed, latents, intervener):
    facts = facts_of(bed)
    for latent in latents.values():
        active = latent.active()
        for train in (False, True):
            prompts = intervener.prompts(latent, n=N_PROMPTS, train=train)
            assert 0 < len(prompts) <= N_PROMPTS
            assert len(set(prompts.games.tolist())) == len(prompts)
            for game, last in zip(prompts.games, prompts.last, strict=True):
                mine = facts.game_id == game
                assert (facts.train[mine] == train).all()
                fires = facts.position[mine & active]
                assert fires.min() == last
                assert last < (bed.transcripts.tokens[game] != 0).sum() - 1


def test_prompts_come_from_all_fifths(bed, latents, intervener):
    latent = next(iter(latents.values()))
    facts = facts_of(bed)
    keep = ~facts.train[latent.rows]
    strongest = {}
    for game, value in zip(facts.game_id[latent.rows[keep]], latent.values[keep], strict=True):
        strongest[game] = max(strongest.get(game, 0), value)
    every = intervener.prompts(latent, n=10_000)
    order = sorted(every.games, key=lambda g: -strongest[g])
    fifth = {g: int(i) for i, part in enumerate(np.array_split(order, 5)) for g in part}
    counts = np.bincount([fifth[g] for g in intervener.prompts(latent, n=10).games], minlength=5)
    assert counts.tolist() == [2] * 5


def test_a_push_adds_the_direction_from_the_prompts_end_on(bed, sae, latents, intervener):
    """Another way: for a dictionary that decodes linearly the push is c times the latent's direction."""
    number, latent = next(iter(latents.items()))
    prompts = intervener.prompts(latent, n=4)
    got = intervener.next_log_probs(number, prompts, 7.0)
    direction = sae.directions[number].detach()
    for i, (game, last) in enumerate(zip(prompts.games, prompts.last, strict=True)):
        tokens = bed.transcripts.tokens[game : game + 1, : last + 1]

        def add(x):
            x = x.clone()
            x[:, -1] += 7.0 * direction
            return x

        logits = run_with_replacement(bed.model, tokens, bed.hook, add)[0, -1]
        np.testing.assert_allclose(got[i], torch.log_softmax(logits, -1).numpy(), atol=2e-4)
        # an edit of all positions, which would change the past, is another thing wherever there is a past
        wrong = run_with_replacement(bed.model, tokens, bed.hook, lambda x: x + 7.0 * direction)[0, -1]
        if last:
            assert np.abs(got[i] - torch.log_softmax(wrong, -1).numpy()).max() > 1e-3


def test_without_a_push_nothing_changes_and_setting_to_zero_is_no_addition(bed, latents, intervener):
    number, latent = next(iter(latents.items()))
    prompts = intervener.prompts(latent, n=N_PROMPTS)
    clean = intervener.next_log_probs(number, prompts, 0.0)
    np.testing.assert_allclose(intervener.next_log_probs(number, prompts, 1e-9), clean, atol=1e-3)
    logits = run_with_replacement(bed.model, bed.transcripts.tokens[prompts.games], bed.hook, lambda x: x)
    whole = torch.log_softmax(logits, -1).numpy()[np.arange(len(prompts)), prompts.last]
    np.testing.assert_allclose(clean, whole, atol=1e-4)  # padding at the right is not seen
    assert np.abs(intervener.next_log_probs(number, prompts, None) - clean).max() > 1e-3
    first, again = (intervener.continued(number, prompts, 0.0) for _ in range(2))
    np.testing.assert_array_equal(first.tokens, again.tokens)
    assert (intervener.continued(number, prompts, 0.0, draw=1).tokens != first.tokens).any()
    np.testing.assert_array_equal(intervener.continued(number, prompts, 1e-9).tokens, first.tokens)


def test_strength_is_reached_and_legal_moves_are_replayed(bed, sae, latents):
    number, latent = next(iter(latents.items()))
    for legal in (False, True):
        intervener = Intervener(bed, sae, n_new=4, legal=legal)
        prompts = intervener.prompts(latent, n=N_PROMPTS)
        pushed = intervener.written(number, prompts, 1.0)
        assert pushed.written.kl == pytest.approx(1.0, rel=0.1)
        for side in (pushed.clean, pushed.pushed):
            assert (side.n_legal <= side.n_new).all()
            assert side.n_new.max() == 4
            facts = intervener.following(prompts, side)
            np.testing.assert_array_equal(np.bincount(facts.game_id, minlength=len(prompts)), side.n_legal)
            if legal:
                np.testing.assert_array_equal(side.n_legal, side.n_new)
            # independently: one game after the other, replayed by the rules
            for i in range(len(prompts)):
                start, n = prompts.last[i] + 1, side.n_legal[i]
                whole = side.tokens[i : i + 1, : start + n]
                held = bed.game.label(whole).bool_labels()[0, start : start + n]
                mine = facts.game_id == i
                for name in ("mine on c4", "legal move at c6"):
                    column = facts.column(name)[mine]
                    np.testing.assert_array_equal(column, held[:, bed.features.index(name)])
                if n < side.n_new[i]:
                    with pytest.raises(ValueError, match=r"."):
                        bed.game.label(side.tokens[i : i + 1, : start + n + 1])
            assert not (side.tokens[np.arange(len(prompts)), prompts.last + side.n_new] == 0).any()
        texts = intervener.texts(pushed.pushed)
        assert [len(t.split()) for t in texts] == (prompts.last + 1 + pushed.pushed.n_new).tolist()


def test_a_whole_run_and_its_floor(bed, sae, latents):
    squares = dict(zip(latents, ("c4", "d3", "b2"), strict=True))
    explanations = [Explanation(n, f"mine on {s}", Atom(f"mine on {s}")) for n, s in squares.items()]
    explanations[2] = Explanation(explanations[2].latent, "", failure="late")

    def reader(prefixes, texts):
        return np.array([p.count(t[-2:]) - 5.0 for p, t in zip(prefixes, texts, strict=True)])

    options = {"targets": (0.33, None), "n_prompts": 3, "n_new": 2, "n_resamples": 20}
    found = intervene(bed, sae, explanations, latents, model=reader, **options)
    assert [(one.latent, one.target) for one in found] == [(n, t) for t in (0.33, None) for n in latents]
    zero = {**options, "targets": (None,)}
    assert to_json(found[3:]) == to_json(intervene(bed, sae, explanations, latents, model=reader, **zero))
    for one in found:
        if one.explanation:
            assert -1 <= one.truth.value <= 1
            assert one.truth.low <= one.truth.value <= one.truth.high
            assert np.isfinite(one.score.value)
            assert one.illegal_pushed == 0  # legal moves only, by default
            assert one.raises.startswith("makes the move")
        else:
            assert one.score.failure == "no explanation: late"
            assert one.truth.failure == "late"
    table = columns(found)
    assert len({len(column) for column in table.values()}) == 1
    assert json.loads(to_json(found))["latents"]["kl"][3:] == [None] * 3
    said = by_strength(found)
    assert list(said) == ["0.33", "zero"]
    without = intervene(bed, sae, explanations[:2], latents, **zero)
    assert without[0].truth == found[3].truth
    assert without[0].score.failure == "no language model reads the texts"
    # a random dictionary of the same shape goes the same way
    random = random_dictionary(bed.x, n_latents=64, k=8, seed=0)
    its = latents_of(encode_in_batches(random, bed.x), [0, 1])
    floor = intervene(bed, random, [replace(e, latent=i) for i, e in enumerate(explanations[:2])], its, **zero)
    assert [one.truth.failure for one in floor] == ["", ""]


def test_what_is_refused(bed, sae, latents, intervener):
    narrow = random_dictionary(torch.randn(50, 7), n_latents=8, k=2, seed=0)
    with pytest.raises(ValueError, match="has width 7"):
        Intervener(bed, narrow)
    with pytest.raises(ValueError, match="at least 1"):
        Intervener(bed, sae, n_new=0)
    with pytest.raises(ValueError, match="need a testbed of games"):
        Intervener(a_testbed("ioi-tiny", n_games=8), sae)
    nothing = Prompts(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert intervener.written(0, nothing, 1.0).written.failure.startswith("it fires in no game")
    with pytest.raises(ValueError, match="no prompts"):
        intervener.tune(0, nothing, 1.0)
    with pytest.raises(KeyError, match="latent 1023"):
        intervene(bed, sae, [Explanation(1023, "x")], latents)
    assert output_text([]) == ""
