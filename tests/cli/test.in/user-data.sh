#!/bin/bash
# Runs once, at a machine's first start: serves a page that names the machine, and installs stress for load tests.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

apt-get update
apt-get install -y apache2 stress

token=$(curl -sf -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 300" http://169.254.169.254/latest/api/token)
instance_id=$(curl -sf -H "X-aws-ec2-metadata-token: ${token}" http://169.254.169.254/latest/meta-data/instance-id)

cat > /var/www/html/index.html <<PAGE
<!doctype html>
<html lang="en">
<title>scaleproof course</title>
<h1>It works on ${instance_id}</h1>
</html>
PAGE
systemctl enable --now apache2
