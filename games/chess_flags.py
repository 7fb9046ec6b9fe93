"""Blocks of chess features that belong to the whole board: flags, and counts with thresholds."""

from collections.abc import Iterable, Sequence

from .blocks import Block
from .features import Feature

KINDS = ("pawn", "knight", "bishop", "rook", "queen", "king")
SIDES = ("white", "black")
OTHER = {"white": "black", "black": "white"}
WINGS = ("kingside", "queenside")
FILE_NAMES = tuple("abcdefgh")

Row = tuple[str, str, Sequence[str]]


def flags(
    key: str, group: str, rung: int, rows: Iterable[Row], *, variable: str | None = None, reachable: bool = True
) -> Block:
    """One feature for each (name, definition, parents)."""
    return Block(
        key,
        tuple(
            Feature(
                name=name,
                group=group,
                rung=rung,
                definition=definition,
                parents=tuple(parents),
                variable=variable,
                reachable=reachable,
            )
            for name, definition, parents in rows
        ),
    )


def counts(
    key: str,
    group: str,
    rung: int,
    thresholds: Sequence[int],
    *,
    name: str,
    definition: str,
    parents: Sequence[str] = (),
    limit: int | None = None,
) -> Block:
    """Features "at least k" for every threshold k, each of which implies the one before.

    Args:
        key: of the block.
        group: of the features.
        rung: of the features.
        thresholds: ascending.
        name: with `{k}` and the plural `{s}`.
        definition: likewise.
        parents: of the first feature.
        limit: thresholds above it are never reached.
    """
    features: list[Feature] = []
    for k in thresholds:
        s = "s" * (k > 1)
        features.append(
            Feature(
                name=name.format(k=k, s=s),
                group=group,
                rung=rung,
                definition=definition.format(k=k, s=s),
                parents=(features[-1].name,) if features else tuple(parents),
                reachable=limit is None or k <= limit,
            )
        )
    return Block(key, tuple(features), thresholds=tuple(thresholds))
