"""Reading the registry for pages and for other apps."""

from apps.agents.queries.lists import edges_visible_to, fleet_matrix

__all__ = ["edges_visible_to", "fleet_matrix"]
