"""Replies on disk, keyed by what was asked, so that nothing is paid for twice and a published run replays offline.

Conventions   The key of a reply is the sha256 of canonical JSON: schema, endpoint (host and path), kind, model,
              content, parameters, replicate. The endpoint's secret is in neither key nor value. Only complete replies
              are kept, those that the endpoint cut (`finish_reason` length) as such. Each is committed as it comes, in
              SQLite's write-ahead log: a killed process loses none that came back.
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from .errors import CacheUnreadable
from .nouns import Request

SCHEMA = 1
APPLICATION = 0x66_69_64_75  # "fidu" in SQLite's header, so that foreign databases are told apart


def endpoint_of(base_url: str) -> str:
    """Host and path of an address: neither scheme, user, password nor query, which may hold a key.

    Raises:
        ValueError: not an address.

    Examples:
        >>> endpoint_of("https://me:secret@API.example.com:8000/v1/?key=secret")
        'api.example.com:8000/v1'
    """
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        shown = base_url if "@" not in base_url and "?" not in base_url else "an address with a secret in it"
        raise ValueError(f"base_url must be like http://localhost:8000/v1, got {shown!r}")
    host = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    return host + parts.path.rstrip("/")


def content_of(endpoint: str, model: str, request: Request) -> str:
    """Key of a chat request, 64 hexadecimal digits; equal for requests that ask the same.

    Raises:
        TypeError: parameters that are not JSON types.

    Examples:
        >>> one, other = Request((("user", "a"),), {"temperature": 0}), Request((("user", "a"),), {"temperature": 0.0})
        >>> content_of("host", "m", one) == content_of("host", "m", other)
        True
    """
    return key_of(
        endpoint,
        "chat",
        model,
        {"messages": [list(m) for m in request.messages], "params": request.params, "replicate": request.replicate},
    )


def key_of(endpoint: str, kind: str, model: str, content: Mapping[str, Any]) -> str:
    """Key of any request: `chat`, `embedding` or `echo`."""
    whole = {"schema": SCHEMA, "endpoint": endpoint, "kind": kind, "model": model, "content": content}
    text = json.dumps(_plain(whole), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Cache:
    """A file of replies, or memory if there is none.

    Args:
        path: of the file, made if it does not exist; None keeps replies for the life of the process.
        read_only: nothing is written, and the file must exist; for shipped caches.

    Raises:
        FileNotFoundError: `read_only`, and no file.
        CacheUnreadable: the file is something else, or damaged.
    """

    def __init__(self, path: Path | str | None, *, read_only: bool = False) -> None:
        self.path = None if path is None else Path(path)
        self.read_only = read_only
        self._lock = threading.Lock()
        if self.path is not None and read_only and not self.path.is_file():
            raise FileNotFoundError(f"no cache of replies at {self.path}: offline runs need one that was filled before")
        try:
            self._database = self._open()
            self._check()
        except sqlite3.DatabaseError as error:
            raise CacheUnreadable(f"{self.path} cannot be read as a cache of replies: {error}") from None

    def _open(self) -> sqlite3.Connection:
        if self.path is None:
            return sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        if self.read_only:
            # Without a log beside it the file is whole: it opens in folders that cannot be written to.
            log = self.path.with_name(self.path.name + "-wal")
            how = "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"
            address = f"{self.path.resolve().as_uri()}?{how}"
            return sqlite3.connect(address, uri=True, check_same_thread=False, isolation_level=None)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return sqlite3.connect(self.path, timeout=30, check_same_thread=False, isolation_level=None)

    def _check(self) -> None:
        """Make the tables of an empty file; refuse a foreign one before anything is changed in it."""
        db = self._database
        tables = {row[0] for row in db.execute("select name from sqlite_master where type = 'table'")}
        application = db.execute("pragma application_id").fetchone()[0]
        if tables and application != APPLICATION:
            raise CacheUnreadable(f"{self.path} is a database of something else (tables {', '.join(sorted(tables))})")
        version = db.execute("pragma user_version").fetchone()[0]
        if tables and version != SCHEMA:
            raise CacheUnreadable(f"{self.path} has schema {version}, this version reads {SCHEMA}")
        if tables:
            if db.execute("pragma quick_check").fetchone()[0] != "ok":
                raise CacheUnreadable(f"{self.path} is damaged: delete it, or restore it, and run again")
        elif self.read_only:
            raise CacheUnreadable(f"{self.path} is empty")
        if self.read_only:
            return
        if self.path is not None:
            db.execute("pragma journal_mode = wal")
            db.execute("pragma synchronous = normal")
        if not tables:
            db.executescript(
                f"begin immediate; pragma application_id = {APPLICATION}; pragma user_version = {SCHEMA};"
                "create table if not exists replies"
                "(key text primary key, kind text, model text, value text, at real); commit;"
            )

    def get(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Values of those keys that are held."""
        found: dict[str, dict[str, Any]] = {}
        with self._lock:
            for start in range(0, len(keys), 500):  # fewer than SQLite allows to be bound
                part = list(keys[start : start + 500])
                marks = ",".join("?" * len(part))
                for key, value in self._database.execute(
                    f"select key, value from replies where key in ({marks})", part
                ):
                    found[key] = json.loads(value)
        return found

    def put(self, key: str, kind: str, model: str, value: Mapping[str, Any], at: float) -> None:
        """Keep a reply; one that is there already stays.

        Args:
            key: from `key_of`.
            kind: `chat`, `embedding` or `echo`.
            model: that replied.
            value: JSON types.
            at: seconds since 1970.
        """
        if self.read_only:
            raise ValueError(f"{self.path} was opened to be read only")
        with self._lock:
            self._database.execute(
                "insert or ignore into replies values (?, ?, ?, ?, ?)", (key, kind, model, json.dumps(value), at)
            )

    def count(self) -> dict[str, int]:
        """Replies by model."""
        with self._lock:
            rows = self._database.execute("select model, count(*) from replies group by model").fetchall()
        return {model: int(n) for model, n in rows}

    def copy(self, path: Path | str) -> None:
        """Write a file for shipping: whole, without a log beside it.

        Raises:
            FileExistsError: there is one already.
        """
        if Path(path).exists():
            raise FileExistsError(f"{path} exists")
        with self._lock:
            self._database.execute("vacuum into ?", (str(path),))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("pragma journal_mode = delete")
        other.close()

    def close(self) -> None:
        """Fold the log into the file."""
        with self._lock:
            if not self.read_only and self.path is not None:
                self._database.execute("pragma wal_checkpoint(truncate)")
            self._database.close()


def _plain(value: Any) -> Any:
    """JSON types with one form for equal numbers: 0 and 0.0 are the same parameter."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in cast("Sequence[Any]", value)]
    raise TypeError(f"what is sent must be of JSON types, got {type(value).__name__} {value!r}")
