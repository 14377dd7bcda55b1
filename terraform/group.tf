# Rendered by scaleproof. Change the spec and render again: an edit made here is noticed, not overwritten.
# scaleproof: 867e9ad387a14279d282a11dd157be243da0354dad62daf3711c1b22eaab156a

resource "aws_autoscaling_group" "machines" {
  name                      = "course"
  min_size                  = 1
  desired_capacity          = 1
  max_size                  = 3
  vpc_zone_identifier       = aws_subnet.public[*].id
  health_check_type         = "EC2"
  health_check_grace_period = 300
  wait_for_capacity_timeout = "10m"

  enabled_metrics = [
    "GroupDesiredCapacity",
    "GroupInServiceInstances",
    "GroupMaxSize",
    "GroupMinSize",
    "GroupPendingInstances",
    "GroupStandbyInstances",
    "GroupTerminatingInstances",
    "GroupTotalInstances",
  ]

  launch_template {
    id      = aws_launch_template.machines.id
    version = aws_launch_template.machines.latest_version
  }

  tag {
    key                 = "Name"
    value               = "course"
    propagate_at_launch = true
  }

  tag {
    key                 = "scaleproof:stack"
    value               = "course"
    propagate_at_launch = true
  }

  lifecycle {
    # Scaling owns the number of machines; an apply must not take machines away under load.
    ignore_changes = [desired_capacity]
  }

  # A machine fetches packages at its first start, so its subnet needs the way out before.
  depends_on = [aws_route_table_association.public]
}
