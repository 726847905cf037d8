#!/bin/sh
# Tells of every event that somebody should know of: alerts.sh BROKERS [-e] [--ntfy URL]
#
# With --ntfy, e.g. https://ntfy.sh/A-NAME-THAT-NOBODY-GUESSES, it also goes to the phones that subscribe to that topic. A first start
# begins with what comes from then on; with -e it reads everything from the beginning and ends. kcat moves its place by time: what
# is on its way when this is killed may be lost, as with no other recipe.
brokers=$1 once= ntfy=
shift
while [ $# -gt 0 ]; do
  case $1 in -e) once=-e ;; --ntfy) ntfy=$2; shift ;; esac
  shift
done

# The amount is taken from the text as it stands there: jq would round it.
filter='
  . as $text | (try fromjson catch null) | select(type == "object" and (.data | type) == "object" and (.id | type) == "string")
  | select(.severity != "info") | .data as $data
  | ([("proceeds_usd", "exit_value_usd", "value_usd", "usd", "closed_basis", "usd_basis", "pnl_usd") | select($data[.] | type == "number")][0]) as $usd
  | [.severity, .type, .id, (($data.entity.token_ticker // "") | if . == "" then $data.entity.token_contract // "" else . end),
     ($data.entity.timeframe // ""),
     (if $usd then ($text | capture("\"" + $usd + "\":(?<n>-?[0-9][-+.0-9eE]*)").n + " USD") else "" end)]
  | map(select(. != "") | gsub("\\s+"; " ")) | join(" ")'

kcat -b "$brokers" -G alerts-kcat -q -u $once -X isolation.level=read_committed \
  -X auto.offset.reset="$([ "$once" ] && echo earliest || echo latest)" -f '%s\n' \
  lowcap.entry-blocks lowcap.trim-pools lowcap.emergency-exits lowcap.executions lowcap.positions lowcap.quarantine lowcap.control |
  jq -Rr --unbuffered "$filter" |
  while IFS= read -r line; do
    printf '%s\n' "$line"
    case $line in page*) priority=5 ;; *) priority=3 ;; esac
    # An error ends it: a phone that hears nothing must not look as if nothing happened.
    [ -z "$ntfy" ] || printf '%s' "${line#* }" | curl -sf -m 10 -H "Priority: $priority" --data-binary @- "$ntfy" > /dev/null || exit 1
  done
