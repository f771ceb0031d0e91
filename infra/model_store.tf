# No lifecycle policy: a model that was moved to Infrequent Access would be billed on every cold start.
resource "aws_efs_file_system" "models" {
  creation_token                  = "${var.name}-models"
  encrypted                       = true
  throughput_mode                 = var.efs_throughput_mode
  provisioned_throughput_in_mibps = var.efs_provisioned_mibps

  tags = { Name = "${var.name}-models" }
}

# Without a policy any client that reaches a mount target may mount. With this one clients need IAM as well.
resource "aws_efs_file_system_policy" "models" {
  file_system_id = aws_efs_file_system.models.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = "*"
      Resource  = aws_efs_file_system.models.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_efs_mount_target" "models" {
  for_each = aws_subnet.private

  file_system_id  = aws_efs_file_system.models.id
  subnet_id       = each.value.id
  security_groups = [aws_security_group.model_store.id]
}

resource "aws_efs_access_point" "models" {
  file_system_id = aws_efs_file_system.models.id

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

  tags = { Name = "${var.name}-models" }
}
