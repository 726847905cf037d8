#!/bin/sh
# Prints every event that somebody should know of: alerts.sh BROKERS. A first start begins with what comes from then on; with -e
# it reads everything from the beginning and ends. %h are the headers. To a phone:
#   ./alerts.sh localhost:9092 | while read -r line; do curl -sf -d "$line" https://ntfy.sh/A-NAME-THAT-NOBODY-GUESSES; done
exec kcat -b "$1" -G alerts-kcat -q -u $2 -X isolation.level=read_committed -X auto.offset.reset="$([ "$2" ] && echo earliest || echo latest)" -f '%h\n' \
  lowcap.entry-blocks lowcap.trim-pools lowcap.emergency-exits lowcap.executions lowcap.positions lowcap.quarantine lowcap.control |
  sed -nE 's/.*ce_id=([^,]*),.*ce_type=([^,]*),.*ce_severity=(page|warn).*/\3 \2 \1/p'
