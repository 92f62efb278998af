"""Whether EC2's quotas let a stack have its machines.

New accounts have 5 CPUs, and jobs then wait without a word.
"""

from typing import Any

_CODES = {"Spot": "L-34B43A08", "On-Demand": "L-1216C47A"}
"""Of standard machines, in CPUs (https://docs.aws.amazon.com/general/latest/gr/ec2-service.html)."""
_BESIDE = 200
"""CPUs above max_vcpus: Batch may exceed it by one machine (m7i.48xlarge has 192), and the host has some."""


def find_low(quotas: Any, region: str, *, max_vcpus: int, spot: bool) -> str:
    """What to say of quotas below what a stack may use, by the client of Service Quotas.

    Nothing where they suffice, or where AWS does not tell.
    """
    asked = {kind: _ask(quotas, code) for kind, code in _CODES.items() if spot or kind != "Spot"}
    low = {kind: value for kind, value in asked.items() if value is not None and value < max_vcpus}
    if not low:
        return ""
    have = ", ".join(f"{value:g} of {kind}" for kind, value in low.items())
    request = f"aws service-quotas request-service-quota-increase --region {region} --service-code ec2"
    return "\n".join(
        [
            f"EC2 lets this account have {have} CPUs in {region}, and max_vcpus is {max_vcpus}: jobs beyond",
            "that wait in RUNNABLE. Ask for more, which may take a day (docs/operations.md, Quotas):",
            *(
                f"  {request} --quota-code {_CODES[kind]} --desired-value {max_vcpus + _BESIDE}"
                for kind in low
            ),
        ]
    )


def _ask(quotas: Any, code: str) -> float | None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return float(quotas.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"])
    except (BotoCoreError, ClientError):
        return None  # not everybody may ask, and nothing depends on it
