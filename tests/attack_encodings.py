"""The forms in which an attacker writes the same thing, so that a filter overlooks it and a reader does not.

A new one is a function and a line in `ENCODINGS`; what reads it back, if a reader could, stands in
`tests/attack_readings.py`.
"""

from __future__ import annotations

import base64
import codecs
import html
import re
import unicodedata
from collections.abc import Callable
from urllib.parse import quote

LOWER, UPPER, DIGITS = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"

CYRILLIC = dict(zip("aceiopsxyjhABCEHIKMOPTXS", "асеіорѕхујһАВСЕНІКМОРТХЅ", strict=True))
GREEK = dict(zip("oavxkipuyABEZHIKMNOPTYX", "οανχκιρυγΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", strict=True))
SMALL_CAPITALS = dict(zip("abcdefghijklmnoprstuvwyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", strict=True))
UPSIDE_DOWN = dict(zip(LOWER + ".", "ɐqɔpǝɟƃɥıɾʞlɯuodbɹsʇnʌʍxʎz˙", strict=True))
LEET = dict(zip("aeiost", "431057", strict=True))
MORSE = dict(
    zip(
        LOWER + DIGITS,
        (
            ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- "
            "--.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----."
        ).split(),
        strict=True,
    )
)


def _swapped(table: dict[str, str]) -> Callable[[str], str]:
    return lambda text: text.translate(str.maketrans(table))


def _shifted(lower: int, upper: int, digits: int = 0) -> Callable[[str], str]:
    """Letters from another block of Unicode, in the order of the alphabet."""
    table = {char: chr(lower + at) for at, char in enumerate(LOWER)}
    table |= {char: chr(upper + at) for at, char in enumerate(UPPER)}
    table |= {char: chr(digits + at) for at, char in enumerate(DIGITS)} if digits else {}
    return _swapped(table)


def _joined(by: str) -> Callable[[str], str]:
    return by.join


def _within_words(by: str) -> Callable[[str], str]:
    """Something in the middle of each word, which a reader passes over."""
    return lambda text: re.sub(r"(?<=\w)(?=\w)", by, text)


def _marked(marks: str) -> Callable[[str], str]:
    return lambda text: "".join(char + marks if char.isalnum() else char for char in text)


def _full_width(text: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)


def _morse(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).lower()
    return " / ".join(" ".join(MORSE[char] for char in word if char in MORSE) for word in plain.split())


def _flags(text: str) -> str:
    return "".join(chr(0x1F1E6 + ord(char) - 97) if "a" <= char <= "z" else char for char in text.lower())


def _tags(text: str) -> str:
    return "gm" + "".join(
        chr(0xE0000 + ord(char)) for char in unicodedata.normalize("NFKD", text) if " " <= char <= "~"
    )


def _punycode(text: str) -> str:
    """Each word in its look-alike form, as a browser's address line takes it."""
    return " ".join("xn--" + _swapped(CYRILLIC)(word).encode("punycode").decode() for word in text.split())


def _spelt(text: str) -> str:
    """As one dictates it. A handle keeps its sign: without it, it is a word like another."""
    dotted = re.sub(r"\.(?=\w)", " dot ", text).replace("://", " colon slash slash ")
    return re.sub(r"(?<=\w)@(?=\w)", " at ", dotted)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "capitals": str.upper,
    "title case": str.title,
    "cyrillic": _swapped(CYRILLIC),
    "greek": _swapped(GREEK),
    "full width": _full_width,
    "bold letters": _shifted(0x1D5EE, 0x1D5D4, 0x1D7EC),
    "script letters": _shifted(0x1D4EA, 0x1D4D0),
    "typewriter": _shifted(0x1D68A, 0x1D670, 0x1D7F6),
    "circled": _shifted(0x24D0, 0x24B6),
    "small capitals": _swapped(SMALL_CAPITALS),
    "upside down": lambda text: _swapped(UPSIDE_DOWN)(text.lower())[::-1],
    "flags": _flags,
    "zero width": _joined("\u200b"),
    "joiners": _within_words("\u200d"),
    "word joiners": _within_words("\u2060"),
    "soft hyphens": _within_words("\u00ad"),
    "grapheme joiners": _within_words("\u034f"),
    "bidi override": lambda text: f"\u202e{text[::-1]}\u202c",
    "isolates": lambda text: f"\u2067{text}\u2069",
    "tag characters": _tags,
    "combining": _marked("\u0336"),
    "zalgo": _marked("\u0300\u0316\u034e"),
    "base64": _base64,
    "base64 twice": lambda text: _base64(_base64(text)),
    "hex": lambda text: text.encode().hex(),
    "url": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "half url": quote,
    "entities": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "named entities": html.escape,
    "morse": _morse,
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "reversed": lambda text: text[::-1],
    "leet": lambda text: _swapped(LEET)(text.lower()),
    "spaced": _joined(" "),
    "hyphenated": _within_words("-"),
    "dotted": _within_words("."),
    "lines": lambda text: "\n".join(re.findall(r"\S{1,4}|\s", text)),
    "bold": lambda text: f"**{text}**",
    "mixed markup": lambda text: "".join(f"_{part}_" for part in re.findall(r".{1,3}", text)),
    "label": lambda text: f"[{text}](https://a.example)",
    "code": lambda text: f"`{text}`",
    "quoted": lambda text: f"“{text}”",
    "spelt": _spelt,
    "defanged": lambda text: re.sub(r"\.(?=\w)", "(.)", text).replace("@", "(at)").replace("http", "hxxp"),
    "one dot leader": lambda text: text.replace(".", "\u2024").replace("@", "\ufe6b").replace("$", "\ufe69"),
    "ideographic stop": lambda text: text.replace(".", "\u3002").replace("/", "\u2044"),
    "punycode": _punycode,
}
