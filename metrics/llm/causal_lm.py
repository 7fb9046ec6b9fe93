"""Log-probabilities of texts under a causal language model from a local folder.

Conventions   A prefix and a text are tokenised apart and their tokens joined, so that one text is the same tokens after
              every prefix, and differences of log-probabilities compare like with like. A prefix begins with the
              tokenizer's first-of-sequence token if it has one. Without one an empty prefix leaves the first token of
              a text unconditioned: its log-probability is NaN and the sum leaves it out.
              Only safetensors are read: weights stored as pickles run code. Nothing is fetched unless asked for.
Differences from published code
              There one cache of the prompt's keys and values serves all batches; current transformers grow it in place,
              so that later batches also see the texts of earlier ones, and it has the wrong size for a last, partial
              batch. Here every batch gets a copy of its own, of its own size.
"""

import copy
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class LogProbs:
    """Log-probabilities of some texts, each after its prefix, in nats.

    Attributes:
        total: float64 [n], summed over the tokens of a text; NaN if it failed.
        tokens: float64 [tokens of the text], for each text.
        failures: why a text has none; empty if it has.
    """

    total: NDArray[np.float64]
    tokens: tuple[NDArray[np.float64], ...]
    failures: tuple[str, ...]


class CausalLM:
    """A causal language model that scores texts.

    Args:
        model: of transformers, in evaluation mode.
        tokenizer: its tokenizer.
        name: for reports.
        batch_tokens: most tokens in a forward pass, padding included.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str = "causal LM", *, batch_tokens: int = 8192) -> None:
        if batch_tokens < 1:
            raise ValueError(f"batch_tokens must be at least 1, got {batch_tokens}")
        self.model, self.tokenizer, self.name, self.batch_tokens = model.eval(), tokenizer, name, batch_tokens

    @classmethod
    def from_folder(
        cls,
        path: str | Path,
        device: str = "cpu",
        *,
        dtype: str = "float32",
        hub: bool = False,
        batch_tokens: int = 8192,
    ) -> "CausalLM":
        """Load any causal language model that transformers knows.

        Args:
            path: a folder with `config.json`, a tokenizer and weights as safetensors; with `hub`, also a hub name.
            device: torch device.
            dtype: `float32`, `bfloat16` or `float16`.
            hub: whether a name that is no folder may be fetched from the Hugging Face hub.
            batch_tokens: most tokens in a forward pass.

        Raises:
            FileNotFoundError: no such folder, or one without a config.
            ValueError: weights that are not safetensors, or an unknown dtype.
        """
        if dtype not in ("float32", "bfloat16", "float16"):
            raise ValueError(f"dtype must be float32, bfloat16 or float16, got {dtype!r}")
        folder = Path(path)
        if folder.is_dir():
            _check_folder(folder)
        elif not hub:
            raise FileNotFoundError(f"no folder {folder}; a name on the hub is fetched only with hub=True")
        import torch

        hf: Any = import_module("transformers")  # by name: its types are not known to checkers

        given = str(folder) if folder.is_dir() else str(path)
        local: dict[str, Any] = {"local_files_only": not hub, "trust_remote_code": False}
        with without_bars():
            tokenizer: Any = hf.AutoTokenizer.from_pretrained(given, **local)
            model: Any = hf.AutoModelForCausalLM.from_pretrained(
                given, dtype=getattr(torch, dtype), use_safetensors=True, **local
            )
        model.to(device)
        return cls(model, tokenizer, folder.name, batch_tokens=batch_tokens)

    def __repr__(self) -> str:
        return f"CausalLM({self.name!r})"

    def __call__(self, prefixes: Sequence[str], texts: Sequence[str]) -> NDArray[np.float64]:
        """Summed log-probability of each text after its prefix, float64 [n]; NaN if it failed."""
        return self.logprobs(prefixes, texts).total

    @property
    def context(self) -> int | None:
        """Most tokens that the model takes; None if its config does not say."""
        found = getattr(self.model.config, "max_position_embeddings", None)
        return int(found) if found else None

    def logprobs(self, prefixes: Sequence[str], texts: Sequence[str]) -> LogProbs:
        """Log-probability of each text after its prefix.

        A prefix that several texts share is read once. A text that does not fit into the context with its prefix, and
        one without tokens, has none; nothing is cut.

        Args:
            prefixes: n prefixes, each of which may be empty.
            texts: n texts.

        Raises:
            ValueError: other numbers of prefixes and texts.
        """
        if len(prefixes) != len(texts):
            raise ValueError(f"one prefix a text is needed, got {len(prefixes)} and {len(texts)}")
        import torch

        known = {prefix: self._ids(prefix, first=True) for prefix in dict.fromkeys(prefixes)}
        bodies = [self._ids(text, first=False) for text in texts]
        failures = [self._failure(len(known[p]), len(ids)) for p, ids in zip(prefixes, bodies, strict=True)]
        found: list[NDArray[np.float64]] = [np.zeros(0)] * len(texts)
        groups: dict[str, list[int]] = {}
        for i, prefix in enumerate(prefixes):
            if not failures[i]:
                groups.setdefault(prefix, []).append(i)
        alone: list[int] = []
        with torch.no_grad():
            for prefix, members in groups.items():
                if len(members) == 1 or not known[prefix]:
                    alone += members
                    continue
                self._after(known[prefix], bodies, members, found)
            for batch in self._batches(alone, [len(known[prefixes[i]]) + len(bodies[i]) for i in range(len(texts))]):
                self._joined([(known[prefixes[i]], bodies[i]) for i in batch], batch, found)
        total = np.array([np.nan if f else np.nansum(t) for f, t in zip(failures, found, strict=True)], np.float64)
        return LogProbs(total, tuple(found), tuple(failures))

    def _ids(self, text: str, *, first: bool) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"] if text else []
        bos: int | None = self.tokenizer.bos_token_id
        return [bos, *ids] if first and bos is not None else list(ids)

    def _failure(self, n_prefix: int, n_text: int) -> str:
        if not n_text:
            return "a text without tokens"
        most = self.context
        if most is not None and n_prefix + n_text > most:
            return f"longer than the model's context of {most} tokens"
        return ""

    def _batches(self, members: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
        """Members of similar length together, at most `batch_tokens` with padding."""
        batches: list[list[int]] = []
        longest = 0
        for i in sorted(members, key=lambda i: (lengths[i], i)):
            longest = max(longest, lengths[i])
            if batches and (len(batches[-1]) + 1) * longest <= self.batch_tokens:
                batches[-1].append(i)
            else:
                batches.append([i])
                longest = lengths[i]
        return batches

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple["torch.Tensor", "torch.Tensor"]:
        """Token ids and mask, int64 [n, longest], padded at the right, where a causal model does not look."""
        import torch

        width = max(len(row) for row in rows)
        ids = torch.zeros(len(rows), width, dtype=torch.int64)
        mask = torch.zeros(len(rows), width, dtype=torch.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(list(row), dtype=torch.int64)
            mask[i, : len(row)] = 1
        return ids.to(self.model.device), mask.to(self.model.device)

    def _joined(
        self,
        pairs: Sequence[tuple[list[int], list[int]]],
        members: Sequence[int],
        found: list[NDArray[np.float64]],
    ) -> None:
        """Prefix and text in one pass."""
        ids, mask = self._padded([prefix + body for prefix, body in pairs])
        logits = self.model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        for i, member in enumerate(members):
            prefix, body = pairs[i]
            start = len(prefix)
            if start:
                found[member] = _picked(logits[i, start - 1 : start + len(body) - 1], body)
            else:
                rest = _picked(logits[i, : len(body) - 1], body[1:])
                found[member] = np.concatenate([[np.nan], rest])

    def _after(
        self, prefix: list[int], bodies: Sequence[list[int]], members: Sequence[int], found: list[NDArray[np.float64]]
    ) -> None:
        """Texts after one prefix, whose keys and values are computed once and copied for every batch."""
        import torch

        ids, mask = self._padded([prefix])
        read = self.model(input_ids=ids, attention_mask=mask, use_cache=True)
        last = read.logits[0, -1:]
        lengths = [len(prefix) + len(body) for body in bodies]
        for batch in self._batches(members, lengths):
            cache = copy.deepcopy(read.past_key_values)
            cache.batch_repeat_interleave(len(batch))
            tail, tail_mask = self._padded([bodies[i] for i in batch])
            seen = torch.cat([mask.expand(len(batch), -1), tail_mask], 1)
            logits = self.model(input_ids=tail, attention_mask=seen, past_key_values=cache, use_cache=True).logits
            for i, member in enumerate(batch):
                body = bodies[member]
                found[member] = _picked(torch.cat([last, logits[i, : len(body) - 1]]), body)


@contextmanager
def without_bars() -> Generator[None, None, None]:
    """Models of transformers load without a progress bar; afterwards bars are as they were."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _picked(logits: "torch.Tensor", ids: Sequence[int]) -> NDArray[np.float64]:
    """Log-probability of each token, float64 [tokens], from logits [tokens, vocabulary]."""
    import torch

    if not len(ids):
        return np.zeros(0)
    log_probs = torch.log_softmax(logits.float(), -1)
    chosen = log_probs.gather(1, torch.tensor(list(ids), device=logits.device)[:, None])[:, 0]
    return chosen.double().cpu().numpy()


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} holds no config.json, so no model of transformers")
    if any(folder.glob("*.safetensors")):
        return
    pickles = sorted(p.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for p in folder.glob(pattern))
    held = f"only {', '.join(pickles)}, which would run code when read" if pickles else "no weights"
    raise ValueError(f"{folder} holds {held}; weights must be safetensors")
