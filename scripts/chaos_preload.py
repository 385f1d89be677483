"""What the process that `make chaos` forks its runs from has in memory: imported, and read from the package's files."""

from importlib import import_module

from pydantic import BaseModel

from blocks.lexicon import tickers
from blocks.vocabulary import vocabulary
from tasks.final_look import never
from tasks.language import languages

for name in (
    "discord",
    "fastapi",
    "flows.daily_pipeline",
    "google.generativeai",
    "gspread",
    "prefect.events.clients",
    "prefect.events.worker",
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.utilities.visualization",
    "scripts.chaos",
    "tweepy",
):
    import_module(name)

vocabulary(), tickers(), languages(), never("")


def _built(model: type[BaseModel]) -> None:
    """Pydantic builds most of Prefect's models where they are first used: that would be in every run."""
    for kind in model.__subclasses__():
        if kind.__module__.startswith("prefect.client"):
            kind.model_rebuild()
        _built(kind)


_built(BaseModel)
