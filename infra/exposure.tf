# How Kong reaches the function (docs/decisions/exposure.md).
#
# url: by its Function URL, where it proves itself by a header that the function compares with a digest. Before there is a
# digest to compare with, the URL takes IAM callers only and the function answers none of them.
# private: there is no URL. Kong's aws-lambda plugin calls the alias, and IAM says who may.
locals {
  url  = var.exposure == "url"
  open = local.url && length(var.origin_secret_sha256) > 0

  # A digest of no secret. Without any the function would take every request, and when the URL is to be closed, the alias
  # moves to the new version before it is.
  no_secret = join("", [for _ in range(64) : "0"])
}

# A URL with authorization NONE needs two permissions since October 2025. With one of them it answers 403.
# https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
#
# One after the other, in this order: the provider itself makes this first one when it makes such a URL, and takes it well
# that it is there already, while a second one of this name is a 409 (ResourceConflictException), as are two changes of the
# alias at the same time.
resource "aws_lambda_permission" "url" {
  count = local.open ? 1 : 0

  statement_id           = "FunctionURLAllowPublicAccess"
  action                 = "lambda:InvokeFunctionUrl"
  principal              = "*"
  function_name          = aws_lambda_function.ner.function_name
  qualifier              = aws_lambda_alias.live.name
  function_url_auth_type = "NONE"
}

resource "aws_lambda_function_url" "live" {
  count = local.url ? 1 : 0

  function_name      = aws_lambda_function.ner.function_name
  qualifier          = aws_lambda_alias.live.name
  authorization_type = local.open ? "NONE" : "AWS_IAM"

  depends_on = [aws_lambda_permission.url]
}

# The second one by way of CloudFormation: in version 5 of the provider aws_lambda_permission has no argument for it.
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

  tags = local.tags

  depends_on = [aws_lambda_function_url.live]
}

# Kong's role or user, which then needs no policy of its own in the same account.
resource "aws_lambda_permission" "invoker" {
  count = local.url ? 0 : 1

  statement_id  = "KongInvokes"
  action        = "lambda:InvokeFunction"
  principal     = var.invoker_arn
  function_name = aws_lambda_function.ner.function_name
  qualifier     = aws_lambda_alias.live.name
}

# What callers meet. An apply that fails before it moves the alias leaves its `output` as it was (`input` it would not), and a
# version that is rolled back to has its own.
resource "terraform_data" "origin_secret_sha256" {
  input = !local.open ? [] : var.live_version == null ? var.origin_secret_sha256 : split(
    ",", data.aws_lambda_function.live[0].environment[0].variables["ORIGIN_SECRET_SHA256"]
  )

  depends_on = [aws_lambda_alias.live]
}
