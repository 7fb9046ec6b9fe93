"""What a sweep scores: SAEs x testbeds x seeds, read from a TOML file.

    out = "runs/sweep"                      # folder of results, beside the file; `-o` overrides it
    metrics = ["coverage", "tpp"]           # all by default, without SAEBench's tasks
    games = 200
    seeds = [0, 1]                          # of the games

    [[testbed]]
    name = "othello-6x6"
    saes = ["topk", "runs/zoo/*"]           # shipped names, folders or files, patterns, releases

    [[testbed]]
    name = "synthsaebench-64"
    saes = ["runs/worlds/*"]
    games = 100                             # here instead of above; likewise seeds and metrics

Paths are relative to the file. The unit of work is one SAE on one testbed with one seed.
"""

import glob
import hashlib
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..data.assets import asset, list_assets, path_sha256
from ..games.synthetic import Synthetic, named_config
from ..games.synthetic_sealed import sealed_world
from ..models.kinds import CONFIG_FILE, WEIGHTS_FILE
from ..models.toy_superposition import TOY_MODELS
from ..scoring import check_metrics
from ..suggestions import no_such_file
from ..testbed_catalogue import SEALED, SECRET_VARIABLE, check_testbed
from ..testbed_specs import SPECS
from .task import Place, SweepPlan, Task

_TOP = ("out", "metrics", "games", "seeds", "testbed")
_BED = ("name", "saes", "games", "seeds", "metrics", "kind")


def read_plan(path: str | Path, out: str | Path | None = None) -> SweepPlan:
    """A plan from a TOML file.

    Args:
        path: of the file.
        out: folder of the results, instead of the one that the file names.

    Raises:
        FileNotFoundError: no such file, or an SAE that is nowhere.
        KeyError: an unknown testbed, metric or entry; close names are suggested.
        ValueError: no TOML, entries of wrong types, or nothing to score.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"no file {path}{no_such_file(path)}; a sweep is described in a TOML file, see docs/sweeps.md"
        )
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no TOML: {error}") from None
    _known(content, _TOP, str(path))
    beds = content.get("testbed")
    if not isinstance(beds, list) or not beds or not all(isinstance(bed, dict) for bed in beds):
        raise ValueError(f"{path} names no testbed: it needs at least one [[testbed]] with a name and saes")
    tasks: list[Task] = []
    for bed in beds:
        tasks += _tasks({**{k: v for k, v in content.items() if k in ("metrics", "games", "seeds")}, **bed}, path)
    if not tasks:
        raise ValueError(f"{path} names no SAE")
    named_so: dict[tuple[Place, str], str] = {}
    for task in tasks:
        if named_so.setdefault((task.place, task.name), task.sae) != task.sae:
            raise ValueError(
                f"{path}: two SAEs named {task.name} on {task.place}, {named_so[task.place, task.name]} and "
                f"{task.sae}; name them in one [[testbed]], or rename a folder"
            )
    named = _typed(content, "out", str, str(path), f"{path.stem}-results")
    where = Path(out) if out is not None else path.parent / named
    return SweepPlan(tuple(dict.fromkeys(tasks)), where)


def _tasks(bed: Mapping[str, Any], path: Path) -> list[Task]:
    where = f"{path}, testbed {bed.get('name', '?')!r}"
    _known(bed, _BED, where)
    name = check_testbed(_typed(bed, "name", str, where))
    games = _typed(bed, "games", int, where, 200)
    if games < 8:
        raise ValueError(f"{where}: games must be at least 8, got {games}")
    seeds = _listed(bed, "seeds", int, where, [0])
    if any(seed < 0 for seed in seeds) or not seeds:
        raise ValueError(f"{where}: seeds must be at least one number, none below 0, got {seeds}")
    asked = _listed(bed, "metrics", str, where, []) or None
    metrics = tuple(check_metrics(asked))
    kind = _typed(bed, "kind", str, where, "") or None
    saes = _saes(_listed(bed, "saes", str, where, []), name, path, where, kind)
    truth, checksums = truth_of(name), {sae: path_sha256(Path(sae)) for sae in saes.values()}
    return [
        Task(Place(name, games, seed), sae, short, kind, checksums[sae], metrics, truth)
        for seed in dict.fromkeys(seeds)
        for short, sae in saes.items()
    ]


def truth_of(testbed: str) -> str:
    """Checksum of what a testbed is made of, so that results on another model or of another secret are others.

    Raises:
        ValueError: a sealed world without its secret in the environment.
    """
    if testbed in SPECS:
        spec, shipped = SPECS[testbed], list_assets()
        names = (spec.model, spec.probes, *spec.twin_dictionaries.values(), *spec.controls.values())
        facts: Any = {"game": spec.game().version, **{name: shipped[name]["files"] for name in names if name}}
    else:
        facts = _planted_version(testbed)
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _planted_version(testbed: str) -> str:
    if testbed.startswith(SEALED):
        secret = os.environ.get(SECRET_VARIABLE)
        if secret is None:
            raise ValueError(
                f"{testbed} is made from a secret of yours: put it into the environment as {SECRET_VARIABLE}"
            )
        return sealed_world(testbed.removeprefix(SEALED), secret).commitment
    if testbed in TOY_MODELS:
        return json.dumps(asdict(TOY_MODELS[testbed]), sort_keys=True)
    return Synthetic.version_of(named_config(testbed))


def _saes(named: Sequence[str], testbed: str, path: Path, where: str, kind: str | None) -> dict[str, str]:
    """SAEs by a short name; shipped ones first of all."""
    shipped = SPECS[testbed].dictionaries if testbed in SPECS else {}
    if not named:
        raise ValueError(f"{where} names no saes; shipped with it: {', '.join(shipped) or 'none'}")
    found: dict[str, str] = {}
    for one in named:
        if one in shipped:
            found[one] = str(asset(shipped[one]))
            continue
        matches = sorted(glob.glob(os.path.join(glob.escape(str(path.parent)), one)))
        if (path.parent / one).exists():  # a name may hold brackets
            matches = [str(path.parent / one)]
        matches = [match for match in matches if _looks_like_sae(Path(match))] if "*" in one else matches
        if not matches and ("*" in one or "/" not in one):
            close = get_close_matches(one, shipped, n=1)
            hint = f"did you mean {close[0]}?" if close else f"shipped are {', '.join(shipped) or 'none'}"
            raise FileNotFoundError(f"{where}: nothing at {one}, and no SAE of that name ships; {hint}")
        for match in (_whole(match) if kind != "safetensors" else match for match in matches or [one]):
            short = Path(match).name
            if found.get(short, match) != match:
                short = f"{Path(match).parent.name}-{short}"
            if found.get(short, match) != match:
                raise ValueError(f"{where}: {match} and {found[short]} would have one name, {short}")
            found[short] = match
    return found


def _whole(path: str) -> str:
    """The folder of a checkpoint of which one file was named: its other files are part of it, and of its checksum."""
    file = Path(path)
    beside = {WEIGHTS_FILE: CONFIG_FILE, CONFIG_FILE: WEIGHTS_FILE, "ae.pt": "config.json"}.get(file.name)
    return str(file.parent) if beside and file.is_file() and (file.parent / beside).is_file() else path


def _looks_like_sae(path: Path) -> bool:
    """Of what a pattern finds: folders of a checkpoint, and weights; other files lie beside them."""
    return path.is_dir() or path.suffix in (".safetensors", ".pt")


def _known(content: Mapping[str, Any], names: Sequence[str], where: str) -> None:
    for name in content:
        if name not in names:
            close = get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
            raise KeyError(f"{where} has an unknown entry {name!r}; {hint}")


def _typed(content: Mapping[str, Any], name: str, kind: type, where: str, default: Any = None) -> Any:
    value = content.get(name, default)
    if type(value) is not kind:
        raise ValueError(f"{where}: {name} must be {kind.__name__}, got {value!r}")
    return value


def _listed(content: Mapping[str, Any], name: str, kind: type, where: str, default: list[Any]) -> list[Any]:
    value = content.get(name, default)
    if not isinstance(value, list) or any(type(one) is not kind for one in value):
        raise ValueError(f"{where}: {name} must be a list of {kind.__name__}, got {value!r}")
    return value
