package settings

import (
	"net"
	"testing"
)

// TestAddressThatIsTaken: an instance that is just ending, or another one, may have the address; a service that ends with exit code 2
// for that is not started again.
func TestAddressThatIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // the test is over
	for address, code := range map[string]int{taken.Addr().String(): ExitFailed, "192.0.2.1:9187": ExitFailed, "127.0.0.1": ExitUsage, "127.0.0.1:99999": ExitUsage} {
		_, err := net.Listen("tcp", address)
		if got := ExitCode(CannotServe(err)); got != code {
			t.Errorf("%s: exit code %d, want %d: %v", address, got, code, err)
		}
	}
}
