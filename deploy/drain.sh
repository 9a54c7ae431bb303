#!/bin/bash
# Waits until AWS takes this instance away: a spot instance two minutes ahead, any other one when its
# group wants it no longer. Then stops its services, the adapter first, so that what runs finishes or
# goes back on the queue uncounted, and tells the group that it need not wait any longer.
#
# Its variables are in /etc/short-drama/instance.env, which boot.sh writes. PAUSE and LOOKS are for
# tests: seconds between two looks, and how many there are.

set -uo pipefail
METADATA=http://169.254.169.254/latest

metadata() {
  local token
  token=$(curl -fsS -m 2 -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" "$METADATA/api/token") &&
    curl -fsS -m 2 -H "X-aws-ec2-metadata-token: $token" "$METADATA/meta-data/$1"
} 2>/dev/null

# Instance metadata (EC2 user guide): there is a spot/instance-action once the end is decided, and the
# target of a group's instance that is to go is Terminated.
is_ending() {
  metadata spot/instance-action >/dev/null ||
    [ "$(metadata autoscaling/target-lifecycle-state)" = Terminated ]
}

looks=0
until is_ending; do
  looks=$((looks + 1))
  [ "$looks" -lt "${LOOKS:-1000000000}" ] || exit 0
  sleep "${PAUSE:-5}"
done
echo "This instance is to end: its services stop, what they do may finish."
for unit in $UNITS; do
  systemctl stop "$unit"
done
aws autoscaling complete-lifecycle-action --lifecycle-action-result CONTINUE \
  --auto-scaling-group-name "$AUTO_SCALING_GROUP" --lifecycle-hook-name "$LIFECYCLE_HOOK" \
  --instance-id "$(metadata instance-id)"
