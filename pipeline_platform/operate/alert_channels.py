"""The channels by which alerts are told: e-mail, Slack, PagerDuty, and whatever Apprise reaches.

A channel sends or raises a `ChannelError` without any secret in it; when it is tried again is decided by `alerting`.
"""

import hashlib
import logging
import smtplib
import ssl
from abc import ABC, abstractmethod
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.error import HTTPError
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import Request, urlopen

import orjson

from pipeline_platform.operate.alert_settings import APPRISE, EMAIL, PAGERDUTY, SLACK, AlertSettings
from pipeline_platform.operate.alert_texts import body, headline, link, marked
from pipeline_platform.sources.redact import Redactor
from pipeline_platform.storage.incident_log import Notice

TIMEOUT_SECONDS = 15
TOGETHER = 20
"""Notices that go into one message: a source that fails takes many tables with it."""
SLACK_CHARACTERS = 30_000
"""Slack cuts a text off after 40,000."""
PAGERDUTY_CHARACTERS = 1024
TOKEN_LENGTH = 6
"""A shorter part of an address is a topic or a word."""


class ChannelError(Exception):
    """A message could not be sent; the text names no secret."""


class Channel(ABC):
    """A way to tell notices.

    Attributes:
        name: by which it is known, also across restarts.
        kind: email, slack, pagerduty or apprise.
        at_once: notices it takes in one message.
    """

    name: str
    kind: str
    at_once = TOGETHER

    def __init__(self, settings: AlertSettings) -> None:
        self.settings = settings
        given = Redactor.of(settings).values
        self._redactor = Redactor({*given, *(token for secret in given for token in _tokens(secret))})

    def send(self, notices: Sequence[Notice]) -> None:
        """Tell notices, at most `at_once` of them.

        Raises:
            ChannelError: they may not have arrived.
        """
        try:
            self._send(notices)
        except ChannelError:
            raise
        except Exception as error:  # noqa: BLE001 - no surprise of a library may cost a run
            raise ChannelError(self._redactor.text(f"{type(error).__name__}: {error}")) from None

    @abstractmethod
    def _send(self, notices: Sequence[Notice]) -> None:
        """Send, and raise what the libraries raise."""

    def _post(self, url: str, content: object) -> None:
        # Not by httpx, which logs every address: that of a webhook is a secret.
        headers = {"Content-Type": "application/json", "User-Agent": "pipeline-platform"}
        request = Request(url, orjson.dumps(content), headers)  # noqa: S310 - settings take http(s) only
        try:
            with urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310
                return
        except HTTPError as error:
            said = self._redactor.text(error.read(2000).decode(errors="replace").strip())[:200]
            raise ChannelError(f"{self.kind} answered {error.code} {said}".strip()) from None


class Email(Channel):
    """One e-mail to all addresses."""

    name = kind = EMAIL

    def _send(self, notices: Sequence[Notice]) -> None:
        message = EmailMessage()
        message["Subject"] = headline(notices)
        message["From"] = self.settings.email_from
        message["To"] = ", ".join(self.settings.email_to)
        message["Date"] = format_datetime(notices[-1].made_at)
        # The same notices sent twice have the same id, by which most mail servers and readers show them once.
        number = hashlib.sha256(repr([(one.id, one.made_at) for one in notices]).encode()).hexdigest()[:24]
        message["Message-ID"] = f"<{number}@{str(self.settings.email_from).rpartition('@')[2].strip('> ')}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body(notices, self.settings.ui_url))
        with self._connection() as server:
            if self.settings.smtp_user and self.settings.smtp_password:
                server.login(self.settings.smtp_user, self.settings.smtp_password.get_secret_value())
            refused = server.send_message(message)
        if refused:
            raise ChannelError(f"the mail server refused {', '.join(sorted(refused))}")

    def _connection(self) -> smtplib.SMTP:
        security, host = self.settings.smtp_security, str(self.settings.smtp_host)
        port = self.settings.smtp_port or {"starttls": 587, "tls": 465, "none": 25}[security]
        context = ssl.create_default_context(cafile=self.settings.smtp_ca_file)
        if security == "tls":
            return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
        server = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
        if security == "starttls":
            try:
                server.starttls(context=context)
            except BaseException:
                server.close()
                raise
        return server


class Slack(Channel):
    """A message to an incoming webhook."""

    name = kind = SLACK

    def _send(self, notices: Sequence[Notice]) -> None:
        assert self.settings.slack_webhook_url is not None
        lines = f"*{_mrkdwn(headline(notices))}*\n{_mrkdwn(body(notices, self.settings.ui_url))}"
        self._post(self.settings.slack_webhook_url.get_secret_value(), {"text": lines[:SLACK_CHARACTERS]})


class PagerDuty(Channel):
    """An event per notice, for the Events API v2. An incident keeps its key, so what is sent twice counts once."""

    name = kind = PAGERDUTY
    at_once = 1

    def _send(self, notices: Sequence[Notice]) -> None:
        assert self.settings.pagerduty_routing_key is not None
        (notice,) = notices
        incident = notice.incident
        event: dict[str, object] = {
            "routing_key": self.settings.pagerduty_routing_key.get_secret_value(),
            "event_action": "resolve" if notice.event == "resolved" else "trigger",
            "dedup_key": f"pipeline-platform:{incident.rule}:{incident.subject}"[:255],
        }
        if notice.event != "resolved":
            shown = link(incident, self.settings.ui_url)
            event |= {
                "client": "pipeline-platform",
                "payload": {
                    "summary": f"{incident.rule}: {notice.message}"[:PAGERDUTY_CHARACTERS],
                    "source": incident.subject,
                    "severity": notice.severity,
                    "component": incident.subject,
                    "class": incident.rule,
                    "timestamp": incident.began_at.isoformat(),
                    "custom_details": {"text": body(notices, self.settings.ui_url)},
                },
                **({"links": [{"href": shown, "text": "Dagster"}]} if shown else {}),
            }
        self._post(self.settings.pagerduty_url, event)


class Apprise(Channel):
    """A message by an address of Apprise."""

    kind = APPRISE

    def __init__(self, settings: AlertSettings, address: str) -> None:
        super().__init__(settings)
        self._address = address
        # Of the address itself only the scheme may be shown.
        digest = hashlib.sha256(address.encode()).hexdigest()[:6]
        self.name = f"{address.partition('://')[0].lower()[:20]}-{digest}"

    def _send(self, notices: Sequence[Notice]) -> None:
        from apprise import Apprise as Sender
        from apprise import LogCapture, NotifyType

        worst = marked(notices)
        kinds = {"resolved": NotifyType.SUCCESS, "info": NotifyType.INFO, "warning": NotifyType.WARNING}
        with LogCapture(level=logging.WARNING, fmt="%(message)s") as said:
            sender = Sender()
            sent = sender.add(self._address) and sender.notify(
                title=headline(notices),
                body=body(notices, self.settings.ui_url),
                notify_type=kinds.get(worst, NotifyType.FAILURE),
            )
            reason = said.getvalue().strip()
        if not sent:
            if reason.startswith("Unparseable"):
                reason = "Apprise cannot read its address"
            raise ChannelError(self._redactor.text(reason.splitlines()[0] if reason else "Apprise could not send"))


def channels(settings: AlertSettings) -> list[Channel]:
    """The channels that the settings name."""
    found: list[Channel] = []
    if settings.email_to:
        found.append(Email(settings))
    if settings.slack_webhook_url:
        found.append(Slack(settings))
    if settings.pagerduty_routing_key:
        found.append(PagerDuty(settings))
    return found + [Apprise(settings, address.get_secret_value()) for address in settings.apprise_urls]


def _tokens(secret: str) -> list[str]:
    """Password and long parts of the path of a secret that is an address: answers and messages may name them alone."""
    parts = urlsplit(secret)
    values = [value for found in parse_qs(parts.query).values() for value in found]
    long = [part for part in [*parts.path.split("/"), *values] if len(part) >= TOKEN_LENGTH]
    return long + ([unquote(parts.password)] if parts.password else []) if parts.scheme else []


def _mrkdwn(text: str) -> str:
    """Text of upstreams must neither format nor mention anybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _is_no_detail(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.INFO


# Apprise and the library under it write addresses, and so keys, at level DEBUG.
for _name in ("apprise", "urllib3.connectionpool"):
    logging.getLogger(_name).addFilter(_is_no_detail)
