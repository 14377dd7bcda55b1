# A launch template with most of what one can hold, and one that names requirements instead of an instance type.

resource "aws_launch_template" "full" {
  name                                 = "full"
  description                          = var.second ? "the second" : "the first"
  update_default_version               = true
  image_id                             = data.aws_ami.minimal.id
  instance_type                        = "m5.large"
  ebs_optimized                        = true
  disable_api_termination              = var.second
  instance_initiated_shutdown_behavior = "terminate"
  user_data                            = base64encode("#!/bin/sh\necho ${var.second ? 2 : 1}\n")

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_size           = 12
      volume_type           = "gp3"
      iops                  = 3000
      throughput            = 250
      delete_on_termination = true
    }
  }

  cpu_options {
    core_count       = 1
    threads_per_core = 2
  }

  credit_specification {
    cpu_credits = "standard"
  }

  maintenance_options {
    auto_recovery = "disabled"
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 2
    instance_metadata_tags      = var.second ? "enabled" : "disabled"
  }

  monitoring {
    enabled = true
  }

  private_dns_name_options {
    hostname_type                     = "resource-name"
    enable_resource_name_dns_a_record = true
  }

  network_interfaces {
    device_index                = 0
    associate_public_ip_address = true
    delete_on_termination       = true
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { from = "full" }
  }

  tag_specifications {
    resource_type = "volume"
    tags          = { from = "full" }
  }

  tags = { step = var.second ? "two" : "one" }
}

resource "aws_launch_template" "by_attributes" {
  name_prefix = "by-attributes-"
  image_id    = data.aws_ami.minimal.id

  instance_requirements {
    bare_metal                                              = "included"
    local_storage                                           = "required"
    local_storage_types                                     = ["ssd"]
    accelerator_types                                       = ["gpu"]
    max_spot_price_as_percentage_of_optimal_on_demand_price = var.second ? 80 : 70

    vcpu_count {
      min = 4
    }

    memory_mib {
      min = 16384
    }

    accelerator_count {
      min = 1
      max = 4
    }

    network_bandwidth_gbps {
      min = 2.5
    }

    total_local_storage_gb {
      min = 50.5
    }
  }
}

data "aws_launch_template" "full" {
  name = aws_launch_template.full.name
}

output "latest" {
  value = data.aws_launch_template.full.latest_version
}
