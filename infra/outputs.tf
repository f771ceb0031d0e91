output "function_name" {
  description = "Name of the Lambda function."
  value       = aws_lambda_function.ner.function_name
}

output "live_alias_arn" {
  description = "ARN of the alias that the Function URL calls."
  value       = aws_lambda_alias.live.arn
}

output "function_url" {
  description = "Address of the alias. Kong is its one client."
  value       = aws_lambda_function_url.live.function_url
}

output "kong_env" {
  description = "What kong/kong.yaml needs from here. Its secrets (origin secret, API keys) are yours to set."
  value       = { DECK_NER_FUNCTION_URL = aws_lambda_function_url.live.function_url }
}
