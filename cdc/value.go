package cdc

import (
	"encoding/binary"
	"sort"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// value is a well-formed value of a known key, or its absence. Absent, null and {} are one value, and for the pool the
// zeroed object too.
type value struct {
	key     key
	raw     jsonb.Text     // exactly as received, nil when the key is absent or null
	members []jsonb.Member // of an object, in their order
	empty   bool
	at      decode.Micros // of a timed key or a guard stamp
	naive   bool
	dated   bool // at is the only timestamp: values with another one are other values

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

// parse reads the raw value of a key; nil means absent.
func (p *valueParser) parse(k key, raw []byte) (value, *malformed) {
	v, bad := p.read(k, raw)
	if bad != nil || v.empty {
		return v, bad
	}
	if err := v.makeSum(); err != nil {
		return v, &malformed{k.String(), raw, err.Error()}
	}
	return v, nil
}

// read does what parse does, but for the digest, which many values never need.
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
	switch v.key {
	case prevState:
		if !v.raw.IsString() {
			return &malformed{v.key.String(), v.raw, "not a string"}
		}
		return nil
	case lastExitGuard:
		if !v.readInstant(v.raw) {
			return &malformed{v.key.String(), v.raw, "not a timestamp"}
		}
		return nil
	}
	if !v.raw.IsObject() {
		return &malformed{v.key.String(), v.raw, "not an object"}
	}
	if len(v.members) == 0 {
		v.empty = true
		return nil
	}
	for _, f := range v.key.fields() {
		if why := f.check(jsonb.Find(v.members, f.name)); why != "" {
			return &malformed{v.key.String() + "." + f.name, jsonb.Find(v.members, f.name), why}
		}
	}
	if v.key == trimPool {
		v.empty = v.isZeroedPool()
	}
	if !v.key.isTimed() {
		return nil
	}
	return v.checkTimestamp()
}

func (v *value) checkTimestamp() *malformed {
	stamp := v.get(jsonb.TimestampField)
	if stamp.IsNull() {
		return &malformed{v.key.String(), v.raw, "no timestamp"}
	}
	count := 0
	for i := range v.members {
		if string(v.members[i].Name) == jsonb.TimestampField {
			count++
		}
	}
	v.dated = count == 1
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

// check says what is wrong with a field's value, and nothing when all is well.
func (f field) check(member jsonb.Text) (why string) {
	if member.IsNull() {
		return ""
	}
	switch f.kind {
	case numberField, integerField:
		if !member.IsNumber() || !jsonb.IsInRange(member) {
			return "not a number"
		}
		if f.kind == integerField && !jsonb.IsWhole(member) {
			return "not a whole number"
		}
	case textField:
		if !member.IsString() {
			return "not a string"
		}
	case boolField:
		if !member.IsTrue() && !member.IsFalse() {
			return "not true or false"
		}
	}
	return ""
}

// makeSum computes the digest. A value that cannot be compared is an error.
func (v *value) makeSum() (err error) {
	v.summed = true
	p := v.parser
	switch {
	case v.key == lastExitGuard:
		binary.BigEndian.PutUint64(v.digest[:], uint64(v.at))
		return nil
	case v.raw.IsObject():
		p.canonical, err = jsonb.AppendCanonicalObject(p.canonical[:0], v.members, v.key.shape())
	default:
		p.canonical, err = jsonb.AppendCanonical(p.canonical[:0], v.raw)
	}
	if err == nil {
		v.digest = jsonb.DigestOfCanonical(p.canonical)
	}
	return err
}

// sum returns the digest of a well-formed value, zero when it is empty.
func (v *value) sum() jsonb.Digest {
	if !v.summed && !v.empty && v.raw != nil {
		_ = v.makeSum() // it was made without an error when the value was new
	}
	return v.digest
}

// same reports whether two well-formed values mean the same.
func (v *value) same(other *value) bool {
	switch {
	case v.empty || other.empty:
		return v.empty == other.empty
	case v.dated && other.dated && v.at != other.at:
		return false
	}
	return v.sum() == other.sum()
}

// get returns a member, nil when it is absent or null.
func (v *value) get(name string) jsonb.Text {
	if m := jsonb.Find(v.members, name); !m.IsNull() {
		return m
	}
	return nil
}

func (v *value) has(name string) bool { return v.get(name) != nil }

func (v *value) number(name string) schemas.Number { return schemas.Number(v.get(name)) }

// decimalOf returns a member as a number, 0 when it is not there.
func (v *value) decimalOf(name string) jsonb.Decimal {
	d, _ := jsonb.ParseDecimal(v.get(name))
	return d
}

func (v *value) text(name string) schemas.Text { return v.get(name).TextOrNull() }

func (v *value) isTrue(name string) bool { return v.get(name).IsTrue() }

// isZeroedPool reports whether the pool holds nothing and remembers nothing.
func (v *value) isZeroedPool() bool {
	return v.decimalOf("usd_basis").Sign() == 0 && v.decimalOf("dx_count").Sign() == 0 && !v.isTrue("recovery_started") &&
		!v.has("dx_last_price") && !v.has("dx_next_arm")
}

// changedFields names the members that differ between two values of a key, in the order of their names.
func changedFields(before, after *value) []string {
	from, to := before.byName(), after.byName()
	var changed []string
	for name, member := range to {
		if !sameMember(from[name], member) {
			changed = append(changed, name)
		}
	}
	for name, member := range from {
		if _, both := to[name]; !both && !member.IsNull() {
			changed = append(changed, name)
		}
	}
	sort.Strings(changed)
	return changed
}

// byName returns the members; a value that is no object has none.
func (v *value) byName() map[string]jsonb.Text {
	members := make(map[string]jsonb.Text)
	for _, m := range v.members {
		members[string(m.Name)] = m.Value
	}
	return members
}

func sameMember(a, b jsonb.Text) bool {
	if a.IsNull() || b.IsNull() {
		return a.IsNull() == b.IsNull()
	}
	x, errX := jsonb.DigestOf(a)
	y, errY := jsonb.DigestOf(b)
	return errX == nil && errY == nil && x == y
}
