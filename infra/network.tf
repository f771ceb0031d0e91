data "aws_availability_zones" "available" {
  state = "available"

  # Local and Wavelength zones have neither EFS nor Lambda.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }

  lifecycle {
    postcondition {
      condition     = length(self.names) >= var.zone_count
      error_message = "${var.region} has ${length(self.names)} availability zones for this account: lower zone_count, or take another region."
    }
  }
}

resource "aws_vpc" "main" {
  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true # mount targets are found by name

  tags = { Name = var.name }
}

resource "aws_subnet" "private" {
  for_each = { for index, zone in slice(data.aws_availability_zones.available.names, 0, var.zone_count) : zone => index }

  vpc_id            = aws_vpc.main.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.vpc_cidr, 4, each.value)

  tags = { Name = "${var.name}-${each.key}" }
}

# The VPC's own table and group are adopted so that they stay empty: no route leaves the VPC, and a resource that is
# put in it without a group of its own reaches nothing. (AWS's default group lets its members talk to each other.)
resource "aws_default_route_table" "private" {
  default_route_table_id = aws_vpc.main.default_route_table_id
  route                  = []

  tags = { Name = var.name }
}

resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.main.id

  tags = { Name = "${var.name}-closed" }
}

resource "aws_security_group" "function" {
  name        = "${var.name}-function"
  description = "The NER function: NFS to the model store, nothing else"
  vpc_id      = aws_vpc.main.id

  tags = { Name = "${var.name}-function" }
}

resource "aws_security_group" "model_store" {
  name        = "${var.name}-model-store"
  description = "EFS mount targets: NFS from the NER function, nothing else"
  vpc_id      = aws_vpc.main.id

  tags = { Name = "${var.name}-model-store" }
}

# Rules are resources of their own, because the two groups refer to each other.
resource "aws_vpc_security_group_egress_rule" "function_nfs" {
  security_group_id            = aws_security_group.function.id
  referenced_security_group_id = aws_security_group.model_store.id
  description                  = "NFS to the model store"
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
}

resource "aws_vpc_security_group_ingress_rule" "model_store_nfs" {
  security_group_id            = aws_security_group.model_store.id
  referenced_security_group_id = aws_security_group.function.id
  description                  = "NFS from the function"
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
}
