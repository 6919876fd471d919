"""Settings of the alerts, `PIPELINE_ALERTS__*`: what counts as wrong, who is told by which channel, and when."""

from datetime import time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from pipeline_platform.sources.base import TimeZoneName

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
"""From least to worst."""
EMAIL, SLACK, PAGERDUTY, APPRISE = "email", "slack", "pagerduty", "apprise"
LEAST: dict[str, Severity] = {EMAIL: "warning", SLACK: "info", PAGERDUTY: "critical", APPRISE: "warning"}
"""Least severity that each kind of channel tells, unless the settings say otherwise."""


class AlertSettings(BaseModel):
    """Settings of the alerts. A channel exists when its address is set; without one alerts are kept and listed only."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    failures: int = Field(3, ge=1, description="Failures of a job in a row that are an alert.")
    sla_minutes: float = Field(60, gt=0, description="Minutes that a run of a job may take.")
    slas: dict[str, float] = Field({}, description='Other minutes for some jobs: {"fetch_github": 10}.')
    error_rate: float = Field(
        0.1, ge=0, lt=1, description="Share of failed targets of a source within the window, above which is an alert."
    )
    error_rate_minutes: float = Field(5, gt=0, description="Minutes of that window, which ends with its last fetch.")
    error_rate_targets: int = Field(5, ge=1, description="Targets in the window below which no rate is told.")
    silent_hours: float = Field(
        2,
        gt=0,
        description="Hours without data of a source that are an alert; one that is fetched less often has them after "
        "its next turn.",
    )
    disk_free_gib: float = Field(
        2, ge=0, description="Free space of the disk of PIPELINE_HOME below which is an alert."
    )
    severities: dict[str, Literal["off", "info", "warning", "critical"]] = Field(
        {},
        description='Other severities for some rules of `pipeline-platform alerts rules`, or off: {"run_slow": "off"}.',
    )

    clear_minutes: float = Field(
        5,
        ge=0,
        description="Minutes that a condition must be gone before it counts as resolved; twice as long each time that "
        "it comes back within six hours, up to 16 times.",
    )
    repeat_hours: float = Field(24, gt=0, description="Hours after which a condition that lasts is told again.")
    quiet_hours: str | None = Field(
        None,
        pattern=r"^\d\d:\d\d-\d\d:\d\d$",
        description="Hours in which only what is critical is told, as 22:00-07:00; the rest is told after them.",
    )
    time_zone: TimeZoneName = Field("UTC", description="Time zone of the quiet hours, as Europe/Berlin.")
    least: dict[Literal["email", "slack", "pagerduty", "apprise"], Severity] = Field(
        {},
        description='Least severity that a kind of channel tells: {"email": "critical"}. Unless set: '
        + ", ".join(f"{channel} {severity}" for channel, severity in LEAST.items())
        + ".",
    )
    ui_url: str | None = Field(
        None, pattern=r"^https?://[^/?#]+[^?#]*$", description="Address of the Dagster UI, for links in messages."
    )

    email_to: list[str] = Field([], description="E-mail addresses that are told.")
    email_from: str | None = Field(None, description="Sender of these e-mails.")
    smtp_host: str | None = Field(None, description="Mail server.")
    smtp_port: int | None = Field(None, ge=1, le=65535, description="Its port; 587 with STARTTLS, 465 with TLS, or 25.")
    smtp_security: Literal["starttls", "tls", "none"] = Field("starttls", description="How it is spoken to.")
    smtp_user: str | None = Field(None, description="User at the mail server; no log-in if unset.")
    smtp_password: SecretStr | None = Field(None, description="Password of that user.")
    smtp_ca_file: Path | None = Field(
        None, description="PEM file of the authority of its certificate, if a private one."
    )
    slack_webhook_url: SecretStr | None = Field(None, description="Incoming webhook of Slack.")
    pagerduty_routing_key: SecretStr | None = Field(None, description="Integration key of a service, Events API v2.")
    pagerduty_url: str = Field(
        "https://events.pagerduty.com/v2/enqueue",
        pattern=r"^https?://[^/?#]+[^?#]*$",
        description="Address of the Events API v2; https://events.eu.pagerduty.com/v2/enqueue in the EU.",
    )
    apprise_urls: list[SecretStr] = Field(
        [], description='Further channels as addresses of Apprise (https://appriseit.com): ["ntfy://host/topic"].'
    )

    @field_validator("quiet_hours")
    @classmethod
    def _are_hours(cls, hours: str | None) -> str | None:
        if hours:
            try:
                first, last = (time.fromisoformat(part) for part in hours.split("-"))
            except ValueError:
                raise ValueError(f"{hours} are no hours; write them as 22:00-07:00") from None
            if first == last:
                raise ValueError("they begin and end at the same time; unset them instead")
        return hours

    @field_validator("slack_webhook_url")
    @classmethod
    def _is_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("https://", "http://")):
            raise ValueError("it is no address; Slack shows it as https://hooks.slack.com/services/…")
        return url

    @field_validator("slas")
    @classmethod
    def _take_time(cls, slas: dict[str, float]) -> dict[str, float]:
        if wrong := sorted(job for job, minutes in slas.items() if minutes <= 0):
            raise ValueError(f"a run takes more than no time, also one of {', '.join(wrong)}")
        return slas

    @model_validator(mode="after")
    def _can_mail(self) -> "AlertSettings":
        if self.email_to and not (self.smtp_host and self.email_from):
            raise ValueError("e-mail needs PIPELINE_ALERTS__SMTP_HOST and PIPELINE_ALERTS__EMAIL_FROM as well")
        if (self.smtp_user is None) != (self.smtp_password is None):
            raise ValueError("set both PIPELINE_ALERTS__SMTP_USER and PIPELINE_ALERTS__SMTP_PASSWORD, or neither")
        if self.smtp_user and self.smtp_security == "none":
            raise ValueError("a password is not sent in the clear: PIPELINE_ALERTS__SMTP_SECURITY must not be none")
        return self

    @property
    def quiet(self) -> tuple[time, time] | None:
        """Start and end of the quiet hours in their time zone; an end before the start lies on the next day."""
        if self.quiet_hours is None:
            return None
        first, last = (time.fromisoformat(part) for part in self.quiet_hours.split("-"))
        return first, last

    def told_by(self, kind: str) -> tuple[Severity, ...]:
        """The severities that a kind of channel tells."""
        named = {str(channel): severity for channel, severity in self.least.items()}
        least = named.get(kind, LEAST[kind])
        return SEVERITIES[SEVERITIES.index(least) :]
