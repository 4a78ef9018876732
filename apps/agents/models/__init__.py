"""The registry's rows."""

from apps.agents.models.agents import (
    GOVERNED,
    NEVER,
    Agent,
    AgentQuerySet,
    AiActClass,
    BreakerState,
    Environment,
    OfAgent,
    OversightLevel,
    State,
    agent_id_of,
    plain,
    ref_of,
)
from apps.agents.models.assets import (
    ASSETS,
    SENSITIVITY,
    Asset,
    CatalogueQuerySet,
    DataClass,
    DataSource,
    ModelEndpoint,
    PredictiveModel,
    SideEffect,
    System,
    Tool,
    ToolOperation,
)
from apps.agents.models.blueprints import Blueprint, BlueprintGrant, OfBlueprint
from apps.agents.models.claims import Claim, CustomField
from apps.agents.models.connectors import Connector, PushedItem
from apps.agents.models.curation import Bookmark, CurationItem, CurationJob, SavedView
from apps.agents.models.declarations import Declaration
from apps.agents.models.dependencies import Dependency, Leave, NodeKind, Origin, ToolGrant
from apps.agents.models.discovery import Candidate, Evidence, SourceKind
from apps.agents.models.evidence import BEYOND, AgentAlias, ObservedModel, ObservedTool, ObservedUse
from apps.agents.models.review import AgentMerge, Campaign, CampaignItem, CampaignMail, QualitySnapshot
from apps.agents.models.risk_policy import RiskPolicy, number_of, rules_of
from apps.agents.models.risk_record import AiActClassification, RiskFacts, facts_of, stated_of
from apps.agents.models.search import (
    EMBEDDING_DIMENSIONS,
    LETTER_BUCKETS,
    AgentVector,
    SearchDocument,
    SearchState,
    SearchTerm,
)
from apps.agents.models.versions import AgentRevision, AgentVersion

__all__ = [
    "ASSETS", "BEYOND", "EMBEDDING_DIMENSIONS", "GOVERNED", "LETTER_BUCKETS", "NEVER", "SENSITIVITY", "Agent", "AgentAlias", "AgentMerge",
    "AgentQuerySet", "AgentRevision", "AgentVector", "AgentVersion", "AiActClass", "AiActClassification", "Asset",
    "Blueprint", "BlueprintGrant", "Bookmark", "BreakerState", "Campaign", "CampaignItem", "CampaignMail",
    "Candidate", "CatalogueQuerySet", "Claim", "Connector", "CurationItem", "CurationJob", "CustomField", "DataClass",
    "DataSource", "Declaration", "Dependency", "Environment", "Evidence", "Leave", "ModelEndpoint", "NodeKind",
    "ObservedModel", "ObservedTool", "ObservedUse", "OfAgent", "OfBlueprint", "Origin", "OversightLevel",
    "PredictiveModel", "PushedItem", "QualitySnapshot", "RiskFacts", "RiskPolicy", "SavedView", "SearchDocument",
    "SearchState", "SearchTerm", "SideEffect", "SourceKind", "State", "System", "Tool", "ToolGrant", "ToolOperation",
    "agent_id_of", "facts_of", "number_of", "plain", "ref_of", "rules_of", "stated_of",
]  # fmt: skip
