"""One exchange over HTTP, bounded in time and size; knows nothing of retries, budgets or sources.

The bounds hold for the whole exchange: a server that sends one byte a second runs into the deadline although every
single read is quick, and a compressed body is measured by what it unpacks to.
"""

import logging
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urljoin

import httpcore
import httpx

from pipeline_platform import __version__
from pipeline_platform.sources.errors import Malformed, Permanent, Transient

USER_AGENT = f"pipeline-platform/{__version__} (+https://github.com/pipeline-platform/pipeline-platform)"
ACCEPT_ENCODING = "gzip, deflate"
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 5
# These never leave the machine, whatever proxy the environment names.
_LOOPBACK = ("all://localhost", "all://127.0.0.1", "all://[::1]")


@dataclass(frozen=True, slots=True)
class TransferLimits:
    """Bounds of one exchange: decoded body in bytes, times in seconds; `total_seconds` covers all of it."""

    max_body_bytes: int = 64 * 1024 * 1024
    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    total_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said: status, headers, decoded body, and the address that answered in the end."""

    status: int
    headers: httpx.Headers
    content: bytes
    url: str


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates to trust; reading them takes longer than a request, so every client shares them."""
    return httpx.create_ssl_context()


class Transfer:
    """Sends requests over pooled connections.

    Args:
        limits: bounds of every exchange.
    """

    def __init__(self, limits: TransferLimits) -> None:
        self._limits = limits
        self._client = httpx.Client(
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": ACCEPT_ENCODING},
            verify=_trusted(),
            timeout=httpx.Timeout(limits.read_seconds, connect=limits.connect_seconds),
            limits=httpx.Limits(max_connections=10, max_keepalive_connections=5),
            mounts=dict.fromkeys(_LOOPBACK),
            follow_redirects=False,
        )
        # Cookies would carry state, and perhaps a session, from one target to the next.
        self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._deadline = _Deadline()
        # httpx has no setting for the network backend of the pools it makes from the environment's proxies.
        for transport in (self._client._transport, *self._client._mounts.values()):
            pool = getattr(transport, "_pool", None)
            if pool is not None:
                pool._network_backend = _TimedBackend(pool._network_backend, self._deadline)

    def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        follow: bool = True,
    ) -> Answer:
        """Send one request and read the whole answer, following redirects that stay on the host.

        Raises:
            Transient: no connection, a timeout, a body that was cut off.
            Malformed: a body over the limit, or one that cannot be decompressed.
            Permanent: the request cannot be sent, or a redirect leads elsewhere.
        """
        with self._deadline.after(self._limits.total_seconds):
            for _ in range(MAX_REDIRECTS + 1):
                answer = self._once(method, url, headers, body)
                location = answer.headers.get("location")
                if not follow or answer.status not in REDIRECTS or location is None:
                    return answer
                target = urljoin(url, location)
                if not _same_place(url, target):
                    raise Permanent(
                        f"{url} has moved to another host, {target}; if that is right, put it in place of the old one",
                        status=answer.status,
                    )
                if answer.status == 303 or (answer.status in {301, 302} and method == "POST"):
                    method, body = "GET", None
                url = target
        raise Permanent(f"{url} redirects more than {MAX_REDIRECTS} times", status=answer.status)

    def close(self) -> None:
        """Close the pooled connections."""
        self._client.close()

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        with _as_source_errors(url, self._limits.total_seconds):
            request = self._client.build_request(method, url, headers=dict(headers), content=body)
            response = self._client.send(request, stream=True)
            try:
                content = self._read(response)
            finally:
                response.close()
            return Answer(response.status_code, response.headers, content, str(response.url))

    def _read(self, response: httpx.Response) -> bytes:
        limit = self._limits.max_body_bytes
        promised = response.headers.get("content-length", "")
        if promised.isdigit() and int(promised) > limit:
            raise Malformed(f"the body of {promised} bytes is over the limit of {limit}", status=response.status_code)
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > limit:
                raise Malformed(f"the body is over the limit of {limit} bytes", status=response.status_code)
        return bytes(content)


def _same_place(url: str, target: str) -> bool:
    """Whether credentials for `url` may be shown to `target`: same host and port, or its upgrade to https."""
    old, new = httpx.URL(url), httpx.URL(target)
    if old.host != new.host or new.userinfo:
        return False
    if (old.scheme, old.port) == (new.scheme, new.port):
        return True
    return old.scheme == "http" and new.scheme == "https" and old.port in {None, 80} and new.port in {None, 443}


@contextmanager
def _as_source_errors(url: str, total_seconds: float) -> Iterator[None]:
    # `from None`: the texts of the libraries' errors may hold the address with its secrets.
    try:
        yield
    except httpx.TimeoutException as error:
        text = f"{url}: {_what(error)}; an exchange may take {total_seconds:g} s"
        raise Transient(text) from None
    except httpx.DecodingError as error:
        broken = Malformed(f"{url}: the body cannot be decompressed: {_what(error)}")
        broken.retryable = True
        raise broken from None
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL, UnicodeError) as error:
        raise Permanent(f"{url}: no request can be sent there: {_what(error)}; check the address") from None
    except httpx.HTTPError as error:
        raise Transient(f"{url}: {_what(error)}") from None


def _what(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


class _Deadline(threading.local):
    """When the exchange of this thread must be over, on the monotonic clock."""

    at: float | None = None

    @contextmanager
    def after(self, seconds: float) -> Iterator[None]:
        self.at = time.monotonic() + seconds
        try:
            yield
        finally:
            self.at = None

    def cut(self, timeout: float | None, error: type[Exception]) -> float | None:
        """`timeout`, or less where the deadline is nearer; raises `error` when it has passed."""
        if self.at is None:
            return timeout
        left = self.at - time.monotonic()
        if left <= 0:
            raise error("the exchange took too long")
        return left if timeout is None else min(timeout, left)


class _TimedBackend(httpcore.NetworkBackend):
    """Opens connections on which no read or write outlasts the deadline of the exchange."""

    def __init__(self, backend: httpcore.NetworkBackend, deadline: _Deadline) -> None:
        self._backend = backend
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        timeout = self._deadline.cut(timeout, httpcore.ConnectTimeout)
        stream = self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        return _TimedStream(stream, self._deadline)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        timeout = self._deadline.cut(timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._backend.connect_unix_socket(path, timeout, socket_options), self._deadline)

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.cut(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.cut(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        timeout = self._deadline.cut(timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _not_a_request_line(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("HTTP Request:")


# httpx writes every address with its query, and so its keys, at level INFO; the client logs the same without secrets.
logging.getLogger("httpx").addFilter(_not_a_request_line)
