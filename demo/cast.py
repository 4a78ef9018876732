"""The demo's agents: what each is, calls and runs on. Invented, like the company they work for."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Tool:
    """A tool with how often it is chosen, how often it fails (0 to 1) and how long it takes."""

    name: str
    weight: int = 4
    failure: float = 0.0
    duration_ms: int = 120


@dataclass(frozen=True)
class Work:
    """How well an agent does its job: shares from 0 to 1, cost a run in EUR. `since_release` is the share resolved since its
    newest version, where that one is worse; `model_before` is what ran before it."""

    resolved: float
    trust: float
    cost_eur: float
    model_before: str
    since_release: float | None = None

    @property
    def resolved_now(self) -> float:
        return self.resolved if self.since_release is None else self.since_release


@dataclass(frozen=True)
class Role:
    """One agent. `every_s` is the mean pause between its conversations; without `work` nobody says what they come to."""

    service: str
    name: str
    provider: str
    model: str
    tools: tuple[Tool, ...]
    every_s: float
    purpose: str = ""
    risk: tuple[int, int, int, int] | None = None
    team: str = ""
    owner: str = ""
    deputy: str = ""
    stray: tuple[str, ...] = field(default=())
    work: Work | None = None


REFUNDS = Role(
    "order-desk",
    "refund_agent",
    "openai",
    "gpt-4.1-2026-04-14",
    (
        Tool("lookup_order", 6, 0.02, 90),
        Tool("check_refund_policy", 4, 0.0, 40),
        Tool("refund_order", 2, 0.05, 380),
        Tool("send_customer_email", 2, 0.0, 210),
    ),
    every_s=4,
    purpose="Refunds customers whose order went wrong, up to 200.00, and tells them by e-mail.",
    risk=(3, 3, 3, 2),
    team="Customer operations",
    owner="Marta Lindqvist",
    deputy="Samir Haddad",
    stray=("export_customer_list",),
    work=Work(0.74, 0.81, 0.11, "gpt-4.1-2025-11-20"),
)

CAST: tuple[Role, ...] = (
    REFUNDS,
    Role(
        "treasury-tools",
        "sweep_planner",
        "anthropic",
        "claude-sonnet-4-20260514",
        (
            Tool("read_balances", 5, 0.01, 160),
            Tool("propose_transfer", 2, 0.0, 240),
            Tool("post_note", 2, 0.0, 60),
        ),
        every_s=9,
        purpose="Plans the evening sweep of idle balances and proposes transfers for a person to approve.",
        risk=(4, 2, 3, 3),
        team="Treasury",
        owner="Jan Eriksen",
        deputy="Marta Lindqvist",
        work=Work(0.88, 0.9, 0.31, "claude-3-7-sonnet-20250219"),
    ),
    Role(
        "service-desk",
        "ticket_triage",
        "openai",
        "gpt-4.1-mini-2026-04-14",
        (
            Tool("read_ticket", 6, 0.0, 70),
            Tool("search_runbooks", 4, 0.01, 140),
            Tool("assign_ticket", 3, 0.02, 110),
        ),
        every_s=6,
        purpose="Reads incoming IT tickets, finds the runbook that fits and assigns them to a group.",
        risk=(2, 3, 2, 1),
        team="Technology",
        owner="Aiko Tanaka",
        deputy="Samir Haddad",
        work=Work(0.83, 0.78, 0.04, "gpt-4.1-2026-01-12", since_release=0.58),
    ),
    Role(
        "hr-portal",
        "policy_answers",
        "mistral_ai",
        "mistral-large-2602",
        (Tool("search_policies", 6, 0.0, 180), Tool("quote_paragraph", 3, 0.0, 30)),
        every_s=11,
        purpose="Answers employees' questions about leave and travel, quoting the policy.",
        risk=(2, 1, 2, 2),
        team="People",
        owner="Aiko Tanaka",
        deputy="Jan Eriksen",
    ),
    Role(
        "marketing-eu",
        "campaign_writer",
        "openai",
        "gpt-4.1-mini-2026-04-14",
        (
            Tool("read_segment", 4, 0.0, 220),
            Tool("draft_copy", 4, 0.0, 90),
            Tool("schedule_send", 1, 0.1, 150),
        ),
        every_s=14,
    ),
    Role(
        "finance-lab",
        "invoice_matcher",
        "gcp.gemini",
        "gemini-2.5-pro",
        (
            Tool("read_invoice", 5, 0.03, 130),
            Tool("match_order", 4, 0.05, 170),
            Tool("flag_difference", 1, 0.0, 40),
        ),
        every_s=17,
    ),
)
PROTAGONIST = REFUNDS
