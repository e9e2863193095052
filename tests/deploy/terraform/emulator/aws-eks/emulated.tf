# Added to modules/aws-eks by the apply to an emulator, which makes no security group for the nodes.
data "aws_subnet" "emulated" {
  id = var.subnet_ids[0]
}

resource "aws_security_group" "emulated" {
  name   = "${var.name}-emulated-nodes"
  vpc_id = data.aws_subnet.emulated.vpc_id
}
