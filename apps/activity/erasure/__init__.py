"""Erasure of one person's data over all activity: looked for and shown first, then removed for good.

services (who asks, confirms, cancels) > job (the clock: steps that survive a killed process) > rows (tables) and archived
(Parquet files) > leaves (what becomes of a value) > patterns (where an identifier stands). places says which tables and
columns are looked at, and why others are not. patterns and leaves are pure.
"""
