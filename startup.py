"""What a run does before the libraries that take ten seconds to import: refuse slips of the pen, sample the games.

A thread that imports meanwhile was tried: importing holds the interpreter, so that it only kept the games waiting.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from .games import Transcripts
from .models.kinds import kind_of
from .suggestions import did_you_mean, either, nearby
from .testbed_specs import SPECS

LIBRARIES = ("torch", "transformer_lens.model_bridge", "sae_lens")


def check_saes(saes: Sequence[str], testbed: str, kind: str | None = None) -> None:
    """Refuse what is neither a file, a folder, a release nor a shipped SAE of the testbed.

    Raises:
        FileNotFoundError: nothing there, or a part of it is missing.
        ValueError: files that are no dictionary, or an unknown kind.
    """
    shipped = SPECS[testbed].dictionaries if testbed in SPECS else {}
    for sae in saes:
        if sae in shipped and not Path(sae).exists():
            continue
        if "/" not in sae and not Path(sae).exists():
            raise no_such_sae(sae, testbed)
        kind_of(sae, kind)


def no_such_sae(sae: str, testbed: str) -> FileNotFoundError:
    """The error for a name that is neither a path nor an SAE that ships with a testbed; says what is near."""
    shipped = SPECS[testbed].dictionaries if testbed in SPECS else {}
    elsewhere = [name for name, spec in SPECS.items() if sae in spec.dictionaries]
    if elsewhere:
        hint = f"{sae} ships with {either(elsewhere)}: say -t {elsewhere[0]}"
    elif near := nearby(sae):
        hint = f"did you mean {either(near)}?"
    else:
        hint = did_you_mean(sae, shipped)
    return FileNotFoundError(f"no file or folder {sae}, and no SAE of that name ships with {testbed}; {hint}")


def known_metrics(names: Sequence[str] | None) -> bool:
    """Whether all are names of metrics; names of families are left to `check_metrics`, which takes the libraries."""
    if names is None:
        return True
    from .metrics import METRICS

    return all(name in METRICS for name in names)


def sampled(testbed: str, n_games: int, seed: int) -> Transcripts | None:
    """The games of a shipped testbed around a model, with a bar; None for other testbeds, which make their own."""
    if testbed not in SPECS:
        return None
    from tqdm.auto import tqdm

    with tqdm(total=n_games, disable=None, unit="game", desc="games") as bar:
        transcripts = SPECS[testbed].sample(n_games, seed)
        bar.update(n_games)
    return transcripts


def import_libraries() -> None:
    """Import what models and SAEs are made of, with a bar, since it takes longer than anything before it."""
    from tqdm.auto import tqdm

    for name in (bar := tqdm(LIBRARIES, disable=None, leave=False, desc="libraries", unit="library")):
        bar.set_postfix_str(name.partition(".")[0])
        import_module(name)
