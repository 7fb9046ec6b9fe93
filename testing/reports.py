"""What a test calls an SAE, and where it stands -> Report; each is scored once, however many assertions ask."""

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..data.assets import asset
from ..evaluation import evaluate
from ..metrics import METRICS
from ..models.dictionary import Dictionary
from ..models.loading import load_dictionary
from ..models.sae_dictionary import SAEDictionary
from ..report import Report
from ..scoring import FAMILIES, FAMILY_OF, check_metrics
from ..suggestions import did_you_mean
from ..synthetic_testbed import SyntheticTestbed
from ..testbed_catalogue import AnyTestbed, Testbed
from .kept_testbed import kept_scores
from .session import current
from .truth import MEASURED, Truth, score_arrays

PROBED_ROWS = 256  # on which two states of one dictionary are told apart
_CONTEXT = ("l0", "dead_latents_error")  # cost nothing, and a failure is read beside them


def scored(
    sae: Any, where: Any = None, metrics: str | Sequence[str] = ("coverage",), *, seed: int | None = None
) -> Report:
    """The report on a dictionary; made once for every state of it and every testbed.

    Args:
        sae: a dictionary, a sae_lens SAE, a path or release, the name of an SAE that ships with the testbed, latents
            [N, L] beside a `Truth`, or a report or its JSON file.
        where: a testbed, the name of one, or a `Truth`. None for a report.
        metrics: names or families.
        seed: of the bootstrap; by default that of the testbed.

    Raises:
        KeyError: an unknown metric, testbed or SAE.
        TypeError: something that cannot be scored; the message says what can.
        ValueError: what cannot be asked there.
    """
    asked = check_metrics(metrics)
    report = _read_report(sae)
    if report is not None:
        return _with(report, asked, "the report holds no")
    if isinstance(where, str):
        where = current().testbed(where)
    if isinstance(where, Truth):
        made = score_arrays(sae, where, seed=current().seed if seed is None else seed)
        return _with(made, asked, f"arrays can be asked {', '.join(MEASURED)}, not")
    if not isinstance(where, Testbed | SyntheticTestbed):
        raise TypeError(
            f"say where it is scored: a testbed, the name of one, or Truth(labels, game_id); got {type(where).__name__}"
        )
    missing = [name for name in asked if not FAMILIES[FAMILY_OF[name]].fits(None, where)]
    if missing:
        raise ValueError(f"{where.name} cannot be asked {', '.join(missing)}; `fiducial metrics` says what each needs")
    return _scored_on(dictionary_of(sae, where), where, asked, where.seed if seed is None else seed)


def dictionary_of(sae: Any, bed: AnyTestbed | None = None) -> Dictionary:
    """Whatever a test calls an SAE, as a dictionary.

    Args:
        sae: as in `scored`.
        bed: whose shipped SAEs may be meant by name.

    Raises:
        FileNotFoundError: a path that is not there.
        KeyError: a name of no shipped SAE.
        TypeError: something else; the message says what it lacks.
    """
    if isinstance(sae, Dictionary):
        return sae
    with warnings.catch_warnings():  # of libraries, while they are imported: no suite of a user's can mend them
        warnings.simplefilter("ignore", DeprecationWarning)
        import sae_lens  # noqa: F401 - read below
    if isinstance(sae, str | Path):
        shipped = bed.spec.dictionaries if isinstance(bed, Testbed) else {}
        if isinstance(sae, str) and sae in shipped and not Path(sae).exists():
            return load_dictionary(asset(shipped[sae]), "sae_lens", name=sae)
        if isinstance(sae, str) and "/" not in sae and not Path(sae).exists():
            raise KeyError(_no_such_sae(sae, bed))
        return load_dictionary(sae)
    if any(base.__module__.startswith("sae_lens.") for base in type(sae).__mro__):
        return SAEDictionary(sae)
    lacks = [name for name in ("name", "latent_names", "directions", "encode", "decode") if not hasattr(sae, name)]
    raise TypeError(
        f"cannot score {type(sae).__name__} as a dictionary: it lacks {', '.join(lacks)}. Give a sae_lens SAE, a path, "
        "an object with these (see fiducial.models.dictionary.Dictionary), or latents beside Truth(labels, game_id)"
    )


def _no_such_sae(name: str, bed: AnyTestbed | None) -> str:
    shipped = list(bed.spec.dictionaries) if isinstance(bed, Testbed) else []
    where = bed.name if bed is not None else "no testbed"
    return f"no file or folder {name}, and no SAE of that name ships with {where}; {did_you_mean(name, shipped)}"


def _scored_on(dictionary: Dictionary, bed: AnyTestbed, asked: list[str], seed: int) -> Report:
    key = ("scored by a test", dictionary.name, _state(dictionary, bed), seed)
    known: Report | None = bed.cache.get(key)
    if known is not None and set(asked) <= set(known.scores):
        return known
    wanted = list(dict.fromkeys((*(known.scores if known else ()), *asked, *_CONTEXT)))
    made = evaluate(dictionary, bed, [m for m in METRICS if m in wanted], seed=seed, kept=kept_scores(bed))
    bed.cache[key] = made
    return _with(made, asked, f"{dictionary.name} on {bed.name} could not be asked")


def _state(dictionary: Dictionary, bed: AnyTestbed) -> str:
    """What tells an SAE from itself after more training: its weights, and what it does with some rows.

    Rows alone would not do: a threshold may move of a latent that fires at none of them.
    """
    x = bed.x[:PROBED_ROWS]
    digest = hashlib.sha256()
    for weight in _weights(dictionary):
        digest.update(f"{tuple(weight.shape)}".encode() + weight.detach().cpu().float().contiguous().numpy().tobytes())
    with torch.no_grad():
        try:
            latents = dictionary.encode(x)
            parts = (dictionary.directions, latents, dictionary.decode(latents))
        except (ValueError, RuntimeError):  # of another width: `evaluate` says so better
            parts = (dictionary.directions,)
    for part in parts:
        digest.update(part.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _weights(dictionary: Dictionary) -> list[torch.Tensor]:
    """Every tensor that a dictionary, or the module that it wraps, holds."""
    found: list[torch.Tensor] = []
    for one in (dictionary, *vars(dictionary).values()) if hasattr(dictionary, "__dict__") else ():
        if isinstance(one, torch.nn.Module):
            found += [value for _, value in sorted(one.state_dict().items()) if isinstance(value, torch.Tensor)]
        elif isinstance(one, torch.Tensor):
            found.append(one)
    return found


def _read_report(sae: Any) -> Report | None:
    if isinstance(sae, Report):
        return sae
    if isinstance(sae, str | Path) and str(sae).endswith(".json") and Path(sae).name != "cfg.json":
        return Report.from_json(sae)
    return None


def _with(report: Report, asked: Sequence[str], complaint: str) -> Report:
    missing = [name for name in asked if name not in report.scores]
    if missing:
        raise ValueError(f"{complaint} {', '.join(missing)}; there are {', '.join(report.scores)}")
    return report
