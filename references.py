"""Floors and ceilings of a testbed: what deserves no credit, and what could be had. Computed once a testbed."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from .data.assets import asset
from .models.controls import identity_dictionary, neurons_of, pca_dictionary, random_dictionary
from .models.devices import on_device, rebuilt
from .models.dictionary import Codes, Dictionary, encode_in_batches
from .models.encoding import ELEMENTS
from .models.loading import load_dictionary
from .supervised_dicts.files import load_supervised
from .supervised_dicts.least_squares import fit_least_squares
from .supervised_dicts.probes import fit_probes
from .synthetic_testbed import SyntheticTestbed
from .testbed_catalogue import AnyTestbed, Testbed

N_NULLS = 3
NULL_SEED = 7_000  # nulls are other random dictionaries than the one that is a floor
Null = tuple[Codes, NDArray[np.float32]]


@dataclass(frozen=True)
class Candidate:
    """A dictionary together with the activations that it reads.

    Attributes:
        name: a row of the report.
        role: what it is to the dictionaries under test.
        dictionary: what encodes and decodes.
        x: float [N, d], its input at the testbed's scored positions.
        same_stream: whether it reconstructs the testbed's own activations, so that fidelity and behaviour make sense.
        cache: what several metrics ask of it.
    """

    name: str
    role: Literal["tested", "floor", "ceiling"]
    dictionary: Dictionary
    x: torch.Tensor
    same_stream: bool = True
    cache: dict[str, Any] = field(default_factory=dict[str, Any], compare=False, repr=False)

    @cached_property
    def codes(self) -> Codes:
        """Latents at every scored position."""
        return encode_in_batches(self.dictionary, self.x)

    @cached_property
    def reconstruction(self) -> torch.Tensor:
        """Float [N, d], on the device of x."""
        with torch.no_grad():
            rows = max(1, min(8192, ELEMENTS // len(self.dictionary.directions)))
            return torch.cat([rebuilt(self.dictionary, batch) for batch in self.x.split(rows)])


class Later(Candidate):
    """A candidate that is fitted or captured only when something is asked of it; one whose scores are kept never is.

    Args:
        name: a row of the report.
        role: what it is to the dictionaries under test.
        make: the dictionary and what it reads.
        same_stream: whether it reconstructs the testbed's own activations.
    """

    def __init__(
        self,
        name: str,
        role: Literal["tested", "floor", "ceiling"],
        make: Callable[[], tuple[Dictionary, torch.Tensor]],
        same_stream: bool = True,
    ) -> None:
        for key, value in {"name": name, "role": role, "same_stream": same_stream, "cache": {}, "_make": make}.items():
            object.__setattr__(self, key, value)

    @cached_property
    def _made(self) -> tuple[Dictionary, torch.Tensor]:
        return self._make()  # type: ignore[attr-defined, no-any-return]

    @property
    def dictionary(self) -> Dictionary:  # type: ignore[override]
        """What encodes and decodes."""
        return self._made[0]

    @property
    def x(self) -> torch.Tensor:  # type: ignore[override]
        """Its input at the testbed's scored positions, float [N, d]."""
        return self._made[1]


class References:
    """The floors and ceilings for dictionaries of one width and L0 on a testbed.

    Args:
        bed: the testbed.
        n_latents: width of the dictionaries under test; the random dictionary has the same.
        l0: theirs; the random dictionary has the same to within an eighth, so that dictionaries of about one sparsity
            share it.
    """

    def __init__(self, bed: AnyTestbed, n_latents: int, l0: float) -> None:
        self.bed, self.n_latents, self.k = bed, n_latents, shared_k(n_latents, l0)

    def floors(self) -> list[Candidate]:
        """Random dictionary, SAE of the random twin, frozen-decoder SAE, neurons, PCA; those that the testbed has."""
        return [
            self._kept(f"random dictionary ({self.n_latents}, L0 {self.k})", self._random),
            *(self._kept(f"random-model SAE ({n[5:]})", self._twin(a)) for n, a in self._twins().items()),
            *(self._kept(f"frozen-decoder SAE ({n[7:]})", self._frozen(a)) for n, a in self._controls().items()),
            *([self._kept("neurons", self._neurons)] if isinstance(self.bed, Testbed) and self.bed.has_neurons else []),
            self._kept("PCA", self._pca),
        ]

    def ceilings(self) -> list[Candidate]:
        """The oracle, where a world wrote the activations, and what is fitted with labels.

        Probes and least squares are fitted on the choosing games, but probes that ship with a testbed on many more,
        none of them scored; mean codes of the attributes of prompts on the prompts of its bench.
        """
        fitted = [self._kept("probes", self._probes)]
        if isinstance(self.bed, SyntheticTestbed):
            return [self._kept("oracle", self._oracle), *fitted]
        fitted.append(self._kept("least squares", self._least_squares))
        return [*fitted, self._kept("mean codes", self._mean_codes)] if self.bed.spec.position else fitted

    def nulls(self, n: int = N_NULLS) -> list[Null]:
        """Random dictionaries on the testbed's rows, the chance level of recovery: latents and directions of each."""
        found: list[Null] = []
        for seed in range(n):
            key = f"null {self.n_latents} {self.k} {seed}"
            if key not in self.bed.cache:
                made = random_dictionary(self._choosing, self.n_latents, self.k, seed=NULL_SEED + seed)
                self.bed.cache[key] = (encode_in_batches(made, self.bed.x), made.directions.numpy())
            found.append(self.bed.cache[key])
        return found

    def identity(self) -> Candidate:
        """The untouched activations: the ceiling of fidelity and behaviour."""
        return self._kept("identity", self._identity)

    def _kept(self, name: str, make: Callable[[str], Candidate]) -> Candidate:
        key = f"reference {name}"
        if key not in self.bed.cache:
            self.bed.cache[key] = make(name)
        return self.bed.cache[key]

    def _twins(self) -> dict[str, str]:
        return dict(self.bed.spec.twin_dictionaries) if isinstance(self.bed, Testbed) else {}

    def _controls(self) -> dict[str, str]:
        return dict(self.bed.spec.controls) if isinstance(self.bed, Testbed) else {}

    @property
    def _choosing(self) -> torch.Tensor:
        return self.bed.x[torch.from_numpy(self.bed.train)]

    def _random(self, name: str) -> Candidate:
        def make() -> Dictionary:
            return random_dictionary(self._choosing, self.n_latents, self.k, seed=self.bed.seed, name=name)

        return self._on_x(name, "floor", make)

    def _on_x(self, name: str, role: Literal["floor", "ceiling"], make: Callable[[], Dictionary]) -> Candidate:
        return Later(name, role, lambda: (on_device(make(), self.bed.device), self.bed.x))

    def _twin(self, asset_name: str) -> Callable[[str], Candidate]:
        def make(name: str) -> Candidate:
            assert isinstance(self.bed, Testbed)  # other testbeds have no twin
            bed = self.bed
            return Later(
                name,
                "floor",
                lambda: (on_device(load_dictionary(asset(asset_name), "sae_lens", name=name), bed.device), bed.twin.x),
                same_stream=False,
            )

        return make

    def _frozen(self, asset_name: str) -> Callable[[str], Candidate]:
        def make(name: str) -> Candidate:
            return self._on_x(name, "floor", lambda: load_dictionary(asset(asset_name), "sae_lens", name=name))

        return make

    def _neurons(self, name: str) -> Candidate:
        assert isinstance(self.bed, Testbed)
        bed = self.bed
        return Later(
            name, "floor", lambda: (neurons_of(bed.model, bed.spec.layer, name=name), bed.neurons), same_stream=False
        )

    def _pca(self, name: str) -> Candidate:
        return self._on_x(name, "floor", lambda: pca_dictionary(self._choosing, name=name))

    def _identity(self, name: str) -> Candidate:
        return Candidate(name, "ceiling", identity_dictionary(self.bed.d_in, name=name), self.bed.x)

    def _oracle(self, name: str) -> Candidate:
        assert isinstance(self.bed, SyntheticTestbed)
        bed = self.bed
        return self._on_x(name, "ceiling", lambda: bed.oracle)

    def _probes(self, name: str) -> Candidate:
        def make() -> Dictionary:
            if isinstance(self.bed, Testbed) and self.bed.spec.probes:
                return load_supervised(asset(self.bed.spec.probes), names=self._names())
            rows, names, device = self._choosing, self._names(), self.bed.device
            return fit_probes(rows, self._labels(), feature_names=names, seed=self.bed.seed, device=device)

        return self._on_x(name, "ceiling", make)

    def _least_squares(self, name: str) -> Candidate:
        def make() -> Dictionary:
            rows, names, device = self._choosing, self._names(), self.bed.device
            return fit_least_squares(rows, self._labels(), feature_names=names, device=device)

        return self._on_x(name, "ceiling", make)

    def _mean_codes(self, name: str) -> Candidate:
        assert isinstance(self.bed, Testbed)
        bed = self.bed
        return self._on_x(name, "ceiling", lambda: next(iter(bed.bench.mean_codes.values())))

    def _names(self) -> tuple[str, ...]:
        features = self.bed.features
        return features.take(features.where(counterpart=False, reachable=True)).names

    def _labels(self):  # noqa: ANN202 - bool array
        features = self.bed.features
        packed = self.bed.activations.labels[self.bed.train]
        return features.unpack_columns(packed, features.where(counterpart=False, reachable=True))


def shared_k(n_latents: int, l0: float) -> int:
    """L0 of the random dictionary beside dictionaries of this one: the same to within an eighth."""
    step = 2 ** max(0, math.floor(math.log2(max(l0, 1))) - 2)
    return max(1, min(step * round(l0 / step), n_latents))


def nulls_for(candidate: Candidate, bed: AnyTestbed) -> list[Null]:
    """Random dictionaries of a dictionary's own width and L0: the chance level of its recovery.

    Empty where recovery is not asked: on a testbed without a world, or for a dictionary of another stream.
    """
    if not isinstance(bed, SyntheticTestbed) or not candidate.same_stream:
        return []
    return References(bed, candidate.codes.n_latents, candidate.codes.l0).nulls()
