"""What is usual for an agent, and what is not: baselines, detectors, alerts. After the 200, never before it.

calls after the cursor > their requests and earlier results (reading) > vectors (distance) > in one transaction:
surprises against the profile (surprise) > one score (combining) > the agent's own threshold (calibration)
> verdicts, alerts (alerts) > the profile learns (profile) > cursor

texts, instructions, provenance, distance, profile, surprise, calibration, combining and wording are pure.
"""
