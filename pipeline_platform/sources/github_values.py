"""Values in the answers of the GitHub REST API, read with a say about what is wrong with them.

Each raises TypeError or ValueError that names the field.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from selectolax.lexbor import LexborHTMLParser

_MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})
_BLANK_LINES = re.compile(r"\n\s*\n\s*")
_INT64 = 2**63


def text_of(value: Any, field: str) -> str | None:
    """`value` where it is text or null; raises TypeError for anything else."""
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"{field} must be text, not {type(value).__name__}")


def written(value: Any, field: str) -> str:
    """`value` where it is text that says something; raises ValueError for null and for an empty one."""
    text = text_of(value, field)
    if not text:
        raise ValueError(f"{field} is missing")
    return text


def integer(value: Any, field: str) -> int | None:
    """`value` where it is a whole number of 64 bits or null."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{field} must be a whole number, not {type(value).__name__}")
    if not -_INT64 <= value < _INT64:
        raise ValueError(f"{field} does not fit 64 bits")
    return value


def counted(value: Any, field: str) -> int:
    """`value` where it is a whole number of 64 bits; raises ValueError for null."""
    number = integer(value, field)
    if number is None:
        raise ValueError(f"{field} is missing")
    return number


def moment_of(value: Any, field: str) -> datetime | None:
    """The aware UTC moment of an ISO 8601 text with a time zone; None for null."""
    text = text_of(value, field)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no time zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{field} is no moment in ISO 8601 with a time zone: {text[:40]!r}") from error


def happened(value: Any, field: str) -> datetime:
    """The same, for a moment that has to be there: raises ValueError for null."""
    moment = moment_of(value, field)
    if moment is None:
        raise ValueError(f"{field} is missing")
    return moment


def believable_moment(value: Any) -> datetime | None:
    """The moment that an ISO 8601 text with a time zone names; None where it names none."""
    try:
        return moment_of(value, "time")
    except (TypeError, ValueError):
        return None


def part_of(payload: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """A nested object, empty where GitHub says null: accounts that are gone, licences that are not known."""
    part = payload.get(field)
    if part is None:
        return {}
    if not isinstance(part, Mapping):
        raise TypeError(f"{field} must be an object, not {type(part).__name__}")
    return part


def list_of(payload: Mapping[str, Any], field: str) -> list[Any]:
    """The list in `field`, empty where there is none."""
    items = payload.get(field)
    if items is None:
        return []
    if not isinstance(items, list):
        raise TypeError(f"{field} must be a list, not {type(items).__name__}")
    return items


def login_of(account: Mapping[str, Any]) -> str | None:
    """The login of an account, None where there is none or it was deleted."""
    login = text_of(account.get("login"), "login")
    # "ghost" stands for every account that was deleted; as an author it would make them one person.
    return None if login in (None, "", "ghost") else login


def repository_of(payload: Mapping[str, Any]) -> str:
    """`owner/name` from the `html_url` of an item."""
    address = written(payload["html_url"], "html_url")
    owner, _, rest = urlsplit(address).path.lstrip("/").partition("/")
    name = rest.partition("/")[0]
    if not owner or not name:
        raise ValueError(f"html_url names no repository: {address[:120]!r}")
    return f"{owner}/{name}"


def plain_text(markdown: str | None) -> str | None:
    """Markdown with inline HTML as plain text; comments of issue templates disappear."""
    if not markdown:
        return markdown
    html = _MARKDOWN.render(markdown).replace("<br", "\n<br")
    text = LexborHTMLParser(html).text(separator="", strip=False)
    return _BLANK_LINES.sub("\n\n", text).strip()
