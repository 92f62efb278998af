# The bucket of the store. Everything in it is created once and never changed; outputs never expire.

data "aws_caller_identity" "here" {}

locals {
  prefix = "explorer"
}

resource "aws_s3_bucket" "this" {
  # checkov:skip=CKV_AWS_18:access logs are the account's affair; CloudTrail has them where wanted
  # checkov:skip=CKV_AWS_144:a copy in a second region doubles the cost of data that can be computed again
  # checkov:skip=CKV_AWS_145:S3's own key protects as well against whoever has no credentials, and costs no requests
  # checkov:skip=CKV2_AWS_62:nobody listens
  # Bucket names are global: the account's number keeps others from having taken it.
  bucket = "${var.name}-store-${data.aws_caller_identity.here.account_id}"
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

data "aws_iam_policy_document" "tls" {
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "tls" {
  count = var.require_tls ? 1 : 0

  bucket = aws_s3_bucket.this.id
  policy = data.aws_iam_policy_document.tls.json

  # Both change the bucket's policy settings, and S3 refuses two at once.
  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  # What somebody deleted, or a retried write left, can be had back for a month.
  rule {
    id     = "deleted"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 30
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  # Wheels can be fetched or built again. Outputs are under analyses/, which no rule touches. Logs lie among them, where
  # no prefix tells them apart, and a tag on each would be a request more a job: they stay as long as their analysis.
  # What expires of logs is CloudWatch's copy, which is there while a job runs.
  rule {
    id     = "packages"
    status = "Enabled"

    filter {
      prefix = "${local.prefix}/packages/"
    }

    expiration {
      days = var.package_days
    }
  }

  # A rule about versions needs versions.
  depends_on = [aws_s3_bucket_versioning.this]
}
