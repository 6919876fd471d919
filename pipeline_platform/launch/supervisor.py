"""The supervisor of `pipeline-platform up`: code server, Dagster UI, daemon and API as processes, until Ctrl-C."""

import fcntl
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import httpx
import orjson
import psutil
import yaml
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import SQLAlchemyError

from pipeline_platform.defs.runs import close_abandoned, mark_killed
from pipeline_platform.launch.instance import command_instance
from pipeline_platform.settings import PREFIX, SettingsError, load_settings

log = logging.getLogger(__name__)

READY_SECONDS = 120
STOP_SECONDS = 15
LOCATION = "pipeline_platform"
CODE_SERVER, LOOPBACK = "code-server", "127.0.0.1"
RESTARTS, RESTARTS_SECONDS = 5, 600
"""A process that ends by itself is started again, unless it did so this often within these seconds."""


class _StoppedError(Exception):
    """Ctrl-C came before everything was up."""


@dataclass
class Supervisor:
    """Runs the processes of the platform and stops them together; a context, one per home at a time.

    Args:
        home: `$PIPELINE_HOME`; each process logs to `logs/<name>.log` in it.
        host, port: where the UI listens; port 0 takes a free one.
        api_port: where the API listens, on the same host; 0 takes a free one.
        tell: told what happens, line by line.

    Raises (on entry):
        SettingsError: another one runs on this home, or the port is taken.
    """

    home: Path
    host: str
    port: int
    api_port: int
    tell: Callable[[str], None]
    _processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    _commands: dict[str, list[str]] = field(default_factory=dict)
    _homes: dict[str, Path | None] = field(default_factory=dict)
    _ends: dict[str, list[float]] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _lock: IO[bytes] | None = None
    _code_port: int = 0

    def __enter__(self) -> "Supervisor":
        self.port, self.api_port = open_port(self.host, self.port), open_port(self.host, self.api_port)
        self._state.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self._state.with_name("up.lock").open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise SettingsError(
                f"`pipeline-platform up` already runs on {self.home}{self._where()}; "
                "stop it first, or set PIPELINE_HOME to another folder"
            ) from None
        self._stop_leftovers()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._lock is not None
        self._state.unlink(missing_ok=True)
        self._lock.close()

    def run(self, ready: Callable[[str, str], None], tend: Callable[[], Iterable[str]] = lambda: ()) -> int:
        """Start everything, call `ready` with the URLs of the UI and of the API, and wait.

        `tend` is called again and again meanwhile; it mends what all processes need, and names what it mended.

        Returns:
            0 after Ctrl-C or SIGTERM, 1 when a process ended by itself again and again.

        Raises:
            SettingsError: a process did not come up; the message names its log.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._stopping.set())
        try:
            self._close_abandoned_runs()
            self._start_all()
            ready(self.url, url_of(self.host, self.api_port))
            return self._watch(tend)
        except _StoppedError:
            return 0
        finally:
            self.tell("stopping")
            _stop(process.pid for process in self._processes.values())

    @property
    def _state(self) -> Path:
        return self.home / "dagster" / "up.json"

    @property
    def url(self) -> str:
        """Address of the UI."""
        return url_of(self.host, self.port)

    def _start_all(self) -> None:
        self._code_port = open_port(LOOPBACK, 0)
        self._start(CODE_SERVER, "dagster", "code-server", "start", "-m", "pipeline_platform.definitions",
                    "--host", LOOPBACK, "--port", str(self._code_port), "--location-name", LOCATION,
                    *self._log_options())  # fmt: skip
        self._wait(CODE_SERVER, lambda: listens(LOOPBACK, self._code_port))
        workspace = self._workspace()
        self._start("webserver", "dagster-webserver", "-h", self.host, "-p", str(self.port), "-w", str(workspace),
                    *self._log_options(prefix="dagster-"))  # fmt: skip
        self._start("daemon", "dagster-daemon", "run", "-w", str(workspace), *self._log_options())
        self._start("api", "pipeline-platform", "api", "--host", self.host, "--port", str(self.api_port))
        self._wait("webserver", lambda: _answers(f"{self.url}/server_info"))
        self._wait("api", lambda: _answers(f"{url_of(self.host, self.api_port)}/healthz"))

    def _log_options(self, prefix: str = "") -> list[str]:
        """How Dagster's own programs write their lines; its names of the fields are ours."""
        settings = load_settings()
        log_format = "json" if settings.log_format == "json" else "colored"
        return ["--log-format", log_format, f"--{prefix}log-level", settings.log_level.lower()]

    def _workspace(self) -> Path:
        """One code server for UI and daemon: the definitions are loaded once, not once per process."""
        server = {"host": LOOPBACK, "port": self._code_port, "location_name": LOCATION}
        path = self.home / "dagster" / "workspace.yaml"
        path.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}), encoding="utf-8")
        return path

    def _start(self, name: str, program: str, *arguments: str, home: Path | None = None) -> None:
        self._commands[name] = [str(Path(sys.executable).with_name(program)), *arguments]
        self._homes[name] = home
        self._launch(name)

    def _launch(self, name: str) -> None:
        if self._stopping.is_set():
            raise _StoppedError
        log = self._log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            self._processes[name] = subprocess.Popen(
                self._commands[name],
                env={
                    **os.environ,
                    f"{PREFIX}HOME": str(self._homes[name] or self.home),
                    f"{PREFIX}DAGSTER_URL": self.url,
                },
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                # Ctrl-C in the terminal reaches the supervisor alone, which then stops them in order.
                start_new_session=True,
            )
        self._remember()
        self.tell(f"{name} started, log: {log}")

    def _log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    def _remember(self) -> None:
        """Note what runs, for the next `up` after a kill -9 of this one."""
        state = {
            "supervisor": os.getpid(),
            "url": self.url,
            "processes": {
                process.pid: psutil.Process(process.pid).create_time() for process in self._processes.values()
            },
        }
        self._state.write_bytes(orjson.dumps(state, option=orjson.OPT_NON_STR_KEYS))

    def _remembered(self) -> dict[str, Any]:
        try:
            return dict(orjson.loads(self._state.read_bytes()))
        except (OSError, ValueError):
            return {}

    def _where(self) -> str:
        state = self._remembered()
        return f", at {state['url']} (process {state['supervisor']})" if state else ""

    def _stop_leftovers(self) -> None:
        """Stop what an `up` left behind that could not stop it itself."""
        left = []
        for number, created in self._remembered().get("processes", {}).items():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(int(number))
                if process.create_time() == created and process.status() != psutil.STATUS_ZOMBIE:
                    left.append(process.pid)
        if left:
            self.tell(f"stopping {len(left)} processes of an earlier `up` that was killed")
            _stop(left)
        self._state.unlink(missing_ok=True)

    def _close_abandoned_runs(self) -> None:
        with command_instance(self.home) as instance:
            for run_id in close_abandoned(instance, self.home):
                self.tell(f"run {run_id[:8]} of a command that was killed is now marked as failed")

    def _wait(self, name: str, answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not answers():
            ended = self._processes[name].poll() is not None
            if ended or time.monotonic() > deadline:
                what = "ended" if ended else f"did not answer within {READY_SECONDS} s"
                raise SettingsError(f"{name} {what}; see {self._log(name)}")
            if self._stopping.wait(0.2):
                raise _StoppedError

    def _watch(self, tend: Callable[[], Iterable[str]]) -> int:
        while not self._stopping.wait(1):
            if not self._mend(tend):
                return 1
        return 0

    def _mend(self, tend: Callable[[], Iterable[str]]) -> bool:
        """Start again what ended by itself; False if one did so too often."""
        for name in tend():
            self.tell(f"{name} had died and runs again")
        for name, process in list(self._processes.items()):
            if process.poll() is None:
                continue
            log.critical("%s ended with code %d", name, process.returncode)
            self.tell(f"{name} ended with code {process.returncode}; see {self._log(name)}")
            if not self._may_start_again(name):
                self.tell(f"{name} ended {RESTARTS} times within {RESTARTS_SECONDS // 60} minutes: giving up")
                return False
            # What it started may still hold its port. A run that is told to end would fail for good; one that was
            # killed is started again.
            _kill([process.pid])
            if name == CODE_SERVER:
                self._mark_its_runs()
            self._launch(name)
        return True

    def _mark_its_runs(self) -> None:
        """The runs of the code server were in its process group: they ended with it, some without having told."""
        try:
            with command_instance(self.home) as instance:
                for run_id in mark_killed(instance, LOOPBACK, self._code_port):
                    self.tell(f"run {run_id[:8]} died with the code server and will be started again")
        except (SQLAlchemyError, DagsterPostgresException) as error:
            log.warning("runs that died with the code server could not be marked: %s", type(error).__name__)

    def _may_start_again(self, name: str) -> bool:
        now = time.monotonic()
        recent = [moment for moment in self._ends.get(name, []) if now - moment < RESTARTS_SECONDS]
        self._ends[name] = [*recent, now]
        return len(recent) + 1 < RESTARTS


def _stop(leaders: Iterable[int]) -> None:
    """End process groups, by force after a while; the runs of the code server are in its group."""
    groups = list(leaders)
    _signal(groups, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while any(_alive(group) for group in groups) and time.monotonic() < deadline:
        time.sleep(0.1)
    _kill([group for group in groups if _alive(group)])


def _kill(groups: list[int]) -> None:
    """End process groups by force, and wait until the system has taken away what they held."""
    _signal(groups, signal.SIGKILL)
    deadline = time.monotonic() + STOP_SECONDS
    while any(_alive(group) for group in groups) and time.monotonic() < deadline:
        time.sleep(0.1)


def _signal(groups: list[int], number: signal.Signals) -> None:
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, number)


def _alive(group: int) -> bool:
    """Whether a process of the group still does something; zombies are collected where they are ours."""
    with suppress(ChildProcessError):
        os.waitpid(group, os.WNOHANG)
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return any(_member(process, group) for process in psutil.process_iter())


def _member(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


def listens(host: str, port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def url_of(host: str, port: int) -> str:
    """The address of what listens there."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def open_port(host: str, port: int) -> int:
    """`port`, or a free one for 0.

    Raises:
        SettingsError: another program listens there, or this machine has no such address.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.create_server(address[:2], family=family) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        raise SettingsError(
            f"nothing can listen on {host}:{port} ({error.strerror}); "
            "choose another --port (0 takes a free one) or --host"
        ) from None


def free_port(host: str, preferred: int) -> int:
    """`preferred` if nothing listens there, 0 otherwise."""
    try:
        return open_port(host, preferred)
    except SettingsError:
        return 0
