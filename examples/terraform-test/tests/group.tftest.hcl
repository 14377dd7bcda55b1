# scaleproof sandbox --port 4599 --clock 60x &
# TF_VAR_endpoint=http://127.0.0.1:4599 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test terraform test

run "the_alarm_watches_this_group_and_scales_it" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.cpu_high.dimensions["AutoScalingGroupName"] == aws_autoscaling_group.web.name
    error_message = "the alarm watches another group"
  }

  assert {
    condition     = contains(aws_cloudwatch_metric_alarm.cpu_high.alarm_actions, aws_autoscaling_policy.out.arn)
    error_message = "the alarm does not scale the group"
  }
}

run "the_group_starts_with_one_machine" {
  assert {
    condition     = aws_autoscaling_group.web.desired_capacity == 1
    error_message = "the group wants ${aws_autoscaling_group.web.desired_capacity} machines"
  }
}
