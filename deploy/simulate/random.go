package simulate

import (
	"math/rand"
	v2 "math/rand/v2"
	"strconv"
)

// seedGlobal makes the libraries' own random numbers (kafka-go's choice of a broker, kfake's of leaders and ids) those of the seed.
// It needs GODEBUG=randseednop=0, which the test sets.
func seedGlobal(seed uint64) {
	rand.Seed(int64(seed)) //nolint:staticcheck // the libraries use the global source
}

// digest is the FNV-1a hash of a name, which can be continued: names are made only for those who read them.
type digest uint64

func digestOf(name string) digest { return digest(14695981039346656037).with(name) }

func (d digest) with(more string) digest {
	for i := range len(more) {
		d = (d ^ digest(more[i])) * 1099511628211
	}
	return d
}

func (d digest) number(n int) digest {
	var digits [20]byte
	for _, c := range strconv.AppendInt(digits[:0], int64(n), 10) {
		d = (d ^ digest(c)) * 1099511628211
	}
	return d
}

// draw returns the seed's random numbers of a name.
func (d digest) draw(seed uint64) *v2.Rand { return v2.New(v2.NewPCG(seed, uint64(d))) }
