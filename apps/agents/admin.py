"""The administration site's view of the registry: to look at; curation has its own pages."""

from django.contrib import admin

from apps.agents.models import Agent, AgentAlias, ObservedModel, ObservedTool
from apps.identity.admin import LookOnly


@admin.register(Agent)
class AgentAdmin(LookOnly):
    list_display = ("name", "number", "state", "tier", "breaker_state", "owner", "last_seen")
    list_filter = ("state", "tier", "breaker_state")
    search_fields = ("name", "purpose")
    list_select_related = ("owner",)


@admin.register(AgentAlias)
class AgentAliasAdmin(LookOnly):
    list_display = ("agent", "source", "service_name", "agent_name", "first_seen")
    list_select_related = ("agent", "source")


@admin.register(ObservedTool)
class ObservedToolAdmin(LookOnly):
    list_display = ("agent", "tool_name", "mcp_server", "calls", "last_seen")
    list_select_related = ("agent",)


@admin.register(ObservedModel)
class ObservedModelAdmin(LookOnly):
    list_display = ("agent", "provider", "model", "calls", "last_seen")
    list_select_related = ("agent",)
