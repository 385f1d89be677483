"""How Google Sheets is reached: host, token, timeout, waiting, and its errors turned into ours.

Knows nothing of posts and drafts. Built on gspread's HTTP client.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TextIO, cast

from blocks.errors import PermanentError, TransientError
from blocks.json_stream import BrokenJSONError, Reader, elements, members
from blocks.service_url import service_url
from blocks.text import one_line, said

if TYPE_CHECKING:
    from gspread.http_client import HTTPClient
    from requests import Response

GOOGLE = "https://sheets.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/spreadsheets"
_TAB = "properties(sheetId,title,gridProperties(rowCount,columnCount))"
_TABS = f"sheets({_TAB})"
_CELLS = f"sheets({_TAB},data(startRow,startColumn,rowData(values(effectiveValue))))"
"""What is asked of tabs, and of the cells of ranges."""

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0
_TROUBLE_WAIT = 15.0
"""Seconds that a read waits in all for trouble of the server to pass. Then the step's own retries go on."""

_ADVICE = {
    401: "Google refuses the service account (401): make a new key for it, run daily-pipeline --setup.",
    403: "{email} may not use this sheet: share it with that address as an editor (Share, top right).",
    404: "There is no such sheet: GOOGLE_SHEETS_ID is the part of its address between /d/ and /edit.",
}


class MissingTabError(PermanentError):
    """A range names a tab that is not there."""


class MissingRangeError(PermanentError):
    """A range lies outside of its tab's grid."""


class ForbiddenError(PermanentError):
    """The sheet is not shared with the account, or not for writing."""


def _http(key: Mapping[str, Any], api_url: str, timeout: float) -> HTTPClient:
    """The client of gspread, at our host, with a timeout on the token's call too."""
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import AuthorizedSession
    from google.oauth2.service_account import Credentials
    from gspread.http_client import HTTPClient as Base

    class Account(Credentials):
        def _is_regional_access_boundary_lookup_required(self) -> bool:
            # It would send the token to another host, from a thread of its own, for nothing that we need.
            return False

    class Client(Base):
        def request(self, method: str, endpoint: str, *args: Any, **more: Any) -> Response:
            return super().request(method, endpoint.replace(GOOGLE, api_url, 1), *args, **more)

    account = None
    with suppress(ValueError, GoogleAuthError):
        service_url(str(key.get("token_uri", "")))
        account = Account.from_service_account_info(dict(key), scopes=[_SCOPE])  # type: ignore[no-untyped-call]
    if account is None:
        raise PermanentError(
            "The service account's key is not sound: make a new one (JSON), name it in "
            "GOOGLE_SERVICE_ACCOUNT_FILE, run daily-pipeline --setup."
        )
    client = Client(account, session=AuthorizedSession(account, refresh_timeout=timeout))
    client.set_timeout(timeout)
    return client


_CONNECTED: dict[str, SheetClient] = {}


def connect(
    key: Mapping[str, Any], spreadsheet_id: str, *, api_url: str, timeout: float, max_wait: float
) -> SheetClient:
    """A client; the same one again for the same account and sheet, so that a run needs one token and one connection."""
    same = json.dumps([dict(key), spreadsheet_id, api_url, timeout, max_wait], sort_keys=True, default=str)
    name = hashlib.sha256(same.encode()).hexdigest()
    if name not in _CONNECTED:
        _CONNECTED[name] = SheetClient(key, spreadsheet_id, api_url=api_url, timeout=timeout, max_wait=max_wait)
    return _CONNECTED[name]


class SheetClient:
    """One spreadsheet, as one service account reaches it.

    Reads are repeated after trouble that passes, writes only after "too many requests": a write that got no
    answer may have been carried out. All waiting together takes at most `max_wait` seconds.
    """

    def __init__(
        self, key: Mapping[str, Any], spreadsheet_id: str, *, api_url: str, timeout: float, max_wait: float
    ) -> None:
        self._email = one_line(key.get("client_email"), 120)
        self._id = spreadsheet_id
        self._http = _http(key, api_url, timeout)
        self._http.session.hooks["response"].append(self._note_time)
        self._max_wait = max_wait
        self._told: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """The time by the clock of Google's last answer; before the first one, by our own."""
        if self._told is None:
            return datetime.now(UTC)
        at, since = self._told
        return at + timedelta(seconds=time.monotonic() - since)

    def read(self, ranges: Sequence[str]) -> list[dict[str, Any]]:
        """The tabs that the ranges lie in, with the cells of these ranges; without ranges, the tabs alone."""
        params: dict[str, Any] = {"ranges": list(ranges), "fields": _CELLS if ranges else _TABS}
        answer = self._waiting(lambda: self._json(lambda: self._http.spreadsheets_get(self._id, params)), repeat=True)
        return list(answer.get("sheets", []))

    def write(self, requests: Sequence[Mapping[str, Any]], ranges: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Carry out requests: all of them or none. Gives the cells of `ranges` as they are right after.

        Raises:
            TransientError: no answer came. It may have been carried out: look before doing it again.
        """
        body: dict[str, Any] = {"requests": list(requests)}
        if ranges:
            body |= {"includeSpreadsheetInResponse": True, "responseIncludeGridData": True}
            body["responseRanges"] = list(ranges)
        url = f"{GOOGLE}/v4/spreadsheets/{self._id}:batchUpdate"
        params = {"fields": f"updatedSpreadsheet({_CELLS})" if ranges else "spreadsheetId"}

        def once() -> dict[str, Any]:
            got = self._json(lambda: self._http.request("post", url, params=cast("Any", params), json=body).json())
            return dict(got)

        return list(self._waiting(once, repeat=False).get("updatedSpreadsheet", {}).get("sheets", []))

    def column(self, one_range: str) -> Iterator[str]:
        """The values of one column, read as they come: a column of a million cells is never held."""

        def once() -> Response:
            from gspread.utils import quote

            url = f"{GOOGLE}/v4/spreadsheets/{self._id}/values/{quote(one_range)}"
            response = self._http.request("get", url, params={"majorDimension": "ROWS"})
            response.encoding = "utf-8"
            return response

        with self._streaming():
            response = self._waiting(lambda: self._json(once), repeat=True)
        yield from _values(response)

    def may_write(self) -> bool:
        """Whether the account may write: asked by a request that cannot change anything."""
        probe = [{"deleteNamedRange": {"namedRangeId": "daily-pipeline-may-i-write"}}]
        try:
            self.write(probe)
        except PermanentError as error:
            # A range that does not exist cannot be deleted: refused anyway. But who may not write hears that first.
            return not isinstance(error, ForbiddenError)
        return True

    # The machinery

    def _note_time(self, response: Response, *_: object, **__: object) -> None:
        with suppress(ValueError, TypeError):
            at = parsedate_to_datetime(response.headers.get("Date", ""))
            self._told = at.astimezone(UTC), time.monotonic()

    def _streaming(self) -> _Streaming:
        return _Streaming(self._http)

    def _json(self, call: Callable[[], Any]) -> Any:
        """What a call gives, its errors turned into ours."""
        from google.auth.exceptions import RefreshError, TransportError
        from gspread.exceptions import APIError
        from requests import RequestException

        problem: Exception
        try:
            return call()
        except APIError as error:
            problem = self._translated(error.response.status_code, error.error, error.response.headers)
        except RefreshError as error:
            if error.retryable:
                problem = TransientError("Google's token service does not answer: try again later.")
            else:
                problem = PermanentError(
                    "Google refuses the service account's key (it was deleted, or the clock is wrong): make a new key, "
                    "name it in GOOGLE_SERVICE_ACCOUNT_FILE, run daily-pipeline --setup."
                )
        except (RequestException, TransportError, ValueError, TypeError) as error:
            # TypeError: google-auth takes whatever the token service answers for JSON.
            kind = type(error).__name__
            problem = TransientError(f"Google Sheets gave no whole answer ({kind}): try again later.")
        # Raised out here: the libraries' errors hold requests and what was answered, which may repeat the token.
        raise problem

    def _translated(self, status: int, error: Mapping[str, Any], headers: Mapping[str, str]) -> Exception:
        message = said(error.get("message"), 160)
        if status == 429:
            return _BusyError(headers.get("Retry-After", ""))
        if status >= 500 or status < 400:
            return TransientError(f"Google Sheets has trouble of its own ({status}): try again later.")
        if "Unable to parse range" in message:
            return MissingTabError(f"A tab is missing in the sheet: {message}.")
        if "exceeds grid limits" in message:
            return MissingRangeError(f"A range is missing in the sheet: {message}.")
        if status == 403 and "SERVICE_DISABLED" not in json.dumps(error.get("details", "")):
            return ForbiddenError(_ADVICE[403].format(email=self._email))
        switched_off = "The Sheets API is switched off: enable it in the service account's project (Cloud Console)."
        return PermanentError(
            switched_off if status == 403 else _ADVICE.get(status, f"Google Sheets refuses ({status}): {message}")
        )

    def _waiting(self, once: Callable[[], Any], *, repeat: bool) -> Any:
        """Do something, and again after a wait where that may be and may help."""
        waited, wait = 0.0, _FIRST_WAIT
        while True:
            try:
                return once()
            except _BusyError as busy:
                pause = max(wait, busy.seconds)
                if waited + pause > self._max_wait:
                    raise TransientError(
                        f"Google Sheets' quota is used up, and waiting {waited:.0f} s did not help: "
                        "do other programs use this service account?"
                    ) from None
            except TransientError:
                pause = wait
                if not repeat or waited + pause > min(self._max_wait, _TROUBLE_WAIT):
                    raise
            time.sleep(pause)
            waited += pause
            wait = min(wait * 2, _LONGEST_WAIT)


class _BusyError(Exception):
    """Too many requests. `seconds`: how long the server wants us to wait, 0 if it does not say."""

    def __init__(self, hint: str) -> None:
        super().__init__("429")
        self.seconds = float(hint) if hint.isdecimal() and len(hint) < 6 else 0.0


class _Streaming:
    """While it lasts, answers are not read ahead."""

    def __init__(self, http: HTTPClient) -> None:
        self._http = http

    def __enter__(self) -> None:
        self._http.session.stream = True

    def __exit__(self, *_: object) -> None:
        self._http.session.stream = False


class _Chunks:
    """A response's body as the text file that the JSON reader takes."""

    def __init__(self, response: Response) -> None:
        self._chunks = response.iter_content(65_536, decode_unicode=True)

    def read(self, _size: int = -1) -> str:
        chunk = next(self._chunks, "")
        return chunk if isinstance(chunk, str) else chunk.decode("utf-8", "replace")


def _values(response: Response) -> Iterator[str]:
    from requests import RequestException

    whole = False
    with suppress(BrokenJSONError, RequestException):
        reader = Reader(cast("TextIO", _Chunks(response)))
        for key in members(reader):
            if key == "values" and reader.peek() == "[":
                for row in elements(reader):
                    yield str(row[0]) if isinstance(row, list) and row else ""
            else:
                reader.value()
        whole = True
    if not whole:
        raise TransientError("Google Sheets broke off while the archive was read: try again later.")
