# Brings the model to EFS while Terraform applies: a second function, since nothing else in the VPC could write there. It
# streams the archive from S3, checks it, and renames it into place, or fails the apply with its reason.

resource "aws_cloudwatch_log_group" "provisioner" {
  count = local.efs ? 1 : 0

  name              = "/aws/lambda/${var.name}-provisioner"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn

  tags = local.tags
}

resource "aws_iam_role" "provisioner" {
  count = local.efs ? 1 : 0

  name                 = "${var.name}-provisioner"
  assume_role_policy   = local.assumed_by_lambda
  permissions_boundary = var.permissions_boundary

  tags = local.tags
}

resource "aws_iam_role_policy" "provisioner" {
  count = local.efs ? 1 : 0

  name = "provisioner"
  role = aws_iam_role.provisioner[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "WriteOwnLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.provisioner[0].arn}:*"
      },
      {
        # The version is always named, so s3:GetObject is not needed.
        Sid      = "ReadArchives"
        Effect   = "Allow"
        Action   = "s3:GetObjectVersion"
        Resource = local.models_arn
      },
      {
        Sid       = "WriteModels"
        Effect    = "Allow"
        Action    = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
        Resource  = aws_efs_file_system.models[0].arn
        Condition = { StringEquals = { "elasticfilesystem:AccessPointArn" = aws_efs_access_point.models[0].arn } }
      },
    ], local.join_vpc, local.use_key)
  })
}

resource "aws_lambda_function" "provisioner" {
  count = local.efs ? 1 : 0

  function_name = "${var.name}-provisioner"
  description   = "Brings prepared models from S3 to EFS"
  role          = aws_iam_role.provisioner[0].arn

  handler          = "provision.handler"
  runtime          = var.runtime
  architectures    = [var.architecture]
  filename         = var.provisioner_zip
  source_code_hash = try(filebase64sha256(var.provisioner_zip), null) # a destroy has no zip to read

  kms_key_arn = var.kms_key_arn
  memory_size = 1769 # one vCPU, which unpacks and hashes
  timeout     = 900  # seconds; it takes some, and more on a file system without burst credits

  # Two must not write at once, whoever calls. An account too small to reserve from goes without.
  reserved_concurrent_executions = var.reserved_concurrency == -1 ? -1 : 1

  environment {
    variables = {
      MODEL_ROOT = local.mount_path
      BUCKET     = local.bucket
    }
  }

  vpc_config {
    subnet_ids         = values(local.subnets)
    security_group_ids = [aws_security_group.provisioner[0].id]
  }

  file_system_config {
    arn              = aws_efs_access_point.models[0].arn
    local_mount_path = local.mount_path
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.provisioner[0].name
  }

  tags = local.tags

  lifecycle {
    precondition {
      condition     = fileexists(var.provisioner_zip)
      error_message = "provisioner_zip: there is no file ${var.provisioner_zip}; build it first, or set provisioner_zip to its path."
    }
  }

  # Lambda mounts the file system while it makes the function, so all that the mount needs must be there.
  depends_on = [
    aws_efs_file_system_policy.models,
    aws_efs_mount_target.models,
    aws_iam_role_policy.provisioner,
    aws_vpc_security_group_egress_rule.nfs,
    aws_vpc_security_group_egress_rule.s3,
    aws_vpc_security_group_ingress_rule.nfs,
  ]
}

# The input stays in the state: it must never hold a secret. When this fails it is not in the state, so the next apply
# tries again; the result is not checked here, since a bad one would stay and fail every later plan.
resource "aws_lambda_invocation" "model" {
  count = local.efs ? 1 : 0

  function_name = aws_lambda_function.provisioner[0].function_name

  input = jsonencode({
    model      = var.model
    key        = aws_s3_object.model[0].key
    version_id = aws_s3_object.model[0].version_id
    sha256     = local.model_sha256
  })

  # A new file system is empty.
  triggers = { access_point = aws_efs_access_point.models[0].id }
}
