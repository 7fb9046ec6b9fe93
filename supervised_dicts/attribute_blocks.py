"""Which latents a prompt has, given the values of its attributes: one a block, by one of three parametrisations.

independent   a block for every attribute                   IO=Mary | S=John | Pos=IO first
coupled       every other attribute together with the last  IO=Mary, Pos=IO first | S=John, Pos=IO first
slots         names by the place where they stand           first name=Mary | second name=John | third name=John

Coupled latents can say all that independent ones can, as io + pos / 2 and s + pos / 2; slots cannot.

References    section 4 and figure 15 of Makelov, Lange and Nanda 2024, arXiv 2405.08366
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

Attributes = Mapping[str, NDArray[np.int64] | torch.Tensor]
PARAMETRISATIONS = ("independent", "coupled", "slots")


@dataclass(frozen=True)
class Block:
    """Latents of which a prompt has one, or none where an attribute has no value.

    Attributes:
        name: `IO`; `IO, Pos` where attributes are coupled; `first name` for a slot.
        sources: attributes whose values it tells apart. With a selector, one of them at a time: the value of the
            selector says which.
        sizes: number of values of every source.
        selector: attribute that selects the source, or None: then values of all sources together are one latent.
        latent_names: name of every latent.
    """

    name: str
    sources: tuple[str, ...]
    sizes: tuple[int, ...]
    selector: str | None
    latent_names: tuple[str, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """Attributes that decide which latent a prompt has."""
        return self.sources if self.selector is None else (*dict.fromkeys(self.sources), self.selector)

    def index(self, attributes: Attributes) -> torch.Tensor:
        """Latent of every prompt within the block, int64 [N]; -1 where an attribute has no value.

        Raises:
            KeyError: an attribute is missing.
            ValueError: values that are no integers from -1 to the number of values, or arrays of different lengths.
        """
        columns = [values_of(attributes, name, size) for name, size in zip(self.sources, self.sizes, strict=True)]
        if self.selector is None:
            index = columns[0].clone()
            for column, size in zip(columns[1:], self.sizes[1:], strict=True):
                none = (index < 0) | (column < 0)
                index = torch.where(none, -1, index * size + column)
            return index
        chosen = values_of(attributes, self.selector, len(self.sources))
        index = torch.stack(columns).gather(0, chosen.clamp(min=0)[None])[0]
        return torch.where(chosen < 0, -1, index)


def values_of(attributes: Attributes, name: str, size: int) -> torch.Tensor:
    """Values of one attribute, int64 [N], each from -1 (none) to size - 1.

    Raises:
        KeyError: no such attribute.
        ValueError: no integers, not one axis, or out of range.
    """
    if name not in attributes:
        raise KeyError(unknown_attribute(name, list(attributes)))
    given = attributes[name]
    values = given.detach().cpu() if isinstance(given, torch.Tensor) else torch.from_numpy(np.array(given))
    if values.ndim != 1 or values.is_floating_point() or values.dtype == torch.bool:
        raise ValueError(f"attribute {name!r}: values must be integers [N], got {values.dtype} {list(values.shape)}")
    values = values.long()
    if len(values) and not (int(values.min()) >= -1 and int(values.max()) < size):
        raise ValueError(
            f"attribute {name!r}: values must be from -1 (none) to {size - 1}, got {int(values.min())} to "
            f"{int(values.max())}"
        )
    return values


def unknown_attribute(name: str, known: Sequence[str]) -> str:
    """Message for an attribute that is not there, with close names."""
    close = get_close_matches(name, known, 3)
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"there are {', '.join(map(repr, known[:8]))}"
    return f"no attribute {name!r}; {hint}"


def starts_of(blocks: Sequence[Block]) -> torch.Tensor:
    """First latent of every block, int64 [B], when latents stand in the order of blocks."""
    sizes = torch.tensor([len(block.latent_names) for block in blocks])
    return sizes.cumsum(0) - sizes


def latents_of(blocks: Sequence[Block], attributes: Attributes) -> torch.Tensor:
    """Latent that every block has at every prompt, int64 [N, B]; -1 for none.

    Raises:
        KeyError: an attribute is missing.
        ValueError: values out of range, or attributes of different lengths.
    """
    columns = [block.index(attributes) for block in blocks]
    lengths = {len(column) for column in columns}
    if len(lengths) != 1:
        raise ValueError(f"attributes must be of one length, got {sorted(lengths)}")
    index = torch.stack(columns, 1)
    return torch.where(index < 0, -1, index + starts_of(blocks))


def blocks_of(
    values: Mapping[str, Sequence[str]],
    which: Sequence[str],
    parametrisation: str | Sequence[Sequence[str]] = "independent",
) -> tuple[Block, ...]:
    """Blocks of a parametrisation.

    Args:
        values: names of the values of every attribute.
        which: attributes to use. "coupled" couples each of the others with the last; "slots" takes exactly three, in
            the order (IO, S, Pos), where Pos 0 says that IO stands first.
        parametrisation: "independent", "coupled", "slots", or the attributes of every block, such as
            [("IO", "Pos"), ("S",)].

    Raises:
        KeyError: an attribute without values.
        ValueError: no attributes, one twice, an unknown parametrisation, or one that does not suit the attributes.
    """
    which = tuple(which)
    if not which or len(set(which)) != len(which):
        raise ValueError(f"which must name at least one attribute, each once, got {which}")
    for name in which:
        if name not in values:
            raise KeyError(unknown_attribute(name, list(values)))
    if parametrisation == "independent":
        return tuple(_joint(values, (name,)) for name in which)
    if parametrisation == "coupled":
        if len(which) < 2:
            raise ValueError(f"coupled needs two attributes or more, got {which}")
        return tuple(_joint(values, (name, which[-1])) for name in which[:-1])
    if parametrisation == "slots":
        return _slots(values, which)
    if isinstance(parametrisation, str):
        raise ValueError(f"parametrisation must be one of {PARAMETRISATIONS} or blocks, got {parametrisation!r}")
    groups = [tuple(group) for group in parametrisation]
    if not groups or len(set(groups)) != len(groups) or any(len(set(g)) != len(g) or not g for g in groups):
        raise ValueError(f"blocks must be different and name attributes, each once, got {groups}")
    for name in sorted({name for group in groups for name in group} - set(which)):
        raise ValueError(f"blocks name attribute {name!r}, which is not one of {which}")
    return tuple(_joint(values, group) for group in groups)


def _joint(values: Mapping[str, Sequence[str]], sources: tuple[str, ...]) -> Block:
    """A block with one latent for every combination of values."""
    names = [
        ", ".join(f"{source}={value}" for source, value in zip(sources, combination, strict=True))
        for combination in product(*(values[source] for source in sources))
    ]
    return Block(", ".join(sources), sources, tuple(len(values[source]) for source in sources), None, tuple(names))


def _slots(values: Mapping[str, Sequence[str]], which: tuple[str, ...]) -> tuple[Block, ...]:
    if len(which) != 3:
        raise ValueError(f"slots needs exactly three attributes (IO, S, Pos), got {which}")
    io, s, pos = which
    if tuple(values[io]) != tuple(values[s]) or len(values[pos]) != 2:
        raise ValueError(
            f"slots needs {io!r} and {s!r} to have the same values and {pos!r} to have 2, got {len(values[io])}, "
            f"{len(values[s])} and {len(values[pos])} values"
        )
    size = len(values[io])

    def slot(name: str, sources: tuple[str, ...], selector: str | None) -> Block:
        names = tuple(f"{name}={value}" for value in values[io])
        return Block(name, sources, (size,) * len(sources), selector, names)

    return (slot("first name", (io, s), pos), slot("second name", (s, io), pos), slot("third name", (s,), None))
