package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Ports are taken from below those that the kernel gives to whoever asks for any, so that nobody else has one by the time that the
// server listens, or while it is restarted.
const (
	firstPort = 20000
	ports     = 12000
)

// claims are the ports that this process has asked for. Each is a name that only one process can have at a time.
var claims struct {
	sync.Mutex
	all []net.Listener
}

// FreePort returns a port of this machine at which nothing listens yet. No other call returns it as long as this process lives.
func FreePort() (int, error) {
	for range 1000 {
		port := firstPort + rand.IntN(ports) // not a secret
		claim, err := net.Listen("unix", fmt.Sprintf("@lowcap-cdc/port/%d", port))
		if err != nil {
			continue // it is somebody's
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			claim.Close() //nolint:errcheck // it is of no use
			continue
		}
		l.Close() //nolint:errcheck // only its number is wanted
		claims.Lock()
		claims.all = append(claims.all, claim)
		claims.Unlock()
		return port, nil
	}
	return 0, errors.New("no port is free")
}
