"""Log-probabilities of texts: batches against one by one, with and without a shared prefix, and what is refused."""

import numpy as np
import pytest
import torch
from fiducial.metrics.llm.causal_lm import CausalLM

from .small_lms import save

PREFIXES = ["Note: mine on c4 Passage:", "Note: mine on c4 Passage:", "", "Note: yours", "Note: mine on c4 Passage:"]
WORDS = [" c4 c3 d3", " the game so far is long and has many moves: e3 f3", " d3 d3", " mine", " c4"]


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def lm(request, tmp_path_factory):
    return CausalLM.from_folder(save(tmp_path_factory.mktemp(request.param), request.param))


def by_hand(lm, prefix, text):
    """One sequence, no cache, no padding: the sum over the text's tokens of log softmax."""
    first = [lm.tokenizer.bos_token_id, *lm.tokenizer(prefix, add_special_tokens=False)["input_ids"]]
    body = lm.tokenizer(text, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = lm.model(input_ids=torch.tensor([first + body]), use_cache=False).logits[0]
    at = torch.log_softmax(logits, -1)
    return [float(at[len(first) - 1 + i, token]) for i, token in enumerate(body)]


@pytest.mark.parametrize("batch_tokens", [1, 40, 8192])
def test_batched_equals_one_by_one(lm, batch_tokens):
    lm.batch_tokens = batch_tokens
    found = lm.logprobs(PREFIXES, WORDS)
    for i, (prefix, text) in enumerate(zip(PREFIXES, WORDS, strict=True)):
        want = by_hand(lm, prefix, text)
        np.testing.assert_allclose(found.tokens[i], want, atol=2e-5)
        assert found.total[i] == pytest.approx(sum(want), abs=1e-4)
    assert found.failures == ("",) * 5
    np.testing.assert_allclose(lm(PREFIXES, WORDS), found.total)


def test_many_batches_after_one_prefix_do_not_see_each_other(lm):
    """The known error: one cache for all batches, which grows."""
    lm.batch_tokens = 60
    texts = [f" c4 d3 {i} e3" + " f3" * (i % 5) for i in range(13)]
    found = lm(["Note: mine on c4 Passage:"] * 13, texts)
    again = lm(["Note: mine on c4 Passage:"] * 13, texts)
    np.testing.assert_array_equal(found, again)
    np.testing.assert_allclose(found, [sum(by_hand(lm, "Note: mine on c4 Passage:", t)) for t in texts], atol=2e-4)


def test_a_cache_that_is_not_copied_is_noticed(lm, monkeypatch):
    """The same test with the published error put back must fail."""
    monkeypatch.setattr("fiducial.metrics.llm.causal_lm.copy.deepcopy", lambda cache: cache)
    lm.batch_tokens = 24
    texts = [f" c4 d3 {i} e3" for i in range(3)]
    want = [sum(by_hand(lm, "Note: mine", t)) for t in texts]
    try:
        found = lm(["Note: mine"] * 3, texts)
    except (RuntimeError, ValueError, IndexError):
        return  # sizes that do not fit are noticed too
    assert np.abs(found - want).max() > 1e-3


def test_too_long_and_empty_texts_fail_alone(lm):
    found = lm.logprobs(["a", "a", "a"], [" c4", " d3" * 400, ""])
    assert np.isfinite(found.total[0])
    assert np.isnan(found.total[1:]).all()
    assert found.failures[1] == "longer than the model's context of 160 tokens"
    assert found.failures[2] == "a text without tokens"


def test_without_a_first_token_the_first_of_a_text_is_unconditioned(tmp_path):
    lm = CausalLM.from_folder(save(tmp_path, "gpt2", bos=False))
    found = lm.logprobs(["", "", "c4"], [" c4 d3", " c4 d3 e3", " c4 d3"])
    assert [bool(np.isnan(t[0])) for t in found.tokens] == [True, True, False]
    assert found.total[0] == pytest.approx(found.tokens[0][1:].sum())
    # " c4" is the prefix here, so its first-token loss is missing and the rest agrees
    ids = lm.tokenizer(" c4 d3", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        at = torch.log_softmax(lm.model(input_ids=torch.tensor([ids])).logits[0], -1)
    np.testing.assert_allclose(found.tokens[0][1:], [float(at[i, t]) for i, t in enumerate(ids[1:])], atol=2e-5)


def test_next_tokens_have_the_probabilities_of_one_softmax(lm):
    ids = [i for i in range(2, len(lm.tokenizer)) if lm.tokenizer.decode([i]).isascii()]
    ids = [i for i in ids if lm.tokenizer(lm.tokenizer.decode([i]), add_special_tokens=False)["input_ids"] == [i]]
    found = np.exp(lm(["Note: c4"] * len(ids), [lm.tokenizer.decode([i]) for i in ids]))
    first = [lm.tokenizer.bos_token_id, *lm.tokenizer("Note: c4", add_special_tokens=False)["input_ids"]]
    with torch.no_grad():
        want = torch.softmax(lm.model(input_ids=torch.tensor([first])).logits[0, -1], -1)[ids]
    assert len(ids) > 90
    np.testing.assert_allclose(found, want.numpy(), rtol=1e-4)


def test_what_is_refused(tmp_path, lm):
    with pytest.raises(FileNotFoundError, match="no folder"):
        CausalLM.from_folder(tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        CausalLM.from_folder(empty)
    (empty / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="no weights"):
        CausalLM.from_folder(empty)
    (empty / "pytorch_model.bin").write_bytes(b"\x80")
    with pytest.raises(ValueError, match=r"only pytorch_model\.bin, which would run code"):
        CausalLM.from_folder(empty)
    with pytest.raises(ValueError, match="dtype must be"):
        CausalLM.from_folder(empty, dtype="int8")
    with pytest.raises(ValueError, match="one prefix a text"):
        lm.logprobs(["a"], [])
