#!/bin/sh
# Prints every event that somebody should know of: alerts.sh BROKERS [-e to stop at the end]. %h are the headers.
exec kcat -b "$1" -G alerts-kcat -q -u $2 -X isolation.level=read_committed -X auto.offset.reset=earliest -f '%h\n' \
  lowcap.entry-blocks lowcap.trim-pools lowcap.emergency-exits lowcap.executions lowcap.positions lowcap.quarantine lowcap.control |
  sed -nE 's/.*ce_id=([^,]*),.*ce_type=([^,]*),.*ce_severity=(page|warn).*/\3 \2 \1/p'
