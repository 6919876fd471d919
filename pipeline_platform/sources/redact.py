"""Taking secrets out of everything that is written down: URLs, parameters, headers, exception texts, tracebacks, JSON.

Two nets: the values of a source's `SecretStr` settings wherever they turn up, also percent-encoded or in base64, and
whatever stands under a name that commonly holds a secret (`appid=…`, `Authorization: …`).
"""

import base64
import json
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from pydantic import BaseModel, SecretStr

MASK = "***"
# A shorter value would blot out ordinary words; the names below still catch it where it is used.
SHORTEST_VALUE = 4

SECRET_NAMES = frozenset(
    {
        "access_key",
        "access_token",
        "api_key",
        "apikey",
        "app_key",
        "appid",
        "auth",
        "auth_token",
        "authorization",
        "bearer_token",
        "client_secret",
        "consumer_secret",
        "cookie",
        "crumb",
        "id_token",
        "oauth_signature",
        "oauth_token",
        "passwd",
        "password",
        "private_token",
        "proxy_authorization",
        "refresh_token",
        "secret",
        "set_cookie",
        "sig",
        "signature",
        "token",
        "x_api_key",
        "x_auth_token",
        "x_cg_demo_api_key",
        "x_cg_pro_api_key",
    }
)

_NAME = (
    "(?:" + "|".join(sorted((re.escape(n).replace("_", "[-_]?") for n in SECRET_NAMES), key=len, reverse=True)) + ")"
)
# user:password@ of a URL
_USERINFO = re.compile(r"(?<=://)[^/\s:@]*:(?P<password>[^/\s@]+)(?=@)")
_PATTERNS = (
    (_USERINFO, MASK),
    # "name": "value" and 'name': 'value'
    (re.compile(rf"""(["']{_NAME}["']\s*[:,]\s*)(["'])(?:\\.|(?!\2).)*\2""", re.IGNORECASE), rf"\1\2{MASK}\2"),
    # Header: scheme value
    (re.compile(r"((?<![\w-])(?:proxy-)?authorization\s*[:=]\s*)[^\r\n,;\"']+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"((?<![\w-])(?:bearer|basic)\s+)(?=[\w+/.~=-]*[\d_.=-])[\w+/.~=-]{8,}", re.IGNORECASE), rf"\1{MASK}"),
    # name=value of a query, a form or a message
    (re.compile(rf"((?<![\w-]){_NAME}\s*=\s*)[^&#\s\"'<>,;)}}\]]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(rf"((?:(?<![\w-])|(?<=%3F)|(?<=%26)){_NAME}%3D)(?:(?!%26)[\w.~%+-])+", re.IGNORECASE), rf"\1{MASK}"),
)


def is_secret_name(name: str) -> bool:
    """Whether a parameter or header of this name commonly holds a secret."""
    plain = name.strip().lower().replace("-", "_")
    return plain in SECRET_NAMES or plain.endswith(("_secret", "_password", "_api_key", "_apikey"))


class Redactor:
    """Takes the secrets of one source out of what is written down.

    Args:
        values: the secret values themselves.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self.values = frozenset(value for value in values if value)
        forms = {form for value in self.values if len(value) >= SHORTEST_VALUE for form in _forms(value)}
        # Longest first, so that a secret which contains another one does not leave its ends behind.
        ordered = sorted(forms, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    @classmethod
    def of(cls, settings: BaseModel) -> "Redactor":
        """A redactor that knows every `SecretStr` of `settings` and the password of its `base_url`."""
        values = set(_secrets(dict(settings)))
        if found := _USERINFO.search(getattr(settings, "base_url", None) or ""):
            values.add(unquote(found["password"]))
        return cls(values)

    def text(self, text: str) -> str:
        """`text` without secrets: a message, a traceback, a URL."""
        if self._values is not None:
            text = self._values.sub(MASK, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def pairs(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters or headers without secrets, as JSON-able values."""
        return {name: MASK if is_secret_name(name) else self.value(value) for name, value in mapping.items()}

    def value(self, value: Any) -> Any:
        """A JSON-like value without secrets; what JSON has no form for becomes text."""
        if isinstance(value, Mapping):
            return self.pairs({str(name): item for name, item in value.items()})
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return MASK if str(value) in self.values and not isinstance(value, bool | None) else value
        return self.text(str(value))

    def trace(self, error: BaseException) -> str:
        """The traceback of `error` as text, without secrets."""
        return self.text("".join(traceback.format_exception(error)))

    def holds_secret(self, mapping: Mapping[str, Any]) -> bool:
        """Whether parameters or headers carry a credential."""
        return any(
            is_secret_name(name) or (self._values is not None and self._values.search(str(value)) is not None)
            for name, value in mapping.items()
            if value is not None
        )


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without the values `secrets` and without what stands under the name of a secret."""
    return Redactor(secrets).text(text)


def _secrets(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        yield from _secrets(dict(value))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _secrets(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _secrets(item)


def _forms(value: str) -> Iterator[str]:
    """The ways a value is written in requests and messages."""
    yield value
    yield quote(value, safe="")
    yield quote(value)
    yield quote_plus(value)
    yield json.dumps(value)[1:-1]
    yield repr(value)[1:-1]
    yield base64.b64encode(value.encode()).decode().rstrip("=")
