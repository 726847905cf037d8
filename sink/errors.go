package sink

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

var (
	// ErrFenced says that another instance has taken over the transactional id, or that the broker aborted the transaction.
	ErrFenced = errors.New("fenced by a newer writer, or the transaction timed out")

	// ErrCorrupt says that something a sink has committed is damaged or missing. The sink has changed nothing. A restart
	// does not help; a backup does.
	ErrCorrupt = errors.New("committed data is damaged")
)

// ClusterError is an error of the Kafka cluster, or of the schema registry, that stays until an operator acts.
type ClusterError struct {
	Err    error
	Repair string // what the operator can do
}

// Error returns the error and its repair.
func (e *ClusterError) Error() string { return e.Err.Error() + "; " + e.Repair }

// Unwrap returns the error without its repair.
func (e *ClusterError) Unwrap() error { return e.Err }

// SnapshotError says that a snapshot did not fit into one transaction of the brokers. Nothing of it is visible, and another
// try would end in the same way.
type SnapshotError struct {
	Rows, Of    uint64 // rows written, of how many; Of is 0 where that is not known
	Took, Limit time.Duration
	Repair      string // what the operator can do
}

func (e *SnapshotError) Error() string {
	return fmt.Sprintf("the snapshot does not fit into one Kafka transaction: after %s %d of %d rows were written, and the brokers allow %s; "+
		"nothing of it is visible; %s", e.Took.Round(time.Second), e.Rows, e.Of, e.Limit, e.Repair)
}

// IsPermanent reports whether a retry is useless until an operator acts.
func IsPermanent(err error) bool {
	var foreign *Foreign
	var snapshot *SnapshotError
	return IsCluster(err) || errors.As(err, &snapshot) || errors.As(err, &foreign) || errors.Is(err, ErrCorrupt) ||
		errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.EROFS) ||
		errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENAMETOOLONG)
}

// IsCluster reports whether an operator must change the Kafka cluster rather than the sidecar.
func IsCluster(err error) bool {
	var cluster *ClusterError
	return errors.As(err, &cluster)
}
