package sinktest

import (
	"fmt"

	"pgregory.net/rapid"

	"lowcap-cdc/cdc"
)

// anySequence is the property behind the other cases: after any sequence of commits, parts, crashes and restarts, the
// storage holds what the model holds.
func anySequence(s *space) {
	round := 0
	rapid.Check(s.t, func(r *rapid.T) {
		if round++; s.target.Sequences > 0 && round > s.target.Sequences {
			return
		}
		one := newSpace(s.t, s.target, fmt.Sprintf("%s-%d", s.name, round))
		one.open()
		r.Repeat(map[string]func(*rapid.T){
			"commit": func(r *rapid.T) { one.commit(one.draw(r, false)) },
			"part":   func(r *rapid.T) { one.commit(one.draw(r, true)) },
			"crash":  func(*rapid.T) { one.crash() },
			"restart": func(*rapid.T) {
				one.close()
				one.open()
			},
		})
		one.crash()
		one.checkEvents()
		one.close()
	})
}

// draw makes a batch over few keys, so that values are replaced and removed often.
func (s *space) draw(r *rapid.T, more bool) *cdc.Batch {
	batch := &cdc.Batch{More: more}
	for _, key := range rapid.SliceOfN(rapid.IntRange(0, 3), 0, 6).Draw(r, "events") {
		batch.Events = append(batch.Events, s.event(key, rapid.StringN(0, 20, -1).Draw(r, "data")))
	}
	for _, key := range rapid.SliceOfN(rapid.IntRange(0, 5), 0, 6).Draw(r, "state") {
		if rapid.Bool().Draw(r, "remove") {
			batch.State = append(batch.State, s.remove(fmt.Sprint(key)))
			continue
		}
		batch.State = append(batch.State, s.set(fmt.Sprint(key), rapid.StringN(0, 20, -1).Draw(r, "value")))
	}
	return batch
}
