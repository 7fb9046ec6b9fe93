"""All metrics, none left out: batch by batch, with games cut and interleaved, they are what they are on the whole."""

from pathlib import Path

import fiducial
import numpy as np
import pytest
from fiducial.metrics import METRICS
from fiducial.metrics.ravel_pairs import ravel_task
from fiducial.metrics.scr_pairs import Rules as PairRules
from fiducial.metrics.streaming.accumulator import stream
from fiducial.metrics.streaming.registry import WAY_OF, WAYS, accumulators, how, table
from fiducial.metrics.streaming.sampled import SAMPLED, choice_at
from fiducial.metrics.tpp_families import Rules as FamilyRules

from ..absorption_inputs import TREES
from ..all_scores import N_RESAMPLES, inputs, reordered, scores
from ..scr_inputs import PAIRS
from ..tpp_inputs import FAMILIES
from ..unlearning_inputs import unlearning_arguments
from .samples import as_batch, batches, interleaved, same

ARRAYS = reordered(inputs(), interleaved(inputs()["game_id"]))
N = len(ARRAYS["game_id"])
EXPECTED = scores(ARRAYS)
SIZE = 53  # cuts games in the middle


def ravel_question(batch):
    """Attributes are the first four labels, as in the whole."""
    values = batch.labels.to_dense()[:, :4].astype(np.int64)
    return ravel_task(batch.x, values, (2,) * 4, game_id=batch.game_id, train=batch.train, n_pairs=40)


def exams(batch):
    """Read-outs of labels, made from the kept rows."""
    labels = batch.labels.to_dense()
    given = {"latents": None, "directions": None, "x": batch.x, "labels": labels}
    return unlearning_arguments({**given, "train": batch.train, "game_id": batch.game_id})["exams"]


def position_of(games):
    """Place of every row in its game."""
    found = np.zeros(len(games), np.int64)
    for game in np.unique(games):
        found[games == game] = np.arange((games == game).sum())
    return found


def parents_of(labels, truth):
    """Labels and true directions with the parents of the trees behind them."""
    above = np.stack([labels[:, list(tree.descendants)].any(1) for tree in TREES], 1)
    directions = np.stack([truth[list(tree.descendants)].mean(0) for tree in TREES])
    return np.concatenate([labels, above], 1), np.concatenate([truth, directions])


def posed(family):
    """What passes, as one batch, and what the family is told."""
    a = ARRAYS
    known = {"game_id": a["game_id"], "train": a["train"]}
    labelled = {"latents": a["latents"], "labels": a["labels"], **known}
    attributes = {f"attribute {i}": column for i, column in enumerate(a["values"].T)}
    choices = {"edited_choice": a["two"], "patched_choice": a["patched"], "unedited_choice": a["untouched"]}
    differences = a["differences"].T
    over_x_hat = as_batch(**labelled, x=a["x_hat"])  # activations are what the latents write, so that probes can read
    tree_labels, tree_truth = parents_of(a["labels"], a["true_directions"])
    if family == "behaviour":
        names = ("clean_logprobs", "sae_logprobs", "zero_logprobs", "mean_logprobs", "allowed")
        return as_batch(**known, **{name: a[name] for name in names}), {}
    if family == "boards":
        names = ("clean_logprobs", "sae_logprobs", "mean_logprobs", "error_logprobs")
        logits = dict(zip(names, (a[name] for name in ("clean", "rebuilt", "ablated", "error")), strict=True))
        return as_batch(**known, allowed=a["allowed"], **logits), {}
    if family == "approximation":
        names = ("clean_difference", "reconstructed_difference", "mean_difference", "error_difference")
        return as_batch(**known, **dict(zip(names, differences, strict=True))), {}
    if family == "control":
        also = {choice_at(1): a["one"], choice_at(2): a["two"]}
        weights = {"weight_removed": a["weight"], "supervised_weight": a["supervised_weight"]}
        whole = as_batch(**known, **choices, **also, **weights, supervised_choice=a["supervised"])
        return whole, {"budgets": (1, 2)}
    if family == "isolation":
        also = {"before Pos": a["before"], "after Pos": a["after"]}
        return as_batch(**known, **choices, **also), {"attributes": ["Pos"]}
    if family == "off_manifold":
        return as_batch(**known, edited=a["x_hat"], natural=a["x"]), {"reference": a["natural_directions"]}
    if family == "meaning":
        names = ("clean_difference", "kept_difference", "mean_difference", "removed_difference")
        edits = {**choices, "edited_choice": a["one"]}
        return as_batch(**known, **edits, **dict(zip(names, differences, strict=True))), {}
    if family == "interpretability":
        told = {"attributes": list(attributes), "threshold": 0.5, "pairs": [("attribute 0", "attribute 1")]}
        return as_batch(**labelled, **attributes), told
    if family == "occlusion":
        told = {
            "attributes": ["first", "second"],
            "variance_shares": {"first": 0.6, "second": 0.3},
            "threshold": 0.2,
        }
        return as_batch(**labelled, first=a["values"][:, 0], second=a["values"][:, 1]), told
    if family == "splitting":
        told = {"attribute": "first", "min_precision": 0.5, "min_frequency": 0.001}
        return as_batch(**labelled, first=a["values"][:, 0]), told
    if family == "recovery":
        return as_batch(**labelled, magnitudes=a["magnitudes"]), {"true_directions": a["true_directions"]}
    if family == "absorption":
        told = {"trees": TREES, "true_directions": tree_truth}
        return as_batch(a["latents"], tree_labels, x=a["x"], **known), told
    if family.startswith("autointerp"):
        from fiducial.metrics.llm.exams import ExamSettings

        told = {"exam": ExamSettings(n_active=20, n_silent=20)} if family == "autointerp" else {}
        told["names"] = [f"fact {f}" for f in range(a["labels"].shape[1])]
        return as_batch(**labelled, position=position_of(a["game_id"])), told
    if family == "ravel_model":
        one, two, three = a["labels"][:, :3].T.astype(np.float64)
        to_source, to_base = np.stack([2 + one, two / 2, 1 + three], 1), np.stack([two / 2, 2 + one, three], 1)
        return as_batch(**known, to_source=to_source, to_base=to_base), {}
    if family == "scr":
        return over_x_hat, {"pairs": PAIRS, "rules": PairRules((0.9, 1.0), (1, 2, 5), 2)}
    if family == "tpp":
        return over_x_hat, {"families": FAMILIES, "rules": FamilyRules((1, 2, 5), 2)}
    told = {"ravel": {"task": ravel_question}, "unlearning": {"exams": exams}}
    return as_batch(**labelled, x=a["x"], x_hat=a["x_hat"]), told.get(family, {})


def streamed(family, size, names=None, **more):
    """Scores of a family from batches."""
    whole, told = posed(family)
    if family == "autointerp" and "null" not in more:
        more["null"] = True  # as the whole is asked
    awake = accumulators(
        names or WAYS[family].metrics,
        n_latents=ARRAYS["latents"].shape[1],
        directions=ARRAYS["directions"],
        options={family: told},
        n_resamples=N_RESAMPLES,
        reporting_only=False,
        **{"null": False, **more},
    )
    return stream(awake, batches(whole, size))


def test_every_metric_has_one_way():
    assert set(WAY_OF) == set(METRICS)
    assert sum(len(way.metrics) for way in WAYS.values()) == len(METRICS)
    assert {family for family, way in WAYS.items() if way.how == "bounded sample"} == {*SAMPLED, "recovery"}


@pytest.mark.parametrize("family", WAYS)
def test_batched_equals_whole(family):
    found = streamed(family, SIZE)
    same(found, {name: EXPECTED[name] for name in WAYS[family].metrics})
    assert not any("sampled" in score.details for score in found.values())


def test_only_what_was_asked_for():
    assert set(streamed("fidelity", 400, ["mse_error"])) == {"mse_error"}
    assert set(streamed("mdl", 400, ["mdl_bits"])) == {"mdl_bits"}


def test_a_smaller_sample_says_so():
    found = streamed("probing", 100, most_rows=400)["probing_k1_score"]
    about = found.details["sampled"]
    assert about["rows"] <= 400
    assert about["rows"] == 30 * about["games"]
    assert about["of_rows"] == N
    assert about["of_games"] == 24
    assert found.value != EXPECTED["probing_k1_score"].value


def test_little_memory_is_a_smaller_sample():
    assert streamed("mdl", 100, budget_bytes=8 * 100_000)["mdl_bits"].details["sampled"]["rows"] < N


def test_families_on_a_bounded_sample_keep_rows_once():
    whole, _ = posed("ravel")
    awake = accumulators(
        ["probing_k1_score", "mdl_bits", "l0"], n_latents=30, directions=ARRAYS["directions"], n_resamples=N_RESAMPLES
    )
    assert [one.names for one in awake] == [("l0",), ("probing_k1_score", "mdl_bits")]
    assert awake[1].needs == {"codes", "labels", "x", "x_hat"}
    found = stream(awake, batches(whole, 100))
    same({name: found[name] for name in awake[1].names}, {name: EXPECTED[name] for name in awake[1].names})


@pytest.mark.parametrize(
    ("names", "given", "error", "message"),
    [
        ([], {}, ValueError, "no metric named"),
        (["covrage"], {}, KeyError, "no metric named 'covrage'"),
        (["scr_score"], {}, ValueError, "scr_score: needs what each latent writes; give directions"),
        (["scr_score"], {"directions": np.ones((3, 2))}, ValueError, r"options=\{'scr': \{'pairs': \.\.\.\}\}"),
        (["fragments"], {}, ValueError, "fragments: needs attribute"),
        (["l0"], {"options": {"l0": {}}}, KeyError, "options name the families"),
        (["mcc_score"], {"directions": np.ones((3, 2))}, ValueError, "needs true_directions"),
    ],
)
def test_what_cannot_be_asked_is_said(names, given, error, message):
    with pytest.raises(error, match=message):
        accumulators(names, n_latents=3, **given)


def test_batches_that_lack_something_are_refused():
    whole, _ = posed("behaviour")
    with pytest.raises(ValueError, match="batches must hold error_logprobs"):
        stream(accumulators(["legal_move_error"], n_latents=3), batches(whole, 100))


def test_how_and_table():
    assert how("l0") == "sums"
    assert how("coverage") == "counts on disk"
    assert how("tpp_score") == "bounded sample"
    with pytest.raises(KeyError, match="no metric named 'x'"):
        how("x")
    rows = table()
    assert all(f"`{name}`" in rows for name in METRICS)
    assert rows.count("\n") == len(WAYS) + 2


def test_the_page_on_streaming_has_the_table():
    page = Path(fiducial.__file__).parent / "docs" / "streaming.md"
    if not page.exists():
        pytest.skip("the page on streaming does not travel with the package")
    assert table() in page.read_text(), "paste what fiducial.metrics.streaming.registry.table() gives into the page"


def test_memory_is_divided_among_what_keeps_rows(monkeypatch):
    import fiducial.metrics.streaming.registry as registry

    budgets = []
    real = registry.Gathered

    def kept(*given, most_bytes, **more):
        budgets.append(most_bytes)
        return real(*given, most_bytes=most_bytes, **more)

    monkeypatch.setattr(registry, "Gathered", kept)
    told = {"recovery": {"true_directions": ARRAYS["true_directions"]}}
    for names, parts in ((["mdl_bits"], 1), (["mdl_bits", "coverage"], 2), (["mdl_bits", "coverage", "mcc_score"], 3)):
        given = {"directions": ARRAYS["directions"], "options": told, "budget_bytes": 4800}
        for one in accumulators(names, n_latents=30, **given):
            one.close()
        assert budgets[-1] == 4800 // parts // 8
