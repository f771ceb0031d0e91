# A batch over documents in S3, No credentials and no network: the provider is mocked.
mock_provider "aws" {
  source = "./tests/mock"
}

variables {
  model    = "en_core_web_lg-3.8.0-f32"
  code_zip = "versions.tf" # any file: the mocked provider does not open it
  batch    = { input = "s3://company/documents/", output = "s3://company/records/" }
}

run "none_by_default" {
  command = plan
  variables {
    batch = null
  }
  assert {
    condition = 0 == sum([for resources in [
      aws_cloudwatch_log_group.batch, aws_iam_role.batch, aws_iam_role_policy.batch, aws_lambda_function.batch, aws_iam_role.batch_states,
      aws_iam_role_policy.batch_states, aws_sfn_state_machine.batch, aws_cloudwatch_metric_alarm.batch, aws_security_group.batch,
      aws_vpc_security_group_egress_rule.batch_s3,
    ] : length(resources)]) && output.batch_state_machine_arn == null
    error_message = "There is a batch, or a part of one."
  }
}

run "worker" {
  assert {
    condition = [
      aws_lambda_function.batch[0].function_name, aws_lambda_function.batch[0].handler, aws_lambda_function.batch[0].timeout,
      aws_lambda_function.batch[0].memory_size, aws_lambda_function.batch[0].publish, aws_lambda_function.batch[0].reserved_concurrent_executions,
    ] == ["spacy-ner-service-batch", "burst_ner.batch.handler", 900, 1769, true, 50]
    error_message = "The worker is not the one that is documented, or takes environments of the callers'."
  }
  assert {
    condition = [
      aws_lambda_function.batch[0].s3_key, aws_lambda_function.batch[0].s3_object_version, aws_lambda_function.batch[0].environment[0].variables,
      ] == [
      aws_lambda_function.ner.s3_key, aws_lambda_function.ner.s3_object_version, tomap({ SPACY_MODEL_PATH = "/var/task/model" }),
    ]
    error_message = "The worker is of another zip or model than the function, or knows more than its model."
  }
  assert {
    condition = [for s in jsondecode(aws_iam_role_policy.batch[0].policy).Statement : [s.Effect, s.Action, s.Resource, try(s.Condition, null)]] == [
      ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], "${aws_cloudwatch_log_group.batch[0].arn}:*", null],
      ["Allow", ["s3:GetObject"], "arn:aws:s3:::company/documents/*", null],
      ["Allow", ["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::company/records/*", null],
      ["Allow", ["s3:ListBucket"], "arn:aws:s3:::company", { StringLike = { "s3:prefix" = "records/*" } }],
    ]
    error_message = "The worker may do more, or less, than read documents, write records and its log."
  }
  assert {
    condition     = length(aws_lambda_function.batch[0].vpc_config) == 0
    error_message = "The worker is in a VPC, where it would not reach S3."
  }
}

run "states" {
  assert {
    condition = [for s in jsondecode(aws_iam_role_policy.batch_states[0].policy).Statement : [s.Effect, s.Action, s.Resource]] == [
      ["Allow", "lambda:InvokeFunction", "${aws_lambda_function.batch[0].arn}:*"],
      ["Allow", "states:StartExecution", "arn:aws:states:us-east-1:123456789012:stateMachine:spacy-ner-service-batch"],
      ["Allow", ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"], "arn:aws:states:us-east-1:123456789012:execution:spacy-ner-service-batch/*"],
      ["Allow", ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"], "arn:aws:s3:::company/records/*_batch/*"],
    ]
    error_message = "The state machine may do more, or less, than call its worker and keep its books."
  }
  assert {
    condition = jsondecode(aws_iam_role.batch_states[0].assume_role_policy).Statement[0].Condition == {
      ArnEquals = { "aws:SourceArn" = "arn:aws:states:us-east-1:123456789012:stateMachine:spacy-ner-service-batch" }
    }
    error_message = "Another state machine could have this one's rights."
  }
  assert {
    condition = [
      jsondecode(aws_sfn_state_machine.batch[0].definition).States.Parts.MaxConcurrency,
      jsondecode(aws_sfn_state_machine.batch[0].definition).States.Parts.ItemReader.Parameters.Bucket,
      jsondecode(aws_sfn_state_machine.batch[0].definition).States.Parts.ItemProcessor.States.Work.Parameters.FunctionName,
    ] == [50, "company", aws_lambda_function.batch[0].qualified_arn]
    error_message = "More parts run at once than are reserved for, or a run would not keep its version."
  }
  assert {
    condition = [
      aws_cloudwatch_metric_alarm.batch[0].metric_name, aws_cloudwatch_metric_alarm.batch[0].dimensions, aws_cloudwatch_metric_alarm.batch[0].threshold,
    ] == ["ExecutionsFailed", tomap({ StateMachineArn = aws_sfn_state_machine.batch[0].arn }), 0]
    error_message = "Nobody is told of a batch that fails."
  }
}

run "choices" {
  command = plan
  variables {
    monitoring           = []
    reserved_concurrency = -1
    batch = {
      input        = "s3://a-bucket/"
      output       = "s3://another/records/"
      concurrency  = 7
      kms_key_arns = ["arn:aws:kms:us-east-1:123456789012:key/1234abcd"]
    }
  }
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.batch) == 0 && aws_lambda_function.batch[0].reserved_concurrent_executions == -1
    error_message = "There is an alarm, or something is reserved in an account that is too small."
  }
  assert {
    condition = [for s in slice(jsondecode(aws_iam_role_policy.batch[0].policy).Statement, 1, 5) : [s.Action, s.Resource]] == [
      [["s3:GetObject"], "arn:aws:s3:::a-bucket/*"],
      [["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::another/records/*"],
      [["s3:ListBucket"], "arn:aws:s3:::another"],
      [["kms:Decrypt", "kms:GenerateDataKey"], ["arn:aws:kms:us-east-1:123456789012:key/1234abcd"]],
    ]
    error_message = "The worker does not reach the buckets that are named."
  }
}

run "no_place_in_s3" {
  command = plan
  variables {
    batch = { input = "company/documents", output = "s3://company/records", concurrency = 0, kms_key_arns = ["mine"] }
  }
  expect_failures = [var.batch]
}

run "records_among_the_documents" {
  command = plan
  variables {
    batch = { input = "s3://company/", output = "s3://company/records/" }
  }
  expect_failures = [var.batch]
}

run "a_quota_too_small_for_both" {
  command = plan
  variables {
    reserved_concurrency = 500
    batch                = { input = "s3://company/documents/", output = "s3://company/records/", concurrency = 500 }
  }
  expect_failures = [data.aws_servicequotas_service_quota.concurrency]
}
