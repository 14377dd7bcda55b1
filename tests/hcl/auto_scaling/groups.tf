# Groups with the arguments that nobody has to give: preferences, requirements instead of instance types, a warm pool,
# hooks, schedules. Beside it stands the provider's configuration, which tests/end_to_end.rs writes. `second` is the
# second step.

variable "second" {
  type    = bool
  default = false
}

data "aws_availability_zones" "here" {
  state = "available"
}

data "aws_ami" "minimal" {
  most_recent = true
  owners      = ["amazon"]

  filter {
    name   = "name"
    values = ["amzn2-ami-minimal-hvm-*"]
  }

  filter {
    name   = "architecture"
    values = ["x86_64"]
  }
}

locals {
  zones = slice(data.aws_availability_zones.here.names, 0, 2)
}

resource "aws_placement_group" "near" {
  name     = "near"
  strategy = "cluster"
}

resource "aws_launch_configuration" "old" {
  name_prefix   = "old-"
  image_id      = data.aws_ami.minimal.id
  instance_type = var.second ? "t3.small" : "t3.micro"
  user_data     = "#!/bin/sh\necho ready\n"

  root_block_device {
    volume_type = "gp3"
    volume_size = 9
    encrypted   = true
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 2
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_autoscaling_group" "careful" {
  name                      = "careful"
  availability_zones        = local.zones
  min_size                  = 1
  max_size                  = 3
  desired_capacity          = var.second ? 2 : 1
  launch_configuration      = aws_launch_configuration.old.name
  max_instance_lifetime     = var.second ? 604800 : 86400
  default_instance_warmup   = 15
  health_check_grace_period = 60
  termination_policies      = var.second ? ["OldestInstance", "Default"] : ["ClosestToNextInstanceHour"]
  suspended_processes       = var.second ? ["AZRebalance"] : ["AlarmNotification", "ScheduledActions"]
  enabled_metrics           = var.second ? ["GroupMaxSize"] : ["GroupMinSize", "GroupInServiceInstances"]
  protect_from_scale_in     = var.second
  context                   = "ours"
  force_delete              = true

  availability_zone_distribution {
    capacity_distribution_strategy = var.second ? "balanced-best-effort" : "balanced-only"
  }

  instance_maintenance_policy {
    min_healthy_percentage = 90
    max_healthy_percentage = var.second ? 130 : 110
  }

  warm_pool {
    pool_state                  = "Stopped"
    max_group_prepared_capacity = var.second ? 3 : 2

    instance_reuse_policy {
      reuse_on_scale_in = true
    }
  }

  initial_lifecycle_hook {
    name                 = "first"
    default_result       = "CONTINUE"
    heartbeat_timeout    = 30
    lifecycle_transition = "autoscaling:EC2_INSTANCE_LAUNCHING"
  }

  dynamic "tag" {
    for_each = var.second ? { team = "dev" } : { team = "ops", cost = "42" }

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = tag.key == "team"
    }
  }
}

resource "aws_autoscaling_group" "by_attributes" {
  name                  = "by-attributes"
  availability_zones    = local.zones
  min_size              = 0
  max_size              = 8
  desired_capacity      = 4
  desired_capacity_type = "vcpu"
  capacity_rebalance    = true

  mixed_instances_policy {
    instances_distribution {
      on_demand_base_capacity                  = 2
      on_demand_percentage_above_base_capacity = var.second ? 0 : 50
      spot_allocation_strategy                 = "price-capacity-optimized"
      spot_max_price                           = var.second ? "" : "1.50"
    }

    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.full.id
      }

      override {
        instance_requirements {
          cpu_manufacturers       = ["intel", "amd"]
          excluded_instance_types = ["r*"]
          burstable_performance   = "excluded"
          instance_generations    = ["current"]

          vcpu_count {
            min = 2
            max = var.second ? 2 : 4
          }

          memory_mib {
            min = 4096
          }

          memory_gib_per_vcpu {
            min = 1.5
            max = 8.5
          }
        }
      }
    }
  }
}

resource "aws_autoscaling_group" "near" {
  name               = "near"
  availability_zones = [local.zones[0]]
  min_size           = 0
  max_size           = 1
  desired_capacity   = 1
  placement_group    = aws_placement_group.near.name

  launch_template {
    id      = aws_launch_template.full.id
    version = aws_launch_template.full.latest_version
  }

  capacity_reservation_specification {
    capacity_reservation_preference = var.second ? "capacity-reservations-first" : "none"
  }

  # One of them is a resource of its own below.
  lifecycle {
    ignore_changes = [tag]
  }
}

resource "aws_autoscaling_group_tag" "near" {
  autoscaling_group_name = aws_autoscaling_group.near.name

  tag {
    key                 = "extra"
    value               = var.second ? "two" : "one"
    propagate_at_launch = false
  }
}

resource "aws_autoscaling_schedule" "night" {
  scheduled_action_name  = "night"
  autoscaling_group_name = aws_autoscaling_group.near.name
  min_size               = 0
  max_size               = 1
  desired_capacity       = var.second ? 1 : 0
  recurrence             = "0 22 * * 1-5"
  time_zone              = "Asia/Seoul"
}

resource "aws_sqs_queue" "hooks" {
  name = "hooks"
}

resource "aws_iam_role" "hooks" {
  name = "hooks"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "autoscaling.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_autoscaling_lifecycle_hook" "leaving" {
  name                    = "leaving"
  autoscaling_group_name  = aws_autoscaling_group.near.name
  lifecycle_transition    = "autoscaling:EC2_INSTANCE_TERMINATING"
  heartbeat_timeout       = var.second ? 60 : 30
  default_result          = "CONTINUE"
  notification_target_arn = aws_sqs_queue.hooks.arn
  role_arn                = aws_iam_role.hooks.arn
  notification_metadata   = jsonencode({ drain = true })
}

data "aws_autoscaling_groups" "of_ops" {
  filter {
    name   = "tag-key"
    values = ["team"]
  }

  depends_on = [aws_autoscaling_group.careful]
}

output "of_ops" {
  value = data.aws_autoscaling_groups.of_ops.names
}
