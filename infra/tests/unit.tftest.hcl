# What is there with either model_store. No credentials and no network: the provider is mocked.
mock_provider "aws" {
  source = "./tests/mock"
}

variables {
  model    = "en_core_web_lg-3.8.0-f32"
  code_zip = "versions.tf" # any file: the mocked provider does not open it
}

run "package_needs_no_network_and_no_file_system" {
  assert {
    condition = 0 == sum([for resources in [
      data.aws_availability_zones.available, data.aws_prefix_list.s3, aws_vpc.main, values(aws_subnet.private), aws_default_route_table.private,
      aws_default_security_group.closed, aws_vpc_endpoint.s3, aws_security_group.function, aws_security_group.provisioner,
      aws_security_group.model_store, values(aws_vpc_security_group_egress_rule.nfs), values(aws_vpc_security_group_ingress_rule.nfs),
      aws_vpc_security_group_egress_rule.s3, aws_efs_file_system.models, aws_efs_file_system_policy.models,
      values(aws_efs_mount_target.models), aws_efs_access_point.models, aws_cloudwatch_log_group.provisioner,
      aws_iam_role.provisioner, aws_iam_role_policy.provisioner, aws_lambda_function.provisioner, aws_lambda_invocation.model,
      aws_s3_object.model, aws_iam_role_policy.function_vpc,
    ] : length(resources)])
    error_message = "There is a VPC, a file system, a provisioner, or a part of one."
  }
  assert {
    condition     = length(aws_lambda_function.ner.vpc_config) == 0 && length(aws_lambda_function.ner.file_system_config) == 0
    error_message = "The function is in a VPC, or mounts something."
  }
  assert {
    condition     = aws_lambda_function.ner.environment[0].variables["SPACY_MODEL_PATH"] == "/var/task/model"
    error_message = "The function would not find the model in its zip."
  }
}

run "function" {
  command = plan
  assert {
    condition = [
      aws_lambda_function.ner.function_name, aws_lambda_function.ner.handler, aws_lambda_function.ner.runtime,
      aws_lambda_function.ner.architectures, aws_lambda_function.ner.memory_size, aws_lambda_function.ner.timeout,
    ] == ["spacy-ner-service", "burst_ner.handler.handler", "python3.13", tolist(["arm64"]), 1769, 30]
    error_message = "The function is not the one that is documented."
  }
  assert {
    condition     = aws_lambda_function.ner.reserved_concurrent_executions == 50
    error_message = "Nothing caps the cost."
  }
  assert {
    condition     = aws_lambda_function.ner.description == "Named entity recognition: en_core_web_lg-3.8.0-f32"
    error_message = "The list of versions would not tell the models."
  }
  assert {
    condition = [
      aws_cloudwatch_log_group.function.name, aws_cloudwatch_log_group.function.retention_in_days,
      aws_lambda_function.ner.logging_config[0].log_group, aws_lambda_function.ner.logging_config[0].log_format,
    ] == ["/aws/lambda/spacy-ner-service", 30, "/aws/lambda/spacy-ner-service", "JSON"]
    error_message = "The log does not go to the group whose retention ends."
  }
  assert {
    condition = [for s in jsondecode(aws_iam_role_policy.function.policy).Statement : [s.Effect, s.Action, s.Resource]] == [
      ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], "${aws_cloudwatch_log_group.function.arn}:*"]
    ]
    error_message = "The function may do more, or less, than write its log."
  }
}

run "artifacts" {
  command = plan
  assert {
    condition = [
      aws_lambda_function.ner.s3_bucket, aws_lambda_function.ner.s3_key, aws_lambda_function.ner.s3_object_version,
      aws_lambda_function.ner.source_code_hash, aws_s3_object.code.source, aws_s3_bucket.artifacts[0].bucket,
    ] == [aws_s3_bucket.artifacts[0].id, "spacy-ner-service/code/${filesha256("versions.tf")}.zip", "v1", filebase64sha256("versions.tf"), "versions.tf", "spacy-ner-service-artifacts-123456789012"]
    error_message = "The function does not run this version of the zip."
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.artifacts[0].block_public_acls, aws_s3_bucket_public_access_block.artifacts[0].block_public_policy,
      aws_s3_bucket_public_access_block.artifacts[0].ignore_public_acls, aws_s3_bucket_public_access_block.artifacts[0].restrict_public_buckets,
    ])
    error_message = "The bucket can be made public."
  }
  assert {
    condition = [for s in jsondecode(aws_s3_bucket_policy.artifacts[0].policy).Statement : [s.Effect, s.Principal, s.Action, s.Resource, s.Condition]] == [
      ["Deny", "*", "s3:*", ["arn:aws:s3:::artifacts", "arn:aws:s3:::artifacts/*"], { Bool = { "aws:SecureTransport" = "false" } }]
    ]
    error_message = "The bucket answers without TLS, or lets somebody in."
  }
  assert {
    condition = (
      aws_s3_bucket.artifacts[0].force_destroy && aws_s3_bucket_versioning.artifacts[0].versioning_configuration[0].status == "Enabled"
    )
    error_message = "A destroy would leave the bucket, or its objects could be overwritten."
  }
}

run "a_new_version_is_tried_and_then_live" {
  command = plan
  assert {
    condition     = aws_lambda_function.ner.publish && [aws_lambda_alias.live.name, aws_lambda_alias.live.function_version] == ["live", "7"]
    error_message = "The alias live does not follow the published version."
  }
  assert {
    condition     = [for trial in aws_lambda_invocation.trial : [trial.function_name, trial.qualifier]] == [["spacy-ner-service", "7"]]
    error_message = "The new version is not called before callers get it."
  }
}

run "rollback" {
  command = plan
  variables {
    live_version         = "6"
    origin_secret_sha256 = [sha256("old"), sha256("new")]
  }
  override_data {
    target = data.aws_lambda_function.live
    values = { environment = [{ variables = { ORIGIN_SECRET_SHA256 = "cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4" } }] } # of "old"
  }
  assert {
    condition     = [aws_lambda_alias.live.function_version, output.live_version] == ["6", "6"]
    error_message = "Callers do not get the version that was asked for."
  }
  assert {
    condition     = terraform_data.origin_secret_sha256.input == tolist([sha256("old")])
    error_message = "The live version is said to take a secret that it does not know."
  }
  assert {
    condition     = [data.aws_lambda_function.live[0].function_name, data.aws_lambda_function.live[0].qualifier] == ["spacy-ner-service", "6"]
    error_message = "Another version's digests were looked at."
  }
  assert {
    condition     = length(aws_lambda_invocation.trial) == 0
    error_message = "A newest version that does not start would hold up the way back."
  }
}

run "rollback_to_a_version_that_takes_a_retired_secret" {
  command = plan
  variables {
    live_version         = "6"
    origin_secret_sha256 = [sha256("new")]
  }
  override_data {
    target = data.aws_lambda_function.live
    values = { environment = [{ variables = { ORIGIN_SECRET_SHA256 = "cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4" } }] } # of "old"
  }
  expect_failures = [data.aws_lambda_function.live]
}

run "rollback_to_a_version_that_checks_no_secret" {
  command = plan
  variables {
    live_version         = "6"
    origin_secret_sha256 = [sha256("new")]
  }
  override_data {
    target = data.aws_lambda_function.live
    values = { environment = [{ variables = { SPACY_MODEL_PATH = "/var/task/model" } }] }
  }
  expect_failures = [data.aws_lambda_function.live]
}

run "provisioned_concurrency" {
  command = plan
  variables {
    provisioned_concurrency = 49
  }
  assert {
    condition = [
      aws_lambda_provisioned_concurrency_config.live[0].qualifier, aws_lambda_provisioned_concurrency_config.live[0].provisioned_concurrent_executions,
    ] == ["live", 49]
    error_message = "The warm environments are not on the alias that is called."
  }
  assert {
    condition     = length(aws_appautoscaling_target.live) == 0
    error_message = "Something else could change the fixed number."
  }
}

run "warm_by_the_clock" {
  command = plan
  variables {
    warm_schedule = {
      morning = { cron = "cron(45 5 ? * MON-FRI *)", timezone = "Europe/London", concurrency = 49 }
      evening = { cron = "cron(0 20 * * ? *)", concurrency = 0 }
    }
  }
  assert {
    condition     = [aws_appautoscaling_target.live[0].resource_id, aws_appautoscaling_target.live[0].scalable_dimension] == ["function:spacy-ner-service:live", "lambda:function:ProvisionedConcurrency"]
    error_message = "The schedule is not on the alias that is called."
  }
  assert {
    condition = {
      for name, action in aws_appautoscaling_scheduled_action.live :
      name => [action.schedule, action.timezone, action.scalable_target_action[0].min_capacity, action.scalable_target_action[0].max_capacity]
      } == {
      morning = ["cron(45 5 ? * MON-FRI *)", "Europe/London", "49", "49"]
      evening = ["cron(0 20 * * ? *)", "UTC", "0", "0"]
    }
    error_message = "The schedule is not the one that was asked for."
  }
  assert {
    condition     = length(aws_lambda_provisioned_concurrency_config.live) == 0
    error_message = "A fixed number would fight with the schedule."
  }
}

run "cold_and_closed_by_default" {
  command = plan
  assert {
    condition     = 0 == length(aws_lambda_provisioned_concurrency_config.live) + length(aws_appautoscaling_target.live) + length(aws_appautoscaling_scheduled_action.live)
    error_message = "Environments are kept warm, and billed, unasked."
  }
  assert {
    condition = (
      aws_lambda_function_url.live[0].authorization_type == "AWS_IAM" && aws_lambda_function_url.live[0].qualifier == "live" &&
      length(aws_lambda_permission.url) == 0 && length(aws_cloudformation_stack.url_invoke) == 0
    )
    error_message = "Anybody may call the URL, and the function checks no secret; or the URL is not on the alias."
  }
  assert {
    condition     = aws_lambda_function.ner.environment[0].variables["ORIGIN_SECRET_SHA256"] == "0000000000000000000000000000000000000000000000000000000000000000"
    error_message = "The function takes every request until the URL is closed."
  }
  assert {
    condition     = length(terraform_data.origin_secret_sha256.input) == 0
    error_message = "A digest of no secret passes for one that Kong could hold."
  }
}

run "open_to_holders_of_the_secret" {
  command = plan
  variables {
    origin_secret_sha256 = [sha256("old"), sha256("new")]
  }
  assert {
    condition     = lookup(aws_lambda_function.ner.environment[0].variables, "ORIGIN_SECRET_SHA256", null) == "${sha256("old")},${sha256("new")}"
    error_message = "The function does not know the digests."
  }
  assert {
    condition     = terraform_data.origin_secret_sha256.input == tolist([sha256("old"), sha256("new")])
    error_message = "What Kong may send is not told."
  }
  assert {
    condition = [
      aws_lambda_function_url.live[0].authorization_type, aws_lambda_permission.url[0].action, aws_lambda_permission.url[0].principal,
      aws_lambda_permission.url[0].qualifier, aws_lambda_permission.url[0].function_url_auth_type,
    ] == ["NONE", "lambda:InvokeFunctionUrl", "*", "live", "NONE"]
    error_message = "The URL's first permission is missing, or is not on the alias."
  }
  assert {
    condition = jsondecode(aws_cloudformation_stack.url_invoke[0].template_body).Resources.Permission.Properties == {
      FunctionName          = aws_lambda_alias.live.arn
      Action                = "lambda:InvokeFunction"
      Principal             = "*"
      InvokedViaFunctionUrl = true
    }
    error_message = "The URL's second permission is missing, or allows more than calls through the URL."
  }
}

run "choices" {
  command = plan
  variables {
    architecture = "x86_64"
    runtime      = "python3.12"
    memory_size  = 1536
    timeout      = 5
  }
  assert {
    condition = [
      aws_lambda_function.ner.runtime, aws_lambda_function.ner.architectures,
      aws_lambda_function.ner.memory_size, aws_lambda_function.ner.timeout,
    ] == ["python3.12", tolist(["x86_64"]), 1536, 5]
    error_message = "The function is not the one that was chosen."
  }
}

run "alarms" {
  command = plan
  variables {
    alarm_topic_arns     = ["arn:aws:sns:us-east-1:123456789012:ops"]
    cold_start_budget_ms = 2500
    timeout              = 20
  }
  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.function :
      name => "${alarm.namespace} ${alarm.metric_name} ${coalesce(alarm.statistic, alarm.extended_statistic)} ${alarm.comparison_operator} ${alarm.threshold}"
      } == {
      failures      = "AWS/Lambda Errors Sum GreaterThanThreshold 0"
      error-answers = "BurstNer errors Sum GreaterThanThreshold 0"
      throttles     = "AWS/Lambda Throttles Sum GreaterThanThreshold 0"
      cold-starts   = "BurstNer init_ms p99 GreaterThanThreshold 2500"
      latency       = "AWS/Lambda Duration p99 GreaterThanThreshold 10000"
    }
    error_message = "An alarm is missing, or rings at something else."
  }
  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.function : name => "${alarm.datapoints_to_alarm} of ${alarm.evaluation_periods} x ${alarm.period} s" } == {
      failures      = "1 of 5 x 60 s"
      error-answers = "1 of 5 x 60 s"
      throttles     = "3 of 5 x 60 s"
      cold-starts   = "1 of 5 x 60 s"
      latency       = "3 of 5 x 60 s"
    }
    error_message = "A burst's cold starts, which fall into a minute, ring nothing; or every throttle rings."
  }
  assert {
    condition = alltrue([for alarm in aws_cloudwatch_metric_alarm.function : (
      alarm.dimensions == tomap({ (alarm.namespace == "BurstNer" ? "function" : "FunctionName") = "spacy-ner-service" }) &&
      alarm.alarm_actions == toset(["arn:aws:sns:us-east-1:123456789012:ops"]) &&
      alarm.treat_missing_data == "notBreaching" && length(alarm.alarm_description) > 40
    )])
    error_message = "An alarm listens to another function, tells nobody, rings between bursts, or does not say what it means."
  }
}

run "alarm_of_spill_over" {
  command = plan
  variables {
    provisioned_concurrency = 1
  }
  assert {
    condition = [
      aws_cloudwatch_metric_alarm.function["spill-over"].metric_name, aws_cloudwatch_metric_alarm.function["spill-over"].dimensions,
      ] == [
      "ProvisionedConcurrencySpilloverInvocations", tomap({ FunctionName = "spacy-ner-service", Resource = "spacy-ner-service:live" }),
    ]
    error_message = "Nobody is told that the provisioned concurrency does not do."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.function["spill-over"].datapoints_to_alarm == 1
    error_message = "A burst is over before it rings."
  }
  assert {
    condition = 2 == length([
      for widget in jsondecode(aws_cloudwatch_dashboard.main[0].dashboard_body).widgets : widget
      if strcontains(jsonencode(widget), "\"ProvisionedConcurrency") && strcontains(jsonencode(widget), "spacy-ner-service:live")
    ])
    error_message = "The dashboard does not show spill-over and use of the provisioned concurrency."
  }
}

run "dashboard" {
  command = plan
  assert {
    condition = [for widget in jsondecode(aws_cloudwatch_dashboard.main[0].dashboard_body).widgets : widget.properties.title] == [
      "Requests and cold starts", "Initialisation, ms", "Duration without initialisation, ms", "Throttles and errors",
      "Execution environments at once", "Cost: GB-seconds, with initialisation", "Milliseconds to the answer, cold (1) against warm (0)",
    ]
    error_message = "A chart is missing, or one is there for something that is not."
  }
  assert {
    condition = length(distinct([for widget in jsondecode(aws_cloudwatch_dashboard.main[0].dashboard_body).widgets : [widget.x, widget.y]])) == 7 && alltrue([
      for widget in jsondecode(aws_cloudwatch_dashboard.main[0].dashboard_body).widgets : widget.x + widget.width <= 24
    ])
    error_message = "Charts lie on each other, or beside the dashboard."
  }
}

# A company's account

run "a_company_s_own" {
  state_key = "company" # the function of the first run is not in these subnets
  variables {
    permissions_boundary = "arn:aws:iam::123456789012:policy/boundary"
    kms_key_arn          = "arn:aws:kms:us-east-1:123456789012:key/ours"
    artifacts_bucket     = "ours"
    subnet_ids           = ["subnet-0a", "subnet-0b"]
    tags                 = { CostCenter = "42" }
  }
  assert {
    condition     = aws_iam_role.function.permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"
    error_message = "A role has no boundary."
  }
  assert {
    condition = [
      aws_lambda_function.ner.kms_key_arn, aws_cloudwatch_log_group.function.kms_key_id, aws_s3_object.code.kms_key_id,
    ] == [for _ in range(3) : "arn:aws:kms:us-east-1:123456789012:key/ours"]
    error_message = "Something is encrypted with another key."
  }
  assert {
    condition = [for s in jsondecode(aws_iam_role_policy.function.policy).Statement : [s.Sid, s.Action, s.Resource] if s.Sid == "UseKey"] == [
      ["UseKey", "kms:Decrypt", "arn:aws:kms:us-east-1:123456789012:key/ours"]
    ]
    error_message = "The function cannot read its variables, or may use more than the key."
  }
  assert {
    condition     = [length(aws_s3_bucket.artifacts), length(aws_s3_bucket_policy.artifacts), aws_s3_object.code.bucket] == [0, 0, "ours"]
    error_message = "A bucket is made beside the company's, or its policy is changed."
  }
  assert {
    condition = [
      toset(aws_lambda_function.ner.vpc_config[0].subnet_ids), aws_security_group.function[0].vpc_id, length(aws_vpc.main),
    ] == [toset(["subnet-0a", "subnet-0b"]), "vpc-0123456789abcdef0", 0]
    error_message = "The function is not in the company's subnets, or a VPC is made beside them."
  }
  assert {
    condition     = length(aws_vpc_security_group_egress_rule.nfs) + length(aws_vpc_security_group_egress_rule.s3) == 0
    error_message = "A function that has its model in the zip can call out."
  }
  assert {
    condition     = aws_lambda_function.ner.tags == tomap({ Project = "spacy-ner-service", CostCenter = "42" })
    error_message = "The function lacks a tag."
  }
}

run "nothing_that_cloudwatch_bills_by_the_month" {
  command = plan
  variables {
    monitoring = []
  }
  assert {
    condition     = 0 == length(aws_cloudwatch_metric_alarm.function) + length(aws_cloudwatch_dashboard.main) && output.dashboard_url == null
    error_message = "There is an alarm or a dashboard."
  }
  assert {
    condition     = aws_lambda_function.ner.environment[0].variables["METRICS"] == "off"
    error_message = "The function writes metrics."
  }
}

run "alarms_without_the_metrics" {
  command = plan
  variables {
    monitoring = ["alarms"]
  }
  assert {
    condition     = keys(aws_cloudwatch_metric_alarm.function) == ["failures", "latency", "throttles"]
    error_message = "An alarm listens to a metric that is not written."
  }
}

run "private" {
  command = plan
  variables {
    exposure             = "private"
    invoker_arn          = "arn:aws:iam::123456789012:role/kong"
    origin_secret_sha256 = [sha256("unused")]
  }
  assert {
    condition     = 0 == length(aws_lambda_function_url.live) + length(aws_lambda_permission.url) + length(aws_cloudformation_stack.url_invoke)
    error_message = "There is a URL, or a way through one."
  }
  assert {
    condition = [
      aws_lambda_permission.invoker[0].action, aws_lambda_permission.invoker[0].principal, aws_lambda_permission.invoker[0].qualifier,
    ] == ["lambda:InvokeFunction", "arn:aws:iam::123456789012:role/kong", "live"]
    error_message = "Kong cannot call the alias, or somebody else can."
  }
  assert {
    condition     = !contains(keys(aws_lambda_function.ner.environment[0].variables), "ORIGIN_SECRET_SHA256")
    error_message = "The function waits for a header that Kong does not send."
  }
  assert {
    condition     = output.function_url == null && length(terraform_data.origin_secret_sha256.input) == 0
    error_message = "A URL or a secret is told that there is not."
  }
}

run "private_in_a_region_without_function_urls" {
  command = plan
  variables {
    exposure    = "private"
    invoker_arn = "arn:aws:iam::123456789012:role/kong"
  }
  override_data {
    target = data.aws_region.current
    values = { id = "eu-central-2" }
  }
}

run "private_back_to_a_version_that_wants_a_secret" {
  command = plan
  variables {
    exposure     = "private"
    invoker_arn  = "arn:aws:iam::123456789012:role/kong"
    live_version = "6"
  }
  override_data {
    target = data.aws_lambda_function.live
    values = { environment = [{ variables = { ORIGIN_SECRET_SHA256 = "cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4" } }] }
  }
  expect_failures = [data.aws_lambda_function.live]
}

run "an_account_without_a_quota_to_reserve_from" {
  command = plan
  variables {
    reserved_concurrency = -1
  }
  override_data {
    target = data.aws_servicequotas_service_quota.concurrency
    values = { value = 10 }
  }
}

run "outputs" {
  command = plan
  assert {
    condition = [output.function_name, output.function_url, output.alias_arn, output.live_version, output.log_group, output.dashboard_url] == [
      "spacy-ner-service", "https://abc.lambda-url.us-east-1.on.aws/", aws_lambda_alias.live.arn, "7", "/aws/lambda/spacy-ner-service",
      "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#dashboards/dashboard/spacy-ner-service",
    ]
    error_message = "An output is missing, or is not what it says."
  }
  assert {
    condition     = output.place == "123456789012:us-east-1:spacy-ner-service"
    error_message = "A deployment somewhere else could not be told from this one."
  }
}

# Against the state of the first run.

run "another_name_in_place" {
  command = plan
  variables {
    name = "ner-2"
  }
  expect_failures = [aws_lambda_alias.live]
}
