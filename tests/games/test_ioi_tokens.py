import numpy as np
import pytest
from fiducial.games.ioi import IOI
from fiducial.games.ioi_templates import FIXED_WORDS, LAST_WORDS, PREFIX
from fiducial.games.ioi_tokens import word_lists
from fiducial.games.ioi_words import NAMES, check_single_tokens


class FakeTokenizer:
    """Splits at spaces as GPT-2 does: a word with the space before it is one token, unless it is told otherwise."""

    bos_token_id = 0

    def __init__(self, split=(), shared=()):
        words = [
            w for w in (*FIXED_WORDS, *(w for part in word_lists("full") for w in part)) if w not in LAST_WORDS[1:]
        ]
        texts = ["<|endoftext|>", *PREFIX, *(f" {word}" for word in words), "x"]
        self.texts = list(dict.fromkeys(texts))
        self.ids = {text: i for i, text in enumerate(self.texts)}
        self.split, self.shared = set(split), set(shared)

    def __len__(self):
        return len(self.texts)

    def encode(self, text, add_special_tokens=True):
        assert not add_special_tokens
        if text.strip() in self.split:
            return [self.ids["x"]] * 2
        return [self.ids["x"] if text.strip() in self.shared else self.ids[text]]

    def convert_ids_to_tokens(self, ids):
        return [self.texts[i].replace(" ", "Ġ") for i in ids]


def test_a_word_of_several_tokens_is_named():
    with pytest.raises(ValueError, match=r"2 of 358 words are not one token after a space: Clara \(2 tokens\), Zoe"):
        check_single_tokens(FakeTokenizer(split=["Clara", "Zoe"]), NAMES)
    with pytest.raises(ValueError, match="'Clara' and 'Zoe' are the same token"):
        check_single_tokens(FakeTokenizer(shared=["Clara", "Zoe"]), NAMES)
    assert check_single_tokens(FakeTokenizer(), ["Clara"]) == {"Clara": FakeTokenizer().ids[" Clara"]}


def test_a_world_with_a_tokenizer_that_splits_a_word_is_refused():
    with pytest.raises(ValueError, match="lamp"):
        IOI(tokenizer=FakeTokenizer(split=["lamp"]))
    with pytest.raises(TypeError, match="Hugging Face tokenizer, got int"):
        IOI(tokenizer=3)
    fake = FakeTokenizer()
    fake.bos_token_id = None
    with pytest.raises(ValueError, match="no bos token"):
        IOI(tokenizer=fake)


@pytest.mark.parametrize("vocabulary", ["tiny", "full"])
def test_the_same_prompts_in_the_ids_of_another_tokenizer(vocabulary):
    fake = FakeTokenizer()
    theirs = IOI(vocabulary=vocabulary, tokenizer=fake)
    ours = IOI(vocabulary=vocabulary, task="plain")
    assert theirs.task == "plain"
    a, b = theirs.prompts(50, 3), ours.prompts(50, 3)
    assert all(np.array_equal(a.attributes[name], b.attributes[name]) for name in a.attributes)
    for one, two in zip(a.tokens, b.tokens, strict=True):
        assert theirs.tokenizer.decode(one) == ours.tokenizer.decode(two)
        assert "".join(fake.texts[i] for i in one[1:]) == " ".join(ours.tokenizer.decode(two)).replace(" ,", ",")
    assert (a.tokens[:, 0] == fake.bos_token_id).all()
    assert [fake.texts[i].strip() for i in a.target] == [ours.tokenizer.vocabulary[i] for i in b.target]
    sample = theirs.sample(9, 0)
    assert np.array_equal(sample.labels, theirs.label(sample.tokens).labels)
    assert theirs.next_moves(4, 0)[1].shape == (4, 19, len(fake))


def test_ordinal_prompts_need_their_word():
    with pytest.raises(ValueError, match="needs `to_the` to be one token"):
        IOI(tokenizer=FakeTokenizer(), task="ordinal")
    with pytest.raises(ValueError, match="ordinal prompts end in `to_the`"):
        IOI(tokenizer=FakeTokenizer()).prompts(3, 0, task="ordinal")


def test_a_world_is_rebuilt_from_its_fields():
    game = IOI(tokenizer=FakeTokenizer())
    again = IOI(**{name: getattr(game, name) for name in game.__dataclass_fields__})
    assert np.array_equal(again.prompts(5, 0).tokens, game.prompts(5, 0).tokens)
    with pytest.raises(ValueError, match="ply 3: token id 0 is none"):
        game.tokenizer.decode([0, 1, 2, 0, 5])
