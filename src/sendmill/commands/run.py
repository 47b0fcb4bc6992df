"""`sendmill run`, `web` and `worker`: the long-running processes and their parts."""

import asyncio
import signal
import socket
import threading

import structlog
import uvloop
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections

from sendmill import schema
from sendmill.accounts.people import first_owner_token
from sendmill.commands.memory import share_one_heap
from sendmill.commands.preconditions import require_current_schema, require_free_port, use_data_folder
from sendmill.commands.processes import Child, Supervisor, end_forks_with_this
from sendmill.commands.scheduling import schedule
from sendmill.database_entry import share_in_pool
from sendmill.delivery.relays import parse_relays
from sendmill.delivery.worker import SHUTDOWN_SECONDS, Worker, WorkerSettings
from sendmill.errors import SettingError

log = structlog.get_logger()

# Granian's threads for requests, made when needed. Each slow reader or stalled upload holds one: with 8, ten of them
# blocked every other request, /healthz included. Uploads get most of them, and not all (`api.body`). A thread that ends
# leaves 25 KB behind, so idle ones are kept a while.
WEB_THREADS = 64
WEB_THREAD_IDLE_SECONDS = 600


def run_everything() -> int:
    """Web, scheduler and workers in one go; the database is brought up to date first."""
    parse_relays(settings.SENDMILL_SMTP_URL)
    require_free_port()
    use_data_folder()
    applied = schema.migrate()
    host, port = settings.SENDMILL_BIND
    print(f"Sendmill listens on http://{host}:{port}  (API: /api/v1/docs/, data: {settings.SENDMILL_DATA})", flush=True)
    _greet_first_owner()
    log.info("run.started", migrations_applied=len(applied), workers=settings.SENDMILL_WORKERS)
    return _supervise([Child("web", _serve), *_delivery_children(settings.SENDMILL_WORKERS)])


def _greet_first_owner() -> None:
    """As long as there is nobody, print a link that makes the first owner, once, within a day."""
    token = first_owner_token()
    if token is not None:
        print(f"Make the first owner: {settings.SENDMILL_PUBLIC_URL}/invitation/{token}/", flush=True)


def run_delivery(processes: int) -> int:
    """`sendmill worker`: the scheduler and `processes` delivery processes, without the web."""
    parse_relays(settings.SENDMILL_SMTP_URL)
    use_data_folder()
    require_current_schema()
    log.info("worker.run_started", processes=processes)
    return _supervise(_delivery_children(processes))


def _delivery_children(processes: int) -> list[Child]:
    workers = [Child(f"worker-{number}", _run_worker) for number in range(1, processes + 1)]
    return [Child("scheduler", _run_scheduler), *workers]


def _supervise(children: list[Child]) -> int:
    return Supervisor(children, grace_seconds=SHUTDOWN_SECONDS + 15).run()


def run_web() -> int:
    """`sendmill web`: the HTTP server alone."""
    require_current_schema()
    require_free_port()
    use_data_folder()
    return _serve()


def _serve() -> int:
    # Imported here: the workers need none of it.
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    share_one_heap()
    end_forks_with_this()  # Granian's process that answers: left behind, it would go on to take requests
    connections.close_all()
    share_in_pool(connections.settings[DEFAULT_DB_ALIAS], WEB_THREADS)
    host, port = settings.SENDMILL_BIND
    server = Server(
        "sendmill.wsgi:application",
        address=host if ":" in host else socket.gethostbyname(host),  # it takes no name
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=WEB_THREADS,
        blocking_threads_idle_timeout=WEB_THREAD_IDLE_SECONDS,
        http=HTTPModes.http1,
        log_access=False,
        log_level=LogLevels.error,  # its warnings are advice on the threads above
    )
    # Granian takes SIGHUP for "begin anew", and so would outlive its terminal.
    is_ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    closed = (lambda *_: None) if is_ignored else server.signal_handler_interrupt
    setattr(server, "signal_handler_reload", closed)  # noqa: B010 - a method, as the type checker sees it
    server.serve()
    return 0


def _run_scheduler() -> int:
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    return schedule(stop, settings.SENDMILL_DATA)


def _run_worker() -> int:
    worker_settings = WorkerSettings(
        relays=parse_relays(settings.SENDMILL_SMTP_URL),
        data_folder=settings.SENDMILL_DATA,
        lease_seconds=settings.SENDMILL_LEASE_SECONDS,
        retry_seconds=settings.SENDMILL_RETRY_SECONDS,
        in_doubt=settings.SENDMILL_IN_DOUBT,
    )
    uvloop.run(_deliver(worker_settings))
    return 0


async def _deliver(worker_settings: WorkerSettings) -> None:
    try:
        worker = Worker(worker_settings)
    except OSError as error:  # its parent tries again
        reason = f"{worker_settings.data_folder} can't be written to: {error.strerror or error}."
        raise SettingError("SENDMILL_DATA", reason) from None
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, worker.stop)
    # Ctrl-C reaches the whole process group; the parent answers it with SIGTERM.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    await worker.run()
