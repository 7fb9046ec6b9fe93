"""Many small SAEs trained as one stack: products [M, B, d] x [M, d, h], gradients by hand, no host synchronisation.

Equations     f = ReLU((x - b_dec) W_enc + b_enc), of which TopK keeps the k largest of a row; xhat = f W_dec + b_dec
              loss = mean over rows of ||x - xhat||^2, for L1 plus l1 * sum of f
Conventions   Decoder rows start as random unit vectors and are made unit again after each step, the encoder starts as
              the decoder's transpose, b_enc at 0, b_dec at the mean of the data; Adam at a constant rate; batches are
              drawn with replacement; no resampling of dead latents. Training is counted in steps, never in seconds:
              what is found early and what is found at all are two questions.
              Each member draws its weights and its rows from streams of its own, so it is the same SAE in whatever
              stack it is trained (up to rounding), and never starts at directions that somebody drew with its seed.
References    Gao et al. 2024 (arXiv 2406.04093), TopK; Bricken et al. 2023, Towards Monosemanticity, L1.
Differences from published code
              The gradient of the mean error is taken as it stands: its part along a decoder row is not projected out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from .seeds import generator_of

Kind = Literal["topk", "l1"]


@dataclass(frozen=True, eq=False)
class SmallSAE:
    """A trained SAE; meets the Dictionary contract.

    Attributes:
        name: such as `topk 3 seed 0`; a snapshot adds ` at 300`.
        directions: float32 [h, d], unit rows.
        encoder: float32 [d, h].
        encoder_bias: float32 [h].
        bias: float32 [d], what is written where no latent fires.
        k: latents a row that may fire; None for L1.
        seed: of weights and batches.
        steps: trained so far.
        loss: mean training loss of the last 100 steps (or of all so far), in squared units of the scaled data.
    """

    name: str
    directions: torch.Tensor
    encoder: torch.Tensor
    encoder_bias: torch.Tensor
    bias: torch.Tensor
    k: int | None
    seed: int
    steps: int
    loss: float = float("nan")
    latent_names: tuple[str, ...] | None = None

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Activations [N, d] to latents [N, h], none negative."""
        pre = torch.addmm(self.encoder_bias, x - self.bias, self.encoder)
        if self.k is None:
            return pre.relu()
        top, where = pre.topk(self.k, dim=-1)
        return torch.zeros_like(pre).scatter(-1, where, top.relu())

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [N, h] to activations [N, d]."""
        return torch.addmm(self.bias, latents, self.directions)


@dataclass
class Stack:
    """The parameters of M SAEs; `gradients` is the whole of the mathematics.

    Attributes:
        encoder: float [M, d, h].
        encoder_bias: float [M, 1, h].
        decoder: float [M, h, d].
        bias: float [M, 1, d].
    """

    encoder: torch.Tensor
    encoder_bias: torch.Tensor
    decoder: torch.Tensor
    bias: torch.Tensor

    def parameters(self) -> list[torch.Tensor]:
        """In the order of `gradients`."""
        return [self.encoder, self.encoder_bias, self.decoder, self.bias]


def train_small_saes(
    x: torch.Tensor,
    *,
    kind: Kind = "topk",
    n_latents: int,
    k: int | None = None,
    l1: float | None = None,
    seeds: Sequence[int] = (0,),
    steps: int,
    lr: float = 1e-3,
    batch_size: int = 512,
    frozen_decoder: bool = False,
    snapshots: Sequence[int] = (),
    mean_norm: float | None = None,
    progress: Callable[[int, torch.Tensor], None] | None = None,
) -> list[SmallSAE]:
    """Train one SAE for each seed, all at once.

    Args:
        x: float [N, d], activations; the stack lives on their device. With axes [M, N, d] each member has data of its
            own.
        kind: `topk` (needs k) or `l1` (needs l1).
        n_latents: h.
        k: latents a row.
        l1: factor of the sum of latents in the loss, in units of the scaled data.
        seeds: one SAE each.
        steps: of training.
        lr: of Adam.
        batch_size: rows a step and member, drawn with replacement.
        frozen_decoder: leave the decoder as it was drawn; what such a control scores owes nothing to its directions.
        snapshots: numbers of steps, at most `steps`, at which the SAEs are kept too.
        mean_norm: scale the data to this mean norm for training (1 and sqrt(d) are in use); the factor is folded back,
            so that the SAE takes activations as they came. None trains on them as they are.
        progress: called with the number of steps done and the loss of each member, float [M], every 100 steps.

    Returns:
        One SAE a seed; with snapshots, those first, by steps and then by seed, and the final ones last.

    Raises:
        ValueError: shapes, k, l1, seeds or snapshots that do not fit.
    """
    _check(x, kind, n_latents, k, l1, seeds, steps, batch_size, snapshots)
    data = x.detach().to(torch.float32)
    rows = data if data.ndim == 3 else data.expand(len(seeds), *data.shape)
    norms = rows.norm(dim=-1).mean(-1) if data.ndim == 3 else data.norm(dim=-1).mean().expand(len(seeds))
    scale = torch.ones_like(norms) if mean_norm is None else mean_norm / norms
    stack = initial(rows, scale, n_latents, seeds)
    trained = [p for p in stack.parameters() if not (frozen_decoder and p is stack.decoder)]
    optimiser = torch.optim.Adam(trained, lr=lr, fused=True)
    drawn = [generator_of("rows of small SAEs", seed) for seed in seeds]
    label = f"topk {k}" if kind == "topk" else f"l1 {l1:g}"
    label += " frozen decoder" if frozen_decoder else ""
    kept: list[SmallSAE] = []
    recent: list[torch.Tensor] = []
    for step in range(1, steps + 1):
        batch = torch.stack(
            [
                member[torch.randint(member.shape[0], (batch_size,), generator=g).to(member.device)]
                for member, g in zip(rows, drawn, strict=True)
            ]
        )
        batch *= scale[:, None, None]
        loss, grads = gradients(stack, batch, k=k if kind == "topk" else None, l1=l1 or 0.0)
        for parameter, gradient in zip(stack.parameters(), grads, strict=True):
            parameter.grad = gradient
        optimiser.step()
        if not frozen_decoder:
            stack.decoder /= stack.decoder.norm(dim=-1, keepdim=True)
        recent = [*recent[-99:], loss]
        if progress is not None and step % 100 == 0:
            progress(step, loss)
        if step == steps or step in snapshots:
            name = label if step == steps else f"{label} at {step}"
            kept += _members(stack, scale, name, k if kind == "topk" else None, seeds, step, recent)
    return kept


def initial(rows: torch.Tensor, scale: torch.Tensor, n_latents: int, seeds: Sequence[int]) -> Stack:
    """Random unit decoders, encoders tied to them, biases at 0 and at the mean of the scaled data [M, N, d]."""
    width = rows.shape[-1]
    drawn = [
        torch.randn(n_latents, width, generator=generator_of("weights of small SAEs", seed)).to(rows.device)
        for seed in seeds
    ]
    decoder = torch.stack(drawn)
    decoder /= decoder.norm(dim=-1, keepdim=True)
    encoder = decoder.transpose(1, 2).contiguous()
    bias = rows.mean(1, keepdim=True) * scale[:, None, None]
    return Stack(encoder, torch.zeros(len(seeds), 1, n_latents, device=rows.device), decoder, bias)


def gradients(
    stack: Stack, x: torch.Tensor, *, k: int | None, l1: float
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Loss of each member and its gradients; the tests hold them to autograd.

    Args:
        stack: the parameters.
        x: float [M, B, d], already scaled.
        k: of TopK, or None.
        l1: factor of the sum of latents; 0 for TopK.

    Returns:
        loss, float [M], and the gradients of encoder, encoder bias, decoder and bias.
    """
    centred = x - stack.bias
    pre = torch.baddbmm(stack.encoder_bias, centred, stack.encoder)  # [M, B, h]
    if k is None:
        return _dense_gradients(stack, centred, pre.relu_(), l1)
    return _sparse_gradients(stack, centred, *pre.topk(k, dim=-1, sorted=False))


def _dense_gradients(
    stack: Stack, centred: torch.Tensor, latents: torch.Tensor, l1: float
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]:
    n_rows = centred.shape[1]
    error = torch.baddbmm(centred, latents, stack.decoder, beta=-1)  # xhat - x
    loss = (error.square().sum((1, 2)) + l1 * latents.sum((1, 2))) / n_rows
    error *= 2 / n_rows
    decoder = latents.transpose(1, 2) @ error
    upstream = torch.baddbmm(error.new_full((1, 1, 1), l1 / n_rows), error, stack.decoder.transpose(1, 2))
    upstream *= latents > 0
    encoder = centred.transpose(1, 2) @ upstream
    encoder_bias = upstream.sum(1, keepdim=True)
    bias = error.sum(1, keepdim=True) - encoder_bias @ stack.encoder.transpose(1, 2)
    return loss, (encoder, encoder_bias, decoder, bias)


def _sparse_gradients(
    stack: Stack, centred: torch.Tensor, top: torch.Tensor, where: torch.Tensor
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]:
    """TopK touches k rows of the decoder for each row of data: gather and add them instead of multiplying by zeros."""
    members, n_rows, width = centred.shape
    n_latents, k = stack.decoder.shape[1], top.shape[-1]
    values = top.relu()  # [M, B, k]
    flat = (where + n_latents * torch.arange(members, device=where.device)[:, None, None]).reshape(-1)
    written = stack.decoder.reshape(-1, width).index_select(0, flat).view(members, n_rows, k, width)
    error = torch.einsum("mbk,mbkd->mbd", values, written) - centred
    loss = error.square().sum((1, 2)) / n_rows
    error = error * (2 / n_rows)
    upstream = torch.einsum("mbd,mbkd->mbk", error, written) * (values > 0)

    def added(weights: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        rows = (weights[..., None] * vectors[:, :, None, :]).reshape(-1, width)
        return vectors.new_zeros(members * n_latents, width).index_add_(0, flat, rows).view(members, n_latents, width)

    decoder = added(values, error)
    encoder = added(upstream, centred).transpose(1, 2).contiguous()
    encoder_bias = upstream.new_zeros(members * n_latents).index_add_(0, flat, upstream.reshape(-1))
    encoder_bias = encoder_bias.view(members, 1, n_latents)
    bias = error.sum(1, keepdim=True) - encoder_bias @ stack.encoder.transpose(1, 2)
    return loss, (encoder, encoder_bias, decoder, bias)


def _members(
    stack: Stack,
    scale: torch.Tensor,
    name: str,
    k: int | None,
    seeds: Sequence[int],
    steps: int,
    recent: Sequence[torch.Tensor],
) -> list[SmallSAE]:
    """Copies for data as they came: with unit decoder rows the scale is one factor of latents and biases."""
    losses = torch.stack(list(recent)).mean(0)
    return [
        SmallSAE(
            name=f"{name} seed {seed}",
            directions=stack.decoder[m].clone(),
            encoder=stack.encoder[m].clone(),
            encoder_bias=stack.encoder_bias[m, 0] / scale[m],
            bias=stack.bias[m, 0] / scale[m],
            k=k,
            seed=seed,
            steps=steps,
            loss=float(losses[m]),
        )
        for m, seed in enumerate(seeds)
    ]


def _check(
    x: torch.Tensor,
    kind: str,
    n_latents: int,
    k: int | None,
    l1: float | None,
    seeds: Sequence[int],
    steps: int,
    batch_size: int,
    snapshots: Sequence[int],
) -> None:
    if x.ndim not in (2, 3) or not x.is_floating_point() or min(x.shape) < 1:
        raise ValueError(f"x must be floating [N, d] or [M, N, d], got {x.dtype} {list(x.shape)}")
    if not seeds or len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds must be at least one, each once, got {list(seeds)}")
    if x.ndim == 3 and x.shape[0] != len(seeds):
        raise ValueError(f"x holds data for {x.shape[0]} members but there are {len(seeds)} seeds")
    if not bool(torch.isfinite(x).all()):
        raise ValueError("x holds a NaN or an infinity; expected finite activations")
    if kind == "topk":
        if k is None or not 1 <= k <= n_latents or l1 is not None:
            raise ValueError(f"kind 'topk' needs k from 1 to n_latents = {n_latents} and no l1, got k={k}, l1={l1}")
    elif kind == "l1":
        if l1 is None or l1 < 0 or k is not None:
            raise ValueError(f"kind 'l1' needs l1 >= 0 and no k, got l1={l1}, k={k}")
    else:
        raise ValueError(f"kind must be 'topk' or 'l1', got {kind!r}")
    if min(n_latents, steps, batch_size) < 1:
        raise ValueError(
            f"n_latents, steps and batch_size must be at least 1, got {n_latents}, {steps} and {batch_size}"
        )
    if any(not 1 <= s <= steps for s in snapshots):
        raise ValueError(f"snapshots must lie in 1 to steps = {steps}, got {list(snapshots)}")
