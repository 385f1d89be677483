"""The publisher family: where the digest goes."""

from __future__ import annotations

from typing import ClassVar

from prefect.blocks.core import Block

from blocks.records import Check, Draft, Receipt


class Publisher(Block):
    """Base of the publishers. Members: `OutboxPublisher`, `XPublisher`, `TypefullyPublisher`."""

    charges: ClassVar[bool] = False
    """Whether each post is paid for: then the day's budget counts."""

    @property
    def destination(self) -> str:
        """Where it publishes, noted with a draft before it goes there: nobody else could find it again."""
        return str(self.get_block_type_slug())

    def find(self, draft: Draft) -> Receipt | None:
        """Whether this draft is already out: its receipt, or None if it certainly is not.

        The receipt of a thread of which only the first parts are out is not `whole`.

        Raises:
            UnclearError: it cannot be told, and asking again will not help: a person decides.
            TransientError, PermanentError: it cannot be told now. It stays as it is, and is asked again.
        """
        raise NotImplementedError

    def publish(self, draft: Draft) -> Receipt:
        """Publish a draft that is certainly not out yet; of a thread, the parts after its `published_ids`.

        An error tells in its `published_ids` which parts are out all the same.

        Raises:
            UnclearError: the answer never came; it may be out. UndecidableError: and `find` would not tell either.
            PermanentError: refused, and certainly not out.
            TransientError: not out, and another try may succeed.
        """
        raise NotImplementedError

    def warm_up(self) -> None:
        """Import the library that will be needed, so that it is there when its turn comes. Nothing is contacted."""

    def check(self) -> list[Check]:
        """Ask, without changing anything, whether publishing would be allowed."""
        raise NotImplementedError
