"""What of the content of activity is recorded: whole, redacted, hashed or not at all.

redaction, policy and applying are pure and know nothing of Django: the ingest door applies them before anything is
stored. The pipeline applies them again when it knows the agent (again). services and current say what holds.
"""
