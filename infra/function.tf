locals {
  mount_path = "/mnt/models"

  # What Lambda does to put the function in the VPC. None of these can be narrowed to a resource.
  network_interface_actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ]
}

# Made before the function: Lambda would make it without an end to its retention.
resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "function" {
  name = "${var.name}-function"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "function" {
  name = "function"
  role = aws_iam_role.function.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "WriteOwnLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.function.arn}:*"
      },
      {
        # Without ClientWrite and ClientRootAccess the mount is read-only and has no root.
        Sid       = "ReadModels"
        Effect    = "Allow"
        Action    = "elasticfilesystem:ClientMount"
        Resource  = aws_efs_file_system.models.arn
        Condition = { StringEquals = { "elasticfilesystem:AccessPointArn" = aws_efs_access_point.models.arn } }
      },
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
  })
}

resource "aws_lambda_function" "ner" {
  function_name = var.name
  description   = "Named entity recognition with spaCy"
  role          = aws_iam_role.function.arn

  handler          = "burst_ner.handler.handler"
  runtime          = var.runtime
  architectures    = [var.architecture]
  filename         = var.code_zip
  source_code_hash = try(filebase64sha256(var.code_zip), null) # a destroy has no zip to read
  publish          = true

  memory_size                    = var.memory_size
  timeout                        = var.timeout
  reserved_concurrent_executions = var.reserved_concurrency

  environment {
    variables = merge(
      { SPACY_MODEL_PATH = "${local.mount_path}/${var.model}" },
      local.open ? { ORIGIN_SECRET_SHA256 = join(",", var.origin_secret_sha256) } : {},
    )
  }

  vpc_config {
    subnet_ids         = [for subnet in aws_subnet.private : subnet.id]
    security_group_ids = [aws_security_group.function.id]
  }

  file_system_config {
    arn              = aws_efs_access_point.models.arn
    local_mount_path = local.mount_path
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.function.name
  }

  lifecycle {
    precondition {
      condition     = fileexists(var.code_zip)
      error_message = "code_zip: there is no file ${var.code_zip}; build the function's zip first, or set code_zip to its path."
    }
  }

  # Lambda mounts the file system while it makes the function, so all that the mount needs must be there.
  depends_on = [
    aws_efs_file_system_policy.models,
    aws_efs_mount_target.models,
    aws_iam_role_policy.function,
    aws_vpc_security_group_egress_rule.function_nfs,
    aws_vpc_security_group_ingress_rule.model_store_nfs,
  ]
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "The version that Kong calls"
  function_name    = aws_lambda_function.ner.function_name
  function_version = aws_lambda_function.ner.version
}
