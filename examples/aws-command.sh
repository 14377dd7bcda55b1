#!/usr/bin/env bash
# The loop with the aws command alone: a queue on a topic, an alarm on it, and the message that arrives.
#
#   scaleproof sandbox --port 4599 --clock paused &
#   eval "$(scaleproof sandbox env --port 4599)"
#   examples/aws-command.sh
set -euo pipefail
: "${AWS_ENDPOINT_URL:?start a sandbox and run: eval \"\$(scaleproof sandbox env)\"}"

# Version 1 of the command ignores AWS_ENDPOINT_URL for queues; the option works everywhere.
aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" --output text "$@"; }

topic=$(aws sns create-topic --name ops --query TopicArn)
queue=$(aws sqs create-queue --queue-name inbox --query QueueUrl)
queue_arn=$(aws sqs get-queue-attributes --queue-url "$queue" --attribute-names QueueArn --query Attributes.QueueArn)

# Without this policy the topic cannot reach the queue, and nobody is told.
policy='{"Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"'$queue_arn'"}]}'
aws sqs set-queue-attributes --queue-url "$queue" --attributes "{\"Policy\": \"${policy//\"/\\\"}\"}"
aws sns subscribe --topic-arn "$topic" --protocol sqs --notification-endpoint "$queue_arn" >/dev/null

aws cloudwatch put-metric-alarm --alarm-name queue-deep --namespace app --metric-name Depth --statistic Maximum \
    --period 60 --evaluation-periods 1 --threshold 100 --comparison-operator GreaterThanThreshold --alarm-actions "$topic"
aws cloudwatch put-metric-data --namespace app --metric-name Depth --value 250
curl -fsS -X POST -d '{"advance": "2m"}' "$AWS_ENDPOINT_URL/_scaleproof/clock" >/dev/null

aws cloudwatch describe-alarms --alarm-names queue-deep --query 'MetricAlarms[0].[AlarmName,StateValue,StateReason]'
aws sqs receive-message --queue-url "$queue" --query 'Messages[0].Body' | grep '"Subject"'
