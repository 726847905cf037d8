package decode

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// cursor reads a message from front to back. After the first short read every further read gives zero values and err
// stays set, so that a decoding function checks once, at its end.
type cursor struct {
	data []byte
	err  error
}

func (c *cursor) bytes(n int) []byte {
	if c.err == nil && (n < 0 || n > len(c.data)) {
		c.err = fmt.Errorf("message ends early: %d bytes wanted, %d left", n, len(c.data))
	}
	if c.err != nil {
		return nil
	}
	b := c.data[:n:n]
	c.data = c.data[n:]
	return b
}

func (c *cursor) uint8() byte {
	if b := c.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) uint16() uint16 {
	if b := c.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) uint32() uint32 {
	if b := c.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) uint64() uint64 {
	if b := c.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// text reads a string that ends with a zero byte.
func (c *cursor) text() []byte {
	n := bytes.IndexByte(c.data, 0)
	if n < 0 {
		n = len(c.data)
	}
	b := c.bytes(n + 1)
	if b == nil {
		return nil
	}
	return b[:n]
}

// end reports the first error, or the bytes that no one has read.
func (c *cursor) end() error {
	if c.err == nil && len(c.data) > 0 {
		return fmt.Errorf("unexpected %d bytes left", len(c.data))
	}
	return c.err
}
