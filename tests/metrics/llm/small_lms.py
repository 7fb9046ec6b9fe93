"""Tiny random causal language models with a tokenizer trained on the spot, saved to folders."""

from pathlib import Path

import torch

TEXTS = ["mine on c4 and legal move at d3", "the game so far: c4 c3 d3 e3", "yours on d3; ply 12", "Note: Passage: is"]


def tokenizer(*, bos=True):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bare = Tokenizer(models.BPE(unk_token="<unk>"))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bare.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=320, special_tokens=["<unk>", "<s>"], initial_alphabet=alphabet)
    )
    return PreTrainedTokenizerFast(tokenizer_object=bare, unk_token="<unk>", **({"bos_token": "<s>"} if bos else {}))


def save(folder: Path, kind: str, *, bos=True, context=160, seed=0):
    """A folder as `CausalLM.from_folder` reads it: `llama` or `gpt2`."""
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    made = tokenizer(bos=bos)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind == "llama":
            config = LlamaConfig(
                vocab_size=len(made),
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=context,
                initializer_range=0.3,
            )
            model = LlamaForCausalLM(config)
        else:
            config = GPT2Config(
                vocab_size=len(made), n_embd=32, n_layer=2, n_head=4, n_positions=context, initializer_range=0.3
            )
            model = GPT2LMHeadModel(config)
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    return folder
