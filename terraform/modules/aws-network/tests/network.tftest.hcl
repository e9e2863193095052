mock_provider "aws" {
  source          = "../../mocks/aws"
  override_during = plan
}

variables {
  name        = "visapi-test"
  region      = "eu-central-1"
  zones       = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/test"
}

run "what_is_planned_is_safe" {
  command = plan
  assert {
    condition     = [for zone in var.zones : aws_subnet.private[zone].cidr_block] == ["10.40.0.0/20", "10.40.16.0/20", "10.40.32.0/20"]
    error_message = "private subnets are ${jsonencode([for each in aws_subnet.private : each.cidr_block])}"
  }
  assert {
    condition     = [for zone in var.zones : aws_subnet.public[zone].cidr_block] == ["10.40.240.0/24", "10.40.241.0/24", "10.40.242.0/24"]
    error_message = "public subnets are ${jsonencode([for each in aws_subnet.public : each.cidr_block])}"
  }
  assert {
    condition     = [for zone in var.zones : aws_subnet.database[zone].cidr_block] == ["10.40.248.0/24", "10.40.249.0/24", "10.40.250.0/24"]
    error_message = "subnets of databases are ${jsonencode([for each in aws_subnet.database : each.cidr_block])}"
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 3 && length(aws_route.nat) == 3 && alltrue([for each in aws_subnet.public : !each.map_public_ip_on_launch])
    error_message = "a zone lacks its NAT gateway, or a subnet hands out public addresses"
  }
  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL" && aws_cloudwatch_log_group.flows.kms_key_id == var.kms_key_arn
    error_message = "flows are not logged, or in the clear"
  }
}

run "one_nat_gateway_serves_all_zones_where_asked" {
  command = plan
  variables {
    nat_per_zone = false
  }
  assert {
    condition     = keys(aws_nat_gateway.this) == ["eu-central-1a"] && length(aws_route.nat) == 3
    error_message = "there are ${length(aws_nat_gateway.this)} gateways"
  }
}

run "wrong_values_are_refused_by_name" {
  command = plan
  variables {
    zones    = ["eu-central-1a"]
    cidr     = "10.40.0.0/24"
    log_days = 100
  }
  expect_failures = [var.zones, var.cidr, var.log_days]
}
