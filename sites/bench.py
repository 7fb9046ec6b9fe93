"""A place in an IOI model where dictionaries are compared: prompts that fit, choose and report; what the model does.

Three sets of prompts. `fit` is what dictionaries, supervised or not, are fitted on; on `choose` latents are ranked for
a value and their meanings scored; on `report` the model answers. The pairs of names of `report` occur neither in the
other two sets nor in the training of the tiny models. `fit` and `choose` are drawn apart from the same pairs, so that
a few short prompts (about 2 %) are in both. Everything that does not depend on the dictionary under test is computed
once: clean and mean-ablated logit differences, the counterfactual's activations, and what the model says once they are
patched in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..games.ioi import IOI
from ..games.ioi_prompts import Prompts
from ..games.ioi_templates import TASKS
from ..models.nodes import CrossSection, Node, read_nodes, run_patched
from ..supervised_dicts.attributes import AttributeDictionary
from ..supervised_dicts.mean import fit_mean
from .qualification import default_task

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

Values = dict[Node, torch.Tensor]
_FIT, _CHOOSE, _REPORT, _CHANGE = 10, 11, 12, 13  # streams of a seed; `qualify_site` takes the first ones


def logit_difference(logits: torch.Tensor, prompts: Prompts) -> NDArray[np.float64]:
    """Logit of the right token less that of the one it is set against, float64 [N]."""
    ids = torch.from_numpy(np.stack([prompts.target, prompts.other], 1)).to(logits.device)
    right, other = logits.gather(1, ids).cpu().double().unbind(1)
    return (right - other).numpy()


@dataclass(frozen=True)
class Aspect:
    """One attribute at a cross-section: prompts that report, their counterfactuals, and the model's answers.

    Attributes:
        attribute: what the counterfactuals change.
        prompts: N prompts that report.
        changed: the same with another value of the attribute.
        base: activations of the prompts at every node, float32 [N, d].
        source: activations of the counterfactuals.
        mean: mean activation of prompts of this task at every node, float32 [d].
        clean: float64 [N], logit difference of the untouched model.
        ablated: float64 [N], with the mean activation at every node.
        unedited: int64 [N], the untouched model's choice.
        patched: int64 [N], its choice once the counterfactual's activations stand at every node.
    """

    attribute: str
    prompts: Prompts
    changed: Prompts
    base: Values
    source: Values
    mean: Values
    clean: NDArray[np.float64]
    ablated: NDArray[np.float64]
    unedited: NDArray[np.int64]
    patched: NDArray[np.int64]


class AxesBench:
    """A cross-section of a model with everything that the three axes need of it.

    Args:
        model: reads the world's prompts.
        world: makes them.
        section: nodes that are edited together.
        attributes: what is edited; each must be one that the site carries (see `qualify_site`).
        n_fit: prompts that dictionaries are fitted on.
        n_choose: prompts on which latents are ranked.
        n_report: prompts that report, for each attribute.
        seed: of the prompts.
        batch_size: prompts a forward pass.

    Raises:
        ValueError: no attribute, or fewer than 8 prompts of any kind.
    """

    def __init__(
        self,
        model: "TransformerBridge",
        world: IOI,
        section: CrossSection,
        attributes: Sequence[str],
        *,
        n_fit: int = 20_000,
        n_choose: int = 6_000,
        n_report: int = 1_500,
        seed: int = 0,
        batch_size: int = 512,
    ) -> None:
        if not attributes:
            raise ValueError(f"say which attributes are edited at {section.name}")
        for name, n in {"n_fit": n_fit, "n_choose": n_choose, "n_report": n_report}.items():
            if n < 8:
                raise ValueError(f"{name} must be at least 8, got {n}")
        self.model, self.world, self.section, self.attributes = model, world, section, tuple(attributes)
        self.n_fit, self.n_choose, self.n_report = n_fit, n_choose, n_report
        self.seed, self.batch_size = seed, batch_size
        self.cache: dict[str, Any] = {}  # what is computed once and belongs to no dictionary

    def __repr__(self) -> str:
        return f"AxesBench({self.section.name}: {', '.join(self.attributes)}; {self.n_report} prompts report)"

    @cached_property
    def fit(self) -> Prompts:
        """Prompts that dictionaries are fitted on, of all tasks of the world."""
        return self.world.prompts(self.n_fit, [self.seed, _FIT], pairs="train")

    @cached_property
    def choose(self) -> Prompts:
        """Prompts on which latents are ranked."""
        return self.world.prompts(self.n_choose, [self.seed, _CHOOSE], pairs="train")

    @cached_property
    def fit_x(self) -> Values:
        """Activations of `fit` at every node, float32 [n_fit, d]."""
        return self.read(self.fit)

    @cached_property
    def choose_x(self) -> Values:
        """Activations of `choose`."""
        return self.read(self.choose)

    @cached_property
    def supervised(self) -> dict[str, dict[Node, AttributeDictionary]]:
        """Mean codes of IO, S and Pos at every node, by attribute: the reference that others are compared with.

        They are fitted on the fit prompts of the task on which the attribute is scored, since at the end of a prompt
        the task is part of the activation; their offset is the mean that is put there by mean ablation.
        """
        return {attribute: self._supervised(self.task_of(attribute)) for attribute in self.attributes}

    @cached_property
    def mean_codes(self) -> dict[Node, AttributeDictionary]:
        """The same, fitted on prompts of all tasks."""
        return self._supervised(None)

    def task_of(self, attribute: str) -> str:
        """Kind of prompts on which an attribute is scored."""
        return default_task(self.world, attribute)

    def fit_rows(self, task: str | None) -> NDArray[np.int64]:
        """Rows of the fit prompts of one kind; all for None."""
        if task is None:
            return np.arange(self.n_fit)
        return np.flatnonzero(self.fit.attributes["task"] == TASKS.index(task))

    def effect(self, attribute: str) -> float:
        """Share of reporting prompts whose answer the full patch changes; also of attributes that are not edited."""
        if f"effect of {attribute}" not in self.cache:
            if attribute in self.attributes:
                aspect = self.aspects[attribute]
                unedited, patched = aspect.unedited, aspect.patched
            else:
                prompts, changed = self._reporting(attribute)
                unedited, patched = (
                    self.logits(prompts, values).argmax(1).cpu().numpy() for values in ({}, self.read(changed))
                )
            self.cache[f"effect of {attribute}"] = float((patched != unedited).mean())
        return self.cache[f"effect of {attribute}"]

    def _supervised(self, task: str | None) -> dict[Node, AttributeDictionary]:
        rows = self.fit_rows(task)
        prompts = self.fit.take(rows)
        return {
            node: fit_mean(x[torch.from_numpy(rows)], prompts.attributes, prompts.values)
            for node, x in self.fit_x.items()
        }

    @cached_property
    def aspects(self) -> dict[str, Aspect]:
        """What is measured once for every attribute."""
        return {attribute: self._aspect(attribute) for attribute in self.attributes}

    @cached_property
    def reader(self) -> AttributeDictionary:
        """Reads IO, S and Pos off all nodes of the section together: the judge of what an edit leaves alone."""
        return fit_mean(self.joined(self.fit_x), self.fit.attributes, self.fit.values, name="reader")

    def joined(self, values: Values) -> torch.Tensor:
        """Activations of all nodes side by side, float32 [N, sum of d], on the CPU."""
        return torch.cat([values[node] for node in self.section.nodes], 1).cpu()

    def read(self, prompts: Prompts) -> Values:
        """Activations at every node, float32 [N, d]."""
        return read_nodes(self.model, prompts.tokens, prompts.positions, self.section.nodes, batch_size=self.batch_size)

    def logits(self, prompts: Prompts, values: Mapping[Node, torch.Tensor]) -> torch.Tensor:
        """Logits at the end of prompts while nodes hold given values, float32 [N, d_vocab]."""
        return run_patched(self.model, prompts.tokens, prompts.positions, values, batch_size=self.batch_size)

    def _reporting(self, attribute: str) -> tuple[Prompts, Prompts]:
        """Prompts that report and their counterfactuals."""
        prompts = self.world.prompts(
            self.n_report, [self.seed, _REPORT], task=self.task_of(attribute), pairs="held-out", names="base"
        )
        return prompts, self.world.counterfactuals_of(prompts, attribute, [self.seed, _CHANGE])

    def _aspect(self, attribute: str) -> Aspect:
        prompts, changed = self._reporting(attribute)
        base, source = self.read(prompts), self.read(changed)
        clean = self.logits(prompts, {})
        mean = {node: dictionary.offset for node, dictionary in self.supervised[attribute].items()}
        ablated = self.logits(prompts, {node: mean[node].expand_as(x) for node, x in base.items()})
        return Aspect(
            attribute,
            prompts,
            changed,
            base,
            source,
            mean,
            clean=logit_difference(clean, prompts),
            ablated=logit_difference(ablated, prompts),
            unedited=clean.argmax(1).cpu().numpy(),
            patched=self.logits(prompts, source).argmax(1).cpu().numpy(),
        )
