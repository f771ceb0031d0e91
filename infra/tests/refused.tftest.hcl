# Bad values and bad combinations: each is refused at plan, before anything is changed, by the variable or the resource
# that says why.
mock_provider "aws" {
  source = "./tests/mock"
}

variables {
  region          = "us-east-1"
  model           = "en_core_web_lg-3.8.0-folded-f32"
  model_archive   = "tests/mock/model.tar"
  code_zip        = "versions.tf"
  provisioner_zip = "provisioner.tf"
}

# Values that are wrong by themselves, one reason a variable in each run. A variable that is checked against another is
# not checked while that one is wrong.

run "bad_values" {
  command = plan
  variables {
    region               = "Frankfurt"
    name                 = "NER service"
    zone_count           = 1
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
    origin_secret_sha256 = ["the secret itself"]
    log_retention_days   = 31
    cold_start_budget_ms = 10001
  }
  expect_failures = [
    var.region, var.name, var.zone_count, var.vpc_cidr, var.model, var.model_archive, var.efs_throughput_mode,
    var.architecture, var.runtime, var.memory_size, var.timeout, var.reserved_concurrency, var.live_version,
    var.origin_secret_sha256, var.log_retention_days, var.cold_start_budget_ms,
  ]
}

run "bad_values_2" {
  command = plan
  variables {
    model_store             = "s3"
    zone_count              = 5
    vpc_cidr                = "10.0.0.0/8"
    model                   = ""
    runtime                 = "python3.14"
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
    var.model_store, var.zone_count, var.vpc_cidr, var.model, var.runtime, var.tags, var.memory_size, var.timeout,
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
    alarm_topic_arns        = ["arn:aws:sns:eu-west-3:123456789012:ops"]
  }
  expect_failures = [var.memory_size, var.provisioned_concurrency, var.origin_secret_sha256, var.alarm_topic_arns]
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
    efs_throughput_mode   = "provisioned"
    efs_provisioned_mibps = 1025
    warm_schedule         = { morning = { cron = "cron(45 5 * * MON-FRI)", concurrency = 5 } }
  }
  expect_failures = [var.efs_provisioned_mibps, var.warm_schedule]
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

# Model store, throughput and zones

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

run "package_with_throughput" {
  command = plan
  variables {
    model_store           = "package"
    model_archive         = null
    efs_throughput_mode   = "provisioned"
    efs_provisioned_mibps = 64
  }
  expect_failures = [var.efs_provisioned_mibps]
}

run "throughput_without_its_mode" {
  command = plan
  variables {
    efs_provisioned_mibps = 64
  }
  expect_failures = [var.efs_provisioned_mibps]
}

run "mode_without_its_throughput" {
  command = plan
  variables {
    efs_throughput_mode = "provisioned"
  }
  expect_failures = [var.efs_provisioned_mibps]
}

run "more_zones_than_the_region_has" {
  command = plan
  variables {
    zone_count = 4
  }
  expect_failures = [data.aws_availability_zones.available]
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
