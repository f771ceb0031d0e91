variable "name" {
  description = "Name of the function, and first part of every other name. Two deployments in one account need two names."
  type        = string
  default     = "spacy-ner-service"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,39}$", var.name))
    error_message = "name must be 2 to 40 characters of a-z, 0-9 and -, and start with a letter."
  }
}

variable "tags" {
  description = "Tags for every resource, beside Project."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(setunion(keys(var.tags), ["Project"])) <= 10
    error_message = "tags must be at most nine beside Project: an object in S3 takes ten."
  }
}

# What a company's account asks for

variable "permissions_boundary" {
  description = "ARN of the policy that bounds every role made here."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$", coalesce(var.permissions_boundary, "arn:aws:iam::aws:policy/none")))
    error_message = "permissions_boundary must be the ARN of an IAM policy, such as arn:aws:iam::123456789012:policy/boundary."
  }
}

variable "kms_key_arn" {
  description = <<-EOT
    ARN of the KMS key for bucket, file system, logs and the functions' variables. null: AWS's own keys. The key's policy
    must let logs.REGION.amazonaws.com use it, and whoever deploys.
  EOT
  type        = string
  default     = null

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", coalesce(var.kms_key_arn, "arn:aws:kms:none:123456789012:key/none")))
    error_message = "kms_key_arn must be the ARN of a KMS key, such as arn:aws:kms:eu-west-1:123456789012:key/1234abcd-…."
  }
}

variable "artifacts_bucket" {
  description = "Name of a bucket of yours that keeps versions, for zip and archive, below NAME/. null: one is made."
  type        = string
  default     = null
}

# Network

variable "vpc_cidr" {
  description = "IPv4 range of the VPC that model_store = \"efs\" makes. Each of two zones gets a sixteenth of it."
  type        = string
  default     = "10.0.0.0/16"

  validation {
    condition = (
      can(regex("^[0-9.]+/(1[6-9]|2[0-4])$", var.vpc_cidr)) &&
      try(cidrhost(var.vpc_cidr, 0) == split("/", var.vpc_cidr)[0], false)
    )
    error_message = "vpc_cidr must be an IPv4 network from /16 to /24 whose host bits are zero, such as 10.0.0.0/16."
  }
}

variable "subnet_ids" {
  description = <<-EOT
    Private subnets of yours for the functions, each in another zone. Empty: a VPC is made for model_store = "efs", and none
    for "package". With "efs" the VPC must resolve DNS names and lead to S3, by a gateway endpoint or a NAT gateway.
  EOT
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "subnet_ids must list ids of subnets, such as subnet-0123456789abcdef0."
  }
}

# Model store

variable "model_store" {
  description = <<-EOT
    package: the model is in code_zip. No VPC, no EFS, and nothing to pay between the bursts, but zip and model together
    must stay below 250 MB (262,144,000 bytes) unzipped.
    efs: the model is on EFS, in a VPC, and apply brings it there. For models of any size, and new ones without a new zip.
  EOT
  type        = string
  default     = "package"

  validation {
    condition     = contains(["package", "efs"], var.model_store)
    error_message = "model_store must be package or efs."
  }
}

variable "model" {
  description = <<-EOT
    Name of the prepared model: its folder on EFS, and what the list of the function's versions says. The bytes under a
    name never change: another model needs another name.
  EOT
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", var.model))
    error_message = "model must be the name of one folder, such as en_core_web_lg-3.8.0-f32: up to 100 letters, digits, dots, - and _, without a slash."
  }
}

variable "model_archive" {
  description = "Path of a .tar or .tar.gz with the content of the prepared model's folder, for model_store = \"efs\" alone."
  type        = string
  default     = null

  validation {
    condition     = (var.model_store == "efs") == (var.model_archive != null)
    error_message = "model_archive must be set with model_store = \"efs\", and not with \"package\", where the model is in code_zip."
  }

  validation {
    condition     = var.model_archive == null || can(regex("\\.tar(\\.gz)?$", var.model_archive))
    error_message = "model_archive must be the path of a .tar or a .tar.gz file."
  }
}

variable "provisioner_zip" {
  description = "Path of the zip with provisioner/provision.py, for model_store = \"efs\" alone."
  type        = string
  default     = "build/provisioner.zip"
}

variable "efs_throughput_mode" {
  description = <<-EOT
    elastic: scales with the cold starts; each GB read is billed (0.03 USD in us-east-1).
    bursting: free, but all cold starts together share 100 MiB/s, and less once the burst credits are spent.
  EOT
  type        = string
  default     = "elastic"

  validation {
    condition     = contains(["elastic", "bursting"], var.efs_throughput_mode)
    error_message = "efs_throughput_mode must be elastic or bursting."
  }
}

# Function

variable "code_zip" {
  description = "Path of the zip with burst_ner and its dependencies, built for architecture and runtime."
  type        = string
  default     = "build/function.zip"
}

variable "architecture" {
  description = "Instruction set of the function and of the wheels in code_zip. arm64 costs a fifth less a GB-second."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "runtime" {
  description = "Python of the function. The wheels in code_zip fit this minor version alone. python3.14 needs version 6 of the AWS provider."
  type        = string
  default     = "python3.13"

  validation {
    condition     = contains(["python3.12", "python3.13", "python3.14"], var.runtime)
    error_message = "runtime must be python3.12, python3.13 or python3.14: Lambda runs older ones on a system that the wheels do not fit."
  }
}

variable "memory_size" {
  description = "Memory in MB. Lambda gives CPU in proportion: 1769 MB is one vCPU, which is all that one request uses."
  type        = number
  default     = 1769

  validation {
    condition     = var.memory_size >= 1536 && var.memory_size <= 10240 && floor(var.memory_size) == var.memory_size
    error_message = "memory_size must be a whole number from 1536 to 10240 MB: with less CPU the longest texts would not end in time (docs/decisions/limits.md)."
  }
}

variable "timeout" {
  description = "Seconds for one request. Initialisation has its own 10 s before it."
  type        = number
  default     = 30

  validation {
    condition     = contains(range(5, 31), var.timeout)
    error_message = "timeout must be a whole number from 5 to 30 s: Kong waits 45 s, which is 10 s of initialisation, 30 s of work and 5 s of margin."
  }
}

variable "reserved_concurrency" {
  description = <<-EOT
    Most execution environments at once: the ceiling on cost. Kong's rate limit is none, as it lets bursts through.
    -1: no ceiling, for accounts whose quota is too small to reserve from (Lambda keeps 100 of it unreserved).
  EOT
  type        = number
  default     = 50

  validation {
    condition     = var.reserved_concurrency == -1 || contains(range(1, 1001), var.reserved_concurrency)
    error_message = "reserved_concurrency must be a whole number from 1 to 1000, or -1 for no ceiling."
  }
}

variable "provisioned_concurrency" {
  description = "Execution environments that are kept initialised at all times. They are billed whether they are used or not."
  type        = number
  default     = 0

  validation {
    condition     = var.provisioned_concurrency >= 0 && floor(var.provisioned_concurrency) == var.provisioned_concurrency
    error_message = "provisioned_concurrency must be a whole number, 0 or more."
  }

  validation {
    condition     = var.reserved_concurrency == -1 || var.provisioned_concurrency < var.reserved_concurrency
    error_message = "provisioned_concurrency must be less than reserved_concurrency, which caps them and must leave one for the trial of a new version."
  }
}

variable "warm_schedule" {
  description = <<-EOT
    How many execution environments are kept initialised from when on: entries by a name of yours, such as
      morning = { cron = "cron(45 5 ? * MON-FRI *)", timezone = "Europe/London", concurrency = 5 }
      evening = { cron = "cron(0 20 ? * MON-FRI *)", timezone = "Europe/London", concurrency = 0 }
    Each entry holds until the next. Begin some minutes before the burst. Before you remove the schedule, let an entry
    with concurrency 0 pass, or what is warm at that moment stays, and is billed.
  EOT
  type = map(object({
    cron        = string
    timezone    = optional(string, "UTC")
    concurrency = number
  }))
  default = {}

  validation {
    condition     = length(var.warm_schedule) == 0 || var.provisioned_concurrency == 0
    error_message = "warm_schedule and provisioned_concurrency exclude each other: the schedule would change the fixed number."
  }

  validation {
    condition     = alltrue([for entry in var.warm_schedule : can(regex("^cron\\([^ ()]+( [^ ()]+){5}\\)$", entry.cron))])
    error_message = "warm_schedule: cron must have six fields in AWS's form (minutes hours day month weekday year), such as cron(45 5 ? * MON-FRI *)."
  }

  validation {
    condition     = alltrue([for entry in var.warm_schedule : can(regex("^[A-Za-z]+([/_+-][A-Za-z0-9]+)*$", entry.timezone))])
    error_message = "warm_schedule: timezone must be a name from the IANA database, such as Europe/London."
  }

  validation {
    condition     = alltrue([for entry in var.warm_schedule : entry.concurrency >= 0 && floor(entry.concurrency) == entry.concurrency])
    error_message = "warm_schedule: concurrency must be a whole number, 0 or more."
  }

  validation {
    condition     = var.reserved_concurrency == -1 || alltrue([for entry in var.warm_schedule : entry.concurrency < var.reserved_concurrency])
    error_message = "warm_schedule: concurrency must be less than reserved_concurrency, which caps it and must leave one for the trial of a new version."
  }
}

variable "live_version" {
  description = <<-EOT
    Roll back: the published version that callers get (aws lambda list-versions-by-function tells which has which model).
    null: the newest. While it is set, apply publishes new versions and does not release them.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.live_version == null || can(regex("^[1-9][0-9]*$", var.live_version))
    error_message = "live_version must be the number of a published version, such as \"7\"."
  }
}

# Batch

variable "batch" {
  description = <<-EOT
    For documents in S3 (docs/batch.md): a second function of the same zip and model, and a state machine over it, such as
      { input = "s3://bucket/documents/", output = "s3://bucket/records/" }
    concurrency: parts at once, reserved for it beside reserved_concurrency. kms_key_arns: keys of yours that the two
    buckets use. null: none of it.
  EOT
  type = object({
    input        = string
    output       = string
    concurrency  = optional(number, 50)
    kms_key_arns = optional(list(string), [])
  })
  default = null

  validation {
    condition     = alltrue([for place in try([var.batch.input, var.batch.output], []) : can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([^*?$]+/)?$", place))])
    error_message = "batch: input and output must be places in S3 that end with a slash, such as s3://bucket/documents/, without *, ? and $."
  }

  validation {
    condition     = !try(startswith(var.batch.input, var.batch.output) || startswith(var.batch.output, var.batch.input), false)
    error_message = "batch: input and output must not be one in the other, or records would be read as documents."
  }

  validation {
    condition     = contains(range(1, 1001), try(var.batch.concurrency, 1))
    error_message = "batch: concurrency must be a whole number from 1 to 1000."
  }

  validation {
    condition     = alltrue([for arn in try(var.batch.kms_key_arns, []) : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", arn))])
    error_message = "batch: kms_key_arns must list ARNs of KMS keys, such as arn:aws:kms:eu-west-1:123456789012:key/1234abcd-…."
  }
}

# Observability

variable "monitoring" {
  description = <<-EOT
    What CloudWatch bills each month, used or not (docs/cost.md): metrics (six, of the function's log lines), alarms,
    dashboard. Without metrics two alarms and some charts have nothing to show, and are left out or stay empty.
  EOT
  type        = set(string)
  default     = ["metrics", "alarms", "dashboard"]

  validation {
    condition     = length(setsubtract(var.monitoring, ["metrics", "alarms", "dashboard"])) == 0
    error_message = "monitoring must list metrics, alarms and dashboard, or some or none of them."
  }
}

variable "alarm_topic_arns" {
  description = "SNS topics that the alarms tell. None: the alarms are on the console alone."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.alarm_topic_arns : can(regex("^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", arn))])
    error_message = "alarm_topic_arns must list ARNs of SNS topics, such as arn:aws:sns:eu-west-1:123456789012:ops."
  }
}

variable "cold_start_budget_ms" {
  description = "Milliseconds that an initialisation may take before the alarm (99th percentile). Lambda cuts one at 10 s."
  type        = number
  default     = 3000

  validation {
    condition     = var.cold_start_budget_ms >= 100 && var.cold_start_budget_ms <= 10000
    error_message = "cold_start_budget_ms must be 100 to 10000: Lambda cuts an initialisation at 10 s."
  }
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the logs."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400], var.log_retention_days)
    error_message = "log_retention_days must be 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365 or 400, as CloudWatch allows no others."
  }
}

# Exposure

variable "exposure" {
  description = <<-EOT
    url: Kong calls a Function URL, which the internet reaches, and proves itself by the origin secret.
    private: no URL; Kong's aws-lambda plugin (kong/private.yaml) calls the alias as invoker_arn.
  EOT
  type        = string
  default     = "url"

  validation {
    condition     = contains(["url", "private"], var.exposure)
    error_message = "exposure must be url or private."
  }
}

variable "invoker_arn" {
  description = "ARN of the role or user of Kong that may invoke the alias, for exposure = \"private\" alone."
  type        = string
  default     = null

  validation {
    condition     = (var.exposure == "private") == (var.invoker_arn != null)
    error_message = "invoker_arn must be set with exposure = \"private\", and not with \"url\"."
  }

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+$", coalesce(var.invoker_arn, "arn:aws:iam::123456789012:role/none")))
    error_message = "invoker_arn must be the ARN of an IAM role or user, such as arn:aws:iam::123456789012:role/kong."
  }
}

variable "origin_secret_sha256" {
  description = <<-EOT
    SHA-256 digests (hex) of the origin secrets that the function accepts: one, or two while it is rotated.
    Kong holds the secret itself; it never enters Terraform. Empty: the Function URL is closed, and the function answers
    nobody.
  EOT
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for digest in var.origin_secret_sha256 : can(regex("^[0-9a-f]{64}$", digest))])
    error_message = "origin_secret_sha256 must list SHA-256 digests of 64 lower-case hex digits each, not the secrets themselves."
  }

  validation {
    condition     = length(var.origin_secret_sha256) <= 2
    error_message = "origin_secret_sha256 must list at most two digests: the secret in use, and its successor."
  }

  validation {
    # What a shell pipeline yields when the secret's variable is unset.
    condition     = !contains(var.origin_secret_sha256, sha256("")) && !contains(var.origin_secret_sha256, sha256("\n"))
    error_message = "origin_secret_sha256 must not list the digest of an empty secret: set the secret before you hash it."
  }
}
