"""When the next call to a service may start: shared by the threads that call it."""

from __future__ import annotations

import threading
import time
from collections import deque


class Pace:
    """At most so many calls in any minute; everybody waits where the service asks for it; up to a bound.

    Args:
        per_minute: calls that may start within any minute, 0 for as many as wanted.
        max_wait: seconds that may go by in waiting for the service, as `pause` and `lost` count them. Keeping to
            `per_minute` is not counted: whoever set it wanted it.
        starts: when the latest calls began. Hand in the same one again, and the minute does not begin anew.
        minute: its length in seconds.
    """

    def __init__(
        self, per_minute: int, max_wait: float, starts: deque[float] | None = None, minute: float = 60.0
    ) -> None:
        self._per_minute, self._max_wait, self._minute = per_minute, max_wait, minute
        self._starts: deque[float] = deque() if starts is None else starts
        self._changed = threading.Condition()
        self._resume = self._counted_until = self._waited = 0.0
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether no further call is to be made."""
        return self._stopped

    def stop(self) -> None:
        """No further call is to be made: whoever waits is let go."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def turn(self) -> bool:
        """Wait until a call may start, and count it. False if none is to be made any more."""
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                while self._starts and self._starts[0] <= now - self._minute:
                    self._starts.popleft()
                wait = self._resume - now
                if self._per_minute and len(self._starts) >= self._per_minute:
                    wait = max(wait, self._starts[-self._per_minute] + self._minute - now)
                if wait <= 0:
                    self._starts.append(now)
                    return True
                self._changed.wait(wait)
            return False

    def pause(self, seconds: float) -> bool:
        """Let nobody start for so long. False, and no wait, where that is more than may be waited."""
        with self._changed:
            now = time.monotonic()
            extra = self._not_yet_counted(now, now + seconds)
            if self._waited + extra > self._max_wait:
                return False
            self._count(extra, now + seconds)
            self._resume = max(self._resume, now + seconds)
            return True

    def lost(self, since: float) -> None:
        """Count the time from `since` (monotonic) to now as waited: no answer came in it."""
        with self._changed:
            now = time.monotonic()
            self._count(self._not_yet_counted(since, now), now)

    # Threads wait side by side: a second that two of them wait in is one second.

    def _not_yet_counted(self, since: float, until: float) -> float:
        return max(0.0, until - max(since, self._counted_until))

    def _count(self, seconds: float, until: float) -> None:
        self._waited += seconds
        self._counted_until = max(self._counted_until, until)
