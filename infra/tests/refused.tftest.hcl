# Bad values and bad combinations: each is refused at plan, before anything is changed, by the variable or the resource
# that says why.
mock_provider "aws" {
  source = "./tests/mock"
}

variables {
  model_store     = "efs"
  model           = "en_core_web_lg-3.8.0-f32"
  model_archive   = "tests/mock/model.tar"
  code_zip        = "versions.tf"
  provisioner_zip = "provisioner.tf"
}

# Values that are wrong by themselves, one reason a variable in each run. A variable that is checked against another is
# not checked while that one is wrong.

run "bad_values" {
  command = plan
  variables {
    name                 = "NER service"
    vpc_cidr             = "10.0.0.5/16"
    model                = "../secrets"
    model_archive        = "model.whl"
    efs_throughput_mode  = "fast"
    architecture         = "arm"
    runtime              = "python3.9"
    memory_size          = 512
    timeout              = 31
    reserved_concurrency = 0
    live_version         = "newest"
    permissions_boundary = "boundary"
    kms_key_arn          = "alias/ours"
    subnet_ids           = ["10.0.0.0/24"]
    monitoring           = ["traces"]
    exposure             = "vpn"
    origin_secret_sha256 = ["the secret itself"]
    log_retention_days   = 31
    cold_start_budget_ms = 10001
  }
  expect_failures = [
    var.name, var.vpc_cidr, var.model, var.model_archive, var.efs_throughput_mode,
    var.architecture, var.runtime, var.memory_size, var.timeout, var.reserved_concurrency, var.live_version,
    var.origin_secret_sha256, var.log_retention_days, var.cold_start_budget_ms, var.permissions_boundary, var.kms_key_arn,
    var.subnet_ids, var.monitoring, var.exposure,
  ]
}

run "bad_values_2" {
  command = plan
  variables {
    model_store             = "s3"
    vpc_cidr                = "10.0.0.0/8"
    model                   = ""
    runtime                 = "python3.15"
    tags                    = { a = "", b = "", c = "", d = "", e = "", f = "", g = "", h = "", i = "", j = "" }
    memory_size             = 2048.5
    timeout                 = 4
    provisioned_concurrency = -1
    live_version            = "0"
    origin_secret_sha256    = [sha256("")]
    alarm_topic_arns        = ["ops@example.com"]
    cold_start_budget_ms    = 3
  }
  expect_failures = [
    var.model_store, var.vpc_cidr, var.model, var.runtime, var.tags, var.memory_size, var.timeout,
    var.provisioned_concurrency, var.live_version, var.origin_secret_sha256, var.alarm_topic_arns,
    var.cold_start_budget_ms,
  ]
}

run "bad_values_3" {
  command = plan
  variables {
    memory_size             = 10241
    provisioned_concurrency = 0.5
    origin_secret_sha256    = [sha256("\n")]
  }
  expect_failures = [var.memory_size, var.provisioned_concurrency, var.origin_secret_sha256]
}

run "bad_values_4" {
  command = plan
  variables {
    reserved_concurrency = 1001
    origin_secret_sha256 = [sha256("a"), sha256("b"), sha256("c")]
  }
  expect_failures = [var.reserved_concurrency, var.origin_secret_sha256]
}

run "bad_values_5" {
  command = plan
  variables {
    exposure      = "private"
    invoker_arn   = "kong"
    warm_schedule = { morning = { cron = "cron(45 5 * * MON-FRI)", concurrency = 5 } }
  }
  expect_failures = [var.invoker_arn, var.warm_schedule]
}

run "bad_values_6" {
  command = plan
  variables {
    warm_schedule = { morning = { cron = "cron(45 5 ? * MON-FRI *)", timezone = "9 hours east", concurrency = 5 } }
  }
  expect_failures = [var.warm_schedule]
}

run "bad_values_7" {
  command = plan
  variables {
    warm_schedule = { morning = { cron = "cron(45 5 ? * MON-FRI *)", concurrency = 0.5 } }
  }
  expect_failures = [var.warm_schedule]
}

# Account, model store and exposure

run "efs_without_an_archive" {
  command = plan
  variables {
    model_archive = null
  }
  expect_failures = [var.model_archive]
}

run "package_with_an_archive" {
  command = plan
  variables {
    model_store = "package"
  }
  expect_failures = [var.model_archive]
}

run "a_region_of_one_zone" {
  command = plan
  override_data {
    target = data.aws_availability_zones.available[0]
    values = { names = ["us-east-1a"] }
  }
  expect_failures = [data.aws_availability_zones.available]
}

run "a_region_without_function_urls" {
  command = plan
  override_data {
    target = data.aws_region.current
    values = { id = "eu-central-2" }
  }
  expect_failures = [data.aws_region.current]
}

run "a_quota_that_leaves_nothing_to_reserve" {
  command = plan
  override_data {
    target = data.aws_servicequotas_service_quota.concurrency[0]
    values = { value = 150 } # one too few: the provisioner reserves one as well
  }
  expect_failures = [data.aws_servicequotas_service_quota.concurrency]
}

run "a_bucket_without_versions" {
  state_key = "apart"
  variables {
    model_store      = "package"
    model_archive    = null
    artifacts_bucket = "ours"
  }
  override_resource {
    target = aws_s3_object.code
    values = { version_id = "" }
  }
  expect_failures = [aws_s3_object.code]
}

run "private_for_nobody" {
  command = plan
  variables {
    exposure = "private"
  }
  expect_failures = [var.invoker_arn]
}

run "an_invoker_of_a_url" {
  command = plan
  variables {
    invoker_arn = "arn:aws:iam::123456789012:role/kong"
  }
  expect_failures = [var.invoker_arn]
}

# Warm environments

run "more_warm_than_may_be" {
  command = plan
  variables {
    reserved_concurrency    = 5
    provisioned_concurrency = 5
  }
  expect_failures = [var.provisioned_concurrency]
}

run "more_warm_by_the_clock_than_may_be" {
  command = plan
  variables {
    reserved_concurrency = 5
    warm_schedule        = { morning = { cron = "cron(45 5 ? * MON-FRI *)", concurrency = 5 } }
  }
  expect_failures = [var.warm_schedule]
}

run "warm_all_the_time_and_by_the_clock" {
  command = plan
  variables {
    provisioned_concurrency = 5
    warm_schedule           = { morning = { cron = "cron(45 5 ? * MON-FRI *)", concurrency = 5 } }
  }
  expect_failures = [var.warm_schedule]
}

run "an_alarm_for_a_topic_of_another_region" {
  command = plan
  variables {
    alarm_topic_arns = ["arn:aws:sns:eu-west-3:123456789012:ops"]
  }
  expect_failures = [aws_cloudwatch_metric_alarm.function]
}

# Files

run "no_such_files" {
  command = plan
  variables {
    code_zip        = "build/missing.zip"
    model_archive   = "build/missing.tar"
    provisioner_zip = "build/missing.zip"
  }
  expect_failures = [aws_s3_object.code, aws_s3_object.model, aws_lambda_function.provisioner]
}
