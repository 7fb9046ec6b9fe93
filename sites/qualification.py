"""May a dictionary be judged at a site? Only where the site carries an attribute to the answer.

A score of edits says something about a dictionary only if the full patch of the site (the activations of a prompt that
differs in one attribute) moves the output, and if supervised features of that site do what the patch does. Otherwise
the site is at fault, and every dictionary would look bad, or, where the output does not move at all, good.

Rule          A site (nodes patched together) is kept for an attribute if
                  (i)   the full patch moves the answer: argmax without any edit agrees with it in < 50 % of prompts,
                  (ii)  mean ablation lowers the logit difference by > 5 %,
                  (iii) supervised features suffice: LD[a <- ahat] / LD > .9, and the supervised edit
                        a - u_before + u_after has the patch's argmax in > 90 % of prompts.
Conventions   mean codes of IO, S and Pos, one dictionary a node, fitted on prompts whose (IO, S) pairs are not among
              those scored; LD = logit[target] - logit[other], sums over prompts; argmax over the whole vocabulary.
              Prompts that need a value never seen in fitting are left out of the edits and counted.
References    axes as in Makelov, Lange and Nanda 2024, arXiv 2405.08366; the rule is our own
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..games.ioi import IOI
from ..games.ioi_prompts import Prompts
from ..models.nodes import CrossSection, Node, read_nodes, run_patched
from ..models.nodes_gpt2 import CIRCUIT_SIZE, circuit_sections
from ..supervised_dicts.attributes import AttributeDictionary
from ..supervised_dicts.mean import fit_mean

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

ATTRIBUTES = ("IO", "S", "Pos")
MAX_NO_EDIT, MIN_DROP, MIN_SUFFICIENCY, MIN_EDIT = 0.5, 0.05, 0.9, 0.9
_DEEP = 4  # beyond this many layers the general candidates are too many


@dataclass(frozen=True)
class SiteQualification:
    """What was measured at a site for an attribute, and the verdict.

    Attributes:
        section: name of the cross-section.
        nodes: names of its nodes.
        attribute: what is changed.
        task: kind of prompts scored.
        n_test: prompts scored.
        n_editable: of them, those that need no unseen value; edits are scored on these.
        logit_difference: clean, mean over prompts.
        no_edit_agreement: share of prompts whose clean argmax is that of the full patch; in [0, 1].
        mean_ablation_drop: 1 - LD[a <- mean] / LD.
        sufficiency: LD[a <- ahat] / LD.
        necessity: 1 - |LD_MA - LD[a <- mean + (a - ahat)]| / |LD_MA - LD|; NaN where mean ablation changes nothing.
        edit_agreement: share of prompts whose argmax under the supervised edit is that of the full patch; in [0, 1].
        preserved_variance: R2 of ahat over all nodes, on the scored prompts.
        attribute_variance: share of the variance that the attribute's features have.
        qualified: the verdict.
        reason: what failed, or that nothing did.
    """

    section: str
    nodes: tuple[str, ...]
    attribute: str
    task: str
    n_test: int
    n_editable: int
    logit_difference: float
    no_edit_agreement: float
    mean_ablation_drop: float
    sufficiency: float
    necessity: float
    edit_agreement: float
    preserved_variance: float
    attribute_variance: float
    qualified: bool
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON; NaN becomes None."""
        found = asdict(self)
        return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in found.items()}


def candidate_sections(model: "TransformerBridge", game: IOI | None = None) -> tuple[CrossSection, ...]:
    """Sites worth asking about.

    In a model of the size of GPT-2 small the published cross-sections. Otherwise z at S2 and END of every layer, heads
    together; q at END from the second layer on; and the residual stream after every layer at S2 and END.

    Args:
        model: the model.
        game: its world; nothing depends on it but the check that its prompts fit the model.

    Raises:
        ValueError: a deep model of another size, or prompts longer than the model's context.
    """
    layers, heads = int(model.cfg.n_layers), int(model.cfg.n_heads)
    if game is not None and game.n_positions > int(model.cfg.n_ctx):
        raise ValueError(f"prompts have {game.n_positions} tokens, the model takes at most {model.cfg.n_ctx}")
    if (layers, heads) == CIRCUIT_SIZE:
        return tuple(circuit_sections(model).values())
    if layers > _DEEP:
        raise ValueError(f"no list of candidates for {layers} layers of {heads} heads; look for sites with find_sites")
    nodes = [Node.of("z", layer, position) for layer in range(layers) for position in ("s2", "end")]
    nodes += [Node.of("q", layer, "end") for layer in range(1, layers)]
    nodes += [Node.of("resid", layer, position) for layer in range(layers) for position in ("s2", "end")]
    return tuple(CrossSection(node.name, (node,)) for node in nodes)


def qualify_site(
    model: "TransformerBridge",
    game: IOI,
    section: CrossSection,
    attribute: str,
    *,
    task: str | None = None,
    fit_task: str | None = None,
    n_fit: int = 6000,
    n_test: int = 1000,
    seed: int = 0,
) -> SiteQualification:
    """Measure one site for one attribute; see the top of this file.

    Args:
        model: that does the task.
        game: its world.
        section: the site.
        attribute: "IO", "S" or "Pos".
        task: "plain" or "ordinal" prompts are scored; by default ordinal for Pos where the world has them, plain else.
        fit_task: kind of prompts that the features are fitted on, also "mixed"; by default the kind scored. The kinds
            differ in the last word, so their means differ at END and nowhere before it.
        n_fit: prompts that the features are fitted on.
        n_test: prompts scored, with pairs of names that fitting does not see.
        seed: of the prompts.

    Raises:
        KeyError: an unknown attribute, hook point or position.
        ValueError: an unknown task.
    """
    return qualify_sites(
        model, game, [section], [attribute], task=task, fit_task=fit_task, n_fit=n_fit, n_test=n_test, seed=seed
    )[0]


def require_site(
    model: "TransformerBridge",
    game: IOI,
    section: CrossSection,
    attribute: str,
    *,
    task: str | None = None,
    fit_task: str | None = None,
    n_fit: int = 6000,
    n_test: int = 1000,
    seed: int = 0,
) -> SiteQualification:
    """The same as `qualify_site`, but a site that does not qualify is refused.

    Raises:
        ValueError: the site does not qualify; says why.
        KeyError: as `qualify_site`.
    """
    found = qualify_site(
        model, game, section, attribute, task=task, fit_task=fit_task, n_fit=n_fit, n_test=n_test, seed=seed
    )
    if not found.qualified:
        raise ValueError(f"{found.section} is no site for {attribute} on {found.task} prompts: {found.reason}")
    return found


def qualify_sites(
    model: "TransformerBridge",
    game: IOI,
    sections: Sequence[CrossSection],
    attributes: Sequence[str] = ATTRIBUTES,
    *,
    task: str | None = None,
    fit_task: str | None = None,
    n_fit: int = 6000,
    n_test: int = 1000,
    seed: int = 0,
) -> list[SiteQualification]:
    """Every section for every attribute, from one reading of the fit prompts.

    Returns:
        Sections in their order, attributes within.

    Raises:
        KeyError: an unknown attribute, hook point or position.
        ValueError: an unknown task, or too few prompts.
    """
    for attribute in attributes:
        if attribute not in ATTRIBUTES:
            raise KeyError(f"no features of {attribute!r}; expected one of {', '.join(ATTRIBUTES)}")
    if len({section.name for section in sections}) != len(sections) or len(set(attributes)) != len(attributes):
        raise ValueError("sections and attributes must have different names, each given once")
    if n_fit < 2 or n_test < 1:
        raise ValueError(f"n_fit must be at least 2 and n_test at least 1, got {n_fit} and {n_test}")
    nodes = tuple(dict.fromkeys(node for section in sections for node in section.nodes))
    kinds = {attribute: task or default_task(game, attribute) for attribute in attributes}
    found: dict[tuple[str, str], SiteQualification] = {}
    for kind in dict.fromkeys(kinds.values()):
        dictionaries = fit_site_dictionaries(model, game, nodes, task=fit_task or kind, n_fit=n_fit, seed=seed)
        base = prompts_to_score(game, n_test, task=kind, seed=seed)
        before = read_nodes(model, base.tokens, base.positions, nodes)
        clean = run_patched(model, base.tokens, base.positions, {})
        sites = [_Site(model, base, kind, clean, section, dictionaries, before) for section in sections]
        for attribute in (name for name in kinds if kinds[name] == kind):
            changed = game.counterfactuals_of(base, attribute, [seed, 2])
            after = read_nodes(model, changed.tokens, changed.positions, nodes)
            found |= {(site.section.name, attribute): site.qualify(attribute, changed, after) for site in sites}
    return [found[section.name, attribute] for section in sections for attribute in attributes]


def fit_site_dictionaries(
    model: "TransformerBridge",
    game: IOI,
    nodes: Sequence[Node],
    *,
    task: str | None = None,
    n_fit: int = 6000,
    seed: int = 0,
) -> dict[Node, AttributeDictionary]:
    """Mean codes of IO, S and Pos at every node, from pairs that training sees; by default in the mix of tasks."""
    prompts = game.prompts(n_fit, [seed, 0], task=task, pairs="train")
    values = read_nodes(model, prompts.tokens, prompts.positions, nodes)
    return {
        node: fit_mean(values[node], prompts.attributes, prompts.values, which=ATTRIBUTES, name=f"supervised {node}")
        for node in nodes
    }


def prompts_to_score(game: IOI, n: int, *, task: str, seed: int) -> Prompts:
    """Prompts to score: held-out pairs of names, and in the full vocabulary only names that no counterfactual takes."""
    return game.prompts(n, [seed, 1], task=task, pairs="held-out", names="base")


def default_task(game: IOI, attribute: str) -> str:
    """Kind of prompts in which an attribute decides: the order of names is asked for by ordinal prompts."""
    if attribute == "Pos":
        return "ordinal" if 1 in game.tasks else "plain"
    return "plain" if 0 in game.tasks else "ordinal"


@dataclass(frozen=True)
class _Site:
    """One section on one kind of prompts."""

    model: "TransformerBridge"
    base: Prompts
    task: str
    clean: torch.Tensor
    section: CrossSection
    dictionaries: dict[Node, AttributeDictionary]
    before: dict[Node, torch.Tensor]

    @cached_property
    def means(self) -> dict[Node, torch.Tensor]:
        return {node: self.dictionaries[node].offset.expand_as(self.before[node]) for node in self.section.nodes}

    @cached_property
    def predicted(self) -> dict[Node, torch.Tensor]:
        return {node: self.dictionaries[node].reconstruct(self.base.attributes) for node in self.section.nodes}

    @cached_property
    def differences(self) -> tuple[float, float, float, float]:
        """Logit differences: clean, mean ablated, reconstruction, mean plus what the reconstruction misses."""
        rest = {node: self.means[node] + self.before[node] - self.predicted[node] for node in self.section.nodes}
        runs = (self.clean, self._run(self.means), self._run(self.predicted), self._run(rest))
        clean, ablated, sufficient, unexplained = (self._difference(logits) for logits in runs)
        return clean, ablated, sufficient, unexplained

    def qualify(self, attribute: str, changed: Prompts, after: dict[Node, torch.Tensor]) -> SiteQualification:
        nodes = self.section.nodes
        old, new = self.base.attributes[attribute], changed.attributes[attribute]
        edited = {node: self.dictionaries[node].edit(self.before[node], attribute, old, new) for node in nodes}
        editable = np.logical_and.reduce([self.dictionaries[node].editable(attribute, old, new) for node in nodes])
        patched = self._run({node: after[node] for node in nodes}).argmax(1)
        agreement = (self._run(edited).argmax(1) == patched).cpu().numpy()
        clean, ablated, sufficient, unexplained = self.differences
        total = sum(_energy(self.before[node] - self.means[node]) for node in nodes)
        missed = sum(_energy(self.before[node] - self.predicted[node]) for node in nodes)
        own = sum(_energy(self._part(node, attribute)) for node in nodes)
        figures = {
            "no_edit_agreement": float((self.clean.argmax(1) == patched).double().mean()),
            "mean_ablation_drop": _ratio(clean - ablated, clean),
            "sufficiency": _ratio(sufficient, clean),
            "edit_agreement": float(agreement[editable].mean()) if editable.any() else math.nan,
        }
        gap = abs(ablated - clean)
        reason = _reason(figures, attribute)
        return SiteQualification(
            section=self.section.name,
            nodes=tuple(node.name for node in nodes),
            attribute=attribute,
            task=self.task,
            n_test=len(self.base),
            n_editable=int(editable.sum()),
            logit_difference=clean,
            necessity=1 - abs(ablated - unexplained) / gap if gap > 1e-6 * abs(clean) else math.nan,
            preserved_variance=1 - _ratio(missed, total),
            attribute_variance=_ratio(own, total),
            qualified=not reason,
            reason=reason or "the patch moves the answer and supervised features do the same",
            **figures,
        )

    def _part(self, node: Node, attribute: str) -> torch.Tensor:
        dictionary = self.dictionaries[node]
        return dictionary.parts(self.base.attributes)[:, dictionary.attribute_names.index(attribute)]

    def _run(self, values: dict[Node, torch.Tensor]) -> torch.Tensor:
        return run_patched(self.model, self.base.tokens, self.base.positions, values)

    def _difference(self, logits: torch.Tensor) -> float:
        """Mean logit difference."""
        target, other = (torch.from_numpy(i).to(logits.device)[:, None] for i in (self.base.target, self.base.other))
        return float((logits.gather(1, target) - logits.gather(1, other)).double().mean())


def _energy(x: torch.Tensor) -> float:
    return float(x.double().square().sum())


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _reason(figures: dict[str, float], attribute: str) -> str:
    """What fails, empty if nothing; a figure that is NaN fails."""
    no_edit, drop = figures["no_edit_agreement"], figures["mean_ablation_drop"]
    sufficiency, edit = figures["sufficiency"], figures["edit_agreement"]
    failed: list[str] = []
    if not no_edit < MAX_NO_EDIT:
        failed.append(
            f"the full patch of {attribute} leaves the answer in {no_edit:.0%} of prompts (must be < {MAX_NO_EDIT:.0%})"
        )
    if not drop > MIN_DROP:
        failed.append(f"mean ablation lowers the logit difference by {drop:.0%} (must be > {MIN_DROP:.0%})")
    if not sufficiency > MIN_SUFFICIENCY:
        failed.append(
            f"features of IO, S and Pos keep {sufficiency:.2f} of the logit difference (must be > {MIN_SUFFICIENCY}): "
            "the site holds more than the attributes one by one"
        )
    if not edit > MIN_EDIT:
        failed.append(f"the supervised edit agrees with the patch in {edit:.0%} of prompts (must be > {MIN_EDIT:.0%})")
    return "; ".join(failed)
