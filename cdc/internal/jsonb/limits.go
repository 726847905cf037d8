package jsonb

// MaxLevels is how deep a value that is compared may be nested.
const MaxLevels = 1000

const (
	tooDeep       = "nested deeper than 1,000 levels"
	tooManyDigits = "a number of more than 1,000 digits"
)

// Excess says why a value cannot be compared with another one: it is nested too deeply, or holds a number of too many
// digits. It returns nothing for all other values.
func Excess(v Text) (why string) {
	deep, wide := passes(v, MaxLevels, MaxDigits, true)
	switch {
	case deep:
		return tooDeep
	case wide:
		return tooManyDigits
	}
	return ""
}

// Exceeds reports whether a value has more levels, or a number of more digits as it stands, than a reader may take.
func Exceeds(v []byte, levels, digits int) bool {
	if len(v) <= min(2*levels, digits) {
		return false
	}
	deep, wide := passes(v, levels, digits, false)
	return deep || wide
}

// passes reports what a value passes first: a number of levels, or a number of digits. They are counted as they stand, or, with
// read, as the number has them without its exponent.
func passes(v []byte, levels, digits int, read bool) (deep, wide bool) {
	depth := 0
	for i := 0; i < len(v); {
		switch b := v[i]; {
		case b == '"':
			i = stringEnd(v, i)
			continue
		case b == '{' || b == '[':
			if depth++; depth > levels {
				return true, false
			}
		case b == '}' || b == ']':
			depth--
		case Text(v[i:]).IsNumber():
			end := numberEnd(v, i)
			if wide = end-i > digits; read {
				wide = !IsInRange(v[i:end])
			}
			if wide {
				return false, true
			}
			i = end
			continue
		}
		i++
	}
	return false, false
}

// stringEnd returns the index behind the string that begins at i.
func stringEnd(v []byte, i int) int {
	for i++; i < len(v); i++ {
		switch v[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(v)
}

// numberEnd returns the index behind the number that begins at i.
func numberEnd(v []byte, i int) int {
	for ; i < len(v); i++ {
		if b := v[i]; (b < '0' || b > '9') && b != '-' && b != '+' && b != '.' && b|0x20 != 'e' {
			break
		}
	}
	return i
}
