import hashlib
import json

import fiducial.data.assets as assets_module
import pytest
from fiducial.data.assets import MANIFEST, asset, list_assets, register_asset


@pytest.fixture
def root(tmp_path):
    (tmp_path / "sae").mkdir()
    (tmp_path / "sae" / "cfg.json").write_text("{}")
    (tmp_path / "sae" / "w.bin").write_bytes(b"weights")
    (tmp_path / "model.bin").write_bytes(b"model")
    register_asset("toy/sae", tmp_path / "sae", kind="sae_lens", card={"seed": 1}, root=tmp_path)
    register_asset("toy/model", tmp_path / "model.bin", kind="transformer", card={}, root=tmp_path)
    return tmp_path


def test_names_lead_to_files_and_checksums(root):
    assert asset("toy/model", root) == root / "model.bin"
    assert asset("toy/sae", root) == root / "sae"
    entry = list_assets(root)["toy/sae"]
    assert entry["files"]["sae/w.bin"] == hashlib.sha256(b"weights").hexdigest()
    assert (entry["kind"], entry["card"]) == ("sae_lens", {"seed": 1})


def test_the_manifest_does_not_depend_on_the_order_of_registering(root):
    before = (root / MANIFEST).read_bytes()
    register_asset("toy/sae", root / "sae", kind="sae_lens", card={"seed": 1}, root=root)
    assert (root / MANIFEST).read_bytes() == before
    assert list(json.loads(before)) == ["toy/model", "toy/sae"]


def test_errors(root):
    with pytest.raises(KeyError, match="did you mean toy/model"):
        asset("toy/modle", root)
    with pytest.raises(KeyError, match="there are"):
        asset("zzzzzz", root)
    with pytest.raises(FileNotFoundError, match="nothing to register"):
        register_asset("x", root / "nothing", kind="k", card={}, root=root)
    with pytest.raises(ValueError, match="must lie below"):
        register_asset("x", root.parent, kind="k", card={}, root=root)
    (root / "empty").mkdir()
    with pytest.raises(ValueError, match="is empty"):
        register_asset("x", root / "empty", kind="k", card={}, root=root)
    (root / "sae" / "w.bin").write_bytes(b"weightz")
    with pytest.raises(ValueError, match=r"w\.bin has sha256"):
        asset("toy/sae", root)
    (root / "sae" / "w.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks .*w\.bin"):
        asset("toy/sae", root)
    (root / MANIFEST).write_text("{")
    with pytest.raises(ValueError, match="not valid JSON"):
        list_assets(root)
    assert list_assets(root / "empty") == {}


def test_files_are_hashed_once_a_process(root, monkeypatch):
    asset("toy/sae", root)
    monkeypatch.setattr(assets_module, "file_sha256", lambda path: pytest.fail("hashed again"))
    asset("toy/sae", root)


def test_skipping_the_checksum_would_be_noticed(root, monkeypatch):
    monkeypatch.setattr(assets_module, "file_sha256", lambda path: "0" * 64)
    with pytest.raises(ValueError, match="sha256"):
        asset("toy/sae", root)


def test_what_ships_is_what_the_manifest_says():
    for name in list_assets():
        assert asset(name).exists()
