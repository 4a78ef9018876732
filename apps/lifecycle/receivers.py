"""What certifications mean for the state of an agent."""

from typing import Any

from django.dispatch import receiver

from apps.compliance.models import Certification
from apps.compliance.signals import certification_issued
from apps.identity.models import Principal
from apps.lifecycle.services.moves import follow_certification


@receiver(certification_issued, dispatch_uid="lifecycle.follow_certification")
def accredit(sender: type[Certification], certification: Certification, actor: Principal, **_: Any) -> None:
    follow_certification(certification.agent, actor=actor)
