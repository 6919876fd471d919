"""Texts of upstreams that stand for something: moments, addresses, language tags. What is none becomes None."""

import re
from datetime import UTC, datetime
from typing import Any

_WEB = re.compile(r"https?://[^/\s]", re.IGNORECASE)
_LANGUAGE = re.compile(r"([a-z]{2,3})((?:-[a-z0-9]{2,8})*)", re.IGNORECASE)
_NO_LANGUAGE = frozenset({"und", "mul", "zxx", "mis", "xx"})


def moment(text: Any) -> datetime | None:
    """The aware UTC moment of an ISO 8601 text, None for what is none; without a zone it counts as UTC."""
    try:
        found = datetime.fromisoformat(str(text).strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def web_address(text: Any) -> str | None:
    """The trimmed address, None for what does not begin as one of the web."""
    return text.strip() if isinstance(text, str) and _WEB.match(text.strip()) else None


def language_tag(text: Any) -> str | None:
    """The language tag (BCP 47) in its usual case, `en-US`; None for what has not the form of one or names none."""
    found = _LANGUAGE.fullmatch(str(text or "").strip().replace("_", "-"))
    if found is None or found[1].lower() in _NO_LANGUAGE:
        return None
    subtags = [part.upper() if len(part) == 2 else part for part in found[2].split("-")]
    return found[1].lower() + "-".join(subtags)
