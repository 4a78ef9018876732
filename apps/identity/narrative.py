"""The ledger in sentences: every action code, told about its target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from apps.identity.mentions import veiled
from apps.identity.models import LedgerEntry

SENTENCES: Mapping[str, str] = {
    "agents.agent.discovered": "noticed it: {detail[agent_name]} of {detail[service_name]}",
    "agents.agent.drafted": "put it on record as a draft",
    "agents.agent.adopted": "adopted it. {detail[tier_reason]}",
    "agents.agent.edited": "edited the record",
    "agents.agent.reconciled": "brought in what {detail[source]} says",
    "agents.agent.declared": "declared it in {detail[place]}",
    "agents.agent.undeclared": "no longer declares it in {detail[place]}",
    "agents.agent.confirmed": "confirmed that the record is true",
    "agents.agent.absorbed": "merged {detail[name]} ({detail[ref]}) into it",
    "agents.agent.merged": "merged it into {detail[name]} ({detail[ref]})",
    "agents.agent.unmerged": "undid its merge with {detail[name]} ({detail[ref]})",
    "agents.agent.withdrawn": "withdrew the draft",
    "agents.instance.drafted": "put it on record as a draft, an instance of {detail[source]}",
    "agents.blueprint.created": "defined the blueprint {detail[name]}",
    "agents.blueprint.edited": "changed the definition",
    "agents.blueprint.removed": "removed the blueprint {detail[name]}",
    "agents.blueprint.attached": "made it an instance of {detail[source]}",
    "agents.blueprint.detached": "let it go its own way: it is no instance of {detail[source]} any longer",
    "agents.blueprint.granted": "gave every instance leave to use {detail[tool]}",
    "agents.blueprint.revoked": "ended every instance's leave to use {detail[tool]}",
    "agents.custom_field.defined": "defined the custom field {detail[label]}",
    "agents.custom_field.edited": "changed the custom field {detail[label]}",
    "agents.custom_field.removed": "removed the custom field {detail[label]}",
    "agents.agent.retiered": "moved it from tier {detail[before]} to {detail[after]} by risk policy version {detail[policy]}. {detail[why]}",
    "agents.risk.reassessed": "judged its risk by the facts as they are now",
    "agents.ai_act.begun": "began to answer the questions of the EU AI Act",
    "agents.ai_act.discarded": "discarded the answers begun for the EU AI Act",
    "agents.ai_act.classified": "classified it under the EU AI Act: {detail[words]}",
    "agents.risk_policy.drafted": "drafted the risk policy {detail[name]}",
    "agents.risk_policy.edited": "edited the draft {detail[name]}: {detail[parts]}",
    "agents.risk_policy.discarded": "discarded the draft {detail[name]}",
    "agents.risk_policy.applied": "applied the risk policy {detail[name]} as version {detail[number]} to {detail[agents]} agents",
    "agents.claim.settled": "settled what sources said of {detail[field]}",
    "activity.outcome_rules.set": "said what may be derived of its runs",
    "activity.external_event.noted": "noted that something happened outside: {detail[label]}",
    "agents.version.began": "saw version {detail[number]} of it",
    "agents.dependency.stated": "stated that it {detail[relation]} {detail[target]}",
    "agents.dependency.withdrawn": "took back that it {detail[relation]} {detail[target]}",
    "agents.grant.given": "gave it leave to use {detail[tool]}",
    "agents.grant.revoked": "ended its leave to use {detail[tool]}",
    "agents.campaign.begun": "began the campaign {detail[title]}, to be answered by {detail[due_on]}",
    "agents.campaign.closed": "closed the campaign",
    "agents.campaign.mailed_again": "sent the mail to {detail[person]} again",
    "agents.campaign.reminded": "reminded {detail[people]} people of {detail[agents]} agents",
    **{
        f"agents.{kind}.{verb}": f"{told} the {words} {{detail[name]}}"
        for kind, words in (
            ("tool", "tool"),
            ("model", "model"),
            ("predictive_model", "predictive model"),
            ("data_source", "data source"),
            ("system", "system"),
        )
        for verb, told in (("registered", "put on record"), ("edited", "edited"), ("removed", "removed"))
    },
    "agents.connector.created": "connected {detail[name]} at {detail[url]}",
    "agents.connector.edited": "edited the connector {detail[name]}",
    "agents.connector.removed": "removed the connector {detail[name]}",
    "agents.connector.pushed": "had every agent told to {detail[name]} again",
    "agents.agent.found": "took it from the inbox: {detail[evidence]}",
    "agents.candidates.reported": "reported {detail[findings]} findings of {detail[source]}: {detail[new]} new, "
    "{detail[changed]} changed",
    "agents.candidate.adopted": "put {detail[name]} on record as {detail[agent]}",
    "agents.candidate.linked": "found {detail[name]} to be {detail[agent]}: {detail[why]}",
    "agents.candidate.ignored": "ignored {detail[name]} until {detail[until]}",
    "agents.candidate.returned": "brought {detail[name]} back: {detail[why]}",
    "lifecycle.agent.registered": "registered it",
    "lifecycle.agent.in_review": "submitted it for review",
    "lifecycle.agent.certified": "accredited it",
    "lifecycle.agent.staging": "moved it to staging",
    "lifecycle.agent.production": "moved it to production",
    "lifecycle.agent.suspended": "suspended it",
    "lifecycle.agent.quarantined": "quarantined it",
    "lifecycle.agent.deprecated": "deprecated it",
    "lifecycle.agent.retired": "retired it",
    "activity.alert.opened": "gave an alert: {detail[title]}. {detail[reason]}",
    "activity.alert.fine": "called an alert fine: {detail[title]}",
    "activity.alert.confirmed": "confirmed an alert: {detail[title]}",
    "activity.alert.snoozed": "put an alert off until {detail[until]}: {detail[title]}",
    "activity.baseline.frozen": "froze what is usual for it, {detail[calls]} calls, as certified",
    "activity.detector.set": "set {detail[what]} of {detail[whose]}",
    "activity.retention.set": "set how long is kept: {detail[what]}, {detail[how_long]}",
    "activity.recording.set": "set what is recorded of content, version {detail[number]}: {detail[words]}, and {detail[count]} rules",
    "activity.archive.written": "archived {detail[rows]} rows of {detail[table]} of {detail[day]}",
    "activity.day.deleted": "deleted {detail[rows]} rows of {detail[table]} of {detail[day]} by retention",
    "activity.erasure.requested": "asked to have one person's data erased, known by {detail[identifiers]} identifiers",
    "activity.erasure.confirmed": "had {detail[found]} records with one person's data erased",
    "activity.erasure.done": "erased one person's data from {detail[erased]} records",
    "activity.erasure.cancelled": "cancelled an erasure, {detail[erased]} records into it",
    "activity.erasure.forgotten": "cancelled an erasure that nobody confirmed within a week",
    "activity.read_back.declared": "declared how calls of {detail[name]} are read back, version {detail[number]}: {detail[words]}",
    "activity.read_back.removed": "took back how calls of {detail[name]} are read back",
    "activity.run.judged": "asked the model {detail[model]} where the run {detail[conversation]} went wrong",
    "oversight.policy.set": "set its tool policy to {detail[after]}",
    "oversight.policy.dropped": "dropped its tool policy",
    "oversight.decisions.sealed": "sealed {detail[count]} decisions",
    "oversight.decision.denied": "was refused {detail[tool]}",
    "oversight.decision.asked": "asked a person about {detail[tool]}",
    "oversight.policies.created": "wrote the policy {detail[policy]}",
    "oversight.policies.drafted": "drafted version {detail[version]} of the policy {detail[policy]}",
    "oversight.policies.version_proposed": "proposed version {detail[version]} of the policy {detail[policy]}",
    "oversight.policies.version_approved": "approved version {detail[version]} of the policy {detail[policy]}",
    "oversight.policies.version_refused": "refused version {detail[version]} of the policy {detail[policy]}",
    "oversight.policies.rolled_out": "rolled out version {detail[version]} of {detail[policy]} to {detail[percent]} %",
    "oversight.policies.rolled_back": "took {detail[policy]} back from version {detail[from]} to {detail[to]}",
    "oversight.policies.mode_set": "set the policy {detail[policy]} from {detail[before]} to {detail[after]}",
    "oversight.policies.retired": "retired the policy {detail[policy]}",
    "oversight.policies.example_set": "kept the example {detail[name]} of the policy {detail[policy]}",
    "oversight.policies.example_dropped": "dropped the example {detail[name]} of the policy {detail[policy]}",
    "oversight.approval.seconded": "approved {detail[tool]} as the first of two",
    "oversight.approval.approved": "approved a call of {detail[tool]}",
    "oversight.approval.denied": "denied a call of {detail[tool]}",
    "oversight.approval.expired": "let a call of {detail[tool]} expire",
    "oversight.approval.withdrawn": "withdrew a call of {detail[tool]}",
    "oversight.approval.done": "carried out {detail[tool]} for the agent",
    "oversight.approval.handed_over": "left a call of {detail[tool]} to {detail[to]}",
    "oversight.approval.noted": "wrote a note on a call of {detail[tool]}",
    "oversight.standing_approval.given": "approved calls of {detail[tool]} in advance",
    "oversight.standing_approval.revoked": "took back the consent to calls of {detail[tool]}",
    "oversight.standing_approval.reviewed": "looked at the consent to calls of {detail[tool]}",
    "oversight.mode.set": "set its mode from {detail[before]} to {detail[after]}",
    "oversight.level.set": "set the oversight of {detail[tool]} to {detail[after]}",
    "oversight.level.dropped": "dropped the oversight level of {detail[tool]}",
    "oversight.budget.set": "set a budget of {detail[most]} {detail[kind]}",
    "oversight.budget.dropped": "dropped a budget of {detail[most]} {detail[kind]}",
    "oversight.breaker.tripped": "tripped its breaker",
    "oversight.breaker.reset": "reset its breaker after {detail[corrective_action]}; it is on trial",
    "oversight.breaker.reset_requested": "asked a second administrator to reset its breaker, after {detail[corrective_action]}",
    "oversight.breaker.reset_declined": "declined to reset its breaker",
    "oversight.breaker.armed": "armed its breaker again: {detail[why]}",
    "oversight.breaker.reviewed": "reviewed the stop by {detail[stopped_by]}",
    "oversight.breaker.limit_set": "set when breakers trip of {detail[whose]}: {detail[words]}",
    "oversight.breaker.limit_dropped": "dropped what was chosen for {detail[whose]}: {detail[cause]}",
    "oversight.switch.pulled": "pulled the kill switch of {detail[words]}",
    "oversight.switch.released": "released the kill switch of {detail[words]} after {detail[corrective_action]}",
    "oversight.drill.started": "began a drill of its stop",
    "oversight.drill.finished": "ended a drill of its stop: {detail[words]}",
    "oversight.upstream.created": "put the MCP server {detail[name]} at {detail[place]} behind the gateway",
    "oversight.upstream.edited": "edited the MCP server {detail[name]}",
    "oversight.upstream.enabled": "let the gateway carry calls to {detail[name]} again",
    "oversight.upstream.disabled": "had the gateway carry nothing to {detail[name]}",
    "oversight.upstream.removed": "removed the MCP server {detail[name]}",
    "oversight.definition.pinned": "pinned {detail[count]} tools of {detail[name]} as they were first seen: {detail[tools]}",
    "oversight.definition.held": "held {detail[tool]} back for what changed or is hidden in it: {detail[why]}",
    "oversight.definition.approved": "approved the changed definition of {detail[tool]}",
    "oversight.definition.refused": "refused the changed definition of {detail[tool]}",
    "oversight.blueprint.policy_set": "set the tool policy of every instance to {detail[after]}",
    "oversight.blueprint.policy_dropped": "dropped the tool policy of every instance",
    "oversight.blueprint.stopped": "stopped every instance",
    "oversight.blueprint.reset": "let every instance act again",
    "compliance.blueprint.certified": "certified the definition against {detail[framework]}, tier {detail[tier]}",
    "compliance.blueprint.revoked": "revoked the {detail[framework]} certification of every instance",
    "compliance.certification.issued": "certified it against {detail[framework]}, tier {detail[tier]}",
    "compliance.certification.expired": "ended its {detail[framework]} certification: its time was over",
    "compliance.certification.revoked": "revoked its {detail[framework]} certification",
    "compliance.certification.superseded": "replaced its {detail[framework]} certification by a newer one",
    "compliance.framework.created": "created the framework {detail[name]}",
    "compliance.framework.edited": "edited the framework",
    "compliance.control.added": "added the control {detail[code]} {detail[title]}",
    "compliance.control.edited": "edited the control {detail[code]}",
    "compliance.drift.run": "started drift detection",
    "compliance.expiry.run": "started the expiry of certifications",
    "compliance.finding.opened": "opened a finding: {detail[title]}",
    "compliance.finding.resolved": "resolved a finding",
    "identity.api_key.minted": "minted the API key {detail[name]}",
    "identity.api_key.revoked": "revoked an API key",
    "identity.principal.deactivated": "closed its access: {detail[keys]} keys, {detail[sessions]} sessions",
    "identity.principal.reactivated": "gave it its access back",
    "identity.password.reset": "reset the password",
    "identity.password.changed": "chose a new password",
    "identity.team.edited": "edited the team",
    "identity.source.created": "created the telemetry source {detail[name]}",
    "identity.team.created": "created the team {detail[name]}",
    "identity.person.created": "created the account of {detail[name]}",
    "identity.role.assigned": "gave the role {detail[role]}",
    "identity.role.withdrawn": "withdrew the role {detail[role]}",
    "identity.webhook.created": "told the webhook {detail[name]} at {detail[url]} of {detail[events]}",
    "identity.webhook.edited": "edited the webhook {detail[name]}",
    "identity.webhook.enabled": "enabled the webhook {detail[name]}",
    "identity.webhook.disabled": "disabled the webhook {detail[name]}",
    "identity.webhook.removed": "removed the webhook {detail[name]}",
    "identity.webhook.rotated": "gave the webhook {detail[name]} a new secret",
    "identity.webhook.replayed": "sent {detail[deliveries]} events again to the webhook {detail[name]}",
    "identity.session.started": "signed in",
}

VEILED: Mapping[str, str] = {
    "agents.agent.absorbed": "merged {detail[name]} into it",
    "agents.agent.merged": "merged it into {detail[name]}",
    "agents.agent.unmerged": "undid its merge with {detail[name]}",
}


@dataclass(frozen=True)
class Told:
    """A ledger entry as people read it. `changes` maps a field to (before, after)."""

    actor_kind: str
    actor_name: str
    sentence: str
    reason: str
    at: datetime
    changes: dict[str, tuple[str, str]]


def told(entry: LedgerEntry, *, is_veiled: bool = False) -> Told:
    """The entry in words; an unknown code is told as it is. Veiled: without the name of the agent it mentions."""
    body = orjson.loads(bytes(entry.body))
    detail = body.get("detail", {})
    sentences = SENTENCES
    if is_veiled:
        detail, sentences = veiled(entry.action, detail), {**SENTENCES, **VEILED}
    stated = detail.get("changes")
    pairs = stated.items() if isinstance(stated, dict) else ()  # versions tell their changes as sentences
    changes = {name: (pair[0], pair[1]) for name, pair in pairs}
    return Told(
        body["actor"]["kind"],
        body["actor"]["name"],
        _sentence(sentences.get(entry.action, entry.action), detail),
        body.get("reason", ""),
        entry.at,
        changes,
    )


class _Readable(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "unknown"


def _sentence(sentence: str, detail: dict[str, Any]) -> str:
    words = {
        key: ", ".join(map(str, value)) if isinstance(value, list) else value for key, value in detail.items()
    }
    return sentence.format(detail=_Readable(words)).strip()
