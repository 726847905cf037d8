package pg

import "lowcap-cdc/decode"

// Await implements cdc.Source.
func (s *Source) Await(due decode.Micros) { s.due.Store(int64(due)) }
