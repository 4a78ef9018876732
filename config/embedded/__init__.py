"""PostgreSQL and Valkey from wheels, for machines without servers. Imports nothing of Django."""
