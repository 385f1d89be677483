"""Figures: what each of the last thirty days took and gave, kept in one artifact, and drawn as one picture.

They are for looking at: nothing is decided by them. What a run did stands in the ledger.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from html import escape

from blocks.records import RunReport
from tasks.report import STEPS

DAYS = 30


@dataclass(frozen=True, slots=True)
class Figures:
    """One day: new posts, projects, US dollars, and how many seconds each step took in its longest run."""

    day: date
    posts: int = 0
    projects: int = 0
    cost: float = 0.0
    seconds: Mapping[str, float] = field(default_factory=dict)
    last_run: str = ""
    """The id of the run that was counted last: a run that is retried is not counted again."""


def with_run(known: Sequence[Figures], day: date, report: RunReport, seconds: Mapping[str, float]) -> list[Figures]:
    """The figures with a run's added, the newest day last, no more than thirty days."""
    days = {one.day: one for one in known if day - timedelta(DAYS) < one.day <= day}
    old = days.get(day, Figures(day))
    if old.last_run == report.run_id:
        return [days[at] for at in sorted(days)]
    days[day] = replace(
        old,
        posts=old.posts + report.counts.get("uploaded", 0),
        projects=old.projects + report.counts.get("projects", 0),
        cost=old.cost + report.cost,
        seconds={name: max(old.seconds.get(name, 0.0), seconds.get(name, 0.0)) for name in STEPS},
        last_run=report.run_id,
    )
    return [days[at] for at in sorted(days)]


def to_rows(known: Sequence[Figures]) -> list[dict[str, str | int | float]]:
    """The figures as a table for people, the newest day first."""
    return [
        {
            "Day": one.day.isoformat(),
            "Posts": one.posts,
            "Projects": one.projects,
            "Cost in $": round(one.cost, 4),
            **{f"{name}, s": round(one.seconds.get(name, 0.0), 1) for name in STEPS},
            "Last run": one.last_run,
        }
        for one in reversed(known)
    ]


def of_rows(text: str) -> list[Figures]:
    """The figures of a table as it was kept. A row that cannot be read is left out: anybody may write artifacts."""
    try:
        rows = json.loads(text)
    except ValueError:
        return []
    found = []
    for row in rows if isinstance(rows, list) else []:
        try:
            seconds = {name: float(row.get(f"{name}, s", 0)) for name in STEPS}
            day, run = date.fromisoformat(row["Day"]), str(row.get("Last run", ""))
            found.append(Figures(day, int(row["Posts"]), int(row["Projects"]), float(row["Cost in $"]), seconds, run))
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            continue
    return found[: 2 * DAYS]


_WIDTH, _LEFT, _PANEL, _GAP, _TOP = 760, 96, 84, 34, 40
_COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#9498a0")


def _bars(rows: Sequence[Sequence[float]], top: float, colours: Sequence[str]) -> list[str]:
    """Bars of one panel; a bar is a pile of values. Heights are shares of the highest."""
    highest = max((sum(pile) for pile in rows), default=0) or 1
    step = (_WIDTH - _LEFT - 16) / DAYS
    out = []
    for at, pile in enumerate(rows):
        foot = top + _PANEL
        for value, colour in zip(pile, colours, strict=False):
            height = _PANEL * value / highest
            if height > 0:
                foot -= height
                x = _LEFT + at * step + 1
                out.append(
                    f'<rect x="{x:.1f}" y="{foot:.1f}" width="{step - 2:.1f}" height="{height:.1f}" fill="{colour}"/>'
                )
    return out


def chart(known: Sequence[Figures], last: date) -> str:
    """The thirty days up to `last` as an SVG: posts, projects, cost, and the seconds of each step."""
    by_day = {one.day: one for one in known}
    days = [last - timedelta(back) for back in range(DAYS - 1, -1, -1)]
    shown = [by_day.get(day, Figures(day)) for day in days]
    panels: list[tuple[str, str, list[list[float]]]] = [
        ("new posts", "{:,.0f}", [[one.posts] for one in shown]),
        ("projects", "{:,.0f}", [[one.projects] for one in shown]),
        ("cost", "${:,.3f}", [[one.cost] for one in shown]),
        ("seconds", "{:,.1f} s", [[one.seconds.get(name, 0.0) for name in STEPS] for one in shown]),
    ]
    height = _TOP + len(panels) * (_PANEL + _GAP) + 30
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}"'
        f' viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif"'
        f' font-size="12" fill="#333"><rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="16" y="22" font-size="15" font-weight="bold">{DAYS} days up to {last:%d %B %Y}</text>',
    ]
    for at, (name, how, rows) in enumerate(panels):
        top = _TOP + at * (_PANEL + _GAP)
        highest = max((sum(pile) for pile in rows), default=0)
        foot = top + _PANEL
        out += [
            f'<text x="16" y="{top + 12}" font-weight="bold">{escape(name)}</text>',
            f'<text x="{_LEFT - 8}" y="{top + 28}" text-anchor="end" fill="#777">{escape(how.format(highest))}</text>',
            f'<line x1="{_LEFT}" y1="{foot}" x2="{_WIDTH - 16}" y2="{foot}" stroke="#ccc"/>',
            *_bars(rows, top, _COLOURS),
        ]
        for index in range(0, DAYS, 7):
            x = _LEFT + (DAYS - 1 - index + 0.5) * (_WIDTH - _LEFT - 16) / DAYS
            label = days[DAYS - 1 - index]
            out.append(f'<text x="{x:.1f}" y="{foot + 15}" text-anchor="middle" fill="#777">{label:%d %b}</text>')
    x = _LEFT
    for name, colour in zip(STEPS, _COLOURS, strict=True):
        out.append(f'<rect x="{x}" y="{height - 22}" width="10" height="10" fill="{colour}"/>')
        out.append(f'<text x="{x + 14}" y="{height - 13}">{name}</text>')
        x += 26 + 7 * len(name)
    return "".join([*out, "</svg>"])


def as_address(svg: str) -> str:
    """A picture as an address that holds it: nobody has to keep a file for the UI."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
