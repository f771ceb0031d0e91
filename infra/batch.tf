# Documents in S3, more than one machine's (docs/batch.md): a second function of the same zip and model, which nobody but
# the state machine calls, and the state machine, which runs it over the parts of a manifest. Off without var.batch.

locals {
  batch      = var.batch != null
  batch_name = "${var.name}-batch"

  # Of s3://BUCKET/PREFIX.
  batch_in  = try(regex("^s3://(?P<bucket>[^/]+)/(?P<prefix>.*)$", var.batch.input), { bucket = "", prefix = "" })
  batch_out = try(regex("^s3://(?P<bucket>[^/]+)/(?P<prefix>.*)$", var.batch.output), { bucket = "", prefix = "" })

  s3_arn       = "arn:${data.aws_partition.current.partition}:s3:::"
  batch_out_at = "${local.s3_arn}${local.batch_out.bucket}/${local.batch_out.prefix}"

  # Manifests, and what became of the runs: in the output, below a name that no document's record has.
  batch_runs_at = "${local.batch_out_at}*_batch/*"

  batch_states_arn = "arn:${data.aws_partition.current.partition}:states:${local.region}:${local.account_id}"

  batch_documents = [
    {
      Sid      = "ReadDocuments"
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = "${local.s3_arn}${local.batch_in.bucket}/${local.batch_in.prefix}*"
    },
    {
      Sid      = "WriteRecords"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject"]
      Resource = "${local.batch_out_at}*"
    },
    {
      Sid       = "FindRecords"
      Effect    = "Allow"
      Action    = ["s3:ListBucket"]
      Resource  = "${local.s3_arn}${local.batch_out.bucket}"
      Condition = { StringLike = { "s3:prefix" = "${local.batch_out.prefix}*" } }
    },
  ]

  batch_use_keys = [for keys in [try(var.batch.kms_key_arns, [])] : {
    Sid      = "UseBucketKeys"
    Effect   = "Allow"
    Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
    Resource = keys
  } if length(keys) > 0]
}

resource "aws_cloudwatch_log_group" "batch" {
  count = local.batch ? 1 : 0

  name              = "/aws/lambda/${local.batch_name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn

  tags = local.tags
}

resource "aws_iam_role" "batch" {
  count = local.batch ? 1 : 0

  name                 = local.batch_name
  assume_role_policy   = local.assumed_by_lambda
  permissions_boundary = var.permissions_boundary

  tags = local.tags
}

resource "aws_iam_role_policy" "batch" {
  count = local.batch ? 1 : 0

  name = "batch"
  role = aws_iam_role.batch[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "WriteOwnLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.batch[0].arn}:*"
      },
      ],
      [
        for file_system in aws_efs_file_system.models : {
          Sid       = "ReadModels"
          Effect    = "Allow"
          Action    = "elasticfilesystem:ClientMount"
          Resource  = file_system.arn
          Condition = { StringEquals = { "elasticfilesystem:AccessPointArn" = aws_efs_access_point.models[0].arn } }
        }
    ], local.batch_documents, local.batch_use_keys, [for statement in local.join_vpc : statement if local.vpc], local.use_key)
  })
}

resource "aws_lambda_function" "batch" {
  count = local.batch ? 1 : 0

  function_name = local.batch_name
  description   = "Named entity recognition of documents in S3: ${var.model}"
  role          = aws_iam_role.batch[0].arn

  handler           = "burst_ner.batch.handler"
  runtime           = var.runtime
  architectures     = [var.architecture]
  s3_bucket         = aws_s3_object.code.bucket
  s3_key            = aws_s3_object.code.key
  s3_object_version = aws_s3_object.code.version_id
  source_code_hash  = try(filebase64sha256(var.code_zip), null) # a destroy has no zip to read
  publish           = true                                      # a run keeps the version that it began with
  kms_key_arn       = var.kms_key_arn

  memory_size = var.memory_size
  timeout     = 900 # the most that Lambda has

  # Its own, so that a backfill never takes what callers need. An account too small to reserve from goes without.
  reserved_concurrent_executions = var.reserved_concurrency == -1 ? -1 : var.batch.concurrency

  environment {
    variables = { SPACY_MODEL_PATH = local.model_path }
  }

  dynamic "vpc_config" {
    for_each = aws_security_group.batch

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
    log_group  = aws_cloudwatch_log_group.batch[0].name
  }

  tags = local.tags

  # The trial of the same zip and model comes first.
  depends_on = [
    aws_iam_role_policy.batch,
    aws_lambda_invocation.model,
    aws_lambda_invocation.trial,
    aws_vpc_security_group_egress_rule.batch_s3,
  ]
}

resource "aws_iam_role" "batch_states" {
  count = local.batch ? 1 : 0

  name                 = "${local.batch_name}-states"
  permissions_boundary = var.permissions_boundary

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "states.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { ArnEquals = { "aws:SourceArn" = "${local.batch_states_arn}:stateMachine:${local.batch_name}" } }
    }]
  })

  tags = local.tags
}

resource "aws_iam_role_policy" "batch_states" {
  count = local.batch ? 1 : 0

  name = "states"
  role = aws_iam_role.batch_states[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "CallWorker"
        Effect   = "Allow"
        Action   = "lambda:InvokeFunction"
        Resource = "${aws_lambda_function.batch[0].arn}:*"
      },
      {
        Sid      = "StartParts"
        Effect   = "Allow"
        Action   = "states:StartExecution"
        Resource = "${local.batch_states_arn}:stateMachine:${local.batch_name}"
      },
      {
        Sid      = "FollowParts"
        Effect   = "Allow"
        Action   = ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"]
        Resource = "${local.batch_states_arn}:execution:${local.batch_name}/*"
      },
      {
        # Large results go up in parts.
        Sid      = "ManifestAndResults"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
        Resource = local.batch_runs_at
      },
    ], local.batch_use_keys)
  })
}

resource "aws_sfn_state_machine" "batch" {
  count = local.batch ? 1 : 0

  name     = local.batch_name
  role_arn = aws_iam_role.batch_states[0].arn

  definition = templatefile("${path.module}/batch.asl.tftpl", {
    bucket      = local.batch_out.bucket
    concurrency = var.batch.concurrency
    partition   = data.aws_partition.current.partition
    worker      = aws_lambda_function.batch[0].qualified_arn
  })

  tags = local.tags

  depends_on = [aws_iam_role_policy.batch_states]
}

resource "aws_cloudwatch_metric_alarm" "batch" {
  count = local.batch && contains(var.monitoring, "alarms") ? 1 : 0

  alarm_name          = local.batch_name
  alarm_description   = "A batch ended before its end: over half of its parts failed, or it could not read its manifest. burst-ner-batch status says why."
  namespace           = "AWS/States"
  metric_name         = "ExecutionsFailed"
  dimensions          = { StateMachineArn = aws_sfn_state_machine.batch[0].arn }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns

  tags = local.tags
}

# With a network: S3 is all that the worker reaches beside its model.

resource "aws_security_group" "batch" {
  count = local.batch && local.vpc ? 1 : 0

  name        = local.batch_name
  description = "The batch worker: NFS to the model store and HTTPS to S3, nothing else"
  vpc_id      = local.vpc_id

  tags = merge(local.tags, { Name = local.batch_name })

  depends_on = [aws_iam_role_policy.batch] # as in network.tf
}

resource "aws_vpc_security_group_egress_rule" "batch_s3" {
  count = local.batch && local.vpc ? 1 : 0

  security_group_id = aws_security_group.batch[0].id
  prefix_list_id    = data.aws_prefix_list.s3[0].id
  description       = "HTTPS to S3"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443

  tags = local.tags
}
