"""The blocks: one for each outside service, and the embedded ones that need no account.

`prefect block register -m blocks` registers them.
"""

from blocks.export_source import ExportSource
from blocks.lexicon_analyst import LexiconAnalyst
from blocks.outbox_publisher import OutboxPublisher
from blocks.pipeline_settings import PipelineSettings
from blocks.sqlite_ledger import SqliteLedger

__all__ = ["ExportSource", "LexiconAnalyst", "OutboxPublisher", "PipelineSettings", "SqliteLedger"]
