package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/kafka"
)

type statusCommand struct {
	JSON bool `help:"Print it as JSON." name:"json"`
}

// status is the current state, by Postgres and the sink; no running instance is asked.
type status struct {
	Source     sourceStatus        `json:"source"`
	Slot       slotStatus          `json:"slot"`
	Checkpoint checkpointStatus    `json:"checkpoint"`
	Sink       string              `json:"sink"`
	Rows       int                 `json:"rows_known"`
	LastHour   map[string]int      `json:"events_last_hour"` // by type
	Blocks     []cdc.KnownBlock    `json:"blocks"`           // those that block something
	Pools      []cdc.KnownPosition `json:"pools"`            // those that hold something
	Waiting    []readable.Waiting  `json:"waiting"`          // for an exit, a record or a block, or with tokens in S0
	LastExit   *readable.Line      `json:"last_emergency_exit"`
	LastGap    *readable.Line      `json:"last_gap"`
	Outage     string              `json:"outage"` // what an outage may cost and what to do about it; empty for nothing
	Problems   []string            `json:"problems"`

	unread  bool // the sink did not answer: what it holds is unknown, not none
	damaged bool // something in the sink is
	repair  bool // a problem stays until somebody has acted
}

type sourceStatus struct {
	SystemID string   `json:"system_id"`
	Database string   `json:"database"`
	Version  string   `json:"version"`
	WALEnd   string   `json:"wal_end"`
	Missing  []string `json:"tables_missing"`
}

type slotStatus struct {
	Name      string   `json:"name"`
	Exists    bool     `json:"exists"`
	Active    bool     `json:"active"` // an instance reads from it: it is the leader, others are standbys
	WALStatus string   `json:"wal_status"`
	Confirmed string   `json:"confirmed_lsn"`
	Restart   string   `json:"restart_lsn"`
	Retained  int64    `json:"retained_wal_bytes"`
	Loss      *float64 `json:"loss_seconds"` // null: no limit, or it does not fall behind, or that is unknown

	unknown bool // there is a limit, and without the sink no one knows how fast it comes near
}

type checkpointStatus struct {
	LSN        string  `json:"lsn"`
	Time       string  `json:"time"`
	LagBytes   int64   `json:"lag_bytes"`
	LagSeconds float64 `json:"lag_seconds"`
	Events     uint64  `json:"events"` // number of the last one
	Chain      string  `json:"chain"`  // its hash, which seals every event up to it
}

// errUnseen is what status ends with when a part could not be read; its lines have said which.
var errUnseen = errors.New("not everything could be read")

// errBroken is what it ends with when something must be repaired first; its lines say what.
var errBroken = errors.New("something must be repaired first")

// Run prints the current state.
func (c *statusCommand) Run(s *settings.Settings, std *settings.Streams) error {
	if err := s.Require(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), verbTimeout)
	defer cancel()
	st, err := readStatus(ctx, s)
	if err != nil {
		return err
	}
	if c.JSON {
		err = readable.PrintJSON(std.Out, st)
	} else {
		err = st.print(std.Out, time.Now())
	}
	switch {
	case err == nil && st.damaged:
		err = settings.Repair(errUnseen)
	case err == nil && st.repair:
		err = settings.Repair(errBroken)
	case err == nil && len(st.Problems) > 0:
		err = errUnseen
	}
	return err
}

func readStatus(ctx context.Context, s *settings.Settings) (*status, error) {
	reader, done, err := s.Reader()
	if err != nil {
		return nil, err
	}
	defer done()
	st := &status{Sink: settings.Redact(s.Sink), Slot: slotStatus{Name: s.Slot}, LastHour: make(map[string]int), Problems: []string{},
		Blocks: []cdc.KnownBlock{}, Pools: []cdc.KnownPosition{}, Waiting: []readable.Waiting{}}
	state := cdc.NewState()
	st.Source.Database = pg.Database(s.Postgres)
	err = st.readState(ctx, s, reader, state)
	if cdc.IsPermanent(err) {
		return nil, err
	}
	st.note(err)
	st.unread = len(st.Problems) > 0
	if !st.unread {
		st.note(lostState(ctx, s, &state.Checkpoint))
		st.note(arrived(ctx, reader))
	}
	for _, read := range []func(context.Context, *settings.Settings, *cdc.Checkpoint) error{st.readServer, st.readHistory} {
		st.note(read(ctx, s, &state.Checkpoint))
	}
	if !st.unread {
		st.note(st.readEvents(ctx, reader, time.Now().Add(-time.Hour)))
	}
	return st, nil
}

// arrived returns why run would refuse topics that were copied here from another cluster.
func arrived(ctx context.Context, reader sink.Reader) error {
	if k, ok := reader.(*kafka.Sink); ok {
		return k.Arrive(ctx)
	}
	return nil
}

func (st *status) note(err error) {
	if err == nil || slices.Contains(st.Problems, err.Error()) {
		return
	}
	lost := new(lostStateError)
	st.repair = st.repair || settings.IsPermanent(err) || errors.As(err, &lost)
	st.damaged = st.damaged || errors.Is(err, sink.ErrCorrupt)
	st.Problems = append(st.Problems, err.Error())
}

// readHistory asks whether run would go on with this server.
func (st *status) readHistory(ctx context.Context, s *settings.Settings, known *cdc.Checkpoint) error {
	if known.LSN == 0 {
		return nil
	}
	server, err := pg.Stand(ctx, s.Source(), known)
	switch {
	case err != nil:
		return err
	case server.Why != nil:
		return server.Why
	case server.Lost() != "":
		return settings.Repair(fmt.Errorf("%s; run: lowcap-cdc reconcile, or run, which does the same by itself", server.Lost()))
	}
	return nil
}

// readState reads checkpoint and images from the sink.
func (st *status) readState(ctx context.Context, s *settings.Settings, reader sink.Reader, state *cdc.State) error {
	rows := readable.NewBoard()
	err := reader.ReadState(ctx, func(key string, value []byte) error {
		return errors.Join(state.Load(key, value), rows.Load(key, value))
	})
	if err == nil {
		err = errors.Join(state.Checkpoint.CheckSource(s.Slot, cdc.Identity{Schema: s.Schema}), state.Verify())
	}
	if err != nil {
		return err
	}
	st.Blocks, st.Pools, st.Waiting = rows.Blocked(), rows.Open(), rows.Waiting()
	st.Rows, _ = state.Images()
	checkpoint := &state.Checkpoint
	st.Source.SystemID = checkpoint.SystemID
	st.Checkpoint.Events, st.Checkpoint.Chain = checkpoint.Events.Number, checkpoint.Events.Hash
	if checkpoint.LSN != 0 {
		st.Checkpoint.LSN = checkpoint.LSN.String()
		st.Checkpoint.Time = checkpoint.Time.UTC().Format(time.RFC3339Nano)
	}
	return nil
}

// readServer asks Postgres.
func (st *status) readServer(ctx context.Context, s *settings.Settings, checkpoint *cdc.Checkpoint) error {
	server := pg.NewInspector(s.Source())
	defer server.Close()
	inspection, err := server.Inspect(ctx)
	if err != nil {
		return err
	}
	if id := server.SystemID(ctx); id != "" {
		st.Source.SystemID = id
	}
	st.Source.Version, st.Source.WALEnd, st.Source.Missing = inspection.Version, inspection.WALEnd.String(), inspection.Missing
	st.Outage = inspection.Outage
	st.Slot = slotStatus{s.Slot, inspection.Exists, inspection.Active, inspection.WALStatus, inspection.Confirmed.String(),
		inspection.Restart.String(), inspection.Retained, nil, st.unread && inspection.Safe != nil}
	st.Checkpoint.LagBytes = inspection.Behind()
	if behind := inspection.Behind(); behind > 0 && checkpoint.LSN != 0 {
		seconds := max(0, inspection.At.Sub(checkpoint.Time.UTC()).Seconds())
		st.Checkpoint.LagSeconds = seconds
		if inspection.Safe != nil && seconds > 0 {
			left := max(0, float64(*inspection.Safe)/(float64(behind)/seconds))
			st.Slot.Loss = &left
		}
	}
	return nil
}

// readEvents counts the last hour, and looks for the last exit and the last gap however long ago they were.
func (st *status) readEvents(ctx context.Context, reader sink.Reader, since time.Time) error {
	damaged := func(err error) error {
		st.note(err)
		return ctx.Err()
	}
	err := reader.ReadEvents(ctx, sink.Range{Since: since, Damaged: damaged}, func(e *sink.Stored) error {
		a := e.Attributes()
		st.LastHour[a.Type.Name()]++
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	notable := sink.Range{Topics: []string{schemas.EmergencyExits, schemas.Control}, Damaged: damaged}
	return reader.ReadEvents(ctx, notable, func(e *sink.Stored) error {
		a := e.Attributes()
		switch a.Type.Name() {
		case "emergency_exit.executed", "emergency_exit.triggered":
			l := readable.Describe(e)
			st.LastExit = &l
		case "stream.gap":
			l := readable.Describe(e)
			st.LastGap = &l
		}
		return ctx.Err()
	})
}
