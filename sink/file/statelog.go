package file

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"os"
)

// The format of state.log, integers little endian:
//
//	file    = magic(8) version(4) crc(4) tip record*
//	tip     = end(8) crc(4)                         where the last durable commit ends; zeros before the first.
//	                                                Version 1 has none
//	record  = length(4) payloadCRC(4) headerCRC(4) payload
//	payload = 1 entry*                              a part: counts once a commit follows
//	        | 2 start(8) end(8) sum(4) entry*       a commit: the bytes of events.jsonl it wrote and their CRC-32C;
//	                                                all zero after other events: events.jsonl starts again
//	entry   = uvarint(len key) key uvarint(0)                       the key is removed
//	        | uvarint(len key) key uvarint(len value + 1) value
//
// headerCRC covers the record's own offset too, so that no value that happens to hold a record can be taken for one.
// Parts are synced before the commit that counts them is written, and a commit before the tip says where it ends. So a
// log whose last whole commit ends before the tip has lost one, whatever stands there now. Behind the tip a record may be
// torn: it ends early, or a power loss has left zeros in its place. Every other broken record is damage.
const (
	logMagic     = "lowcapST"
	logVersion   = 2
	logUntipped  = 1  // the version before the tip
	tipStart     = 16 // of the file
	tipSize      = 12
	logHeader    = tipStart + tipSize
	recordHeader = 12
	kindPart     = 1
	kindCommit   = 2
	commitFields = 20
	partSize     = 1 << 20 // a record is closed when its entries reach this size, in bytes
)

// castagnoli is the table of the checksum that the log and the events have.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// logWriter appends records to state.log.
type logWriter struct {
	file     *os.File
	out      *bufio.Writer
	offset   int64  // where the next record begins
	entries  []byte // of the record that is being gathered
	unsynced bool   // parts were written since the last sync
	untipped bool   // the file is of the version that has no tip
}

// createLog makes an empty log at path, over whatever is there.
func createLog(path string) (*logWriter, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return nil, err
	}
	writer := newLogWriter(file, logHeader)
	// A bufio.Writer's error stays: the first commit returns it.
	_, _ = writer.out.Write(append(fileHeader(logVersion), make([]byte, tipSize)...))
	return writer, nil
}

// newLogWriter continues the log in file, whose position must be offset.
func newLogWriter(file *os.File, offset int64) *logWriter {
	return &logWriter{file: file, out: bufio.NewWriterSize(file, 1<<16), offset: offset}
}

func fileHeader(version uint32) []byte {
	header := binary.LittleEndian.AppendUint32([]byte(logMagic), version)
	return binary.LittleEndian.AppendUint32(header, crc32.Checksum(header, castagnoli))
}

func packTip(end int64) []byte {
	tip := binary.LittleEndian.AppendUint64(make([]byte, 0, tipSize), uint64(end))
	return binary.LittleEndian.AppendUint32(tip, crc32.Checksum(tip, castagnoli))
}

// add appends one entry; a nil value removes the key.
func (w *logWriter) add(key string, value []byte) error {
	w.entries = appendEntry(w.entries, key, value)
	if len(w.entries) < partSize {
		return nil
	}
	w.unsynced = true
	return w.record([]byte{kindPart})
}

func appendEntry(to []byte, key string, value []byte) []byte {
	to = binary.AppendUvarint(to, uint64(len(key)))
	to = append(to, key...)
	if value == nil {
		return binary.AppendUvarint(to, 0)
	}
	to = binary.AppendUvarint(to, uint64(len(value))+1)
	return append(to, value...)
}

// syncParts makes the parts durable, which must be so before the commit that counts them is written.
func (w *logWriter) syncParts() error {
	if !w.unsynced {
		return nil
	}
	w.unsynced = false
	return w.sync()
}

// commit writes the commit record with the entries that are in no part yet, and makes it durable.
func (w *logWriter) commit(events extent) error {
	fields := make([]byte, 1, 1+commitFields)
	fields[0] = kindCommit
	fields = binary.LittleEndian.AppendUint64(fields, uint64(events.start))
	fields = binary.LittleEndian.AppendUint64(fields, uint64(events.end))
	fields = binary.LittleEndian.AppendUint32(fields, events.sum)
	if err := w.record(fields); err != nil {
		return err
	}
	if err := w.sync(); err != nil {
		return err
	}
	return w.writeTip()
}

// writeTip is not synced: the next commit does that, and the log itself is enough to recover from. It must only never be
// on disk before the commit that it speaks of.
func (w *logWriter) writeTip() error {
	if w.untipped {
		return nil
	}
	_, err := w.file.WriteAt(packTip(w.offset), tipStart)
	return err
}

// record writes one record: the given fields and the gathered entries.
func (w *logWriter) record(fields []byte) error {
	length := len(fields) + len(w.entries)
	if length > math.MaxInt32 {
		return fmt.Errorf("a state value of %d bytes is too large, %d are possible", length, math.MaxInt32)
	}
	sum := crc32.Update(crc32.Checksum(fields, castagnoli), castagnoli, w.entries)
	for _, part := range [][]byte{packHeader(w.offset, uint32(length), sum), fields, w.entries} {
		if _, err := w.out.Write(part); err != nil {
			return err
		}
	}
	w.offset += recordHeader + int64(length)
	w.entries = w.entries[:0]
	return nil
}

func (w *logWriter) sync() error {
	if err := w.out.Flush(); err != nil {
		return err
	}
	return w.file.Sync()
}

// packHeader returns the header of a record at offset.
func packHeader(offset int64, length, sum uint32) []byte {
	header := binary.LittleEndian.AppendUint32(make([]byte, 0, recordHeader), length)
	header = binary.LittleEndian.AppendUint32(header, sum)
	return binary.LittleEndian.AppendUint32(header, headerSum(offset, header))
}

// headerSum is the checksum of a record's first two fields and its place.
func headerSum(offset int64, fields []byte) uint32 {
	var place [8]byte
	binary.LittleEndian.PutUint64(place[:], uint64(offset))
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, fields[:8])
}
