"""A release of nested folders, whole and with folders that are not what they should be."""

import json

import pytest
import torch
from fiducial.models.loading import load_dictionary
from fiducial.models.loading_folders import find_dictionaries

D, L = 4, 6
STATE = {
    "bias": torch.zeros(D),
    "encoder.weight": torch.ones(L, D),
    "encoder.bias": torch.zeros(L),
    "decoder.weight": torch.ones(D, L),
}


def write(folder, *, weights=True, dict_class="AutoEncoder", config=True):
    folder.mkdir(parents=True, exist_ok=True)
    trainer = {"dict_class": dict_class, "activation_dim": D, "dict_size": D if "Identity" in dict_class else L}
    if weights:
        torch.save(STATE, folder / "ae.pt")
    if config:
        (folder / "config.json").write_text(json.dumps({"trainer": trainer | {"layer": 5}, "buffer": {"ctx_len": 59}}))
    return folder


@pytest.fixture
def release(tmp_path):
    """As a published zip unpacks: one folder a trainer, other files between them."""
    root = tmp_path / "othello-trained_model-layer_5"
    for group in ("othello-standard", "othello-p_anneal"):
        for i in range(3):
            write(root / group / f"trainer{i}")
    (root / "othello-standard" / "f1_results.csv").write_text("a,b\n")
    (root / "othello-standard" / "trainer0" / "eval_results.json").write_text("{}")
    checkpoints = root / "othello-standard" / "trainer0" / "checkpoints"
    checkpoints.mkdir()
    torch.save(STATE, checkpoints / "ae_1000.pt")
    (root / "config.json").write_text("{}")
    return root


def test_every_dictionary_of_a_release_is_found_once(release):
    found = find_dictionaries(release)
    names = [f"othello-{kind}/trainer{i}" for kind in ("p_anneal", "standard") for i in range(3)]
    assert [name for name, _ in found] == names
    for name, path in found:
        assert path == release / name
        assert load_dictionary(path, name=name).directions.shape == (L, D)


def test_one_folder_is_a_release_of_one(release):
    ((name, path),) = find_dictionaries(str(release / "othello-standard" / "trainer1"))
    assert (name, path) == ("trainer1", release / "othello-standard" / "trainer1")


def test_identity_dictionaries_have_no_weights(tmp_path):
    write(tmp_path / "layer_0", weights=False, dict_class="Identity")  # the board-game release calls it so
    write(tmp_path / "layer_1", weights=False, dict_class="dictionary_learning.dictionary.IdentityDict")
    found = find_dictionaries(tmp_path)
    assert [name for name, _ in found] == ["layer_0", "layer_1"]
    x = torch.randn(3, D)
    for _, path in found:
        assert torch.equal(load_dictionary(path).encode(x), x)


def test_sae_lens_folders_are_found_too(tmp_path, release):
    ours = release / "ours"
    ours.mkdir()
    for file in ("cfg.json", "sae_weights.safetensors"):
        (ours / file).write_text("{}")
    assert ("ours", ours) in find_dictionaries(release)
    (ours / "cfg.json").unlink()
    with pytest.raises(ValueError, match=r"ours \(sae_weights.safetensors alone\)"):
        find_dictionaries(release)


def test_incomplete_folders_are_named(release):
    write(release / "bad" / "a", weights=False)
    write(release / "bad" / "b", config=False)
    (write(release / "bad" / "c") / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"3 of the folders.*bad/a \(no ae.pt\); bad/b \(ae.pt without config.json\)"):
        find_dictionaries(release)
    with pytest.warns(UserWarning, match=r"skipped 3 incomplete folders.*bad/c"):
        assert len(find_dictionaries(release, incomplete="skip")) == 6


def test_two_dictionaries_in_one_folder_are_never_guessed_at(release):
    (release / "othello-standard" / "trainer2" / "cfg.json").write_text("{}")
    for incomplete in ("refuse", "skip"):
        with pytest.raises(ValueError, match=r"trainer2 \(two dictionaries in one folder\)"):
            find_dictionaries(release, incomplete=incomplete)


def test_what_an_unzipping_leaves_behind_is_passed_over(release):
    write(release / "__MACOSX" / "trainer0", weights=False)
    write(release / ".cache" / "trainer0", weights=False)
    assert len(find_dictionaries(release)) == 6


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder at"):
        find_dictionaries(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        find_dictionaries(tmp_path / "file")
    with pytest.raises(FileNotFoundError, match="no dictionary below"):
        find_dictionaries(tmp_path)
    with pytest.raises(ValueError, match="incomplete must be"):
        find_dictionaries(tmp_path, incomplete="ignore")
