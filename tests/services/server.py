"""What every test server has in common: HTTP on loopback, a log of every call, and faults on demand.

A service answers a `Call` with an `Answer`. A fault stands between the two: it may answer instead of the service,
delay it, lose its answer after the work is done, or do something of its own (a person's edit) at that very moment.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(slots=True)
class Call:
    """One request, and the status it was answered with: None while it is under way, 0 if it never was."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    at: float
    status: int | None = None
    sent: int = 0
    """The bytes of the answer's body."""

    @property
    def what(self) -> str:
        """ "GET /v4/spreadsheets/…", for patterns and tables."""
        return f"{self.method} {self.path}"

    @property
    def data(self) -> Any:
        """The body as JSON, None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def one(self, name: str, default: str = "") -> str:
        """A query parameter's first value."""
        return self.query.get(name, [default])[0]


@dataclass(slots=True)
class Answer:
    """A status, a body (JSON unless it is bytes already) and headers."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """The body as bytes."""
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body, ensure_ascii=False).encode()


class DroppedError(Exception):
    """The connection ends here, after `sent` bytes of what would have been the answer."""

    def __init__(self, answer: Answer | None = None, *, sent: int = 0, reset: bool = False) -> None:
        super().__init__("dropped")
        self.answer, self.sent, self.reset = answer, sent, reset


Work = Callable[[], Answer]
Fault = Callable[[Call, Work], Answer]


def answers(status: int, body: Any = None, **headers: str) -> Fault:
    """Answer this; the work is not done. Underscores in header names become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _call, _work: Answer(status, body, named)


def reset(call: Call, work: Work) -> Answer:
    """The connection is reset; the work is not done."""
    raise DroppedError(reset=True)


def lost(call: Call, work: Work) -> Answer:
    """The work is done, and the connection ends without an answer."""
    work()
    raise DroppedError(reset=True)


def cut(call: Call, work: Work) -> Answer:
    """The work is done, and the connection ends in the middle of the answer's body."""
    answer = work()
    raise DroppedError(answer, sent=len(answer.encoded()) // 2)


def malformed(call: Call, work: Work) -> Answer:
    """The work is done, and the answer is no JSON."""
    answer = work()
    return Answer(answer.status, b'{"unfinished": ', answer.headers)


def late(seconds: float) -> Fault:
    """The work is done at once, and the answer comes late."""

    def fault(_call: Call, work: Work) -> Answer:
        answer = work()
        time.sleep(seconds)
        return answer

    return fault


def silent(seconds: float = 3600, *, after_work: bool = False) -> Fault:
    """No answer comes: the connection stays open. `after_work`: though the work was done."""

    def fault(_call: Call, work: Work) -> Answer:
        if after_work:
            work()
        time.sleep(seconds)
        raise DroppedError

    return fault


def before(do: Callable[[], object]) -> Fault:
    """Do something just before the work: a person's edit between our reading and our writing, say."""

    def fault(_call: Call, work: Work) -> Answer:
        do()
        return work()

    return fault


def after(do: Callable[[], object]) -> Fault:
    """Do something just after the work, before the answer is sent."""

    def fault(_call: Call, work: Work) -> Answer:
        answer = work()
        do()
        return answer

    return fault


@dataclass(slots=True)
class _Planned:
    pattern: re.Pattern[str]
    fault: Fault
    skip: int
    times: int


class Service:
    """Base of the test servers. Use as a context, or `start()` and `stop()`.

    A subclass answers in `handle`, which is called for one call at a time. `error` gives an error in the service's
    own shape, and is also what an exception in `handle` becomes (500).
    """

    name = "service"

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.latency = 0.0
        self.skew = 0.0
        """Seconds by which the service's clock is ahead of ours."""
        self.broken: list[BaseException] = []
        """Exceptions in `handle`: a mistake of the test server's own. Tests look that there are none."""
        self.weather: Callable[[Call], Fault | None] | None = None
        """Asked at every call that meets no planned fault."""
        self._planned: list[_Planned] = []
        self._lock = threading.RLock()
        self._log_lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    # What a subclass has of its own

    def handle(self, call: Call) -> Answer:
        """Do what the call asks for."""
        raise NotImplementedError

    def error(self, status: int, message: str) -> Answer:
        """An error as this service writes it."""
        return Answer(status, {"message": message})

    # For tests

    @property
    def url(self) -> str:
        """The address, without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    def plan(self, pattern: str, fault: Fault, *, skip: int = 0, times: int = 1) -> None:
        """Let a fault befall the calls whose "METHOD /path" matches the pattern: `times` of them, after `skip`."""
        self._planned.append(_Planned(re.compile(pattern), fault, skip, times))

    def heal(self) -> None:
        """Forget the planned faults."""
        self._planned.clear()

    def made(self, pattern: str = "") -> list[Call]:
        """The calls whose "METHOD /path" matches, in their order."""
        return [call for call in self.calls if re.search(pattern, call.what)]

    def start(self, port: int = 0) -> Self:
        """Listen, on a free port unless one is given."""
        service = self

        class Handler(_Handler):
            owner = service

        self._server = _Server(("127.0.0.1", port), Handler)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Listen no more."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # The machinery

    def answer(self, call: Call) -> Answer:
        """What a call is answered with, faults included."""
        if self.latency:
            time.sleep(self.latency)

        def work() -> Answer:
            with self._lock:
                try:
                    return self.handle(call)
                except Exception as error:  # noqa: BLE001
                    self.broken.append(error)
                    return self.error(500, f"{type(error).__name__}: {error}")

        with self._log_lock:
            self.calls.append(call)
            fault = self._fault_for(call)
        try:
            return fault(call, work) if fault else work()
        except DroppedError:
            raise
        except Exception as error:
            self.broken.append(error)
            raise

    def _fault_for(self, call: Call) -> Fault | None:
        for planned in self._planned:
            if planned.times and planned.pattern.search(call.what):
                if planned.skip:
                    planned.skip -= 1
                    continue
                planned.times -= 1
                return planned.fault
        return self.weather(call) if self.weather else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is nothing to print about."""


class _Handler(BaseHTTPRequestHandler):
    owner: Service
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _any(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        call = Call(
            method=self.command,
            path=unquote(url.path),
            query=parse_qs(url.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length),
            at=time.monotonic(),
        )
        try:
            answer = self.owner.answer(call)
        except DroppedError as dropped:
            call.status = 0
            if dropped.answer:
                body = dropped.answer.encoded()
                self._head(dropped.answer, len(body))
                self.wfile.write(body[: dropped.sent])
                self.wfile.flush()
            self._end(dropped.reset)
            return
        body = answer.encoded()
        call.status, call.sent = answer.status, len(body)
        self._head(answer, len(body))
        self.wfile.write(body)

    def _head(self, answer: Answer, length: int) -> None:
        self.send_response(answer.status)
        if "Content-Type" not in answer.headers:
            self.send_header("Content-Type", "application/json")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _end(self, reset: bool) -> None:
        self.close_connection = True
        if reset:
            # Lingering for zero seconds makes the close a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string((time.time() if timestamp is None else timestamp) + self.owner.skew)

    def log_message(self, format: str, *args: object) -> None:
        """The calls are logged by the service itself."""
