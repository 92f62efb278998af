# Roles for GitHub's workflows, taken by OIDC: no key is stored anywhere. Planning and applying are apart.

locals {
  provider = var.github.provider_arn != null ? var.github.provider_arn : aws_iam_openid_connect_provider.github[0].arn
  host     = "token.actions.githubusercontent.com"

  subjects = {
    plan  = "repo:${var.github.repository}:pull_request"
    apply = "repo:${var.github.repository}:environment:${var.github.environment}"
  }
}

# An account has one provider for GitHub at most: a second stack is given its ARN.
resource "aws_iam_openid_connect_provider" "github" {
  count = var.github.provider_arn == null ? 1 : 0

  url            = "https://${local.host}"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "trust" {
  for_each = local.subjects

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.provider]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.host}:aud"
      values   = ["sts.amazonaws.com"]
    }

    # The whole subject, without a wildcard: another branch, or a fork, has another one.
    condition {
      test     = "StringEquals"
      variable = "${local.host}:sub"
      values   = [each.value]
    }
  }
}

resource "aws_iam_role" "this" {
  for_each = local.subjects

  name               = "${var.name}-github-${each.key}"
  description        = "Workflows of ${var.github.repository}: ${each.key}"
  assume_role_policy = data.aws_iam_policy_document.trust[each.key].json
}

resource "aws_iam_role_policy" "plan" {
  name   = "explorer"
  role   = aws_iam_role.this["plan"].id
  policy = var.read_policy
}

resource "aws_iam_role_policy" "apply" {
  name   = "explorer"
  role   = aws_iam_role.this["apply"].id
  policy = data.aws_iam_policy_document.apply.json
}

data "aws_iam_policy_document" "apply" {
  source_policy_documents = [var.submit_policy]

  # To push the image of a release.
  statement {
    sid       = "Login"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid = "Push"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:CompleteLayerUpload",
      "ecr:InitiateLayerUpload",
      "ecr:PutImage",
      "ecr:UploadLayerPart",
    ]
    resources = [var.repository_arn]
  }
}
