output "job" {
  description = "What work functions may do."
  value       = data.aws_iam_policy_document.job.json
}

output "secrets" {
  description = "What the execution role may do beside AWS's own policy; null where there are no secrets."
  value       = length(var.secret_arns) > 0 ? data.aws_iam_policy_document.secrets.json : null
}

output "read" {
  description = "What whoever looks may do: plans, statuses, outputs, logs."
  value       = data.aws_iam_policy_document.read.json
}

output "submit" {
  description = "What whoever submits may do; looking is in it."
  value       = data.aws_iam_policy_document.submit.json
}

output "push" {
  description = "What whoever pushes images may do."
  value       = data.aws_iam_policy_document.push.json
}

output "host" {
  description = "What the notebook host may do beside submitting; null where there is none."
  value       = one(data.aws_iam_policy_document.host[*].json)
}

output "notebook" {
  description = "What whoever opens the notebook host may do; null where there is none."
  value       = one(data.aws_iam_policy_document.notebook[*].json)
}

output "trust" {
  description = "Who may take a role, by the role: job, execution, instance, host and, for GitHub, plan and apply."
  value = merge(
    { for role, each in data.aws_iam_policy_document.service : role => each.json },
    { for role, each in data.aws_iam_policy_document.workflow : role => each.json },
  )
}
