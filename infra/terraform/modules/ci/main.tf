# Roles for GitHub's workflows, taken by OIDC: no key is stored anywhere. Planning and applying are apart.

locals {
  provider = var.github.provider_arn != null ? var.github.provider_arn : aws_iam_openid_connect_provider.github[0].arn
  roles    = toset(["plan", "apply"])
}

# An account has one provider for GitHub at most: a second stack is given its ARN.
resource "aws_iam_openid_connect_provider" "github" {
  count = var.github.provider_arn == null ? 1 : 0

  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "this" {
  for_each = local.roles

  name               = "${var.name}-github-${each.key}"
  description        = "Workflows of ${var.github.repository}: ${each.key}"
  assume_role_policy = var.trust[each.key]
}

resource "aws_iam_role_policy" "plan" {
  name   = "explorer"
  role   = aws_iam_role.this["plan"].id
  policy = var.read_policy
}

resource "aws_iam_role_policy" "apply" {
  name   = "explorer"
  role   = aws_iam_role.this["apply"].id
  policy = var.submit_policy
}

# The images of releases.
resource "aws_iam_role_policy" "push" {
  name   = "images"
  role   = aws_iam_role.this["apply"].id
  policy = var.push_policy
}
