"""A transformer for IOI whose weights are written down, not trained: what carries the answer is known.

One layer, two heads. At the last token head 0 looks at the two places of the first names and copies both; head 1 looks
at the three places where a third name may stand and writes the opposite of the name it finds, more strongly. So the
name that is not repeated wins. Tokens and positions are one-hot in a stream of 237 + 19 = 256.
"""

import torch
from fiducial.games.ioi import IOI
from fiducial.models.transformers import TransformerConfig, build_transformer

FIRST, THIRD = (3, 5), (12, 14, 16)


def planted_ioi(game: IOI):
    """The model; it solves plain prompts and has no idea of ordinal ones."""
    n_tokens, n_names, width = game.tokenizer.d_vocab, len(game.words.names), 128
    d_model = n_tokens + game.n_positions
    assert d_model == 2 * width
    config = TransformerConfig(
        n_layers=1, d_model=d_model, n_heads=2, d_mlp=0, n_ctx=game.n_positions, d_vocab=n_tokens, attn_only=True
    )
    model = build_transformer(config, seed=0)
    names = torch.from_numpy(game.words.name_ids)
    gain = (2 / d_model - (2 / d_model) ** 2) ** -0.5  # what layer norm makes of a one
    with torch.no_grad():
        weights = {}
        for name, weight in model.named_parameters():
            if ".ln" in name or "ln_" in name:
                continue  # ones and zeros already
            weights[name.replace("_original_component.", "").replace("layers.0.", "")] = weight.zero_()
        weights["tok_embed.weight"][:, :n_tokens] = torch.eye(n_tokens)
        weights["pos.weight"][:, n_tokens:] = torch.eye(game.n_positions)
        index = torch.arange(n_names)
        for head, (places, strength) in enumerate(((FIRST, 4.0), (THIRD, -12.0))):
            start = head * width
            weights["attn.q.bias"][start] = 40 * width**0.5 / gain
            for place in places:
                weights["attn.k.weight"][start, n_tokens + place] = 1
            weights["attn.v.weight"][start + index, names] = 1
            weights["attn.o.weight"][names, start + index] = strength / gain
        weights["head.weight"][names, names] = 3
    return model.eval()
