package pg

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/decode"
)

// rereadSecret is how often the secret is read again at most, when a record does not fit it: it may have been made anew.
const rereadSecret = 2 * time.Second

// attributionKeys are the secret with the two pads of HMAC-SHA-256 (RFC 2104). SHA-384 takes the first one.
type attributionKeys struct{ inner, outer []byte }

// hmac reports whether a code, in hexadecimal, is that of a content: HMAC-SHA-256. buffer is scratch.
func (k *attributionKeys) hmac(digits, content []byte, buffer *[]byte) bool {
	*buffer = append(append((*buffer)[:0], k.inner...), content...)
	inner := sha256.Sum256(*buffer)
	*buffer = append(append((*buffer)[:0], k.outer...), inner[:]...)
	outer := sha256.Sum256(*buffer)
	var mac [sha256.Size]byte
	n, err := hex.Decode(mac[:], digits)
	return err == nil && n == len(mac) && subtle.ConstantTimeCompare(outer[:], mac[:]) == 1
}

// sha384 reports whether a code is that of a content: SHA-384 over a key and it. Nobody can go on from there to a longer content, as
// with SHA-256, for SHA-384 keeps a part of its state to itself.
func (k *attributionKeys) sha384(mac, content []byte, buffer *[]byte) bool {
	*buffer = append(append((*buffer)[:0], k.inner...), content...)
	sum := sha512.Sum384(*buffer)
	return subtle.ConstantTimeCompare(sum[:], mac) == 1
}

// attributed checks the records of who makes a change. Every role can write such messages, so only those count that carry a
// code made with the secret, over the number of their own transaction.
type attributed struct {
	keys    *attributionKeys // nil: there is no attribution, or this role may not read its secret
	read    time.Time        // when
	ignored int              // records that did not fit
	newer   int              // records of a form that is not known here
	buffer  []byte
}

// check takes the code off a record, and returns false for one that is not the server's.
func (a *attributed) check(ctx context.Context, c Config, s *decode.Session, xid uint32) (bool, error) {
	if a.fits(s, xid) {
		return true, nil
	}
	if s.MAC != nil && time.Since(a.read) >= rereadSecret {
		a.read = time.Now()
		if err := a.reread(ctx, c); err != nil {
			return false, err
		}
		if a.fits(s, xid) {
			return true, nil
		}
	}
	a.ignore(c, s.Version)
	return false, nil
}

// ignore counts a record that does not count, and says so now and then. One of a newer trigger is the server's, or somebody has made
// it up: the code of a form that is not known here cannot be checked.
func (a *attributed) ignore(c Config, version int) {
	if c.Ignored != nil {
		c.Ignored()
	}
	count, why := &a.ignored, "they do not carry the code of this database's secret (lowcap-cdc check)"
	if version > decode.NewestSession {
		count, why = &a.newer, fmt.Sprintf("they are of version %d, and this program knows those up to %d: a newer lowcap-cdc has set the trigger up, or "+
			"somebody made them up; run that one, or, with this one: lowcap-cdc init --attribution", version, decode.NewestSession)
	}
	if *count++; *count == 1 || *count%1000 == 0 {
		c.notice(fmt.Sprintf("%d records of who made a change were ignored: %s", *count, why))
	}
}

func (a *attributed) reread(ctx context.Context, c Config) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	if a.keys, err = readSecret(ctx, conn); err != nil {
		return fmt.Errorf("read the attribution's secret: %w", err)
	}
	return nil
}

// fits reports whether a record is the server's, and of this transaction.
func (a *attributed) fits(s *decode.Session, xid uint32) bool {
	if a.keys == nil || s.MAC == nil {
		return false
	}
	if s.Version == 1 {
		number, err := strconv.ParseUint(gjson.GetBytes(s.Content, "xid").Str, 10, 64)
		return err == nil && uint32(number) == xid && a.keys.hmac(s.MAC, s.Signed, &a.buffer)
	}
	return uint32(binary.BigEndian.Uint64(s.Signed)) == xid && a.keys.sha384(s.MAC, s.Signed, &a.buffer)
}
