"""What the tests of this suite share: an SAE that is trained anew, as yours would be in your own suite."""

import fiducial as fd
import pytest


@pytest.fixture(scope="session")
def toy_sae(synthetic_worlds):
    """A TopK SAE trained for a few seconds on rows that the scored sample does not hold."""
    rows = synthetic_worlds(games=400, seed=1).x
    return fd.train_sae("topk", rows, n_latents=64, k=4, samples=150_000, seed=0, name="toy", progress=False)


@pytest.fixture(scope="session")
def untrained_sae(synthetic_worlds):
    """The same after a few steps: what a broken training run leaves behind."""
    rows = synthetic_worlds(games=400, seed=1).x
    return fd.train_sae("topk", rows, n_latents=64, k=4, samples=2_048, seed=0, name="untrained", progress=False)
