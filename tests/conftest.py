"""Shared settings: one thread, reproducible hypothesis, no network."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # workers of pytest-xdist share the cores

import pytest
import torch
from command_line import Done
from fiducial.cli import main
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # kernels run on a CPU; read when Triton is imported

settings.register_profile(
    "fiducial",
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("fiducial")
torch.set_num_threads(1)
threadpool_limits(1)  # plugins may have loaded numpy before the variable was set


def pytest_configure(config):
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:transformer_lens")


def pytest_collection_modifyitems(config, items):
    chosen = config.getoption("-m") or ""
    for item in items:
        if "slow" in item.keywords and "slow" not in chosen:
            item.add_marker(pytest.mark.skip(reason="slow; run with -m slow"))
        if "cuda" in item.keywords and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="NO CUDA DEVICE: this test did not run"))


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """The same entry point inside this process, which spares the imports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        return Done(int(end.value.code or 0), *capsys.readouterr())

    return call
