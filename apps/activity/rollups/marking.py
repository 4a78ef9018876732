"""Noting which hours changed, in the transaction that changes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from django.db import connection

from apps.kit.ids import as_array

MARK_CALLS = """
INSERT INTO activity_rollupmark ("of", agent_id, hour)
SELECT DISTINCT 'calls', agent_id, date_trunc('hour', started_at, 'UTC') FROM activity_toolcall
WHERE id = ANY(%s::uuid[]) AND agent_id IS NOT NULL
"""
# The price is that of the endpoint with the same provider, else of one without; the client's own word comes first.
COUNT_ANSWERS = """
WITH told AS (
  SELECT s.id, n.agent_id, left(s.provider, 120) AS provider,
    left(CASE WHEN s.response_model <> '' THEN s.response_model ELSE s.request_model END, 255) AS model,
    s.started_at, coalesce(s.input_tokens, 0) AS input, coalesce(s.output_tokens, 0) AS output,
    coalesce(s.attributes ->> 'cost_usd', s.attributes ->> 'gen_ai.usage.cost', s.attributes ->> 'llm.cost.total')
      AS cost
  FROM unnest(%s::uuid[], %s::uuid[]) AS n (id, agent_id) JOIN activity_span s ON s.id = n.id
), counted AS (
  INSERT INTO activity_answer
    (id, agent_id, provider, model, started_at, input_tokens, output_tokens, cost_usd_micros)
  SELECT t.id, t.agent_id, t.provider, t.model, t.started_at, t.input, t.output,
    CASE WHEN t.cost ~ '^[0-9]{1,9}([.][0-9]+)?(e-?[0-9]{1,2})?$' THEN round(t.cost::numeric * 1000000)
      ELSE round(t.input * p.input_price + t.output * p.output_price) END
  FROM told t LEFT JOIN LATERAL (
    SELECT e.input_usd_per_million AS input_price, e.output_usd_per_million AS output_price
    FROM agents_modelendpoint e WHERE t.model IN (e.model, e.snapshot) AND e.provider IN (t.provider, '')
      AND e.input_usd_per_million IS NOT NULL AND e.output_usd_per_million IS NOT NULL
    ORDER BY e.provider = '', e.region, e.id LIMIT 1
  ) p ON true
  ON CONFLICT (id) DO NOTHING RETURNING agent_id, started_at
)
INSERT INTO activity_rollupmark ("of", agent_id, hour)
SELECT DISTINCT 'answers', agent_id, date_trunc('hour', started_at, 'UTC') FROM counted
"""


def mark_calls(call_ids: Collection[UUID]) -> None:
    """The hours these calls stand in now have to be summed anew. One query.

    To be called before what may move a call (another start, another agent) and after it.
    """
    if call_ids:
        with connection.cursor() as cursor:
            cursor.execute(MARK_CALLS, [as_array(call_ids)])


def count_answers(agent_of: Mapping[UUID, UUID]) -> None:
    """Keep these answers (span to agent) with tokens and cost, and mark their hours. One query."""
    if agent_of:
        with connection.cursor() as cursor:
            cursor.execute(COUNT_ANSWERS, [as_array(agent_of), as_array(agent_of.values())])
