package pg

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// answered returns an answer that reads what a server said.
func answered(t *testing.T, messages ...pgproto3.BackendMessage) *answer {
	t.Helper()
	var said []byte
	for _, m := range messages {
		var err error
		if said, err = m.Encode(said); err != nil {
			t.Fatal(err)
		}
	}
	return &answer{reader: reader{from: bytes.NewReader(said)}}
}

func rowOf(values ...[]byte) *pgproto3.DataRow { return &pgproto3.DataRow{Values: values} }

// TestAnswer: rows come as they were sent, whatever their size, and end with the answer.
func TestAnswer(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 3*hugeChunk)
	a := answered(t, &pgproto3.RowDescription{}, rowOf([]byte("a"), nil, []byte("")), rowOf(large, []byte("b"), nil), &pgproto3.NoticeResponse{},
		rowOf(nil, nil, large[1:]), rowOf([]byte("c"), nil, nil), &pgproto3.CommandComplete{}, &pgproto3.ReadyForQuery{TxStatus: 'T'},
		rowOf([]byte("of the next query")))
	for i, want := range [][][]byte{{[]byte("a"), nil, {}}, {large, []byte("b"), nil}, {nil, nil, large[1:]}, {[]byte("c"), nil, nil}, nil} {
		got, err := a.next()
		if err != nil || len(got) != len(want) {
			t.Fatalf("row %d: %d values, %v", i, len(got), err)
		}
		for n := range want {
			if !bytes.Equal(got[n], want[n]) || (got[n] == nil) != (want[n] == nil) {
				t.Errorf("row %d: value %d is %.20q", i, n, got[n])
			}
		}
	}
	if c := cap(a.chunk.buffer); c > keepChunk {
		t.Errorf("%d bytes are kept", c)
	}
}

// TestAnswerEndsEarly: an error of the server, a connection that breaks, and a row that says more than it holds.
func TestAnswerEndsEarly(t *testing.T) {
	a := answered(t, rowOf([]byte("a")), &pgproto3.ErrorResponse{Severity: "ERROR", Code: "57014", Message: "canceled"})
	if _, err := a.next(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.next(); err == nil || sqlState(err) != "57014" {
		t.Errorf("error is %v", err)
	}
	if _, err := answered(t).next(); !errors.Is(err, io.EOF) {
		t.Errorf("error is %v", err)
	}
	for _, body := range []string{"", "\x00", "\x00\x01", "\x00\x01\x00\x00", "\x00\x01\x00\x00\x00\x02x", "\x00\x02\xff\xff\xff\xff"} {
		if _, err := new(answer).values([]byte(body)); !errors.Is(err, errShortRow) {
			t.Errorf("%q is a row", body)
		}
	}
}
