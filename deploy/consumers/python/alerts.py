"""Tells of every event that somebody should know of: alerts.py BROKERS [--ntfy URL] [--once]

With --ntfy, e.g. https://ntfy.sh/A-NAME-THAT-NOBODY-GUESSES, it also goes to the phones that subscribe to that topic. A first
start begins with what comes from then on; --once reads everything from the beginning and ends.
"""
import sys
import urllib.request

from lowcap_cdc import alerts

brokers, once = sys.argv[1], "--once" in sys.argv
ntfy = sys.argv[sys.argv.index("--ntfy") + 1] if "--ntfy" in sys.argv else None

for event in alerts(brokers, group="alerts-python", start="earliest" if once else "latest", until_end=once):
    usd = "" if event.usd is None else f"{event.usd} USD"
    about = " ".join(f"{event.token} {event.timeframe} {usd}".split())
    print(f"{event.severity} {event.type} {event.id} {about}".strip(), flush=True)
    if ntfy:  # an error ends the program, and the event comes again with the next start
        text = f"{event.name} {about}".strip()
        urllib.request.urlopen(urllib.request.Request(ntfy, text.encode(), {"Priority": "5" if event.severity == "page" else "3"}), timeout=10)
