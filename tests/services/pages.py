"""What the services hold, as a page for people: the sheet's tabs, the posts on X, Typefully's drafts, the calls."""

from __future__ import annotations

from collections import Counter
from html import escape

from tests.services.everything import Everything
from tests.services.server import Answer, Call, Service
from tests.services.sheets_model import Tab

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #1b1f24 }
h2 { margin-top: 2.5rem } table { border-collapse: collapse; font-size: 13px; display: block; overflow-x: auto }
th, td { border: 1px solid #d0d7de; padding: .25rem .5rem; text-align: left; vertical-align: top; max-width: 22rem;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap } th { background: #f6f8fa }
blockquote { white-space: pre-wrap; border-left: 3px solid #1d9bf0; margin: 1rem 0; padding: .25rem 1rem }
p.none { color: #656d76 }
"""


def _table(tab: Tab, rows: int = 60) -> str:
    grid = tab.text()
    if not grid:
        return "<p class=none>empty</p>"
    head, *body = grid
    cells = "".join(f"<th>{escape(text)}</th>" for text in head)
    lines = ["".join(f"<td>{escape(text[:200])}</td>" for text in row) for row in body[-rows:]]
    return f"<table><tr>{cells}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _posts(texts: list[str]) -> str:
    shown = "".join(f"<blockquote>{escape(text)}</blockquote>" for text in reversed(texts))
    return shown or "<p class=none>nothing yet</p>"


class Pages(Service):
    """One page, which shows the state at the moment it is asked for."""

    name = "pages"

    def __init__(self, everything: Everything) -> None:
        super().__init__()
        self._all = everything

    def handle(self, call: Call) -> Answer:
        tabs = "".join(
            f"<h3>{escape(tab.title)}</h3>{_table(tab)}" for tab in self._all.book.tabs if not tab.hidden and tab.text()
        )
        counts = "".join(
            f"<tr><td>{escape(service.name)}</td><td>{escape(what)}</td><td>{status}</td><td>{number}</td></tr>"
            for service in self._all.all
            for (what, status), number in Counter((c.what, c.status) for c in service.calls).most_common(12)
        )
        page = f"""<!doctype html><meta charset=utf-8><title>The services</title><style>{_STYLE}</style>
<h1>The five services, as they are now</h1><p>Reload to look again. All of this is gone when they are stopped.</p>
<h2>X: @{escape(self._all.x.username)}</h2>{_posts(self._all.x.texts)}
<h2>Published through Typefully</h2>{_posts(self._all.typefully.published)}
<h2>Google Sheets: {escape(self._all.book.title)}</h2>{tabs or "<p class=none>no tabs yet</p>"}
<h2>Calls</h2><table><tr><th>Service</th><th>Call</th><th>Status</th><th>Times</th></tr>{counts}</table>"""
        return Answer(200, page.encode(), {"Content-Type": "text/html; charset=utf-8"})
