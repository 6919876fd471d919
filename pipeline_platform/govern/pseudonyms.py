"""Pseudonyms: authors are known by a keyed hash, so that rows of one author join and nobody reads the name."""

import hashlib
import hmac
from collections.abc import Callable

DIGEST_BYTES = 16


def pseudonymiser(key: bytes) -> Callable[[str, str], str]:
    """A function from source and author name to the author's pseudonym.

    HMAC-SHA-256 (RFC 2104) over source and name, cut to 128 bits, in hex. Without the key a name cannot be tried out.

    Args:
        key: secret key; another key gives other pseudonyms.
    """

    def pseudonym(source: str, author: str) -> str:
        digest = hmac.new(key, f"{source}\x00{author}".encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
        return digest[:DIGEST_BYTES].hex()

    return pseudonym


def fingerprint(key: bytes) -> str:
    """What tells two keys apart and nothing else of them."""
    return hmac.new(key, b"fingerprint of this key", hashlib.sha256).hexdigest()[:DIGEST_BYTES]
