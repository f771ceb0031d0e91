# What apply uploads: the function's zip, which may be larger than Lambda takes directly, and the model archive.

locals {
  own_bucket = var.artifacts_bucket == null
  bucket     = local.own_bucket ? aws_s3_bucket.artifacts[0].id : var.artifacts_bucket
  models_arn = "arn:${data.aws_partition.current.partition}:s3:::${local.bucket}/${var.name}/models/*"

  # Other bytes are another object, and Terraform drops the one before with all its versions: nothing piles up. A destroy
  # has no files to read.
  code_sha256  = try(filesha256(var.code_zip), "no-file")
  model_sha256 = try(filesha256(var.model_archive), "no-file")
}

resource "aws_s3_bucket" "artifacts" {
  count = local.own_bucket ? 1 : 0

  bucket        = "${var.name}-artifacts-${local.account_id}"
  force_destroy = true # all of it can be built again

  tags = local.tags
}

resource "aws_s3_bucket_public_access_block" "artifacts" {
  count = local.own_bucket ? 1 : 0

  bucket = aws_s3_bucket.artifacts[0].id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "artifacts" {
  count = local.own_bucket ? 1 : 0

  bucket = aws_s3_bucket.artifacts[0].id

  rule {
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_versioning" "artifacts" {
  count = local.own_bucket ? 1 : 0

  bucket = aws_s3_bucket.artifacts[0].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_policy" "artifacts" {
  count = local.own_bucket ? 1 : 0

  bucket = aws_s3_bucket.artifacts[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.artifacts[0].arn, "${aws_s3_bucket.artifacts[0].arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  # S3 refuses two changes of a bucket's access at a time.
  depends_on = [aws_s3_bucket_public_access_block.artifacts]
}

resource "aws_s3_object" "code" {
  bucket     = local.bucket
  key        = "${var.name}/code/${local.code_sha256}.zip"
  source     = var.code_zip
  kms_key_id = var.kms_key_arn

  tags = local.tags

  lifecycle {
    precondition {
      condition     = fileexists(var.code_zip)
      error_message = "code_zip: there is no file ${var.code_zip}; build the function's zip first, or set code_zip to its path."
    }

    # Without versions, Lambda and the provisioner could not name the bytes that they read.
    postcondition {
      condition     = self.version_id != "" && self.version_id != "null"
      error_message = "artifacts_bucket: this bucket keeps no versions; turn versioning on (aws s3api put-bucket-versioning)."
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

  bucket     = local.bucket
  key        = "${var.name}/models/${local.model_sha256}"
  source     = var.model_archive
  kms_key_id = var.kms_key_arn

  tags = local.tags

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
