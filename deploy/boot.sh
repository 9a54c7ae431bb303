#!/bin/bash
# Makes an instance of the stack what its group needs, and starts it: run by user data, as root, with
# the variables that the launch template exports. It may be run again, with the same variables.
#
#   GROUP       gpu, cpu or orchestrator: which parameters to read and which services to start
#   UNITS       which systemd unit has which role in AWS, as unit=ARN
#   STACK, LOGICAL_ID, REGION, RELEASE, PREFIX, BUCKET, CDN, CDN_KEY, BUDGET, PUBLIC_HOST
#   ROOT        before every path, for tests

set -euo pipefail
umask 077
export AWS_DEFAULT_REGION=$REGION
ROOT=${ROOT:-}
PACKAGE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ETC=$ROOT/etc/short-drama

# Tells CloudFormation, which waits for it while it replaces instances, and else does not listen.
tell() {
  aws cloudformation signal-resource --stack-name "$STACK" --logical-resource-id "$LOGICAL_ID" \
    --unique-id "$(cat "$ROOT/var/lib/cloud/data/instance-id")" --status "$1" 2>/dev/null || true
}

# NAME=VALUE, unless VALUE is empty.
setting() {
  [ -z "$2" ] || echo "$1=$2"
}

settings() {
  setting SHORT_DRAMA_BACKEND aws
  setting SHORT_DRAMA_NAME_PREFIX "$PREFIX"
  setting SHORT_DRAMA_BUCKET "$BUCKET"
  setting SHORT_DRAMA_CLOUDFRONT_DOMAIN "$CDN"
  setting SHORT_DRAMA_CLOUDFRONT_KEY_PAIR_ID "${CDN_KEY:-}"
  setting SHORT_DRAMA_BUDGET_PER_DAY_USD "${BUDGET:-}"
  if [ -n "${PUBLIC_HOST:-}" ]; then
    setting SHORT_DRAMA_PUBLIC_HOSTS "$PUBLIC_HOST"
    setting SHORT_DRAMA_REQUIRE_KEYS true
    setting SHORT_DRAMA_TRUSTED_PROXIES 127.0.0.1
  fi
  if [ -d "$ROOT/opt/comfyui" ]; then
    setting SHORT_DRAMA_COMFYUI_URL http://127.0.0.1:8188
    setting SHORT_DRAMA_COMFYUI_RESTART_COMMAND "touch /run/comfyui-unified-api/restart-comfyui"
  fi
  setting AWS_REGION "$REGION"
  setting AWS_CONFIG_FILE /etc/short-drama/aws
}

parameter() {
  aws ssm get-parameter --with-decryption --name "$1" --query Parameter.Value --output text
}

# Parameter Store's /STACK/GROUP/NAME: what is encrypted becomes a credential, the rest a setting.
parameters() {
  local names kind name value
  names=$(aws ssm get-parameters-by-path --path "/$STACK/$GROUP" \
    --query 'Parameters[].[Type,Name]' --output text)
  while read -r kind name; do
    [ -n "$name" ] || continue
    value=$(parameter "$name")
    case $kind in
      SecureString) echo "$value" >"$ETC/credentials/${name##*/}" ;;
      *) setting "${name##*/}" "$value" ;;
    esac
  done <<<"$names"
}

# Each unit has the rights of its own role: a profile of the unit's name, which its drop-in chooses.
# An instance's own role may do no more than take on those of its units.
profiles() {
  local unit
  for unit in $UNITS; do
    printf '[profile %s]\nrole_arn = %s\ncredential_source = Ec2InstanceMetadata\n' \
      "${unit%%=*}" "${unit#*=}"
  done
}

drop_ins() {
  local unit folder
  for unit in $UNITS; do
    folder=$ROOT/etc/systemd/system/${unit%%=*}.service.d
    install -d -m 755 "$folder"
    printf '[Service]\nEnvironment=AWS_PROFILE=%s\n' "${unit%%=*}" >"$folder/aws.conf"
  done
}

# What drain.sh needs to know; see the lifecycle hooks of the template.
instance() {
  setting AWS_DEFAULT_REGION "$REGION"
  setting AUTO_SCALING_GROUP "$STACK-$GROUP"
  setting LIFECYCLE_HOOK "$STACK-$GROUP-drain"
  setting UNITS "$(for unit in $UNITS; do printf '%s ' "${unit%%=*}"; done)"
}

# nginx, with the certificate that is in Parameter Store.
front() {
  local file
  command -v nginx >/dev/null || { apt-get -q update && apt-get -qy install nginx; }
  install -d -m 700 "$ETC/tls"
  for file in fullchain.pem privkey.pem; do
    parameter "/$STACK/$GROUP/nginx/$file" >"$ETC/tls/$file"
  done
  install -d -m 755 "$ROOT/etc/nginx/conf.d"
  sed "s/studio\.example/$PUBLIC_HOST/g" "$PACKAGE/deploy/nginx/short-drama.conf" \
    >"$ROOT/etc/nginx/conf.d/short-drama.conf"
  systemctl reload-or-restart nginx
}

# Logs and figures to CloudWatch. Without them the services run all the same.
watch() {
  local agent=$ROOT/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl
  local package=https://amazoncloudwatch-agent.s3.amazonaws.com/ubuntu/amd64/latest
  local file
  for file in agent.json prometheus.yml; do
    sed "s|@STACK@|$STACK|g" "$PACKAGE/deploy/cloudwatch/$file" >"$ETC/cloudwatch-$file"
  done
  if [ ! -x "$agent" ]; then
    curl -fsS -m 300 -o /tmp/amazon-cloudwatch-agent.deb "$package/amazon-cloudwatch-agent.deb" &&
      dpkg -i /tmp/amazon-cloudwatch-agent.deb || return
  fi
  "$agent" -a fetch-config -m ec2 -s -c "file:$ETC/cloudwatch-agent.json"
}

trap '[ $? -eq 0 ] || tell FAILURE' EXIT
install -d -m 755 "$ETC"
install -d -m 700 "$ETC/credentials"
{ settings && parameters; } >"$ETC/short-drama.env"
profiles >"$ETC/aws"
instance >"$ETC/instance.env"
chmod 644 "$ETC/short-drama.env" "$ETC/aws" "$ETC/instance.env"
drop_ins
install -D -m 644 "$PACKAGE/deploy/drain.service" "$ROOT/etc/systemd/system/short-drama-drain.service"
systemctl daemon-reload
systemctl enable --now short-drama-drain
watch || echo "No logs and figures go to CloudWatch: its agent could not be started." >&2
"$PACKAGE/deploy/setup_services.sh" "$GROUP" --wheel "$PACKAGE"/short_drama-*.whl
[ -z "${PUBLIC_HOST:-}" ] || front
tell SUCCESS
