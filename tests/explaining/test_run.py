"""Latents of a shipped SAE explained offline; finished ones on disk; what is known of a run is on its page."""

import json
from dataclasses import replace

import numpy as np
import pytest
from fiducial.data.assets import asset
from fiducial.explaining.kept import Kept
from fiducial.explaining.page import page
from fiducial.explaining.planning import plan_of
from fiducial.explaining.result import Explained, ExplainedLatent
from fiducial.explaining.run import CHUNK, Run, explain, sample_of
from fiducial.explaining.scorers import SCORERS, Tools, Watched, check_scorers
from fiducial.explaining.table import plan_table, table
from fiducial.metrics.llm.embedders import hashing_encoder
from fiducial.metrics.llm.exams import ExamSettings
from fiducial.metrics.llm.llm_judge import LLMJudge
from fiducial.metrics.llm.nouns import Answer, Example, Explanation, Question
from fiducial.metrics.llm.predicate import Atom, evaluate
from fiducial.metrics.llm.predicate_judge import PredicateJudge
from fiducial.metrics.llm.predicate_text import parse
from fiducial.metrics.llm.replay import ScriptedChat
from fiducial.models.loading import load_dictionary
from fiducial.testbed_catalogue import testbed as make_testbed
from rich.console import Console

SMALL = ExamSettings(n_shown=10, n_active=20, n_silent=20, n_windows=6)


@pytest.fixture(scope="module")
def bed():
    return make_testbed("othello-6x6", n_games=80)


@pytest.fixture(scope="module")
def sae():
    return load_dictionary(asset("othello-6x6/topk"), "sae_lens", name="topk")


@pytest.fixture(scope="module")
def sample(bed, sae):
    return sample_of(sae, bed, n_latents=27, settings=SMALL)


@pytest.fixture(scope="module")
def found(sample, bed):
    return explain(sample, bed, n_resamples=50)


def test_words_and_their_truth(found, sample):
    facts, latents = sample.examiner.facts, sample.examiner.latents
    assert [one.latent for one in found.latents] == list(sample.numbers)
    reporting = facts.rows_of(False)
    for one in found.latents:
        holds = evaluate(parse(one.predicate, facts.names), facts, reporting)
        fires = latents[one.latent].active()[reporting]
        precision, recall = (holds & fires).sum() / max(holds.sum(), 1), (holds & fires).sum() / fires.sum()
        np.testing.assert_allclose([one.exact["precision"][0], one.exact["recall"][0]], [precision, recall])
        assert one.exact["f1"][1] <= one.exact["f1"][0] + 1e-9
        assert one.rate == pytest.approx(fires.mean())
        assert one.sentence().startswith(f"fires when: {one.text}; precision")


def test_scorers_rank_with_the_truth_and_nulls_do_not(found):
    natural, detection, fuzzing, simulation = found.summaries
    assert [one.scorer for one in found.summaries] == ["natural F1", "detection", "fuzzing", "simulation"]
    executed = np.mean([one.exact["f1"][0] for one in found.latents])
    assert natural.mean == pytest.approx(executed, abs=0.06)  # what an exam of 40 examples says of all positions
    assert natural.null < 0.3
    for one in (detection, fuzzing):
        assert one.low < one.mean < one.high
        assert one.mean > one.null + 0.1
        assert 0.4 < one.null < 0.6
        assert one.details["judge_errors"]["e_pos"][0] == one.details["judge_errors"]["e_neg"][0] == 0
    assert detection.truth > 0.6
    assert abs(simulation.null) < 0.3


def test_the_judges_errors_are_found_and_taken_out(sample, bed, found):
    noisy = explain(sample, bed, Run(judge=PredicateJudge(sample.examiner.facts, e_pos=0.2, e_neg=0.1, seed=3)))
    natural, detection = noisy.summaries[:2]
    errors = detection.details["judge_errors"]
    assert errors["e_pos"][0] == pytest.approx(0.2, abs=0.05)
    assert errors["e_neg"][0] == pytest.approx(0.1, abs=0.05)
    clean = found.summaries[1].mean
    assert detection.mean == pytest.approx(0.5 + 0.7 * (clean - 0.5), abs=0.04)  # 1 - .2 - .1
    assert detection.details["without_judge_errors"] == pytest.approx(clean, abs=0.06)
    seen = np.mean([one.scores["natural F1"]["as seen"] for one in noisy.latents])
    executed = np.mean([one.exact["f1"][0] for one in noisy.latents])
    assert abs(natural.mean - executed) < abs(seen - executed) - 0.1  # with them it is far too low


def test_a_judge_is_watched_on_marks_and_windows(sample):
    facts = sample.examiner.facts
    name = next(n for n in facts.names if 10 < facts.column(n).sum() < facts.n_rows - 10)
    on, off = np.flatnonzero(facts.column(name))[0], np.flatnonzero(~facts.column(name))[0]

    class Yes:
        name = "yes"

        def answer(self, questions):
            return [Answer((1.0,) * len(one.examples)) for one in questions]

    watched = Watched(Yes(), facts)
    examples = (
        Example((int(on), int(off)), (1.0, 0.0), True),
        Example((int(on), int(off)), (1.0, 0.0), False, marked=(1,)),
    )
    watched.answer([Question(4, Explanation(4, name, Atom(name)), examples, "fuzzing")])
    assert watched.counts == {4: {"true": 1, "no": 0, "false": 1, "yes": 1}}


def test_a_run_goes_on_where_it_was(sample, bed, found, tmp_path):
    file = tmp_path / "latents.jsonl"

    class Stops:
        name = "predicate"

        def __init__(self, facts):
            self._judge, self.calls = PredicateJudge(facts), 0

        def answer(self, questions):
            self.calls += 1
            if self.calls > 6:  # the second chunk
                raise KeyboardInterrupt
            return self._judge.answer(questions)

    judge = Stops(sample.examiner.facts)
    many = replace(sample, numbers=sample.numbers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fiducial.explaining.run.CHUNK", 9)
        with pytest.raises(KeyboardInterrupt):
            explain(many, bed, Run(judge=judge), n_resamples=50, kept=file)
        lines = file.read_text().splitlines()
        assert len(lines) == 1 + 9
        file.write_text("\n".join(lines) + '\n{"latent": 3, "ra')  # a kill cuts the last line off
        again = explain(many, bed, n_resamples=50, kept=file)
        whole = explain(many, bed, n_resamples=50)
    assert again.latents == whole.latents
    assert len(file.read_text().splitlines()) == 1 + 27
    assert CHUNK > 1
    with pytest.raises(ValueError, match=r"of another run, with other .*examples in a question \(5, here 3\)"):
        explain(many, bed, n_resamples=50, per_question=3, kept=file)


def test_what_failed_is_asked_again_where_a_cache_keeps_what_came(sample, bed, tmp_path):
    class Flaky:
        name, down, asked = "flaky", True, 0

        def answer(self, questions):
            self.asked += 1
            failed = [Answer((None,) * len(one.examples), "timeout") for one in questions]
            return failed if self.down else PredicateJudge(sample.examiner.facts).answer(questions)

    some, judge = replace(sample, numbers=sample.numbers[:3]), Flaky()
    without = Run(judge=judge, scorers=("detection",))
    behind = replace(without, cached=lambda request: False)
    options = {"n_resamples": 10, "null": False}
    for run, file in ((without, tmp_path / "a"), (behind, tmp_path / "b")):
        judge.down = True
        first = explain(some, bed, run, kept=file, **options)
        assert [one.scores["detection"]["failed"] for one in first.latents] == [{"timeout": 40}] * 3
        judge.down, before = False, judge.asked
        again = explain(some, bed, run, kept=file, **options)
        assert (judge.asked > before) == (run is behind)
        assert any(one.scores["detection"]["failed"] for one in again.latents) == (run is without)
    assert again.latents == explain(some, bed, behind, **options).latents
    before = judge.asked
    explain(some, bed, behind, kept=tmp_path / "b", **options)
    assert judge.asked == before  # nothing is left to ask


def test_other_ways_of_asking_are_another_run():
    one, other = (
        LLMJudge(ScriptedChat(lambda messages: ""), None, params={"temperature": t}, logprobs=t > 0) for t in (0, 1)
    )
    assert one.about != other.about
    assert json.loads(json.dumps(one.about)) == one.about


def test_foreign_files_are_refused(tmp_path):
    file = tmp_path / "x.jsonl"
    file.write_text('{"a": 1}\n')
    with pytest.raises(ValueError, match="does not say of which run"):
        Kept(file, {})
    for foreign in (b"not a line", b"\xff\xfe\x00", b"\xff\n", b'{"run": 3}\n', b'{"run": {"a'):
        file.write_bytes(foreign)
        with pytest.raises(ValueError, match="does not say of which run"):
            Kept(file, {"seed": 1})
        assert file.read_bytes() == foreign  # what is not ours is not deleted
    file.write_text('{"run": {"se')  # killed before the first line was out
    assert Kept(file, {"seed": 1}).latents == {}
    file.write_text('{"run": {"seed": 1}}\n{"latent": 3}\n')
    with pytest.raises(ValueError, match=r"line 2 of .* holds no latent"):
        Kept(file, {"seed": 1})
    (tmp_path / "x.json").write_text('{"schema": "else"}')
    with pytest.raises(ValueError, match="holds no explanations"):
        Explained.from_json(tmp_path / "x.json")
    (tmp_path / "x.json").write_text('{"schema"')
    with pytest.raises(ValueError, match="holds no whole JSON"):
        Explained.from_json(tmp_path / "x.json")


def test_files_tables_and_pages(found, sae, bed, tmp_path):
    path = found.to_json(tmp_path / "e.json")
    back = Explained.from_json(path)
    assert back.to_json(tmp_path / "f.json").read_text() == path.read_text()
    assert json.loads(path.read_text())["latents"][0]["latent"] == found.latents[0].latent
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table(found))
    text = console.export_text()
    best = found.best(1)[0]
    assert best.text.split(" and ")[0] in text
    assert "shuffled" in text
    evil = replace(found, latents=(replace(best, text="<script>alert(1)</script>"), found.best(2)[1]))
    made = page(evil, sae, bed, boards=2)
    assert "<script" not in made
    assert "&lt;script&gt;" in made
    assert made.count("<section") == 2


def test_everything_repeats(sample, bed, found):
    assert explain(sample, bed, n_resamples=50).latents == found.latents


def test_failures_are_said_and_never_scored(sample, bed):
    class Fails:
        name = "fails"

        def explain(self, shown):
            return [Explanation(one.latent, "", source="fails", failure="unreadable") for one in shown]

    found = explain(sample, bed, Run(explainer=Fails(), scorers=("detection",)))
    assert found.summaries[0].n == 0
    assert found.summaries[0].failed == {"no explanation: unreadable": 27}
    assert np.isnan(found.summaries[0].mean)
    assert found.latents[0].sentence() == "no explanation: unreadable"
    Console(file=open("/dev/null", "w")).print(table(found))  # noqa: SIM115


def test_worlds_without_games_have_no_stretches():
    bed = make_testbed("hierarchical", n_games=20)
    sample = sample_of(bed.oracle, bed, n_latents=8, settings=SMALL)
    found = explain(sample, bed)
    assert [one.scorer for one in found.summaries] == ["natural F1", "detection"]
    assert "do not follow each other" in found.settings["not asked"]["fuzzing"]
    assert found.summaries[0].mean == pytest.approx(1.0, abs=0.01)  # a true feature is described by its name
    assert all(one.exact["f1"][0] == pytest.approx(1.0, abs=1e-9) for one in found.latents)


def test_embeddings_need_an_encoder(sample, bed):
    with pytest.raises(ValueError, match="give an encoder"):
        explain(sample, bed, Run(scorers=("embedding by facts",)))
    found = explain(sample, bed, Run(scorers=("embedding by facts",), tools={"encoder": hashing_encoder()}))
    assert found.summaries[0].mean > found.summaries[0].null
    with pytest.raises(KeyError, match="did you mean detection"):
        check_scorers(["detektion"], Tools(PredicateJudge(sample.examiner.facts)), sample.examiner)
    assert {"detection", "surprisal"} <= set(SCORERS)


def test_offline_plans_are_empty(sample):
    assert plan_of(sample, Run()) == {}
    assert plan_table({}, "m", "e").row_count == 0


def test_wrong_latents_are_refused(bed, sae):
    with pytest.raises(ValueError, match="numbers from 0 to 1023"):
        sample_of(sae, bed, [2000])
    dead = next(i for i in range(1024) if i not in set(sample_of(sae, bed).numbers))
    with pytest.raises(ValueError, match="fire too rarely"):
        sample_of(sae, bed, [dead])
    with pytest.raises(TypeError, match="use load_dictionary"):
        sample_of("topk", bed)
    assert isinstance(ExplainedLatent(1, 0.1, "", "", "x", failure="no").sentence(), str)
