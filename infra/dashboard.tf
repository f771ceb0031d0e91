locals {
  # Metrics as a dashboard writes them: namespace, name, dimensions.
  invocations = ["AWS/Lambda", "Invocations", "FunctionName", var.name]
  duration    = ["AWS/Lambda", "Duration", "FunctionName", var.name]
  cold_start  = ["BurstNer", "cold_start", "function", var.name]
  init_ms     = ["BurstNer", "init_ms", "function", var.name]

  alias_dimensions = ["FunctionName", var.name, "Resource", local.function_alias]

  charts = concat(
    [
      {
        title   = "Requests and cold starts"
        stat    = "Sum"
        metrics = [local.invocations, local.cold_start]
      },
      {
        title       = "Initialisation, ms"
        metrics     = [for stat in ["p50", "p99"] : concat(local.init_ms, [{ stat = stat, label = stat }])]
        annotations = { horizontal = [{ label = "cold_start_budget_ms", value = var.cold_start_budget_ms }] }
      },
      {
        title       = "Duration without initialisation, ms"
        metrics     = [for stat in ["p50", "p99"] : concat(local.duration, [{ stat = stat, label = stat }])]
        annotations = { horizontal = [{ label = "timeout", value = var.timeout * 1000 }] }
      },
      {
        title = "Throttles and errors"
        stat  = "Sum"
        metrics = concat(
          [for metric in ["Throttles", "Errors"] : ["AWS/Lambda", metric, "FunctionName", var.name]],
          [["BurstNer", "errors", "function", var.name, { label = "Answers of 500 and more" }]],
          [for metric in ["Url4xxCount"] : ["AWS/Lambda", metric, "FunctionName", var.name] if local.url],
          [for metric in ["ProvisionedConcurrencySpilloverInvocations"] : concat(["AWS/Lambda", metric], local.alias_dimensions) if local.warm],
        )
      },
      {
        title       = "Execution environments at once"
        stat        = "Maximum"
        metrics     = [["AWS/Lambda", "ConcurrentExecutions", "FunctionName", var.name]]
        annotations = { horizontal = [for ceiling in [var.reserved_concurrency] : { label = "reserved_concurrency", value = ceiling } if ceiling > 0] }
      },
      {
        title = "Cost: GB-seconds, with initialisation"
        stat  = "Sum"
        metrics = [
          [{ expression = "(FILL(duration, 0) + FILL(init, 0)) / 1000 * ${var.memory_size / 1024}", label = "GB-seconds" }],
          concat(local.duration, [{ id = "duration", visible = false }]),
          concat(local.init_ms, [{ id = "init", visible = false }]),
        ]
      },
    ],
    [for file_system in aws_efs_file_system.models : {
      title   = "Cost: bytes read from EFS"
      stat    = "Sum"
      metrics = [["AWS/EFS", "DataReadIOBytes", "FileSystemId", file_system.id]]
    }],
    [for metric in ["ProvisionedConcurrencyUtilization"] : {
      title   = "Cost: provisioned concurrency, share in use"
      stat    = "Maximum"
      metrics = [concat(["AWS/Lambda", metric], local.alias_dimensions)]
    } if local.warm],
  )

  # No metric tells cold from warm, the log does. To the caller a cold request takes the initialisation as well.
  cold_against_warm = {
    title = "Milliseconds to the answer, cold (1) against warm (0)"
    view  = "table"
    query = <<-EOT
      SOURCE '${aws_cloudwatch_log_group.function.name}'
      | filter route = "/" and status = 200
      | stats count(*) as requests,
          pct(ms + coalesce(init_ms, 0) * cold_start, 50) as p50,
          pct(ms + coalesce(init_ms, 0) * cold_start, 99) as p99
        by cold_start
    EOT
  }

  widgets = concat(
    [for chart in local.charts : { type = "metric", properties = merge({ region = local.region, period = 60 }, chart) }],
    [{ type = "log", properties = merge({ region = local.region }, local.cold_against_warm) }],
  )
}

resource "aws_cloudwatch_dashboard" "main" {
  count = contains(var.monitoring, "dashboard") ? 1 : 0

  dashboard_name = var.name

  # Two in a row.
  dashboard_body = jsonencode({
    widgets = [for index, widget in local.widgets : merge(widget, { x = index % 2 * 12, y = floor(index / 2) * 6, width = 12, height = 6 })]
  })
}
