package model

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// translator turns a trace into lines of docs/model/trace.pml.
type translator struct {
	steps  []step
	places places
	slots  map[int]int // which of the model's two instances a process is
	runs   map[int]*attempt
	wire   bool // requests to Kafka were seen
	second bool // by the second protocol of transactions
	lines  []line
}

// line is what trace.pml reads of one, and the step that it comes from.
type line struct {
	fields []int // who, what, which, place, least, most, reach
	of     int
}

// words are the numbers that trace.pml has for what a line says, for requests, and for answers.
var words = map[string]int{"": 0, "RUN": 1, "READ": 2, "DROP": 3, "SLOT": 4, "STREAM": 5, "COMMIT": 6, "CONFIRM": 7, "SENT": 8, "ANSWERED": 9,
	"FENCE": 1, "RAISE": 2, "ADD": 3, "EVENTS": 4, "STATE": 5, "END": 6, "OK": 1, "RETRY": 2, "REFUSED": 3, "NOTHING": 4}

// attempt is how far a process has come in a run.
type attempt struct {
	writes bool // a batch; before the first one it is the claim
	parts  bool // of a snapshot, of which the first has been told
	added  bool // a partition to the open transaction
	as     string
}

// translate returns the lines, and what the model has to know before it reads them.
func translate(steps []step) (t *translator, err error) {
	t = &translator{steps: steps, slots: make(map[int]int), runs: make(map[int]*attempt)}
	if t.places, err = placesOf(steps); err != nil {
		return nil, err
	}
	for i := range steps {
		t.wire = t.wire || steps[i].name == "sent"
	}
	t.second = slices.ContainsFunc(steps, func(s step) bool { return s.isRequest("sent", apiEnd) && slices.Contains(s.args, "2") })
	for i := range steps {
		if err := t.take(i); err != nil {
			return nil, fmt.Errorf("step %d, %v: %w", i+1, steps[i], err)
		}
	}
	return t, nil
}

func (t *translator) bounds() string {
	text := t.places.bounds()
	if t.wire {
		text += "#define WIRE\n"
	}
	if t.second {
		text += "#define V2\n"
	}
	return text
}

func (t *translator) write(i int, says, of string, at, least, most, reach int) {
	t.lines = append(t.lines, line{[]int{t.slots[t.steps[i].process], words[says], words[of], at, least, most, reach}, i})
}

func (t *translator) say(i int, says, of string) { t.write(i, says, of, 0, 0, 0, 0) }

// take translates one step.
func (t *translator) take(i int) error {
	s := &t.steps[i]
	r := t.runs[s.process]
	if s.name != "run" && r == nil {
		return nil // before its first run a process looks around
	}
	switch s.name {
	case "run":
		if err := t.enter(i); err != nil {
			return err
		}
		t.runs[s.process] = &attempt{}
		t.say(i, "RUN", "")
	case "read":
		c, found, err := s.checkpointOf()
		if err != nil {
			return err
		}
		rank := 0
		if found {
			rank = t.places.rank(c)
		}
		t.write(i, "READ", "", rank, 0, 0, 0)
	case "after-drop":
		t.say(i, "DROP", "")
	case "after-slot":
		return t.slotMade(i)
	case "after-stream":
		t.say(i, "STREAM", "")
	case "commit":
		return t.commit(i, r)
	case "before-confirm":
		t.say(i, "CONFIRM", "")
	case "sent", "answered":
		t.request(i, r)
	}
	return nil
}

// enter gives a process one of the two instances: one whose process has ended.
func (t *translator) enter(i int) error {
	process := t.steps[i].process
	if t.slots[process] != 0 {
		return nil
	}
	for slot := 1; slot <= 2; slot++ {
		isFree := true
		for other, its := range t.slots {
			if its == slot && t.isLater(i, other) {
				isFree = false
			}
		}
		if isFree {
			t.slots[process] = slot
			return nil
		}
	}
	return errors.New("there are more than two processes at once")
}

func (t *translator) isLater(i, process int) bool {
	return slices.ContainsFunc(t.steps[i:], func(s step) bool { return s.process == process })
}

// next returns the first step from one on that is of a process's run and fits; -1 for none.
func (t *translator) next(from, process int, fits func(*step) bool) int {
	for j := from; j < len(t.steps); j++ {
		s := &t.steps[j]
		if s.process != process {
			continue
		}
		if s.name == "run" {
			return -1
		}
		if fits(s) {
			return j
		}
	}
	return -1
}

// whole returns the place that the batch beginning at a step reaches with its last part; -1 where that was never seen.
func (t *translator) whole(i int) (rank int, err error) {
	rank = -1
	t.next(i, t.steps[i].process, func(s *step) bool {
		if s.name != "commit" {
			return false
		}
		var c checkpoint
		var found bool
		if c, found, err = s.checkpointOf(); found {
			rank = t.places.rank(c)
		}
		return found || err != nil
	})
	return rank, err
}

// slotMade is a snapshot's place in the WAL, known by what is committed of it.
func (t *translator) slotMade(i int) error {
	rank, err := t.whole(i)
	t.write(i, "SLOT", "", 0, 0, 0, max(rank, 0))
	return err
}

func (t *translator) commit(i int, r *attempt) error {
	r.writes = true
	_, found, err := t.steps[i].checkpointOf()
	if r.parts || err != nil {
		r.parts = !found
		return err
	}
	r.parts = !found
	rank, err := t.whole(i)
	if err != nil {
		return err
	}
	least, most, reach := 0, len(t.places.all), 0
	var first uint64
	if _, err := fmt.Sscan(t.steps[i].args[0], &first); err != nil {
		return err
	}
	if first > 0 && rank >= 0 {
		least, most = t.places.between(first)
	}
	if rank > 0 {
		reach = t.places.endAt(rank)
	}
	t.write(i, "COMMIT", "", rank, least, most, reach)
	return nil
}

// The names of the requests.
const (
	apiFence   = "Fence"
	apiRaise   = "InitProducerId"
	apiAdd     = "AddPartitionsToTxn"
	apiProduce = "Produce"
	apiEnd     = "EndTxn"
)

func (s *step) isRequest(name, api string) bool {
	return s.name == name && len(s.args) > 0 && s.args[0] == api
}

// request translates a request or an answer. To the model, producing is one request with all events and one with all state.
func (t *translator) request(i int, r *attempt) {
	s := &t.steps[i]
	isSent, api := s.name == "sent", s.args[0]
	kind := map[string]string{apiFence: "FENCE", apiRaise: "RAISE", apiAdd: "ADD", apiEnd: "END"}[api]
	switch {
	case api == apiProduce || (api == apiAdd && r.added):
		t.produce(i, r)
	case isSent:
		t.say(i, "SENT", kind)
	default:
		answer := s.answer()
		t.say(i, "ANSWERED", answer)
		if answer == "OK" && api != apiFence {
			r.added = api == apiAdd
		}
	}
}

// produce translates what puts records into the open transaction. It counts as done with the last answer before the
// transaction's end; everything before it that went well says nothing more.
func (t *translator) produce(i int, r *attempt) {
	s := &t.steps[i]
	if s.name == "answered" {
		if r.as != "" {
			t.say(i, "ANSWERED", s.answer())
		}
		return
	}
	r.as = ""
	answered := t.next(i, s.process, func(a *step) bool { return a.isRequest("answered", s.args[0]) })
	isLast := s.args[0] == apiProduce && answered >= 0 && t.endsWith(answered)
	if answered >= 0 && t.steps[answered].answer() == "OK" && !isLast {
		return
	}
	if r.as = "EVENTS"; !r.writes {
		r.as = "STATE"
	}
	t.say(i, "SENT", r.as)
	if r.as == "EVENTS" && isLast && t.steps[answered].answer() == "OK" {
		t.say(i, "ANSWERED", "OK")
		t.say(i, "SENT", "STATE")
	}
}

// endsWith reports whether a process's next request behind a step is the end of its transaction.
func (t *translator) endsWith(i int) bool {
	j := t.next(i, t.steps[i].process, func(s *step) bool { return s.name == "sent" })
	return j >= 0 && t.steps[j].isRequest("sent", apiEnd)
}

// fencedCodes say that another holds the transactional id, or that the transaction is over.
var fencedCodes = []string{"47", "48", "49", "59", "90"}

// answer returns what an answer is to the model. A second copy of a batch is as good as the first.
func (s *step) answer() string {
	answer := "OK"
	for _, code := range s.args[1:] {
		switch {
		case code == "nothing":
			return "NOTHING"
		case slices.Contains(fencedCodes, code):
			return "REFUSED"
		case code != "46":
			answer = "RETRY"
		}
	}
	return answer
}

// text is the lines as readLine takes them.
func (t *translator) text() string {
	var b strings.Builder
	for _, l := range t.lines {
		fmt.Fprintln(&b, strings.Trim(fmt.Sprint(l.fields), "[]"))
	}
	return b.String()
}

// readLine is C: it gives the model its next line, and tells how far some way has come. Promela takes no thousands of lines.
const readLine = `#include <stdio.h>
#include <stdlib.h>
static short lines[100000][7];
static int count_lines(void) {
	static int count = -1;
	if (count >= 0) return count;
	FILE *file = fopen("lines", "r");
	if (!file) { perror("lines"); exit(2); }
	for (count = 0; count < 100000; count++)
		for (int i = 0; i < 7; i++)
			if (fscanf(file, "%hd", &lines[count][i]) != 1) return count;
	exit(2);
}
static void read_line(short *who, short *what, short *which, short *place, short *least, short *most, short *reach, int next) {
	static int furthest = -1;
	const short *l = lines[next];
	*who = l[0]; *what = l[1]; *which = l[2]; *place = l[3]; *least = l[4]; *most = l[5];
	if (l[6] > *reach) *reach = l[6];
	if (next > furthest) { furthest = next; printf("waits for line %d\n", next); }
}
`
