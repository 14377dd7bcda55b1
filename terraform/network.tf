# Rendered by scaleproof. Change the spec and render again: an edit made here is noticed, not overwritten.
# scaleproof: 1f1dc49826e6a475f9ef64435b4e45cd4e3825e8e3fde215d88dc06f59593cab

data "aws_availability_zones" "available" {
  state = "available"
}

# Asked zone by zone, which every version of the provider can answer.
data "aws_ec2_instance_type_offerings" "machines" {
  # Zones are named after their region and a letter; local and wavelength zones have longer names.
  for_each = toset([for zone in data.aws_availability_zones.available.names : zone if can(regex("^ap-northeast-2[a-z]$", zone))])

  location_type = "availability-zone"

  filter {
    name   = "instance-type"
    values = ["t2.nano"]
  }

  filter {
    name   = "location"
    values = [each.key]
  }
}

locals {
  # Zones that offer the instance type, by name.
  offered_zones = [for zone, offer in data.aws_ec2_instance_type_offerings.machines : zone if length(offer.instance_types) > 0]

  zones = slice(local.offered_zones, 0, min(2, length(local.offered_zones)))

  subnet_cidrs = ["10.0.0.0/20", "10.0.16.0/20"]
}

resource "aws_vpc" "main" {
  cidr_block           = "10.0.0.0/16"
  enable_dns_hostnames = true

  tags = {
    Name = "course"
  }

  lifecycle {
    precondition {
      condition     = length(local.zones) == 2
      error_message = "ap-northeast-2 has fewer than 2 zones that offer t2.nano."
    }
  }
}

resource "aws_subnet" "public" {
  count = length(local.subnet_cidrs)

  vpc_id                  = aws_vpc.main.id
  availability_zone       = local.zones[count.index]
  cidr_block              = local.subnet_cidrs[count.index]
  map_public_ip_on_launch = true

  tags = {
    Name = "${local.zones[count.index]} public"
  }
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id

  tags = {
    Name = "course"
  }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.main.id
  }

  tags = {
    Name = "course"
  }
}

resource "aws_route_table_association" "public" {
  count = length(local.subnet_cidrs)

  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public.id
}
