import dataclasses
import math

import numpy as np
import pytest
import torch
from fiducial.games.ioi import IOI
from fiducial.models.nodes import CrossSection, Node, read_nodes, run_patched
from fiducial.models.transformers import TransformerConfig, build_transformer
from fiducial.sites.qualification import (
    candidate_sections,
    default_task,
    fit_site_dictionaries,
    prompts_to_score,
    qualify_site,
    qualify_sites,
    require_site,
)

from .planted_ioi import planted_ioi

SMALL = {"n_fit": 1200, "n_test": 100}


@pytest.fixture(scope="module")
def game():
    return IOI()


@pytest.fixture(scope="module")
def model(game):
    return planted_ioi(game)


def site(name):
    node = Node.parse(name)
    return CrossSection(node.name, (node,))


@pytest.fixture(scope="module")
def found(model, game):
    sections = [site(name) for name in ("L0 z@end", "L0 resid@end", "L0 q@end", "L0 resid@s2", "L0H1 z@end")]
    return {
        (one.section, one.attribute): one
        for one in qualify_sites(model, game, sections, ["IO", "Pos"], task="plain", **SMALL)
    }


def test_the_planted_model_does_the_task(model, game):
    prompts = prompts_to_score(game, 100, task="plain", seed=3)
    logits = run_patched(model, prompts.tokens, prompts.positions, {})
    np.testing.assert_array_equal(logits.argmax(1).numpy(), prompts.target)


@pytest.mark.parametrize("name", ["L0 z@end", "L0 resid@end"])
def test_sites_that_carry_the_answer_qualify(found, name):
    one = found[name, "IO"]
    assert one.qualified, one.reason
    assert one.no_edit_agreement < 0.02
    assert one.edit_agreement > 0.99
    assert one.mean_ablation_drop > 0.9
    assert one.sufficiency == pytest.approx(1, abs=0.1)
    assert one.necessity > 0.9
    assert 0.85 < one.preserved_variance <= 1  # with ten prompts a name the means are noisy
    assert (one.n_test, one.task) == (100, "plain")


def test_sites_that_do_not_are_refused_with_the_reason(found):
    query = found["L0 q@end", "IO"]
    assert not query.qualified
    assert query.no_edit_agreement == 1
    assert "full patch of IO leaves the answer in 100% of prompts" in query.reason
    assert "mean ablation lowers the logit difference by" in query.reason
    # Which name stood first is nowhere used.
    assert not found["L0 z@end", "Pos"].qualified
    assert "full patch of Pos" in found["L0 z@end", "Pos"].reason
    # After its one layer nothing reads the stream at S2.
    unread = found["L0 resid@s2", "IO"]
    assert not unread.qualified
    assert math.isnan(unread.necessity)
    assert unread.to_dict()["necessity"] is None
    # Head 1 is causal, but holds S, not IO.
    negative = found["L0H1 z@end", "IO"]
    assert not negative.qualified
    assert negative.mean_ablation_drop > 0.05


def test_figures_by_hand(model, game, found):
    node = Node.parse("L0 z@end")
    dictionary = fit_site_dictionaries(model, game, [node], task="plain", n_fit=1200)[node]
    base = prompts_to_score(game, 100, task="plain", seed=0)
    changed = game.counterfactuals_of(base, "IO", [0, 2])

    def logits(value):
        return run_patched(model, base.tokens, base.positions, {node: value}).double().numpy()

    def difference(scores):
        rows = np.arange(100)
        return (scores[rows, base.target] - scores[rows, base.other]).mean()

    a = read_nodes(model, base.tokens, base.positions, [node])[node]
    patch = logits(read_nodes(model, changed.tokens, changed.positions, [node])[node])
    u = dictionary.directions[:120]
    edited = logits(a - u[base.attributes["IO"]] + u[changed.attributes["IO"]])
    one = found["L0 z@end", "IO"]
    clean, mean = difference(logits(a)), difference(logits(dictionary.offset.expand_as(a)))
    hat = dictionary.reconstruct(base.attributes)
    assert one.logit_difference == pytest.approx(clean, rel=1e-5)
    assert one.edit_agreement == pytest.approx((edited.argmax(1) == patch.argmax(1)).mean())
    assert one.mean_ablation_drop == pytest.approx(1 - mean / clean, rel=1e-4)
    assert one.sufficiency == pytest.approx(difference(logits(hat)) / clean, rel=1e-4)
    rest = difference(logits(dictionary.offset + a - hat))
    assert one.necessity == pytest.approx(1 - abs(mean - rest) / abs(mean - clean), rel=1e-4)


def test_require_site(model, game):
    assert require_site(model, game, site("L0 z@end"), "IO", **SMALL).qualified
    with pytest.raises(ValueError, match="L0 q@end is no site for IO on plain prompts: the full patch"):
        require_site(model, game, site("L0 q@end"), "IO", **SMALL)


def test_a_section_without_the_head_that_inhibits_is_noticed(model, game):
    """Patching only what is known to matter less moves less: the figures depend on what is patched."""
    heads = CrossSection("heads", tuple(Node.parse(f"L0H{head} z@end") for head in (0, 1)))
    sections = [site("L0 z@end"), site("L0H0 z@end"), heads]
    both, copied, split = qualify_sites(model, game, sections, ["IO"], **SMALL)
    assert copied.attribute_variance > 1.1 * both.attribute_variance
    figures = ("no_edit_agreement", "edit_agreement", "sufficiency", "necessity", "preserved_variance")
    for name in figures:
        assert getattr(split, name) == pytest.approx(getattr(both, name), abs=1e-3)


def test_candidates(model, game):
    two = build_transformer(
        TransformerConfig(n_layers=2, d_model=64, n_heads=4, d_mlp=0, n_ctx=19, d_vocab=237, attn_only=True), seed=0
    )
    names = [section.name for section in candidate_sections(two, game)]
    assert names == [
        *("L0 z@s2", "L0 z@end", "L1 z@s2", "L1 z@end", "L1 q@end"),
        *("L0 resid@s2", "L0 resid@end", "L1 resid@s2", "L1 resid@end"),
    ]
    short = build_transformer(
        TransformerConfig(n_layers=1, d_model=16, n_heads=2, d_mlp=0, n_ctx=9, d_vocab=237, attn_only=True), seed=0
    )
    with pytest.raises(ValueError, match="19 tokens, the model takes at most 9"):
        candidate_sections(short, game)
    deep = build_transformer(
        TransformerConfig(n_layers=5, d_model=16, n_heads=2, d_mlp=0, n_ctx=19, d_vocab=237, attn_only=True), seed=0
    )
    with pytest.raises(ValueError, match="find_sites"):
        candidate_sections(deep, game)


def test_tasks_by_default(game):
    assert [default_task(game, name) for name in ("IO", "S", "Pos")] == ["plain", "plain", "ordinal"]
    assert default_task(IOI(task="plain"), "Pos") == "plain"


def test_scored_prompts_are_not_those_of_the_fit(game):
    prompts = prompts_to_score(game, 300, task="plain", seed=0)
    assert game.held_out[prompts.attributes["IO"], prompts.attributes["S"]].all()


def test_wrong_settings(model, game):
    with pytest.raises(KeyError, match="no features of 'object'"):
        qualify_site(model, game, site("L0 z@end"), "object")
    with pytest.raises(ValueError, match="n_fit"):
        qualify_site(model, game, site("L0 z@end"), "IO", n_fit=1)
    with pytest.raises(ValueError, match="different names"):
        qualify_sites(model, game, [site("L0 z@end")] * 2, ["IO"])
    with pytest.raises(ValueError, match="task"):
        qualify_site(model, game, site("L0 z@end"), "IO", task="reversed", **SMALL)


def test_an_untrained_model_has_no_site(game):
    config = TransformerConfig(n_layers=1, d_model=16, n_heads=2, d_mlp=0, n_ctx=19, d_vocab=237, attn_only=True)
    untrained = build_transformer(config, seed=0).eval()
    with torch.no_grad():
        one = qualify_site(untrained, game, site("L0 z@end"), "IO", **SMALL)
    assert not one.qualified
    assert dataclasses.asdict(one)["reason"]
