# Who may take a role: services of AWS, and GitHub's workflows by OIDC.

locals {
  services = {
    job       = "ecs-tasks.amazonaws.com"
    execution = "ecs-tasks.amazonaws.com"
    instance  = "ec2.amazonaws.com"
    host      = "ec2.amazonaws.com"
  }

  issuer = "token.actions.githubusercontent.com"

  # Planning and applying are apart.
  subjects = var.github == null ? {} : {
    plan  = "repo:${var.github.repository}:pull_request"
    apply = "repo:${var.github.repository}:environment:${var.github.environment}"
  }
}

data "aws_iam_policy_document" "service" {
  for_each = local.services

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = [each.value]
    }
  }
}

data "aws_iam_policy_document" "workflow" {
  for_each = local.subjects

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [var.github.provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }

    # The whole subject, without a wildcard: another branch, or a fork, has another one.
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = [each.value]
    }
  }
}
