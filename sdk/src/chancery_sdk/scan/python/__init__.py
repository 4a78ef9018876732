"""Agents in Python source, by its syntax tree: frameworks (the table), names (the scopes), agents (the reading)."""
