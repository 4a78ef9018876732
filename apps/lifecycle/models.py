"""The state machine is found here by Django: a proxy of the registry's agent, no table of its own."""

from apps.lifecycle.machine import GovernedAgent

__all__ = ["GovernedAgent"]
