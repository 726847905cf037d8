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

// errBroken is a record that is incomplete or fails a checksum.
var errBroken = errors.New("broken record")

// logReader reads the records of state.log up to end, one at a time.
type logReader struct {
	file    *os.File
	in      *bufio.Reader
	offset  int64 // where the next record begins
	end     int64
	payload []byte
}

// logRecord is one record; entries is valid until the next one is read.
type logRecord struct {
	commit  bool
	events  extent // of a commit
	entries []byte
}

// newLogReader checks the head of the log and reads records from behind it.
func newLogReader(file *os.File, end int64) (*logReader, error) {
	head := make([]byte, logHeader)
	if _, err := file.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !bytes.Equal(head, fileHeader()) {
		return nil, fmt.Errorf("%w: %s does not begin as a state log of version %d; restore it from a backup, or use "+
			"the version of lowcap-cdc that wrote it", sink.ErrCorrupt, file.Name(), logVersion)
	}
	reader := &logReader{file: file, end: end}
	reader.seek(logHeader)
	return reader, nil
}

func (r *logReader) seek(offset int64) {
	r.offset = offset
	r.in = bufio.NewReaderSize(io.NewSectionReader(r.file, offset, r.end-offset), 1<<16)
}

// next reads one record. It returns io.EOF at the end and errBroken, leaving offset at the record, where there is none.
func (r *logReader) next() (logRecord, error) {
	if r.offset == r.end {
		return logRecord{}, io.EOF
	}
	header := make([]byte, recordHeader)
	if _, err := io.ReadFull(r.in, header); err != nil {
		return logRecord{}, broken(err)
	}
	length, ok := r.unpack(header, r.offset)
	if !ok {
		return logRecord{}, errBroken
	}
	r.payload = slices.Grow(r.payload[:0], int(length))[:length]
	if _, err := io.ReadFull(r.in, r.payload); err != nil {
		return logRecord{}, broken(err)
	}
	if crc32.Checksum(r.payload, castagnoli) != binary.LittleEndian.Uint32(header[4:]) {
		return logRecord{}, errBroken
	}
	r.offset += recordHeader + length
	return r.parse()
}

// unpack returns the payload's length if header belongs to a record at offset that ends within the log.
func (r *logReader) unpack(header []byte, offset int64) (length int64, ok bool) {
	length = int64(binary.LittleEndian.Uint32(header))
	good := headerSum(offset, header) == binary.LittleEndian.Uint32(header[8:])
	return length, good && length <= r.end-offset-recordHeader
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
		if length, ok := r.unpack(header, at); ok {
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

func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errBroken
	}
	return err
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
