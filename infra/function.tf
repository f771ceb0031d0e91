locals {
  assumed_by_lambda = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })

  # What Lambda does to put a function in the VPC, on the interfaces that it makes itself: on every resource, as AWS's own
  # policy for this has it. Code of ours is denied all of it.
  network_interface_actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ]

  join_vpc = [
    {
      Sid      = "JoinVpc"
      Effect   = "Allow"
      Action   = local.network_interface_actions
      Resource = "*"
    },
    {
      # Lambda adds this key to calls that the function's own code makes, and only to those.
      Sid       = "JoinVpcNotFromCode"
      Effect    = "Deny"
      Action    = local.network_interface_actions
      Resource  = "*"
      Condition = { Null = { "lambda:SourceFunctionArn" = "false" } }
    },
  ]

  # Lambda decrypts the variables, and S3 the archive, with the caller's rights.
  use_key = [for key in var.kms_key_arn[*] : { Sid = "UseKey", Effect = "Allow", Action = "kms:Decrypt", Resource = key }]
}

# Made before the function: Lambda would make it without an end to its retention.
resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn

  tags = local.tags
}

resource "aws_iam_role" "function" {
  name                 = "${var.name}-function"
  assume_role_policy   = local.assumed_by_lambda
  permissions_boundary = var.permissions_boundary

  tags = local.tags
}

resource "aws_iam_role_policy" "function" {
  name = "function"
  role = aws_iam_role.function.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "WriteOwnLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.function.arn}:*"
      },
    ], local.use_key)
  })
}

resource "aws_iam_role_policy" "function_vpc" {
  count = local.vpc ? 1 : 0

  name = "vpc"
  role = aws_iam_role.function.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      for file_system in aws_efs_file_system.models : {
        # Without ClientWrite and ClientRootAccess the mount is read-only and has no root.
        Sid       = "ReadModels"
        Effect    = "Allow"
        Action    = "elasticfilesystem:ClientMount"
        Resource  = file_system.arn
        Condition = { StringEquals = { "elasticfilesystem:AccessPointArn" = aws_efs_access_point.models[0].arn } }
      }
    ], local.join_vpc)
  })
}

resource "aws_lambda_function" "ner" {
  function_name = var.name
  description   = "Named entity recognition: ${var.model}" # so that the list of versions tells their models
  role          = aws_iam_role.function.arn

  handler           = "burst_ner.handler.handler"
  runtime           = var.runtime
  architectures     = [var.architecture]
  s3_bucket         = aws_s3_object.code.bucket
  s3_key            = aws_s3_object.code.key
  s3_object_version = aws_s3_object.code.version_id
  source_code_hash  = try(filebase64sha256(var.code_zip), null) # a destroy has no zip to read
  publish           = true
  kms_key_arn       = var.kms_key_arn

  memory_size                    = var.memory_size
  timeout                        = var.timeout
  reserved_concurrent_executions = var.reserved_concurrency

  environment {
    variables = merge(
      { SPACY_MODEL_PATH = local.model_path },
      local.url ? { ORIGIN_SECRET_SHA256 = local.open ? join(",", var.origin_secret_sha256) : local.no_secret } : {},
      local.metrics ? {} : { METRICS = "off" },
    )
  }

  dynamic "vpc_config" {
    for_each = aws_security_group.function

    content {
      subnet_ids         = values(local.subnets)
      security_group_ids = [vpc_config.value.id]
    }
  }

  dynamic "file_system_config" {
    for_each = aws_efs_access_point.models

    content {
      arn              = file_system_config.value.arn
      local_mount_path = local.mount_path
    }
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.function.name
  }

  tags = local.tags

  # No version is published before its model is there. By then there is also all that a mount needs.
  depends_on = [
    aws_iam_role_policy.function,
    aws_iam_role_policy.function_vpc,
    aws_lambda_invocation.model,
  ]
}

# Where the function is since it was made. Its versions keep their network, so AWS would not give back what is taken out of
# it, and versions without their model store would fail. Under another name all would be made anew, and this one be gone
# before Kong knows. aws_lambda_alias.live refuses such changes.
locals {
  place = join(", ", concat([var.name, var.model_store], local.own_vpc ? [var.vpc_cidr] : var.subnet_ids))
}

resource "terraform_data" "place" {
  input = local.place

  lifecycle {
    ignore_changes = [input]
  }

  depends_on = [aws_lambda_function.ner]
}
