"""A large JSON object, member by member and, where a member is a list, element by element.

The standard library decodes each value; this file only finds where values begin, reads on where one is not
whole yet, and steps over one that cannot be taken. The streaming libraries were tried: the C backend of ijson
ends the interpreter at a number of more than 4,300 digits, and stops at half of a surrogate pair.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TextIO

CHUNK = 1 << 20
"""Characters read at a time."""

MAX_VALUE = 32 << 20
"""Characters that one value may have: more is not a message, and would have to be held in memory."""

_SPACE = re.compile(r"[ \t\r\n]*")
# What matters to find the end of a value that is too deep to decode: brackets, and strings to step over.
_STRUCTURE = re.compile(r'[{}\[\]]|"(?:[^"\\]|\\.)*+"|"', re.DOTALL)
_LONGEST_TOKEN = 16


class BrokenJSONError(ValueError):
    """The text is not JSON, or ends too soon."""


class _Unreadable:
    """Stands for an element that is sound in form but cannot be taken, as one nested a thousand deep."""


UNREADABLE = _Unreadable()


def _whole_number(digits: str) -> int | None:
    """A number as JSON writes it; None for one that nothing has. Python refuses to read thousands of digits."""
    return int(digits) if len(digits) <= 300 else None


class Reader:
    """Walks through one JSON document, holding no more of it than one value and a chunk."""

    def __init__(self, file: TextIO, chunk: int = CHUNK) -> None:
        self._file = file
        self._chunk = chunk
        self._text = ""
        self._at = 0
        self._ended = False
        self._decoder = json.JSONDecoder(parse_int=_whole_number, strict=False)

    def _more(self) -> bool:
        """Read on, and forget what was passed. False at the end of the file."""
        if self._ended:
            return False
        if len(self._text) - self._at > MAX_VALUE:
            raise BrokenJSONError("a value without end")
        # As much again as is held, so that a long value is not decoded again for every chunk of it.
        read = self._file.read(max(self._chunk, len(self._text) - self._at))
        if not read:
            self._ended = True
            return False
        self._text, self._at = self._text[self._at :] + read, 0
        return True

    def peek(self) -> str:
        """The next character that is not white space, or an empty string at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self, wanted: str) -> bool:
        """Step over this character if it comes next."""
        if self.peek() != wanted:
            return False
        self._at += 1
        return True

    def expect(self, wanted: str) -> None:
        """Step over this character. Raises BrokenJSONError if another comes next."""
        if not self.take(wanted):
            raise BrokenJSONError(f"{wanted} is missing")

    def value(self) -> object:
        """The next value, or `UNREADABLE`. Raises BrokenJSONError."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                unfinished = error.msg.startswith("Unterminated") or error.pos >= len(self._text) - _LONGEST_TOKEN
                if not (unfinished and self._more()):
                    raise BrokenJSONError(error.msg) from error
            except RecursionError:
                self._step_over()
                return UNREADABLE
            else:
                # A number near the end of what is held may go on in what is not: "0." is 0 and then a dot.
                if end < len(self._text) - _LONGEST_TOKEN or not self._more():
                    self._at = end
                    return value

    def _step_over(self) -> None:
        """Step over one value by its brackets alone."""
        depth = 0
        while True:
            for match in _STRUCTURE.finditer(self._text, self._at):
                found = match[0]
                if found == '"':  # A string that is not whole yet.
                    self._at = match.start()
                    break
                self._at = match.end()
                depth += (found in "{[") - (found in "}]")
                if depth == 0:
                    return
            else:
                self._at = len(self._text)
            if not self._more():
                raise BrokenJSONError("a bracket is missing")


def members(reader: Reader) -> Iterator[str]:
    """The keys of the document's object. After each, the caller takes its value (`value` or `elements`)."""
    reader.expect("{")
    while not reader.take("}"):
        key = reader.value()
        reader.expect(":")
        yield key if isinstance(key, str) else ""
        if not reader.take(","):
            reader.expect("}")
            break
    if reader.peek():
        raise BrokenJSONError("something follows the end")


def elements(reader: Reader) -> Iterator[object]:
    """The elements of a list, each a value or `UNREADABLE`. Raises BrokenJSONError."""
    reader.expect("[")
    while not reader.take("]"):
        yield reader.value()
        if not reader.take(","):
            reader.expect("]")
            break
