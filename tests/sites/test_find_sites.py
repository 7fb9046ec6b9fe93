import json
import math

import numpy as np
import pytest
import torch
from fiducial.games.ioi import IOI
from fiducial.games.othello import Othello
from fiducial.models.attribution import patch
from fiducial.models.nodes import CrossSection, Node
from fiducial.models.patch_pairs import pairs_of_counterfactuals, pairs_of_positions, pairs_of_prompts
from fiducial.models.transformers import TransformerConfig, build_transformer
from fiducial.sites.find_sites import find_sites
from fiducial.sites.find_sites_boards import attribute_values, edit_on_board, fit_board_dictionaries, square_values

from .planted_ioi import planted_ioi


@pytest.fixture(scope="module")
def game():
    return IOI()


@pytest.fixture(scope="module")
def report(game):
    return find_sites(
        planted_ioi(game), IOI(task="plain"), "IO", n_pairs=16, n_checked=8, n_features=1000, n_test=80, seed=1
    )


@pytest.fixture(scope="module")
def board():
    othello = Othello(4)
    config = TransformerConfig(2, 16, 2, 24, othello.n_positions, 13)
    model = build_transformer(config, seed=5).eval()  # happens to prefer the sources' moves on the sources
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.mul_(6)
    return model, othello


def test_what_was_planted_is_found(report):
    assert report.components[0].node in ("L0 resid@end", "L0H0 z@end")
    top = {component.node for component in report.components[:3]}
    assert {"L0 resid@end", "L0H0 z@end"} <= top
    sites = {site.name: site for site in report.sites}
    assert sites["L0H0 z@end"].moves
    assert sites["L0H0 z@end"].qualification.attribute == "IO"
    stream = sites["L0 resid@end"]
    assert stream.recovered == pytest.approx(1, abs=1e-3)
    assert stream.qualification.qualified, stream.qualification.reason
    # Nothing reads queries of other places, keys are fixed by position.
    assert not any(site.name.startswith(("L0 q", "q@", "k@")) for site in report.sites)
    assert report.section("L0H0 z@end") == CrossSection("L0H0 z@end", (Node.parse("L0H0 z@end"),))
    with pytest.raises(KeyError, match="no site 'L9 z@end'"):
        report.section("L9 z@end")


def test_values_of_the_right_name_carry_it(report):
    found = next(site for site in report.sites if site.nodes == ("L0H0 v@io",))
    assert found.moves


def test_checked_components_have_both_figures(report):
    checked = [component for component in report.components if component.patched is not None]
    assert len(checked) == 8
    assert report.rank_correlation > 0.8
    for component in checked:
        assert component.recovered == pytest.approx(component.patched / (checked[0].patched / checked[0].recovered))


def test_report_as_text_and_json(report, tmp_path):
    text = report.table()
    assert "L0H0 z@end" in text
    assert "qualified" in text
    report.save(tmp_path / "sites.json")
    read = json.loads((tmp_path / "sites.json").read_text())
    assert read["sites"][0]["name"] == report.sites[0].name
    assert read["sites"][0]["nodes"] == list(report.sites[0].nodes)
    assert "NaN" not in (tmp_path / "sites.json").read_text()


def test_an_attribute_that_the_model_ignores_is_said_so(game):
    with pytest.raises(ValueError, match="does not follow Pos"):
        find_sites(planted_ioi(game), game, "Pos", n_pairs=10)


def test_given_pairs_and_growth(game):
    """Two heads share the work, so a site of both grows from one."""
    model = planted_ioi(game)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("attn._original_component.o._original_component.weight"):
                weight[:, 128:] = weight[:, :128]  # head 1 copies as well, from where head 0 does
            if name.endswith(("q._original_component.bias",)):
                weight[128] = weight[0]
            if name.endswith("k._original_component.weight"):
                weight[128] = weight[0]
    base = game.prompts(40, 0, task="plain", patterns=("ABB",))
    pairs = pairs_of_prompts(base, game.counterfactuals_of(base, "IO", 0), "IO")
    report = find_sites(model, pairs, n_pairs=20, roles=("z",), enough=0.9)
    (site,) = [site for site in report.sites if site.moves]
    assert site.nodes == ("L0H0 z@end", "L0H1 z@end")
    assert site.name == "z@end: L0H0+L0H1"
    assert site.qualification is None
    assert site.features is None


def test_boards(board):
    model, othello = board
    report = find_sites(model, othello, "square", n_pairs=12, n_checked=4, n_features=60, least=0.0)
    assert report.game == "othello-4x4"
    assert {Node.parse(component.node).position for component in report.components} == {"move"}
    assert len(report.components) == 2 * (4 * 2 + 2)
    assert report.sites
    for site in report.sites:
        assert math.isfinite(site.features.edited)
        assert site.features.n_pairs == 12
        assert "random direction" in report.table()


def test_board_features_are_the_edit_by_hand(board):
    model, othello = board
    node = Node.of("resid", 1, "move")
    results = edit_on_board(model, othello, [CrossSection(node.name, (node,))], n_games=80, n_pairs=15, seed=2)
    found = othello.counterfactuals(15, 2 + 1_000_003)
    pairs = pairs_of_counterfactuals(found)
    names, _, column = square_values(othello, found)
    assert all(name.startswith("state of") for name in names)
    dictionary = fit_board_dictionaries(model, othello, [node], names, n_games=80, seed=2)[node]
    transcripts = othello.label(found.base)
    labels = transcripts.bool_labels()[np.arange(15), found.base_position]
    after = attribute_values(othello, labels, names)
    assert not labels[np.arange(15), found.feature].any()
    base = torch.stack([torch.zeros(16)] * 15)
    by_name = {name: i for i, name in enumerate(dictionary.latent_names)}
    for row in range(15):
        new = othello.features[int(found.feature[row])].name
        old = othello.features.variables[names[column[row]]][after[names[column[row]]][row]]
        base[row] += dictionary.directions[next(i for n, i in by_name.items() if n.endswith(f"={new}"))]
        base[row] -= dictionary.directions[
            next(i for n, i in by_name.items() if n.endswith(f"={othello.features[old].name}"))
        ]
    from fiducial.models.nodes import read_nodes, run_patched

    before = read_nodes(model, found.base, pairs.base_positions, [node])[node]
    moved = run_patched(model, found.base, pairs.base_positions, {node: before + base}, at="move")
    clean = run_patched(model, found.base, pairs.base_positions, {}, at="move")
    expected = float((pairs.score(moved.double()) - pairs.score(clean.double())).mean())
    assert results[node.name].edited == pytest.approx(expected, abs=1e-4)
    full = patch(model, pairs, [node])[node.name].mean()
    assert results[node.name].patched == pytest.approx(full, abs=1e-4)


def test_pairs_of_positions_differ_in_what_is_allowed():
    from fiducial.games.position_pairs import position_pairs

    othello = Othello(4)
    transcripts = othello.sample(300, 0)
    found = position_pairs(othello, transcripts, n=40, seed=0)
    pairs = pairs_of_positions(othello, transcripts, found)
    assert 0 < len(pairs) <= len(found)
    for row in range(min(10, len(pairs))):
        sides = []
        for tokens, positions in ((pairs.base, pairs.base_positions), (pairs.source, pairs.source_positions)):
            allowed = othello.allowed(tokens[row : row + 1])[0, positions["move"][row]]
            sides.append(set(np.flatnonzero(allowed)))
        assert set(pairs.towards[row]) - {-1} == sides[1] - sides[0]
        assert set(pairs.away[row]) - {-1} == sides[0] - sides[1]


def test_wrong_settings(board):
    model, othello = board
    with pytest.raises(ValueError, match="enough must lie"):
        find_sites(model, othello, enough=1.5)
    with pytest.raises(ValueError, match="n_pairs"):
        find_sites(model, othello, n_pairs=0)
    with pytest.raises(KeyError, match="no role 'mpl'"):
        find_sites(model, othello, roles=("mpl",))
    with pytest.raises(ValueError, match="dictionary_layer"):
        find_sites(model, othello, dictionary_layer=0)
