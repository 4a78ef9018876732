from apps.identity.models.credentials import ApiKey, IdempotentRequest
from apps.identity.models.ledger import LedgerCheckpoint, LedgerEntry, LedgerLeaf, LedgerPending
from apps.identity.models.principals import Person, Principal, RoleAssignment, Team

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
]
