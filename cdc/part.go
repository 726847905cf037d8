package cdc

// The two ends of a pipeline. See PartError.
const (
	PartSource = "source"
	PartSink   = "sink"
)

// PartError is an error of one end of a pipeline.
type PartError struct {
	Part string // PartSource or PartSink
	Op   string // what was asked of it
	Err  error
}

func (e *PartError) Error() string { return e.Op + ": " + e.Err.Error() }
func (e *PartError) Unwrap() error { return e.Err }

func sourceFailed(op string, err error) error { return &PartError{PartSource, op, err} }
func sinkFailed(op string, err error) error   { return &PartError{PartSink, op, err} }
