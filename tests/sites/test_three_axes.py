"""The three axes at places of a shipped model: what must come out at the limits, and what must be refused."""

import dataclasses
import itertools

import fiducial as fd
import numpy as np
import pytest
import torch
from fiducial.metrics.score import Score
from fiducial.models.controls import random_dictionary
from fiducial.models.nodes import CrossSection, Node
from fiducial.sites import edits
from fiducial.sites.bench import AxesBench, logit_difference
from fiducial.sites.three_axes import BUDGETS, joint, per_node, three_axes

SIZES = {"n_fit": 4_000, "n_choose": 800, "n_report": 200}
FAST = {"budgets": (2,), "meaning": False, "n_resamples": 40}
MEANT = FAST | {"meaning": True}
NODE = Node.parse("L0 resid@s2")


class Fixed:
    """A dictionary by what it does, for the limits."""

    latent_names = None

    def __init__(self, name, directions, encode, bias):
        self.name, self.directions, self.encode, self.bias = name, directions, encode, bias

    def decode(self, latents):
        return latents @ self.directions + self.bias


def identity(d):
    """Both signs of every coordinate: nothing is lost."""
    eye = torch.eye(d)
    return Fixed("identity", torch.cat([eye, -eye]), lambda x: torch.cat([x, -x], 1).relu(), torch.zeros(d))


def silent(mean):
    """Never fires and writes the mean."""
    return Fixed("silent", torch.ones(3, len(mean)), lambda x: torch.zeros(len(x), 3), mean)


@pytest.fixture(scope="module")
def bed():
    return fd.testbed("ioi-tiny", n_games=8)


@pytest.fixture(scope="module")
def bench(bed):
    return AxesBench(bed.model, bed.game, CrossSection(NODE.name, (NODE,)), ("IO", "Pos"), **SIZES)


@pytest.fixture(scope="module")
def reference(bench):
    return three_axes("supervised", bench, n_resamples=40)


@pytest.fixture(scope="module")
def heads():
    """The heads of the second block, where seed 1 keeps its answer: all together, and one by one."""
    bed = fd.testbed("ioi-tiny-1", n_games=8)
    whole = Node.parse("L1 z@end")
    apart = tuple(Node.of("z", 1, "end", head) for head in range(4))
    sizes = SIZES | {"n_report": 100}
    return tuple(
        AxesBench(bed.model, bed.game, CrossSection(name, nodes), ("IO",), **sizes)
        for name, nodes in (("whole", (whole,)), ("apart", apart))
    )


def values(axes, metric):
    return {attribute: scores[metric].value for attribute, scores in axes.by_attribute.items()}


def test_supervised_codes_suffice_and_steer(reference):
    assert all(0.9 < value < 1.15 for value in values(reference, "sufficiency_score").values())
    assert all(0.85 < value <= 1 for value in values(reference, "necessity_score").values())
    for attribute in ("IO", "Pos"):
        score = reference.success[2][attribute]
        assert score.value > 0.9, attribute
        assert score.floors["no edit"] < 0.1
    assert 0.2 < reference.weight[2]["Pos"].value < 0.8
    assert reference.scores["attribute_found_score"].value > 0.5  # read off the activation, not what it was told


def test_every_score_is_the_mean_of_its_attributes(reference):
    for name in ("sufficiency_score", "necessity_score", "edit_success_score", "off_manifold_error"):
        score = reference.scores[name]
        assert score.groups == values(reference, name)
        assert score.value == pytest.approx(np.mean(list(score.groups.values())))
        assert score.low <= score.value <= score.high
    assert set(reference.success) == set(BUDGETS)


def test_more_latents_never_steer_less_by_the_reference(reference):
    for attribute in ("IO", "Pos"):
        shares = [reference.success[k][attribute].value for k in BUDGETS]
        assert all(b >= a - 0.05 for a, b in itertools.pairwise(shares))


def test_a_dictionary_that_loses_nothing_suffices(bench):
    axes = three_axes(identity(64), bench, **FAST)
    for attribute in ("IO", "Pos"):
        assert values(axes, "sufficiency_score")[attribute] == pytest.approx(1, abs=1e-4)
        assert values(axes, "faithfulness_score")[attribute] == pytest.approx(1, abs=1e-3)
        assert values(axes, "necessity_score")[attribute] == pytest.approx(1, abs=1e-3)
        assert axes.success[2][attribute].value < 0.5  # coordinates are no attributes


def test_a_dictionary_that_writes_nothing_does_nothing(bench):
    for attribute, aspect in bench.aspects.items():
        axes = three_axes(silent(aspect.mean[NODE]), bench, **FAST)
        scores = axes.by_attribute[attribute]
        assert scores["sufficiency_score"].value == pytest.approx(0, abs=1e-5)
        # all is error, so that what is left after it is all that there was: nothing is lost
        assert scores["necessity_score"].value == pytest.approx(0, abs=1e-5)
        success = axes.success[2][attribute]
        assert success.value == success.floors["no edit"]
        assert axes.aware[2][attribute].value == success.value
        assert axes.weight[2][attribute].value == 0


def test_random_latents_hardly_steer(bench):
    axes = three_axes(random_dictionary(bench.fit_x[NODE], 64, 3, seed=0), bench, **FAST)
    for attribute in ("IO", "Pos"):
        score = axes.success[2][attribute]
        assert score.value - score.floors["no edit"] < 0.15
        assert values(axes, "sufficiency_score")[attribute] < 0.9


def test_the_same_again(bench, reference):
    again = three_axes("supervised", bench, budgets=(2,), n_resamples=40)
    for name, score in again.scores.items():
        if name != "minimal_edit_error":  # of other budgets
            assert (score.value, score.low, score.high) == pytest.approx(
                (reference.scores[name].value, reference.scores[name].low, reference.scores[name].high), nan_ok=True
            )


def test_another_bench_of_the_same_seed_is_the_same(bed, bench):
    twin = AxesBench(bed.model, bed.game, bench.section, bench.attributes, **SIZES)
    for attribute in bench.attributes:
        np.testing.assert_array_equal(twin.aspects[attribute].prompts.tokens, bench.aspects[attribute].prompts.tokens)
        np.testing.assert_array_equal(twin.aspects[attribute].patched, bench.aspects[attribute].patched)


def test_prompts_that_report_are_no_others(bench):
    def pairs(prompts):
        return set(zip(prompts.attributes["IO"].tolist(), prompts.attributes["S"].tolist(), strict=True))

    seen = pairs(bench.fit) | pairs(bench.choose)
    for aspect in bench.aspects.values():
        assert not seen & pairs(aspect.prompts)
        changed = aspect.prompts.attributes[aspect.attribute] != aspect.changed.attributes[aspect.attribute]
        assert changed.all()


def test_what_a_bench_holds_against_plain_runs(bed, bench):
    """The model by itself, one prompt at a time, with a hook written here."""
    aspect = bench.aspects["IO"]
    for row in range(4):
        tokens = torch.from_numpy(aspect.prompts.tokens[row : row + 1])
        at = int(aspect.prompts.positions["s2"][row])
        other = torch.from_numpy(aspect.changed.tokens[row : row + 1])
        with torch.no_grad():
            cached = bed.model.run_with_cache(other)[1]["blocks.0.hook_out"][0, at]

            def patch(value, hook, at=at, cached=cached):
                value = value.clone()
                value[:, at] = cached
                return value

            patched = bed.model.run_with_hooks(tokens, fwd_hooks=[("blocks.0.hook_out", patch)])[0, -1]
            clean = bed.model(tokens)[0, -1]
        assert int(patched.argmax()) == aspect.patched[row]
        difference = clean[aspect.prompts.target[row]] - clean[aspect.prompts.other[row]]
        assert aspect.clean[row] == pytest.approx(float(difference), rel=1e-4)


def test_heads_one_by_one_are_the_whole_for_mean_codes(heads):
    whole, apart = heads
    for name in ("clean", "ablated"):
        np.testing.assert_allclose(
            getattr(apart.aspects["IO"], name), getattr(whole.aspects["IO"], name), rtol=1e-4, atol=1e-3
        )
    np.testing.assert_array_equal(apart.aspects["IO"].patched, whole.aspects["IO"].patched)
    edited = [edits.supervised(bench, bench.aspects["IO"]) for bench in heads]
    np.testing.assert_array_equal(edited[0].choice, edited[1].choice)
    both = [three_axes("supervised", bench, **FAST) for bench in heads]
    for name in ("sufficiency_score", "faithfulness_score", "necessity_score"):
        assert values(both[1], name)["IO"] == pytest.approx(values(both[0], name)["IO"], abs=1e-3)
    assert both[1].success[2]["IO"].value > 0.9


def test_a_dictionary_a_node(heads):
    _, apart = heads
    given = {node: identity(16) for node in apart.section.nodes}
    assert values(three_axes(given, apart, **FAST), "sufficiency_score")["IO"] == pytest.approx(1, abs=1e-4)
    given[apart.section.nodes[2]] = silent(apart.aspects["IO"].mean[apart.section.nodes[2]])
    assert values(three_axes(given, apart, **FAST), "faithfulness_score")["IO"] < 0.999
    del given[apart.section.nodes[2]]
    with pytest.raises(KeyError, match=r"L1H2 z@end"):
        three_axes(given, apart, **FAST)
    with pytest.raises(ValueError, match="4 nodes: give a dictionary for each"):
        three_axes(identity(16), apart, **FAST)


def test_what_does_not_fit_is_refused(bed, bench):
    with pytest.raises(ValueError, match="width 63"):
        per_node(identity(63), bench)
    with pytest.raises(ValueError, match="budgets"):
        three_axes(identity(64), bench, budgets=(1, 4), budget=2)
    with pytest.raises(ValueError, match="budgets"):
        three_axes(identity(64), bench, budgets=(0, 2))
    with pytest.raises(ValueError, match="which attributes"):
        AxesBench(bed.model, bed.game, bench.section, ())
    with pytest.raises(ValueError, match="n_report must be at least 8"):
        AxesBench(bed.model, bed.game, bench.section, ("IO",), n_report=7)


def test_a_place_that_holds_a_conjunction_is_refused():
    with pytest.raises(ValueError, match=r"carries no attribute.*Pos: .*more than the attributes one by one"):
        fd.testbed("ioi-tiny-3", site="L0 z@end")


def test_an_edit_with_the_wrong_sign_is_noticed(bench, reference, monkeypatch):
    made = edits.greedy_edits

    def wrong(source, target, directions, residual, k_max, **more):
        return made(source, target, directions, -residual, k_max, **more)

    monkeypatch.setattr(edits, "greedy_edits", wrong)
    axes = three_axes("supervised", bench, **FAST)
    assert axes.success[2]["IO"].value < reference.success[2]["IO"].value - 0.5


def test_a_reconstruction_that_is_not_put_there_is_noticed(bench, monkeypatch):
    """If the clean activation stood where the reconstruction belongs, silence would suffice."""
    run, aspect = bench.logits, bench.aspects["IO"]
    monkeypatch.setattr(bench, "logits", lambda prompts, given: run(prompts, {}))
    axes = three_axes(silent(aspect.mean[NODE]), bench, **FAST)
    assert values(axes, "sufficiency_score")["IO"] == pytest.approx(1)


def test_latents_are_what_the_dictionary_says(bench):
    aspect = bench.aspects["IO"]
    found = edits.latents_of(identity(64), aspect.prompts, aspect.base[NODE])
    torch.testing.assert_close(found, identity(64).encode(aspect.base[NODE]))
    known = bench.supervised["IO"][NODE]
    torch.testing.assert_close(
        edits.latents_of(known, aspect.prompts, torch.zeros_like(aspect.base[NODE])),
        known.codes(aspect.prompts.attributes).float(),
    )


def test_without_meaning_the_rest_is_the_same(bench):
    given = random_dictionary(bench.fit_x[NODE], 64, 3, seed=0)
    short = three_axes(given, bench, **FAST)
    whole = three_axes(given, bench, **(FAST | {"meaning": True}))
    assert "interpretable_score" in set(whole.scores) - set(short.scores)
    assert {name: score.value for name, score in short.scores.items()} == {
        name: whole.scores[name].value for name in short.scores
    }


def test_a_mean_over_attributes_tells_what_is_undefined():
    nan = float("nan")
    one = Score("a_score", 0.5, 0.4, 0.6, floors={"x": 0.1}, replicates=np.array([0.4, 0.5, 0.6]))
    none = Score("a_score", nan, nan, nan, details={"undefined": "not causal"})
    mixed = joint("a_score", {"IO": one, "Pos": none})
    assert mixed.value == 0.5
    assert mixed.details["undefined for"] == {"Pos": "not causal"}
    assert mixed.groups == {"IO": 0.5}
    empty = joint("a_score", {"Pos": none})
    assert np.isnan(empty.value)
    assert empty.details["undefined"] == "not causal"
    two = joint(
        "a_score", {"IO": one, "Pos": dataclasses.replace(one, value=0.7, replicates=np.array([0.6, 0.7, 0.8]))}
    )
    assert two.value == pytest.approx(0.6)
    np.testing.assert_allclose(two.replicates, [0.5, 0.6, 0.7])


def test_logit_differences(bench):
    aspect = bench.aspects["Pos"]
    logits = torch.zeros(len(aspect.prompts), 237)
    rows = np.arange(len(aspect.prompts))
    logits[rows, aspect.prompts.target], logits[rows, aspect.prompts.other] = 3.0, 1.0
    np.testing.assert_array_equal(logit_difference(logits, aspect.prompts), 2.0)


def test_explained_latents_are_not_judged_by_the_offset(bench):
    """A constant moved from the offset into latents of which one always fires changes nothing."""
    known = bench.mean_codes[NODE]
    constant = 3 * torch.randn(64, generator=torch.Generator().manual_seed(0))
    both = (known.attribute_of == known.attribute_names.index("Pos"))[:, None] * constant
    made = [
        three_axes(Fixed("moved", known.directions + part, known.encode, known.offset - shift), bench, **MEANT)
        for part, shift in ((0, 0), (both, constant))
    ]
    for name in ("sufficiency_score", "explained_sufficiency_score", "explained_necessity_score"):
        assert values(made[1], name) == pytest.approx(values(made[0], name), abs=1e-3)
        assert all(value > 0.5 for value in values(made[0], name).values())


def test_a_dictionary_that_explains_nothing_carries_nothing_wherever_its_offset_is(bench):
    mean = bench.aspects["IO"].mean[NODE]
    away = mean + 3 * torch.randn(64, generator=torch.Generator().manual_seed(1))
    axes = three_axes(silent(away), bench, **MEANT)
    assert abs(values(axes, "sufficiency_score")["IO"]) > 0.01
    for name in ("explained_sufficiency_score", "explained_necessity_score"):
        assert values(axes, name)["IO"] == pytest.approx(0, abs=1e-5)


def test_values_that_the_reference_never_saw_are_left_out(bed, bench):
    few = AxesBench(bed.model, bed.game, bench.section, ("IO",), n_fit=200, n_choose=800, n_report=200)
    aspect, known = few.aspects["IO"], few.supervised["IO"][NODE]
    before, after = (prompts.attributes["IO"] for prompts in (aspect.prompts, aspect.changed))
    seen = np.array([bool(known.counts[a] and known.counts[b]) for a, b in zip(before, after, strict=True)])
    assert 0.1 < seen.mean() < 0.9
    score = three_axes("supervised", few, **FAST).success[2]["IO"]
    assert score.details["n_scored"] == seen.sum()
    right = edits.supervised(few, aspect).choice == aspect.patched
    assert score.ceilings["supervised edit"] == pytest.approx(right[seen].mean())
    assert right[seen].mean() > right.mean() + 0.1
    none = AxesBench(bed.model, bed.game, bench.section, ("IO",), n_fit=8, n_choose=800, n_report=8)
    axes = three_axes(identity(64), none, **FAST)
    assert "never occur where codes are fitted" in axes.weight[2]["IO"].details["undefined"]


def test_effects_are_measured_for_attributes_that_are_not_edited(bed, bench):
    one = AxesBench(bed.model, bed.game, bench.section, ("IO",), **SIZES)
    for attribute in ("IO", "Pos"):
        assert one.effect(attribute) == bench.effect(attribute) > 0.5
    assert one.effect("S") < 0.05


def test_isolation_says_where_nothing_else_can_be_read(bench, monkeypatch):
    monkeypatch.setattr("fiducial.sites.three_axes.READABLE", 1.1)
    score = three_axes(identity(64), bench, **FAST).scores["isolation_score"]
    assert np.isnan(score.value)
    assert "no attribute but Pos can be read off" in score.details["undefined"]


def test_a_mean_over_nodes_shows_no_table_of_one():
    table = {"feature": [0, 1]}
    one = Score("a_score", 0.5, 0.4, 0.6, features=table, replicates=np.array([0.4, 0.5, 0.6]))
    assert joint("a_score", {"L0": one}).features == table
    assert joint("a_score", {"L0": one, "L1": one}).features == {}
