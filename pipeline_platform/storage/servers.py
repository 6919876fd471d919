"""The servers of a command: those that the settings name, embedded ones where none is named.

Embedded servers keep their data under `$PIPELINE_HOME`, listen on Unix sockets only, are shared by every command that
runs on the same home, and stop when the last of them ends. After a `kill -9` they stay up; the next command finds them
again and stops them when it ends.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from pipeline_platform.settings import Settings, SettingsError
from pipeline_platform.storage.embedded import EmbeddedPostgres, EmbeddedRedis, ServerStartError

CONNECT_SECONDS = 10
POSTGRES_FORM = "postgresql://USER:PASSWORD@HOST:5432/DATABASE, special characters of the password as %XX"
REDIS_FORM = "redis://:PASSWORD@HOST:6379/0, rediss://… or unix:///PATH"


@dataclass(frozen=True)
class ServerUrls:
    """Addresses of the servers in use; may hold passwords, never to be logged."""

    postgres: str
    redis: str


@contextmanager
def running_servers(settings: Settings) -> Iterator[ServerUrls]:
    """The PostgreSQL and Redis of the settings, embedded ones where none is named; embedded ones stop afterwards.

    Raises:
        SettingsError: a named server does not answer, or an embedded one cannot start; the message says what to do.
    """
    postgres, cache = _named_postgres(settings), _named_redis(settings)
    home = _made(settings.home.absolute())
    embedded_postgres, embedded_redis = EmbeddedPostgres(home / "postgres"), EmbeddedRedis(home / "redis")
    # Users hold a shared lock, which the system takes back however a process ends: there is no list to go stale.
    with (home / ".servers.lock").open("ab") as gate, (home / ".servers.users").open("ab") as users:
        try:
            with _held(gate):
                fcntl.flock(users, fcntl.LOCK_SH)
                postgres = postgres or embedded_postgres.start()
                cache = cache or embedded_redis.start()
            yield ServerUrls(sqlalchemy_url(postgres), cache)
        except ServerStartError as error:
            raise SettingsError(str(error)) from error
        finally:
            with _held(gate):
                if _alone(users):
                    embedded_redis.stop()
                    embedded_postgres.stop()


def revive(settings: Settings) -> list[str]:
    """Start the embedded servers of a home again that died while they are in use; the names of those.

    Args:
        settings: as `running_servers` was given them. Servers that they name are not ours to start.

    Raises:
        SettingsError: one does not start.
    """
    home = settings.home.absolute()
    ours: dict[str, EmbeddedPostgres | EmbeddedRedis] = {}
    if settings.postgres_url is None:
        ours["PostgreSQL"] = EmbeddedPostgres(home / "postgres")
    if settings.redis_url is None:
        ours["Redis"] = EmbeddedRedis(home / "redis")
    dead = [name for name, server in ours.items() if not server.running()]
    if dead:
        with (home / ".servers.lock").open("ab") as gate, _held(gate):
            try:
                for name in dead:
                    ours[name].start()
            except ServerStartError as error:
                raise SettingsError(str(error)) from error
    return dead


def sqlalchemy_url(url: str) -> str:
    """`url` with the driver named: SQLAlchemy 2.1 reads a bare `postgresql://` as psycopg 3."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg2://{rest}" if separator and scheme in ("postgresql", "postgres") else url


def _made(home: Path) -> Path:
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / ".servers.lock").touch()
    except OSError as error:
        raise SettingsError(
            f"PIPELINE_HOME: {home} cannot be used ({error.strerror}); choose a folder that can be written"
        ) from None
    return home


@contextmanager
def _held(gate: IO[bytes]) -> Iterator[None]:
    """Nobody else starts or stops servers of this home during the body."""
    fcntl.flock(gate, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(gate, fcntl.LOCK_UN)


def _alone(users: IO[bytes]) -> bool:
    """Stop using the servers; whether that leaves nobody who does."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(users, fcntl.LOCK_UN)
        return False
    return True


def _named_postgres(settings: Settings) -> str | None:
    if settings.postgres_url is None:
        return None
    url = _postgres_url(settings.postgres_url.get_secret_value())
    engine = create_engine(url, connect_args={"connect_timeout": CONNECT_SECONDS})
    try:
        with engine.connect() as connection:
            connection.execute(text("select 1"))
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
        raise SettingsError(
            f"PIPELINE_POSTGRES_URL: no PostgreSQL answers ({reason}); "
            "start it, mend the address, or unset the variable to use the embedded server"
        ) from None
    finally:
        engine.dispose()
    return settings.postgres_url.get_secret_value()


def _postgres_url(given: str) -> URL:
    """`given` taken apart; never shown in an error, where a part of the password could stand for the host."""
    try:
        url = make_url(sqlalchemy_url(given))
        if url.get_backend_name() == "postgresql" and "@" not in (url.host or ""):
            url.get_dialect()
            return url
    except (ArgumentError, ValueError):
        pass
    raise SettingsError(f"PIPELINE_POSTGRES_URL: not the address of a PostgreSQL; its form is {POSTGRES_FORM}")


def _named_redis(settings: Settings) -> str | None:
    if settings.redis_url is None:
        return None
    url = settings.redis_url.get_secret_value()
    try:
        client = redis.Redis.from_url(url, socket_connect_timeout=CONNECT_SECONDS, retry=Retry(NoBackoff(), 0))
    except ValueError:
        raise SettingsError(f"PIPELINE_REDIS_URL: not the address of a Redis; its form is {REDIS_FORM}") from None
    place = client.connection_pool.connection_kwargs
    address = place.get("path") or f"{place.get('host')}:{place.get('port')}"
    try:
        client.ping()
    except RedisError as error:
        raise SettingsError(
            f"PIPELINE_REDIS_URL: no Redis answers at {address} ({type(error).__name__}); "
            "start it, mend the address, or unset the variable to use the embedded server"
        ) from None
    finally:
        client.close()
    return url
