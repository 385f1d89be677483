"""The README's picture of a run: `python -m scripts.picture docs/run.svg`. It is what the program really printed.

The run is a real one: in a new folder, with an empty Prefect home, on the sample export.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 84


def run(folder: Path) -> str:
    """What `daily-pipeline --manual` prints in a new place."""
    environ = os.environ | {"PREFECT_HOME": str(folder / "prefect"), "NO_COLOR": "1", "COLUMNS": "80"}
    environ.pop("PREFECT_API_URL", None)
    command = [str(Path(sys.executable).parent / "daily-pipeline"), "--manual"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True)
    return done.stderr


def draw(text: str, path: Path) -> None:
    """Write the text as an SVG picture of a terminal."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text("$ make run", style="bold green"))
    for line in text.rstrip().splitlines():
        style = "bold" if re.fullmatch(r"[A-Z].*:|Overall.*|Daily Pipeline.*", line) else ""
        console.print(Text(line, style="dim" if line.startswith("=") or re.match(r"\d\d:", line) else style))
    path.parent.mkdir(parents=True, exist_ok=True)
    # A fixed id: the same run gives the same file, and so a small difference in git.
    svg = console.export_svg(title="daily-pipeline", unique_id="run")
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/run.svg")
    with tempfile.TemporaryDirectory() as name:
        draw(run(Path(name)), target)
    print(target)
