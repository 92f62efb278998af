# Who may do what. Each role has what docs/aws.md lists and nothing else; tests evaluate that.

data "aws_partition" "here" {}
data "aws_region" "here" {}
data "aws_caller_identity" "here" {}

locals {
  partition  = data.aws_partition.here.partition
  region     = data.aws_region.here.name
  account    = data.aws_caller_identity.here.account_id
  batch      = "arn:${local.partition}:batch:${local.region}:${local.account}"
  objects    = "${var.bucket_arn}/${var.store_prefix}/*"
  data_arns  = [for each in var.data_buckets : "arn:${local.partition}:s3:::${each}"]
  secrets    = [for each in var.secret_arns : each if strcontains(each, ":secretsmanager:")]
  parameters = [for each in var.secret_arns : each if strcontains(each, ":ssm:")]
}

data "aws_iam_policy_document" "trust" {
  for_each = {
    job       = "ecs-tasks.amazonaws.com"
    execution = "ecs-tasks.amazonaws.com"
    instance  = "ec2.amazonaws.com"
    service   = "batch.amazonaws.com"
  }

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = [each.value]
    }
  }
}

# -- the job's own: what a work function may do with AWS ----------------------------------------------

resource "aws_iam_role" "job" {
  name               = "${var.name}-job"
  description        = "What work functions of ${var.name} may do"
  assume_role_policy = data.aws_iam_policy_document.trust["job"].json
}

data "aws_iam_policy_document" "job" {
  statement {
    sid       = "Store"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
    resources = [local.objects]
  }

  statement {
    sid       = "Buckets"
    actions   = ["s3:ListBucket"]
    resources = concat([var.bucket_arn], local.data_arns)
  }

  dynamic "statement" {
    for_each = length(local.data_arns) > 0 ? [1] : []

    content {
      sid       = "Data"
      actions   = ["s3:GetObject"]
      resources = [for each in local.data_arns : "${each}/*"]
    }
  }
}

resource "aws_iam_role_policy" "job" {
  name   = "explorer"
  role   = aws_iam_role.job.id
  policy = data.aws_iam_policy_document.job.json
}

# -- execution: pulls the image, writes logs, reads the secrets that a definition names -----------------

resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  description        = "Starts containers of ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.trust["execution"].json
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

data "aws_iam_policy_document" "secrets" {
  dynamic "statement" {
    for_each = length(local.secrets) > 0 ? [1] : []

    content {
      sid       = "Secrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = local.secrets
    }
  }

  dynamic "statement" {
    for_each = length(local.parameters) > 0 ? [1] : []

    content {
      sid       = "Parameters"
      actions   = ["ssm:GetParameters"]
      resources = local.parameters
    }
  }
}

resource "aws_iam_role_policy" "secrets" {
  count = length(var.secret_arns) > 0 ? 1 : 0

  name   = "secrets"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.secrets.json
}

# -- the machines' and Batch's own ---------------------------------------------------------------------

resource "aws_iam_role" "instance" {
  name               = "${var.name}-instance"
  description        = "Machines of ${var.name}: the ECS agent"
  assume_role_policy = data.aws_iam_policy_document.trust["instance"].json
}

resource "aws_iam_role_policy_attachment" "instance" {
  role       = aws_iam_role.instance.name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_instance_profile" "instance" {
  name = "${var.name}-instance"
  role = aws_iam_role.instance.name
}

resource "aws_iam_role" "service" {
  name               = "${var.name}-service"
  description        = "AWS Batch, for ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.trust["service"].json
}

resource "aws_iam_role_policy_attachment" "service" {
  role       = aws_iam_role.service.name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AWSBatchServiceRole"
}

# -- people: whoever looks, and whoever submits ----------------------------------------------------------

data "aws_iam_policy_document" "read" {
  statement {
    sid       = "Store"
    actions   = ["s3:GetObject"]
    resources = concat([local.objects], [for each in local.data_arns : "${each}/*"])
  }

  statement {
    sid       = "Buckets"
    actions   = ["s3:ListBucket"]
    resources = concat([var.bucket_arn], local.data_arns)
  }

  statement {
    # These know no resources.
    sid = "Look"
    actions = [
      "batch:DescribeComputeEnvironments",
      "batch:DescribeJobDefinitions",
      "batch:DescribeJobQueues",
      "batch:DescribeJobs",
      "batch:ListJobs",
      "logs:DescribeLogGroups",
      "sts:GetCallerIdentity",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "Logs"
    actions   = ["logs:GetLogEvents"]
    resources = ["${aws_cloudwatch_log_group.jobs.arn}:*"]
  }

  statement {
    sid       = "Images"
    actions   = ["ecr:DescribeImages"]
    resources = [var.repository_arn]
  }
}

data "aws_iam_policy_document" "submit" {
  source_policy_documents = [data.aws_iam_policy_document.read.json]

  statement {
    sid       = "Write"
    actions   = ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    resources = [local.objects]
  }

  statement {
    sid = "Submit"
    actions = [
      "batch:RegisterJobDefinition",
      "batch:SubmitJob",
      "batch:TagResource",
      "batch:TerminateJob",
    ]
    resources = [
      aws_batch_job_queue.this.arn,
      "${local.batch}:job-definition/explorer-*",
      "${local.batch}:job/*",
    ]
  }

  statement {
    sid       = "Roles"
    actions   = ["iam:GetRole", "iam:PassRole"]
    resources = [aws_iam_role.job.arn, aws_iam_role.execution.arn]
  }
}
