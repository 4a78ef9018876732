"""Who may do what: seven roles, each a set of permissions, in one table.

A role is given everywhere or for one team. An agent's own credential holds no role: it sees and asks for
itself alone; a service reports, and asks for agents of its team. An API key can only narrow what its principal may do, by its scopes.
"""

from django.db.models import TextChoices


class Role(TextChoices):
    VIEWER = "viewer", "Viewer"
    OWNER = "owner", "Agent owner"
    CURATOR = "curator", "Registry curator"
    OPERATOR = "operator", "Security operator"
    COMPLIANCE = "compliance", "Compliance officer"
    AUDITOR = "auditor", "Auditor"
    ADMINISTRATOR = "administrator", "Administrator"


class Permission(TextChoices):
    AGENTS_VIEW = "agents.view", "See agents"
    AGENTS_CURATE = "agents.curate", "Adopt and edit agents"
    AGENTS_DECLARE = "agents.declare", "Declare agents from a repository"
    ACTIVITY_VIEW = "activity.view", "See tool calls"
    ALERTS_ANSWER = "alerts.answer", "Answer alerts"
    ACTIVITY_JUDGE = "activity.judge", "Ask a model about a run"
    RISK_POLICY = "risk.policy", "Draft and apply the risk policy"
    POLICY_EDIT = "policy.edit", "Edit tool policies"
    DECISIONS_VIEW = "decisions.view", "See decisions"
    DECISIONS_ASK = "decisions.ask", "Ask whether an agent may act"
    APPROVALS_DECIDE = "approvals.decide", "Decide about calls that wait for a person"
    BREAKER_TRIP = "breaker.trip", "Trip a breaker"
    BREAKER_RESET = "breaker.reset", "Reset a breaker"
    BREAKER_REVIEW = "breaker.review", "Review stops made by hand"
    DRILLS_START = "drills.start", "Try the stop of an agent"
    SWITCHES_PULL = "switches.pull", "Pull a kill switch"
    COMPLIANCE_VIEW = "compliance.view", "See certifications and findings"
    COMPLIANCE_CERTIFY = "compliance.certify", "Certify agents"
    FINDINGS_RESOLVE = "findings.resolve", "Resolve findings"
    JOBS_RUN = "jobs.run", "Start drift detection and expiry"
    LIFECYCLE_MOVE = "lifecycle.move", "Move agents between states"
    IDENTITY_VIEW = "identity.view", "See people, teams and roles"
    IDENTITY_MANAGE = "identity.manage", "Manage people, teams and roles"
    KEYS_VIEW = "keys.view", "See API keys"
    KEYS_MANAGE = "keys.manage", "Mint and revoke API keys"
    LEDGER_VIEW = "ledger.view", "Read the ledger"
    OUTGOING_VIEW = "outgoing.view", "See webhooks and connectors"
    OUTGOING_MANAGE = "outgoing.manage", "Manage webhooks and connectors"
    INGEST = "ingest", "Report activity"
    RECORDING_MANAGE = "recording.manage", "Set what is recorded and how long; erase a person's data"
    DISCOVERIES_REPORT = "discoveries.report", "Report agents found in files"
    GATEWAY_RUN = "gateway.run", "Carry calls to MCP servers, with the secrets they need"


P = Permission
# Whoever sees an agent may stop it: a stop in an emergency waits for nobody, and is reviewed afterwards.
_SEE = frozenset({P.AGENTS_VIEW, P.ACTIVITY_VIEW, P.DECISIONS_VIEW, P.COMPLIANCE_VIEW, P.BREAKER_TRIP})
ROLE_PERMISSIONS: dict[str, frozenset[str]] = {
    Role.VIEWER: _SEE,
    Role.OWNER: _SEE
    | {
        P.AGENTS_CURATE,
        P.AGENTS_DECLARE,
        P.DISCOVERIES_REPORT,
        P.LIFECYCLE_MOVE,
        P.APPROVALS_DECIDE,
        P.DRILLS_START,
        P.ALERTS_ANSWER,
        P.ACTIVITY_JUDGE,
        P.IDENTITY_VIEW,
    },
    Role.CURATOR: _SEE
    | {
        P.AGENTS_CURATE,
        P.AGENTS_DECLARE,
        P.DISCOVERIES_REPORT,
        P.LIFECYCLE_MOVE,
        P.POLICY_EDIT,
        P.FINDINGS_RESOLVE,
        P.ALERTS_ANSWER,
        P.IDENTITY_VIEW,
        P.KEYS_VIEW,
    },
    Role.OPERATOR: _SEE
    | {
        P.POLICY_EDIT,
        P.APPROVALS_DECIDE,
        P.BREAKER_REVIEW,
        P.SWITCHES_PULL,
        P.DRILLS_START,
        P.DECISIONS_ASK,
        P.FINDINGS_RESOLVE,
        P.ALERTS_ANSWER,
        P.ACTIVITY_JUDGE,
        P.JOBS_RUN,
        P.IDENTITY_VIEW,
    },
    Role.COMPLIANCE: _SEE
    | {
        P.COMPLIANCE_CERTIFY,
        P.BREAKER_REVIEW,
        P.DRILLS_START,
        P.RECORDING_MANAGE,
        P.RISK_POLICY,
        P.FINDINGS_RESOLVE,
        P.ALERTS_ANSWER,
        P.ACTIVITY_JUDGE,
        P.JOBS_RUN,
        P.IDENTITY_VIEW,
        P.LEDGER_VIEW,
    },
    Role.AUDITOR: _SEE | {P.LEDGER_VIEW, P.IDENTITY_VIEW, P.KEYS_VIEW},
    # Nobody reads a stored secret again: that is for the gateway alone.
    Role.ADMINISTRATOR: frozenset(Permission.values) - {P.INGEST, P.GATEWAY_RUN},
}
AGENT_PERMISSIONS = frozenset({P.AGENTS_VIEW, P.ACTIVITY_VIEW, P.DECISIONS_ASK, P.DECISIONS_VIEW, P.INGEST})
SERVICE_PERMISSIONS = frozenset({P.INGEST, P.DISCOVERIES_REPORT, P.GATEWAY_RUN})
# A hook or gateway asks, a pipeline declares: for agents of its own team.
SERVICE_TEAM_PERMISSIONS = frozenset({P.DECISIONS_ASK, P.AGENTS_DECLARE})


class Scope(TextChoices):
    INGEST = "ingest", "Report activity (OTLP)"
    DECIDE = "decide", "Ask for decisions"
    READ = "read", "Read"
    WRITE = "write", "Change"
    REPORT = "report", "Report agents found in files"
    DECLARE = "declare", "Declare agents from a repository"
    GATEWAY = "gateway", "Run an MCP gateway"


ONE_SCOPE: dict[str, Scope] = {
    P.INGEST: Scope.INGEST,
    P.DECISIONS_ASK: Scope.DECIDE,
    P.DISCOVERIES_REPORT: Scope.REPORT,
    P.GATEWAY_RUN: Scope.GATEWAY,
}


def permits_scope(scopes: list[str], permission: str) -> bool:
    """True when a key with these scopes may use `permission` at all."""
    if permission in ONE_SCOPE:
        return ONE_SCOPE[permission] in scopes
    if permission == P.AGENTS_DECLARE and Scope.DECLARE in scopes:
        return True
    return Scope.WRITE in scopes or (permission.endswith(".view") and Scope.READ in scopes)
