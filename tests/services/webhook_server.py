"""A webhook that takes messages, as those of Discord and Slack do."""

from __future__ import annotations

from tests.services.server import Answer, Call, Service


class WebhookServer(Service):
    """Takes whatever is posted."""

    name = "Webhook"

    def handle(self, call: Call) -> Answer:
        return Answer(204, b"") if call.method == "POST" else self.error(405, "Method not allowed")
