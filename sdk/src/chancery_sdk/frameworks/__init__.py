"""Hooks of agent frameworks: each module reports every tool call, asks before it and blocks as its framework is blocked.

Each imports its framework; import the one you use: `from chancery_sdk.frameworks import langchain`.
"""
