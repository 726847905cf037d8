package simulate

import "math/rand"

// seedGlobal makes the libraries' own random numbers (kafka-go's choice of a broker, kfake's of leaders and ids) those of the seed.
// It needs GODEBUG=randseednop=0, which the test sets.
func seedGlobal(seed uint64) {
	rand.Seed(int64(seed)) //nolint:staticcheck // the libraries use the global source
}
