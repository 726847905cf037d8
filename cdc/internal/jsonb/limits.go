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
	depth := 0
	for i := 0; i < len(v); {
		switch b := v[i]; {
		case b == '"':
			i = stringEnd(v, i)
			continue
		case b == '{' || b == '[':
			if depth++; depth > MaxLevels {
				return tooDeep
			}
		case b == '}' || b == ']':
			depth--
		case v[i:].IsNumber():
			end := numberEnd(v, i)
			if !IsInRange(v[i:end]) {
				return tooManyDigits
			}
			i = end
			continue
		}
		i++
	}
	return ""
}

// Exceeds reports whether a value has more levels, or a number of more digits as it stands, than a reader may take.
func Exceeds(v []byte, levels, digits int) bool {
	if len(v) <= min(2*levels, digits) {
		return false
	}
	depth := 0
	for i := 0; i < len(v); {
		switch b := v[i]; {
		case b == '"':
			i = stringEnd(v, i)
			continue
		case b == '{' || b == '[':
			if depth++; depth > levels {
				return true
			}
		case b == '}' || b == ']':
			depth--
		case Text(v[i:]).IsNumber():
			end := numberEnd(v, i)
			if end-i > digits {
				return true
			}
			i = end
			continue
		}
		i++
	}
	return false
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
