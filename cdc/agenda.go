package cdc

import "lowcap-cdc/decode"

// agenda knows what waits to become due.
type agenda struct {
	next decode.Micros // no earlier is anything due; 0 when nothing waits
}
