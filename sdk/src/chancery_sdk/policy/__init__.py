"""Deciding whether an agent may make a call: pure, without network or database, the same code wherever it is decided.

The server decides with it, a rehearsal replays recorded calls through it, and an agent decides with it from a signed
bundle while the server is away. Needs `cedarpy`: pip install 'chancery-sdk[policy]'.
"""
