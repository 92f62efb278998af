# Who may do what, as documents alone: nothing is made here, so that tests have the very same ones in seconds.
# What an action can be limited to is AWS's service authorization reference:
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html, likewise list_amazons3,
# list_amazonelasticcontainerregistry, list_amazoncloudwatchlogs, list_awsidentityandaccessmanagementiam.

locals {
  partition = split(":", var.bucket_arn)[1]
  # arn:PARTITION:batch:REGION:ACCOUNT
  batch       = join(":", slice(split(":", var.queue_arn), 0, 5))
  jobs        = "${local.batch}:job/*"
  definitions = "${local.batch}:job-definition/explorer-*"
  limits      = "${local.batch}:consumable-resource/explorer-*"

  store        = "${var.bucket_arn}/${var.store_prefix}"
  data_buckets = [for each in var.data_buckets : "arn:${local.partition}:s3:::${each}"]
  data_objects = [for each in local.data_buckets : "${each}/*"]

  # arn:PARTITION:ecr:REGION:ACCOUNT:repository/*
  repositories = replace(var.repository_arn, "/repository\\/.*/", "repository/*")

  secrets    = [for each in var.secret_arns : each if strcontains(each, ":secretsmanager:")]
  parameters = [for each in var.secret_arns : each if strcontains(each, ":ssm:")]
}

# -- buckets: what everybody sees of them ----------------------------------------------------------------

data "aws_iam_policy_document" "buckets" {
  statement {
    sid       = "ReadObjects"
    actions   = ["s3:GetObject"]
    resources = concat(["${local.store}/*"], local.data_objects)
  }

  statement {
    sid       = "ListStore"
    actions   = ["s3:ListBucket"]
    resources = [var.bucket_arn]

    # IfExists: HeadBucket has no prefix; nor has GetObject, and S3 says that an object is missing only to
    # whoever may list (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
    condition {
      test     = "StringLikeIfExists"
      variable = "s3:prefix"
      values   = ["${var.store_prefix}/*"]
    }
  }

  dynamic "statement" {
    for_each = length(local.data_buckets) > 0 ? [1] : []

    content {
      sid       = "ListData"
      actions   = ["s3:ListBucket"]
      resources = local.data_buckets
    }
  }

  # S3 asks KMS for whoever reads, and only of what is read there:
  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
  dynamic "statement" {
    for_each = length(var.kms_key_arns) > 0 ? [1] : []

    content {
      sid       = "DecryptData"
      actions   = ["kms:Decrypt"]
      resources = var.kms_key_arns

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["s3.${split(":", var.queue_arn)[3]}.*"]
      }
    }
  }
}

# -- jobs --------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "job" {
  source_policy_documents = [data.aws_iam_policy_document.buckets.json]

  # Not the packages of all analyses, nor their index. Nothing is ever deleted.
  statement {
    sid       = "WriteOutputs"
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = ["${local.store}/analyses/*"]
  }
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

# -- people: whoever looks, and whoever submits ------------------------------------------------------------

data "aws_iam_policy_document" "read" {
  source_policy_documents = [data.aws_iam_policy_document.buckets.json]

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
    resources = ["${var.log_group_arn}:log-stream:*"]
  }

  # Of every repository: a job definition may name any image, which runs by the digest that is looked up.
  statement {
    sid       = "Images"
    actions   = ["ecr:DescribeImages"]
    resources = [local.repositories]
  }
}

data "aws_iam_policy_document" "submit" {
  source_policy_documents = [data.aws_iam_policy_document.read.json]

  statement {
    sid       = "Write"
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = ["${local.store}/*"]
  }

  # Analyses, what names them, and what doctor has tried. Packages stay: other analyses have the same.
  statement {
    sid       = "Delete"
    actions   = ["s3:DeleteObject"]
    resources = [for each in ["analyses", "doctor", "index", "reuse"] : "${local.store}/${each}/*"]
  }

  # A submission has to be allowed on queue, definition and job, each: here on this queue alone.
  statement {
    sid       = "Submit"
    actions   = ["batch:SubmitJob"]
    resources = [var.queue_arn, local.definitions, local.jobs]
  }

  statement {
    sid       = "Define"
    actions   = ["batch:RegisterJobDefinition", "batch:TagResource"]
    resources = [local.definitions]
  }

  # Tags come with a submission; every job of Explorer's has this one.
  statement {
    sid       = "TagJobs"
    actions   = ["batch:TagResource"]
    resources = [local.jobs]

    condition {
      test     = "Null"
      variable = "aws:RequestTag/explorer:analysis"
      values   = ["false"]
    }
  }

  # Jobs have ids alone, so tags must tell whose they are.
  statement {
    sid       = "Terminate"
    actions   = ["batch:TerminateJob", "batch:CancelJob"]
    resources = [local.jobs]

    condition {
      test     = "Null"
      variable = "aws:ResourceTag/explorer:analysis"
      values   = ["false"]
    }
  }

  # One job of an array (ID:INDEX) cannot have tags
  # (https://docs.aws.amazon.com/batch/latest/APIReference/API_TagResource.html).
  statement {
    sid       = "TerminateOne"
    actions   = ["batch:TerminateJob"]
    resources = ["${local.jobs}:*"]
  }

  # run(parallel=...): a resource for each analysis that has such a limit. Listing knows no resources.
  statement {
    sid = "Limits"
    actions = [
      "batch:CreateConsumableResource",
      "batch:DeleteConsumableResource",
      "batch:DescribeConsumableResource",
      "batch:TagResource",
    ]
    resources = [local.limits]
  }

  statement {
    sid       = "SubmitWithLimit"
    actions   = ["batch:SubmitJob"]
    resources = [local.limits]
  }

  statement {
    sid       = "ListLimits"
    actions   = ["batch:ListConsumableResources"]
    resources = ["*"]
  }

  statement {
    sid       = "SeeRoles"
    actions   = ["iam:GetRole"]
    resources = [var.job_role_arn, var.execution_role_arn]
  }

  # Asked when a definition is registered. Without iam:PassedToService: no page of AWS's tells what Batch says there, and its
  # example has none (https://docs.aws.amazon.com/batch/latest/userguide/iam-example-job-def.html). The bound is the
  # two roles, which nothing but ECS's tasks takes (trust.tf).
  statement {
    sid       = "PassRoles"
    actions   = ["iam:PassRole"]
    resources = [var.job_role_arn, var.execution_role_arn]
  }
}

# -- releases: https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html ------------------

data "aws_iam_policy_document" "push" {
  statement {
    # Knows no resources.
    sid       = "Login"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid = "Push"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:CompleteLayerUpload",
      "ecr:InitiateLayerUpload",
      "ecr:PutImage",
      "ecr:UploadLayerPart",
    ]
    resources = [var.repository_arn]
  }
}
