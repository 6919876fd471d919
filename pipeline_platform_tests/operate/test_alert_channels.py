"""The channels against real servers on this machine: mail with TLS and log-in, and receivers of HTTP."""

import ipaddress
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline_platform.operate.alert_channels import ChannelError, channels
from pipeline_platform.operate.alert_settings import AlertSettings, Severity
from pipeline_platform.operate.alerting import send_test
from pipeline_platform.storage.incident_log import Event, Incident, Notice

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PASSWORD = "open-sesame-4711"
SECRET = "T0PS3CR3TPATH"


def notice(event: Event = "firing", severity: Severity = "critical", subject: str = "fetch_town") -> Notice:
    message = f"{subject} failed 3 times in a row. Last: <!channel> no bridge & no boat"
    incident = Incident(7, "job_failing", subject, severity, message, "/runs/r-1", NOON, NOON, NOON, NOON, None, 0)
    return Notice(9, event, severity, message, NOON + timedelta(minutes=1), incident)


@dataclass
class Receiver:
    """An HTTP server that keeps what is posted, and answers with a status."""

    url: str = ""
    status: int = 200
    answer: bytes = b"ok"
    posted: list[tuple[str, Any]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.posted.append((self.path, orjson.loads(body)))
            self.send_response(kept.status)
            self.send_header("Content-Length", str(len(kept.answer)))
            self.end_headers()
            self.wfile.write(kept.answer)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_port}"
    yield kept
    server.shutdown()
    server.server_close()


@dataclass(frozen=True)
class Certificate:
    path: Path
    context: ssl.SSLContext


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate of its own authority for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "harbour")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return Certificate(folder / "cert.pem", context)


@dataclass
class Mailbox:
    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    refuses: str | None = None

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refuses:
            return self.refuses
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        return "250 OK"


@pytest.fixture
def mail_server(certificate: Certificate) -> Iterator[Callable[..., Mailbox]]:
    """Starts a mail server that is spoken to by STARTTLS, TLS or in the clear."""
    started: list[Controller] = []

    def start(security: str) -> Mailbox:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            box = Mailbox(probe.getsockname()[1])

        def knows(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
            good = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
            return AuthResult(success=good, handled=False)

        options: dict[str, Any] = {"authenticator": knows, "auth_required": True}
        if security == "starttls":
            options |= {"tls_context": certificate.context, "require_starttls": True}
        if security == "tls":
            options |= {"ssl_context": certificate.context, "auth_require_tls": False}
        controller = Controller(box, "127.0.0.1", box.port, **({} if security == "none" else options))
        controller.start()
        started.append(controller)
        return box

    yield start
    for controller in started:
        controller.stop()


def mail_settings(box: Mailbox, certificate: Certificate, security: str, **more: Any) -> AlertSettings:
    login = {} if security == "none" else {"smtp_user": "harbour", "smtp_password": PASSWORD}
    given = {
        "email_to": ["ada@example.org", "bo@example.org"],
        "email_from": "Platform <platform@example.org>",
        "smtp_host": "127.0.0.1",
        "smtp_port": box.port,
        "smtp_security": security,
        "smtp_ca_file": certificate.path,
        "ui_url": "https://dagster.example.org/",
        **login,
        **more,
    }
    return AlertSettings(**given)


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
def test_a_mail_reaches_everybody(mail_server: Callable[..., Mailbox], certificate: Certificate, security: str) -> None:
    box = mail_server(security)
    (channel,) = channels(mail_settings(box, certificate, security))
    channel.send([notice()])
    (mail,) = box.mails
    assert mail["Subject"].startswith("[critical] job_failing: fetch_town failed 3 times in a row.")
    assert mail["To"] == "ada@example.org, bo@example.org"
    text = mail.get_content()
    assert "See https://dagster.example.org/runs/r-1" in text
    assert "Then: Open its last run" in text
    assert "since 2026-11-20 12:00 UTC" in text


def test_many_notices_are_one_mail_and_the_same_ones_have_the_same_id(
    mail_server: Callable[..., Mailbox], certificate: Certificate
) -> None:
    box = mail_server("starttls")
    (channel,) = channels(mail_settings(box, certificate, "starttls"))
    several = [notice(), notice("resolved", "warning", "fetch_city")]
    channel.send(several)
    channel.send(several)
    first, second = box.mails
    assert first["Subject"] == "[critical] 2 alerts: fetch_city, fetch_town"
    assert first["Message-ID"] == second["Message-ID"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"smtp_password": "wrong-4712"}, "SMTPAuthenticationError"),
        ({"smtp_ca_file": None}, "certificate"),
        ({"smtp_port": 9}, "refused"),
    ],
)
def test_a_mail_that_does_not_go_says_why_without_the_password(
    mail_server: Callable[..., Mailbox], certificate: Certificate, change: dict[str, Any], said: str
) -> None:
    box = mail_server("starttls")
    (channel,) = channels(mail_settings(box, certificate, "starttls", **change))
    with pytest.raises(ChannelError, match=said) as raised:
        channel.send([notice()])
    assert PASSWORD not in str(raised.value)
    assert "wrong-4712" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert box.mails == []


def test_a_mail_server_that_has_no_room_is_a_failure(
    mail_server: Callable[..., Mailbox], certificate: Certificate
) -> None:
    box = mail_server("none")
    box.refuses = "452 no room"
    (channel,) = channels(mail_settings(box, certificate, "none"))
    with pytest.raises(ChannelError, match="no room"):
        channel.send([notice()])


def test_slack_gets_text_that_mentions_nobody(receiver: Receiver) -> None:
    (channel,) = channels(AlertSettings(slack_webhook_url=f"{receiver.url}/services/{SECRET}"))  # type: ignore[arg-type]
    channel.send([notice()])
    ((path, posted),) = receiver.posted
    assert path == f"/services/{SECRET}"
    assert posted["text"].startswith("*[critical] job_failing: fetch_town failed")
    assert "&lt;!channel&gt; no bridge &amp; no boat" in posted["text"]
    assert "<" not in posted["text"]


def test_pagerduty_is_triggered_and_resolved_by_one_key(receiver: Receiver) -> None:
    settings = AlertSettings(
        pagerduty_routing_key="R0UT1NGK3Y",  # type: ignore[arg-type]
        pagerduty_url=f"{receiver.url}/v2/enqueue",
        ui_url="http://127.0.0.1:3000",
    )
    receiver.status = 202
    (channel,) = channels(settings)
    assert channel.at_once == 1
    channel.send([notice()])
    channel.send([notice("resolved")])
    (_, trigger), (_, resolve) = receiver.posted
    assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
    assert trigger["routing_key"] == resolve["routing_key"] == "R0UT1NGK3Y"
    assert trigger["dedup_key"] == resolve["dedup_key"] == "pipeline-platform:job_failing:fetch_town"
    assert trigger["payload"]["severity"] == "critical"
    assert trigger["payload"]["source"] == "fetch_town"
    assert trigger["payload"]["timestamp"] == "2026-11-20T12:00:00+00:00"
    assert trigger["links"] == [{"href": "http://127.0.0.1:3000/runs/r-1", "text": "Dagster"}]


def test_apprise_reaches_what_it_knows(receiver: Receiver) -> None:
    address = receiver.url.replace("http://", f"json://ada:{PASSWORD}@") + "/hook"
    (channel,) = channels(AlertSettings(apprise_urls=[address]))  # type: ignore[list-item]
    channel.send([notice("resolved")])
    ((path, posted),) = receiver.posted
    assert path == "/hook"
    assert (posted["type"], posted["title"][:10]) == ("success", "[resolved]")
    assert channel.name.startswith("json-")


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
def test_a_refusal_is_told_with_its_status_and_no_secret(
    receiver: Receiver, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status, receiver.answer = status, f"no such hook {SECRET} or key R0UT1NGK3Y".encode()
    settings = AlertSettings(
        slack_webhook_url=f"{receiver.url}/{SECRET}",  # type: ignore[arg-type]
        pagerduty_routing_key="R0UT1NGK3Y",  # type: ignore[arg-type]
        pagerduty_url=receiver.url,
        apprise_urls=[receiver.url.replace("http://", f"json://ada:{PASSWORD}@") + f"/{SECRET}"],  # type: ignore[list-item]
    )
    caplog.set_level(logging.DEBUG)
    for channel in channels(settings):
        error = send_test(channel, "critical", NOON)
        assert error is not None
        assert str(status) in error
        assert not any(secret in error for secret in ("R0UT1NGK3Y", PASSWORD, SECRET))
    assert len(receiver.posted) == 3
    text = caplog.text
    assert not any(secret in text for secret in ("R0UT1NGK3Y", PASSWORD, SECRET))


def test_an_address_that_nobody_understands_is_an_error_that_does_not_show_it() -> None:
    (channel,) = channels(AlertSettings(apprise_urls=[f"nonsense://{SECRET}"]))  # type: ignore[list-item]
    error = send_test(channel, "info", NOON)
    assert error == "Apprise cannot read its address"


def test_only_what_is_set_is_a_channel() -> None:
    assert channels(AlertSettings()) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"email_to": ["ada@example.org"]}, "PIPELINE_ALERTS__SMTP_HOST"),
        ({"smtp_user": "ada"}, "SMTP_PASSWORD"),
        ({"smtp_user": "ada", "smtp_password": PASSWORD, "smtp_security": "none"}, "in the clear"),
        ({"quiet_hours": "25:00-26:00"}, "no hours"),
        ({"quiet_hours": "07:00-07:00"}, "same time"),
        ({"time_zone": "Mars/Olympus"}, "no time zone"),
        ({"slack_webhook_url": "file:///etc/passwd"}, "no address"),
        ({"slas": {"fetch_town": 0}}, "fetch_town"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        AlertSettings(**given)
