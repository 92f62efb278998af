"""The stack ``lab``: its names, as policies and questions have them."""

from support.policies.simulator import ACCOUNT

REGION = "eu-central-1"
BATCH = f"arn:aws:batch:{REGION}:{ACCOUNT}"
ROLES = f"arn:aws:iam::{ACCOUNT}:role"
ISSUER = "token.actions.githubusercontent.com"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:token-AbCdEf"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/6e28d2e9-5a1f-4c49-9b0c-3b7d0d2c8f11"
PARAMETER = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/lab/token"
IMAGES = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/lab-runner"
NOTEBOOKS = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/lab-notebook"
CONFIG = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/explorer/lab/config"
IMAGE = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/explorer/lab/notebook-image"
TOKEN = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/explorer/lab/notebook-token"
HOST = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-0123456789abcdef0"
LOGS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/explorer/lab"

NAMES = {
    "bucket_arn": "arn:aws:s3:::lab-store",
    "store_prefix": "explorer",
    "data_buckets": ["lab-data"],
    "kms_key_arns": [KEY],
    "secret_arns": [SECRET, PARAMETER],
    "queue_arn": f"{BATCH}:job-queue/lab-jobs",
    "repository_arn": IMAGES,
    "log_group_arn": LOGS,
    "job_role_arn": f"{ROLES}/lab-job",
    "execution_role_arn": f"{ROLES}/lab-execution",
    "host": {
        "config_parameter_arn": CONFIG,
        "image_parameter_arn": IMAGE,
        "token_parameter_arn": TOKEN,
        "repository_arn": NOTEBOOKS,
    },
    "host_instance_arn": HOST,
    "github": {"repository": "lab/analyses", "environment": "production", "provider_arn": PROVIDER},
}
