"""A provider of texts for tests: takes messages, refuses on demand, and signs its webhooks.

`running()` serves it in this process. Numbers and tokens are invented.
"""

from tests.simulators.twilio.server import AUTH_TOKEN, Fault, Text, TwilioSimulator, running
from tests.simulators.twilio.webhooks import SID, call_form, inbound_form, report_form, signature

__all__ = [
    "AUTH_TOKEN",
    "SID",
    "Fault",
    "Text",
    "TwilioSimulator",
    "call_form",
    "inbound_form",
    "report_form",
    "running",
    "signature",
]
