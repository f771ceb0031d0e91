# Execution environments that wait, initialised, on the alias that is called: a fixed number, or by the clock.
#
# When the alias moves to another version, AWS makes the environments anew for that version, which takes minutes, and by
# weights on the alias goes over from the old ones to them. While there are weights it takes no other number ("Alias with
# weights can not be used with Provisioned Concurrency", hashicorp/terraform#24957). So: never change the number in the
# apply that rolls a version, and roll between the bursts.

locals {
  function_alias = "${aws_lambda_function.ner.function_name}:${aws_lambda_alias.live.name}"
}

# Apply waits until they are ready, and fails when they cannot initialise.
resource "aws_lambda_provisioned_concurrency_config" "live" {
  count = var.provisioned_concurrency > 0 ? 1 : 0

  function_name                     = aws_lambda_function.ner.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = var.provisioned_concurrency
}

resource "aws_appautoscaling_target" "live" {
  count = length(var.warm_schedule) > 0 ? 1 : 0

  service_namespace  = "lambda"
  scalable_dimension = "lambda:function:ProvisionedConcurrency"
  resource_id        = "function:${local.function_alias}"
  min_capacity       = 0
  max_capacity       = 0

  tags = local.tags

  lifecycle {
    ignore_changes = [min_capacity, max_capacity] # the schedule sets these
  }
}

# min = max: no policy follows the load in between, as it would take minutes and a burst is over by then.
resource "aws_appautoscaling_scheduled_action" "live" {
  for_each = var.warm_schedule

  name               = each.key
  service_namespace  = aws_appautoscaling_target.live[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.live[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.live[0].resource_id
  schedule           = each.value.cron
  timezone           = each.value.timezone

  scalable_target_action {
    min_capacity = each.value.concurrency
    max_capacity = each.value.concurrency
  }
}
