"""The publisher family: where the digest goes."""

from __future__ import annotations

from prefect.blocks.core import Block

from blocks.records import Check, Draft, Receipt


class Publisher(Block):
    """Base of the publishers. Members: `OutboxPublisher`; X and Typefully come with the outside services."""

    def find(self, draft: Draft) -> Receipt | None:
        """Whether this draft is already out: its receipt, or None if it certainly is not.

        Raises:
            UnclearError: it cannot be told.
        """
        raise NotImplementedError

    def publish(self, draft: Draft) -> Receipt:
        """Publish a draft that is certainly not out yet.

        Raises:
            UnclearError: the answer never came; it may be out.
            PermanentError: refused, and certainly not out.
            TransientError: not out, and another try may succeed.
        """
        raise NotImplementedError

    def check(self) -> list[Check]:
        """Ask, without changing anything, whether publishing would be allowed."""
        raise NotImplementedError
