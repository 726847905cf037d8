package file

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"

	"lowcap-cdc/sink"
)

var (
	// errTorn is a record that ends early.
	errTorn = errors.New("torn record")
	// errBroken is a record that fails a checksum.
	errBroken = errors.New("broken record")
)

// logReader reads the records of state.log up to end, one at a time.
type logReader struct {
	file    *os.File
	in      *bufio.Reader
	offset  int64 // where the next record begins
	end     int64
	payload []byte

	tip      int64 // where the last durable commit ends at least; 0 where that is not known
	untipped bool
}

// logRecord is one record; entries is valid until the next one is read.
type logRecord struct {
	commit  bool
	events  extent // of a commit
	entries []byte
}

// newLogReader checks the header of the log and reads the records behind it.
func newLogReader(file *os.File, end int64) (*logReader, error) {
	header := make([]byte, logHeader)
	if n, err := file.ReadAt(header, 0); errors.Is(err, io.EOF) {
		header = header[:n]
	} else if err != nil {
		return nil, err
	}
	reader := &logReader{file: file, end: end}
	switch {
	case bytes.HasPrefix(header, fileHeader(logUntipped)):
		reader.untipped = true
		reader.seek(tipStart)
		return reader, nil
	case len(header) < logHeader || !bytes.HasPrefix(header, fileHeader(logVersion)):
		return nil, fmt.Errorf("%w: %s does not begin as a state log of version %d or %d; restore it from a backup, or use "+
			"the version of lowcap-cdc that wrote it", sink.ErrCorrupt, file.Name(), logUntipped, logVersion)
	}
	tip := header[tipStart:]
	reader.tip = int64(binary.LittleEndian.Uint64(tip))
	if !bytes.Equal(tip, packTip(reader.tip)) && !bytes.Equal(tip, make([]byte, tipSize)) {
		return nil, fmt.Errorf("%w: bytes %d to %d of %s, which say where its last commit ends, are broken; restore it from "+
			"a backup", sink.ErrCorrupt, tipStart, logHeader, file.Name())
	}
	reader.seek(logHeader)
	return reader, nil
}

func (r *logReader) seek(offset int64) {
	r.offset = offset
	r.in = bufio.NewReaderSize(io.NewSectionReader(r.file, offset, r.end-offset), 1<<16)
}

// next reads one record. It returns io.EOF at the end, and errTorn or errBroken where there is no whole record; offset
// stays at its beginning then.
func (r *logReader) next() (logRecord, error) {
	if r.offset == r.end {
		return logRecord{}, io.EOF
	}
	header := make([]byte, recordHeader)
	if _, err := io.ReadFull(r.in, header); err != nil {
		return logRecord{}, torn(err)
	}
	length, ok := unpackHeader(header, r.offset)
	switch {
	case !ok:
		return logRecord{}, errBroken
	case length > r.end-r.offset-recordHeader:
		return logRecord{}, errTorn
	}
	r.payload = slices.Grow(r.payload[:0], int(length))[:length]
	if _, err := io.ReadFull(r.in, r.payload); err != nil {
		return logRecord{}, torn(err)
	}
	if crc32.Checksum(r.payload, castagnoli) != binary.LittleEndian.Uint32(header[4:]) {
		return logRecord{}, errBroken
	}
	r.offset += recordHeader + length
	return r.parse()
}

// unpackHeader returns the payload's length if header belongs to a record at offset.
func unpackHeader(header []byte, offset int64) (length int64, ok bool) {
	return int64(binary.LittleEndian.Uint32(header)), headerSum(offset, header) == binary.LittleEndian.Uint32(header[8:])
}

func (r *logReader) parse() (logRecord, error) {
	payload := r.payload
	switch {
	case len(payload) > 0 && payload[0] == kindPart:
		return logRecord{entries: payload[1:]}, nil
	case len(payload) > commitFields && payload[0] == kindCommit:
		fields := payload[1:]
		events := extent{
			start: int64(binary.LittleEndian.Uint64(fields)),
			end:   int64(binary.LittleEndian.Uint64(fields[8:])),
			sum:   binary.LittleEndian.Uint32(fields[16:]),
		}
		return logRecord{commit: true, events: events, entries: fields[commitFields:]}, nil
	}
	return logRecord{}, fmt.Errorf("%w: the record before offset %d of %s is of no known kind; use the version of "+
		"lowcap-cdc that wrote it", sink.ErrCorrupt, r.offset, r.file.Name())
}

// commitAfter looks for an intact commit record behind offset. It reads byte by byte, as a broken header tells no length.
func (r *logReader) commitAfter(offset int64) (at int64, found bool, err error) {
	r.seek(offset + 1)
	for at = offset + 1; ; at++ {
		header, err := r.in.Peek(recordHeader)
		if errors.Is(err, io.EOF) {
			return 0, false, nil
		}
		if err != nil {
			return 0, false, err
		}
		if length, ok := unpackHeader(header, at); ok && length <= r.end-at-recordHeader {
			if found, err = r.intactCommit(at, length, binary.LittleEndian.Uint32(header[4:])); found || err != nil {
				return at, found, err
			}
		}
		_, _ = r.in.Discard(1) // was peeked
	}
}

func (r *logReader) intactCommit(at, length int64, want uint32) (bool, error) {
	payload := io.NewSectionReader(r.file, at+recordHeader, length)
	kind := make([]byte, 1)
	if n, err := payload.ReadAt(kind, 0); n == 0 || kind[0] != kindCommit {
		return false, ignoreEOF(err)
	}
	sum := crc32.New(castagnoli)
	_, err := io.Copy(sum, payload)
	return sum.Sum32() == want, err
}

// eachEntry hands the entries of a record to visit, in order.
func eachEntry(entries []byte, visit func(key string, value []byte) error) error {
	for len(entries) > 0 {
		key, rest, ok := cutField(entries, 0)
		if !ok {
			return fmt.Errorf("%w: state entry without a key", sink.ErrCorrupt)
		}
		value, rest, ok := cutField(rest, 1)
		if !ok {
			return fmt.Errorf("%w: state entry %q without a value", sink.ErrCorrupt, key)
		}
		if err := visit(string(key), value); err != nil {
			return err
		}
		entries = rest
	}
	return nil
}

// cutField cuts a field whose length is stored with bias added; a stored length below bias is a nil field.
func cutField(from []byte, bias uint64) (field, rest []byte, ok bool) {
	stored, n := binary.Uvarint(from)
	if n <= 0 {
		return nil, nil, false
	}
	from = from[n:]
	if stored < bias {
		return nil, from, true
	}
	length := stored - bias
	if length > uint64(len(from)) {
		return nil, nil, false
	}
	return from[:length:length], from[length:], true
}

func torn(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	return err
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
