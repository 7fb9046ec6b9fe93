"""AttributeDictionary: an activation as its mean plus one direction for the value of every attribute of the prompt.

Equation      a(p) ~ offset + sum over blocks of direction[value of the block at p]
Conventions   coefficients are 1; an attribute without a value (-1) adds nothing; a value never seen in fitting has
              direction 0 and is not `editable`
References    section 3 of Makelov, Lange and Nanda 2024, arXiv 2405.08366
Differences from published code
    1. There codes come from the prompt alone. Here `codes` and `reconstruct` do that, while `encode` reads the values
       off the activation, so that the dictionary can be scored like any other.
    2. A row whose attribute has no value is allowed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from .attribute_blocks import Attributes, Block, latents_of, starts_of, unknown_attribute
from .attribute_edits import project_out, set_projection

Values = NDArray[np.int64] | torch.Tensor
How = Literal["swap", "project", "set"]


@dataclass(frozen=True, eq=False)
class AttributeDictionary:
    """One direction for every value of every attribute. It meets the Dictionary contract.

    Attributes:
        name: short and readable.
        blocks: which latents exclude each other, and how attributes choose among them; latents stand in their order.
        directions: float [H, d], what each latent writes.
        offset: float [d], the mean activation.
        reads: float [H + B, d], linear read-out of every latent, then of "no value" in every block.
        read_biases: float [H + B]; -inf for what never occurred.
        counts: int64 [H], rows that had the latent in fitting.
        rank: of the codes fitted on; at most H - B + 1 where every row has a value of every attribute.
    """

    name: str
    blocks: tuple[Block, ...]
    directions: torch.Tensor
    offset: torch.Tensor
    reads: torch.Tensor
    read_biases: torch.Tensor
    counts: torch.Tensor
    rank: int

    def __repr__(self) -> str:
        n_latents, d_in = self.directions.shape
        return f"AttributeDictionary({self.name}, {', '.join(self.attribute_names[:4])}: {n_latents} latents on {d_in})"

    @property
    def latent_names(self) -> tuple[str, ...]:
        """Feature name of every latent."""
        return self._latent_names

    @cached_property
    def _latent_names(self) -> tuple[str, ...]:
        return tuple(name for block in self.blocks for name in block.latent_names)

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """Name of every block."""
        return tuple(block.name for block in self.blocks)

    @cached_property
    def attribute_of(self) -> torch.Tensor:
        """Block of every latent, int64 [H]."""
        return torch.repeat_interleave(torch.tensor([len(block.latent_names) for block in self.blocks]))

    @cached_property
    def starts(self) -> torch.Tensor:
        """First latent of every block, int64 [B]."""
        return starts_of(self.blocks)

    @cached_property
    def _padded(self) -> torch.Tensor:
        """Directions [H + 1, d] with a last one of zeros, for no value."""
        return torch.cat([self.directions, self.directions.new_zeros(1, self.directions.shape[1])])

    def active(self, attributes: Attributes) -> torch.Tensor:
        """Latent that every block has at every prompt, int64 [N, B]; -1 for none.

        Raises:
            KeyError: an attribute is missing.
            ValueError: values out of range, or attributes of different lengths.
        """
        return latents_of(self.blocks, attributes)

    def codes(self, attributes: Attributes) -> torch.Tensor:
        """True codes, float [N, H], one 1 a block."""
        active = self.active(attributes)
        padded = self.directions.new_zeros(len(active), len(self.directions) + 1)
        padded.scatter_(1, self._rows(active), 1.0)
        return padded[:, :-1].contiguous()

    def reconstruct(self, attributes: Attributes) -> torch.Tensor:
        """Activations that the attributes predict, float [N, d]."""
        return self.offset + self.parts(attributes).sum(1)

    def parts(self, attributes: Attributes) -> torch.Tensor:
        """Direction that every block adds at every prompt, float [N, B, d]."""
        return self._padded[self._rows(self.active(attributes))]

    def _rows(self, active: torch.Tensor) -> torch.Tensor:
        """Rows of `_padded` of latents, where -1 is the last."""
        return torch.where(active < 0, len(self.directions), active).to(self.directions.device)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Activations [N, d] to codes [N, H]: in every block 1 for the value with the highest read-out, unless none.

        Raises:
            ValueError: activations of another width.
        """
        self._check(x)
        n_latents = len(self.directions)
        scores = torch.addmm(self.read_biases, x.to(self.reads.dtype) - self.offset, self.reads.T)
        latents = self.directions.new_zeros(len(x), n_latents)
        for i, (block, start) in enumerate(zip(self.blocks, self.starts.tolist(), strict=True)):
            inside = scores[:, start : start + len(block.latent_names)]
            best = inside.max(1)
            chosen = (best.values > scores[:, n_latents + i]).to(latents.dtype)
            latents.scatter_(1, start + best.indices[:, None], chosen[:, None])
        return latents

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [N, H], or codes, to activations [N, d].

        Raises:
            ValueError: latents of another width.
        """
        if latents.ndim != 2 or latents.shape[1] != len(self.directions):
            raise ValueError(f"{self.name}: latents must be [N, {len(self.directions)}], got {list(latents.shape)}")
        return torch.addmm(self.offset, latents.to(self.directions.dtype), self.directions)

    def edit(
        self,
        x: torch.Tensor,
        attribute: str | None,
        before: Values | Attributes,
        after: Values | Attributes,
        *,
        how: How = "swap",
    ) -> torch.Tensor:
        """Change the value of an attribute in activations, and every latent that it touches.

        Args:
            x: float [N, d].
            attribute: which; None changes every attribute in which before and after differ (both mappings).
            before: values int64 [N], or all attributes of the prompts, which latents of several attributes need.
            after: new values int64 [N], or a mapping of which only the attribute is read.
            how: "swap" is a - u + u'. "project" takes all of a - offset that lies along u away and adds u'. "set" moves
                a along u' - u only, until its projection is that of offset + u'.

        Returns:
            Float [N, d]; rows whose latents do not change are returned as they came.

        Raises:
            KeyError: unknown attribute.
            ValueError: wrong shapes or values, or values alone where latents need further attributes.
        """
        self._check(x)
        old, new = self._changes(attribute, before, after)
        if len(old) != len(x):
            raise ValueError(f"{self.name}: got {len(x)} activations and {len(old)} values")
        changed = (old != new).any(1).to(x.device)
        # Only latents that change take part; the others are the same zeros before and after.
        same = old == new
        u_old = self._padded[self._rows(torch.where(same, -1, old))].to(x.device)
        u_new = self._padded[self._rows(torch.where(same, -1, new))].to(x.device)
        offset = self.offset.to(x.device)
        if how == "swap":
            edited = x - u_old.sum(1) + u_new.sum(1)
        elif how == "project":
            edited = project_out(x, u_old, offset) + u_new.sum(1)
        elif how == "set":
            edited = set_projection(x, u_new.sum(1) - u_old.sum(1), offset + u_new.sum(1))
        else:
            raise ValueError(f"how must be 'swap', 'project' or 'set', got {how!r}")
        return torch.where(changed[:, None], edited, x)

    def ablate(
        self, x: torch.Tensor, attribute: str, before: Values | Attributes, *, how: Literal["subtract", "mean"] = "mean"
    ) -> torch.Tensor:
        """Remove what an attribute writes: subtract its directions, or set the projection on them to the mean's.

        Raises:
            KeyError: unknown attribute.
            ValueError: as for `edit`.
        """
        self._check(x)
        old, _ = self._changes(attribute, before, before)
        if len(old) != len(x):
            raise ValueError(f"{self.name}: got {len(x)} activations and {len(old)} values")
        u = self._padded[self._rows(old)].to(x.device)
        if how == "subtract":
            return x - u.sum(1)
        if how == "mean":
            return project_out(x, u, self.offset.to(x.device))
        raise ValueError(f"how must be 'subtract' or 'mean', got {how!r}")

    def editable(
        self, attribute: str | None, before: Values | Attributes, after: Values | Attributes
    ) -> NDArray[np.bool_]:
        """Whether every latent that an edit needs was seen in fitting, bool [N]. Score no other row."""
        old, new = self._changes(attribute, before, after)
        seen = torch.cat([self.counts.cpu() > 0, torch.tensor([True])])
        good = seen[torch.where(old < 0, -1, old)] & seen[torch.where(new < 0, -1, new)]
        return (good | (old == new)).all(1).numpy()

    def _changes(
        self, attribute: str | None, before: Values | Attributes, after: Values | Attributes
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents before and after an edit, int64 [N, B] each; -1 in blocks that it does not touch."""
        if attribute is None:
            if not isinstance(before, Mapping) or not isinstance(after, Mapping):
                raise ValueError("an edit of all attributes needs before and after as mappings of attributes")
            return self.active(before), self.active(after)
        touched = [attribute in block.needs for block in self.blocks]
        if not any(touched):
            known = list(dict.fromkeys(name for block in self.blocks for name in block.needs))
            raise KeyError(unknown_attribute(attribute, known))
        new_values = after[attribute] if isinstance(after, Mapping) else after
        if isinstance(before, Mapping):
            base: dict[str, Values] = dict(before)
        else:
            base = {attribute: before}
            needs = {n for block, t in zip(self.blocks, touched, strict=True) if t for n in block.needs} - {attribute}
            if needs:
                raise ValueError(
                    f"{self.name}: latents of {attribute!r} also depend on {sorted(needs)}; give `before` as a mapping "
                    "with all of them"
                )
        edited = {**base, attribute: new_values}
        columns = torch.tensor(touched).nonzero()[:, 0]
        parts = [block for block, t in zip(self.blocks, touched, strict=True) if t]
        old, new = latents_of(parts, base), latents_of(parts, edited)
        shift = (self.starts[columns] - starts_of(parts)).expand_as(old)
        n = len(old)
        wide = torch.full((2, n, len(self.blocks)), -1)
        wide[0][:, columns] = torch.where(old < 0, -1, old + shift)
        wide[1][:, columns] = torch.where(new < 0, -1, new + shift)
        return wide[0], wide[1]

    def _check(self, x: torch.Tensor) -> None:
        if x.ndim != 2 or x.shape[1] != self.directions.shape[1]:
            raise ValueError(f"{self.name}: activations must be [N, {self.directions.shape[1]}], got {list(x.shape)}")
