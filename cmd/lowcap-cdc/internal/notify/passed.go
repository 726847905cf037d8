package notify

import (
	"fmt"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/notify/receiver"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// lookBack is for how long a lane that begins at now looks back: Kafka keeps the place of a group that nobody is in for as long.
const lookBack = 7 * 24 * time.Hour

// passed are the events that a lane passes over because it has no place and begins at now. That is right for a new route. But a route
// has no place either when its events were moved to another cluster, when it got another name, or when its place was lost, and then
// nobody else tells of them.
type passed struct {
	lane     *lane
	events   int
	severity schemas.Severity // of the worst
	newest   *sink.Stored
	unread   bool // they could not be counted
}

func (p *passed) take(e *sink.Stored) error {
	a := e.Attributes()
	if !p.lane.isWanted(e, &a) {
		return nil
	}
	if p.events++; rank(a.Severity) > rank(p.severity) {
		p.severity = a.Severity
	}
	p.newest = e
	return nil
}

// owe makes the lane tell its route of them, if there are any.
func (p *passed) owe() {
	of := loss{what: "This route begins now, behind events that it was not told of", severity: p.severity,
		meaning: "the route had no place here: it is new, has another name or --group, reads a history that was moved, or its place was lost; " +
			"where it should have been told, start it once with --from and another --group or --state, or look with: lowcap-cdc tail --since 7d"}
	switch {
	case p.unread:
		of.where, of.missing = "passed/unread", "it is not known how many: the sink could not be read"
	case p.events == 0:
		return
	default:
		newest := receiver.Of(p.newest, "")
		of.where = "passed/" + newest.Reference
		of.missing = fmt.Sprintf("%d of the last seven days; the newest: %s, %s", p.events, newest.Title(), receiver.Ago(newest.At, time.Now()))
	}
	p.lane.owe(of)
}
