# Roles, and what they have: documents of modules/policies, and AWS's own policies.

data "aws_partition" "here" {}

locals {
  managed = "arn:${data.aws_partition.here.partition}:iam::aws:policy/service-role"
}

# -- the job's own: what a work function may do with AWS ----------------------------------------------

resource "aws_iam_role" "job" {
  name               = "${var.name}-job"
  description        = "What work functions of ${var.name} may do"
  assume_role_policy = var.trust["job"]
}

resource "aws_iam_role_policy" "job" {
  name   = "explorer"
  role   = aws_iam_role.job.id
  policy = var.job_policy
}

# -- execution: pulls the image, writes logs, reads the secrets that a definition names -----------------

resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  description        = "Starts containers of ${var.name}"
  assume_role_policy = var.trust["execution"]
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "${local.managed}/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy" "secrets" {
  count = var.secrets_policy == null ? 0 : 1

  name   = "secrets"
  role   = aws_iam_role.execution.id
  policy = var.secrets_policy
}

# -- the machines' and Batch's own ---------------------------------------------------------------------

resource "aws_iam_role" "instance" {
  name               = "${var.name}-instance"
  description        = "Machines of ${var.name}: the ECS agent"
  assume_role_policy = var.trust["instance"]
}

resource "aws_iam_role_policy_attachment" "instance" {
  role       = aws_iam_role.instance.name
  policy_arn = "${local.managed}/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_instance_profile" "instance" {
  name = "${var.name}-instance"
  role = aws_iam_role.instance.name
}
