# Whose account and region this is. There is no provider block: this folder is a root module by itself, which takes region
# and credentials from the environment, and a child module of a root that has the block.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {
  lifecycle {
    # https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html, 2026-11-27.
    postcondition {
      condition = var.exposure == "private" || !contains([
        "ap-east-2", "ap-south-2", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7",
        "ca-west-1", "eu-central-2", "eu-south-2", "il-central-1", "me-central-1",
      ], self.id)
      error_message = "Lambda has no Function URLs in ${self.id}: take another region, or exposure = \"private\"."
    }
  }
}

# A new account may have 10 concurrent executions in place of 1,000, and Lambda keeps 100 of them unreserved.
# tflint-ignore: terraform_unused_declarations
data "aws_servicequotas_service_quota" "concurrency" {
  count = var.reserved_concurrency == -1 ? 0 : 1

  service_code = "lambda"
  quota_code   = "L-B99A9384"

  lifecycle {
    postcondition {
      condition     = self.value >= local.reserved + 100
      error_message = "reserved_concurrency = ${var.reserved_concurrency} needs a quota of at least ${local.reserved + 100} concurrent executions in ${local.region}, and this account has ${self.value}: ask AWS for more (Service Quotas, Lambda, L-B99A9384), or set reserved_concurrency = -1, which sets no ceiling of its own."
    }
  }
}

locals {
  account_id = data.aws_caller_identity.current.account_id
  region     = data.aws_region.current.id
  tags       = merge({ Project = var.name }, var.tags)
  reserved   = var.reserved_concurrency + (local.efs ? 1 : 0) + try(var.batch.concurrency, 0) # the provisioner has one
}
