# Rendered by scaleproof. Change the spec and render again: an edit made here is noticed, not overwritten.
# scaleproof: e11c66241c58ea6f445bc4c1b54083c5e23b7826635f484ef2139ac578ce02a3
# scaleproof: user-data.sh f4e443523ed90d2066189640281f080b4a55745f36abe5885eaea18303e55027

# The newest image of the release, published by Canonical.
data "aws_ami" "ubuntu" {
  most_recent = true
  owners      = ["099720109477"]

  filter {
    name   = "name"
    values = ["ubuntu/images/hvm-ssd*/ubuntu-noble-24.04-amd64-server-*"]
  }

  filter {
    name   = "virtualization-type"
    values = ["hvm"]
  }
}

resource "aws_launch_template" "machines" {
  name                   = "course"
  image_id               = data.aws_ami.ubuntu.id
  instance_type          = "t2.nano"
  key_name               = "my-key"
  user_data              = filebase64("${path.module}/user-data.sh")
  vpc_security_group_ids = [aws_security_group.machines.id]

  block_device_mappings {
    device_name = data.aws_ami.ubuntu.root_device_name

    ebs {
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }

  # Only IMDSv2: a request forged through the machine's web server cannot read its credentials.
  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }

  monitoring {
    enabled = true
  }

  tag_specifications {
    resource_type = "volume"

    tags = {
      "Name"             = "course"
      "scaleproof:stack" = "course"
    }
  }
}
