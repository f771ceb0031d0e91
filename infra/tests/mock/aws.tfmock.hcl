# What AWS would answer, made up.
mock_data "aws_availability_zones" {
  defaults = { names = ["us-east-1a", "us-east-1b", "us-east-1c"] }
}
mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}
mock_data "aws_partition" {
  defaults = { partition = "aws" }
}
mock_data "aws_prefix_list" {
  defaults = { id = "pl-63a5400a" }
}
mock_data "aws_region" {
  defaults = { id = "us-east-1" }
}
mock_data "aws_servicequotas_service_quota" {
  defaults = { value = 1000 }
}
mock_data "aws_subnet" {
  defaults = { vpc_id = "vpc-0123456789abcdef0" }
}
mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:us-east-1:123456789012:log-group:mock" }
}
mock_resource "aws_efs_access_point" {
  defaults = { arn = "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0" }
}
mock_resource "aws_efs_file_system" {
  defaults = { arn = "arn:aws:elasticfilesystem:us-east-1:123456789012:file-system/fs-0123456789abcdef0" }
}
mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
}
mock_resource "aws_lambda_alias" {
  defaults = { arn = "arn:aws:lambda:us-east-1:123456789012:function:spacy-ner-service:live" }
}
mock_resource "aws_lambda_function" {
  defaults = { version = "7" }
}
mock_resource "aws_lambda_function_url" {
  defaults = { function_url = "https://abc.lambda-url.us-east-1.on.aws/" }
}
mock_resource "aws_s3_bucket" {
  defaults = { arn = "arn:aws:s3:::artifacts" }
}
mock_resource "aws_s3_object" {
  defaults = { version_id = "v1" }
}
