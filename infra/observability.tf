# Alarms, on Lambda's own metrics and on those in the function's log lines (namespace BurstNer,
# packages/service/burst_ner/telemetry.py).

locals {
  warm    = var.provisioned_concurrency > 0 || length(var.warm_schedule) > 0
  metrics = contains(var.monitoring, "metrics")

  of_function = { FunctionName = var.name }
  of_alias    = { FunctionName = var.name, Resource = local.function_alias }
  of_service  = { function = var.name }

  # Each is about one-minute values that are greater than the threshold: `minutes` of them in five. The cold starts of a
  # burst fall into its first minute or two. A throttled minute is how the client finds the limit and keeps to it: only
  # one who goes on meeting it is to be told.
  alarms = merge(
    {
      failures = {
        namespace = "AWS/Lambda", metric = "Errors", statistic = "Sum", dimensions = local.of_function
        threshold = 0, minutes = 1
        meaning   = "Invocations ended without an answer: a time-out, too little memory, or a model that does not load."
      }
      throttles = {
        namespace = "AWS/Lambda", metric = "Throttles", statistic = "Sum", dimensions = local.of_function
        threshold = 0, minutes = 3
        meaning   = "Requests meet reserved_concurrency, or the account's quota, for minutes: callers send too many at once."
      }
      latency = {
        namespace = "AWS/Lambda", metric = "Duration", statistic = "p99", dimensions = local.of_function
        threshold = var.timeout * 500, minutes = 3
        meaning   = "p99 of the duration is over half of the timeout: requests are too large for this memory_size."
      }
    },
    local.metrics ? {
      error-answers = {
        namespace = "BurstNer", metric = "errors", statistic = "Sum", dimensions = local.of_service
        threshold = 0, minutes = 1
        meaning   = "The function answered with a status of 500 or more."
      }
      cold-starts = {
        namespace = "BurstNer", metric = "init_ms", statistic = "p99", dimensions = local.of_service
        threshold = var.cold_start_budget_ms, minutes = 1
        meaning   = "Initialisations take longer than cold_start_budget_ms."
      }
    } : {},
    local.open ? {
      strangers = {
        namespace = "AWS/Lambda", metric = "Url4xxCount", statistic = "Sum", dimensions = local.of_function
        threshold = 100, minutes = 3
        meaning   = "The Function URL refuses more than 100 requests a minute, for minutes: strangers without the origin secret, throttled callers, or bad requests."
      }
    } : {},
    local.warm ? {
      spill-over = {
        namespace = "AWS/Lambda", metric = "ProvisionedConcurrencySpilloverInvocations", statistic = "Sum", dimensions = local.of_alias
        threshold = 0, minutes = 1
        meaning   = "Bursts are larger than the provisioned concurrency, so that some requests start cold."
      }
    } : {},
  )
}

resource "aws_cloudwatch_metric_alarm" "function" {
  for_each = contains(var.monitoring, "alarms") ? local.alarms : {}

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.meaning
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic == "p99" ? null : each.value.statistic
  extended_statistic  = each.value.statistic == "p99" ? "p99" : null
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = each.value.minutes
  treat_missing_data  = "notBreaching" # between the bursts there is nothing
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns

  tags = local.tags

  lifecycle {
    precondition {
      condition     = alltrue([for arn in var.alarm_topic_arns : split(":", arn)[3] == local.region])
      error_message = "alarm_topic_arns must be of this region, ${local.region}: CloudWatch tells no topic of another."
    }
  }
}
