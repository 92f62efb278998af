terraform {
  # Tested with 1.11; native locking of a state in S3 (use_lockfile) needs 1.11.
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region = var.region

  # Activate them as cost allocation tags in the billing console, once an account.
  default_tags {
    tags = local.tags
  }
}
