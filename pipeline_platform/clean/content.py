"""What two documents have in common when they say the same: their normalised content and its hash."""

import hashlib
import re
import unicodedata

HASH_DIGITS = 32
"""Hex digits kept of the SHA-256: 128 bits, so that chance collisions stay out of reach at any number of documents."""

# ASCII alone, so that the address ends where Chinese or Japanese text follows it without a space.
_ADDRESS = re.compile(r"(?:https?://|www\.)[!-~]+")
# Soft hyphen, zero-width and bidirectional marks, variation selectors, byte order mark: invisible, so no difference.
_INVISIBLE = re.compile(r"[\x00\xad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]+")


def normalised_content(title: str | None, text: str | None) -> str:
    """Title and text as far as they matter for "says the same".

    NFKC with case folding (Unicode NFKC_Casefold), without invisible characters, without web addresses (trackers and
    shorteners make the same post differ), white space collapsed. Title and text run on: a post whose text opens with
    the headline equals the article that has it as a title. Empty when nothing is left.
    """
    content = f"{title}\n{text}" if title and text else title or text or ""
    if content.isascii():
        content = content.lower().replace("\0", "")
    else:
        content = _INVISIBLE.sub("", unicodedata.normalize("NFKC", content).casefold())
        content = unicodedata.normalize("NFKC", content)
    if "://" in content or "www." in content:
        content = _ADDRESS.sub(" ", content)
    return " ".join(content.split())


def content_hash(title: str | None, text: str | None) -> str:
    """SHA-256 of `normalised_content` in UTF-8, the first 32 hex digits."""
    content = normalised_content(title, text)
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:HASH_DIGITS]
