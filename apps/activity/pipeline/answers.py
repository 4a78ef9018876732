"""Which model answered whom: every answer counted once, when its agent can be told. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from uuid import UUID

from apps.activity.ingest.dialects import named_dialect
from apps.activity.pipeline.relatives import TraceKey
from apps.activity.pipeline.reports import Report, framework_of, not_later_than_now
from apps.activity.pipeline.trace import SpanView, Trace
from apps.agents.services.discovery import ModelUse, Sighting

Answer = tuple[Sighting, SpanView]


def answers_told(
    spans: Sequence[SpanView], traces: Mapping[TraceKey, Trace], reports: Sequence[Report]
) -> dict[bytes, Answer]:
    """Model answers whose agent can be told with these spans, each under a key of its own."""
    told = [*_in_traces(spans, traces), *_in_logs(spans, reports)]
    return {_key(span): (sighting, span) for sighting, span in told}


def model_use(agent_id: UUID, answer: Answer) -> ModelUse:
    sighting, span = answer
    at = sighting.seen_at or span.started_at
    return ModelUse(agent_id, span.provider, span.response_model or span.request_model, 1, at, at)


def _in_traces(spans: Sequence[SpanView], traces: Mapping[TraceKey, Trace]) -> Iterator[Answer]:
    """Model spans whose agent could not be told before one of these spans arrived."""
    fresh = {span.id for span in spans}
    for trace in traces.values():
        for span in trace.spans.values():
            if span.kind != "model" or not (span.response_model or span.request_model):
                continue
            found = trace.resolve(span)
            if found.complete and found.path & fresh:
                yield _sighting(span, found.agent_name, found.declared_agent_id), span


def _in_logs(spans: Sequence[SpanView], reports: Sequence[Report]) -> Iterator[Answer]:
    """Model log records, most of which name no agent: that of a call of the same conversation in this batch, or the
    service where it is the agent."""
    known = {
        (one.source_id, one.conversation_id): one for one in reports if one.complete and one.conversation_id
    }
    for span in spans:
        call = known.get((span.source_id, span.conversation_id))
        if span.kind != "model" or span.signal != "log":
            continue
        if call is not None:
            yield _sighting(span, call.agent_name, call.declared_agent_id), span
        elif named_dialect(span.dialect).service_is_agent:
            yield _sighting(span, span.agent_name, span.declared_agent_id), span


def _sighting(span: SpanView, agent_name: str, declared_id: str) -> Sighting:
    return Sighting(
        span.source_id,
        span.service_name,
        agent_name,
        declared_id,
        framework=framework_of(span),
        seen_at=not_later_than_now(span.started_at),
    )


def _key(span: SpanView) -> bytes:
    return blake2b(b"answer\x1f" + span.id.bytes, digest_size=16).digest()
