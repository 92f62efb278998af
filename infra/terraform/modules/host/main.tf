# The notebook host: one instance that nothing reaches from outside but AWS Systems Manager, whose agent asks for work.

locals {
  scripts = ["mount-home.sh", "prepare.sh", "notebook.sh", "reconcile.sh", "idle.sh"]
  units   = [for each in fileset("${path.module}/files", "*.{service,timer}") : each if var.reconcile != null || !startswith(each, "explorer-reconcile")]
  started = concat(["explorer-home.service", "explorer-notebook.service", "explorer-idle.timer"], var.reconcile == null ? [] : ["explorer-reconcile.timer"])

  # Values for the scripts, which are no templates: they are checked and tested as they are.
  environment = {
    REGION               = data.aws_region.here.name
    CONFIG_PARAMETER     = var.config_parameter_name
    TOKEN_PARAMETER      = aws_ssm_parameter.token.name
    REPOSITORY           = var.repository_url
    HOME_VOLUME          = aws_ebs_volume.home.id
    IDLE_HOURS           = var.idle_hours
    RECONCILE_REPOSITORY = var.reconcile == null ? "" : var.reconcile.repository
    RECONCILE_BRANCH     = var.reconcile == null ? "" : var.reconcile.branch
    RECONCILE_FOLDER     = var.reconcile == null ? "" : var.reconcile.folder
  }

  cloud_config = {
    # docker is not in the machine image; the packages come from a bucket of the region.
    packages = ["docker", "jq"]

    write_files = concat(
      [{
        path    = "/etc/explorer/host.env"
        content = join("", [for name, value in local.environment : "${name}='${value}'\n"])
      }],
      [for each in local.scripts : {
        path        = "/usr/local/lib/explorer/${each}"
        permissions = "0755"
        content     = file("${path.module}/files/${each}")
      }],
      [for each in local.units : {
        path    = "/etc/systemd/system/${each}"
        content = file("${path.module}/files/${each}")
      }],
    )

    # Once a machine: what is enabled starts by itself with each later boot. --no-block, since the home volume is
    # attached only after cloud-init's machine counts as running.
    runcmd = [
      ["systemctl", "daemon-reload"],
      concat(["systemctl", "enable", "docker.service"], local.started),
      concat(["systemctl", "start", "--no-block", "docker.service"], local.started),
    ]
  }

  user_data = "#cloud-config\n${yamlencode(local.cloud_config)}"
}

data "aws_region" "here" {}

data "aws_subnet" "host" {
  id = var.subnet_id
}

# Amazon Linux 2023: it has the agent of Systems Manager, and the AWS CLI.
data "aws_ssm_parameter" "image" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}

# Two arguments are missing on purpose. associate_public_ip_address: the subnet decides, and a machine that is stopped
# has no address, so that the next apply would make another one. volume_tags: they would reach the home volume, too, and
# fight with its own.
resource "aws_instance" "host" {
  # checkov:skip=CKV_AWS_126:a minute's metrics cost, and nobody is to be woken by a notebook
  # checkov:skip=CKV_AWS_135:its types are EBS-optimised by themselves
  ami                                  = nonsensitive(data.aws_ssm_parameter.image.value)
  instance_type                        = var.instance_type
  subnet_id                            = var.subnet_id
  vpc_security_group_ids               = [var.security_group_id]
  iam_instance_profile                 = aws_iam_instance_profile.host.name
  instance_initiated_shutdown_behavior = "stop"

  # gzip, since AWS takes 16 KiB. A change of it makes another machine; the home volume stays.
  user_data_base64            = base64gzip(local.user_data)
  user_data_replace_on_change = true

  root_block_device {
    volume_type = "gp3"
    volume_size = var.root_gib
    encrypted   = true
    tags        = { Name = "${var.name}-host" }
  }

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
    # The notebook's container is on the machine's network, and so one hop away as the machine is.
    http_put_response_hop_limit = 1
  }

  tags = { Name = "${var.name}-host" }

  lifecycle {
    # A newer image would replace the machine at the next apply, in the middle of somebody's work:
    # terraform apply -replace=module.host[0].aws_instance.host renews it when it suits.
    ignore_changes = [ami]
  }
}

resource "aws_ebs_volume" "home" {
  # checkov:skip=CKV_AWS_189:AWS's own key; another would have to be granted to the instance
  availability_zone = data.aws_subnet.host.availability_zone
  type              = "gp3"
  size              = var.home_gib
  encrypted         = true
  snapshot_id       = var.home_snapshot
  final_snapshot    = var.keep_snapshot
  tags              = { Name = "${var.name}-home" }

  # Its snapshot is waited for, and another try would make another one.
  timeouts {
    delete = "3h"
  }

  lifecycle {
    # It tells what a new volume begins with; the one that is there stays, whatever it says later.
    ignore_changes = [snapshot_id]
  }
}

resource "aws_volume_attachment" "home" {
  device_name = "/dev/sdf"
  instance_id = aws_instance.host.id
  volume_id   = aws_ebs_volume.home.id

  # A mounted disk cannot be detached: without this, replacing the machine waits for ever.
  stop_instance_before_detaching = true
}

# JupyterLab's token. The host writes it when it starts; here is the place, so that it is removed with the rest.
# value_wo: with value, Terraform would read the token into its state.
resource "aws_ssm_parameter" "token" {
  # checkov:skip=CKV_AWS_337:AWS's own key of the account; whoever may read the parameter is who may open the notebook
  name        = "/explorer/${var.name}/notebook-token"
  description = "Token of the notebook host of ${var.name}"
  type        = "SecureString"

  value_wo         = "pending"
  value_wo_version = 1
}

resource "aws_iam_role" "host" {
  name               = "${var.name}-host"
  description        = "The notebook host of ${var.name}: submits, as whoever works there"
  assume_role_policy = var.trust["host"]
}

resource "aws_iam_instance_profile" "host" {
  name = "${var.name}-host"
  role = aws_iam_role.host.name
}

resource "aws_iam_role_policy" "submit" {
  name   = "submit"
  role   = aws_iam_role.host.id
  policy = var.submit_policy
}

resource "aws_iam_role_policy" "host" {
  name   = "host"
  role   = aws_iam_role.host.id
  policy = var.host_policy
}
