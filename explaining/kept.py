"""Finished latents on disk, a line each, so that a run goes on where it was stopped."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..report import plain
from .result import ExplainedLatent, latent_from

_SAID = {"how": "endpoint or parameters", "per_question": "examples in a question", "chunk": "latents taken together"}


class Kept:
    """Finished latents in a file of JSON lines; the first line says what run they are of.

    Args:
        path: of the file; None keeps nothing.
        identity: everything that the results depend on, JSON types.

    Raises:
        ValueError: the file is of another run, or is no such file.
    """

    def __init__(self, path: str | os.PathLike[str] | None, identity: Mapping[str, Any]) -> None:
        self._path = None if path is None else Path(path)
        self._identity = json.loads(json.dumps(plain(identity, "identity")))
        self.latents: dict[int, ExplainedLatent] = {}
        if self._path is not None and self._path.exists():
            self._read(self._path)

    def _read(self, path: Path) -> None:
        lines = path.read_bytes().split(b"\n")
        whole, rest = lines[:-1], lines[-1]
        try:
            first = json.loads(whole[0]) if whole else None
        except ValueError:
            first = None
        if not isinstance(first, dict) or not isinstance(first.get("run"), dict):
            if not whole and self._first_line().startswith(rest):  # killed before the first line was out
                path.unlink()
                return
            raise ValueError(f"{path} does not hold finished latents: its first line does not say of which run")
        if first["run"] != self._identity:
            changed = sorted(
                name for name in {*first["run"], *self._identity} if first["run"].get(name) != self._identity.get(name)
            )
            raise ValueError(
                f"{path} holds latents of another run, with {self._differences(first['run'], changed)}: take another "
                "folder, or delete the file to begin anew"
            )
        for number, line in enumerate(whole[1:], start=2):
            try:
                one = latent_from(json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise ValueError(f"line {number} of {path} holds no latent ({error}): delete the line") from None
            self.latents[one.latent] = one
        if rest:  # a line that a kill cut off
            with path.open("r+b") as file:
                file.truncate(sum(len(line) + 1 for line in whole))

    def _differences(self, other: Mapping[str, Any], names: list[str]) -> str:
        """What is not the same; values where they are short."""
        said: list[str] = []
        for name in names:
            there, here = other.get(name), self._identity.get(name)
            short = all(value is None or isinstance(value, (str, int, float)) for value in (there, here))
            told = (
                f" ({there if there not in (None, '') else 'none'}, here {here if here not in (None, '') else 'none'})"
            )
            said.append(f"other {_SAID.get(name, name)}{told if short else ''}")
        return ", ".join(said)

    def _first_line(self) -> bytes:
        return (json.dumps({"run": self._identity}) + "\n").encode()

    def add(self, found: list[ExplainedLatent]) -> None:
        """Keep some latents, in the form in which they would be read back; they are on disk when this returns."""
        lines = [json.dumps(plain(vars(one), "latent")) for one in found]
        self.latents |= {one.latent: one for one in (latent_from(json.loads(line)) for line in lines)}
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = not self._path.exists()
        with self._path.open("ab") as file:
            if new:
                file.write(self._first_line())
            file.writelines(f"{line}\n".encode() for line in lines)
            file.flush()
            os.fsync(file.fileno())
