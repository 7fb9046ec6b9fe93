"""The comparison of Makelov, Lange and Nanda 2024 on a shipped model and on a folder of the size of GPT-2 small."""

import dataclasses
import json
import re

import numpy as np
import pytest
import torch
from fiducial import reproduce_makelov2024 as reproduce_makelov2024_module
from fiducial.games.ioi import IOI
from fiducial.games.ioi_templates import FIXED_WORDS
from fiducial.games.ioi_tokens import word_lists
from fiducial.metrics.control import mean_over_seeds
from fiducial.models.small_saes import train_small_saes
from fiducial.reproduce_makelov2024 import Reproduction, best_sections, compare, plain, reproduce_makelov2024
from fiducial.reproduce_makelov_numbers import FOLLOW_UP
from fiducial.reproduce_makelov_table import missing, published
from fiducial.sites.bench import AxesBench
from fiducial.sites.qualification import SiteQualification, candidate_sections
from fiducial.sites.three_axes import three_axes
from fiducial.testbed_catalogue import testbed as make_testbed
from rich.console import Console

SIZES = {"n_fit": 1_500, "n_choose": 300, "n_report": 60}
KINDS = {"TopK 3": {"kind": "topk", "k": 3}, "L1 2": {"kind": "l1", "l1": 2.0}}
TRAINING = {"steps": 20, "n_latents": 64}


@pytest.fixture(scope="module")
def made():
    (found,) = reproduce_makelov2024(
        testbeds=["ioi-tiny"], kinds=KINDS, sae_seeds=(0, 1), progress=False, **SIZES, **TRAINING
    )
    return found


def printed(made, width=160):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(made.table())
    return console.export_text()


def test_every_dictionary_for_every_attribute(made):
    assert [(row.dictionary, row.attribute) for row in made.rows] == [
        (name, attribute) for name in ("supervised", "DAS", *KINDS) for attribute in ("IO", "Pos")
    ]
    assert {row.section for row in made.rows} == {"L0 resid@s2"}  # that of the testbed, though others carry both too
    assert {row.n_seeds for row in made.rows if row.dictionary not in ("supervised", "DAS")} == {2}
    for row in made.rows:
        assert 0 <= row.no_edit < 0.1
        known = (row.sufficiency, row.necessity, *row.weight.values()) if row.dictionary != "DAS" else ()
        for value, low, high in (*known, *row.success.values()):
            assert low <= value + 1e-9 <= high + 2e-9
    assert made.row("L0 resid@s2", "IO", "DAS").success[2][0] > 0.9  # a skyline, learned through the model
    assert 0 < made.row("L0 resid@s2", "Pos", "DAS").l0 < made.row("L0 resid@s2", "IO", "DAS").l0 <= 64
    assert made.row("L0 resid@s2", "Pos", "supervised").success[2][0] > 0.9
    assert made.task["IO"]["accuracy"] > 0.99


def test_a_row_that_is_not_there(made):
    with pytest.raises(KeyError, match="gated"):
        made.row("L0 resid@s2", "IO", "gated")


def test_numbers_are_those_of_the_axes(made):
    """The same from its parts: bench, SAEs, axes, mean over seeds."""
    bed = make_testbed("ioi-tiny", n_games=8)
    section = next(one for one in candidate_sections(bed.model, bed.game) if one.name == "L0 resid@s2")
    bench = AxesBench(bed.model, bed.game, section, ("IO", "Pos"), **SIZES)
    (node,) = section.nodes
    x = bench.fit_x[node]
    saes = train_small_saes(x, seeds=[0, 1], mean_norm=8.0, kind="topk", k=3, **TRAINING)
    axes = [three_axes(sae, bench, meaning=False) for sae in saes]
    for attribute in ("IO", "Pos"):
        row = made.row("L0 resid@s2", attribute, "TopK 3")
        for metric, found in (("sufficiency_score", row.sufficiency), ("necessity_score", row.necessity)):
            expected = mean_over_seeds([one.by_attribute[attribute][metric] for one in axes])
            assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
        for k in (1, 2, 4, 8):
            assert row.success[k] == pytest.approx(mean_over_seeds([one.success[k][attribute] for one in axes]))
            assert row.weight[k] == pytest.approx(mean_over_seeds([one.weight[k][attribute] for one in axes]), rel=1e-4)
        active = [(sae.encode(bench.choose_x[node]) > 0).sum(1).double().mean().item() for sae in saes]
        assert row.l0 == pytest.approx(np.mean(active))


def test_the_table_at_a_width_of_140(made):
    text = printed(made, 140)
    for part in ("IO at L0 resid@s2", "Pos at L0 resid@s2", "by meaning 2", "supervised", "TopK 3", "published"):
        assert part in text
    rows = [
        line for line in text.splitlines() if line.strip().startswith(("supervised", "TopK 3", "L1 2")) and "[" in line
    ]
    assert len(rows) == 6
    assert all(line.count("[") == line.count("]") == 6 for line in rows)  # no cell is broken over lines
    places = text[text.index("places") :]
    assert re.search(r"L0 resid@s2 +carried +unmoved 1 +carried", places)
    assert "unmoved" in places
    assert "…" not in printed(made, 100)  # where there is less room cells are folded, not cut


def test_the_json_holds_everything(made, tmp_path):
    path = tmp_path / "makelov.json"
    made.to_json(path)
    assert not list(tmp_path.glob("*.partial"))
    known = json.loads(path.read_text())
    assert len(known["rows"]) == 8
    assert known["rows"][0]["success"].keys() == {"1", "2", "4", "8"}
    assert known["about"]["sae_seeds"] == [0, 1]
    assert known["about"]["steps"] == 20
    assert {"section", "attribute", "reason"} <= known["about"]["qualified"][0].keys()
    assert all(len(one) == 3 and one[2] for one in known["refused"])
    assert json.loads(json.dumps(plain(dataclasses.asdict(made)))) == known


def test_a_frozen_decoder_stays_and_is_named(made):
    bed = make_testbed("ioi-tiny", n_games=8)
    section = next(one for one in candidate_sections(bed.model, bed.game) if one.name == "L0 resid@s2")
    bench = AxesBench(bed.model, bed.game, section, ("Pos",), **(SIZES | {"n_report": 16}))
    kinds = {"TopK 3, frozen decoder": {"kind": "topk", "k": 3, "frozen_decoder": True}}
    rows = compare(bench, kinds=kinds, seeds=(0,), budgets=(2,), progress=False, n_resamples=20, **TRAINING)
    assert [row.dictionary for row in rows] == ["supervised", "DAS", "TopK 3, frozen decoder"]
    text = printed(dataclasses.replace(made, rows=tuple(rows)))
    assert "TopK 3, frozen " in text
    assert "frozen decoder " not in text.split("places")[0]


def folder_like_gpt2(path, *, with_tokenizer=True, layers=12):
    """A random GPT-2 of 12 layers of 12 heads, four wide, that knows one token for each word of the prompts."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    words = ["<start>", "<unk>", *FIXED_WORDS]
    for some in word_lists("full"):
        words += some
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(words))}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=len(vocabulary), n_positions=24, n_embd=48, n_layer=layers, n_head=12,
                bos_token_id=0, eos_token_id=0,
            )
        )  # fmt: skip
    model.save_pretrained(path)
    if with_tokenizer:
        tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
        tokenizer.pre_tokenizer = Whitespace()
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, bos_token="<start>", eos_token="<start>", unk_token="<unk>"
        ).save_pretrained(path)
    return path


@pytest.mark.parametrize("sections", [2, pytest.param(6, marks=pytest.mark.slow)])
def test_a_model_of_the_size_of_gpt2_that_carries_nothing(sections, tmp_path, monkeypatch):
    folder = folder_like_gpt2(tmp_path / "gpt2")
    monkeypatch.setattr(
        reproduce_makelov2024_module, "candidate_sections", lambda *given: candidate_sections(*given)[-sections:]
    )
    (made,) = reproduce_makelov2024(
        model=folder, kinds=KINDS, n_fit=120, n_choose=64, n_report=32, progress=False, **TRAINING
    )
    assert made.name == "gpt2"
    assert made.rows == ()
    assert len(made.refused) == sections * 3
    assert {section for section, _, _ in made.refused} == {edit.site for edit in FOLLOW_UP[-sections:]}
    assert all("must be" in reason for _, _, reason in made.refused)
    text = printed(made)
    assert "no cross-section of this model carries an attribute" in text
    assert re.search(r"S-I v +unmoved", text)
    made.to_json(tmp_path / "made.json")


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    folder = folder_like_gpt2(tmp_path / "bare", with_tokenizer=False, layers=1)
    with pytest.raises(FileNotFoundError, match="without the tokenizer that IOI prompts need"):
        reproduce_makelov2024(model=folder, progress=False)


def test_what_cannot_be_asked(tmp_path):
    with pytest.raises(ValueError, match="testbeds or a model, not both"):
        reproduce_makelov2024(testbeds=["ioi-tiny"], model=tmp_path)
    with pytest.raises(ValueError, match="has no IOI prompts"):
        reproduce_makelov2024(testbeds=["othello-small"])
    with pytest.raises(KeyError, match="ioi-tiny"):
        reproduce_makelov2024(testbeds=["ioi-tny"])
    with pytest.raises(FileNotFoundError):
        reproduce_makelov2024(model=tmp_path / "nothing")


def qualification(section, attribute, **figures):
    known = {
        "no_edit_agreement": 0.0, "mean_ablation_drop": 0.9, "sufficiency": 1.0, "edit_agreement": 0.95,
        "qualified": True,
    } | figures  # fmt: skip
    return SiteQualification(
        section, (section,), attribute, "plain", n_test=8, n_editable=8, logit_difference=1.0, necessity=1.0,
        preserved_variance=1.0, attribute_variance=0.5, reason="", **known,
    )  # fmt: skip


def test_which_sections_are_taken():
    one = qualification("a", "IO", edit_agreement=0.99)
    both = [qualification("b", name) for name in ("IO", "Pos")]
    rest = [qualification("c", name, edit_agreement=0.97) for name in ("IO", "Pos")]
    assert best_sections([one, *both, *rest]) == {"c": ("IO", "Pos")}
    assert best_sections([one, *both, *rest], prefer="b") == {"b": ("IO", "Pos")}
    assert best_sections([one, *both], prefer="a") == {"b": ("IO", "Pos")}  # a carries less
    assert best_sections([one, both[1]]) == {"a": ("IO",), "b": ("Pos",)}
    assert best_sections([dataclasses.replace(one, qualified=False)]) == {}


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"qualified": True}, "carried"),
        ({"no_edit_agreement": 1.0}, "unmoved 1"),
        ({"mean_ablation_drop": -0.01}, "not needed -.01"),
        ({"sufficiency": 0.07}, "holds more .07"),
        ({"edit_agreement": None}, "edit -"),
    ],
)
def test_what_a_place_lacks(figures, told):
    assert missing(qualification("a", "IO", **({"qualified": False} | figures)).to_dict()) == told


def test_published_numbers_beside_a_row():
    assert published("S-I v", "Pos", "TopK 3") == ".87/.39"
    assert published("L0 resid@s2", "Pos", "supervised") == ".80-.90/.37-.47"
    assert published("L0 resid@s2", "IO", "L1 .5") == ".55/.55"
    assert published("L0 resid@s2", "IO", "TopK 3, frozen decoder") == "-"
    assert published("L0 resid@s2", "S", "TopK 3") == "-"


def test_ioi_in_tokens_of_a_folder(tmp_path):
    from fiducial.sites.gpt2 import gpt2_with_world

    model, world = gpt2_with_world(folder_like_gpt2(tmp_path / "small", layers=1))
    assert isinstance(world, IOI)
    assert world.tasks == (0,)
    prompts = world.prompts(5, 0)
    assert prompts.tokens.shape == (5, 19)
    assert model(torch.from_numpy(prompts.tokens)).shape[:2] == (5, 19)
    assert isinstance(Reproduction("x", {}, ()).table, object)
