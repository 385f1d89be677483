"""Google Sheets on loopback: the token endpoint of a service account, and the part of the v4 API that clients use."""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections import deque
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.services.server import Answer, Call, Service
from tests.services.sheets_model import Cell, RefusedError, Spreadsheet, Tab, as_text, column_index, effective, entered

_RANGE = re.compile(
    r"(?:(?P<tab>'(?:[^']|'')+'|[^!']+)!)?(?:(?P<c1>[A-Za-z]*)(?P<r1>\d*)(?::(?P<c2>[A-Za-z]*)(?P<r2>\d*))?)?"
)


@cache
def _key() -> rsa.RSAPrivateKey:
    """The service account's key. To make one takes time: one a process."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class SheetsServer(Service):
    """One Google project with one service account and its spreadsheets.

    `roles` says what the account may do with each spreadsheet: "writer", "reader", or nothing (not shared).
    """

    name = "Google Sheets"

    def __init__(self) -> None:
        super().__init__()
        self.spreadsheets: dict[str, Spreadsheet] = {}
        self.roles: dict[str, str] = {}
        self.enabled = True
        self.reads_per_minute = self.writes_per_minute = 60
        self.minute = 60.0
        self._used: dict[str, deque[float]] = {"Read": deque(), "Write": deque()}
        self._key = _key()
        self._tokens: set[str] = set()
        self.email = "pipeline@community-links.iam.gserviceaccount.com"

    def share(self, spreadsheet_id: str, role: str = "writer") -> Spreadsheet:
        """A new spreadsheet that is shared with the service account."""
        self.spreadsheets[spreadsheet_id] = Spreadsheet(spreadsheet_id)
        self.roles[spreadsheet_id] = role
        return self.spreadsheets[spreadsheet_id]

    @property
    def key_file(self) -> dict[str, str]:
        """What Google gives as the service account's JSON key."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": "community-links",
            "private_key_id": "0123456789abcdef",
            "private_key": pem.decode(),
            "client_email": self.email,
            "client_id": "100000000000000000001",
            "token_uri": f"{self.url}/token",
        }

    # Answers

    def error(self, status: int, message: str, **details: Any) -> Answer:
        names = {
            400: "INVALID_ARGUMENT",
            401: "UNAUTHENTICATED",
            403: "PERMISSION_DENIED",
            404: "NOT_FOUND",
            429: "RESOURCE_EXHAUSTED",
            500: "INTERNAL",
            503: "UNAVAILABLE",
        }
        return Answer(
            status, {"error": {"code": status, "message": message, "status": names.get(status, "UNKNOWN"), **details}}
        )

    def handle(self, call: Call) -> Answer:
        if call.path == "/token":
            return self._token(call)
        if call.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            return self.error(
                401,
                "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or "
                "other valid authentication credential.",
            )
        refused = self._quota(call)
        if refused:
            return refused
        if not self.enabled:
            return self.error(
                403,
                "Google Sheets API has not been used in project 1 before or it is disabled. Enable it by visiting "
                "https://console.developers.google.com/apis/api/sheets.googleapis.com/overview?project=1 then retry.",
                details=[{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}],
            )
        match = re.fullmatch(r"/v4/spreadsheets/([^/:]+)(:batchUpdate)?(?:/values(?:/(.*)|(:\w+)))?", call.path)
        if not match:
            return self.error(404, "Not found.")
        spreadsheet_id, batch, values, many = match.groups()
        if spreadsheet_id not in self.spreadsheets:
            return self.error(404, "Requested entity was not found.")
        role = self.roles.get(spreadsheet_id, "")
        if not role or (call.method != "GET" and role != "writer"):
            return self.error(403, "The caller does not have permission")
        book = self.spreadsheets[spreadsheet_id]
        try:
            if batch:
                return self._batch_update(book, call)
            if many == ":batchGet":
                return Answer(200, {"valueRanges": [self._values(book, r) for r in call.query.get("ranges", [])]})
            if values:
                return self._one_range(book, values, call)
            return Answer(200, self._spreadsheet(book, call.query.get("ranges"), mask_of(call.one("fields"))))
        except RefusedError as error:
            return self.error(400, str(error))

    def _token(self, call: Call) -> Answer:
        assertion = dict(pair.split("=", 1) for pair in call.body.decode().split("&")).get("assertion", "")
        try:
            signed, _, signature = assertion.rpartition(".")
            pad = "=" * (-len(signature) % 4)
            self._key.public_key().verify(
                base64.urlsafe_b64decode(signature + pad), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
            claims = json.loads(base64.urlsafe_b64decode(signed.split(".")[1] + "=="))
        except (InvalidSignature, ValueError, IndexError):
            return Answer(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        if claims["iss"] != self.email or "auth/spreadsheets" not in claims.get("scope", ""):
            return Answer(400, {"error": "invalid_scope", "error_description": "Invalid OAuth scope or ID token."})
        token = f"ya29.{secrets.token_hex(16)}"
        self._tokens.add(token)
        return Answer(200, {"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    def _quota(self, call: Call) -> Answer | None:
        kind = "Read" if call.method == "GET" else "Write"
        limit = self.reads_per_minute if kind == "Read" else self.writes_per_minute
        used, now = self._used[kind], time.monotonic()
        while used and used[0] <= now - self.minute:
            used.popleft()
        if len(used) >= limit:
            return self.error(
                429,
                f"Quota exceeded for quota metric '{kind} requests' and limit '{kind} requests per minute per user' of "
                "service 'sheets.googleapis.com' for consumer 'project_number:1'.",
                details=[{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"}],
            )
        used.append(now)
        return None

    def _batch_update(self, book: Spreadsheet, call: Call) -> Answer:
        body = call.data
        if not isinstance(body, dict):
            raise RefusedError("Invalid JSON payload received.")
        replies = book.batch_update(body.get("requests", []))
        answer: dict[str, Any] = {"spreadsheetId": book.id, "replies": replies}
        fields = mask_of(call.one("fields"))
        if body.get("includeSpreadsheetInResponse"):
            # A field mask says by itself whether cells are wanted.
            cells = body.get("responseIncludeGridData") or fields
            mask = below(fields, "updatedSpreadsheet") if cells else mask_of("sheets(properties)")
            if mask is not None:
                answer["updatedSpreadsheet"] = self._spreadsheet(book, body.get("responseRanges"), mask)
        return Answer(200, masked(answer, _but(fields, "updatedSpreadsheet")))

    def _spreadsheet(self, book: Spreadsheet, ranges: list[str] | None, mask: Mask) -> dict[str, Any]:
        """What the mask names of a spreadsheet. Of its many cells nothing else is built."""
        blocks: dict[int, list[tuple[int, int, int, int]]] = {}
        for text in ranges or []:
            tab, *bounds = self._area(book, text)
            blocks.setdefault(tab.id, []).append((bounds[0], bounds[1], bounds[2], bounds[3]))
        has_data, cells = below(mask, "sheets", "data") is not None, below(mask, *_CELLS)
        sheets = []
        for index, tab in enumerate(book.tabs):
            if ranges and tab.id not in blocks:
                continue
            areas = blocks.get(tab.id, [(0, tab.row_count, 0, tab.column_count)]) if has_data else []
            data = [self._grid(tab, cells, *area) for area in areas]
            sheets.append({"properties": tab.properties(index), "data": data})
        whole = {"spreadsheetId": book.id, "properties": {"title": book.title}, "sheets": sheets}
        return dict(masked(whole, _but(mask, *_CELLS)))

    def _grid(self, tab: Tab, mask: Mask | None, top: int, bottom: int, left: int, right: int) -> dict[str, Any]:
        rows = []
        for row in tab.rows[top:bottom]:
            cells = row[left:right]
            has_some = mask is not None and any(cells)
            rows.append({"values": [_shown(cell, mask or {}) if cell else {} for cell in cells]} if has_some else {})
        data = {"rowData": rows, **({"startRow": top} if top else {}), **({"startColumn": left} if left else {})}
        return data if rows else {}

    def _area(self, book: Spreadsheet, text: str) -> tuple[Tab, int, int, int, int]:
        """The tab and the bounds that an A1 range names."""
        match = _RANGE.fullmatch(text)
        title = (match["tab"] or "").strip("'").replace("''", "'") if match else ""
        tab = next((t for t in book.tabs if t.title == (title or text.strip("'").replace("''", "'"))), None)
        if tab is None:
            raise RefusedError(f"Unable to parse range: {text}")
        if match is None or not title:
            return tab, 0, tab.row_count, 0, tab.column_count
        top = int(match["r1"]) - 1 if match["r1"] else 0
        left = column_index(match["c1"]) if match["c1"] else 0
        if match["c2"] is None and match["r2"] is None:
            return tab, top, top + 1, left, left + 1
        bottom = int(match["r2"]) if match["r2"] else tab.row_count
        right = column_index(match["c2"]) + 1 if match["c2"] else tab.column_count
        if top >= tab.row_count or left >= tab.column_count:
            raise RefusedError(
                f"Range ({text}) exceeds grid limits. Max rows: {tab.row_count}, max columns: {tab.column_count}"
            )
        return tab, top, min(bottom, tab.row_count), left, min(right, tab.column_count)

    def _values(self, book: Spreadsheet, text: str) -> dict[str, Any]:
        tab, top, bottom, left, right = self._area(book, text)
        rows = [[as_text(cell) for cell in row[left:right]] for row in tab.rows[top:bottom]]
        for row in rows:
            while row and not row[-1]:
                row.pop()
        while rows and not rows[-1]:
            rows.pop()
        return {"range": text, "majorDimension": "ROWS", **({"values": rows} if rows else {})}

    def _one_range(self, book: Spreadsheet, text: str, call: Call) -> Answer:
        if call.method == "GET":
            return Answer(200, self._values(book, text))
        if call.method == "PUT":
            tab, top, _, left, _ = self._area(book, text)
            return Answer(200, self._write(tab, top, left, call))
        if text.endswith(":append"):
            tab, *_ = self._area(book, text.removesuffix(":append"))
            return Answer(200, {"updates": self._write(tab, *_guess_table_end(tab), call)})
        return self.error(404, "Not found.")

    def _write(self, tab: Tab, top: int, left: int, call: Call) -> dict[str, Any]:
        option = call.one("valueInputOption")
        if option not in ("RAW", "USER_ENTERED"):
            raise RefusedError("'valueInputOption' is required but not specified")
        values = (call.data or {}).get("values", [])
        for row_offset, row in enumerate(values):
            for column_offset, value in enumerate(row):
                cell = entered(value, option)
                if cell is not None:  # null leaves the cell as it is.
                    tab.put(top + row_offset, left + column_offset, cell)
        return {"updatedRange": tab.title, "updatedRows": len(values)}


def _guess_table_end(tab: Tab) -> tuple[int, int]:
    """Where `values.append` writes: below the first table it believes to see, which a blank row or cell divides."""
    grid = [[as_text(cell) for cell in row] for row in tab.rows]
    top = next((i for i, row in enumerate(grid) if any(row)), 0)
    if top >= len(grid):
        return 0, 0
    left = next(i for i, text in enumerate(grid[top]) if text)
    end = top
    while end < len(grid) and any(grid[end]):
        end += 1
    return end, left


Mask = dict[str, Any]
_CELLS = ("sheets", "data", "rowData", "values")


def _shown(cell: Cell, mask: Mask) -> dict[str, Any]:
    """What a mask names of a cell."""
    if mask == {"effectiveValue": {}}:  # what is asked for most
        return {"effectiveValue": effective(cell)}
    return dict(masked({**cell, "effectiveValue": effective(cell), "formattedValue": as_text(cell)}, mask))


def mask_of(text: str) -> Mask:
    """A field mask, "a/b,c(d,e.f)", as nested dictionaries; an empty one takes everything below."""
    tokens = re.findall(r"[\w*]+|[(),./]", text)

    def many(at: int) -> tuple[Mask, int]:
        found: Mask = {}
        while at < len(tokens) and tokens[at] != ")":
            if tokens[at] == ",":
                at += 1
                continue
            inner, path = found, [tokens[at]]
            at += 1
            while at < len(tokens) and tokens[at] in "./":
                path.append(tokens[at + 1])
                at += 2
            for name in path:
                inner = inner.setdefault(name, {})
            if at < len(tokens) and tokens[at] == "(":
                below, at = many(at + 1)
                inner.update(below)
                at += 1
        return found, at

    return many(0)[0]


def masked(value: Any, mask: Mask) -> Any:
    """Only what the mask names."""
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [masked(item, mask) for item in value]
    if isinstance(value, dict):
        return {key: masked(value[key], below) for key, below in mask.items() if key in value}
    return value


def below(mask: Mask, *names: str) -> Mask | None:
    """What a mask names of a member of a member: an empty mask takes all of it; None if it is not named."""
    for name in names:
        if not mask or "*" in mask:
            return {}
        if name not in mask:
            return None
        mask = mask[name]
    return mask


def _but(mask: Mask, name: str, *names: str) -> Mask:
    """The mask, with all of one member: for what is masked already."""
    if not mask or "*" in mask or name not in mask:
        return mask
    return mask | {name: _but(mask[name], *names) if names else {}}
