"""The risk tier: four answers beside what the record shows, combined by a policy into one number, explained.

Pure: nothing here asks the database. `dimensions` has the questions, `rules` what a policy says, `assessment`
the tier and why, `facts` what the record says of each dimension.
"""

from apps.agents.risk.assessment import Assessment, Reason, assess
from apps.agents.risk.dimensions import (
    CERTIFICATION_FROM_TIER,
    DIMENSIONS,
    FIELDS,
    TIER_NAMES,
    Dimension,
    needs_certification,
    tier_words,
)
from apps.agents.risk.facts import Fact, Sign, Stated, fact_levels, judged
from apps.agents.risk.rules import AS_ANSWERED, STANDARD, Raise, Rules

__all__ = [
    "AS_ANSWERED", "CERTIFICATION_FROM_TIER", "DIMENSIONS", "FIELDS", "STANDARD", "TIER_NAMES", "Assessment", "Dimension",
    "Fact", "Raise", "Reason", "Rules", "Sign", "Stated", "assess", "fact_levels", "judged", "needs_certification",
    "tier_words",
]  # fmt: skip
