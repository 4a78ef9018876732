"""The ingest door: OTLP/HTTP in, rows out, 200 only after the commit. Imports nothing of Django.

asgi > auth > decode > normalise (by the dialect tables) > rows > writer (COPY, commit) > 200
"""
