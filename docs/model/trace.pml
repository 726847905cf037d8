/*
 * A run that was seen, held against commit.pml. deploy/model writes its trace into the file lines, and what commit.pml has to know
 * into bounds.h: N and ENDS, V2, and WIRE where requests to Kafka were seen. spin either finds a way through the model that says
 * every line, or there is none; then the first line that no way says is what the model does not allow.
 *
 * What nobody sees, the model does by itself: when a request takes effect between being sent and being answered; whether one
 * without an answer was lost, arrived, or arrives later; when markers are written; how far the WAL is; when a walsender ends.
 */
#define TRACE
#include "bounds.h"
#define byte short                                     /* a run has more than 255 places */
#define OTHER 10000

#define RUN 1
#define READ 2
#define DROP 3
#define SLOT 4
#define STREAM 5
#define COMMIT 6
#define CONFIRM 7
#define SENT 8
#define ANSWERED 9
#define LOST 10

/* The next line: who says what; of which request, or with which answer; the place that is read, or that a commit reaches, below
   0 for any; and between which places a commit may begin, by the number of its first event. reach: how far the WAL is, at least. */
c_decl { \#include "lines.h" }
byte next, count, who, what, which, place, least, most, reach;
#define isOf(k) (which == (k == FENCE -> 1 : (k == RAISE -> 2 : (k == ADD -> 3 : (k == EVENTS -> 4 : (k == STATE -> 5 : 6))))))
#define isAnswer(a) (which == (a == OK -> 1 : (a == RETRY -> 2 : 3)))
#define isNothing (which == 4)
#define IS(line) (what == line && who == me)

bool broken;                                           /* an invariant does not hold: what follows is of no interest */
#define assert(e) broken = (broken || !(e))
#define SEEN(line) d_step { IS(line) -> what = 0 };
#define SEEN_AT(line, p) d_step { IS(line) && (place == (p) || place < 0) -> what = 0 };
#define FILL d_step { IS(COMMIT) && at < place && place <= sentTo && least <= at && at <= most -> at = place; what = 0 }
#define BODY { skip;
#define END_OF_BODY } unless { IS(RUN) }; goto again   /* a run may end anywhere: its process was killed, or it failed */
#define mayRaise (IS(SENT) && isOf(RAISE))
#define mayAdd (IS(SENT) && isOf(ADD))
#define isKnown(e) (e == previous || e == mine[1] || e == mine[2] || e == granted[1] || e == granted[2])
byte granted[3];                                       /* to each instance, by the request under way */

#define hold(h) h.kind = r.kind; h.epoch = r.epoch; h.number = r.number; h.from = r.from; h.to = r.to; copy(r.c, h.c)
#ifdef WIRE
#define ask(k) do \
	:: d_step { IS(SENT) && isOf(k) -> what = 0; r.kind = k; r.epoch = mine[me]; answer = 0 }; \
		if \
		:: d_step { serve(r, answer); granted[me] = epoch } \
		:: d_step { !held[0].kind -> hold(held[0]) } \
		:: d_step { held[0].kind && !held[1].kind -> hold(held[1]) } \
		:: skip \
		fi; \
		if \
		:: d_step { IS(ANSWERED) && isAnswer(OK) && answer == OK -> what = 0; take(k, granted[me]) }; break \
		:: d_step { IS(ANSWERED) && isAnswer(REFUSED) && answer == REFUSED -> what = 0 }; goto again \
		:: d_step { IS(ANSWERED) && isAnswer(RETRY) -> what = 0 } \
		:: d_step { IS(ANSWERED) && isNothing -> what = 0; unanswered = true } \
		fi \
	od
#else
#define ask(k) do \
	:: atomic { !isEnding -> r.kind = k; r.epoch = mine[me]; serve(r, answer); \
		if \
		:: answer == OK -> take(k, epoch); break \
		:: answer == RETRY -> answer = 0 \
		:: answer == REFUSED -> goto again \
		fi } \
	od
#endif

#include "commit.pml"

proctype postgres() {
end:	do
	:: d_step { wal < reach -> wal = reach }
	:: d_step { holder && what && who != holder -> sent[holder] = N; holder = 0 }
	:: d_step { what == LOST -> what = 0; loseSlot() }
	od
}

#undef assert
proctype seen() {
	c_code { now.count = count_lines(); };
	do
	:: d_step { !what && !broken && next < count -> c_code { read_line(&now.who, &now.what, &now.which,
		&now.place, &now.least, &now.most, &now.reach, now.next); }; next++ }
	:: !what && !broken && next == count -> break
	od;
	assert(false)                                  /* the run is a behaviour of the model */
}

init { atomic { run postgres(); run kafka(); run instance(1); run instance(2); run seen() } }
