"""Attacked days: `make attack`, or `COUNT=3000` for a sample. 1 as exit code: something of the attackers' got out.

The model answers as they wish, and hundreds of injections stand in the messages. What is tried is data:
`tests/data/attacks/` tells how to add to it.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from multiprocessing import get_context

from tests.attack_encodings import ENCODINGS
from tests.attacks import Attack, Escape, Tally, attacks, go, injections, plants

SHOWN = 400
"""Escapes that are listed; all are counted."""


def _half(job: tuple[str, int, int]) -> tuple[list[Attack], list[Escape], int, list[str]]:
    """The days of one publisher: every second attack."""
    publisher, first, count = job
    tally, days = go(list(attacks(count))[first::2], publisher)
    return tally.tried, tally.escaped, days.ran, days.trouble + days.broken


def table(tally: Tally) -> str:
    """How many were tried of each kind of plant in each encoding, and after a slash how many escaped."""
    kinds = list(dict.fromkeys(plant.kind for plant in plants()))
    tried = Counter((attack.encoding, attack.plant.kind) for attack in tally.tried)
    got_out = {escape.attack for escape in tally.escaped if escape.attack}
    escaped = Counter((attack.encoding, attack.plant.kind) for attack in got_out)

    def cell(encoding: str, kind: str) -> str:
        out = escaped[encoding, kind]
        return f"{tried[encoding, kind]}/{out}" if out else str(tried[encoding, kind])

    lines = [f"{'encoding':<17}" + "".join(f"{kind:>8}" for kind in kinds)]
    lines += [f"{encoding:<17}" + "".join(f"{cell(encoding, kind):>8}" for kind in kinds) for encoding in ENCODINGS]
    return "\n".join(lines)


def by_name(what: str, tried: list[str], escaped: list[str]) -> str:
    """One line of counts."""
    out = Counter(escaped)
    return f"{what}: " + ", ".join(f"{name} {n}/{out[name]}" for name, n in Counter(tried).items())


def main(arguments: list[str]) -> int:
    """Try all attacks, or so many of them at random."""
    count = int(arguments[0]) if arguments and arguments[0].isdecimal() else 0
    began = time.monotonic()
    tally, ran, trouble = Tally(), 0, list[str]()
    with get_context("spawn").Pool(2) as pool:
        jobs = [("twitter", 0, count), ("typefully", 1, count)]
        for tried, escaped, days, told in pool.imap(_half, jobs):
            tally.tried += tried
            tally.escaped += escaped
            ran += days
            trouble += told
    got_out = [escape.attack for escape in tally.escaped if escape.attack]
    print(table(tally), "\n")
    print(by_name("tried/escaped by field", [a.field for a in tally.tried], [a.field for a in {*got_out}]), "\n")
    kinds = [a.injection.kind for a in tally.tried], [a.injection.kind for a in {*got_out}]
    print(by_name("tried/escaped by what carried it", *kinds), "\n")
    # The same attack may have got to several places: it is listed with the first.
    once = {escape.attack or escape: escape for escape in reversed(tally.escaped)}
    for escape in [*reversed(once.values())][:SHOWN]:
        print(f"  ✗ {escape}")
    if len(once) > SHOWN:
        print(f"  and {len(once) - SHOWN} more")
    for what, times in Counter(trouble).most_common(10):
        print(f"  ! {what}" + (f" ({times} times)" if times > 1 else ""))
    print(f"{len(plants())} plants in {len(ENCODINGS)} encodings, {len(injections())} injections, {ran} days, ", end="")
    print(f"{time.monotonic() - began:.0f} s")
    print(tally.line)
    return bool(tally.escaped or trouble)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
