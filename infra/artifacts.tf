# What apply uploads: the function's zip, which may be larger than Lambda takes directly, and the model archive.

data "aws_caller_identity" "current" {}

resource "aws_s3_bucket" "artifacts" {
  bucket        = "${var.name}-artifacts-${data.aws_caller_identity.current.account_id}"
  force_destroy = true # all of it can be built again
}

resource "aws_s3_bucket_public_access_block" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_versioning" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_policy" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.artifacts.arn, "${aws_s3_bucket.artifacts.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  # S3 refuses two changes of a bucket's access at a time.
  depends_on = [aws_s3_bucket_public_access_block.artifacts]
}

# Other bytes are another object, and Terraform drops the one before with all its versions: nothing piles up.
locals {
  # A destroy has no files to read.
  code_sha256  = try(filesha256(var.code_zip), "no-file")
  model_sha256 = try(filesha256(var.model_archive), "no-file")
}

resource "aws_s3_object" "code" {
  bucket = aws_s3_bucket.artifacts.id
  key    = "code/${local.code_sha256}.zip"
  source = var.code_zip

  lifecycle {
    precondition {
      condition     = fileexists(var.code_zip)
      error_message = "code_zip: there is no file ${var.code_zip}; build the function's zip first, or set code_zip to its path."
    }
  }

  depends_on = [
    aws_s3_bucket_policy.artifacts,
    aws_s3_bucket_server_side_encryption_configuration.artifacts,
    aws_s3_bucket_versioning.artifacts,
  ]
}

resource "aws_s3_object" "model" {
  count = local.efs ? 1 : 0

  bucket = aws_s3_bucket.artifacts.id
  key    = "models/${local.model_sha256}"
  source = var.model_archive

  lifecycle {
    precondition {
      condition     = fileexists(var.model_archive)
      error_message = "model_archive: there is no file ${var.model_archive}; pack the prepared model first, or set model_archive to its path."
    }
  }

  depends_on = [
    aws_s3_bucket_policy.artifacts,
    aws_s3_bucket_server_side_encryption_configuration.artifacts,
    aws_s3_bucket_versioning.artifacts,
  ]
}
