# Who may take a role: services of AWS, and GitHub's workflows by OIDC.

locals {
  services = {
    job       = "ecs-tasks.amazonaws.com"
    execution = "ecs-tasks.amazonaws.com"
    instance  = local.ec2
    host      = local.ec2
  }

  # China's is the one partition with another name of EC2; ECS has one name everywhere.
  # https://docs.amazonaws.cn/en_us/aws/latest/userguide/iam.html
  ec2 = local.partition == "aws-cn" ? "ec2.amazonaws.com.cn" : "ec2.amazonaws.com"

  issuer = "token.actions.githubusercontent.com"

  # OWNER/NAME; OWNER@ID/NAME@ID of repositories that were made, renamed or transferred since July 15, 2026, or opted in.
  # Of the two a repository has one, and the one with numbers cannot become somebody else's:
  # https://docs.github.com/en/actions/reference/security/oidc#immutable-subject-claims
  repository = var.github == null ? "" : (
    var.github.owner_id == null ? var.github.repository :
    format("%s@%d/%s@%d",
      split("/", var.github.repository)[0], var.github.owner_id,
      split("/", var.github.repository)[1], var.github.repository_id,
    )
  )

  # Planning and applying are apart.
  subjects = var.github == null ? {} : {
    plan  = "repo:${local.repository}:pull_request"
    apply = "repo:${local.repository}:environment:${var.github.environment}"
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
