package pg

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestEncryptionRefused: whatever is wrong with TLS is said in one line with what to do; what is renewed on the server is tried again.
func TestEncryptionRefused(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name, mode, want string
		encrypts         bool
		until            time.Time
		address          string
		permanent        bool
	}{
		{"a server without TLS", "require", "takes no encrypted connections; set ssl = on", false, now.Add(time.Hour), "127.0.0.1", true},
		{"a stranger's certificate", "verify-ca", "sslrootcert=FILE", true, now.Add(time.Hour), "127.0.0.1", true},
		{"a certificate for another name", "verify-full", "is not for 127.0.0.1", true, now.Add(time.Hour), "127.9.9.9", true},
		{"a certificate that has run out", "verify-full", "renew it on the server", true, now.Add(-time.Hour), "127.0.0.1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			own, ca := selfSigned(t, c.address, c.until)
			if c.mode == "verify-ca" {
				_, ca = selfSigned(t, c.address, c.until)
			}
			dsn := "postgres://anna@" + answering(t, own, c.encrypts) + "/trading?sslmode=" + c.mode
			if c.encrypts {
				dsn += "&sslrootcert=" + ca
			}
			_, err := Config{DSN: dsn}.connectReplication(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || IsPermanent(err) != c.permanent {
				t.Errorf("%v, permanent %v", err, IsPermanent(err))
			}
		})
	}
}

// answering answers whether it encrypts, as Postgres does, and shakes hands. It returns its address.
func answering(t *testing.T, own tls.Certificate, encrypts bool) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() }) //nolint:errcheck // the test is over
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if _, err := io.ReadFull(conn, make([]byte, 8)); err == nil && encrypts { // SSLRequest
				conn.Write([]byte("S"))                                                                                    //nolint:errcheck // the client sees it
				tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{own}}).HandshakeContext(context.Background()) //nolint:errcheck // it fails
			} else {
				conn.Write([]byte("N")) //nolint:errcheck // the client sees it
			}
			conn.Close() //nolint:errcheck // it was answered
		}
	}()
	return listener.Addr().String()
}

// selfSigned makes a certificate for an address, and a file with it.
func selfSigned(t *testing.T, address string, until time.Time) (own tls.Certificate, path string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: until.Add(-24 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.ParseIP(address)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}
