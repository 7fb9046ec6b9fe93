"""Commands about what a model uses, and the paper on IOI, on the command line."""

import json

from command_line import assert_refused


def test_find_sites_names_the_site_of_the_tiny_model(tmp_path, run):
    done = run("find-sites", "-t", "ioi-tiny", "-a", "Pos", "-n", "24", "-o", "sites", "-q")
    assert done.returncode == 0, done.stderr
    assert "L0 resid@s2" in done.stdout
    found = json.loads((tmp_path / "sites" / "sites-Pos.json").read_text())
    assert found["attribute"] == "Pos"
    assert any(site["name"] == "L0 resid@s2" and site["moves"] for site in found["sites"])


def test_what_makes_no_sense_is_refused_in_one_line(run, tmp_path):
    assert_refused(run("find-sites", "-t", "ioi-tiny", "-a", "IQ"), "IQ", "IO")
    assert_refused(run("find-sites", "-t", "hierarchy-toy"), "without a model")
    assert_refused(run("find-sites", "-t", "ioi-tiny", "--sae", "x"), "--layer")
    assert_refused(run("find-sites", "--model", str(tmp_path)), "config.json")
    assert_refused(run("control", "-t", "ioi-tiny"), "no board")
    assert_refused(run("control", "-t", "othello-6x6", "--layers", "two", "-n", "8"), "'one' or 'from'")
    assert_refused(run("causes", "-t", "ioi-tiny"), "no board")
    assert_refused(run("causes", "-t", "othello-6x7"), "othello-6x6")
    assert_refused(run("reproduce", "makelov2024", "-t", "othello-6x6"), "no IOI prompts", "ioi-tiny")
    assert_refused(run("reproduce", "makelov2024", "--layer", "1"), "--layer", "karvonen2024")
    assert_refused(run("reproduce", "makelov2024", "--positions", "all"), "--positions", "karvonen2024")
    assert_refused(run("reproduce", "karvonen2024", "--steps", "5"), "--steps", "makelov2024")
    assert_refused(run("find-sites", "-t", "ioi-tiny", "--sae", "x", "--layer", "1"), "--layer must be below 1")
    assert_refused(run("score", "nowhere", "-t", "ioi-tiny", "--site", "L0 z@end"), "nowhere")
    assert_refused(run("train-model", "ioi-tiny", "-n", "100"), "steps")


def test_the_world_of_prompts_is_listed_sampled_and_captured(tmp_path, run):
    assert "ioi-tiny-3" in run("testbeds").stdout
    assert "IO is" in run("features", "ioi-tiny").stdout
    shown = run("sample", "ioi-tiny", "-n", "3")
    assert shown.returncode == 0, shown.stderr
    assert len(shown.stdout.split()) > 18
    done = run("capture", "-t", "ioi-tiny-1", "-n", "8", "-o", "rows.h5", "-q")
    assert done.returncode == 0, done.stderr
    assert "x 64" in done.stdout
