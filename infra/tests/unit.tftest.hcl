# Needs no credentials and no network: the provider is mocked, so all that AWS would answer is made up.
mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["us-east-1a", "us-east-1b", "us-east-1c"] }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/spacy-ner-service" }
  }
  mock_resource "aws_efs_access_point" {
    defaults = { arn = "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0" }
  }
  mock_resource "aws_efs_file_system" {
    defaults = { arn = "arn:aws:elasticfilesystem:us-east-1:123456789012:file-system/fs-0123456789abcdef0" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/spacy-ner-service-function" }
  }
  mock_resource "aws_lambda_function" {
    defaults = { version = "7" }
  }
  mock_resource "aws_lambda_alias" {
    defaults = { arn = "arn:aws:lambda:us-east-1:123456789012:function:spacy-ner-service:live" }
  }
  mock_resource "aws_lambda_function_url" {
    defaults = { function_url = "https://abc.lambda-url.us-east-1.on.aws/" }
  }
}

variables {
  code_zip = "versions.tf" # any file: the mocked provider does not open it
}

run "defaults" {
  assert {
    condition = [
      aws_lambda_function.ner.function_name, aws_lambda_function.ner.handler, aws_lambda_function.ner.runtime,
      aws_lambda_function.ner.architectures, aws_lambda_function.ner.memory_size, aws_lambda_function.ner.timeout,
    ] == ["spacy-ner-service", "burst_ner.handler.handler", "python3.13", tolist(["arm64"]), 2048, 30]
    error_message = "The function is not the one that is documented."
  }
  assert {
    condition     = aws_lambda_function.ner.reserved_concurrent_executions == 50
    error_message = "Nothing caps the cost."
  }
  assert {
    condition     = aws_lambda_function.ner.environment[0].variables == tomap({ SPACY_MODEL_PATH = "/mnt/models/en_core_web_lg-3.8.0" })
    error_message = "The function would not find its model below the mount."
  }
  assert {
    condition     = aws_lambda_function.ner.file_system_config[0] == { arn = aws_efs_access_point.models.arn, local_mount_path = "/mnt/models" }
    error_message = "The function does not mount the access point."
  }
  assert {
    condition = (
      aws_lambda_function.ner.logging_config[0].log_group == aws_cloudwatch_log_group.function.name &&
      aws_cloudwatch_log_group.function.retention_in_days == 30
    )
    error_message = "The log does not go to the group whose retention ends."
  }
}

run "network" {
  assert {
    condition     = toset([for subnet in aws_subnet.private : subnet.availability_zone]) == toset(["us-east-1a", "us-east-1b"])
    error_message = "There are not two zones."
  }
  assert {
    condition     = toset([for subnet in aws_subnet.private : subnet.cidr_block]) == toset(["10.0.0.0/20", "10.0.16.0/20"])
    error_message = "The zones' ranges are not apart, inside the VPC's."
  }
  assert {
    condition     = length(aws_default_route_table.private.route) == 0
    error_message = "A route leaves the VPC."
  }
  assert {
    condition     = toset(aws_lambda_function.ner.vpc_config[0].subnet_ids) == toset([for target in aws_efs_mount_target.models : target.subnet_id])
    error_message = "A zone of the function has no mount target."
  }
  assert {
    condition = (
      toset(aws_lambda_function.ner.vpc_config[0].security_group_ids) == toset([aws_security_group.function.id]) &&
      alltrue([for target in aws_efs_mount_target.models : target.security_groups == toset([aws_security_group.model_store.id])])
    )
    error_message = "The function or a mount target is in another security group."
  }
}

run "nfs_and_nothing_else" {
  assert {
    condition = (
      aws_vpc_security_group_egress_rule.function_nfs.security_group_id == aws_security_group.function.id &&
      aws_vpc_security_group_egress_rule.function_nfs.referenced_security_group_id == aws_security_group.model_store.id &&
      aws_vpc_security_group_ingress_rule.model_store_nfs.security_group_id == aws_security_group.model_store.id &&
      aws_vpc_security_group_ingress_rule.model_store_nfs.referenced_security_group_id == aws_security_group.function.id
    )
    error_message = "The rules do not join the function to the model store."
  }
  assert {
    condition = alltrue([
      for rule in [aws_vpc_security_group_egress_rule.function_nfs, aws_vpc_security_group_ingress_rule.model_store_nfs] :
      [rule.ip_protocol, rule.from_port, rule.to_port] == ["tcp", 2049, 2049] &&
      rule.cidr_ipv4 == null && rule.cidr_ipv6 == null && rule.prefix_list_id == null
    ])
    error_message = "A rule lets through more than NFS between the two groups."
  }
}

run "model_store" {
  assert {
    condition     = aws_efs_file_system.models.encrypted && aws_efs_file_system.models.throughput_mode == "elastic"
    error_message = "The file system is not encrypted, or not elastic."
  }
  assert {
    condition = [for s in jsondecode(aws_efs_file_system_policy.models.policy).Statement : [s.Effect, s.Principal, s.Action, s.Resource, s.Condition]] == [
      ["Deny", { AWS = "*" }, "*", aws_efs_file_system.models.arn, { Bool = { "aws:SecureTransport" = "false" } }]
    ]
    error_message = "The file system answers clients without TLS, or lets somebody in."
  }
  assert {
    condition = (
      aws_efs_access_point.models.root_directory[0].path == "/models" &&
      [aws_efs_access_point.models.posix_user[0].uid, aws_efs_access_point.models.posix_user[0].gid] == [1001, 1001]
    )
    error_message = "The access point is not 1001:1001 at /models."
  }
}

run "least_privilege" {
  assert {
    condition = toset(flatten([for s in jsondecode(aws_iam_role_policy.function.policy).Statement : s.Action if s.Effect == "Allow"])) == toset([
      "logs:CreateLogStream", "logs:PutLogEvents",
      "elasticfilesystem:ClientMount",
      "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
      "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
    ])
    error_message = "The role may do more, or less, than write its log, mount the models and join the VPC."
  }
  assert {
    condition = alltrue([
      for s in jsondecode(aws_iam_role_policy.function.policy).Statement :
      s.Resource != "*" || alltrue([for action in flatten([s.Action]) : startswith(action, "ec2:")])
    ])
    error_message = "Only network interface actions may be allowed on every resource."
  }
  assert {
    condition = [
      for s in jsondecode(aws_iam_role_policy.function.policy).Statement : try(s.Condition, null)
      if s.Action == "elasticfilesystem:ClientMount"
    ] == [{ StringEquals = { "elasticfilesystem:AccessPointArn" = aws_efs_access_point.models.arn } }]
    error_message = "The models can be mounted past the access point."
  }
}

run "published_behind_the_alias" {
  assert {
    condition     = aws_lambda_function.ner.publish == true && aws_lambda_alias.live.name == "live" && aws_lambda_alias.live.function_version == "7"
    error_message = "The alias live does not follow the published version."
  }
  assert {
    condition     = aws_lambda_function_url.live.qualifier == "live"
    error_message = "The URL does not call the alias."
  }
  assert {
    condition     = output.kong_env == { DECK_NER_FUNCTION_URL = "https://abc.lambda-url.us-east-1.on.aws/" }
    error_message = "Kong is not told the URL."
  }
}

run "closed_without_a_digest" {
  assert {
    condition = (
      aws_lambda_function_url.live.authorization_type == "AWS_IAM" &&
      length(aws_lambda_permission.url) == 0 && length(aws_cloudformation_stack.url_invoke) == 0
    )
    error_message = "Anybody may call the URL, and the function checks no secret."
  }
}

run "open_to_holders_of_the_secret" {
  variables {
    origin_secret_sha256 = [sha256("old"), sha256("new")]
  }
  assert {
    condition     = lookup(aws_lambda_function.ner.environment[0].variables, "ORIGIN_SECRET_SHA256", null) == "${sha256("old")},${sha256("new")}"
    error_message = "The function does not know the digests."
  }
  assert {
    condition = [
      aws_lambda_function_url.live.authorization_type, aws_lambda_permission.url[0].action, aws_lambda_permission.url[0].principal,
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
  variables {
    region                = "eu-west-3"
    vpc_cidr              = "192.168.8.0/24"
    zone_count            = 3
    model                 = "en_core_web_sm-3.8.0"
    architecture          = "x86_64"
    runtime               = "python3.12"
    memory_size           = 1536
    timeout               = 5
    reserved_concurrency  = -1
    efs_throughput_mode   = "provisioned"
    efs_provisioned_mibps = 64
  }
  assert {
    condition     = length(aws_efs_mount_target.models) == 3 && aws_subnet.private["us-east-1c"].cidr_block == "192.168.8.32/28"
    error_message = "Three zones of a /24 do not fit."
  }
  assert {
    condition     = aws_lambda_function.ner.environment[0].variables["SPACY_MODEL_PATH"] == "/mnt/models/en_core_web_sm-3.8.0"
    error_message = "The chosen model is not loaded."
  }
}

# Bad values: each is refused at plan, by the variable or the resource that says why.

run "bad_values" {
  command = plan
  variables {
    region               = "Frankfurt"
    name                 = "NER service"
    vpc_cidr             = "10.0.0.5/16"
    model                = "../secrets"
    efs_throughput_mode  = "fast"
    architecture         = "arm"
    runtime              = "python3.9"
    memory_size          = 512
    timeout              = 31
    reserved_concurrency = 0
    log_retention_days   = 31
    origin_secret_sha256 = ["the secret itself"]
  }
  expect_failures = [
    var.region, var.name, var.vpc_cidr, var.model, var.efs_throughput_mode, var.architecture, var.runtime,
    var.memory_size, var.timeout, var.reserved_concurrency, var.log_retention_days, var.origin_secret_sha256,
  ]
}

run "one_zone" {
  command = plan
  variables {
    zone_count = 1
  }
  expect_failures = [var.zone_count]
}

run "more_zones_than_the_region_has" {
  command = plan
  variables {
    zone_count = 4
  }
  expect_failures = [data.aws_availability_zones.available]
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

run "network_too_large_for_a_vpc" {
  command = plan
  variables {
    vpc_cidr = "10.0.0.0/8"
  }
  expect_failures = [var.vpc_cidr]
}

run "digest_of_an_empty_secret" {
  command = plan
  variables {
    origin_secret_sha256 = [sha256("")]
  }
  expect_failures = [var.origin_secret_sha256]
}

run "three_digests" {
  command = plan
  variables {
    origin_secret_sha256 = [sha256("a"), sha256("b"), sha256("c")]
  }
  expect_failures = [var.origin_secret_sha256]
}

run "no_zip" {
  command = plan
  variables {
    code_zip = "build/missing.zip"
  }
  expect_failures = [aws_lambda_function.ner]
}
