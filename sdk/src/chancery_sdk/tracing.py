"""W3C Trace Context (Recommendation of 23 November 2021) for work that goes from one agent or process to another."""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Mapping, MutableMapping

FORM = re.compile(r"^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$")
HEADER = "traceparent"


def new_traceparent() -> str:
    """The context of a trace that begins here, sampled."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def child_of(traceparent: str) -> str:
    """The same trace with a new span; a new trace when this is no traceparent."""
    found = FORM.match(traceparent)
    return f"00-{found[1]}-{secrets.token_hex(8)}-01" if found else new_traceparent()


def current_traceparent() -> str:
    """That of the active OpenTelemetry span; '' when there is none or OpenTelemetry is not in use."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return ""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def extract(carrier: Mapping[str, str]) -> str:
    """The traceparent in headers, in the metadata of an A2A message or in MCP's `_meta`; '' when there is none."""
    for name, value in carrier.items():
        if name.lower() == HEADER and isinstance(value, str) and FORM.match(value):
            return value
    return ""


def inject(carrier: MutableMapping[str, str], traceparent: str = "") -> str:
    """Put the context to hand on into `carrier`: the one given, the active span's, or a new one. Returns it."""
    carrier[HEADER] = traceparent or current_traceparent() or new_traceparent()
    return carrier[HEADER]
