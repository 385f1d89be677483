"""`make services`: the five services on loopback, with a week of messages that ends today, and a ready `.env`."""

from __future__ import annotations

import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from blocks.export_source import SAMPLE
from tests.services.everything import Everything
from tests.services.pages import Pages

FIRST_PORT = 8101

_HOW = """
In another terminal:

  cd {folder}
  export PREFECT_HOME=$PWD/prefect   # so that blocks of yours are left alone
  {program} --setup     # saves the Prefect blocks
  {program} --test      # asks each service, then shows what a run would do
  {program} --manual    # runs once; again: nothing is posted twice

PUBLISHER_TYPE=typefully in {folder}/.env takes the other publisher.
What the services hold, and which calls they got: {page}
Ctrl-C stops them.
"""


def main() -> int:
    """Start the services, and wait for Ctrl-C."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    folder.mkdir(exist_ok=True)
    everything = Everything(FIRST_PORT)
    for file in sorted(SAMPLE.glob("*.json")):
        everything.discord.load_export(file, ends=datetime.now(UTC))
    try:
        with everything:
            pages = Pages(everything).start(FIRST_PORT - 1)
            settings = everything.settings(folder.absolute())
            lines = [f"{name}={value}" for name, value in settings.items()]
            text = "# Made by `make services`: the keys of servers on this machine.\n" + "\n".join(lines) + "\n"
            (folder / ".env").write_text(text, encoding="utf-8")
            for service in everything.all:
                print(f"  {service.name:<15}{service.url}")
            program = Path(sys.executable).parent / "daily-pipeline"
            print(_HOW.format(folder=folder, program=program, page=pages.url), flush=True)
            stop = threading.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stop.set())
            stop.wait()
    except OSError as error:
        print(f"The services could not be started ({error.strerror}): are they running already?", file=sys.stderr)
        return 1
    print("Stopped.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
