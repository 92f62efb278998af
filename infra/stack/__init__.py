"""``make up``, ``make down`` and ``make host-open``: from nothing to a running cluster, and back.

__main__    the commands
up, down    their steps, each of which may be repeated
host        starting the notebook host and reaching it
terraform   what is asked of Terraform
aws         what is asked of AWS besides
bucket      of the state: closed, encrypted, versioned
registry    images of a repository: whether one is there, removing all
quotas      whether EC2 lets the stack have its machines
steps       how steps are told of, and how they fail
"""
