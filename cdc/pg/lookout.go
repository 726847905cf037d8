package pg

import (
	"context"
	"errors"
	"time"
)

// Lookout asks again and again whether the slot is free, on one connection: a standby looks each second, and each connection is a
// process of the server's. It is for one goroutine.
type Lookout struct {
	kept
	within time.Duration // a look
}

// lookTimeout bounds a look: a server behind a network that has parted neither answers nor hangs up.
const lookTimeout = 10 * time.Second

// NewLookout returns a Lookout; it does not connect.
func NewLookout(config Config) *Lookout { return &Lookout{kept{config: config}, lookTimeout} }

// Free returns ErrSlotActive while somebody reads from the slot, and nil when nobody does or there is none. After any other error the
// next call connects anew.
func (l *Lookout) Free(ctx context.Context) error {
	if err := l.open(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, l.within)
	defer cancel()
	err := l.look(ctx)
	if err != nil && !errors.Is(err, ErrSlotActive) {
		l.Close()
	}
	return err
}

func (l *Lookout) look(ctx context.Context) error {
	if err := checkPrimary(ctx, l.conn); err != nil {
		return err
	}
	slot, exists, err := readSlot(ctx, l.conn, l.config.Slot)
	if err == nil && exists && slot.active != 0 {
		err = l.config.activeError(slot.user)
	}
	return err
}
