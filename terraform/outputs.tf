# Rendered by scaleproof. Change the spec and render again: an edit made here is noticed, not overwritten.
# scaleproof: 1e64a2779ce22aa2f250038d0d0b87b81821b11c7c10ebbd60afab5897fa6a29

output "group_name" {
  description = "The Auto Scaling group's name."
  value       = aws_autoscaling_group.machines.name
}

output "vpc_id" {
  description = "The VPC's id."
  value       = aws_vpc.main.id
}

output "subnet_ids" {
  description = "The subnets' ids, in the order of their zones."
  value       = aws_subnet.public[*].id
}

output "launch_template_id" {
  description = "The launch template's id."
  value       = aws_launch_template.machines.id
}

output "policy_arns" {
  description = "The scaling policies' ARNs, by the name that the spec gives them."
  value = {
    "scale-in"  = aws_autoscaling_policy.scale_in.arn
    "scale-out" = aws_autoscaling_policy.scale_out.arn
  }
}
