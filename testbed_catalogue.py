"""Testbeds by name: what ships, synthetic worlds, toy models, and models of yours. The place where SAEs plug in."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .data.assets import asset
from .games import IOI, Game, Transcripts, world
from .games.synthetic import SYNTHETIC_WORLDS, Synthetic
from .games.synthetic_rows import PlantedWorld
from .games.synthetic_sealed import sealed_world
from .model_testbed import Testbed
from .models.capture import resolve_hook
from .models.nodes import CrossSection, Node
from .models.toy_superposition import TOY_MODELS, ToySuperposition
from .models.transformers import load_transformer, shape_of
from .sites.gpt2 import config_of, gpt2_with_world
from .sites.qualification import qualify_sites
from .suggestions import did_you_mean
from .synthetic_testbed import SyntheticTestbed
from .testbed_specs import DEFAULT_TESTBED, SPECS, TestbedSpec

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

AnyTestbed = Testbed | SyntheticTestbed
SEALED = "sealed:"  # before the name of a synthetic world
SECRET_VARIABLE = "FIDUCIAL_SECRET"  # where its secret is looked for, so that no shell history keeps it


def testbeds() -> dict[str, str]:
    """Names of the testbeds, with a line about each: models that ship, synthetic worlds, toy models."""
    synthetic = {name: config.about for name, config in SYNTHETIC_WORLDS.items()}
    toys = {
        name: f"toy model of superposition: {c.n_features} features in {c.width} dimensions, present at {c.density:g}"
        for name, c in TOY_MODELS.items()
    }
    return {name: spec.summary for name, spec in SPECS.items()} | synthetic | toys


testbeds.__test__ = False  # type: ignore[attr-defined] - not a pytest function


def check_testbed(name: str) -> str:
    """The name, if a testbed has it; `sealed:NAME` is the synthetic world of a secret.

    Raises:
        KeyError: unknown name; close names are suggested.
    """
    if name.startswith(SEALED):
        world_name = name.removeprefix(SEALED)
        if world_name not in SYNTHETIC_WORLDS:
            hint = did_you_mean(world_name, SYNTHETIC_WORLDS)
            raise KeyError(f"only synthetic worlds can be sealed, got {world_name!r}; {hint}")
        return name
    known = testbeds()
    if name not in known:
        raise KeyError(f"no testbed named {name!r}; {did_you_mean(name, known)}")
    return name


def testbed(
    name: "str | Path | TransformerBridge" = DEFAULT_TESTBED,
    *,
    game: Game | str | None = None,
    layer: int | None = None,
    site: str | None = None,
    n_games: int = 500,
    seed: int = 0,
    device: str = "cpu",
    transcripts: Transcripts | None = None,
) -> AnyTestbed:
    """A testbed with games of its own; or, with `game` and `layer`, one around a model of yours.

    Args:
        name: one of `testbeds()`, or `sealed:` and the name of a synthetic world, which is then made from the secret in
            the environment variable FIDUCIAL_SECRET; with `game`, a path or a Hugging Face name of a model, such
            as the published ones in `PUBLISHED_GPTS` (`load_model` says what can be read), or the model itself.
        game: the world that the model plays, or its name; a world of yours too (`fiducial.games.check_game`).
        layer: block whose output is read, from 0; with `game` only.
        site: another place of an IOI model, such as `L1 z@end`; see `fiducial find-sites`. Attributes that it does not
            carry to the answer are left out, and a site that carries none is refused. With `game="ioi"` the name is
            that of GPT-2, a folder or on the hub, and a site is needed instead of a layer.
        n_games: games to score on; half of them choose thresholds and latents, the other half report. Of IOI twenty
            prompts count as a game.
        seed: of the games. The shipped SAEs were trained on other seeds, the models on seed 0 in batches of another
            size, so that only seed 0 with exactly 512 games of chess or 4,096 of Othello gives games a model has seen.
        device: torch device.
        transcripts: games of a shipped testbed, if its `TestbedSpec.sample` gave them already for this number and seed;
            other testbeds make their own, and those at another site do too.

    Raises:
        KeyError: unknown name; close names are suggested.
        FileNotFoundError: no model at a path.
        ConnectionError: a name that is not in the local cache while the hub cannot be reached.
        ValueError: fewer than 8 games, a negative seed, a sealed world without a secret, a model that does not play the
            game or lacks the layer, a site of a model without prompts, or one that carries no attribute.
    """
    if game is None and not isinstance(name, str | Path):
        raise ValueError("a model of yours needs the game it plays: give game, a world or its name, and layer")
    if game is not None and name == DEFAULT_TESTBED:
        raise ValueError(
            "game goes with layer and a model that plays it: a path, a name on the hub or the model itself; "
            f"{DEFAULT_TESTBED!r} ships, and is made without game"
        )
    if game is not None and (game == "ioi" or isinstance(game, IOI)):
        if not isinstance(name, str | Path):
            raise ValueError("with IOI prompts give GPT-2 by its path or its name on the hub, not the model itself")
        return _around_gpt2(name, site, n_games, seed, device)
    if game is not None:
        return _around(name, world(game) if isinstance(game, str) else game, layer, n_games, seed, device)
    if layer is not None:
        raise ValueError("the layer of a shipped testbed is fixed; give layer only with game, for a model of yours")
    if site is not None and not isinstance(site, str):
        raise ValueError(f"site must be a name such as 'L1 z@end', got {type(site).__name__} {site}")
    if (planted := _planted(str(name))) is not None:
        if site is not None:
            raise ValueError(f"{name} is a world without a model; give site only with an IOI model")
        return SyntheticTestbed(planted, n_games=n_games, seed=seed)
    spec = SPECS[str(name)]
    model, config = load_transformer(asset(spec.model), device)
    if site is not None:
        spec, transcripts = _at_site(spec, model, site), None
    return Testbed(
        spec.name, spec.game(), model, config, spec, n_games=n_games, seed=seed, device=device, transcripts=transcripts
    )


def with_model(bed: AnyTestbed) -> Testbed:
    """The testbed, if a model plays in it.

    Raises:
        ValueError: it is a synthetic world.
    """
    if not isinstance(bed, Testbed):
        raise ValueError(
            f"{bed.name} is a synthetic world: there is no model and no game here, take {', '.join(SPECS)}"
        )
    return bed


def _planted(name: str) -> PlantedWorld | None:
    """The synthetic world or toy model of a checked name; None for a testbed with a model of its own."""
    check_testbed(name)
    if name.startswith(SEALED):
        secret = os.environ.get(SECRET_VARIABLE)
        if secret is None:
            raise ValueError(f"{name} is made from a secret of yours: put it into the environment as {SECRET_VARIABLE}")
        return sealed_world(name.removeprefix(SEALED), secret)
    if name in TOY_MODELS:
        return ToySuperposition(name)
    return Synthetic(name) if name in SYNTHETIC_WORLDS else None


def _around(
    name: "str | Path | TransformerBridge", game: Game, layer: int | None, n_games: int, seed: int, device: str
) -> Testbed:
    """A testbed around a model that does not ship; it has no SAEs of its own."""
    from .models.loading_gpt import check_plays, load_model

    if isinstance(name, str | Path):
        model, config = load_model(name, game=game, device=device)
    else:
        model, config = name.to(device).eval(), shape_of(name)
        name = f"model of {game.name}"
        check_plays(config, game, name)
    if layer is None or not 0 <= layer < config.n_layers:
        raise ValueError(f"layer must say which block is read, from 0 to {config.n_layers - 1}, got {layer}")
    spec = TestbedSpec(str(name), lambda: game, str(name), layer, f"{name}, which plays {game.name}")
    return Testbed(spec.name, game, model, config, spec, n_games=n_games, seed=seed, device=device)


def _at_site(spec: TestbedSpec, model: "TransformerBridge", site: str, world: IOI | None = None) -> TestbedSpec:
    """The testbed of the same model at another site; its SAEs stay behind.

    Raises:
        KeyError: no such hook point or position.
        ValueError: a model without prompts, one head of a site, or a site that carries no attribute; says why.
    """
    if not spec.position:
        raise ValueError(
            f"{spec.name} has no prompts with named positions; its games are read after block {spec.layer}"
        )
    node = Node.parse(site)
    if node.head is not None:
        raise ValueError(f"a testbed reads all heads of a site together: say {replace(node, head=None)}, got {node}")
    n_layers = int(model.cfg.n_layers)
    if node.layer is not None and node.layer >= n_layers:
        raise ValueError(f"{spec.name} has blocks 0 to {n_layers - 1}, so there is no {node}")
    game = IOI() if world is None else world
    found = qualify_sites(model, game, [CrossSection(node.name, (node,))])
    carried = tuple(one.attribute for one in found if one.qualified)
    if not carried:
        reasons = "; ".join(f"{one.attribute}: {one.reason}" for one in found)
        raise ValueError(
            f"{node} of {spec.name} carries no attribute to the answer, so nothing can be judged there: {reasons}"
        )
    return replace(
        spec,
        name=f"{spec.name} at {node}",
        game=lambda: replace(game, scored=(node.position,)),
        layer=node.layer or 0,
        hook_name=resolve_hook(model, node.hook),
        position=node.position,
        attributes=carried,
        dictionaries={},
        twin_dictionaries={},
        controls={},
    )


def _around_gpt2(name: str | Path, site: str | None, n_games: int, seed: int, device: str) -> Testbed:
    """A testbed at a site of GPT-2, which answers IOI prompts in its own tokens."""
    if site is None:
        raise ValueError(
            "say at which site GPT-2 is read, such as site='L8 resid@end'; `fiducial find-sites` looks for them"
        )
    model, world = gpt2_with_world(name, device)
    about = f"{Path(name).name}, which answers IOI prompts"
    spec = _at_site(
        TestbedSpec(Path(name).name, lambda: world, str(name), 0, about, position="end"), model, site, world
    )
    return Testbed(spec.name, spec.game(), model, config_of(model), spec, n_games=n_games, seed=seed, device=device)


testbed.__test__ = False  # type: ignore[attr-defined]
