"""Judges judged on planted latents: what is known of them must come out."""

from dataclasses import replace

import numpy as np
import pytest
from fiducial.judging import against_truth
from fiducial.judging.against_truth import judge_populations
from fiducial.judging.model_judges import Failing, Repeating
from fiducial.judging.more_columns import ScriptedTranslator, saebench, saebench_exams
from fiducial.judging.populations import planted
from fiducial.judging.result import JudgesJudged
from fiducial.judging.sampling import overlap_of_leak
from fiducial.metrics.llm.facts import Facts
from fiducial.metrics.llm.nouns import Example, Explanation, Question
from fiducial.metrics.llm.predicate import And, Atom, Not
from fiducial.metrics.llm.predicate_judge import PredicateJudge

GAMES, LENGTH, F = 120, 24, 40


@pytest.fixture(scope="module")
def facts() -> Facts:
    """Facts that last for some positions of a game, as on a board."""
    rng = np.random.default_rng(0)
    n = GAMES * LENGTH
    rate = rng.uniform(0.05, 0.3, F)
    fresh = rng.random((n, F)) < rate
    held = fresh.copy()
    for row in range(1, n):
        stays = rng.random(F) < (0.5 if row % LENGTH else 0.0)
        held[row] = np.where(stays, held[row - 1], fresh[row])
    return Facts(
        tuple(f"fact {i:02d}" for i in range(F)),
        np.packbits(held, axis=1, bitorder="little"),
        np.repeat(np.arange(GAMES), LENGTH),
        np.tile(np.arange(LENGTH), GAMES),
        np.repeat(np.arange(GAMES) % 2 == 0, LENGTH),
        {"ply": np.tile(np.arange(LENGTH), GAMES)},
    )


@pytest.fixture(scope="module")
def made(facts, tmp_path_factory) -> JudgesJudged:
    out = tmp_path_factory.mktemp("kept")
    return judge_populations([planted(facts, n=12)], facts, name="small", n_examples=30, n_reseeds=3, out=out)


def test_meanings_score_one_and_strangers_at_chance(made):
    meant = made.some(lambda row: row["variant"] == "as meant")
    exact = [row for row in meant if row["latent"] % 4 != 3]  # the others fire at random now and then
    assert len(exact) == 9
    for row in exact:
        assert row["f1"] == 1.0
        assert row["scores"]["detection"] == 1.0
        assert row["scores"]["natural F1"] == 1.0
        assert row["scores"]["simulation"] > 0.7  # it says where, not how strongly
    assert all(0.6 < row["f1"] < 1 for row in meant if row["latent"] % 4 == 3)
    always = made.some(lambda row: row["variant"] == "always true")
    assert {row["scores"]["detection"] for row in always} == {0.5}
    strangers = made.column("detection", made.some(lambda row: row["variant"] == "shuffled"))
    assert abs(np.nanmean(strangers) - 0.5) < 0.12


def test_truth_falls_along_the_doses(made):
    doses = {row["share"]: row for row in made.doses()}
    assert made.doses()[0]["n"] == 0  # only planted latents here, and doses are drawn from trained ones
    meant = np.nanmean(made.column("f1", made.some(lambda row: row["variant"] == "as meant")))
    spoilt = np.nanmean(made.column("f1", made.some(lambda row: row["variant"] == "dose 1")))
    assert spoilt < 0.5 < meant
    assert set(doses) == {0.0, 0.25, 0.5, 0.75, 1.0}


def test_scores_agree_with_the_truth_and_scrambled_ones_do_not(made):
    found = made.agreement()
    assert found["detection"]["all"].low > 0.3
    assert found["detection"]["within"].value > 0.3
    order = np.random.default_rng(0).permutation(len(made.records))
    scrambled = tuple({**row, "scores": made.records[i]["scores"]} for row, i in zip(made.records, order, strict=True))
    broken = JudgesJudged(scrambled, made.sampling, made.reseeds, made.robustness, made.about)
    assert abs(broken.agreement()["detection"]["all"].value) < 0.25


def test_errors_of_judges_shrink_scores_as_predicted(made):
    rows = {row["error"]: row for row in made.judge_errors()}
    assert set(rows) == {0.1, 0.2}
    for row in rows.values():
        assert row["off"] == pytest.approx(0, abs=0.03)
    assert rows[0.2]["seen"] < made.column("detection").mean()


def test_an_interrupted_run_goes_on(facts, tmp_path, monkeypatch):
    population = planted(facts, n=4)
    settings = {"name": "small", "n_examples": 10, "n_reseeds": 2, "out": tmp_path}
    first = judge_populations([population], facts, **settings)
    monkeypatch.setattr(against_truth, "_part", None)  # would fail if it were asked again
    assert judge_populations([population], facts, **settings).records == first.records
    with pytest.raises(ValueError, match="made with another examples"):
        judge_populations([population], facts, **{**settings, "n_examples": 11})
    (tmp_path / "planted.json").write_text("{")
    with pytest.raises(ValueError, match="delete it"):
        judge_populations([population], facts, **settings)


def test_result_round_trips_and_draws(made, tmp_path):
    made.to_json(tmp_path / "found.json")
    again = JudgesJudged.from_json(tmp_path / "found.json")
    again.to_json(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "found.json").read_bytes()
    made.plot(tmp_path / "found.png")
    assert (tmp_path / "found.png").stat().st_size > 20_000
    made.table()
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(ValueError, match="no judged judges"):
        JudgesJudged.from_json(tmp_path / "bad.json")


def test_every_sampling_is_asked_and_the_leak_is_a_leak(made, facts):
    rows = made.samplings()
    assert len(rows) == 10  # four samplings with and without contrast, and two with the leak
    assert 0 < overlap_of_leak(planted(facts, n=4), facts) < 1


def test_failures_are_dropped_or_wrong_and_repeats_cost(made):
    rows = {row["setting"]: row for row in made.robustness}
    assert rows["1, repeats 0.2"]["detection"] == rows["1"]["detection"]  # nothing comes before an only example
    assert rows["20, repeats 0.2"]["detection"] < rows["20"]["detection"] - 0.05
    assert rows["0.2 of any: drop"]["scored"] <= 2  # more than 5 % failed: no score, whatever the policy
    assert rows["0.03 of any: drop"]["failed"] > 0


def test_model_judges_by_hand(facts):
    explanation = Explanation(0, "fact 00", Atom("fact 00"))
    rows = np.flatnonzero(facts.column("fact 00"))[:3].tolist() + np.flatnonzero(~facts.column("fact 00"))[:3].tolist()
    question = Question(
        0, explanation, tuple(Example((row,), (1.0,), i < 3) for i, row in enumerate(rows)), "detection"
    )
    honest = PredicateJudge(facts)
    assert honest.answer([question])[0].values == (1, 1, 1, 0, 0, 0)
    assert Repeating(honest, 1.0).answer([question])[0].values == (1,) * 6
    assert Repeating(honest, 0.0).answer([question])[0].values == (1, 1, 1, 0, 0, 0)
    assert Failing(honest, 1.0).answer([question])[0].failure == "no answer"
    silent = Question(0, explanation, question.examples[3:], "detection")
    assert not Failing(honest, 1.0, only_hard=True).answer([silent])[0].failure


def test_translators_are_wrong_at_their_rate_and_cost_what_they_get_wrong(made, facts):
    meant = made.some(lambda row: row["variant"] == "as meant")
    all_right = [row for row in made.records if row["f1"] is not None]
    for wrong in (0.1, 0.3):
        name = f"parse-then-execute | wrong {wrong:g}"
        differs = np.mean([row["scores"][name] != row["f1"] for row in all_right])
        # of about 100 different explanations: SE of .3 is .046; some that are wrong have the same F1
        assert differs == pytest.approx(wrong, abs=0.12)
    assert made.agreement()["parse-then-execute | wrong 0.1"]["all"].value > 0.8
    right = [Explanation(i, f"fact {i:02d}", Atom(f"fact {i:02d}")) for i in range(30)]
    assert [one.predicate for one in ScriptedTranslator(facts, 0.0).translate(right)] == [o.predicate for o in right]
    for one, before in zip(ScriptedTranslator(facts, 1.0).translate(right), right, strict=True):
        assert one.predicate != before.predicate
        assert one.text == before.text
    silent = Explanation(0, "", failure="no")
    assert ScriptedTranslator(facts, 1.0).translate([silent]) == [silent]
    assert len(meant) == 12


def test_saebench_scores_who_says_no_at_ten_of_fourteen(facts):
    population = planted(facts, n=4)
    exams = saebench_exams(population, facts)
    never = Explanation(0, "never", And((Atom("fact 00"), Not(Atom("fact 00")))))
    one = next(iter(population.latents))
    found = saebench([replace(never, latent=one)], exams, PredicateJudge(facts))
    assert found["SAEBench"] == [pytest.approx(10 / 14)]
    assert found["SAEBench, mended"] == [0.5]
    meant = [Explanation(n, "as meant", p) for n, p in population.meaning.items()]
    exact = saebench(meant, exams, PredicateJudge(facts))
    assert exact["SAEBench, mended"][:3] == [1.0] * 3  # the fourth fires at random now and then
    fires = sum(any(v > 0 for v in e.values) for e in exams[0][one] if not e.active)
    assert exact["SAEBench"][0] == pytest.approx(1 - fires / 14)  # random windows are not looked at, and hold it too


def test_values_that_exclude_each_other_are_planted_alone():
    value = np.random.default_rng(0).integers(0, 10, 2000)
    games = np.arange(2000) // 20
    labels = np.packbits(value[:, None] == np.arange(10), axis=1, bitorder="little")
    names = tuple(f"name is {i}" for i in range(10))
    found = planted(Facts(names, labels, games, np.arange(2000) % 20, games % 2 == 0), n=8)
    assert len(found.latents) == 8
    assert {type(one).__name__ for one in found.meaning.values()} == {"Atom", "Or"}  # no two values hold at once
