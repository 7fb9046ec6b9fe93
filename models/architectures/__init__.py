"""SAE architectures that sae_lens lacks, registered in its registries so that its trainer and loader know them.

To add one, write a file here with

1. a training class and its config (subclass `TrainingSAE` and `TrainingSAEConfig`, or the nearest of sae_lens's own),
   with the loss equation, its source, and every difference from the released code in the module's docstring;
2. an inference class and config, unless an inference class of sae_lens computes the same function, in which case the
   config's `get_inference_config_class` names it;
3. a function `register()` that calls sae_lens's `register_sae_class` and `register_sae_training_class`;

then list the module in `_MODULES` and its recipe in `training.ARCHITECTURES`. One outside of this package calls
sae_lens's two functions and `register_architecture` itself; see docs/extending/architecture.md. Nothing is imported
before it is asked for, because sae_lens takes seconds to import.

Loading calls `register` (models/loading_sae_lens.py), and so does training; a program that reads such a folder with
sae_lens alone calls it first.

A training class with further biases in activation space names all of them in `input_biases`, by default ("b_dec",):
training happens on centred rows, and the mean is added to each of them afterwards.
"""

from importlib import import_module
from importlib.metadata import entry_points

ENTRY_POINTS = "fiducial.architectures"  # packages name here, in their metadata, functions that register theirs
_MODULES: tuple[str, ...] = ("unit_norm", "p_anneal", "gated_anneal", "switch")
_registered: set[str] = set()


def register() -> None:
    """Make the architectures of this folder known to sae_lens; does nothing the second time."""
    for module in _MODULES:
        if module not in _registered:
            import_module(f".{module}", __name__).register()
            _registered.add(module)
    load_packages()


def load_packages() -> None:
    """Let other packages register theirs; each once.

    Raises:
        ValueError: one of them fails.
    """
    for point in entry_points(group=ENTRY_POINTS):
        if point.value not in _registered:
            try:
                point.load()()
            except Exception as error:
                raise ValueError(f"the architecture {point.name!r}, which is {point.value}, fails: {error}") from error
            _registered.add(point.value)
