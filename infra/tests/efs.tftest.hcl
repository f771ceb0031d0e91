# model_store = "efs": the network, the file system and the provisioner. No credentials and no network: the provider is
# mocked.
mock_provider "aws" {
  source = "./tests/mock"
}

variables {
  model_store     = "efs"
  model           = "en_core_web_lg-3.8.0-f32"
  model_archive   = "tests/mock/model.tar"
  code_zip        = "versions.tf" # any file: the mocked provider does not open it
  provisioner_zip = "provisioner.tf"
}

run "choices" {
  command = plan
  variables {
    name                 = "ner-2"
    vpc_cidr             = "192.168.8.0/24"
    efs_throughput_mode  = "bursting"
    reserved_concurrency = -1
    log_retention_days   = 7
  }
  override_data {
    target = data.aws_region.current
    values = { id = "eu-west-3" }
  }
  assert {
    condition     = [aws_lambda_function.ner.function_name, output.place] == ["ner-2", "123456789012:eu-west-3:ner-2"]
    error_message = "The deployment has another name or place."
  }
  assert {
    condition     = length(aws_efs_mount_target.models) == 2 && aws_subnet.private["us-east-1b"].cidr_block == "192.168.8.16/28"
    error_message = "Two zones of a /24 do not fit."
  }
  assert {
    condition     = aws_efs_file_system.models[0].throughput_mode == "bursting"
    error_message = "The throughput is not the one that was chosen."
  }
  assert {
    condition     = aws_vpc_endpoint.s3[0].service_name == "com.amazonaws.eu-west-3.s3"
    error_message = "The S3 endpoint is of another region."
  }
  assert {
    condition     = aws_lambda_function.provisioner[0].reserved_concurrent_executions == -1
    error_message = "An account too small to reserve from cannot have the provisioner."
  }
  assert {
    condition     = aws_cloudwatch_log_group.provisioner[0].retention_in_days == 7
    error_message = "The provisioner's log has another retention."
  }
}

run "network" {
  assert {
    condition     = toset([for subnet in aws_subnet.private : subnet.availability_zone]) == toset(["us-east-1a", "us-east-1b"])
    error_message = "There are not two zones."
  }
  assert {
    condition     = data.aws_availability_zones.available[0].exclude_zone_ids == toset(["use1-az3"])
    error_message = "A zone may be one that Lambda refuses."
  }
  assert {
    condition     = toset([for subnet in aws_subnet.private : subnet.cidr_block]) == toset(["10.0.0.0/20", "10.0.16.0/20"])
    error_message = "The zones' ranges are not apart, inside the VPC's."
  }
  assert {
    condition     = length(aws_default_route_table.private[0].route) == 0
    error_message = "A route leaves the VPC."
  }
  assert {
    condition = alltrue([
      for f in [aws_lambda_function.ner, aws_lambda_function.provisioner[0]] :
      toset(f.vpc_config[0].subnet_ids) == toset([for target in aws_efs_mount_target.models : target.subnet_id])
    ])
    error_message = "A zone of a function has no mount target."
  }
  assert {
    condition = (
      toset(aws_lambda_function.ner.vpc_config[0].security_group_ids) == toset([aws_security_group.function[0].id]) &&
      toset(aws_lambda_function.provisioner[0].vpc_config[0].security_group_ids) == toset([aws_security_group.provisioner[0].id]) &&
      alltrue([for target in aws_efs_mount_target.models : target.security_groups == toset([aws_security_group.model_store[0].id])])
    )
    error_message = "A function or a mount target is in another security group."
  }
}

run "nfs_for_both_and_s3_for_the_provisioner" {
  command = plan
  assert {
    condition = alltrue([
      for rule in concat(values(aws_vpc_security_group_egress_rule.nfs), values(aws_vpc_security_group_ingress_rule.nfs)) :
      [rule.ip_protocol, rule.from_port, rule.to_port] == ["tcp", 2049, 2049] &&
      rule.cidr_ipv4 == null && rule.cidr_ipv6 == null && rule.prefix_list_id == null
    ])
    error_message = "A rule lets through more than NFS between two groups."
  }
  assert {
    condition = toset([
      for rule in concat(values(aws_vpc_security_group_egress_rule.nfs), values(aws_vpc_security_group_ingress_rule.nfs)) :
      [rule.security_group_id, rule.referenced_security_group_id]
      ]) == toset([
      [aws_security_group.function[0].id, aws_security_group.model_store[0].id],
      [aws_security_group.provisioner[0].id, aws_security_group.model_store[0].id],
      [aws_security_group.model_store[0].id, aws_security_group.function[0].id],
      [aws_security_group.model_store[0].id, aws_security_group.provisioner[0].id],
    ])
    error_message = "The rules do not join the two functions to the model store, or join something else."
  }
  assert {
    condition = alltrue([
      for rule in aws_vpc_security_group_egress_rule.s3 :
      [rule.security_group_id, rule.prefix_list_id] == [aws_security_group.provisioner[0].id, data.aws_prefix_list.s3[0].id] &&
      [rule.ip_protocol, rule.from_port, rule.to_port] == ["tcp", 443, 443] &&
      rule.cidr_ipv4 == null && rule.cidr_ipv6 == null && rule.referenced_security_group_id == null
    ])
    error_message = "Somebody else reaches S3, or the provisioner reaches more."
  }
  assert {
    condition     = [aws_vpc_endpoint.s3[0].vpc_endpoint_type, aws_vpc_endpoint.s3[0].service_name] == ["Gateway", "com.amazonaws.us-east-1.s3"]
    error_message = "The way to S3 is not the gateway endpoint, which is free."
  }
  assert {
    condition = [for s in jsondecode(aws_vpc_endpoint.s3[0].policy).Statement : [s.Effect, s.Action, s.Resource, s.Condition]] == [
      ["Allow", "s3:GetObjectVersion", "arn:aws:s3:::${aws_s3_bucket.artifacts[0].id}/spacy-ner-service/models/*", { ArnEquals = { "aws:PrincipalArn" = aws_iam_role.provisioner[0].arn } }]
    ]
    error_message = "The endpoint lets through more than the provisioner's reading of models."
  }
}

run "model_store" {
  command = plan
  assert {
    condition     = aws_efs_file_system.models[0].encrypted && aws_efs_file_system.models[0].throughput_mode == "elastic"
    error_message = "The file system is not encrypted, or not elastic."
  }
  assert {
    condition = [for s in jsondecode(aws_efs_file_system_policy.models[0].policy).Statement : [s.Effect, s.Principal, s.Action, s.Resource, s.Condition]] == [
      ["Deny", { AWS = "*" }, "*", aws_efs_file_system.models[0].arn, { Bool = { "aws:SecureTransport" = "false" } }]
    ]
    error_message = "The file system answers clients without TLS, or lets somebody in."
  }
  assert {
    condition = (
      aws_efs_access_point.models[0].root_directory[0].path == "/models" &&
      [aws_efs_access_point.models[0].posix_user[0].uid, aws_efs_access_point.models[0].posix_user[0].gid] == [1001, 1001]
    )
    error_message = "The access point is not 1001:1001 at /models."
  }
  assert {
    condition = alltrue([
      for f in [aws_lambda_function.ner, aws_lambda_function.provisioner[0]] :
      f.file_system_config[0] == { arn = aws_efs_access_point.models[0].arn, local_mount_path = "/mnt/models" }
    ])
    error_message = "A function does not mount the access point."
  }
  assert {
    condition     = aws_lambda_function.ner.environment[0].variables["SPACY_MODEL_PATH"] == "/mnt/models/en_core_web_lg-3.8.0-f32"
    error_message = "The function would not find its model below the mount."
  }
}

run "provisioning" {
  command = plan
  assert {
    condition = jsondecode(aws_lambda_invocation.model[0].input) == {
      model      = "en_core_web_lg-3.8.0-f32"
      key        = "spacy-ner-service/models/${filesha256("tests/mock/model.tar")}"
      version_id = "v1"
      sha256     = filesha256("tests/mock/model.tar")
    }
    error_message = "The provisioner is not told the model, this version of its archive, or the digest of it."
  }
  assert {
    condition     = aws_lambda_invocation.model[0].triggers == tomap({ access_point = aws_efs_access_point.models[0].id })
    error_message = "A new file system would stay without the model."
  }
  assert {
    condition = [
      aws_lambda_function.provisioner[0].handler, aws_lambda_function.provisioner[0].reserved_concurrent_executions,
      aws_lambda_function.provisioner[0].logging_config[0].log_group, aws_cloudwatch_log_group.provisioner[0].retention_in_days,
    ] == ["provision.handler", 1, "/aws/lambda/spacy-ner-service-provisioner", 30]
    error_message = "The provisioner is another one, could run twice at once, or logs without an end."
  }
}

run "least_privilege" {
  command = plan
  assert {
    condition = [for s in jsondecode(aws_iam_role_policy.function_vpc[0].policy).Statement : [s.Sid, s.Effect, s.Action, s.Resource, try(s.Condition, null)]] == [
      ["ReadModels", "Allow", "elasticfilesystem:ClientMount", aws_efs_file_system.models[0].arn,
      { StringEquals = { "elasticfilesystem:AccessPointArn" = aws_efs_access_point.models[0].arn } }],
      ["JoinVpc", "Allow", local.network_interface_actions, "*", null],
      ["JoinVpcNotFromCode", "Deny", local.network_interface_actions, "*", { Null = { "lambda:SourceFunctionArn" = "false" } }],
    ]
    error_message = "The function may do more, or less, than read the models and join the VPC."
  }
  assert {
    condition = [for s in jsondecode(aws_iam_role_policy.provisioner[0].policy).Statement : [s.Sid, s.Effect, s.Action, s.Resource, try(s.Condition, null)]] == [
      ["WriteOwnLog", "Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], "${aws_cloudwatch_log_group.provisioner[0].arn}:*", null],
      ["ReadArchives", "Allow", "s3:GetObjectVersion", "arn:aws:s3:::${aws_s3_bucket.artifacts[0].id}/spacy-ner-service/models/*", null],
      ["WriteModels", "Allow", ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"], aws_efs_file_system.models[0].arn,
      { StringEquals = { "elasticfilesystem:AccessPointArn" = aws_efs_access_point.models[0].arn } }],
      ["JoinVpc", "Allow", local.network_interface_actions, "*", null],
      ["JoinVpcNotFromCode", "Deny", local.network_interface_actions, "*", { Null = { "lambda:SourceFunctionArn" = "false" } }],
    ]
    error_message = "The provisioner may do more, or less, than write its log, read archives, write models and join the VPC."
  }
  assert {
    condition = local.network_interface_actions == [
      "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
      "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
    ]
    error_message = "More, or less, is allowed on every resource than Lambda needs to join a VPC."
  }
}

run "batch" {
  variables {
    batch = { input = "s3://company/documents/", output = "s3://company/records/" }
  }
  assert {
    condition = [
      aws_lambda_function.batch[0].environment[0].variables["SPACY_MODEL_PATH"], aws_lambda_function.batch[0].file_system_config[0].arn,
      aws_lambda_function.batch[0].vpc_config[0].security_group_ids, aws_vpc_security_group_egress_rule.batch_s3[0].security_group_id,
      ] == [
      "/mnt/models/en_core_web_lg-3.8.0-f32", aws_efs_access_point.models[0].arn, toset([aws_security_group.batch[0].id]), aws_security_group.batch[0].id,
    ]
    error_message = "The worker reaches its model or S3 not at all."
  }
  assert {
    condition     = keys(aws_vpc_security_group_ingress_rule.nfs) == ["batch worker", "function", "provisioner"]
    error_message = "The model store does not let the worker in."
  }
  assert {
    condition = [for s in jsondecode(aws_vpc_endpoint.s3[0].policy).Statement : [s.Sid, s.Principal, s.Resource, s.Condition]] == [
      ["ProvisionerReadsModels", "*", local.models_arn, { ArnEquals = { "aws:PrincipalArn" = aws_iam_role.provisioner[0].arn } }],
      ["ReadDocuments", "*", "arn:aws:s3:::company/documents/*", { ArnEquals = { "aws:PrincipalArn" = aws_iam_role.batch[0].arn } }],
      ["WriteRecords", "*", "arn:aws:s3:::company/records/*", { ArnEquals = { "aws:PrincipalArn" = aws_iam_role.batch[0].arn } }],
      ["FindRecords", "*", "arn:aws:s3:::company", { ArnEquals = { "aws:PrincipalArn" = aws_iam_role.batch[0].arn }, StringLike = { "s3:prefix" = "records/*" } }],
    ]
    error_message = "The endpoint lets others through, or not the worker."
  }
}

# Against the state of the runs before.

run "another_network_in_place" {
  command = plan
  variables {
    vpc_cidr = "10.1.0.0/16"
  }
  expect_failures = [aws_lambda_alias.live]
}

run "package_in_place_of_efs" {
  command = plan
  variables {
    model_store   = "package"
    model_archive = null
  }
  expect_failures = [aws_lambda_alias.live]
}
