"""Set up: what `.env` says becomes Prefect blocks."""

from __future__ import annotations

from prefect.blocks.core import Block


def save_blocks() -> list[Block]:
    """Save the blocks that the settings describe, again and again without harm, and register all block types.

    Raises:
        PermanentError: all that is wrong with the settings, one line each.
    """
    import blocks
    from blocks.loading import save
    from blocks.pipeline_settings import BLOCK_NAME
    from flows import environment

    made = environment.blocks_of(environment.read())
    for name in blocks.__all__:
        getattr(blocks, name).register_type_and_schema()
    for block in made:
        save(block, BLOCK_NAME)
    return made
