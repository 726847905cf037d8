package cdc

import (
	"bytes"
	"encoding/binary"
	"sort"

	"github.com/tidwall/gjson"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// value is a well-formed value of a known key, or its absence. Absent, null and {} are one value, and for the pool the
// zeroed object too.
type value struct {
	raw    []byte // exactly as received, nil when the key is absent or null
	empty  bool
	digest digest
	json   gjson.Result
	at     decode.Micros // of a timed key or a guard stamp
	naive  bool
}

// malformed says where and why a value is not what the contract knows.
type malformed struct {
	path string
	raw  []byte
	why  string
}

// parseValue reads the raw value of a key; nil means absent.
func parseValue(k key, raw []byte) (value, *malformed) {
	v := value{raw: raw, json: parseJSON(raw)}
	if raw == nil || v.json.Type == gjson.Null {
		return value{empty: true}, nil
	}
	bad := v.check(k)
	if bad != nil || v.empty {
		return v, bad
	}
	if k == lastExitGuard {
		v.digest = digest{}
		binary.BigEndian.PutUint64(v.digest[:], uint64(v.at))
		return v, nil
	}
	var err error
	if v.digest, err = digestOf(raw, k.shape()); err != nil {
		return v, &malformed{k.String(), raw, err.Error()}
	}
	return v, nil
}

func (v *value) check(k key) *malformed {
	switch k {
	case prevState:
		if v.json.Type != gjson.String {
			return &malformed{k.String(), v.raw, "not a string"}
		}
		return nil
	case lastExitGuard:
		return v.checkInstant(k.String(), v.json)
	}
	if !v.json.IsObject() {
		return &malformed{k.String(), v.raw, "not an object"}
	}
	if len(bytes.TrimSpace(v.raw[1:len(v.raw)-1])) == 0 {
		v.empty = true
		return nil
	}
	for _, f := range k.fields() {
		if bad := v.checkField(k, f); bad != nil {
			return bad
		}
	}
	if k == trimPool {
		v.empty = v.isZeroedPool()
	}
	if !k.isTimed() {
		return nil
	}
	stamp := v.json.Get(timestampField)
	if !stamp.Exists() || stamp.Type == gjson.Null {
		return &malformed{k.String(), v.raw, "no timestamp"}
	}
	return v.checkInstant(k.String()+"."+timestampField, stamp)
}

func (v *value) checkInstant(path string, stamp gjson.Result) *malformed {
	var ok bool
	if stamp.Type == gjson.String {
		v.at, v.naive, ok = parseInstant(stamp.Str)
	}
	if !ok {
		return &malformed{path, []byte(stamp.Raw), "not a timestamp"}
	}
	return nil
}

func (v *value) checkField(k key, f field) *malformed {
	member := v.json.Get(f.name)
	if !member.Exists() || member.Type == gjson.Null {
		return nil
	}
	ok, why := false, ""
	switch f.kind {
	case numberField, integerField:
		why = "not a number"
		if member.Type == gjson.Number {
			var room [64]byte
			var spelled []byte
			spelled, ok = appendNumber(room[:0], member.Raw)
			if ok && f.kind == integerField && bytes.IndexByte(spelled, '.') >= 0 {
				ok, why = false, "not a whole number"
			}
		}
	case textField:
		ok, why = member.Type == gjson.String, "not a string"
	case boolField:
		ok, why = member.IsBool(), "not true or false"
	}
	if !ok {
		return &malformed{k.String() + "." + f.name, []byte(member.Raw), why}
	}
	return nil
}

// same reports whether two well-formed values mean the same.
func (v value) same(other value) bool {
	if v.empty || other.empty {
		return v.empty == other.empty
	}
	return v.digest == other.digest
}

// get returns a member; the result does not exist when the value is absent or the member is null.
func (v value) get(name string) gjson.Result {
	if v.raw == nil || !v.json.IsObject() {
		return gjson.Result{}
	}
	if m := v.json.Get(name); m.Type != gjson.Null {
		return m
	}
	return gjson.Result{}
}

func (v value) number(name string) schemas.Number { return schemas.Number(v.get(name).Raw) }

// decimalOf returns a member as a number, 0 when it is not there.
func (v value) decimalOf(name string) decimal {
	d, _ := parseDecimal([]byte(v.get(name).Raw))
	return d
}

func (v value) text(name string) schemas.Text {
	if m := v.get(name); m.Type == gjson.String {
		s := m.String()
		return &s
	}
	return nil
}

func (v value) isTrue(name string) bool { return v.get(name).Type == gjson.True }

// isZeroedPool reports whether the pool holds nothing and remembers nothing.
func (v value) isZeroedPool() bool {
	return v.decimalOf("usd_basis").sign() == 0 && v.decimalOf("dx_count").sign() == 0 && !v.isTrue("recovery_started") &&
		!v.get("dx_last_price").Exists() && !v.get("dx_next_arm").Exists()
}

// changedFields names the members that differ between two values of a key, in the order of their names.
func changedFields(before, after value) []string {
	from, to := before.members(), after.members()
	var changed []string
	for name, member := range to {
		if !sameMember(from[name], member) {
			changed = append(changed, name)
		}
	}
	for name, member := range from {
		if _, both := to[name]; !both && !sameMember(member, gjson.Result{}) {
			changed = append(changed, name)
		}
	}
	sort.Strings(changed)
	return changed
}

func (v value) members() map[string]gjson.Result {
	members := make(map[string]gjson.Result)
	if v.raw != nil {
		v.json.ForEach(func(name, member gjson.Result) bool {
			members[name.Str] = member
			return true
		})
	}
	return members
}

func sameMember(a, b gjson.Result) bool {
	if a.Type == gjson.Null || b.Type == gjson.Null {
		return a.Type == b.Type
	}
	x, errX := digestOf([]byte(a.Raw), plainShape)
	y, errY := digestOf([]byte(b.Raw), plainShape)
	return errX == nil && errY == nil && x == y
}
