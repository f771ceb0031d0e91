# The new version answers once before callers get it. One that cannot load its model (incomplete, or of another spaCy)
# fails the apply with its reason, and the alias stays where it was. The request has no origin secret, so the function
# may well refuse it: an answer is all that is asked. The input stays in the state and must never hold a secret.
resource "aws_lambda_invocation" "trial" {
  count = var.live_version == null ? 1 : 0 # a newest version that does not start must not hold up the way back

  function_name = aws_lambda_function.ner.function_name
  qualifier     = aws_lambda_function.ner.version

  input = jsonencode({
    version        = "2.0"
    rawPath        = "/health"
    requestContext = { http = { method = "GET" } }
  })
}

# A version keeps the digests that it was published with.
data "aws_lambda_function" "live" {
  count = var.live_version == null ? 0 : 1

  function_name = var.name
  qualifier     = var.live_version

  lifecycle {
    postcondition {
      condition = !local.url ? !can(self.environment[0].variables["ORIGIN_SECRET_SHA256"]) : !local.open || try(length(setsubtract(
        split(",", self.environment[0].variables["ORIGIN_SECRET_SHA256"]), var.origin_secret_sha256
      )) == 0, false)
      error_message = "live_version: version ${var.live_version} is from before a change of origin_secret_sha256 or exposure, and would take requests without a secret or with a retired one, or refuse Kong's; list its digests too, or publish its code and model anew."
    }
  }
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "The version that Kong calls"
  function_name    = aws_lambda_function.ner.function_name
  function_version = coalesce(var.live_version, aws_lambda_function.ner.version)

  lifecycle {
    precondition {
      condition     = terraform_data.place.output == local.place
      error_message = "name, model_store, vpc_cidr and subnet_ids stay as they were when the function was made (${terraform_data.place.output}), because its versions keep their network; deploy under another name and in another workspace, let Kong call that, then destroy this."
    }

    # While provisioned concurrency goes over to another version, AWS itself puts weights here, and takes them away.
    ignore_changes = [routing_config]
  }

  depends_on = [aws_lambda_invocation.trial, data.aws_lambda_function.live]
}
