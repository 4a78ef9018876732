"""The MCP gateway: asyncio, a process of its own, nothing of Django. `python -m apps.oversight.gateway`

The way of one call, each step in the module of its name: bytes > messages (one reading of them) > callers (who asks) >
court (may it?) > obligations > upstreams or bridge (the server) > answers (what came of it) > reporting (told to Chancery).
"""
