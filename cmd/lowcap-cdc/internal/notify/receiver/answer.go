// Package receiver carries one message to one receiver of alerts, once, and says what the receiver answered. It knows the
// documented limits, escapes and answers of each; who tries again, and when, is decided by its user:
//
//	answer := r.Send(ctx, message, false)
//	if answer.Kind == receiver.Refused {
//		answer = r.Send(ctx, message, true)
//	}
package receiver

import "time"

// Kind says what an answer means for the message that was sent.
type Kind string

const (
	// Delivered: the receiver has the message.
	Delivered Kind = "delivered"
	// Refused: the receiver will never take this message as it is (400, 413, 422). A shorter one may pass.
	Refused Kind = "refused"
	// Wait: the receiver wants fewer messages (429, 503 with a time); try again after Answer.After.
	Wait Kind = "wait"
	// Misset: the setting is wrong (redirects, 401, 403, 404 and other answers that no message changes). A person must
	// mend it, here or there; it is tried again, because there is as likely as here.
	Misset Kind = "misset"
	// Failed: it did not work this time (500, a connection that breaks or hangs); try again.
	Failed Kind = "failed"
)

// longestWait bounds what a receiver may ask for.
const longestWait = 10 * time.Minute

// Answer is what came of one attempt.
type Answer struct {
	Kind   Kind
	Detail string        // what the receiver said, without secrets, printable; empty when delivered
	After  time.Duration // with Wait: when to try again, at most ten minutes; 0 when the receiver did not say
	// Arrived says that the receiver may have the message although it did not say so: the connection broke after the
	// message was sent, or the server failed while it worked on it. A second copy may be a repeat.
	Arrived bool
}
