"""Who may do what, proved: the policies that Terraform makes, evaluated by a library that knows AWS's rules.

documents   the documents of infra/terraform/modules/policies, rendered with names of one's choice
roles       what the modules give to each role that they make
questions   what a logged request of the local cloud asks of a policy
simulator   puts questions to the library (evaluate.mjs, by Node)
audit       all requests of a cloud, against the policies of whoever made them
"""
