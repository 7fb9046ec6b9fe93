"""Testbeds whose games, activations, fitted references and scores of floors and ceilings outlive a test run.

Making them anew costs a quarter of a minute on the smallest board and minutes of chess; a test suite asks for them in
every run. They are kept as they were computed, in float32, so that scores are those of `fiducial.evaluate` to the last
digit. The model itself is loaded only when something asks it, such as scores of behaviour.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from ..data.activations import LabelledActivations
from ..data.assets import asset, list_assets
from ..evaluation import KeptScores
from ..games import Transcripts
from ..games.synthetic import Synthetic, SyntheticConfig
from ..games.synthetic_rows import PlantedWorld
from ..model_testbed import TWIN_SEED, Testbed
from ..models.capture import model_sha256
from ..models.transformers import TransformerConfig, build_transformer, load_transformer
from ..provenance import provenance
from ..references import Later, References
from ..scoring import Scores
from ..supervised_dicts.dictionary import SupervisedDictionary
from ..sweeps.shared import SharedScores
from ..synthetic_testbed import SyntheticTestbed
from ..testbed_catalogue import SEALED, SPECS, AnyTestbed, check_testbed, testbed
from ..testbed_specs import DEFAULT_TESTBED, TestbedSpec
from .store import Store

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

    from .store import Arrays

KEPT = "kept scores of floors and ceilings"  # where a testbed's cache holds them
CODE = ("games", "data", "models", "supervised_dicts", "metrics", "sites", "tasks")  # folders
MODULES = (
    *("evaluation.py", "references.py", "scoring.py", "subject.py", "behaviour.py", "model_testbed.py"),
    *("synthetic_testbed.py", "testbed_catalogue.py", "testbed_specs.py", "report.py", "report_compare.py"),
    *("provenance.py", "sweeps/shared.py", "testing/kept_testbed.py"),
)
_FITTED = ("probes", "least squares")
_TENSORS = ("weights", "biases", "cuts", "directions", "offset", "constant", "converged", "l2")


class KeptTestbed(Testbed):
    """A testbed whose games and activations are kept; the model is loaded when something asks it.

    Args:
        spec: of the testbed.
        config: shape of the model.
        make_model: loads or makes it.
        facts: everything that captures depend on.
        store: where they are kept.
        name: of the testbed.
        n_games: games to score on.
        seed: of the games.
        device: torch device.
        transcripts: the games, if they are known.
    """

    def __init__(
        self,
        spec: TestbedSpec,
        config: TransformerConfig,
        make_model: "Callable[[], TransformerBridge]",
        facts: Mapping[str, Any],
        store: Store,
        *,
        name: str,
        n_games: int,
        seed: int,
        device: str = "cpu",
        transcripts: Transcripts | None = None,
    ) -> None:
        later: Any = None  # the model: see below
        game = spec.game()
        super().__init__(
            name, game, later, config, spec, n_games=n_games, seed=seed, device=device, transcripts=transcripts
        )
        del self.__dict__["model"]
        self._make_model, self._store = make_model, store
        self._facts = {**facts, "game": game.name, "rules": game.version, "games": n_games, "seed": seed}

    @cached_property
    def model(self) -> "TransformerBridge":  # type: ignore[override]
        """The model, once something asks it."""
        return self._make_model()

    @cached_property
    def transcripts(self) -> Transcripts:  # type: ignore[override]
        """The games, with their truth; kept."""

        def make() -> "Arrays":
            made = self.spec.sample(self.n_games, self.seed, self.game)
            return {"tokens": made.tokens, "labels": made.labels, "scored": made.scored, "ply": made.ply}

        facts = {key: value for key, value in self._facts.items() if key != "model"}
        kept: dict[str, Any] = self._store.arrays("games", {**facts, "vocabulary": self.game.features.digest}, make)
        return Transcripts(
            **kept, features=self.game.features, game=self.game.name, version=self.game.version, seed=self.seed
        )

    @cached_property
    def activations(self) -> LabelledActivations:  # type: ignore[override]
        """Activations at the hook point with the labels of every scored position; kept."""
        found = self._captured("activations", self.hook, sha256=True)
        self.cache["sha256"] = str(found.pop("model_sha256"))
        return self._labelled(found, self.hook)

    @cached_property
    def neurons(self) -> torch.Tensor:  # type: ignore[override]
        """MLP neurons of the same block at the same positions, float32 [N, d_mlp]; kept."""
        return torch.from_numpy(self._captured("neurons", self.spec.neuron_hook)["activations"])

    @cached_property
    def twin(self) -> "KeptTestbed":  # type: ignore[override]
        """The same games played into a randomly initialised model of the same shape."""
        return KeptTestbed(
            self.spec,
            self.config,
            lambda: build_transformer(self.config, TWIN_SEED, self.device).eval(),
            {**self._facts, "model": f"random twin {TWIN_SEED}"},
            self._store,
            name=f"{self.name} (random twin)",
            n_games=self.n_games,
            seed=self.seed,
            device=self.device,
            transcripts=self.transcripts,
        )

    def _captured(self, kind: str, hook: str, *, sha256: bool = False) -> dict[str, Any]:
        from ..models.capture import capture

        def make() -> "Arrays":
            made = capture(self.model, self.transcripts, hook, model_name=self.name)
            arrays: Arrays = {"activations": made.activations}
            if sha256:
                arrays["model_sha256"] = np.array(model_sha256(self.model))
            return arrays

        return dict(self._store.arrays(kind, {**self._facts, "hook": hook}, make))

    def _labelled(self, found: Mapping[str, Any], hook: str) -> LabelledActivations:
        scored = self.transcripts.scored
        game_id, position = np.nonzero(scored)
        return LabelledActivations(
            found["activations"],
            self.transcripts.labels[scored],
            game_id,
            position,
            self.features,
            {
                "game": self.game.name,
                "version": self.game.version,
                "model": self.name,
                "model_sha256": self.cache["sha256"],
                "hook": hook,
                "seed": self.seed,
            },
        )


class KeptBounds:
    """Scores of floors and ceilings in files, with the seconds that each took; meets `KeptScores`.

    Args:
        folder: of the place.
        store: whose gain is counted.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self._shared, self._folder, self._store = SharedScores(folder, {}), folder, store

    def order(self, names: Sequence[str]) -> Sequence[str]:
        """Those first that no other worker is busy with."""
        return self._shared.order(names)  # type: ignore[return-value]

    def scores(self, name: str, asked: Sequence[str], seed: int, make: Callable[[Sequence[str]], Scores]) -> Scores:
        """Scores of a floor or ceiling; what is in no file is made and written."""
        took: dict[str, float] = {}

        def timed(missing: Sequence[str]) -> Scores:
            began = time.perf_counter()
            made = make(missing)
            seconds = time.perf_counter() - began
            took.update(dict.fromkeys(missing, seconds / len(missing)))
            self._store.made(seconds)
            return made

        began = time.perf_counter()
        found = self._shared.scores(name, asked, seed, timed)
        known = self._times(name, seed, took)
        if spared := [metric for metric in asked if metric not in took]:
            seconds = 0.0 if took else time.perf_counter() - began
            self._store.read(seconds, sum(known.get(metric, 0.0) for metric in spared))
        return found

    def _times(self, name: str, seed: int, took: Mapping[str, float]) -> dict[str, float]:
        """Seconds that each score took when it was made; a file that is lost or damaged costs only this number."""
        from ..report import write_atomically
        from .store import digest

        path = self._folder / f"seconds-{digest({'name': name, 'seed': seed})}.json"
        try:
            known: dict[str, float] = {str(k): float(v) for k, v in json.loads(path.read_text()).items()}
        except (OSError, ValueError, AttributeError, TypeError):
            known = {}
        if took:
            known |= took
            write_atomically(path, json.dumps(known, sort_keys=True))
        return known


def kept_testbed(name: Any, *, games: int, seed: int, store: Store, device: str = "cpu", **options: Any) -> AnyTestbed:
    """A testbed whose slow parts are kept; arguments as in `fiducial.testbed`.

    Games and activations are kept of testbeds that ship; of a model of yours, and at other sites, references and the
    scores of floors and ceilings are.
    """
    name = DEFAULT_TESTBED if name is None else name
    if options or not isinstance(name, str):
        bed = testbed(name, n_games=games, seed=seed, device=device, **options)
        return _with_kept(bed, _place_of(bed), store)
    check_testbed(name)
    if name not in SPECS:
        bed = testbed(name, n_games=games, seed=seed, device=device)
        return bed if name.startswith(SEALED) else _with_kept(bed, _place_of(bed), store)
    spec = SPECS[name]
    path = asset(spec.model)
    facts = {**_common(device, seed), "model": list_assets()[spec.model]["files"], "layer": spec.layer}
    facts |= {"testbed": name, "games": games}
    bed = KeptTestbed(
        spec,
        _config(path),
        lambda: load_transformer(path, device)[0],
        facts,
        store,
        name=name,
        n_games=games,
        seed=seed,
        device=device,
    )
    return _with_kept(bed, {**facts, "hook": spec.hook, "rules": bed.game.version}, store)


def kept_world(world: Any, *, games: int, seed: int, store: Store) -> SyntheticTestbed:
    """A testbed around a synthetic world, with kept references and scores of floors and ceilings.

    Args:
        world: name, `SyntheticConfig`, its fields as a mapping, or a world.
        games: blocks of a hundred rows.
        seed: of the rows.
        store: where they are kept.

    Raises:
        KeyError: an unknown name.
        TypeError: something that is no world.
    """
    if isinstance(world, Mapping):
        world = SyntheticConfig(**{"name": "a world of this suite", "about": "made by a test suite", **world})
    if isinstance(world, str):
        bed = testbed(world, n_games=games, seed=seed)
        if not isinstance(bed, SyntheticTestbed):
            raise TypeError(f"{world} is a testbed around a model; ask fiducial_testbeds for it")
    elif isinstance(world, SyntheticConfig | PlantedWorld):
        planted = Synthetic(world) if isinstance(world, SyntheticConfig) else world
        bed = SyntheticTestbed(planted, n_games=games, seed=seed)
    else:
        raise TypeError(f"a synthetic world is a name, a SyntheticConfig or its fields, got {type(world).__name__}")
    if isinstance(world, str) and world.startswith(SEALED):
        return bed  # nothing of a secret goes into a file
    _with_kept(bed, _place_of(bed), store)
    return bed


def kept_scores(bed: AnyTestbed) -> KeptScores | None:
    """Where the scores of a testbed's floors and ceilings are kept, if they are."""
    return bed.cache.get(KEPT)


def _with_kept(bed: AnyTestbed, facts: Mapping[str, Any], store: Store) -> AnyTestbed:
    bed.cache[KEPT] = KeptBounds(store.place("scores", facts), store)
    References(bed, 2, 1.0).ceilings()  # which puts them into the testbed's cache, each to be fitted later
    for name in _FITTED:
        fitted = bed.cache.get(f"reference {name}")
        if fitted is not None and not (isinstance(bed, Testbed) and bed.spec.probes and name == "probes"):
            bed.cache[f"reference {name}"] = _kept_reference(fitted, bed, facts, store)
    return bed


def _kept_reference(fitted: Any, bed: AnyTestbed, facts: Mapping[str, Any], store: Store) -> Later:
    """The same reference, read from the store where it has been fitted before."""

    def dictionary() -> SupervisedDictionary:
        def make() -> "Arrays":
            one = fitted.dictionary
            tensors = {name: getattr(one, name).detach().cpu().numpy() for name in _TENSORS}
            return {**tensors, "latent_names": np.array(one.latent_names), "link": np.array(one.link)}

        kept = dict(store.arrays(f"fitted {fitted.name}", facts, make))
        names = tuple(str(name) for name in kept.pop("latent_names").tolist())
        link: Literal["logistic", "identity"] = "logistic" if str(kept.pop("link")) == "logistic" else "identity"
        tensors = {name: torch.from_numpy(np.asarray(kept[name])) for name in _TENSORS}
        return SupervisedDictionary(name=fitted.name, latent_names=names, link=link, **tensors).on(bed.device)

    return Later(fitted.name, fitted.role, lambda: (dictionary(), bed.x))


def _place_of(bed: AnyTestbed) -> dict[str, Any]:
    """Everything that scores on a testbed depend on, for one that is there already.

    Rows and labels are part of it: rules of a world of yours may change without its version.
    """
    facts = {**_common(bed.device, bed.seed), "testbed": bed.name, "games": bed.n_games, "hook": bed.hook}
    if isinstance(bed, SyntheticTestbed):
        content = (bed.x.numpy(), bed.sample.labels, bed.true_directions.numpy(), bed.owner)
        return {**facts, "rules": bed.world.version, "rows": bed.rows_per_game, "content": _sha256(*content)}
    content = (bed.transcripts.tokens, bed.transcripts.labels, bed.transcripts.scored)
    game = {"game": bed.game.name, "rules": bed.game.version, "vocabulary": bed.features.digest}
    return {**facts, **game, "model": model_sha256(bed.model), "content": _sha256(*content)}


def _sha256(*arrays: Any) -> str:
    told = hashlib.sha256()
    for array in arrays:
        told.update(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return told.hexdigest()


def _common(device: str, seed: int) -> dict[str, Any]:
    """Versions of fiducial and its libraries, and fiducial's code itself: an edit of it makes everything anew."""
    return {**provenance(seed=seed), "code": scoring_sha256(), "device": device}


@cache
def scoring_sha256() -> str:
    """Checksum of the code that games, activations, references and scores depend on; pages and commands are left out.

    An edit of that code makes everything anew, without a change of version that a developer would have to remember.
    """
    root = Path(__file__).parents[1]
    files = [file for folder in CODE for file in (root / folder).rglob("*.py")]
    files += [root / name for name in MODULES if (root / name).is_file()]
    told = hashlib.sha256()
    for file in sorted(files):
        told.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return told.hexdigest()


def _config(path: Path) -> TransformerConfig:
    """Shape of a saved model, without its weights."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return TransformerConfig(**json.loads(file.metadata()["config"]))
