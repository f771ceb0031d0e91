# The EFS model store needs a network: one of its own, or subnets of yours. A package is in a VPC with subnets of yours alone.

locals {
  own_vpc = local.efs && length(var.subnet_ids) == 0
  vpc     = local.efs || length(var.subnet_ids) > 0
  vpc_id  = one(concat(aws_vpc.main[*].id, data.aws_subnet.given[*].vpc_id))

  # By a key that is known before the subnets are.
  subnets = merge(
    { for zone, subnet in aws_subnet.private : zone => subnet.id },
    { for index, id in var.subnet_ids : tostring(index) => id },
  )
}

data "aws_subnet" "given" {
  count = length(var.subnet_ids) > 0 ? 1 : 0

  id = var.subnet_ids[0]
}

data "aws_prefix_list" "s3" {
  count = local.efs || (local.batch && local.vpc) ? 1 : 0

  name = "com.amazonaws.${local.region}.s3"
}

data "aws_availability_zones" "available" {
  count = local.own_vpc ? 1 : 0

  state = "available"

  # Local and Wavelength zones have neither EFS nor Lambda.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }

  # The oldest zone of us-east-1 lacks the machines that newer services run on (https://wolfman.dev/posts/exclude-use1-az3/),
  # and Lambda refuses a subnet in a zone without its own.
  exclude_zone_ids = ["use1-az3"]

  lifecycle {
    postcondition {
      condition     = length(self.names) >= 2
      error_message = "${local.region} has ${length(self.names)} availability zones for this account, and two are needed: take another region."
    }
  }
}

resource "aws_vpc" "main" {
  count = local.own_vpc ? 1 : 0

  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true # mount targets are found by name

  tags = merge(local.tags, { Name = var.name })
}

resource "aws_subnet" "private" {
  for_each = local.own_vpc ? { for index, zone in slice(data.aws_availability_zones.available[0].names, 0, 2) : zone => index } : {}

  vpc_id            = aws_vpc.main[0].id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.vpc_cidr, 4, each.value)

  tags = merge(local.tags, { Name = "${var.name}-${each.key}" })
}

# The VPC's own table and group are adopted so that they stay empty: no route but that of the S3 endpoint leaves the VPC,
# and a resource that is put in it without a group of its own reaches nothing. (AWS's default group lets its members
# talk to each other.)
resource "aws_default_route_table" "private" {
  count = local.own_vpc ? 1 : 0

  default_route_table_id = aws_vpc.main[0].default_route_table_id
  route                  = []

  tags = merge(local.tags, { Name = var.name })
}

resource "aws_default_security_group" "closed" {
  count = local.own_vpc ? 1 : 0

  vpc_id = aws_vpc.main[0].id

  tags = merge(local.tags, { Name = "${var.name}-closed" })
}

# The provisioner's way to the model archive. It is free, and there is no NAT gateway to pay for.
resource "aws_vpc_endpoint" "s3" {
  count = local.own_vpc ? 1 : 0

  vpc_id            = aws_vpc.main[0].id
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_default_route_table.private[0].id]

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([{
      Sid       = "ProvisionerReadsModels"
      Effect    = "Allow"
      Principal = "*" # a gateway endpoint takes no other; the condition names the role
      Action    = "s3:GetObjectVersion"
      Resource  = local.models_arn
      Condition = { ArnEquals = { "aws:PrincipalArn" = aws_iam_role.provisioner[0].arn } }
      }], [
      for statement in local.batch_documents : merge(statement, {
        Principal = "*"
        Condition = merge(try(statement.Condition, {}), { ArnEquals = { "aws:PrincipalArn" = aws_iam_role.batch[0].arn } })
      }) if local.batch
    ])
  })

  tags = merge(local.tags, { Name = "${var.name}-s3" })
}

resource "aws_security_group" "function" {
  count = local.vpc ? 1 : 0

  name        = "${var.name}-function"
  description = "The NER function: NFS to the model store, nothing else"
  vpc_id      = local.vpc_id

  tags = merge(local.tags, { Name = "${var.name}-function" })

  # A group goes when its network interfaces have gone, and Lambda needs the right to delete them until then.
  depends_on = [aws_iam_role_policy.function_vpc]
}

resource "aws_security_group" "provisioner" {
  count = local.efs ? 1 : 0

  name        = "${var.name}-provisioner"
  description = "The model provisioner: NFS to the model store and HTTPS to S3, nothing else"
  vpc_id      = local.vpc_id

  tags = merge(local.tags, { Name = "${var.name}-provisioner" })

  depends_on = [aws_iam_role_policy.provisioner] # as above
}

resource "aws_security_group" "model_store" {
  count = local.efs ? 1 : 0

  name        = "${var.name}-model-store"
  description = "EFS mount targets: NFS from the functions, nothing else"
  vpc_id      = local.vpc_id

  tags = merge(local.tags, { Name = "${var.name}-model-store" })
}

# Rules are resources of their own, because the groups refer to each other.
locals {
  nfs_clients = local.efs ? merge({
    function    = aws_security_group.function[0].id
    provisioner = aws_security_group.provisioner[0].id
  }, { for group in aws_security_group.batch : "batch worker" => group.id }) : {}
}

resource "aws_vpc_security_group_egress_rule" "nfs" {
  for_each = local.nfs_clients

  security_group_id            = each.value
  referenced_security_group_id = aws_security_group.model_store[0].id
  description                  = "NFS to the model store"
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049

  tags = local.tags
}

resource "aws_vpc_security_group_ingress_rule" "nfs" {
  for_each = local.nfs_clients

  security_group_id            = aws_security_group.model_store[0].id
  referenced_security_group_id = each.value
  description                  = "NFS from the ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049

  tags = local.tags
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  count = local.efs ? 1 : 0

  security_group_id = aws_security_group.provisioner[0].id
  prefix_list_id    = data.aws_prefix_list.s3[0].id
  description       = "HTTPS to S3"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443

  tags = local.tags
}
