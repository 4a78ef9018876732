from apps.identity.models.credentials import ApiKey, IdempotentRequest
from apps.identity.models.ledger import LedgerCheckpoint, LedgerEntry, LedgerLeaf, LedgerPending
from apps.identity.models.principals import Person, Principal, RoleAssignment, Team
from apps.identity.models.webhooks import (
    WebhookAttempt,
    WebhookCursor,
    WebhookDelivery,
    WebhookEndpoint,
)

__all__ = [
    "ApiKey",
    "IdempotentRequest",
    "LedgerCheckpoint",
    "LedgerEntry",
    "LedgerLeaf",
    "LedgerPending",
    "Person",
    "Principal",
    "RoleAssignment",
    "Team",
    "WebhookAttempt",
    "WebhookCursor",
    "WebhookDelivery",
    "WebhookEndpoint",
]
