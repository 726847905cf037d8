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
#define ENDS(v) (v != 1)
#endif
#ifndef FAULTS
#define FAULTS 1                  /* requests to Kafka that are lost, held back, or whose answer is lost; at most 2 */
#endif
#ifndef CRASHES
#define CRASHES 1                 /* instances killed */
#endif
#ifndef CUTS
#define CUTS 1                    /* walsenders ended by the server: the instance goes on until it notices */
#endif
#ifndef LOSSES
#define LOSSES 1                  /* slots lost, or servers replaced */
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
#define value(s, v) ((s) == 1 || (v) <= fork -> (v) : (v) + 10)

inline loseSlot() { losses++; slot = false; holder = 0; confirmed = 0 }

proctype postgres() {
end:	do
	:: wal < N -> d_step { wal++; if :: !ENDS(wal) -> wal++ :: else fi }
	:: holder && cuts < CUTS -> d_step { cuts++; holder = 0 }
	:: slot && losses < LOSSES -> d_step { loseSlot() }
	:: slot && losses < LOSSES -> d_step { loseSlot(); fork = wal; server = 2 }
	:: slot && losses < LOSSES && wal > 2 -> d_step { loseSlot(); fork = 2; wal = 2; server = 2 }   /* an older copy */
	od
}

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
#define isKnown(e) (e == previous || e == mine[1] || e == mine[2] || e == held[0].epoch || e == held[1].epoch)
inline bump() {
	previous = epoch; epoch = 1; nextEvents = 0; nextState = 0; repeated = false;
	do :: isKnown(epoch) -> epoch++ :: else -> break od
}

/* serve is how Kafka answers; with the verification of transactions that it has since 3.6 (KIP-890, part 1). */
inline serve(r, answer) {
	answer = OK;
	if
	:: isEnding && (r.kind == FENCE || r.epoch == epoch) -> answer = (r.kind == EVENTS || r.kind == STATE -> REFUSED : RETRY)
	:: r.kind == FENCE && txn == IDLE -> bump(); previous = 0
	:: r.kind == FENCE && txn == ONGOING -> bump(); previous = 0; txn = ABORTING; answer = RETRY
	:: r.kind == RAISE && r.epoch == epoch && txn == IDLE -> bump()
	:: r.kind == RAISE && r.epoch == epoch && txn == ONGOING -> txn = ABORTING; answer = RETRY
	:: r.kind == RAISE && r.epoch == previous && txn == IDLE           /* it was raised; that answer was lost */
	:: r.kind == ADD && r.epoch == epoch && !isEnding -> txn = ONGOING; previous = 0; repeated = false
	:: r.kind == EVENTS && r.epoch == epoch && txn == ONGOING && r.number <= nextEvents ->
		if
		:: r.number == nextEvents -> nextEvents++; hasEvents = true; eventsFrom = r.from; eventsTo = r.to
		:: else                                                    /* the broker has it already */
		fi
	:: r.kind == STATE && r.epoch == epoch && txn == ONGOING && r.number <= nextState ->
		if
		:: r.number == nextState -> nextState++; hasState = true; copy(r.c, waiting)
		:: else
		fi
	:: r.kind == END && r.epoch == epoch && txn == ONGOING -> txn = COMMITTING; repeated = true
	:: r.kind == END && r.epoch == epoch && txn == IDLE && repeated    /* it was committed before */
	:: else -> answer = REFUSED
	fi
}

/* mark ends a transaction. Its markers reach the partitions one by one, but committed readers of the state, and all requests
   of its producer, wait until the last one is there. */
inline mark() {
	if
	:: txn == COMMITTING && hasEvents -> assert(eventsFrom == told); told = eventsTo   /* none lost, none twice, in order */
	:: else
	fi;
	if
	:: txn == COMMITTING && hasState -> copy(waiting, kept)
	:: else
	fi;
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
inline ask(k) {
	do
	:: atomic { !isEnding || k == EVENTS || k == STATE -> r.kind = k; r.epoch = mine[me]; serve(r, answer);
		if
		:: answer == REFUSED -> goto again
		:: answer == RETRY -> answer = 0; r.kind = 0; r.epoch = 0
		:: answer == OK && (k == FENCE || k == RAISE) ->
			mine[me] = epoch; unanswered = false; events = 0; states = 0; drop(r); answer = 0; break
		:: answer == OK && k != FENCE && k != RAISE -> drop(r); answer = 0; break
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

#define SEND_EVENTS if :: from != to -> d_step { r.number = events; r.from = from; r.to = to }; ask(EVENTS); events++ :: else fi;
#define SEND_STATE atomic { r.number = states; copy(c, r.c) }; ask(STATE); states++;

/* commit makes events and checkpoint visible together. */
inline commit() {
	if
#ifndef FAULT_NO_RAISE
	:: unanswered -> ask(RAISE)
#endif
	:: else
	fi;
	ask(ADD);
#if defined(FAULT_STATE_FIRST)
	SEND_STATE ask(END); ask(ADD); SEND_EVENTS
#elif defined(FAULT_EVENTS_FIRST)
	SEND_EVENTS ask(END); ask(ADD); SEND_STATE
#else
	SEND_EVENTS SEND_STATE
#endif
	ask(END)
}

#define MAKE_WAY atomic { if :: slot && (holder || !c.server) -> goto again :: else -> slot = false; confirmed = 0 fi };

/* A slot past the checkpoint is somebody else's work: what lies between is told by a snapshot. */
#define CHECK_SLOT(gone) atomic { if :: gone -> goto again :: !(gone) && confirmed > c.end -> d_step { \
		if :: holder == me -> holder = 0 :: else fi }; goto lost :: else fi };

proctype instance(byte me) {
	Request r; Checkpoint c; mtype answer; bool unanswered; byte events, states, from, to, at;
again:	skip;
	d_step { drop(r); forget(c); answer = 0; unanswered = false; events = 0; states = 0; from = 0; to = 0; at = 0; mine[me] = 0;
		if :: holder == me -> holder = 0 :: else fi };
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
	if
#ifdef FAULT_FORGET_INTENT
	:: c.server == server && slot && c.end -> goto stream
#else
	:: c.server == server && slot && !c.intent -> goto stream
#endif
	:: else                                                /* the first snapshot, a reconcile, or an adoption */
	fi;
lost:	/* Claim: the intent is durable before the slot is made. A slot that is in the way is this sink's own, and goes first. */
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
	atomic { if
	:: slot || server != c.server -> goto again            /* the server refuses a second one of the name */
	:: else -> slot = true; holder = me; confirmed = wal; at = wal; from = c.known; to = value(server, at);
		c.end = at; c.done = 0; c.known = to; c.intent = false
	fi };
	commit();
	goto endOfWAL;
	/* Start: the slot is the lock. The server begins where it was confirmed, or later; what was done is passed over. */
stream:	skip;
#ifndef FAULT_NO_SLOT_CHECK
	CHECK_SLOT(!slot || server != c.server)
#endif
	atomic { if
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
	:: atomic { holder == me && at < wal -> from = value(server, at);
		if                                             /* fill: one change, or all there is */
		:: at++
		:: at < wal - 1 -> at = wal
		fi;
		to = value(server, at); c.known = to;
		if
		:: ENDS(at) -> c.end = at; c.done = 0
#ifdef FAULT_SKIP_BY_COMMIT
		:: !ENDS(at) -> c.end = at + 1; c.done = 0
#else
		:: !ENDS(at) -> c.end = at - 1; c.done = 1
#endif
		fi };
#ifdef FAULT_CONFIRM_EARLY
		atomic { if :: holder == me -> confirmed = c.end :: else fi };
#endif
		commit();
		atomic { if :: holder == me -> confirmed = c.end :: else fi }
	od
}

/* When nothing moves any more, everything was told: nothing waits for ever. */
proctype auditor() {
end:	timeout -> assert(told == value(server, wal) && kept.known == told && kept.end == wal && !kept.done)
}

init { atomic { run postgres(); run kafka(); run instance(1); run instance(2); run auditor() } }
