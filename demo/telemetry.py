"""An agent's conversations as OpenTelemetry GenAI spans, sent by the ordinary SDK and exporter."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from demo.cast import Role, Tool
from demo.outcomes import outcome_of_run

SCHEDULE_MS = 500


def tracer_for(role: Role, endpoint: str, key: str) -> tuple[Tracer, TracerProvider]:
    """A tracer whose spans go to `endpoint`/v1/traces with the ingest key; close the provider at the end."""
    exporter = OTLPSpanExporter(
        endpoint=f"{endpoint}/v1/traces", headers={"authorization": f"Bearer {key}"}, timeout=10
    )
    provider = TracerProvider(
        resource=Resource.create({"service.name": role.service}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=SCHEDULE_MS))
    return provider.get_tracer("demo.agents", "1.0"), provider


def converse(tracer: Tracer, role: Role, tools: Sequence[Tool]) -> None:
    """One conversation: the agent thinks, then calls `tools` in order. Takes about as long as it says."""
    conversation = f"conv-{uuid.uuid4().hex[:12]}"
    common = {"gen_ai.agent.name": role.name, "gen_ai.conversation.id": conversation}
    ending = {f"chancery.outcome.{name}": value for name, value in outcome_of_run(role).items()}
    with tracer.start_as_current_span(
        f"invoke_agent {role.name}",
        kind=SpanKind.INTERNAL,
        attributes=common | ending | {"gen_ai.operation.name": "invoke_agent"},
    ):
        _think(tracer, role, common)
        for tool in tools:
            _call(tracer, tool, common)


def choose(role: Role) -> list[Tool]:
    """One to three tools, as often as their weights say."""
    return random.choices(role.tools, [tool.weight for tool in role.tools], k=random.randint(1, 3))


def _think(tracer: Tracer, role: Role, common: dict[str, str]) -> None:
    with tracer.start_as_current_span(
        f"chat {role.model}",
        kind=SpanKind.CLIENT,
        attributes=common
        | {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": role.provider,
            "gen_ai.request.model": role.model,
            "gen_ai.response.model": role.model,
            "gen_ai.usage.input_tokens": random.randint(300, 2400),
            "gen_ai.usage.output_tokens": random.randint(20, 400),
        },
    ):
        time.sleep(random.uniform(0.05, 0.2))


def _call(tracer: Tracer, tool: Tool, common: dict[str, str]) -> None:
    with tracer.start_as_current_span(
        f"execute_tool {tool.name}",
        kind=SpanKind.INTERNAL,
        attributes=common
        | {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool.name,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": f"call_{uuid.uuid4().hex[:20]}",
            "gen_ai.tool.call.arguments": json.dumps({"reference": f"A-{random.randint(100, 9999)}"}),
        },
    ) as span:
        time.sleep(tool.duration_ms / 1000 * random.uniform(0.6, 1.4))
        if random.random() < tool.failure:
            span.set_attribute("error.type", "UpstreamError")
            span.set_status(Status(StatusCode.ERROR, "the system behind it did not answer"))
        else:
            span.set_attribute("gen_ai.tool.call.result", json.dumps({"ok": True}))
