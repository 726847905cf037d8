/*
 * The commit and recovery protocol of lowcap-cdc, as spin can exhaust it. README.md beside it says how to run it, what it
 * leaves out, and which seeded faults it finds. FAULT_... are those faults.
 *
 * A row goes through values. Change v of server s makes value(s, v) out of value(s, v-1); a transaction is one or two
 * changes. An event tells one step, or, from a snapshot, the whole way from what was known. So "every change once and in
 * order" is one chain: each visible event begins where the one before it ended.
 */
#ifndef N
#define N 3                       /* changes that the database makes; their transactions: 1 2 | 3 */
#endif
/* How often each adversity strikes, by -D:
   FAULTS    requests to Kafka that are lost, held back, or whose answer is lost; at most 2
   CRASHES   instances killed
   CUTS      walsenders ended by the server: the instance goes on until it notices
   LOSSES    slots lost, or servers replaced */
#ifndef TRACE                     /* trace.pml holds a run that was seen against the model: these wait for its next line */
#define ENDS(v) (v != 1)
#define SEEN(line)
#define SEEN_AT(line, place)
#define BODY
#define END_OF_BODY
#define FILL if :: at++ :: at < sentTo - 1 -> at = sentTo fi    /* one change, or all there is */
#define isKnown(e) (e == previous || e == mine[1] || e == mine[2])
#define mayRaise false
#define mayAdd true
#define OTHER 10
#endif

mtype = { OK, RETRY, REFUSED };                        /* answers */
mtype = { FENCE, RAISE, ADD, EVENTS, STATE, END };     /* requests to Kafka */
mtype = { IDLE, ONGOING, COMMITTING, ABORTING };       /* a Kafka transaction */

/* server: whose WAL, 0 when there is no checkpoint. end: of the last whole transaction. done: changes of the next one that
   are in the sink. known: the image. intent: a snapshot was begun, and nothing may go on from end. */
typedef Checkpoint { byte server, end, done, known; bool intent }
inline copy(a, b) { b.server = a.server; b.end = a.end; b.done = a.done; b.known = a.known; b.intent = a.intent }
inline forget(a) { a.server = 0; a.end = 0; a.done = 0; a.known = 0; a.intent = 0 }

typedef Request { mtype kind; byte epoch, number, from, to; Checkpoint c }
inline drop(r) { r.kind = 0; r.epoch = 0; r.number = 0; r.from = 0; r.to = 0; forget(r.c) }

/* ---- Postgres ---- */
byte server = 1, wal, fork;
bool slot;
byte confirmed, holder, cuts, losses;
byte sent[3];                     /* to each instance, before its walsender ended; it may still be read */
#define value(s, v) ((s) == 1 || (v) <= fork -> (v) : (v) + OTHER)

inline cut() { sent[holder] = wal; holder = 0 }
inline loseSlot() { losses++; slot = false; cut(); confirmed = 0 }

#ifndef TRACE
proctype postgres() {
end:	do
	:: wal < N -> d_step { wal++; if :: !ENDS(wal) -> wal++ :: else fi }
	:: holder && cuts < CUTS -> d_step { cuts++; cut() }
	:: slot && losses < LOSSES -> d_step { loseSlot() }
	:: slot && losses < LOSSES -> d_step { loseSlot(); fork = wal; server = 2 }
	:: slot && losses < LOSSES && wal > 2 -> d_step { loseSlot(); fork = 2; wal = 2; server = 2 }   /* an older copy */
	:: slot && losses < LOSSES -> d_step { losses++; cut(); fork = wal; server = 2; confirmed = wal } /* it came along */
	od
}
#endif

/* ---- Kafka: the coordinator, one partition of events and one of state ---- */
byte epoch, previous, mine[3];                         /* mine: what each instance was granted */
mtype txn = IDLE;
bool repeated;                                         /* the last transaction of this epoch was committed */
byte nextEvents, nextState;                            /* sequence numbers of this epoch */
bool hasEvents, hasState;                              /* records that wait for a marker */
byte eventsFrom, eventsTo, told;
Checkpoint waiting, kept;                              /* state that waits, and that committed readers see */
Request held[2];                                       /* requests that arrive late, in any order */
byte faults;
#define isEnding (txn == COMMITTING || txn == ABORTING)

/* An epoch is only ever compared for equality, so a number that nobody knows any more is as good as a new one. */
inline bump() {
	previous = epoch; epoch = 1; nextEvents = 0; nextState = 0; repeated = false; refuse(held[0]); refuse(held[1]);
	do :: isKnown(epoch) -> epoch++ :: else -> break od
}
inline refuse(r) { if :: r.kind != FENCE -> drop(r) :: else fi }          /* nothing of an older epoch is served any more */

/* V2 is the second protocol of transactions (KIP-890, part 2): what is produced begins a transaction or joins it, and its
   end raises the epoch. */
#ifdef V2
#define isOpen(r) (r.epoch == epoch)
#define open() txn = ONGOING; previous = 0; repeated = false
#define isLast(r) (r.epoch == epoch || r.epoch == previous)
#define wasEnded(r) (r.epoch == previous && repeated)
#define raise() bump()
#define gives(k) (k == FENCE || k == RAISE || k == END)                 /* an epoch */
#define waits(k) true                                                   /* until the last transaction has ended */
#define mustRaise mayRaise
#define BEGIN if :: mayAdd -> ask(ADD) :: skip fi;                      /* a request may do so too: it need not wait */
#else
#define isOpen(r) (txn == ONGOING && r.epoch == epoch)
#define open() skip
#define isLast(r) (r.epoch == epoch)
#define wasEnded(r) (r.epoch == epoch && repeated)
#define raise() skip
#define gives(k) (k == FENCE || k == RAISE)
#define waits(k) (k != EVENTS && k != STATE)
#define mustRaise (unanswered || mayRaise)
#define BEGIN ask(ADD);
#endif

/* serve is how Kafka answers; with the verification of transactions that it has since 3.6 (KIP-890, part 1). */
inline serve(r, answer) {
	answer = OK;
	if
	:: isEnding && (r.kind == FENCE || isLast(r)) -> answer = (waits(r.kind) -> RETRY : REFUSED)
	:: r.kind == FENCE && txn == IDLE -> bump(); previous = 0
	:: r.kind == FENCE && txn == ONGOING -> bump(); previous = 0; txn = ABORTING; answer = RETRY
	:: r.kind == RAISE && r.epoch == epoch && txn == IDLE -> bump()
	:: r.kind == RAISE && r.epoch == epoch && txn == ONGOING -> txn = ABORTING; answer = RETRY
	:: r.kind == RAISE && r.epoch == previous && txn == IDLE           /* it was raised; that answer was lost */
	:: r.kind == ADD && r.epoch == epoch && !isEnding -> txn = ONGOING; previous = 0; repeated = false
	:: r.kind == EVENTS && isOpen(r) && r.number <= nextEvents ->
		if :: r.number == nextEvents -> open(); nextEvents++; hasEvents = true; eventsFrom = r.from; eventsTo = r.to
		:: else fi                                                 /* the broker has it already */
	:: r.kind == STATE && isOpen(r) && r.number <= nextState ->
		if :: r.number == nextState -> open(); nextState++; hasState = true; copy(r.c, waiting) :: else fi
	:: r.kind == END && r.epoch == epoch && txn == ONGOING -> raise(); txn = COMMITTING; repeated = true
	:: r.kind == END && wasEnded(r) && txn == IDLE                        /* it was committed before */
	:: else -> answer = REFUSED
	fi
}

/* mark ends a transaction. Its markers reach the partitions one by one, but committed readers of the state, and all requests
   of its producer, wait until the last one is there. */
inline mark() {
	if :: txn == COMMITTING && hasEvents -> assert(eventsFrom == told); told = eventsTo   /* none lost, none twice, in order */
	:: else fi;
	if :: txn == COMMITTING && hasState -> copy(waiting, kept) :: else fi;
	assert(kept.known == told);          /* no torn transaction; the checkpoint is never ahead of the events */
	hasEvents = false; eventsFrom = 0; eventsTo = 0; hasState = false; forget(waiting); txn = IDLE
}
proctype kafka() {
	mtype unheard;
end:	do
	:: isEnding -> d_step { mark() }
	:: !isEnding && held[0].kind -> d_step { serve(held[0], unheard); unheard = 0; drop(held[0]) }
	:: !isEnding && held[1].kind -> d_step { serve(held[1], unheard); unheard = 0; drop(held[1]) }
	od
}

/* ---- an instance ---- */
byte crashes;

/* ask sends a request until it is answered. What got no answer is sent again, and may arrive later all the same. Whatever
   is refused ends the run. A process may die at each of these places. */
inline take(k, now) { if :: gives(k) -> mine[me] = now; unanswered = false; events = 0; states = 0 :: else fi; drop(r); answer = 0 }
#ifndef TRACE
inline ask(k) {
	do
	:: atomic { !isEnding || !waits(k) -> r.kind = k; r.epoch = mine[me]; serve(r, answer);
		if
		:: answer == REFUSED -> goto again
		:: answer == RETRY -> answer = 0; r.kind = 0; r.epoch = 0
		:: answer == OK -> take(k, epoch); break
		fi }
	:: atomic { faults < FAULTS && !unanswered -> faults++; unanswered = true }                    /* it is lost, */
	:: atomic { faults < FAULTS && !held[faults].kind && k != FENCE -> r.kind = k; r.epoch = mine[me];      /* or late, */
		held[faults].kind = k; held[faults].epoch = r.epoch; held[faults].number = r.number;
		held[faults].from = r.from; held[faults].to = r.to; copy(r.c, held[faults].c); faults++; unanswered = true }
	:: atomic { faults < FAULTS && !isEnding -> r.kind = k; r.epoch = mine[me]; serve(r, answer);  /* or its answer is */
		answer = 0; faults++; unanswered = true }
	:: atomic { crashes < CRASHES -> crashes++; goto again }
	od
}
#endif

#define SEND_EVENTS if :: from != to -> d_step { r.number = events; r.from = from; r.to = to }; ask(EVENTS); events++ :: else fi;
#define SEND_STATE atomic { r.number = states; copy(c, r.c) }; ask(STATE); states++;

/* commit makes events and checkpoint visible together. */
inline commit() {
#ifndef FAULT_NO_RAISE
	if :: mustRaise -> ask(RAISE) :: else fi;
#endif
	BEGIN
#if defined(FAULT_STATE_FIRST)
	SEND_STATE ask(END); BEGIN SEND_EVENTS
#elif defined(FAULT_EVENTS_FIRST)
	SEND_EVENTS ask(END); BEGIN SEND_STATE
#else
	SEND_EVENTS SEND_STATE
#endif
	ask(END)
}

/* A slot that is in the way goes first, when it is this sink's own; a commit makes sure that nobody has taken over since. */
#define MAKE_WAY if :: slot && (holder || !c.server) -> goto again :: slot && !holder && c.server -> commit(); atomic { SEEN(DROP) \
		if :: holder || !slot -> goto again :: else -> slot = false; confirmed = 0 fi } :: !slot fi;

#define sentTo (holder == me -> wal : sent[me])

/* A slot past the checkpoint is somebody else's work: what lies between is told by a snapshot. */
#define CHECK_SLOT(gone) atomic { if :: gone -> goto again :: !(gone) && confirmed > c.end -> d_step { \
		if :: holder == me -> holder = 0 :: else fi }; goto lost :: else fi };

proctype instance(byte me) {
	Request r; Checkpoint c; mtype answer; bool unanswered; byte events, states, from, to, at;
again:	skip; SEEN(RUN)
	d_step { drop(r); forget(c); answer = 0; unanswered = false; events = 0; states = 0; from = 0; to = 0; at = 0; mine[me] = 0; sent[me] = 0;
		if :: holder == me -> holder = 0 :: else fi };
	BODY
	/* Free: nobody has the slot */
end:	holder == 0;
	/* Resume: fence, then read what is committed */
#ifdef FAULT_READ_FIRST
	atomic { !isEnding -> copy(kept, c) };
	ask(FENCE);
#else
	ask(FENCE);
	atomic { !isEnding -> copy(kept, c) };
#endif
	SEEN_AT(READ, c.end + c.done)
#ifdef FAULT_FORGET_INTENT
	c.intent = c.end == 0;
#endif
	if :: c.server == server && slot && !c.intent -> goto stream
	:: c.server && c.server != server && slot && !c.intent -> goto along
	:: else                                                /* the first snapshot, a reconcile, or an adoption */
	fi;
lost:	/* Claim: the intent is durable before the slot is made. */
	atomic { from = 0; to = 0 };
#ifndef FAULT_DROP_AFTER_CLAIM
	MAKE_WAY
#endif
	atomic { c.server = server; c.intent = true };
#ifndef FAULT_NO_CLAIM
	commit();
#endif
#ifdef FAULT_DROP_AFTER_CLAIM
	MAKE_WAY
#endif
	atomic { SEEN(SLOT) if
	:: slot || server != c.server -> goto again            /* the server refuses a second one of the name */
	:: else -> slot = true; confirmed = wal; at = wal; from = c.known; to = value(server, at);
		c.end = at; c.done = 0; c.known = to; c.intent = false
	fi };
	SEEN_AT(COMMIT, at)
	commit(); goto start;                                  /* nobody holds the slot until then */
	/* The slot came along to another server. A snapshot there proves that nothing is missing, or else tells it. */
along:	atomic { if
	:: holder || !slot || server == c.server -> goto again
	:: else -> holder = me; at = confirmed; from = c.known; to = value(server, at);
		c.server = server; c.end = at; c.done = 0; c.known = to
	fi };
#ifdef FAULT_NO_PROOF
	from = to;
#endif
	commit(); goto endOfWAL;
	/* Start: the slot is the lock. The server begins where it was confirmed, or later; what was done is passed over. */
stream:	skip;
#ifndef FAULT_NO_SLOT_CHECK
	CHECK_SLOT(!slot || server != c.server)
#endif
start:	atomic { SEEN(STREAM) if
	:: holder || !slot || server != c.server -> goto again
	:: else -> holder = me; at = (confirmed > c.end -> confirmed : c.end)
	fi;
#ifndef FAULT_FORGET_CUT
	if :: at == c.end -> at = at + c.done :: else fi
#endif
	};
#ifndef FAULT_NO_SECOND_LOOK
#ifndef FAULT_NO_SLOT_CHECK
	CHECK_SLOT(holder != me)
#endif
#endif
endOfWAL: do
	:: atomic { mine[me] != epoch && at == wal -> goto again }     /* an idle stream commits its checkpoint now and then */
	:: atomic { holder != me -> goto again }               /* the stream has ended */
	:: atomic { at < sentTo -> from = value(c.server, at); FILL; to = value(c.server, at); c.known = to; c.end = at;
#ifdef FAULT_SKIP_BY_COMMIT
		do :: !ENDS(c.end) -> c.end++ :: else -> break od };
#else
		do :: !ENDS(c.end) -> c.end-- :: else -> break od; c.done = at - c.end };
#endif
#ifdef FAULT_CONFIRM_EARLY
		atomic { if :: holder == me -> confirmed = c.end :: else fi };
#endif
		commit();
		atomic { SEEN(CONFIRM) if :: holder == me -> confirmed = c.end :: else fi }
	od
	END_OF_BODY
}

/* When nothing moves any more, everything was told: nothing waits for ever. */
proctype auditor() {
end:	timeout -> assert(told == value(server, wal) && kept.known == told && kept.end == wal && !kept.done)
}

#ifndef TRACE
init { atomic { run postgres(); run kafka(); run instance(1); run instance(2); run auditor() } }
#endif
