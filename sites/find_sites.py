"""Where in a model does an attribute sit? Rank every component, patch what ranks high, build sites, and judge them.

Steps         1. Attribution patching ranks every head's z, q, k and v, every MLP's output and the residual stream after
                 every layer, at every semantic position, by the mean first-order effect of patching.
              2. The highest are patched for real; the table has both, and their rank correlation.
              3. Cross-sections: for every role and position, components join in order of rank (1, 2, 4, ... of them,
                 heads of all layers together) until patching them all moves the score by `enough` of the way from
                 base to source, or nothing is left. What moves less than `least` of the way is dropped.
              4. Supervised features at every site: for prompts the qualification of qualification.py, for boards
                 least-squares features of all squares, whose edit of the one square is compared with the patch.
              5. Optionally a residual-stream dictionary is projected onto the sites that read the stream (q, k, v),
                 with the share of variance that survives (models/project_sae).
Conventions   effects are in nats of `PatchPairs.score`, means over pairs; recovered = effect / (source - base). The
              residual stream is ranked and patched, and each layer and position of it is a site of its own.
              Sites are found on other pairs than those that score them.
References    the steps after SAGE (Venhoff et al. 2024, arXiv 2410.07456), which finds cross-sections by attribution
              patching, fits supervised features there and projects residual-stream SAEs onto them
Differences from published code     written from the description; greedy growth by role and position, and step 4 on
              boards, are our own
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ..games.ioi import IOI
from ..games.transcripts import Game
from ..models.attribution import ROLES, attribute, clean_scores, components, patch
from ..models.dictionary import Dictionary
from ..models.nodes import CrossSection, Node
from ..models.patch_pairs import PatchPairs, pairs_of_counterfactuals, pairs_of_prompts
from ..models.project_sae import Projection, projection_figures
from .find_sites_boards import BoardFeatures, edit_on_board
from .qualification import SiteQualification, default_task, prompts_to_score, qualify_sites

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge


_TOGETHER = 8  # sections patched between two moves of the bar


@dataclass(frozen=True)
class Component:
    """One ranked component.

    Attributes:
        node: its name.
        attributed: mean first-order effect, nats.
        patched: mean true effect, nats; None where it was not patched.
        recovered: share of the way from base to source that the true patch goes; None where not patched.
    """

    node: str
    attributed: float
    patched: float | None
    recovered: float | None


@dataclass(frozen=True)
class FoundSite:
    """One cross-section that carries the attribute.

    Attributes:
        name: of the cross-section.
        nodes: names of its nodes.
        patched: mean effect of the full patch, nats.
        recovered: share of the way from base to source.
        moves: whether that is enough.
        qualification: of a site of prompts; None on boards, or if not asked for.
        features: what the supervised edit of a board's square does there; None for prompts, or if not asked for.
        projections: a residual dictionary at the nodes that read the stream, by node.
    """

    name: str
    nodes: tuple[str, ...]
    patched: float
    recovered: float
    moves: bool
    qualification: SiteQualification | None
    features: BoardFeatures | None
    projections: Mapping[str, Projection]


@dataclass(frozen=True)
class SiteReport:
    """What was found.

    Attributes:
        game: name of the world.
        attribute: what differs within pairs.
        n_pairs: pairs that ranked the components; as many others score sites.
        base_score: mean score of the bases, nats.
        source_score: mean score of the sources, nats.
        components: by attributed effect, largest first.
        rank_correlation: Spearman, of attributed and patched effects over the patched components; NaN below 3.
        sites: by patched effect, largest first.
    """

    game: str
    attribute: str
    n_pairs: int
    base_score: float
    source_score: float
    components: tuple[Component, ...]
    rank_correlation: float
    sites: tuple[FoundSite, ...]

    def section(self, name: str) -> CrossSection:
        """A site as a cross-section.

        Raises:
            KeyError: no such site.
        """
        for site in self.sites:
            if site.name == name:
                return CrossSection(name, tuple(Node.parse(node) for node in site.nodes))
        raise KeyError(f"no site {name!r}; found {', '.join(site.name for site in self.sites) or 'none'}")

    def to_dict(self) -> dict[str, Any]:
        """For JSON; NaN becomes None."""
        return _plain(asdict(self))

    def save(self, path: str | Path) -> None:
        """Write as JSON."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=1) + "\n")

    def table(self, n_components: int = 12) -> str:
        """For people."""
        lines = [
            f"{self.attribute} in {self.game}: {self.n_pairs} pairs, score {self.base_score:+.2f} (base) to "
            f"{self.source_score:+.2f} (source) nats",
            "",
            f"{'component':<16} {'attributed':>10} {'patched':>9} {'recovered':>9}",
        ]
        for one in self.components[:n_components]:
            truth = "" if one.patched is None else f" {one.patched:>+9.3f} {one.recovered:>9.1%}"
            lines.append(f"{one.node:<16} {one.attributed:>+10.3f}{truth}")
        lines.append(f"rank correlation of attributed and patched: {self.rank_correlation:.2f}")
        lines += ["", f"{'site':<34} {'nodes':>5} {'patched':>9} {'recovered':>9}  supervised features"]
        for site in self.sites:
            name = site.name if len(site.name) <= 34 else site.name[:31] + "..."
            start = f"{name:<34} {len(site.nodes):>5} {site.patched:>+9.3f} {site.recovered:>9.1%}  "
            lines.append(start + _verdict(site))
            if site.qualification is not None and not site.qualification.qualified:
                lines += [f"    {reason}" for reason in site.qualification.reason.split("; ")]
            lines += [f"    {node}: {found.line()}" for node, found in site.projections.items()]
        return "\n".join(lines)


def find_sites(
    model: "TransformerBridge",
    game_or_pairs: Game | IOI | PatchPairs,
    attribute_name: str = "square",
    *,
    n_pairs: int = 200,
    roles: Sequence[str] = ROLES,
    n_checked: int = 24,
    enough: float = 0.5,
    least: float = 0.1,
    n_features: int = 4000,
    n_test: int = 1000,
    dictionary: Dictionary | None = None,
    dictionary_layer: int | None = None,
    batch_size: int = 128,
    seed: int = 0,
) -> SiteReport:
    """Rank, patch, build and judge; see the top of this file.

    Args:
        model: any TransformerBridge.
        game_or_pairs: an IOI world, a board game, or pairs made elsewhere (then nothing is known that could judge
            sites by features).
        attribute_name: "IO", "S" or "Pos" of prompts; for boards and given pairs only a title.
        n_pairs: pairs to rank with, and as many others to score sites with (given pairs are halved).
        roles: roles to look at.
        n_checked: components patched for real, those that rank highest by size.
        enough: share of the way to the source at which a site moves the output, in (0, 1].
        least: share below which a site is not listed.
        n_features: prompts, or games, that supervised features are fitted on; 0 to leave them out.
        n_test: prompts that qualify a site.
        dictionary: a residual-stream dictionary to project onto q, k and v of the next block.
        dictionary_layer: the block after which it reads the stream.
        batch_size: pairs a pass.
        seed: of pairs and prompts.

    Raises:
        KeyError: an unknown attribute or role.
        ValueError: settings out of range, pairs that the model cannot take, or a dictionary without its layer.
    """
    if not 0 < enough <= 1 or not 0 <= least <= enough:
        raise ValueError(f"enough must lie in (0, 1] and least in [0, enough], got {enough} and {least}")
    if n_pairs < 1 or n_checked < 1:
        raise ValueError(f"n_pairs and n_checked must be at least 1, got {n_pairs} and {n_checked}")
    if (dictionary is None) != (dictionary_layer is None):
        raise ValueError("a dictionary needs dictionary_layer, the block after which it reads the stream, and reverse")
    for role in roles:
        if role not in ROLES:
            raise KeyError(f"no role {role!r} to rank; expected some of {', '.join(ROLES)}")
    pairs, name = _pairs(game_or_pairs, attribute_name, 2 * n_pairs, seed)
    half = len(pairs) // 2
    if not half:
        raise ValueError(f"at least 2 pairs are needed, one to find sites and one to score them, got {len(pairs)}")
    finding, scoring = pairs.take(slice(0, half)), pairs.take(slice(half, None))
    nodes = components(model, sorted(pairs.base_positions), roles=roles)
    attributed = {
        node: float(effect.mean()) for node, effect in attribute(model, finding, nodes, batch_size=batch_size).items()
    }
    ranked = sorted(nodes, key=lambda node: -attributed[node])
    checked = sorted(nodes, key=lambda node: -abs(attributed[node]))[:n_checked]
    patching = _Patching(model, finding, batch_size)
    way = patching.way()
    truth = patching.effects(checked)
    sections = _grow(patching, ranked, attributed, enough)
    judging = _Patching(model, scoring, batch_size)
    base_score, source_score = float(judging.scores[0].mean()), float(judging.scores[1].mean())
    effects = judging.effects(sections)
    kept = [section for section in sections if effects[section.name] / (source_score - base_score) >= least]
    kept.sort(key=lambda section: -effects[section.name])
    qualified: dict[str, SiteQualification] = {}
    features: dict[str, BoardFeatures] = {}
    if n_features and kept and isinstance(game_or_pairs, IOI):
        settings: dict[str, Any] = {"n_fit": n_features, "n_test": n_test, "seed": seed + 1}
        found = qualify_sites(model, game_or_pairs, kept, [attribute_name], **settings)
        qualified = {one.section: one for one in found}
    elif n_features and kept and not isinstance(game_or_pairs, PatchPairs):
        features = edit_on_board(model, game_or_pairs, kept, n_games=n_features, n_pairs=n_pairs, seed=seed)
    projections: dict[Node, Projection] = {}
    if dictionary is not None and dictionary_layer is not None:
        readers = {n for section in kept for n in section.nodes if n.role in ("q", "k", "v")}
        here = sorted(node for node in readers if node.layer == dictionary_layer + 1)
        projections = projection_figures(model, dictionary, scoring.base, scoring.base_positions, here)
    return SiteReport(
        game=name,
        attribute=pairs.what,
        n_pairs=half,
        base_score=base_score,
        source_score=source_score,
        components=tuple(
            Component(
                node.name,
                attributed[node],
                truth.get(node.name),
                truth[node.name] / way if node.name in truth else None,
            )
            for node in ranked
        ),
        rank_correlation=_spearman([attributed[node] for node in checked], [truth[node.name] for node in checked]),
        sites=tuple(
            FoundSite(
                name=section.name,
                nodes=tuple(node.name for node in section.nodes),
                patched=effects[section.name],
                recovered=effects[section.name] / (source_score - base_score),
                moves=effects[section.name] / (source_score - base_score) >= enough,
                qualification=qualified.get(section.name),
                features=features.get(section.name),
                projections={node.name: projections[node] for node in section.nodes if node in projections},
            )
            for section in kept
        ),
    )


def _pairs(source: Game | IOI | PatchPairs, name: str, n: int, seed: int) -> tuple[PatchPairs, str]:
    if isinstance(source, PatchPairs):
        return source.take(slice(0, n)), "given pairs"
    if isinstance(source, IOI):
        base = prompts_to_score(source, n, task=default_task(source, name), seed=seed)
        return pairs_of_prompts(base, source.counterfactuals_of(base, name, [seed, 2]), name), source.name
    return pairs_of_counterfactuals(source.counterfactuals(n, seed), name), source.name


@dataclass(frozen=True)
class _Patching:
    """Mean effects of patches on the same pairs."""

    model: "TransformerBridge"
    pairs: PatchPairs
    batch_size: int

    @cached_property
    def scores(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return clean_scores(self.model, self.pairs, batch_size=self.batch_size)

    def way(self) -> float:
        """Mean distance from base to source.

        Raises:
            ValueError: there is none to go.
        """
        base, source = (float(score.mean()) for score in self.scores)
        if source - base <= 1e-6:
            raise ValueError(
                f"the sources score no higher than the bases ({source:+.3f} against {base:+.3f} nats): the model's "
                f"answer does not follow {self.pairs.what}, so there is nothing to find"
            )
        return source - base

    def effects(self, sections: Sequence[CrossSection | Node]) -> dict[str, float]:
        from tqdm.auto import tqdm

        found: dict[str, NDArray[np.float64]] = {}
        parts = [sections[i : i + _TOGETHER] for i in range(0, len(sections), _TOGETHER)]
        for part in tqdm(parts, desc="patching", disable=None if len(parts) > 1 else True, leave=False):
            found |= patch(self.model, self.pairs, part, clean=self.scores[0], batch_size=self.batch_size)
        return {name: float(effect.mean()) for name, effect in found.items()}


def _grow(
    patching: _Patching, ranked: Sequence[Node], attributed: Mapping[Node, float], enough: float
) -> list[CrossSection]:
    """Cross-sections by role and position, each no larger than it must be; the stream's nodes stand alone."""
    from tqdm.auto import tqdm

    groups: dict[str, list[Node]] = {}
    for node in ranked:
        if attributed[node] > 0:  # what lowers the score when patched is no part of a site
            key = node.name if node.role == "resid" else f"{node.role}@{node.position}"
            groups.setdefault(key, []).append(node)
    way = patching.way()
    sections: list[CrossSection] = []
    for key, nodes in tqdm(groups.items(), desc="sites", disable=None, leave=False):
        size = 1
        while True:
            section = CrossSection(_title(key, nodes[:size]), tuple(sorted(nodes[:size])))
            if patching.effects([section])[section.name] / way >= enough or size >= len(nodes):
                break
            size = min(2 * size, len(nodes))
        sections.append(section)
    return sections


def _title(key: str, nodes: Sequence[Node]) -> str:
    if len(nodes) == 1:
        return nodes[0].name
    heads = "+".join(node.name.split()[0] for node in sorted(nodes))
    return f"{key}: {heads}"


def _spearman(a: Sequence[float], b: Sequence[float]) -> float:
    if len(a) < 3 or len(set(a)) < 2 or len(set(b)) < 2:
        return math.nan
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def _verdict(site: FoundSite) -> str:
    if site.qualification is not None:
        if site.qualification.qualified:
            return f"qualified (edit {site.qualification.edit_agreement:.2f})"
        return "refused:"
    if site.features is not None:
        return site.features.line()
    return "moves" if site.moves else "moves too little"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
