# The host's module on as little as it takes: what tests need of it is what cloud-init is given.

provider "aws" {
  region = "us-east-1"
}

data "aws_subnets" "all" {}

data "aws_security_groups" "all" {}

resource "aws_ssm_parameter" "config" {
  name  = "/explorer/demo/config"
  type  = "String"
  value = "executor = \"local\"\n"
}

module "host" {
  source = "./modules/host"

  name                  = "demo"
  subnet_id             = data.aws_subnets.all.ids[0]
  security_group_id     = data.aws_security_groups.all.ids[0]
  instance_type         = "r6i.large"
  home_gib              = 10
  idle_hours            = 2
  keep_snapshot         = false
  reconcile             = { repository = "/standin/repository", branch = "main", folder = "manifests" }
  config_parameter_name = aws_ssm_parameter.config.name
  repository_url        = "123456789012.dkr.ecr.us-east-1.amazonaws.com/demo-notebook"
  trust                 = { host = jsonencode({}) }
  host_policy           = jsonencode({})
  submit_policy         = jsonencode({})
}

resource "terraform_data" "user_data" {
  input = module.host.user_data
}

output "user_data" {
  value = terraform_data.user_data.output
}
