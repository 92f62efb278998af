"""The policies of a stack, rendered by Terraform and asked as AWS would decide."""
