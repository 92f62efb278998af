# The bucket.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "store" {
  # Of the mocked provider: a plan does not know yet what a rule leaves to AWS.
  command = apply

  module {
    source = "./modules/store"
  }

  variables {
    name         = "demo"
    package_days = 90
    require_tls  = true
  }

  assert {
    condition     = aws_s3_bucket.this.bucket == "demo-store-123456789012" && length(aws_s3_bucket_policy.tls) == 1
    error_message = "A bucket of its own, by TLS alone."
  }

  # The rule that matters most: nothing removes a current object but under packages/.
  assert {
    condition = alltrue([
      for each in aws_s3_bucket_lifecycle_configuration.this.rule :
      each.id == "packages" || alltrue([for expiry in each.expiration : coalesce(expiry.days, 0) == 0])
    ])
    error_message = "Outputs never expire."
  }
}
