# Kong reaches the function by its URL and proves itself by a header that the function compares with a digest. Before
# there is a digest to compare with, the URL takes IAM callers only and the function answers none of them.
locals {
  open = length(var.origin_secret_sha256) > 0

  # A digest of no secret. Without any the function would take every request, and when the URL is to be closed, the alias
  # moves to the new version before it is.
  no_secret = join("", [for _ in range(64) : "0"])
}

resource "aws_lambda_function_url" "live" {
  function_name      = aws_lambda_function.ner.function_name
  qualifier          = aws_lambda_alias.live.name
  authorization_type = local.open ? "NONE" : "AWS_IAM"
}

# A URL with authorization NONE needs two permissions since October 2025. With one of them it answers 403.
# https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
resource "aws_lambda_permission" "url" {
  count = local.open ? 1 : 0

  statement_id           = "FunctionURLAllowPublicAccess"
  action                 = "lambda:InvokeFunctionUrl"
  principal              = "*"
  function_name          = aws_lambda_function.ner.function_name
  qualifier              = aws_lambda_alias.live.name
  function_url_auth_type = "NONE"
}

# The second one by way of CloudFormation: aws_lambda_permission has no argument for it before provider 6.
resource "aws_cloudformation_stack" "url_invoke" {
  count = local.open ? 1 : 0

  name = "${var.name}-url-invoke"

  template_body = jsonencode({
    Resources = {
      Permission = {
        Type = "AWS::Lambda::Permission"
        Properties = {
          FunctionName          = aws_lambda_alias.live.arn
          Action                = "lambda:InvokeFunction"
          Principal             = "*"
          InvokedViaFunctionUrl = true
        }
      }
    }
  })
}

# What callers meet. An apply that fails before it moves the alias leaves its `output` as it was (`input` it would not), and a
# version that is rolled back to has its own.
resource "terraform_data" "origin_secret_sha256" {
  input = !local.open ? [] : var.live_version == null ? var.origin_secret_sha256 : split(
    ",", data.aws_lambda_function.live[0].environment[0].variables["ORIGIN_SECRET_SHA256"]
  )

  depends_on = [aws_lambda_alias.live]
}
