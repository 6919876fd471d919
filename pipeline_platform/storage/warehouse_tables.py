"""Tables of the warehouse.

`dead_letters` is what could not be fetched and is owed, `fetches` has one row per fetch of a stream, `upstream_fields`
one per field of a payload that no column comes from, `rechecks` says when a record was last shown to its upstream
again, `geocoded` what a provider said of names of places. `job_runs` has one row per run of Dagster, and `job_totals`
what all runs ever add up to: it outlives their retention. `metrics` has one row per counter or gauge and its labels.

`incidents` has one row for each time that something was wrong, `notices` what is to be told of it, `deliveries` which
channel told it, `alert_channels` how the channels fare, `alert_watch` when the rules of the alerts were last evaluated.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

METADATA = sa.MetaData()
_Moment = sa.DateTime(timezone=True)

DEAD_LETTERS = sa.Table(
    "dead_letters",
    METADATA,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("window_start", _Moment, nullable=False),
    sa.Column("window_end", _Moment, nullable=False),
    sa.Column("request", JSONB, nullable=False),
    sa.Column("error_class", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("traceback", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default="open"),
    sa.Column("failed_at", _Moment, nullable=False),
    sa.Column("healed_at", _Moment),
    sa.CheckConstraint("status in ('open', 'healed')", name="known_status"),
    sa.Index("dead_letters_open", "status", "source", "stream"),
)
FETCHES = sa.Table(
    "fetches",
    METADATA,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("started_at", _Moment, nullable=False),
    sa.Column("ended_at", _Moment, nullable=False),
    sa.Column("records", sa.Integer, nullable=False),
    sa.Column("inserted", sa.Integer, nullable=False),
    sa.Column("updated", sa.Integer, nullable=False),
    sa.Column("targets", sa.Integer, nullable=False),
    sa.Column("failed_targets", sa.Integer, nullable=False),
    sa.Column("requests", sa.Integer, nullable=False, server_default="0"),
    sa.Column("skipped_targets", sa.Integer, nullable=False, server_default="0"),
    sa.Column("skipped", sa.Text),
    sa.Column("error", sa.Text),
    sa.Index("fetches_by_stream", "source", "stream", "ended_at"),
    sa.Index("fetches_by_end", "ended_at"),
)
UPSTREAM_FIELDS = sa.Table(
    "upstream_fields",
    METADATA,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("records", sa.BigInteger, nullable=False),
    sa.Column("first_seen_at", _Moment, nullable=False),
    sa.Column("last_seen_at", _Moment, nullable=False),
)
RECHECKS = sa.Table(
    "rechecks",
    METADATA,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("record_id", sa.Text, primary_key=True),
    sa.Column("checked_at", _Moment),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failed_at", _Moment),
)
GEOCODED = sa.Table(
    "geocoded",
    METADATA,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("key", sa.Text),
    sa.Column("country", sa.Text),
    sa.Column("lat", sa.Double),
    sa.Column("lon", sa.Double),
    sa.Column("asked_at", _Moment, nullable=False),
)
JOB_RUNS = sa.Table(
    "job_runs",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("source", sa.Text),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("created_at", _Moment, nullable=False),
    sa.Column("started_at", _Moment),
    sa.Column("ended_at", _Moment),
    sa.Column("first_day", sa.Date),
    sa.Column("last_day", sa.Date),
    sa.Column("error", sa.Text),
    sa.Column("failed_steps", ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.CheckConstraint("status in ('queued', 'started', 'success', 'failure', 'canceled')", name="known_run_status"),
    sa.Index("job_runs_by_job", "job", "created_at"),
    sa.Index("job_runs_by_end", "ended_at"),
    sa.Index(
        "job_runs_unfinished",
        "created_at",
        postgresql_where=sa.text("status not in ('success', 'failure', 'canceled')"),
    ),
)
JOB_TOTALS = sa.Table(
    "job_totals",
    METADATA,
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("status", sa.Text, primary_key=True),
    sa.Column("bucket", sa.Double, primary_key=True),
    sa.Column("runs", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
)
METRICS = sa.Table(
    "metrics",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("labels", JSONB, primary_key=True),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("noted_at", _Moment, nullable=False),
)
INCIDENTS = sa.Table(
    "incidents",
    METADATA,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("path", sa.Text),
    sa.Column("began_at", _Moment, nullable=False),
    sa.Column("fired_at", _Moment, nullable=False),
    sa.Column("seen_at", _Moment, nullable=False),
    sa.Column("told_at", _Moment, nullable=False),
    sa.Column("resolved_at", _Moment),
    sa.Column("returns", sa.Integer, nullable=False, server_default="0"),
    sa.CheckConstraint("severity in ('info', 'warning', 'critical')", name="known_severity"),
    sa.Index("incident_open_once", "rule", "subject", unique=True, postgresql_where=sa.text("resolved_at is null")),
    sa.Index("incidents_by_subject", "rule", "subject", "resolved_at"),
)
NOTICES = sa.Table(
    "notices",
    METADATA,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("incident_id", sa.ForeignKey("incidents.id", ondelete="cascade"), nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("made_at", _Moment, nullable=False),
    sa.CheckConstraint("event in ('firing', 'worse', 'lasting', 'resolved')", name="known_event"),
    sa.Index("notices_by_incident", "incident_id", "id"),
    sa.Index("notices_by_time", "made_at"),
)
CHANNELS = sa.Table(
    "alert_channels",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("known_since", _Moment, nullable=False),
    sa.Column("delivered", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("failed", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failing_since", _Moment),
    sa.Column("error", sa.Text),
    sa.Column("succeeded_at", _Moment),
    sa.Column("next_try_at", _Moment),
)
DELIVERIES = sa.Table(
    "deliveries",
    METADATA,
    sa.Column("notice_id", sa.ForeignKey("notices.id", ondelete="cascade"), primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("sent_at", _Moment, nullable=False),
)
WATCH = sa.Table(
    "alert_watch",
    METADATA,
    sa.Column("is_it", sa.Boolean, sa.CheckConstraint("is_it", name="one_row"), primary_key=True),
    sa.Column("watching_since", _Moment, nullable=False),
    sa.Column("evaluated_at", _Moment, nullable=False),
)

UPGRADE = """
drop table if exists alerts;
create index if not exists job_runs_unfinished on job_runs (created_at)
    where status not in ('success', 'failure', 'canceled');
alter table fetches add column if not exists requests integer not null default 0,
    add column if not exists skipped_targets integer not null default 0,
    add column if not exists skipped text;
alter table rechecks alter column checked_at drop not null,
    add column if not exists failures integer not null default 0,
    add column if not exists failed_at timestamp with time zone;
create index if not exists fetches_by_end on fetches (ended_at);
create index if not exists job_runs_unfinished on job_runs (status) where ended_at is null;
"""
"""What `create_all` does not do to tables of an earlier version."""
