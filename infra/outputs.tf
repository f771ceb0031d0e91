# It names no resource, so it is there from the first apply on, also when that fails half way.
output "place" {
  description = "The one account, region and name of this state: ACCOUNT:REGION:NAME."
  value       = "${local.account_id}:${local.region}:${var.name}"
}

output "function_name" {
  description = "Name of the Lambda function."
  value       = aws_lambda_function.ner.function_name
}

output "function_url" {
  description = "Address of the alias; Kong is its one client, and takes it as DECK_NER_FUNCTION_URL. null with exposure = \"private\"."
  value       = one(aws_lambda_function_url.live[*].function_url)
}

output "alias_arn" {
  description = "ARN of the alias that Kong calls."
  value       = aws_lambda_alias.live.arn
}

output "live_version" {
  description = "The published version that the alias points to."
  value       = aws_lambda_alias.live.function_version
}

output "log_group" {
  description = "CloudWatch log group of the function."
  value       = aws_cloudwatch_log_group.function.name
}

output "dashboard_url" {
  description = "The CloudWatch dashboard. null without one."
  value       = one([for board in aws_cloudwatch_dashboard.main : "https://${local.region}.console.aws.amazon.com/cloudwatch/home?region=${local.region}#dashboards/dashboard/${board.dashboard_name}"])
}

output "origin_secret_sha256" {
  description = "Digests of the origin secrets that the live version takes. Without one the Function URL is closed."
  value       = terraform_data.origin_secret_sha256.output
}

output "batch_state_machine_arn" {
  description = "ARN of the batch's state machine, BURST_NER_STATE_MACHINE for burst-ner-batch. null without a batch."
  value       = one(aws_sfn_state_machine.batch[*].arn)
}
