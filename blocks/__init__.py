"""The blocks: one for each outside service, and the embedded ones that need no account.

`prefect block register -m blocks` registers them.
"""

from blocks.discord_channels import DiscordChannels
from blocks.export_source import ExportSource
from blocks.gemini import GeminiAnalyst
from blocks.google_sheet import GoogleSheet
from blocks.lexicon_analyst import LexiconAnalyst
from blocks.outbox_publisher import OutboxPublisher
from blocks.pipeline_settings import PipelineSettings
from blocks.sqlite_ledger import SqliteLedger
from blocks.typefully import TypefullyPublisher
from blocks.x_publisher import XPublisher

__all__ = [
    "DiscordChannels",
    "ExportSource",
    "GeminiAnalyst",
    "GoogleSheet",
    "LexiconAnalyst",
    "OutboxPublisher",
    "PipelineSettings",
    "SqliteLedger",
    "TypefullyPublisher",
    "XPublisher",
]
