"""What whoever opens the notebook host is asked about: make host-open's requests, and what would be more."""

from support.policies.simulator import ACCOUNT, Question
from support.policies.stack import CONFIG, HOST, REGION, TOKEN

SHELL = f"arn:aws:ssm:{REGION}:{ACCOUNT}:document/SSM-SessionManagerRunShell"
CHECKED = (("ssm:SessionDocumentAccessCheck", "true"),)
UNCHECKED = (("ssm:SessionDocumentAccessCheck", "false"),)
MINE = f"arn:aws:ssm:{REGION}:{ACCOUNT}:session/ada-0123"
ADA = (("aws:userid", "ada"),)
OPENING = [
    Question("ssm:StartSession", HOST, CHECKED),
    *(Question(f"ssm:{each}Session", MINE, ADA) for each in ("Resume", "Terminate")),
    Question("ssm:GetConnectionStatus", HOST),
    Question("ssm:GetParameter", TOKEN),
    Question("ec2:StartInstances", HOST),
    Question("ec2:DescribeInstances", "*"),
]
NO_OPENING = [
    Question("ssm:StartSession", HOST, UNCHECKED),  # without a document: a shell
    Question("ssm:StartSession", f"{HOST[:-1]}1", CHECKED),
    Question("ssm:StartSession", SHELL, CHECKED),
    Question("ssm:TerminateSession", MINE, (("aws:userid", "bob"),)),
    Question("ssm:SendCommand", HOST),
    Question("ssm:GetParameter", CONFIG),
    Question("ssm:PutParameter", TOKEN),
    Question("ec2:StartInstances", f"{HOST[:-1]}1"),
    *(Question(f"ec2:{each}", HOST) for each in ("StopInstances", "TerminateInstances")),
]
"""Refused to whoever opens the notebook, beside what is refused to everybody."""
