//go:build failpoint

package settings

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"lowcap-cdc/cdc"
)

// traceFile is the file that LOWCAP_CDC_TRACE names, nil for none. Processes that are killed write to it side by side: a step is
// one line and one write.
var traceFile = sync.OnceValue(func() *os.File {
	name := os.Getenv("LOWCAP_CDC_TRACE")
	if name == "" {
		return nil
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	return file
})

// trace writes a step of the commit protocol; deploy/model reads it.
func trace(step ...any) {
	if file := traceFile(); file != nil {
		file.WriteString(strconv.Itoa(os.Getpid()) + " " + fmt.Sprintln(step...)) //nolint:errcheck // the test notices what is missing
	}
}

// Traced returns hooks that write what a pipeline does.
func Traced() cdc.Hooks {
	if traceFile() == nil {
		return cdc.Hooks{}
	}
	var read []byte
	return cdc.Hooks{
		Starting: func() { read = nil; trace("run") },
		Loaded: func(key string, value []byte) {
			if key == cdc.CheckpointKey {
				read = append(read[:0], value...)
			}
		},
		Resumed:    func() { trace("read", placeOf(read)) },
		Committing: traceCommit,
	}
}

func traceCommit(b *cdc.Batch) {
	first, place := uint64(0), ""
	if len(b.Events) > 0 {
		first = b.Events[0].Number
	}
	for _, record := range b.State {
		if record.Key == cdc.CheckpointKey {
			place = placeOf(record.Value)
		}
	}
	trace("commit", first, place)
}

// placeOf says where a checkpoint stands: its LSN, the cut transaction with the changes and events of it that are done, the time,
// the number of the last event, and whether a snapshot was begun.
func placeOf(checkpoint []byte) string {
	var c cdc.Checkpoint
	if len(checkpoint) > 0 {
		if err := json.Unmarshal(checkpoint, &c); err != nil {
			panic(err)
		}
	}
	intent := c.LSN == 0 || c.Reconcile != "" || c.Adoption != nil
	return fmt.Sprint(uint64(c.LSN), uint64(c.Cut.CommitLSN), c.Cut.Changes, c.Cut.Events, int64(c.Time), c.Events.Number, intent)
}

// watch returns what writes the requests to Kafka and their answers.
func watch() func(string, any) func(any, error) {
	if traceFile() == nil {
		return nil
	}
	return func(api string, request any) func(any, error) {
		if id := reflect.ValueOf(request).Elem().FieldByName("ProducerID"); api == "InitProducerId" && id.Int() == -1 {
			api = "Fence"
		}
		version := 1 // of transactions
		if reflect.TypeOf(request).Elem().Name() == "endRequest" {
			version = 2
		}
		trace("sent", api, version)
		return func(response any, err error) {
			if err != nil {
				trace("answered", api, "nothing")
				return
			}
			trace("answered", api, strings.Join(codes(reflect.ValueOf(response)), " "))
		}
	}
}

// codes returns every error code in an answer that is one.
func codes(v reflect.Value) (all []string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return codes(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			all = append(all, codes(v.Index(i))...)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f, name := v.Field(i), v.Type().Field(i).Name; name != "ErrorCode" && name != "code" {
				all = append(all, codes(f)...)
			} else if f.Int() != 0 {
				all = append(all, strconv.FormatInt(f.Int(), 10))
			}
		}
	}
	return all
}
