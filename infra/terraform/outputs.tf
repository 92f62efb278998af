output "explorer" {
  description = "What explorer has to know: region, store, queue, image, roles and log group."
  value       = local.settings
}

output "config" {
  description = "The text of explorer.toml."
  value       = local.config
}

output "config_parameter" {
  description = "The SSM parameter with the same text."
  value       = aws_ssm_parameter.config.name
}

output "host" {
  description = "The notebook host: instance, the SSM parameter with its token, the repository of its image, its role."
  value = var.host == null ? null : {
    instance_id     = module.host[0].instance_id
    token_parameter = module.host[0].token_parameter
    image           = module.notebooks[0].repository_url
    role_arn        = module.host[0].role_arn
  }
}

output "bucket" {
  description = "Name of the bucket that holds the store."
  value       = module.store.bucket
}

output "submit_policy" {
  description = "Policy document of whoever submits: attach it to people's roles."
  value       = module.policies.submit
}

output "read_policy" {
  description = "Policy document of whoever only looks: plans, statuses, outputs, logs."
  value       = module.policies.read
}

output "notebook_policy" {
  description = "Policy document of whoever opens the notebook host: attach it to people's roles; null: no host."
  value       = module.policies.notebook
}

output "github_roles" {
  description = "ARNs of the roles for GitHub's workflows, to be set as EXPLORER_PLAN_ROLE and EXPLORER_APPLY_ROLE."
  value       = var.github == null ? null : { plan = module.ci[0].plan_role_arn, apply = module.ci[0].apply_role_arn }
}
