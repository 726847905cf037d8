package cdc

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// value is a value of a known key as far as it can be read, or its absence. Absent, null and {} are one value, and for
// the pool the zeroed object too. A field that cannot be read is a part of its own: it is not among the members.
type value struct {
	key     key
	raw     jsonb.Text     // exactly as received, nil when the key is absent or null
	members []jsonb.Member // of an object, in their order
	parts   []malformed    // its fields that cannot be read, by path
	carried []jsonb.Member // of those, what was last well-formed
	empty   bool
	at      decode.Micros // of a timed key or a guard stamp
	naive   bool

	parser *valueParser
	summed bool // sum is known
	digest jsonb.Digest
}

// valueParser reads values and keeps its memory from one change to the next. What it returns is valid until reset.
type valueParser struct {
	members   []jsonb.Member
	canonical []byte // scratch
}

func (p *valueParser) reset() { p.members = p.members[:0] }

// read reads the raw value of a key; nil means absent. What is malformed as a whole is the second result, malformed
// fields are in the value.
func (p *valueParser) read(k key, raw []byte) (value, *malformed) {
	v := value{key: k, raw: raw, parser: p}
	if v.raw.IsNull() {
		return value{key: k, empty: true}, nil
	}
	if v.raw.IsObject() {
		start := len(p.members)
		p.members = jsonb.AppendMembers(p.members, v.raw)
		v.members = p.members[start:len(p.members):len(p.members)]
	}
	return v, v.check()
}

func (v *value) check() *malformed {
	switch {
	case v.key == prevState:
		if !v.raw.IsString() {
			return &malformed{v.key.String(), v.raw, "not a string"}
		}
		return nil
	case v.key == lastExitGuard:
		if !v.readInstant(v.raw) {
			return &malformed{v.key.String(), v.raw, "not a timestamp"}
		}
		return nil
	case !v.raw.IsObject():
		return &malformed{v.key.String(), v.raw, "not an object"}
	}
	if v.key.isTimed() && len(v.members) > 0 {
		if bad := v.checkTimestamp(); bad != nil {
			return bad
		}
	}
	v.takeApart()
	v.empty = v.isNothing()
	return nil
}

func (v *value) checkTimestamp() *malformed {
	stamp := v.get(jsonb.TimestampField)
	if stamp.IsNull() {
		return &malformed{v.key.String(), v.raw, "no timestamp"}
	}
	if !v.readInstant(stamp) {
		return &malformed{v.key.String() + "." + jsonb.TimestampField, stamp, "not a timestamp"}
	}
	return nil
}

func (v *value) readInstant(stamp jsonb.Text) (ok bool) {
	if stamp.IsString() {
		v.at, v.naive, ok = jsonb.ParseInstant(stamp.Unquoted())
	}
	return ok
}

// takeApart takes the fields that cannot be read from the members: the others are judged as if those were absent.
func (v *value) takeApart() {
	kept := v.members[:0]
	for _, m := range v.members {
		if why := v.key.check(m); why != "" {
			v.parts = append(v.parts, malformed{v.key.String() + "." + string(m.Name), m.Value, why})
			continue
		}
		kept = append(kept, m)
	}
	v.members = kept
	slices.SortFunc(v.parts, func(a, b malformed) int { return strings.Compare(a.path, b.path) })
}

// isNothing reports whether an object says nothing.
func (v *value) isNothing() bool {
	return len(v.members)+len(v.carried) == 0 || (v.key == trimPool && v.isZeroedPool())
}

// carry gives the fields that cannot be read the values that were last well-formed. They count when this value is
// compared with others, now and later, but are not this value's to tell. A record with another timestamp is another
// record: nothing is carried into it.
func (v *value) carry(before *value) {
	if len(v.parts) == 0 || before.empty || (v.key.isTimed() && v.at != before.at) {
		return
	}
	for i := range min(len(v.parts), toldParts) {
		name := v.parts[i].path[len(v.key.String())+1:]
		if m := before.get(name); m != nil {
			v.carried = append(v.carried, jsonb.Member{Name: []byte(name), Value: m})
		}
	}
	v.empty = v.isNothing()
}

// wellFormed returns the value without what cannot be read, and with what was last well-formed in its place.
func (v *value) wellFormed() []byte {
	if len(v.parts) == 0 || v.raw == nil {
		return v.raw
	}
	dst := []byte{'{'}
	for i, m := range append(slices.Clone(v.members), v.carried...) {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(append(append(dst, jsonb.Quote(m.Name)...), ": "...), m.Value...)
	}
	return append(dst, '}')
}

// sum returns the digest of a value, zero when it is empty.
func (v *value) sum() jsonb.Digest {
	if v.summed || v.empty || v.raw == nil {
		return v.digest
	}
	v.summed = true
	if v.key == lastExitGuard {
		binary.BigEndian.PutUint64(v.digest[:], uint64(v.at))
		return v.digest
	}
	v.digest = jsonb.DigestOfCanonical(v.canonical())
	return v.digest
}

// canonical returns the canonical form of a value, valid until the next call. What has none is not among the members.
func (v *value) canonical() []byte {
	p := v.parser
	if !v.raw.IsObject() {
		p.canonical, _ = jsonb.AppendCanonical(p.canonical[:0], v.raw)
		return p.canonical
	}
	members := v.members
	if len(v.carried) > 0 {
		members = append(slices.Clone(members), v.carried...)
	}
	p.canonical, _ = jsonb.AppendCanonicalObject(p.canonical[:0], members, v.key.shape())
	return p.canonical
}

// same reports whether two values mean the same, as far as they can be read.
func (v *value) same(other *value) bool {
	switch {
	case v.empty || other.empty:
		return v.empty == other.empty
	case v.at != other.at:
		return false
	}
	return v.sum() == other.sum()
}

// get returns a member that the value tells, nil when it is absent, null or cannot be read.
func (v *value) get(name string) jsonb.Text {
	if m := jsonb.Find(v.members, name); !m.IsNull() {
		return m
	}
	return nil
}

// known returns a member as it is compared: one that cannot be read is what it was when it last could be.
func (v *value) known(name string) jsonb.Text {
	if m := v.get(name); m != nil || len(v.carried) == 0 {
		return m
	}
	return jsonb.Find(v.carried, name)
}

func (v *value) has(name string) bool { return v.get(name) != nil }

// isUnread reports whether a member is there but cannot be read.
func (v *value) isUnread(name string) bool {
	_, there := slices.BinarySearchFunc(v.parts, name, func(p malformed, name string) int {
		return strings.Compare(p.path[len(v.key.String())+1:], name)
	})
	return there
}

func (v *value) number(name string) schemas.Number { return schemas.Number(v.get(name)) }

// boolean returns a member that is true or false, nil when the value does not say.
func (v *value) boolean(name string) *bool {
	m := v.get(name)
	if m == nil {
		return nil
	}
	yes := m.IsTrue()
	return &yes
}

// decimalOf returns a member as a number for comparisons, 0 when it is not there.
func (v *value) decimalOf(name string) jsonb.Decimal {
	d, _ := jsonb.ParseDecimal(v.known(name))
	return d
}

func (v *value) isTrue(name string) bool { return v.known(name).IsTrue() }

// isZeroedPool reports whether the pool holds nothing and remembers nothing.
func (v *value) isZeroedPool() bool {
	return v.decimalOf("usd_basis").Sign() == 0 && v.decimalOf("dx_count").Sign() == 0 && !v.isTrue("recovery_started") &&
		v.known("dx_last_price") == nil && v.known("dx_next_arm") == nil
}

// changedFields names the members that differ between two values of a key, in the order of their names. What cannot be
// read is not among them.
func changedFields(before, after *value) []string {
	changed := []string{}
	from, to := before.sorted(), after.sorted()
	for len(from)+len(to) > 0 {
		switch {
		case len(to) == 0 || (len(from) > 0 && bytes.Compare(from[0].Name, to[0].Name) < 0):
			if !from[0].Value.IsNull() && !after.isUnread(string(from[0].Name)) {
				changed = append(changed, string(from[0].Name))
			}
			from = from[1:]
		case len(from) == 0 || !bytes.Equal(from[0].Name, to[0].Name):
			if !to[0].Value.IsNull() {
				changed = append(changed, string(to[0].Name))
			}
			to = to[1:]
		default:
			if !sameMember(after.key, from[0], to[0]) {
				changed = append(changed, string(to[0].Name))
			}
			from, to = from[1:], to[1:]
		}
	}
	return changed
}

// only returns an object with the given members, null where the value has none.
func (v *value) only(names []string) []byte {
	object := []byte{'{'}
	for i, name := range names {
		if i > 0 {
			object = append(object, ", "...)
		}
		object = append(append(object, jsonb.Quote([]byte(name))...), ": "...)
		if member := v.get(name); member != nil {
			object = append(object, member...)
		} else {
			object = append(object, "null"...)
		}
	}
	return append(object, '}')
}

// sorted returns the members that are compared, by name; a value that is no object has none.
func (v *value) sorted() []jsonb.Member {
	members := append(slices.Clone(v.members), v.carried...)
	slices.SortFunc(members, func(a, b jsonb.Member) int { return bytes.Compare(a.Name, b.Name) })
	return members
}

func sameMember(of key, a, b jsonb.Member) bool {
	if of.isTimed() && string(a.Name) == jsonb.TimestampField && jsonb.SameInstant(a.Value, b.Value) {
		return true
	}
	return jsonb.Same(a.Value, b.Value, jsonb.Plain)
}
