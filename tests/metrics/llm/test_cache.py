"""Replies on disk: what makes two requests equal, what files are refused, what survives."""

import os
import sqlite3
import stat
import threading

import pytest
from fiducial.metrics.llm.cache import Cache, content_of, endpoint_of, key_of
from fiducial.metrics.llm.errors import CacheUnreadable
from fiducial.metrics.llm.nouns import Request
from hypothesis import given
from hypothesis import strategies as st

BASE = Request((("user", "x"),), {"temperature": 0, "seed": 1, "stop": ["a", "b"]})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def test_what_makes_a_request_another_one():
    variants = [
        BASE,
        Request((("user", "y"),), BASE.params),
        Request((("system", "x"),), BASE.params),
        Request((("user", "x"), ("user", "x")), BASE.params),
        Request(BASE.messages, {**BASE.params, "temperature": 0.5}),
        Request(BASE.messages, {**BASE.params, "stop": ["b", "a"]}),
        Request(BASE.messages, {**BASE.params, "logprobs": True}),
        Request(BASE.messages, {**BASE.params, "logprobs": None}),
        Request(BASE.messages, BASE.params, replicate=1),
    ]
    keys = {content_of("h/v1", "m", request) for request in variants}
    keys |= {content_of("h/v2", "m", BASE), content_of("h/v1", "n", BASE)}
    assert len(keys) == len(variants) + 2


def test_what_does_not():
    other = Request(BASE.messages, {"stop": ("a", "b"), "seed": 1.0, "temperature": 0.0})
    assert content_of("h", "m", other) == content_of("h", "m", BASE)


def test_keys_never_change():
    """A shipped cache must stay readable: the key of one request, computed by hand with sha256sum."""
    text = (
        '{"content":{"messages":[["user","x"]],"params":{},"replicate":0},"endpoint":"h/v1","kind":"chat","model":"m",'
        '"schema":1}'
    )
    import hashlib

    assert content_of("h/v1", "m", Request((("user", "x"),))) == hashlib.sha256(text.encode()).hexdigest()


@given(JSON, JSON)
def test_equal_content_and_no_other_has_an_equal_key(one, other):
    assert key_of("h", "chat", "m", {"a": one}) == key_of("h", "chat", "m", {"a": one})
    if repr(one) != repr(other) and one != other:
        assert key_of("h", "chat", "m", {"a": one}) != key_of("h", "chat", "m", {"a": other})


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://api.openai.com/v1", "api.openai.com/v1"),
        ("https://api.openai.com/v1/", "api.openai.com/v1"),
        ("http://user:password@LOCALHOST:8000/v1?api-key=secret", "localhost:8000/v1"),
        ("http://127.0.0.1", "127.0.0.1"),
    ],
)
def test_endpoints_hold_no_secret(url, endpoint):
    assert endpoint_of(url) == endpoint


@pytest.mark.parametrize("url", ["", "localhost", "ftp://host/v1", "http:///v1"])
def test_addresses_that_are_none(url):
    with pytest.raises(ValueError, match="base_url must be like"):
        endpoint_of(url)
    with pytest.raises(ValueError, match="a secret in it"):
        endpoint_of("me:secret@host?key=secret")


def test_values_come_back_as_they_were(tmp_path):
    value = {"text": "é\n\x00", "logprobs": [["a", {"b": -0.1, "c": float("-inf")}]], "n": 1e-300}
    with_file = Cache(tmp_path / "deep" / "c.sqlite")
    for cache in (with_file, Cache(None)):
        cache.put("k", "chat", "m", value, 0.0)
        cache.put("k", "chat", "m", {"text": "another"}, 1.0)  # the first stays
        assert cache.get(["k", "l"]) == {"k": value}
        assert cache.count() == {"m": 1}
    with_file.close()
    assert Cache(tmp_path / "deep" / "c.sqlite", read_only=True).get(["k"]) == {"k": value}


def test_more_keys_than_one_query_holds():
    cache = Cache(None)
    keys = [str(i) for i in range(1234)]
    for key in keys[::2]:
        cache.put(key, "chat", "m", {"n": int(key)}, 0.0)
    assert cache.get(keys) == {key: {"n": int(key)} for key in keys[::2]}


def test_foreign_and_damaged_files_are_refused_and_not_changed(tmp_path):
    text, other, newer, cut, empty = (tmp_path / name for name in ("a.txt", "b.db", "c.db", "d.db", "e.db"))
    text.write_text("no database " * 1000)
    database = sqlite3.connect(other)
    database.execute("create table users (name text)")
    database.commit()
    database.close()
    Cache(newer).close()
    database = sqlite3.connect(newer)
    database.execute("pragma user_version = 99")
    database.close()
    cache = Cache(cut)
    for i in range(2000):
        cache.put(f"key {i}", "chat", "m", {"text": "x" * 50}, 0.0)
    cache.close()
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    before = [path.read_bytes() for path in (text, other, newer, cut)]
    for path, why in [(text, "not a database"), (other, "tables users"), (newer, "schema 99"), (cut, "d.db")]:
        for read_only in (False, True):
            with pytest.raises(CacheUnreadable, match=why):
                Cache(path, read_only=read_only)
    assert [path.read_bytes() for path in (text, other, newer, cut)] == before
    empty.touch()
    with pytest.raises(CacheUnreadable, match="is empty"):
        Cache(empty, read_only=True)
    with pytest.raises(CacheUnreadable, match="cannot be read"):
        Cache(tmp_path)


def test_a_copy_is_one_whole_file_that_opens_read_only(tmp_path):
    cache = Cache(tmp_path / "c.sqlite")
    cache.put("k", "chat", "m", {"text": "x"}, 0.0)
    shipped = tmp_path / "shipped" / "replies.sqlite"
    shipped.parent.mkdir()
    cache.copy(shipped)
    with pytest.raises(FileExistsError):
        cache.copy(shipped)
    shipped.chmod(stat.S_IRUSR)
    shipped.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    replay = Cache(shipped, read_only=True)
    assert replay.get(["k"]) == {"k": {"text": "x"}}
    assert os.listdir(shipped.parent) == ["replies.sqlite"]
    with pytest.raises(ValueError, match="read only"):
        replay.put("l", "chat", "m", {}, 0.0)
    shipped.parent.chmod(stat.S_IRWXU)


def test_replies_in_the_log_are_read_too(tmp_path):
    """A writer that was killed leaves a log beside the file; a read-only look must not miss what is in it."""
    writer = Cache(tmp_path / "c.sqlite")
    writer.put("k", "chat", "m", {"text": "x"}, 0.0)
    assert (tmp_path / "c.sqlite-wal").stat().st_size > 0
    assert Cache(tmp_path / "c.sqlite", read_only=True).get(["k"]) == {"k": {"text": "x"}}


def test_several_writers_share_a_file(tmp_path):
    caches = [Cache(tmp_path / "c.sqlite") for _ in range(4)]

    def write(cache, first):
        for i in range(first, 200, 4):
            cache.put(str(i), "chat", "m", {"n": i}, 0.0)

    threads = [threading.Thread(target=write, args=(cache, i)) for i, cache in enumerate(caches)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert caches[0].count() == {"m": 200}
