# The notebook host: what the machine itself asks of AWS (modules/host/files), beside what whoever submits there may.

data "aws_iam_policy_document" "host" {
  # checkov:skip=CKV_AWS_111:the agent's channels know no resources; the rest is as AWS's page about sessions has it
  # checkov:skip=CKV_AWS_356:likewise
  count = var.host == null ? 0 : 1

  # What sessions need. AWS's own AmazonSSMManagedInstanceCore also reads every parameter of the account.
  # https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html
  statement {
    sid = "Sessions"
    actions = [
      "ssm:UpdateInstanceInformation",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "Settings"
    actions   = ["ssm:GetParameter"]
    resources = [var.host.config_parameter_arn, var.host.image_parameter_arn]
  }

  # Written, never read: the host has the token in a file.
  statement {
    sid       = "Token"
    actions   = ["ssm:PutParameter"]
    resources = [var.host.token_parameter_arn]
  }

  statement {
    # Knows no resources.
    sid       = "Login"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  # As AWS's AmazonEC2ContainerRegistryPullOnly, of one repository.
  statement {
    sid       = "Pull"
    actions   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [var.host.repository_arn]
  }
}

# -- whoever opens the notebook: make host-open, and nothing else on the machine -----------------------------
# https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-restrict-access-quickstart.html

locals {
  # arn:PARTITION:ec2:REGION:ACCOUNT:instance/ID
  region = var.host_instance_arn == null ? null : split(":", var.host_instance_arn)[3]
}

data "aws_iam_policy_document" "notebook" {
  # checkov:skip=CKV_AWS_356:looking at instances knows no resources
  count = var.host == null ? 0 : 1

  # One document of AWS's: ports of the machine, and no shell of it, which would be root's.
  statement {
    sid     = "Forward"
    actions = ["ssm:StartSession"]
    resources = [
      var.host_instance_arn,
      "arn:${local.partition}:ssm:${local.region}::document/AWS-StartPortForwardingSession",
    ]

    # Without it a session without a document, which is a shell, would be asked about the instance alone.
    condition {
      test     = "BoolIfExists"
      variable = "ssm:SessionDocumentAccessCheck"
      values   = ["true"]
    }
  }

  statement {
    sid       = "OwnSessions"
    actions   = ["ssm:ResumeSession", "ssm:TerminateSession", "ssmmessages:OpenDataChannel"]
    resources = ["arn:${local.partition}:ssm:*:*:session/&{aws:userid}-*"]
  }

  statement {
    sid       = "Connected"
    actions   = ["ssm:GetConnectionStatus"]
    resources = [var.host_instance_arn]
  }

  statement {
    sid       = "Token"
    actions   = ["ssm:GetParameter"]
    resources = [var.host.token_parameter_arn]
  }

  statement {
    sid       = "Start"
    actions   = ["ec2:StartInstances"]
    resources = [var.host_instance_arn]
  }

  statement {
    # Knows no resources.
    sid       = "Look"
    actions   = ["ec2:DescribeInstances"]
    resources = ["*"]
  }
}
