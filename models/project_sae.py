"""Project a dictionary of the residual stream onto what the next block reads: queries, keys and values of its heads.

Equation      a = LN(x) W + b with LN(x) = (x - mean(x)) / s(x) * w + c. With s(x) held at its true value this is linear
              in x, so a latent with direction d in the stream writes (d - mean(d)) * w W / s(x) into the head.
Conventions   the directions of the projected dictionary are taken at one scale, the mean of 1 / s over a sample; a
              row's own scale goes into its latents, so that latents @ directions is exact. Only the decoder's bias is
              at the mean scale; `reconstruct` is exact in that as well.
References    SAGE (Venhoff et al. 2024, arXiv 2410.07456) evaluates residual-stream SAEs at sublayers by projection
Differences from published code     written from the equation above
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from .dictionary import Dictionary
from .nodes import Index, Node, read_nodes

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

_READERS = ("q", "k", "v")


@dataclass(frozen=True, eq=False)
class ProjectedDictionary:
    """A residual-stream dictionary as seen by one node. It has directions and decodes; it encodes the stream.

    Attributes:
        name: of the dictionary and the node.
        source: the dictionary of the stream.
        node: that reads it; role q, k or v.
        weight: float [d_model, d_node], layer norm's weight and the head's matrix in one.
        bias: float [d_node].
        eps: of the layer norm.
        scale: mean of 1 / s(x) over a sample.
        latent_names: of the source.
    """

    name: str
    source: Dictionary
    node: Node
    weight: torch.Tensor
    bias: torch.Tensor
    eps: float
    scale: float
    latent_names: tuple[str, ...] | None

    @property
    def directions(self) -> torch.Tensor:
        """Float [H, d_node]."""
        return self._linear(self.source.directions) * self.scale

    @property
    def offset(self) -> torch.Tensor:
        """What is written when no latent fires, at the mean scale, float [d_node]."""
        nothing = self.source.directions.new_zeros(1, len(self.source.directions))
        return self.bias + self._linear(self.source.decode(nothing))[0] * self.scale

    def latents_of(self, stream: torch.Tensor) -> torch.Tensor:
        """Latents [N, H] of the residual stream before the block, float [N, d_model]."""
        return self.source.encode(stream) * self._inverse_scale(stream)[:, None] / self.scale

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [N, H] to what the node holds, [N, d_node]."""
        return self.offset + latents @ self.directions

    def reconstruct(self, stream: torch.Tensor) -> torch.Tensor:
        """What the node would hold if the stream were the dictionary's reconstruction, at the stream's own scale."""
        decoded = self.source.decode(self.source.encode(stream))
        return self.bias + self._linear(decoded) * self._inverse_scale(stream)[:, None]

    def truth(self, stream: torch.Tensor) -> torch.Tensor:
        """What the node holds, computed from the stream, [N, d_node]."""
        return self.bias + self._linear(stream) * self._inverse_scale(stream)[:, None]

    def _linear(self, x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean(-1, keepdim=True)) @ self.weight.to(x)

    def _inverse_scale(self, stream: torch.Tensor) -> torch.Tensor:
        return 1 / _scale(stream, self.eps)


@dataclass(frozen=True)
class Projection:
    """How much of a node a projected dictionary keeps.

    Attributes:
        stream_variance: R2 of the dictionary on the stream.
        node_variance: R2 of the projected reconstruction on the node.
        l0: mean number of latents that fire.
        n_rows: rows measured.
    """

    stream_variance: float
    node_variance: float
    l0: float
    n_rows: int

    def line(self) -> str:
        """For a table."""
        return (
            f"projected dictionary keeps {self.node_variance:.1%} of the variance "
            f"({self.stream_variance:.1%} in the stream), L0 {self.l0:.1f}"
        )


def project_sae(
    model: "TransformerBridge", dictionary: Dictionary, node: Node, stream: torch.Tensor
) -> ProjectedDictionary:
    """A dictionary of the stream before block L, seen by q, k or v of block L.

    Args:
        model: with layer norms.
        dictionary: of the residual stream before the node's block, [N, d_model] in and out.
        node: role q, k or v; a head or all heads.
        stream: float [N, d_model], a sample of the stream, for the mean scale.

    Raises:
        ValueError: another role, a dictionary of another width, a stream of another shape, or a model without layer
            norms of the usual form.
    """
    if node.role not in _READERS or node.layer is None:
        raise ValueError(f"only {', '.join(_READERS)} read the stream through one linear map, got {node}")
    d_model = int(model.cfg.d_model)
    if dictionary.directions.shape[1] != d_model or stream.ndim != 2 or stream.shape[1] != d_model or not len(stream):
        raise ValueError(
            f"dictionary and stream must have width {d_model} of the residual stream, got "
            f"{list(dictionary.directions.shape)} and {list(stream.shape)}"
        )
    norm = model.blocks[node.layer].ln1
    if str(model.cfg.normalization_type) not in ("LN", "LNPre"):
        raise ValueError(f"projection needs layer norm, the model has {model.cfg.normalization_type}")
    matrix = getattr(model, f"W_{node.role.upper()}")[node.layer].detach().float()  # [heads, d_model, d_head]
    bias = getattr(model, f"b_{node.role.upper()}")[node.layer].detach().float()  # [heads, d_head]
    if node.head is not None:
        if node.head >= len(matrix):
            raise ValueError(f"{node}: the model has {len(matrix)} heads a block there")
        matrix, bias = matrix[node.head : node.head + 1], bias[node.head : node.head + 1]
    flat = matrix.permute(1, 0, 2).flatten(1)
    gain, shift = (getattr(norm, name, None) for name in ("weight", "bias"))
    gain = torch.ones(d_model) if gain is None else gain.detach().float().cpu()
    shift = torch.zeros(d_model) if shift is None else shift.detach().float().cpu()
    flat = flat.cpu()
    eps = float(model.cfg.eps)
    return ProjectedDictionary(
        name=f"{dictionary.name} at {node}",
        source=dictionary,
        node=node,
        weight=(gain[:, None] * flat).to(stream.device),
        bias=(bias.flatten().cpu() + shift @ flat).to(stream.device),
        eps=eps,
        scale=float((1 / _scale(stream, eps)).mean()),
        latent_names=dictionary.latent_names,
    )


def projection_figures(
    model: "TransformerBridge",
    dictionary: Dictionary,
    tokens: Index,
    positions: Mapping[str, Index],
    nodes: Sequence[Node],
) -> dict[Node, Projection]:
    """Project a dictionary onto nodes and measure what is kept; the map is checked against the model.

    Raises:
        ValueError: as `project_sae`; or the model computes something else there than the projection says.
    """
    found: dict[Node, Projection] = {}
    for node in nodes:
        before = Node.of("resid_pre", node.layer or 0, node.position)
        read = read_nodes(model, tokens, positions, [before, node])
        stream, value = read[before], read[node]
        projected = project_sae(model, dictionary, node, stream)
        error = float((projected.truth(stream) - value).abs().max())
        if error > 1e-3 * (1 + float(value.abs().max())):
            raise ValueError(
                f"{node}: the model holds something else than layer norm and one matrix say, by {error:.3g}"
            )
        with torch.no_grad():
            latents = dictionary.encode(stream)
            found[node] = Projection(
                stream_variance=_r2(dictionary.decode(latents), stream),
                node_variance=_r2(projected.reconstruct(stream), value),
                l0=float((latents != 0).double().sum(1).mean()),
                n_rows=len(stream),
            )
    return found


def _scale(stream: torch.Tensor, eps: float) -> torch.Tensor:
    return (stream - stream.mean(-1, keepdim=True)).square().mean(-1).add(eps).sqrt()


def _r2(reconstruction: torch.Tensor, x: torch.Tensor) -> float:
    missed = (x - reconstruction).double().square().sum()
    return float(1 - missed / (x - x.mean(0)).double().square().sum())
