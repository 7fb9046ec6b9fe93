"""What is said of explained latents: reasons beside every score that is missing, in any width."""

import io
from math import nan

import pytest
from fiducial.explaining.kept import Kept
from fiducial.explaining.page import page
from fiducial.explaining.result import Explained, ExplainedLatent
from fiducial.explaining.summary import summaries
from fiducial.explaining.table import executed, said, table
from rich.console import Console

LOST = "{} of {} examples failed, most often: no list"


def explained(n, f1=0.5, value=0.8, undefined="", answers=None):
    exact = dict.fromkeys(("precision", "recall", "f1"), (f1, f1 - 0.1, f1 + 0.1))
    latents = tuple(
        ExplainedLatent(
            i,
            0.1,
            f"mine on a{i + 1}",
            f"mine on a{i + 1}",
            "predicate",
            exact=exact,
            scores={
                "detection": {
                    "value": value,
                    "null": nan,
                    "failed": answers or {},
                    "undefined": undefined.format(i + 9, i + 9),
                    "judge": {},
                }
            },
        )
        for i in range(n)
    )
    settings = {"explainer": "p", "judge": "j", "sampling": "quantile", "negatives": "random"}
    return Explained("topk", "bed", latents, summaries(latents, ["detection"], n_resamples=20), {}, settings)


def printed(found, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(table(found))
    return console.file.getvalue()


def test_a_single_latent_has_neither_null_nor_interval():
    found = explained(1)
    assert said(found)[0].startswith("1 latent explained")
    assert any("cannot be shuffled" in line for line in said(found))
    assert "[0.800" not in printed(found, 120)
    assert "[0.800" not in page(found)
    assert "[0.800, 0.800]" in printed(explained(2), 120)
    assert not any("cannot be shuffled" in line for line in said(explained(2)))


def test_missing_scores_have_their_reasons_put_together():
    found = explained(3, value=nan, undefined=LOST, answers={"no list": 4, "status 500": 1})
    lines = said(found)
    assert "detection has no value for 3 of 3 latents: 3 too many answers failed, most often: no list" in lines
    assert "detection: answers that are not scored: 12 no list; 3 status 500" in lines
    assert all(f"{line}." in page(found) for line in lines[1:])


def test_numbers_are_whole_in_eighty_columns():
    text = printed(explained(3), 80)
    assert "…" not in text.partition("fires when")[2]
    for number in ("0.800", "0.500", "[0.400,", "0.600]"):
        assert number in text


def test_what_was_executed():
    assert executed(explained(4)) == (0.5, (0.5, 0.5, 0.5), 0.5, 0)
    mean, quartiles, precision, without = executed(explained(2, f1=nan))
    assert [mean, *quartiles, precision] == pytest.approx([nan] * 5, nan_ok=True)
    assert without == 2
    assert "executed F1" in page(explained(2, f1=nan))


def test_the_file_of_another_run_says_what_differs(tmp_path):
    path = tmp_path / "latents.jsonl"
    Kept(path, {"judge": "predicate", "per_question": 5, "how": {"judge": {}}}).add(list(explained(1).latents))
    with pytest.raises(ValueError, match=r"with other endpoint or parameters, other judge \(predicate, here m\): take"):
        Kept(path, {"judge": "m", "per_question": 5, "how": {"judge": {"seed": 1}}})
