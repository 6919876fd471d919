"""Bodies kept on disk for conditional requests (RFC 9110 section 13): ETag and Last-Modified.

Every request asks the upstream; when it answers 304 the kept body is handed out, so a fetch is always complete, also
after a crash between fetch and store. A cache library that follows RFC 9111 would answer from disk without asking and
would write request headers, credentials among them, to disk; here only the answer is kept, under a key that holds no
secret yet differs for every credential.
"""

import hashlib
import json
import logging
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import httpx

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_CACHE_BYTES = 256 * 1024 * 1024
# Describe the transfer or the visitor, not the content.
_NOT_KEPT = frozenset(
    {"connection", "content-encoding", "content-length", "date", "keep-alive", "set-cookie", "transfer-encoding"}
)
# The small columns come first: SQLite reads them without the pages of the bodies.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, turn INTEGER NOT NULL, bytes INTEGER NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS answers_by_turn ON answers (turn);
"""
_NEXT_TURN = "(SELECT coalesce(max(turn), 0) + 1 FROM answers)"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer kept from before: its headers and decoded body."""

    headers: httpx.Headers
    content: bytes

    @property
    def validators(self) -> dict[str, str]:
        """The request headers that ask whether it still holds; weak ETags go back as they came."""
        pairs = (("If-None-Match", "etag"), ("If-Modified-Since", "last-modified"))
        return {name: self.headers[kept] for name, kept in pairs if kept in self.headers}

    def refreshed(self, headers: httpx.Headers) -> httpx.Headers:
        """The kept headers with what the 304 says anew (RFC 9111 section 3.2)."""
        merged = httpx.Headers(self.headers)
        merged.update({name: value for name, value in headers.items() if name not in _NOT_KEPT})
        return merged


@cache
def _derived(credential: str) -> str:
    """Slow on purpose: the file must not help anybody to guess a password."""
    salt = b"pipeline-platform conditional requests"
    return hashlib.pbkdf2_hmac("sha256", credential.encode(), salt, 50_000).hex()


class BodyCache:
    """Answers with a validator, in one SQLite file that processes may share.

    A cache that cannot be read or written makes requests unconditional; it never makes one fail.

    Args:
        path: the file; its folder is made.
        credential: what the answers depend on and the key must not show: the secrets of the source.
    """

    def __init__(self, path: Path, credential: str) -> None:
        self._path = path
        self._credential = _derived(credential) if credential else ""
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def key(self, url: str, headers: Mapping[str, str]) -> str:
        """Key of a request, from its address and headers without secrets and the credential."""
        shown = sorted((name.lower(), value) for name, value in headers.items())
        return hashlib.sha256(json.dumps([url, shown, self._credential]).encode()).hexdigest()

    def read(self, key: str) -> Kept | None:
        """The answer kept under `key`."""
        row = self._do(lambda db: _select(db, key))
        if row is None:
            return None
        try:
            return Kept(httpx.Headers(json.loads(row[0])), zlib.decompress(row[1]))
        except (ValueError, zlib.error):
            return None

    def write(self, key: str, headers: httpx.Headers, content: bytes) -> None:
        """Keep an answer, if it has a validator and is not too large."""
        kept = [(name, value) for name, value in headers.multi_items() if name not in _NOT_KEPT]
        if len(content) > MAX_BODY_BYTES or not ("etag" in headers or "last-modified" in headers):
            return
        body = zlib.compress(content, level=1)
        self._do(lambda db: _replace(db, key, json.dumps(kept), body))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        with self._lock:
            try:
                with self._open() as db:
                    return work(db)
            except (sqlite3.Error, OSError) as error:
                logger.warning("conditional requests are off, %s: %s", self._path, error)
                if type(error) is sqlite3.DatabaseError:
                    self._discard()
                return None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=10, check_same_thread=False)
            self._connection = connection
            connection.execute("PRAGMA journal_mode=WAL")
            # A cache may lose its last answers in a power cut; it must not make each of them wait for the disk.
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(_SCHEMA)
        with self._connection:
            yield self._connection

    def _discard(self) -> None:
        """Delete a file that is no database any more; the next answer starts a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


def _select(db: sqlite3.Connection, key: str) -> tuple[str, bytes] | None:
    touch = f"UPDATE answers SET turn = {_NEXT_TURN} WHERE key = ? RETURNING headers, body"  # noqa: S608
    row: tuple[str, bytes] | None = db.execute(touch, (key,)).fetchone()
    return row


def _replace(db: sqlite3.Connection, key: str, headers: str, body: bytes) -> None:
    insert = f"INSERT OR REPLACE INTO answers VALUES (?, {_NEXT_TURN}, ?, ?, ?)"  # noqa: S608
    db.execute(insert, (key, len(body), headers, body))
    (total,) = db.execute("SELECT sum(bytes) FROM answers").fetchone()
    while total > MAX_CACHE_BYTES:
        oldest, size = db.execute("SELECT key, bytes FROM answers ORDER BY turn LIMIT 1").fetchone()
        db.execute("DELETE FROM answers WHERE key = ?", (oldest,))
        total -= size
