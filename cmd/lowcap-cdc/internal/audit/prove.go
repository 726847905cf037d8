package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/seal"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// Proof shows to whoever has the log's public key that one event is in the trail, and nothing of the others.
type Proof struct {
	Event  string   `json:"event"`  // its bytes
	Number uint64   `json:"number"` // in the trail, from 1 on
	Path   []string `json:"path"`   // from the leaf up to the root (RFC 6962), in base64
	Seal   string   `json:"seal"`   // the signed note of the checkpoint that has the root
}

// Prove makes the proof of the event with an id.
func Prove(ctx context.Context, reader sink.Reader, log *seal.Log, id string) (*Proof, error) {
	proof, err := find(ctx, reader, id)
	if err != nil {
		return nil, err
	}
	over := log.Covering(proof.Number)
	if over == nil {
		last := uint64(0)
		if s := log.Last(); s != nil {
			last = s.Size
		}
		return nil, fmt.Errorf(
			"prove event %d: the last seal is over %d; prove it when it is sealed: lowcap-cdc audit seal --key FILE --log FILE",
			proof.Number,
			last,
		)
	}
	if begins := log.Begins(); proof.Number < begins {
		return nil, fmt.Errorf("prove event %d: the seals begin with event %d, and vouch for those before it only by its chain", proof.Number, begins)
	}
	var earlier []seal.Seal
	for _, s := range log.Seals {
		if s.Size < proof.Number {
			earlier = append(earlier, s)
		}
	}
	from, err := basisOf(log, earlier)
	if err != nil {
		return nil, err
	}
	p := &prover{proof: proof, base: from.base, tree: from.tree, over: &over.Checkpoint}
	if err := p.read(ctx, reader); err != nil {
		return nil, err
	}
	signed, err := log.Note(over)
	proof.Seal = string(signed)
	return proof, err
}

// errEnough ends a reading.
var errEnough = errors.New("enough was read")

// find looks for an event.
func find(ctx context.Context, reader sink.Reader, id string) (*Proof, error) {
	var found *Proof
	err := reader.ReadEvents(ctx, sink.Range{}, func(e *sink.Stored) error {
		a := e.Attributes()
		if a.ID != id {
			return ctx.Err()
		}
		if a.Number == 0 || !utf8.Valid(e.Value) {
			return fmt.Errorf("prove event %s: it has no number, or is no text", id)
		}
		found = &Proof{Event: string(e.Value), Number: a.Number, Path: []string{}}
		return errEnough
	})
	switch {
	case found != nil:
		return found, nil
	case err != nil:
		return nil, err
	}
	return nil, fmt.Errorf("prove event %s: no committed event has this id; find it with: lowcap-cdc audit TOKEN --format json", id)
}

// prover follows the events from a seal's tree up to another seal.
type prover struct {
	proof *Proof
	base  seal.Checkpoint // below the event; the zero one stands before the first
	tree  seal.Frontier   // up to base
	over  *seal.Checkpoint
	path  *seal.Path
	at    schemas.Chain // the last event that went into the path
}

func (p *prover) read(ctx context.Context, reader sink.Reader) error {
	if err := p.restart(); err != nil {
		return err
	}
	err := reader.ReadEvents(ctx, sink.Range{}, func(e *sink.Stored) error {
		a := e.Attributes()
		if err := p.take(&a, e.Value); err != nil {
			return err
		}
		if p.at.Number == p.over.Size && p.finish() == nil {
			return errEnough
		}
		return ctx.Err()
	})
	switch {
	case errors.Is(err, errEnough):
		return nil
	case err != nil:
		return err
	}
	return p.finish()
}

// restart begins the path anew, where the events of another start were taken for those that were sealed.
func (p *prover) restart() (err error) {
	if p.path, err = seal.NewPath(p.proof.Number, p.over.Size); err == nil {
		p.path.Begin(&p.tree)
		p.at = schemas.Chain{Number: p.base.Size, Hash: p.base.Chain}
	}
	return err
}

func (p *prover) take(a *schemas.Attributes, event []byte) error {
	if a.Number == 1 && p.base.Size == 0 && p.at.Number > 0 {
		if err := p.restart(); err != nil {
			return err
		}
	}
	isAbsent := p.at.Number > 0 && p.at.Hash == "" // what stood before the seals begin
	if number, chain := p.at.Next(); a.Number == number && (a.Chain == chain || isAbsent) && number <= p.over.Size {
		p.path.Add(number, event)
		p.at.Add(number, event)
	}
	return nil
}

// finish puts the path into the proof, when it leads to the seal's root.
func (p *prover) finish() error {
	hashes, err := p.path.Hashes(p.over.Root)
	if err != nil {
		return err
	}
	for _, h := range hashes {
		p.proof.Path = append(p.proof.Path, h.String())
	}
	return nil
}

// Write writes the proof as JSON.
func (p *Proof) Write(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(p)
}
