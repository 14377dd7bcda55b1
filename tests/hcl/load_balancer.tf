# A group behind an application load balancer, and a network load balancer with a machine of its own. Beside it stands the
# provider's configuration, which tests/end_to_end.rs writes for each version.

variable "drain_secs" {
  type    = number
  default = 60
}

variable "path" {
  type    = string
  default = "/health"
}

variable "health_check_type" {
  type    = string
  default = "ELB"
}

data "aws_availability_zones" "here" {
  state = "available"
}

data "aws_ami" "ubuntu" {
  most_recent = true
  owners      = ["099720109477"]

  filter {
    name   = "name"
    values = ["ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*"]
  }
}

resource "aws_vpc" "web" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_internet_gateway" "web" {
  vpc_id = aws_vpc.web.id
}

resource "aws_subnet" "web" {
  count             = 2
  vpc_id            = aws_vpc.web.id
  cidr_block        = cidrsubnet(aws_vpc.web.cidr_block, 8, count.index)
  availability_zone = data.aws_availability_zones.here.names[count.index]
}

resource "aws_security_group" "web" {
  name   = "web"
  vpc_id = aws_vpc.web.id
}

resource "aws_lb" "web" {
  name               = "web"
  load_balancer_type = "application"
  security_groups    = [aws_security_group.web.id]
  subnets            = aws_subnet.web[*].id
  idle_timeout       = 120
  tags               = { team = "ops" }

  depends_on = [aws_internet_gateway.web]
}

resource "aws_lb_target_group" "web" {
  name                 = "web"
  port                 = 80
  protocol             = "HTTP"
  vpc_id               = aws_vpc.web.id
  deregistration_delay = var.drain_secs

  health_check {
    path                = var.path
    interval            = 10
    healthy_threshold   = 2
    unhealthy_threshold = 2
    matcher             = "200-299"
  }
}

resource "aws_lb_listener" "web" {
  load_balancer_arn = aws_lb.web.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web.arn
  }
}

resource "aws_lb_listener_rule" "old" {
  listener_arn = aws_lb_listener.web.arn
  priority     = 10

  action {
    type = "redirect"

    redirect {
      path        = "/new"
      status_code = "HTTP_301"
    }
  }

  condition {
    path_pattern {
      values = ["/old/*", "/older/*"]
    }
  }

  condition {
    host_header {
      values = ["example.com"]
    }
  }
}

resource "aws_launch_template" "web" {
  name          = "web"
  image_id      = data.aws_ami.ubuntu.id
  instance_type = "t3.nano"
}

resource "aws_autoscaling_group" "web" {
  name                = "web"
  min_size            = 1
  desired_capacity    = 2
  max_size            = 3
  vpc_zone_identifier = aws_subnet.web[*].id
  target_group_arns   = [aws_lb_target_group.web.arn]
  health_check_type   = var.health_check_type
  min_elb_capacity    = 1

  launch_template {
    id      = aws_launch_template.web.id
    version = aws_launch_template.web.latest_version
  }

  depends_on = [aws_lb_listener.web]
}

resource "aws_autoscaling_policy" "requests" {
  name                   = "requests"
  autoscaling_group_name = aws_autoscaling_group.web.name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value = 1000

    predefined_metric_specification {
      predefined_metric_type = "ALBRequestCountPerTarget"
      resource_label         = "${aws_lb.web.arn_suffix}/${aws_lb_target_group.web.arn_suffix}"
    }
  }
}

resource "aws_lb_target_group" "api" {
  name     = "api"
  port     = 8080
  protocol = "TCP"
  vpc_id   = aws_vpc.web.id
}

resource "aws_lb" "api" {
  name               = "api"
  load_balancer_type = "network"
  internal           = true

  subnet_mapping {
    subnet_id = aws_subnet.web[0].id
  }
}

resource "aws_lb_listener" "api" {
  load_balancer_arn = aws_lb.api.arn
  port              = 443
  protocol          = "TCP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api.arn
  }
}

resource "aws_instance" "api" {
  ami           = data.aws_ami.ubuntu.id
  instance_type = "t3.nano"
  subnet_id     = aws_subnet.web[0].id
}

resource "aws_lb_target_group_attachment" "api" {
  target_group_arn = aws_lb_target_group.api.arn
  target_id        = aws_instance.api.id
  port             = 9090
}
