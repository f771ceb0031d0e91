locals {
  efs        = var.model_store == "efs"
  mount_path = "/mnt/models"

  # /var/task is where Lambda unpacks a zip, and the zip tool puts the model in the folder "model".
  model_path = local.efs ? "${local.mount_path}/${var.model}" : "/var/task/model"
}

# No lifecycle policy: a model that was moved to Infrequent Access would be billed on every cold start. No backup: the
# model can be built again.
resource "aws_efs_file_system" "models" {
  count = local.efs ? 1 : 0

  creation_token  = "${var.name}-models"
  encrypted       = true
  kms_key_id      = var.kms_key_arn
  throughput_mode = var.efs_throughput_mode

  tags = merge(local.tags, { Name = "${var.name}-models" })
}

# Without a policy any client that reaches a mount target may mount. With this one clients need IAM as well.
resource "aws_efs_file_system_policy" "models" {
  count = local.efs ? 1 : 0

  file_system_id = aws_efs_file_system.models[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = "*"
      Resource  = aws_efs_file_system.models[0].arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_efs_mount_target" "models" {
  for_each = local.efs ? local.subnets : {}

  file_system_id  = aws_efs_file_system.models[0].id
  subnet_id       = each.value
  security_groups = [aws_security_group.model_store[0].id]
}

resource "aws_efs_access_point" "models" {
  count = local.efs ? 1 : 0

  file_system_id = aws_efs_file_system.models[0].id

  posix_user {
    uid = 1001
    gid = 1001
  }

  root_directory {
    path = "/models"

    creation_info {
      owner_uid   = 1001
      owner_gid   = 1001
      permissions = "0750"
    }
  }

  tags = merge(local.tags, { Name = "${var.name}-models" })
}
