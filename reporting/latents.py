"""Latents for a report page: words, exact precision and recall, scorers, features, and positions as boards.

A block is plain JSON. Files of blocks are called `NAME@TESTBED.latents.json`; files of explanations without positions
(`*.explanations.json`) are read as well. What comes from language models is text and stays text.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..report import plain, write_atomically

KIND = "fiducial latents"
SCHEMA = 1
SUFFIX = ".latents.json"
_EXPLANATIONS = "fiducial explanations 1"
_MEASURES = ("precision", "recall", "f1")
_TEXTS = ("explanation", "predicate", "explainer", "failure")


def is_latents(content: Any) -> bool:
    """Whether JSON content is a file of latents or of explanations."""
    return isinstance(content, Mapping) and (content.get("kind") == KIND or content.get("schema") == _EXPLANATIONS)


def latents_from(content: Any, source: str = "file of latents") -> list[dict[str, Any]]:
    """Blocks of a file of latents or of explanations, for the page's data.

    Args:
        content: JSON of the file.
        source: where it is from, for errors.

    Returns:
        One mapping a latent: `dictionary`, `testbed`, `latent`, `rate`, `explanation`, `explainer`, `precision`,
        `recall` and `f1` (value, low, high), `scorers` (name -> value, shuffled), `matches` (feature, f1, floor,
        precision, recall), `histogram` and `examples`; what is not known is None or empty.

    Raises:
        ValueError: neither of both, of a newer schema, or with a part missing.
    """
    if not is_latents(content):
        raise ValueError(f"{source} holds no latents: neither {KIND!r} nor explanations")
    if content.get("kind") == KIND and content.get("schema") != SCHEMA:
        raise ValueError(f"{source}: latents of schema {SCHEMA} were expected, got {content.get('schema')!r}")
    try:
        where = {"dictionary": str(content["dictionary"]), "testbed": str(content["testbed"])}
        if content.get("kind") == KIND:
            return [{**where, **_checked(one)} for one in content["latents"]]
        return [{**where, **explained_block(one)} for one in content["latents"]]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{source} is not a whole file of latents: {type(error).__name__} {error}") from error


def explained_block(one: Mapping[str, Any]) -> dict[str, Any]:
    """The block of one explained latent (JSON of `ExplainedLatent`), without positions."""
    exact = one["exact"]
    return {
        "latent": int(one["latent"]),
        "rate": _known(one["rate"]),
        "explanation": str(one["text"]),
        "predicate": str(one["predicate"]),
        "explainer": str(one["source"]),
        "failure": str(one["failure"]),
        **{name: [_known(v) for v in exact[name]] if name in exact else None for name in _MEASURES},
        "scorers": {
            str(name): [_known(score.get("value")), _known(score.get("null"))] for name, score in one["scores"].items()
        },
        "matches": [],
        "histogram": None,
        "examples": [],
    }


def merge(blocks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same latents once each, in the order of first appearance; blocks with positions win over those without."""
    found: dict[tuple[str, str, int], dict[str, Any]] = {}
    for block in blocks:
        key = (block["dictionary"], block["testbed"], block["latent"])
        before = found.get(key)
        if before is None or (block["examples"] and not before["examples"]):
            found[key] = dict(block)
    return list(found.values())


def latents_content(blocks: Sequence[Mapping[str, Any]], *, dictionary: str, testbed: str) -> dict[str, Any]:
    """The content of a file of latents.

    Args:
        blocks: without `dictionary` and `testbed`.
        dictionary: its name.
        testbed: where.

    Raises:
        ValueError: a block with a wrong part.
        KeyError: a block that lacks one.
    """
    latents = [_checked(plain(block, "latents")) for block in blocks]
    return {"kind": KIND, "schema": SCHEMA, "dictionary": dictionary, "testbed": testbed, "latents": latents}


def write_latents_file(content: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write what `latents_content` gave, whole or not at all, a line a latent."""
    head = json.dumps({**content, "latents": None}, allow_nan=False)
    rows = ",\n".join(json.dumps(one, allow_nan=False, sort_keys=True) for one in content["latents"])
    end = '"latents": null}'
    return write_atomically(path, f'{head.removesuffix(end)}"latents": [\n{rows}\n]}}\n')


def _checked(block: Mapping[str, Any]) -> dict[str, Any]:
    """A block with all its parts, of the right kinds."""
    if not isinstance(block["latent"], int) or block["latent"] < 0:
        raise ValueError(f"latent must be a number of one, got {block['latent']!r}")
    for name in _TEXTS:
        if not isinstance(block[name], str):
            raise ValueError(f"{name} of latent {block['latent']} must be text, got {block[name]!r}")
    for name in _MEASURES:
        if block[name] is not None and len(block[name]) != 3:
            raise ValueError(f"{name} of latent {block['latent']} must be value, low and high, got {block[name]!r}")
        _numbers(block[name] or (), name, block)
    _numbers([block["rate"]], "rate", block)
    for name, score in block["scorers"].items():
        if not isinstance(score, list | tuple) or len(score) != 2:
            raise ValueError(f"scorer {name} of latent {block['latent']} must have value and null, got {score!r}")
        _numbers(score, f"scorer {name}", block)
    for example in block["examples"]:
        _check_example(example, block)
    for match in block["matches"]:
        if not isinstance(match, list | tuple) or len(match) != 5 or not isinstance(match[0], str):
            raise ValueError(f"a match of latent {block['latent']} must have five parts, got {match!r}")
        _numbers(match[1:], "a match", block)
    if (drawn := block["histogram"]) is not None:
        _check_histogram(drawn, block)
    return {**block, "scorers": dict(block["scorers"]), "histogram": drawn}


def _check_example(example: Mapping[str, Any], block: Mapping[str, Any]) -> None:
    if not {"kind", "activation", "text", "board", "marked"} <= set(example):
        raise ValueError(f"an example of latent {block['latent']} lacks a part: it has {', '.join(example)}")
    for part in ("kind", "text", "board"):
        if not isinstance(example[part], str):
            raise ValueError(f"{part} of an example of latent {block['latent']} must be text, got {example[part]!r}")
    _numbers([example["activation"]], "activation", block)
    _numbers(example["marked"], "marked squares", block)


def _check_histogram(drawn: Mapping[str, Any], block: Mapping[str, Any]) -> None:
    edges, *counts = (drawn[part] for part in ("edges", "with", "without"))
    if any(len(of) != len(edges) - 1 for of in counts):
        raise ValueError(f"the histogram of latent {block['latent']} needs one edge more than counts of each kind")
    for numbers in (edges, *counts):
        if None in numbers:
            raise ValueError(f"the histogram of latent {block['latent']} lacks a number")
        _numbers(numbers, "histogram", block)


def _numbers(values: Iterable[Any], name: str, block: Mapping[str, Any]) -> None:
    """Refuse what is neither a number nor None."""
    for value in values:
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(f"{name} of latent {block['latent']}: a number was expected, got {value!r}")


def _known(value: Any) -> float | None:
    return None if value is None or (isinstance(value, float) and math.isnan(value)) else float(value)
