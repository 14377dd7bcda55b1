# Every type of scaling policy on one group that stays empty.

resource "aws_autoscaling_group" "steered" {
  name                 = "steered"
  availability_zones   = local.zones
  min_size             = 0
  max_size             = 0
  launch_configuration = aws_launch_configuration.old.name
}

resource "aws_autoscaling_policy" "simple" {
  name                   = "simple"
  autoscaling_group_name = aws_autoscaling_group.steered.name
  adjustment_type        = "ExactCapacity"
  scaling_adjustment     = 0
  cooldown               = var.second ? 30 : 0
}

resource "aws_autoscaling_policy" "steps" {
  name                      = "steps"
  autoscaling_group_name    = aws_autoscaling_group.steered.name
  policy_type               = "StepScaling"
  adjustment_type           = "PercentChangeInCapacity"
  min_adjustment_magnitude  = 1
  estimated_instance_warmup = 0
  metric_aggregation_type   = "Maximum"
  enabled                   = var.second

  step_adjustment {
    scaling_adjustment          = var.second ? 20 : 10
    metric_interval_lower_bound = 0
    metric_interval_upper_bound = 15.5
  }

  step_adjustment {
    scaling_adjustment          = 40
    metric_interval_lower_bound = 15.5
  }
}

resource "aws_autoscaling_policy" "backlog" {
  name                   = "backlog"
  autoscaling_group_name = aws_autoscaling_group.steered.name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value = var.second ? 50 : 12.5

    customized_metric_specification {
      metrics {
        id          = "waiting"
        return_data = false

        metric_stat {
          stat = "Sum"

          metric {
            namespace   = "AWS/SQS"
            metric_name = "ApproximateNumberOfMessagesVisible"

            dimensions {
              name  = "QueueName"
              value = "hooks"
            }
          }
        }
      }

      metrics {
        id          = "machines"
        return_data = false

        metric_stat {
          stat   = "Average"
          period = var.second ? 60 : 30

          metric {
            namespace   = "AWS/AutoScaling"
            metric_name = "GroupInServiceInstances"

            dimensions {
              name  = "AutoScalingGroupName"
              value = "steered"
            }
          }
        }
      }

      metrics {
        id          = "backlog"
        label       = "messages for each machine"
        expression  = "waiting / machines"
        return_data = true
      }
    }
  }
}

resource "aws_autoscaling_policy" "forecast" {
  name                   = "forecast"
  autoscaling_group_name = aws_autoscaling_group.steered.name
  policy_type            = "PredictiveScaling"

  predictive_scaling_configuration {
    mode                         = var.second ? "ForecastAndScale" : "ForecastOnly"
    scheduling_buffer_time       = 10
    max_capacity_breach_behavior = "IncreaseMaxCapacity"
    max_capacity_buffer          = var.second ? 10 : 0

    metric_specification {
      target_value = 40

      predefined_scaling_metric_specification {
        predefined_metric_type = "ASGAverageCPUUtilization"
      }

      customized_load_metric_specification {
        metric_data_queries {
          id         = "load"
          expression = "TIME_SERIES(100)"
        }
      }
    }
  }
}

resource "aws_sns_topic" "ops" {
  name = "ops"
}

resource "aws_autoscaling_notification" "ops" {
  group_names = [aws_autoscaling_group.steered.name, aws_autoscaling_group.near.name]
  topic_arn   = aws_sns_topic.ops.arn
  notifications = concat(
    ["autoscaling:EC2_INSTANCE_LAUNCH"],
    var.second ? [] : ["autoscaling:EC2_INSTANCE_TERMINATE"],
  )
}

# Target groups of another network than the group's are taken.
resource "aws_vpc" "other" {
  cidr_block = "10.9.0.0/16"
}

resource "aws_lb_target_group" "other" {
  count    = 2
  name     = "other-${count.index}"
  port     = 443
  protocol = "HTTPS"
  vpc_id   = aws_vpc.other.id
}

resource "aws_autoscaling_group" "behind" {
  name                 = "behind"
  availability_zones   = local.zones
  min_size             = 0
  max_size             = 0
  launch_configuration = aws_launch_configuration.old.name

  lifecycle {
    ignore_changes = [target_group_arns, traffic_source]
  }
}

resource "aws_autoscaling_attachment" "other" {
  count                  = var.second ? 1 : 2
  autoscaling_group_name = aws_autoscaling_group.behind.name
  lb_target_group_arn    = aws_lb_target_group.other[count.index].arn
}
