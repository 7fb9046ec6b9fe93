"""GPT-2 stated afresh in plain torch, head by head, and its weights written in the published formats."""

import math

import torch

N_LAYERS, D, HEADS, N_CTX, D_VOCAB = 2, 32, 4, 11, 13
D_HEAD, D_MLP = D // HEADS, 4 * D


def weights(seed=0, bias=True):
    """Random weights under plain names; matrices act from the right: x @ w."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape, scale=0.2):
        return scale * torch.randn(*shape, generator=generator)

    def offset(*shape):
        return random(*shape) if bias else torch.zeros(*shape)

    found = {"wte": random(D_VOCAB, D, scale=1.0), "wpe": random(N_CTX, D), "lnf.w": 1 + random(D), "lnf.b": offset(D)}
    for i in range(N_LAYERS):
        for name in ("ln1", "ln2"):
            found |= {f"{i}.{name}.w": 1 + random(D), f"{i}.{name}.b": offset(D)}
        for name, n_in, n_out in (("qkv", D, 3 * D), ("o", D, D), ("in", D, D_MLP), ("out", D_MLP, D)):
            found |= {f"{i}.{name}.w": random(n_in, n_out), f"{i}.{name}.b": offset(n_out)}
    found |= {"head.w": found["wte"].T.clone(), "head.b": torch.zeros(D_VOCAB)}
    return found


def gelu(x, tanh):
    if tanh:
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def norm(x, w, b, eps):
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + eps) * w + b


def forward(w, tokens, *, tanh=False, eps=1e-5):
    """Logits, and the residual stream after every block."""
    x = w["wte"][tokens] + w["wpe"][: tokens.shape[1]]
    streams = []
    for i in range(N_LAYERS):
        qkv = norm(x, w[f"{i}.ln1.w"], w[f"{i}.ln1.b"], eps) @ w[f"{i}.qkv.w"] + w[f"{i}.qkv.b"]
        heads = []
        for h in range(HEADS):
            q, k, v = (qkv[..., part * D + h * D_HEAD : part * D + (h + 1) * D_HEAD] for part in range(3))
            scores = q @ k.transpose(1, 2) / math.sqrt(D_HEAD)
            future = torch.ones_like(scores).triu(1).bool()
            heads.append(scores.masked_fill(future, -math.inf).softmax(-1) @ v)
        x = x + torch.cat(heads, -1) @ w[f"{i}.o.w"] + w[f"{i}.o.b"]
        inner = gelu(norm(x, w[f"{i}.ln2.w"], w[f"{i}.ln2.b"], eps) @ w[f"{i}.in.w"] + w[f"{i}.in.b"], tanh)
        x = x + inner @ w[f"{i}.out.w"] + w[f"{i}.out.b"]
        streams.append(x)
    return norm(x, w["lnf.w"], w["lnf.b"], eps) @ w["head.w"] + w["head.b"], streams


GPT2_NAMES = {
    "ln1": "ln_1",
    "ln2": "ln_2",
    "qkv": "attn.c_attn",
    "o": "attn.c_proj",
    "in": "mlp.c_fc",
    "out": "mlp.c_proj",
}


def as_gpt2(w, *, transposed):
    """Under GPT-2's names: [in, out] as Conv1D has it, or [out, in] as nanoGPT's linear layers."""
    state = {"transformer.wte.weight": w["wte"], "transformer.wpe.weight": w["wpe"], "lm_head.weight": w["wte"]}
    state |= {"transformer.ln_f.weight": w["lnf.w"], "transformer.ln_f.bias": w["lnf.b"]}
    for i in range(N_LAYERS):
        for ours, theirs in GPT2_NAMES.items():
            matrix = w[f"{i}.{ours}.w"]
            state[f"transformer.h.{i}.{theirs}.weight"] = matrix if transposed or matrix.ndim == 1 else matrix.T
            state[f"transformer.h.{i}.{theirs}.bias"] = w[f"{i}.{ours}.b"]
    return {key: value.clone().contiguous() for key, value in state.items()}


def as_transformer_lens(w, *, fold):
    """Under TransformerLens's names; folding puts each layer norm's weights into what reads it."""
    state = {"embed.W_E": w["wte"], "pos_embed.W_pos": w["wpe"]}

    def read(i, name, matrix, b):
        if not fold:
            return matrix, b
        scale, shift = (w[f"{name}.w"], w[f"{name}.b"]) if i is None else (w[f"{i}.{name}.w"], w[f"{i}.{name}.b"])
        return scale[:, None] * matrix, b + shift @ matrix

    for i in range(N_LAYERS):
        block = f"blocks.{i}"
        qkv, b_qkv = read(i, "ln1", w[f"{i}.qkv.w"], w[f"{i}.qkv.b"])
        for part, letter in enumerate("QKV"):
            columns = slice(part * D, (part + 1) * D)
            state[f"{block}.attn.W_{letter}"] = torch.stack(qkv[:, columns].split(D_HEAD, 1))
            state[f"{block}.attn.b_{letter}"] = torch.stack(b_qkv[columns].split(D_HEAD))
        state[f"{block}.attn.W_O"] = torch.stack(w[f"{i}.o.w"].split(D_HEAD, 0))
        state[f"{block}.attn.b_O"] = w[f"{i}.o.b"]
        state[f"{block}.attn.mask"] = torch.ones(N_CTX, N_CTX).tril().bool()
        state[f"{block}.attn.IGNORE"] = torch.tensor(-math.inf)
        state[f"{block}.mlp.W_in"], state[f"{block}.mlp.b_in"] = read(i, "ln2", w[f"{i}.in.w"], w[f"{i}.in.b"])
        state |= {f"{block}.mlp.W_out": w[f"{i}.out.w"], f"{block}.mlp.b_out": w[f"{i}.out.b"]}
        if not fold:
            state |= {f"{block}.{name}.{part}": w[f"{i}.{name}.{part}"] for name in ("ln1", "ln2") for part in "wb"}
    state["unembed.W_U"], state["unembed.b_U"] = read(None, "lnf", w["head.w"], w["head.b"])
    if not fold:
        state |= {"ln_final.w": w["lnf.w"], "ln_final.b": w["lnf.b"]}
    return {key: value.clone().contiguous() for key, value in state.items()}
